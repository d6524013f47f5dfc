"""A refusal by a fault that leaves a rejected order behind and tells its id (gateway.md 8.6)."""

from __future__ import annotations

from bot.paper.answers import Answer, refused
from bot.paper.faults import Fault
from bot.paper.placing import Ask
from bot.paper.rows import REJECTED, OrderRow
from bot.paper.state import State


def rejected(state: State, ask: Ask, fault: Fault, ts: int) -> Answer:
    """Record the order as rejected. An unknown account or contract leaves nothing to record."""
    contract = state.catalogue.find(ask.contract, ts)
    if contract is None or ask.account not in state.accounts:
        return refused(fault.code or 2, fault.text, orderId=None)
    row = OrderRow(
        id=state.take_order_ids(1), account=ask.account, contract=ask.contract, created=ts, updated=ts,
        status=REJECTED, type=ask.type, side=ask.side, size=ask.size, tag=ask.tag or None,
        limit=None if ask.limit is None else contract.tick.ratio_ticks(*ask.limit)[0],
        stop=None if ask.stop is None else contract.tick.ratio_ticks(*ask.stop)[0],
    )  # fmt: skip
    state.save_order(row, ts)
    answer = refused(fault.code or 2, fault.text, orderId=row.id)
    answer.order = row.id
    return answer
