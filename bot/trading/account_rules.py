"""The rule machine of each account, fed by what the venue reports (strategies.md §7, bot.md §10.3).

Fills move balance and open result in one step, so that a closed profit never counts twice; marks move the
open result. Reports of balance and positions that are older than the newest fill, or hardly newer, are left
alone: the fill is ahead of them. With the user feed down or a failed query nothing is known until the next
good reconciliation. A state that changed is kept at once; at start it goes on from what was kept, never from
the present balance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import time
from typing import Any

import structlog

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import CT, to_wall, wall_to_ns
from bot.clock import Clock
from bot.model.errors import BadField
from bot.model.market import Quote
from bot.model.orders import Account, Fill
from bot.model.quantities import Money, TsNs, unrealised
from bot.model.risk import RuleFigures
from bot.model.times import SECOND
from bot.risk.profile import profile_of
from bot.risk.rules import Init, Lost, Mark, RuleAction, RuleEvent, RuleFill, RuleMachine, Snapshot
from bot.trading.desk import Desk

PRICE_PATIENCE_NS = 60 * SECOND
SETTLE_NS = 2 * SECOND
_ROLL = time(17)
DISPUTE = Money(1_000_000)
"""A difference of balances that is worth a line in the log: one dollar."""

log = structlog.get_logger(__name__)


class AccountRules:
    """One account. `limits` are the owner's tighter ones; `breached` is told of a breach's actions."""

    def __init__(
        self, account: Account, desk: Desk, calendar: SessionCalendar, clock: Clock, *,
        limits: Mapping[str, Any] | None = None, kept: dict[str, Any] | None = None,
        keep: Callable[[int, dict[str, Any]], None], breached: Callable[[int, Sequence[RuleAction]], None],
        told: Callable[[int, RuleFigures], None],
    ) -> None:  # fmt: skip
        self.account_id = account.id
        self._desk, self._calendar, self._clock = desk, calendar, clock
        self._keep, self._breached, self._told = keep, breached, told
        self._machine = _machine_of(account.name, calendar, limits, kept)
        self._cost: dict[str, tuple[int, int]] = {}
        self._seen: set[int] = set()
        self._fills_version = -1
        self._last_fill = 0
        self._last_fill_at = 0
        self._differs: dict[str, tuple[tuple[int, int], int]] = {}
        self._adopted: dict[str, int] = {}
        self._balance_differs: tuple[Money, int, int] | None = None
        self._included_until = 0
        self._lost = False
        self._lost_price: dict[str, int] = {}
        self._shown: RuleFigures | None = None

    @property
    def figures(self) -> RuleFigures:
        """The figures of now; UNKNOWN for an account without a known programme."""
        return RuleFigures() if self._machine is None else self._machine.figures()

    @property
    def machine(self) -> RuleMachine | None:
        return self._machine

    def start(self, balance: Money, day_fills: Sequence[Fill]) -> None:
        """The first event: balance, and the net of the risk day so far from the venue's trades.

        Both were read after the desk's first reconciliation, with no fill between them.
        """
        self._seen = {fill.id for fill in [*day_fills, *self._desk.picture.fills.all()]}
        net = sum((fill.pnl or 0) - fill.fees - fill.commissions for fill in day_fills if not fill.voided)
        for position in self._desk.picture.positions.open(self.account_id):
            self._hold(position.contract_id, (position.net, position.cost_ticks))
        machine = self._machine
        if machine is None:
            self._show()
            return
        before = machine.status
        high = None if machine.high is None else Money(max(machine.high, balance))
        self._apply(
            Init(t=self._clock.now(), balance=balance, unrealised=self._open_result() or Money(0),
                 day_net=Money(net), high_water=high)
        )  # fmt: skip
        if before == machine.status and before in ("DLL_LOCKED", "MLL_BREACHED") and self._exposed():
            # The process ended between a breach and the end of its flatten.
            self._breached(self.account_id, ("BLOCK_ENTRIES", "CANCEL_ALL", "FLATTEN"))

    def tick(self) -> None:
        """Several times a second: new fills, reports that settled, marks, lost feeds, the day roll."""
        if self._machine is None:
            return
        self._take_fills()
        self._take_positions()
        now = self._clock.now()
        open_result = self._open_result()
        if open_result is not None:
            self._apply(Mark(t=now, unrealised=open_result))
        state = self._desk.picture.accounts.get(self.account_id)
        if open_result is None or state is None or state.colour == "red" or not self._desk.picture.hub_up:
            self._lost = True
        if self._lost:
            self._apply(Lost(t=now))
        elif state is not None and open_result is not None:
            self._take_balance(state.account.balance, state.as_of, open_result)

    def confirm(self) -> None:
        """A reconciliation ended in which every query succeeded: what was lost is known again."""
        self._lost = False
        self.tick()

    def _take_balance(self, balance: Money, as_of: int, open_result: Money) -> None:
        """The venue's balance wins where no fill explains the difference and it has stood for a while."""
        known, mono = self.figures.balance, self._clock.mono()
        if known == balance:
            self._balance_differs = None
            if self.figures.status == "UNKNOWN":
                self._apply(Snapshot(t=self._clock.now(), balance=balance, unrealised=open_result))
            return
        if self._balance_differs is None or self._balance_differs[0] != balance:
            self._balance_differs = balance, as_of, mono
        _, first, since = self._balance_differs
        fresh = self._last_fill_at and as_of - self._last_fill_at < SETTLE_NS
        if fresh or mono - max(since, self._last_fill) < SETTLE_NS:
            return
        self._balance_differs, self._included_until = None, first
        if known is not None and abs(known - balance) > DISPUTE:
            log.warning("rules.balance_differs", account_id=self.account_id, ours=known, venue=balance)
        self._apply(Snapshot(t=self._clock.now(), balance=balance, unrealised=open_result))

    def _take_fills(self) -> None:
        fills = self._desk.picture.fills
        if fills.version == self._fills_version:
            return
        self._fills_version = fills.version
        for fill in fills.all():
            if fill.account_id == self.account_id and fill.id not in self._seen:
                self._on_fill(fill)

    def _on_fill(self, fill: Fill) -> None:
        self._seen.add(fill.id)
        self._last_fill, self._last_fill_at = self._clock.mono(), self._clock.now()
        if fill.ts > self._adopted.get(fill.contract_id, 0):
            self._cost[fill.contract_id] = after_fill(self._cost.get(fill.contract_id, (0, 0)), fill)
        # A balance that was taken without its fill holds the fill's money already.
        counts = fill.ts > self._included_until
        self._apply(
            RuleFill(t=self._clock.now(), pnl=(fill.pnl if counts else None) or Money(0),
                     costs=Money(fill.fees + fill.commissions if counts else 0),
                     unrealised=self._open_result() or Money(0))
        )  # fmt: skip

    def _take_positions(self) -> None:
        """The venue's positions where they have differed from the fills' for longer than reports take."""
        mono, positions = self._clock.mono(), self._desk.picture.positions
        held = {p.contract_id: (p.net, p.cost_ticks) for p in positions.open(self.account_id)}
        for contract_id in sorted({*held, *self._cost}):
            venue = held.get(contract_id, (0, 0))
            if venue == self._cost.get(contract_id, (0, 0)):
                self._differs.pop(contract_id, None)
                continue
            first, since = self._differs.get(contract_id, (venue, mono))
            if first != venue:
                since = mono
            self._differs[contract_id] = venue, since
            if mono - max(since, self._last_fill) >= SETTLE_NS:
                self._hold(contract_id, venue)

    def _hold(self, contract_id: str, held: tuple[int, int]) -> None:
        self._cost[contract_id] = held
        # Reports lag behind fills by less than that: a fill from before is in the position already.
        self._adopted[contract_id] = self._clock.now() - SETTLE_NS
        self._differs.pop(contract_id, None)

    def _exposed(self) -> bool:
        picture = self._desk.picture
        return bool(picture.positions.open(self.account_id) or picture.orders.working(self.account_id))

    def _open_result(self) -> Money | None:
        """None when an open position has had no price for a minute of its open market, or no known contract."""
        total, now = 0, self._clock.now()
        for contract_id, (net, cost) in self._cost.items():
            if not net:
                continue
            contract = self._desk.picture.contracts.get(contract_id)
            if contract is None:
                return None
            quote = self._desk.picture.quotes.get(contract_id)
            mark = worse_mark(quote, net)
            if quote is None or mark is None or now - quote.received > PRICE_PATIENCE_NS:
                since = self._lost_price.setdefault(contract_id, now if quote is None else quote.received)
                if not self._calendar.is_open(now, contract.group):
                    self._lost_price[contract_id] = now
                elif now - since > PRICE_PATIENCE_NS:
                    return None
                mark = cost // abs(net) if mark is None else mark
            else:
                self._lost_price.pop(contract_id, None)
            total += unrealised(1 if net > 0 else -1, abs(net), cost, mark, contract.tick_value)
        return Money(total)

    def _apply(self, event: RuleEvent) -> None:
        if self._machine is None:
            return
        before = self._machine.state()
        actions = self._machine.apply(event)
        after = self._machine.state()
        if _lasting(after) != _lasting(before):
            self._keep(self.account_id, after)
        self._show()
        if actions:
            self._breached(self.account_id, actions)

    def _show(self) -> None:
        figures = self.figures
        if figures != self._shown:
            self._shown = figures
            self._desk.set_rules(self.account_id, figures)
            self._told(self.account_id, figures)


def after_fill(held: tuple[int, int], fill: Fill) -> tuple[int, int]:
    """`(net, cost in ticks)` after a fill; the cost of what stays is kept in proportion, rounded down."""
    net, cost = held
    change = fill.size if fill.side == 0 else -fill.size
    after = net + change
    if net == 0 or net * change > 0:
        return after, cost + fill.price * fill.size
    if abs(change) <= abs(net):
        return after, cost * abs(after) // abs(net)
    return after, fill.price * abs(after)


def worse_mark(quote: Quote | None, net: int) -> int | None:
    """The last price, or the bid for longs and the ask for shorts where that is worse."""
    if quote is None:
        return None
    touch = quote.bid if net > 0 else quote.ask
    if quote.last is None or touch is None:
        return quote.last if touch is None else touch
    return min(quote.last, touch) if net > 0 else max(quote.last, touch)


def day_start(calendar: SessionCalendar, now: TsNs) -> TsNs:
    """The 17:00 Chicago at which the risk day of `now` began."""
    wall = to_wall(now, CT)
    day = wall.date() if wall.hour >= 17 else wall.date().fromordinal(wall.toordinal() - 1)
    while calendar.risk_day(wall_to_ns(day, _ROLL, CT) - 1) == calendar.risk_day(now):
        day = day.fromordinal(day.toordinal() - 1)
    return wall_to_ns(day, _ROLL, CT)


def _machine_of(
    name: str, calendar: SessionCalendar, limits: Mapping[str, Any] | None, kept: dict[str, Any] | None
) -> RuleMachine | None:
    profile = profile_of(name, limits)
    if profile is None:
        return None
    if kept is None:
        return RuleMachine(profile, calendar)
    try:
        return RuleMachine.restored(profile, calendar, kept)
    except BadField as problem:
        log.exception("rules.state_unreadable", problem=str(problem))
        return None


def _lasting(state: dict[str, Any]) -> dict[str, Any]:
    """What is worth a write: everything but the open result, which changes with each price."""
    return {key: value for key, value in state.items() if key != "unrealised"}
