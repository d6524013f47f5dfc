"""The request budget of one venue user: sliding windows in venue time, shared by the whole process.

A request counts from the moment it is taken until a window after its answer, so whatever the network
delays, the venue never sees more than the limit. Nobody holds a lock while waiting: safety and entry
requests get their answer at once, reads wait in order, background reads wait behind all reads.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import Final, Literal, Self

from bot.clock import SECOND, Clock
from bot.ports import Lane

Bucket = Literal["general", "history"]

MARGIN_S: Final = 0.25
_BACKOFF_S: Final = (0.0, 5.0, 15.0, 30.0)
_WAITERS: Final = 1000


class Slot:
    """Permission to send one request; `done` at its answer or failure, once."""

    __slots__ = ("_window",)

    def __init__(self, window: _Window) -> None:
        self._window: _Window | None = window

    def done(self) -> None:
        window, self._window = self._window, None
        if window is not None:
            window.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.done()


class _Waiter:
    __slots__ = ("deadline", "future")

    def __init__(self, deadline: int) -> None:
        self.deadline = deadline
        self.future: asyncio.Future[Slot | None] = asyncio.get_running_loop().create_future()


class _Window:
    """One bucket: requests under way, the ends of the finished ones, and who waits."""

    def __init__(self, clock: Clock, limit: int, seconds: float, reserved: int) -> None:
        self._clock, self.limit, self.reserved = clock, limit, reserved
        self._length = int((seconds + MARGIN_S * max(1.0, clock.rate)) * SECOND)
        self._ends: deque[int] = deque()
        self._under_way = 0
        self._blocked_until = 0
        self._strikes = 0
        self._waiting: dict[Lane, deque[_Waiter]] = {"read": deque(), "background": deque()}
        self._pump: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    def free(self) -> int:
        now = self._clock.mono()
        while self._ends and self._ends[0] <= now:
            self._ends.popleft()
        return self.limit - self._under_way - len(self._ends)

    def try_take(self, lane: Lane) -> Slot | None:
        free = self.free()
        if lane in ("read", "background") and (
            self._blocked_until > self._clock.mono() or self._ahead_of(lane)
        ):
            return None
        if free <= (0 if lane == "safety" else self.reserved):
            return None
        self._under_way += 1
        return Slot(self)

    async def take(self, lane: Lane, deadline: int) -> Slot | None:
        slot = self.try_take(lane)
        if slot is not None or lane not in self._waiting:
            return slot
        queue = self._waiting[lane]
        if len(queue) >= _WAITERS:
            return None
        waiter = _Waiter(deadline)
        queue.append(waiter)
        if self._pump is None:
            self._pump = asyncio.create_task(self._serve(), name="rate-budget")
        self._changed.set()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled():
                given = waiter.future.result()
                if given is not None:
                    self._under_way -= 1
            raise

    def finish(self) -> None:
        self._under_way -= 1
        self._ends.append(self._clock.mono() + self._length)
        self._changed.set()

    def penalise(self, retry_after_s: float | None) -> float:
        pause = (
            _BACKOFF_S[min(self._strikes, len(_BACKOFF_S) - 1)] if retry_after_s is None else retry_after_s
        )
        self._strikes += 1
        self._blocked_until = max(self._blocked_until, self._clock.mono() + int(pause * SECOND))
        return pause

    def relieve(self) -> None:
        self._strikes = 0

    def waiting(self) -> int:
        return sum(len(queue) for queue in self._waiting.values())

    def _ahead_of(self, lane: Lane) -> bool:
        return bool(self._waiting["read"]) or (lane == "background" and bool(self._waiting["background"]))

    async def _serve(self) -> None:
        """Hands out slots while anybody waits; ends when nobody does."""
        try:
            while self._drop_overdue():
                self._changed.clear()
                if self._serve_one():
                    continue
                await self._pause()
        finally:
            self._pump = None
            for queue in self._waiting.values():
                while queue:
                    _settle(queue.popleft(), None)

    def _drop_overdue(self) -> int:
        now = self._clock.host_mono()
        for queue in self._waiting.values():
            kept = [waiter for waiter in queue if not waiter.future.done()]
            queue.clear()
            for waiter in kept:
                if waiter.deadline <= now:
                    _settle(waiter, None)
                else:
                    queue.append(waiter)
        return self.waiting()

    def _serve_one(self) -> bool:
        if self._blocked_until > self._clock.mono() or self.free() <= self.reserved:
            return False
        queue = self._waiting["read"] or self._waiting["background"]
        self._under_way += 1
        _settle(queue.popleft(), Slot(self))
        return True

    async def _pause(self) -> None:
        """Until a slot may come free, a waiter's time is up, or somebody new waits."""
        now = self._clock.mono()
        due = [self._blocked_until - now] if self._blocked_until > now else []
        if not due and self._ends:
            due.append(self._ends[0] - now)
        overdue = min(waiter.deadline for queue in self._waiting.values() for waiter in queue)
        due.append(int((overdue - self._clock.host_mono()) * self._clock.rate))
        sleep = asyncio.ensure_future(self._clock.sleep(max(min(due), 0) / SECOND + 0.001))
        change = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((sleep, change), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            change.cancel()


class RateBudget:
    """All lanes over both buckets. `general` and `history` are `(requests, seconds)`.

    The last `reserved` requests of the general bucket are for the safety lane alone.
    """

    def __init__(
        self,
        clock: Clock,
        general: tuple[int, float] = (200, 60),
        history: tuple[int, float] = (50, 30),
        reserved: int = 40,
    ) -> None:
        self._clock = clock
        self._windows: dict[Bucket, _Window] = {
            "general": _Window(clock, *general, reserved),
            "history": _Window(clock, *history, 0),
        }
        self.counters: Counter[str] = Counter(sent=0, denied=0, rate_limited=0)

    def try_take(self, lane: Lane, bucket: Bucket = "general") -> Slot | None:
        """A slot at once, or None."""
        return self._count(self._windows[bucket].try_take(lane))

    async def take(self, lane: Lane, bucket: Bucket = "general", timeout_s: float = 30.0) -> Slot | None:
        """A slot; `read` and `background` wait for it up to `timeout_s` of host time, then get None."""
        deadline = self._clock.host_mono() + int(timeout_s * SECOND)
        return self._count(await self._windows[bucket].take(lane, deadline))

    def penalise(self, bucket: Bucket, retry_after_s: float | None = None) -> float:
        """A 429 came: reads of the bucket pause for the returned seconds (0, 5, 15, 30 in a row)."""
        self.counters["rate_limited"] += 1
        return self._windows[bucket].penalise(retry_after_s)

    def relieve(self, bucket: Bucket) -> None:
        """An answer other than 429 came; the next pause starts from 0 again."""
        self._windows[bucket].relieve()

    def remaining(self, bucket: Bucket = "general") -> int:
        """Requests that the bucket would still take now."""
        return max(0, self._windows[bucket].free())

    def view(self) -> dict[str, dict[str, int]]:
        """Per bucket `{limit, remaining, waiting}` and the counters."""
        return {
            **{
                name: {
                    "limit": window.limit,
                    "remaining": self.remaining(name),
                    "waiting": window.waiting(),
                }
                for name, window in self._windows.items()
            },
            "counters": dict(self.counters),
        }

    def _count(self, slot: Slot | None) -> Slot | None:
        self.counters["denied" if slot is None else "sent"] += 1
        return slot


def _settle(waiter: _Waiter, slot: Slot | None) -> None:
    if not waiter.future.done():
        waiter.future.set_result(slot)
    elif slot is not None:
        slot.done()
