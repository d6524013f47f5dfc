"""What the venue will do later, in order of venue time."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Action = Callable[[int], None]


class Timers:
    """Actions by due time; those due at the same instant run in the order of their setting."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Action]] = []
        self._count = 0

    def at(self, due: int, action: Action) -> None:
        """Run `action(due)` when venue time reaches `due`."""
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, action))

    def due(self) -> int | None:
        """The time of the next action."""
        return self._heap[0][0] if self._heap else None

    def pop(self) -> tuple[int, Action]:
        """Take out the next action."""
        due, _, action = heapq.heappop(self._heap)
        return due, action
