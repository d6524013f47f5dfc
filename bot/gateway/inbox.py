"""The way of records from a hub's reading thread to the event loop: bounded, in order, one wake-up for many."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from bot.clock import Clock

Arrived = tuple[bytes, int, int]

_PER_TURN: Final = 500


class Inbox:
    """At most `bound` records wait; at one more the inbox is closed, emptied and `overflown` called once.

    A record carries its arrival in venue time and on the host's monotonic clock, stamped on the thread that
    read it. `deliver` and `overflown` run on the loop; after `fence` neither runs again.
    """

    def __init__(
        self,
        clock: Clock,
        bound: int,
        deliver: Callable[[list[Arrived]], None],
        overflown: Callable[[], None],
    ) -> None:
        self._clock, self._bound = clock, bound
        self._deliver, self._overflown = deliver, overflown
        self._loop = asyncio.get_running_loop()
        self._records: deque[Arrived] = deque()
        self._lock = threading.Lock()
        self._scheduled = False
        self._open = True
        self.last_mono = clock.host_mono()

    def put(self, records: list[bytes]) -> None:
        """Take the records of one message; called on the reading thread."""
        received, arrived = int(self._clock.now()), self._clock.host_mono()
        self.last_mono = arrived
        with self._lock:
            if not self._open:
                return
            if len(self._records) + len(records) > self._bound:
                self._open = False
                self._records.clear()
                self._call(self._tell)
                return
            self._records.extend((record, received, arrived) for record in records)
            if not self._scheduled:
                self._scheduled = True
                self._call(self._drain)

    def fence(self) -> None:
        """Drop what waits and deliver nothing any more; called on the loop."""
        with self._lock:
            self._open = False
            self._records.clear()
            self._overflown = _nothing

    def _drain(self) -> None:
        with self._lock:
            batch = [self._records.popleft() for _ in range(min(len(self._records), _PER_TURN))]
            self._scheduled = bool(self._records)
            if self._scheduled:
                self._call(self._drain)
        if batch:
            self._deliver(batch)

    def _tell(self) -> None:
        self._overflown()

    def _call(self, work: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(work)
        except RuntimeError:  # the loop has closed: nobody is left to tell
            return


def _nothing() -> None:
    """What happens at an overflow behind the fence."""
