"""Position arithmetic: netted per contract, the mean kept exact, profit in whole micro-dollars (9.5)."""

from __future__ import annotations

import copy

from bot.model.quantities import divide_round
from bot.paper.rows import OrderRow, PositionRow
from bot.paper.state import State


def settle(
    state: State, row: OrderRow, size: int, price: int, ts: int
) -> tuple[list[PositionRow], int | None]:
    """The position rows that a fill of `size` lots leads to, in their order, and its profit (None = nothing closed).

    A flip gives two rows: the flat end, then a new position with a new id.
    """
    lots = row.sign * size
    held = state.positions.get((row.account, row.contract))
    if held is None:
        return [_new(state, row, lots, price, ts)], None
    if held.net * lots > 0:
        held.add(lots, price)
        return [held], None
    closing = min(abs(lots), abs(held.net))
    direction = 1 if held.net > 0 else -1
    tick_value = state.contract(row.contract).tick_value
    pnl = divide_round((price * held.den - held.num) * direction * closing * tick_value, held.den)
    left = copy.copy(held)
    left.net -= direction * closing
    rest = abs(lots) - closing
    if not rest:
        return [left], pnl
    return [left, _new(state, row, row.sign * rest, price, ts)], pnl


def _new(state: State, row: OrderRow, lots: int, price: int, ts: int) -> PositionRow:
    state.next_position += 1
    return PositionRow(
        id=state.next_position - 1, account=row.account, contract=row.contract, created=ts,
        net=lots, num=price, den=1,
    )  # fmt: skip
