"""The only place that reads a clock.

Venue time (wall, monotonic, sleep) drives sessions, bars, rate windows, token expiry, ages,
protection deadlines and polls. Host time drives connect and request timeouts, keep-alive pings, wake
detection and latency stamps. On the live venue both run at the same rate; on the paper gateway venue
time is an affine map of the host's monotonic clock; in simulation it is moved by hand.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from typing import Protocol

from bot.model.quantities import TsNs

SECOND = 1_000_000_000

# Counters for measuring calls of a microsecond, where a method call would cost as much as what it times.
monotonic_ns = time.monotonic_ns
thread_cpu_ns = time.thread_time_ns
process_cpu_ns = time.process_time_ns


class Clock(Protocol):
    """Venue and host time behind one port; all values are integer nanoseconds."""

    @property
    def rate(self) -> float:
        """Venue seconds per host second."""
        ...

    def now(self) -> TsNs:
        """Venue wall time, ns UTC."""
        ...

    def mono(self) -> int:
        """Venue monotonic time; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds` of venue time."""
        ...

    def host_now(self) -> int:
        """Host wall time, ns UTC."""
        ...

    def host_mono(self) -> int:
        """Host monotonic time."""
        ...

    async def host_sleep(self, seconds: float) -> None:
        """Sleep for `seconds` of host time."""
        ...


class SystemClock:
    """Venue time is the host's."""

    rate = 1.0

    def now(self) -> TsNs:
        return TsNs(time.time_ns())

    def mono(self) -> int:
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def host_now(self) -> int:
        return time.time_ns()

    def host_mono(self) -> int:
        return time.monotonic_ns()

    async def host_sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class PaperClock:
    """Venue time = `venue_ns + rate * (host monotonic - anchor)`, as the paper gateway publishes it.

    `venue_ns` is the venue time at the host monotonic instant `anchor_ns` (default: now).
    """

    def __init__(self, venue_ns: int, rate: float, anchor_ns: int | None = None) -> None:
        self._venue = venue_ns
        self._anchor = time.monotonic_ns() if anchor_ns is None else anchor_ns
        self.rate = rate

    def now(self) -> TsNs:
        return TsNs(self._venue + int((time.monotonic_ns() - self._anchor) * self.rate))

    def mono(self) -> int:
        return int((time.monotonic_ns() - self._anchor) * self.rate)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.rate)

    def host_now(self) -> int:
        return time.time_ns()

    def host_mono(self) -> int:
        return time.monotonic_ns()

    async def host_sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class VirtualClock:
    """Time that moves only when it is told to; host time moves along.

    Sleepers wake in order of deadline, then of arrival. A simulation's event loop moves it from one due
    instant to the next (`next_due`, `move_to`); a test on a real loop moves it with `advance`.
    """

    rate = 1.0

    def __init__(self, start_ns: int) -> None:
        self._start = start_ns
        self._elapsed = 0
        self._order = 0
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now(self) -> TsNs:
        return TsNs(self._start + self._elapsed)

    def mono(self) -> int:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._order += 1
        deadline = self._elapsed + max(0, round(seconds * SECOND))
        heapq.heappush(self._sleepers, (deadline, self._order, future))
        await future

    def host_now(self) -> int:
        return self._start + self._elapsed

    def host_mono(self) -> int:
        return self._elapsed

    async def host_sleep(self, seconds: float) -> None:
        await self.sleep(seconds)

    def next_due(self) -> int | None:
        """Elapsed ns of the earliest sleeper, None when nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def move_to(self, elapsed_ns: int) -> None:
        """Be at `elapsed_ns` after the start, never backwards, and wake who is due by then."""
        self._elapsed = max(self._elapsed, elapsed_ns)
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)

    async def advance(self, seconds: float) -> None:
        """Move time forward, waking each sleeper at its own instant and letting it run."""
        target = self._elapsed + int(seconds * SECOND)
        while (due := self.next_due()) is not None and due <= target:
            self.move_to(due)
            for _ in range(3):
                await asyncio.sleep(0)
        self.move_to(target)
        await asyncio.sleep(0)
