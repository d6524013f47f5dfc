"""Native brackets: children suspended with their parent, priced and opened at its fill, one cancels the
other some milliseconds after its fill (gateway.md 9.2)."""

from __future__ import annotations

from collections.abc import Callable

from bot.model.quantities import divide_round
from bot.paper.rows import FILLED, LIMIT, LIVE, OPEN, SUSPENDED, TRAILING, OrderRow
from bot.paper.state import State

Act = Callable[[OrderRow, int], None]


class Brackets:
    """The families of one venue's orders; `open_order` and `cancel_order` belong to the matching."""

    def __init__(self, state: State, open_order: Act, cancel_order: Act) -> None:
        self._state, self._open, self._cancel = state, open_order, cancel_order

    def make(self, parent: OrderRow, stop: tuple[int, int] | None, target: int | None) -> list[OrderRow]:
        """Children of a new parent, suspended and not yet priced: `(ticks, type)` of the stop, ticks of the target.

        Their ids follow the parent's; the target is linked to the stop.
        """
        children: list[OrderRow] = []
        if self._state.faults.strike("children.missing", "any", parent.account, parent.contract):
            return children
        if stop is not None:
            children.append(self._child(parent, stop[1], stop[0], "SL", None))
        if target is not None:
            linked = children[0].id if children else None
            children.append(self._child(parent, LIMIT, target, "TP", linked))
        return children

    def after_fill(self, row: OrderRow, ts: int) -> None:
        """A filled parent opens its children; a filled leg ends its sibling."""
        if row.parent is not None:
            delay = self._state.latency.sibling
            lag = self._state.faults.strike("oco.lag", "any", row.account, row.contract)
            if lag is not None:
                delay = lag.wait
            self._state.timers.at(ts + delay, lambda due: self.end_siblings(row.id, due))
        elif self._state.children.get(row.id):
            delay = self._state.latency.activate
            fault = self._state.faults.strike("children.late", "any", row.account, row.contract)
            if fault is not None:
                delay = fault.wait
            self._state.timers.at(ts + delay, lambda due: self.activate(row.id, due))

    def has_sibling(self, row: OrderRow) -> bool:
        """Whether an order is a leg beside which another one still lives."""
        family = self._state.children.get(row.parent or 0, ())
        return any(leg.id != row.id and leg.status in LIVE for leg in family)

    def resize(self, parent: OrderRow, ts: int) -> None:
        """Give suspended children the new size of their parent."""
        for child in self._state.children.get(parent.id, ()):
            if child.status == SUSPENDED:
                child.size, child.updated = parent.size, ts
                self._state.save_order(child, ts)

    def activate(self, parent_id: int, ts: int) -> None:
        """Price the suspended children from the parent's fill and open them, the target first."""
        parent = self._state.orders[parent_id]
        if not parent.filled:
            return
        entry = divide_round(parent.cost, parent.filled)
        for child in sorted(self._state.children[parent_id], key=lambda row: -row.id):
            if child.status != SUSPENDED or child.offset is None:
                continue
            child.size = parent.filled
            level = entry + child.offset
            if child.type == LIMIT:
                child.limit = level if child.limit is None else child.limit
            else:
                child.stop = level if child.stop is None else child.stop
            if child.type == TRAILING:
                child.trail = abs(child.offset)
            self._open(child, ts)

    def end_siblings(self, leg_id: int, ts: int) -> None:
        """Cancel what still lives beside a filled leg."""
        leg = self._state.orders[leg_id]
        for sibling in self._state.children.get(leg.parent or 0, ()):
            if sibling.id != leg_id and sibling.status in LIVE:
                self._cancel(sibling, ts)

    def resume(self) -> None:
        """After a restart: take up what the stop interrupted, at the next instant."""
        now = self._state.now
        for parent_id, family in self._state.children.items():
            parent = self._state.orders.get(parent_id)
            if parent is not None and parent.status == FILLED:
                self._state.timers.at(now, lambda due, parent_id=parent_id: self.activate(parent_id, due))  # type: ignore[misc]
            for leg in family:
                if leg.status == FILLED and any(row.status in (OPEN, SUSPENDED) for row in family):
                    self._state.timers.at(now, lambda due, leg_id=leg.id: self.end_siblings(leg_id, due))  # type: ignore[misc]

    def _child(self, parent: OrderRow, type_: int, ticks: int, suffix: str, linked: int | None) -> OrderRow:
        return OrderRow(
            id=self._state.take_order_ids(1), account=parent.account, contract=parent.contract,
            created=parent.created, updated=parent.created, status=SUSPENDED, type=type_,
            side=1 - parent.side, size=parent.size, offset=ticks, parent=parent.id, linked=linked,
            tag=f"{parent.tag}-{suffix}" if parent.tag is not None else None, origin="bracket",
        )  # fmt: skip
