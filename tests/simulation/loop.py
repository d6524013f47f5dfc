"""An event loop in virtual time: when nothing is ready it jumps to the next timer. No threads, no sockets.

Timers of the loop and sleepers of its VirtualClock fire in order of their instants, so that a run is a
function of its seed. A loop in which nothing can ever happen again raises Deadlock instead of hanging.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from bot.clock import SECOND, VirtualClock

T = TypeVar("T")


class Deadlock(Exception):
    """Everybody waits and no timer is set."""


class _NoFiles:
    """A selector of nothing; waiting moves the clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout > 0:
            self._loop.jump()
        return []

    def close(self) -> None:
        """There is nothing to close."""

    def get_map(self) -> dict[int, Any]:
        return {}


class VirtualLoop(asyncio.BaseEventLoop):
    """`clock.mono()` is the loop's time."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock
        self._selector = _NoFiles(self)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.clock.mono() / SECOND

    def jump(self) -> None:
        """To the earliest instant at which something is due."""
        dues = [round(self._scheduled[0].when() * SECOND)] if self._scheduled else []  # type: ignore[attr-defined]
        sleeper = self.clock.next_due()
        if sleeper is not None:
            dues.append(sleeper)
        if not dues:
            raise Deadlock("no timer is set and nothing is ready")
        self.clock.move_to(min(dues))

    def _process_events(self, event_list: list[Any]) -> None:
        """There are no files."""

    def _write_to_self(self) -> None:
        """Nobody else runs."""


def run(clock: VirtualClock, work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end; what is left over is cancelled and awaited."""
    loop = VirtualLoop(clock)
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(loop.create_task(work))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
