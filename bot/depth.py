"""The order book of each contract, from the level updates of the market hub (bot.md §11.3, gateway.md §12.2)."""

from __future__ import annotations

from typing import Final

import msgspec

from bot.model.events import DepthChanged
from bot.model.quantities import Ticks, TsNs

_ASKS: Final = frozenset({1, 3, 10})
_BIDS: Final = frozenset({2, 4, 9})
_RESET: Final = 6


class Level(msgspec.Struct, frozen=True):
    """Lots at one price."""

    price: Ticks
    size: int


class Depth(msgspec.Struct, frozen=True):
    """Levels from the best price on, and when the newest update was received (ns)."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    received: TsNs


class _Book:
    def __init__(self) -> None:
        self.bids: dict[Ticks, int] = {}
        self.asks: dict[Ticks, int] = {}
        self.received = TsNs(0)


class DepthBooks:
    """`take` each update in its order; `forget` everything when updates may have been missed."""

    def __init__(self) -> None:
        self._books: dict[str, _Book] = {}

    def take(self, event: DepthChanged) -> None:
        """A volume is the new total at its price, 0 removes the level, a reset clears the book."""
        book = self._books.setdefault(event.contract_id, _Book())
        for change in event.changes:
            if change.kind == _RESET:
                book.bids.clear()
                book.asks.clear()
                continue
            side = book.asks if change.kind in _ASKS else book.bids if change.kind in _BIDS else None
            if side is None:
                continue
            if change.volume > 0:
                side[change.price] = change.volume
            else:
                side.pop(change.price, None)
        book.received = TsNs(event.received)

    def forget(self) -> None:
        """No book is known from now on."""
        self._books.clear()

    def of(self, contract_id: str, levels: int) -> Depth | None:
        """The best `levels` of each side, None when no level is known."""
        book = self._books.get(contract_id)
        if book is None or not (book.bids or book.asks):
            return None
        bids = sorted(book.bids.items(), reverse=True)[:levels]
        asks = sorted(book.asks.items())[:levels]
        return Depth(
            tuple(Level(*each) for each in bids), tuple(Level(*each) for each in asks), book.received
        )
