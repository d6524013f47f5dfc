"""What the hubs say before the account is taken, kept in order and played once it is (bot.md §2.3)."""

from __future__ import annotations

from collections.abc import Callable


class EarlyRecords:
    """At most `bound` records wait; from the first that does not fit on, none is kept, so that the row has no hole."""

    def __init__(self, bound: int) -> None:
        self._bound, self._count = bound, 0
        self._waiting: list[Callable[[], None]] = []
        self._full = False

    def add(self, play: Callable[[], None], count: int) -> None:
        """`count` records that `play` hands on."""
        self._full = self._full or self._count + count > self._bound
        if not self._full:
            self._count += count
            self._waiting.append(play)

    def replay(self) -> bool:
        """Play what waited, in order; False when some did not fit and the venue must be asked again."""
        for play in self._waiting:
            play()
        self._waiting.clear()
        return not self._full
