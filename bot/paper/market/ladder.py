"""The resting volume of one contract by price: what a depth subscription sees.

A level between the best one and the `SHOWN`th may be empty for a moment after the touch has moved;
it is filled as the depth rate allows. At most `KEPT` levels a side exist.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from math import log
from typing import Final

from bot.model.quantities import Ticks
from bot.paper.market.feed import ASK_LEVEL, BID_LEVEL

SHOWN: Final = 8
KEPT: Final = 14

Emit = Callable[[int, int, int], None]
"""Takes kind, price and volume of a changed level."""


class Ladder:
    """Bids and asks around a touch; every change is handed to `emit`."""

    def __init__(self, bid: int, ask: int, rng: random.Random, size: float) -> None:
        self._rng, self._size = rng, size
        self.bid, self.ask = bid, ask
        self.bids = {bid - i: self._draw() for i in range(SHOWN)}
        self.asks = {ask + i: self._draw() for i in range(SHOWN)}

    def move(self, bid: int, ask: int, emit: Emit) -> None:
        """Make `bid` and `ask` the touch: levels that it crosses go, levels that it needs come."""
        bids, asks = self.bids, self.asks
        if bid < self.bid:
            for price in [price for price in bids if price > bid]:
                del bids[price]
                emit(BID_LEVEL, price, 0)
        if ask > self.ask:
            for price in [price for price in asks if price < ask]:
                del asks[price]
                emit(ASK_LEVEL, price, 0)
        if bid not in bids:
            bids[bid] = size = self._draw()
            emit(BID_LEVEL, bid, size)
            if len(bids) > KEPT:
                emit(BID_LEVEL, _drop(bids, min(bids)), 0)
        if ask not in asks:
            asks[ask] = size = self._draw()
            emit(ASK_LEVEL, ask, size)
            if len(asks) > KEPT:
                emit(ASK_LEVEL, _drop(asks, max(asks)), 0)
        self.bid, self.ask = bid, ask

    def take(self, kind: int, size: int, emit: Emit) -> None:
        """Let a print of `size` lots consume the best level, which is refilled rather than emptied."""
        side, price = (self.asks, self.ask) if kind == ASK_LEVEL else (self.bids, self.bid)
        left = side[price] - size
        side[price] = left = left if left > 0 else self._draw()
        emit(kind, price, left)

    def resize(self, emit: Emit) -> None:
        """Give one side of the touch another size."""
        if self._rng.random() < 0.5:
            kind, side, price = BID_LEVEL, self.bids, self.bid
        else:
            kind, side, price = ASK_LEVEL, self.asks, self.ask
        size = self._draw()
        side[price] = size = size if size != side[price] else size + 1
        emit(kind, price, size)

    def stir(self, emit: Emit) -> None:
        """One change behind the touch: fill a hole, drop a far level, or change a size."""
        draw = self._rng.random
        if draw() < 0.5:
            kind, side, best, step = BID_LEVEL, self.bids, self.bid, -1
        else:
            kind, side, best, step = ASK_LEVEL, self.asks, self.ask, 1
        if len(side) < SHOWN:
            price = best
            while price in side:
                price += step
        elif len(side) > SHOWN:
            far = min(side) if step < 0 else max(side)
            emit(kind, _drop(side, far), 0)
            return
        else:
            price = best + step * int(SHOWN * draw() * draw())
        side[price] = size = self._draw()
        emit(kind, price, size)

    def levels(self) -> list[tuple[int, Ticks, int]]:
        """Kind, price, volume: bids best first, then asks best first."""
        return [(BID_LEVEL, Ticks(price), self.bids[price]) for price in sorted(self.bids, reverse=True)] + [
            (ASK_LEVEL, Ticks(price), self.asks[price]) for price in sorted(self.asks)
        ]

    def _draw(self) -> int:
        return 1 + int(-self._size * log(1.0 - self._rng.random()))


def _drop(side: dict[int, int], price: int) -> int:
    del side[price]
    return price
