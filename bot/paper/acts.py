"""What the verbs do that act at once: moves of the market, fills, liquidations, changes of the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bot.model.errors import BadField
from bot.model.quantities import parse_decimal
from bot.model.times import SECOND
from bot.paper import holidays
from bot.paper.faults import Fault
from bot.paper.rows import OPEN, OrderRow

if TYPE_CHECKING:
    from bot.paper.venue import PaperVenue


ARRIVAL = 0.6
"""The part of a step in which a walk to and fro arrives; in the rest the book follows."""


class Acts:
    """`do` carries out one verb at the venue's present time. Raises BadField where there is nothing to act on."""

    def __init__(self, venue: PaperVenue) -> None:
        self._venue, self._state = venue, venue.state
        self._verbs: dict[str, Callable[[Fault], None]] = {
            "token.expire": lambda _: venue.tokens.expire_all(venue.state.now),
            "hub.drop": self._strike_hubs, "hub.logout": self._strike_hubs, "hub.unknown": self._strike_hubs,
            "fill": self._fill, "push": self._push, "gap": self._push, "fast": self._run_to_and_fro,
            "depth.reset": lambda _: venue.reset_depth(),
            "halt": lambda fault: venue.halt(_contract(fault), fault.seconds),
            "velocity": lambda fault: venue.pause(
                _contract(fault), fault.seconds, "cancel" if fault.how == "cancel" else "refuse"
            ),
            "resume": lambda fault: venue.resume(_contract(fault)),
            "roll": lambda fault: self._roll(_contract(fault)), "void": self._void,
            "band": self._band, "liquidate": self._liquidate,
            "account": lambda fault: venue.change_account({**(fault.set or {}), "id": fault.account_id}),
            "option": lambda fault: venue.set_options(fault.set or {}),
            "cut": lambda fault: venue.cut(fault.group),
            "holiday": lambda fault: holidays.declare(venue, fault.day, fault.close),
            "clear": lambda _: venue.faults.clear(),
        }  # fmt: skip

    def do(self, fault: Fault) -> None:
        """Carry out a fault that does not wait."""
        self._verbs[fault.fault](fault)

    def _strike_hubs(self, fault: Fault) -> None:
        for name in ("user", "market"):
            if fault.hub in ("any", name):
                self._venue.hub(name).strike(fault)

    def _fill(self, fault: Fault) -> None:
        order = self._working(fault)
        price = self.ticks(order.contract, fault.price)
        if price is None:
            price = order.limit if order.limit is not None else order.stop
        assert price is not None
        self._venue.fill(order, price, fault.size)

    def _working(self, fault: Fault) -> OrderRow:
        if fault.order_id is not None:
            order = self._state.orders.get(fault.order_id)
            if order is not None and order.status == OPEN:
                return order
            raise BadField("order_id", expected="a working order", seen=fault.order_id)
        found = [
            row
            for row in self._state.live.values()
            if row.status == OPEN and row.parent is None and fault.touches(row.account, row.contract)
        ]
        if not found:
            raise BadField("fill", expected="a working order that is no bracket leg", seen="none")
        return max(found, key=lambda row: row.id)

    def _push(self, fault: Fault) -> None:
        contract = _contract(fault)
        target = fault.ticks if fault.ticks is not None else self.ticks(contract, fault.price)
        if target is None:
            target = self._last(contract) + (fault.by or 0)
        seconds = 0.0 if fault.fault == "gap" else fault.seconds if fault.seconds is not None else 1.0
        self._venue.push(contract, target, seconds)

    def _run_to_and_fro(self, fault: Fault) -> None:
        contract, reach = _contract(fault), fault.ticks or 0
        middle, step = self._last(contract), max(1, int(fault.step_s * SECOND))
        walks = max(1, fault.wait // step)
        for number in range(walks):
            target = middle if number == walks - 1 else middle + (reach, 0, -reach, 0)[number % 4]

            def walk(_due: int, target: int = target) -> None:
                self._venue.push(contract, target, ARRIVAL * step / SECOND)

            self._state.timers.at(self._state.now + number * step, walk)

    def _band(self, fault: Fault) -> None:
        contract = _contract(fault)
        low, high = self.ticks(contract, fault.low), self.ticks(contract, fault.high)
        if fault.below is not None:
            low = self._last(contract) - fault.below
        if fault.above is not None:
            high = self._last(contract) + fault.above
        self._venue.band(contract, low, high)

    def _roll(self, contract_id: str) -> None:
        self._venue.roll(self._state.contract(contract_id).root)

    def _void(self, fault: Fault) -> None:
        found = [
            row
            for row in self._state.trades
            if not row.voided
            and fault.touches(row.account, row.contract)
            and fault.trade_id in (None, row.id)
        ]
        if not found:
            raise BadField("void", expected="a half-turn that is not voided yet", seen=fault.trade_id)
        self._venue.void(found[-1].id)

    def _liquidate(self, fault: Fault) -> None:
        if fault.limit is None:
            for row in tuple(self._state.positions.values()):
                if fault.touches(row.account, row.contract):
                    self._venue.sell_out(row)
            return
        for account in tuple(self._state.accounts.values()):
            if fault.account_id in (None, account.id):
                self._venue.lock_account(account, for_good=fault.limit == "mll")

    def ticks(self, contract_id: str, price: float | str | None) -> int | None:
        """A price of a contract in ticks. Raises BadField off the grid."""
        if price is None:
            return None
        ticks, on_tick = self._state.contract(contract_id).tick.ratio_ticks(*parse_decimal(str(price)))
        if not on_tick:
            raise BadField("price", expected="a price on the contract's tick", seen=price)
        return ticks

    def _last(self, contract_id: str) -> int:
        last = self._state.last.get(contract_id)
        if last is None:
            raise BadField("contract_id", expected="a contract that has traded", seen=contract_id)
        return last


def _contract(fault: Fault) -> str:
    assert fault.contract_id is not None
    return fault.contract_id
