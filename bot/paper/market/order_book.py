"""A book made of single orders: what market-by-order data is added up to."""

from __future__ import annotations

from bot.paper.market.feed import ASK_LEVEL, BID_LEVEL


class OrderBook:
    """Totals by price and side; `changed` holds the levels touched since it was last emptied."""

    def __init__(self) -> None:
        self._orders: dict[int, tuple[int, int, int]] = {}
        self.sides: dict[int, dict[int, int]] = {BID_LEVEL: {}, ASK_LEVEL: {}}
        self.changed: dict[tuple[int, int], None] = {}

    def add(self, order: int, kind: int, price: int, size: int) -> None:
        """A new order, or an old one's new price and size: what was there under its id goes first."""
        self.remove(order)
        self._orders[order] = (kind, price, size)
        self._shift(kind, price, size)

    def remove(self, order: int, size: int | None = None) -> None:
        """An order, or `size` lots of it, is gone; an unknown one was never counted."""
        found = self._orders.pop(order, None)
        if found is None:
            return
        kind, price, left = found
        gone = left if size is None else min(size, left)
        if gone < left:
            self._orders[order] = (kind, price, left - gone)
        self._shift(kind, price, -gone)

    def clear(self) -> None:
        """Nothing rests any more."""
        self._orders.clear()
        for kind, side in self.sides.items():
            self.changed.update(((kind, price), None) for price in side)
            side.clear()

    def touch(self) -> tuple[int, int, int, int] | None:
        """Best bid, its size, best ask, its size; None while a side is empty or the sides cross."""
        bids, asks = self.sides[BID_LEVEL], self.sides[ASK_LEVEL]
        if not bids or not asks:
            return None
        bid, ask = max(bids), min(asks)
        return None if bid >= ask else (bid, bids[bid], ask, asks[ask])

    def _shift(self, kind: int, price: int, size: int) -> None:
        side = self.sides[kind]
        total = side.get(price, 0) + size
        if total > 0:
            side[price] = total
        else:
            side.pop(price, None)
        self.changed[kind, price] = None
