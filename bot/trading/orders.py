"""The order book of our own orders: what the venue said of each, found by id, tag, parent and contract.

Orders are merged by the order execution component (terminal never goes back); this keeps the indexes. Rows
and events may come in any order and more than once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.model.orders import STOP_FAMILY, Order
from bot.ports import OrderExecution

MAX_TERMINAL = 5_000
"""Terminal orders kept in memory, the oldest are forgotten first."""
LEG_SUFFIXES = ("-SL", "-TP")


def base_tag(tag: str | None) -> str | None:
    """The tag of the intent: a bracket child carries its parent's with a suffix."""
    if tag is None:
        return None
    return tag[:-3] if tag.endswith(LEG_SUFFIXES) else tag


def strategy_of(tag: str | None) -> str | None:
    """The strategy in one of our tags, also of the original bot's form; None for a foreign tag."""
    if not tag:
        return None
    parts = tag.split("-")
    if parts[0] == "TB2" and len(parts) >= 4:
        return parts[1]
    if tag.startswith("TradingBot-v1.0"):
        return parts[3] if len(parts) > 3 and parts[2] == "strategy" else "manual"
    return None


def kind_of(tag: str | None) -> str | None:
    """The two letters of our tag: MK LM ST TR JB JA BR SE entries; SL TP CL exits."""
    parts = tag.split("-") if tag else []
    return parts[2] if len(parts) >= 4 and parts[0] == "TB2" else None


EXIT_KINDS = frozenset({"SL", "TP", "CL"})


class OrderBook:
    """Orders of all accounts."""

    def __init__(self, execution: OrderExecution) -> None:
        self._execution = execution
        self._orders: dict[int, Order] = {}
        self._working: dict[int, Order] = {}
        self._terminal: dict[int, None] = {}
        self._entries: dict[tuple[int, str], int] = {}
        self._tags: dict[tuple[int, str], int] = {}
        self._heard: dict[int, int] = {}
        self.version = 0

    def apply(self, order: Order, mono: int) -> Order | None:
        """Merge an event or a row; returns the order when its state moved."""
        self._heard[order.id] = mono
        moved = self._execution.on_order(order)
        if moved is None and order.id not in self._orders:
            moved = self._execution.order(order.id) or order
        if moved is None:
            return None
        if self._orders.get(moved.id) == moved:
            return None
        self._orders[moved.id] = moved
        self.version += 1
        if moved.working:
            self._working[moved.id] = moved
        else:
            self._working.pop(moved.id, None)
        if moved.tag:
            self._index_tag(moved)
        at = (moved.account_id, moved.contract_id)
        if moved.filled and moved.id > self._entries.get(at, -1) and self.is_entry(moved):
            self._entries[at] = moved.id
        if moved.terminal:
            self._terminal[moved.id] = None
            if len(self._terminal) > MAX_TERMINAL:
                self._forget(next(iter(self._terminal)))
        return moved

    def get(self, order_id: int | None) -> Order | None:
        return self._orders.get(order_id) if order_id is not None else None

    def by_tag(self, account_id: int, tag: str | None) -> Order | None:
        """If several orders carry one tag, the one that was not rejected."""
        return self._orders.get(self._tags.get((account_id, tag), -1)) if tag else None

    def heard(self, order_id: int) -> int:
        """Monotonic time of the last word on the order."""
        return self._heard.get(order_id, 0)

    def working(self, account_id: int, contract_id: str | None = None) -> list[Order]:
        """Orders with status 1, 6, 7 or 8, ascending by id."""
        return sorted(
            (
                order
                for order in self._working.values()
                if order.account_id == account_id and contract_id in (None, order.contract_id)
            ),
            key=_by_id,
        )

    def stops(self, account_id: int, contract_id: str, side: int) -> list[Order]:
        """Working stop-family orders on order side `side`, also suspended and foreign ones."""
        return [
            order
            for order in self.working(account_id, contract_id)
            if order.type in STOP_FAMILY and order.side == side
        ]

    def strategy(self, order: Order) -> str | None:
        """Whose order it is, by its own tag or its parent's; None = foreign."""
        found = strategy_of(order.tag)
        if found is None and order.parent_id is not None:
            parent = self._orders.get(order.parent_id)
            found = strategy_of(parent.tag) if parent is not None else None
        return found

    def is_leg(self, order: Order) -> bool:
        """An exit of ours: a bracket child, or an order tagged as an exit."""
        if order.parent_id is not None or (order.tag or "").endswith(LEG_SUFFIXES):
            return self.strategy(order) is not None
        return kind_of(order.tag) in EXIT_KINDS

    def is_entry(self, order: Order) -> bool:
        """An order of ours that opens a position."""
        return self.strategy(order) is not None and not self.is_leg(order)

    def siblings(self, order: Order) -> Iterator[Order]:
        """The other working legs of the same parent."""
        for other in self.working(order.account_id, order.contract_id):
            if other.id != order.id and order.parent_id is not None and other.parent_id == order.parent_id:
                yield other

    def filled_entry(self, account_id: int, contract_id: str) -> Order | None:
        """The newest entry of ours in the contract that has a fill."""
        return self._orders.get(self._entries.get((account_id, contract_id), -1))

    def all(self) -> Iterable[Order]:
        return self._orders.values()

    def _forget(self, order_id: int) -> None:
        del self._terminal[order_id]
        order = self._orders.pop(order_id)
        self._heard.pop(order_id, None)
        if order.tag and self._tags.get((order.account_id, order.tag)) == order_id:
            del self._tags[order.account_id, order.tag]

    def _index_tag(self, order: Order) -> None:
        at = (order.account_id, order.tag or "")
        known = self._orders.get(self._tags.get(at, -1))
        if known is None or known.id == order.id or known.status == 5:
            self._tags[at] = order.id


def _by_id(order: Order) -> int:
    return order.id
