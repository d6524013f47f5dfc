"""Calls at instants of venue time: one sleeping task for all of them, no ticking.

Everything periodic hangs on it, so a call that fails is told and ends nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

from bot.clock import Clock
from bot.model.times import SECOND


class Wakeups:
    """At most one call per key is due; an earlier instant replaces a later one. `failed` hears of errors."""

    def __init__(self, clock: Clock, failed: Callable[[str, Exception], None]) -> None:
        self._clock, self._failed = clock, failed
        self._due: dict[Hashable, tuple[int, Callable[[], None]]] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._sleeping_until: int | None = None

    def at(self, key: Hashable, mono: int, call: Callable[[], None]) -> None:
        """Call at monotonic venue time `mono`, or at once when that is past."""
        known = self._due.get(key)
        if known is not None and known[0] <= mono:
            return
        self._due[key] = (mono, call)
        if self._sleeping_until is None or mono < self._sleeping_until:
            self._changed.set()

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="wakeups")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            now = self._clock.mono()
            for key in [key for key, (due, _) in self._due.items() if due <= now]:
                _, call = self._due.pop(key)
                try:
                    call()
                except Exception as problem:
                    self._failed(f"wake-up {key}", problem)
            if self._changed.is_set():
                continue
            self._sleeping_until = min((due for due, _ in self._due.values()), default=None)
            await self._pause()

    async def _pause(self) -> None:
        waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._changed.wait())]
        if self._sleeping_until is not None:
            seconds = max(0.0, (self._sleeping_until - self._clock.mono()) / SECOND)
            waiting.append(asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
