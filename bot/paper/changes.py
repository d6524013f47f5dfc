"""Modify, cancel and the two closes (gateway.md 8.7, 8.8, 8.15, 8.16)."""

from __future__ import annotations

import msgspec

from bot.paper.answers import Answer, refused
from bot.paper.fields import Members
from bot.paper.matching import Matching
from bot.paper.placing import stop_is_wrong
from bot.paper.rows import (
    LIMITS,
    LIVE,
    MARKET,
    OPEN,
    REJECTED,
    STOP_LIMIT,
    SUSPENDED,
    TRAILING,
    OrderRow,
    PositionRow,
)  # fmt: skip
from bot.paper.state import State

ACCOUNT_NOT_FOUND, NOT_FOUND, REJECT, BARRED = 1, 2, 3, 6
NOT_ACTIVE = 4
CLOSE_REJECTED, CLOSE_BARRED = 5, 8


class Modification(msgspec.Struct, kw_only=True):
    """A modify request that binds; prices are `(mantissa, exponent)`, None = unchanged."""

    account: int
    order: int
    size: int | None
    limit: tuple[int, int] | None
    stop: tuple[int, int] | None
    trail: tuple[int, int] | None


def read_modification(body: Members) -> Modification:
    """Bind a modify request. Raises BadRequest."""
    return Modification(
        account=body.i32("accountId"),
        order=body.i64("orderId"),
        size=body.i32_or_none("size"),
        limit=body.decimal("limitPrice"),
        stop=body.decimal("stopPrice"),
        trail=body.decimal("trailPrice"),
    )


class Changes:
    """Changes to orders and positions of one venue."""

    def __init__(self, state: State, matching: Matching) -> None:
        self._state, self._matching = state, matching

    def modify(self, ask: Modification, ts: int) -> Answer:
        """New values for a working order. Nothing to change is success without an event."""
        account, row = self._state.accounts.get(ask.account), self._find(ask.account, ask.order)
        if account is None:
            return refused(ACCOUNT_NOT_FOUND)
        if account.live_routing or account.follower:
            return refused(BARRED)
        if row is None:
            return refused(NOT_FOUND)
        if row.status == SUSPENDED and not self._state.options.modify_suspended:
            return refused(REJECT)
        new = msgspec.structs.replace(row)
        text = self._apply(ask, row, new)
        if text is not None:
            return refused(REJECT, text or None)
        if new == row:
            return Answer(order=row.id)
        new.updated = ts
        self._state.save_order(new, ts)
        if new.size != row.size:
            self._matching.brackets.resize(new, ts)
        if new.status == OPEN and new.is_limit:
            self._matching.meet(new, ts)
        return Answer(order=row.id)

    def cancel(self, account: int, order: int, ts: int) -> Answer:
        """Success means accepted; a suspended leg can be cancelled alone."""
        owner, row = self._state.accounts.get(account), self._find(account, order)
        if owner is None:
            return refused(ACCOUNT_NOT_FOUND)
        if owner.follower:
            return refused(BARRED, "Follower accounts cannot cancel orders")
        if owner.live_routing:
            return refused(BARRED, "Live accounts not supported")
        if row is None:
            return refused(NOT_FOUND)
        self._matching.cancel(row, ts)
        if self._state.options.cancel_sibling_on_cancel and row.parent is not None:
            for sibling in tuple(self._state.children.get(row.parent, ())):
                self._matching.cancel(sibling, ts)
        return Answer(order=row.id)

    def close(
        self, account: int, contract_id: str, size: int | None, ts: int, *, partial: bool, lie: bool = False
    ) -> Answer:
        """A market order for the net position or a part of it. `lie` accepts and does nothing."""
        state = self._state
        shift = 1 if partial else 0
        holder = state.accounts.get(account)
        if holder is None:
            return refused(ACCOUNT_NOT_FOUND)
        if holder.live_routing:
            return refused(CLOSE_BARRED + shift)
        contract = state.catalogue.find(contract_id, ts)
        if contract is None:
            return refused(3)
        held = state.positions.get((account, contract_id))
        if not contract.active and (held is None or state.catalogue.expired(contract, ts)):
            return refused(NOT_ACTIVE)
        if held is None:
            return refused(NOT_FOUND)
        if size is not None and not 1 <= size <= abs(held.net):
            return refused(5)
        lots = size if size is not None else abs(held.net)
        signed = -lots if held.net > 0 else lots
        closed = not state.tradable(contract, ts) or state.interruptions.holds(contract_id, ts)
        if closed or not self._matching.liquidity.offered(contract_id, signed):
            self._record_rejected(held, size, ts, "partial" if partial else "close")
            return refused(CLOSE_REJECTED + shift)
        if lie:
            return Answer()
        origin = "partial" if partial else "close"
        row = self._matching.market(account, contract_id, signed, origin, ts)
        return Answer(order=row.id)

    def _record_rejected(self, held: PositionRow, size: int | None, ts: int, origin: str) -> None:
        row = OrderRow(
            id=0, account=held.account, contract=held.contract, created=ts, updated=ts, status=REJECTED,
            type=MARKET, side=1 if held.net > 0 else 0, size=abs(held.net) if size is None else size,
            origin=origin,
        )  # fmt: skip
        self._matching.reject(row, ts, engine=True)

    def _find(self, account: int, order: int) -> OrderRow | None:
        row = self._state.orders.get(order)
        known = row is not None and row.account == account and not row.hidden and row.status in LIVE
        return row if known else None

    def _apply(self, ask: Modification, row: OrderRow, new: OrderRow) -> str | None:
        """Put the new values into `new`; a text (or "") is the refusal."""
        state = self._state
        if ask.size is not None and ask.size != row.size:
            if row.parent is not None:
                return "Order is attached to position."
            if ask.size <= row.filled:
                return ""
            grows, new.size = ask.size > row.size, ask.size
            if grows and self._matching.limits.too_large(new, state.contract(row.contract)):
                return state.options.size_limit_text
        return (
            self._new_limit(ask, row, new) or self._new_stop(ask, row, new) or self._new_trail(ask, row, new)
        )

    def _new_limit(self, ask: Modification, row: OrderRow, new: OrderRow) -> str | None:
        if ask.limit is None:
            return None
        if row.type not in (*LIMITS, STOP_LIMIT):
            return self._wrong_price("limit")
        new.limit, on_tick = self._state.contract(row.contract).tick.ratio_ticks(*ask.limit)
        if not on_tick:
            return "Invalid limit price. Price is not aligned to tick size."
        inside = self._state.interruptions.inside(row.contract, new.limit)
        return None if inside else "Invalid limit price"

    def _new_stop(self, ask: Modification, row: OrderRow, new: OrderRow) -> str | None:
        if ask.stop is None:
            return None
        if row.type == TRAILING or not row.is_stop:
            return self._wrong_price("stop")
        new.stop, on_tick = self._state.contract(row.contract).tick.ratio_ticks(*ask.stop)
        if not on_tick:
            return "Invalid stop price. Price is not aligned to tick size."
        if new.stop != row.stop and stop_is_wrong(row, new.stop, self._state):
            return "Invalid stop price"
        return None

    def _new_trail(self, ask: Modification, row: OrderRow, new: OrderRow) -> str | None:
        """The distance is measured anew from the last trade, without a bound (8.7)."""
        if ask.trail is None:
            return None
        if row.type != TRAILING:
            return self._wrong_price("trail")
        level, on_tick = self._state.contract(row.contract).tick.ratio_ticks(*ask.trail)
        if not on_tick:
            return "Invalid trail price. Price is not aligned to tick size."
        last = self._state.last.get(row.contract)
        if last is None:
            return "Cannot trail without a last price"
        new.trail = abs(last - level)
        if row.offset is not None:
            new.offset = row.sign * new.trail
        if row.status != SUSPENDED:
            new.stop = last + row.sign * new.trail
        return None

    def _wrong_price(self, kind: str) -> str | None:
        """A price that the order's type does not have."""
        return f"Invalid {kind} price" if self._state.options.modify_wrong_price == "reject" else None
