"""Rows on their way to the store, behind the order path: bounded, in order, never awaited by it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from bot.clock import Clock
from bot.model.errors import BotError, StoreUnavailable
from bot.ports import Store

MAX_WAITING = 10_000
"""Rows kept while the store is away; the oldest are given up first, and counted."""
RETRY_S = 1.0


class Outflow:
    """`put` names a Store method and its arguments (a tuple is spread); `lost` is told what is given up."""

    def __init__(self, store: Store | None, clock: Clock, lost: Callable[[str], None]) -> None:
        self._store = store
        self._clock = clock
        self._lost = lost
        self._waiting: deque[tuple[str, Any]] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.ok = True
        self.dropped = 0

    def put(self, method: str, argument: Any) -> None:
        if self._store is None:
            return
        self._waiting.append((method, argument))
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._arrived.set()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def start(self) -> None:
        if self._store is not None:
            self._task = asyncio.get_running_loop().create_task(self._run(self._store), name="outflow")

    async def stop(self, timeout_s: float = 2.0) -> None:
        """Give what waits a moment to leave."""
        if self._task is None:
            return
        for _ in range(20):
            if not self._waiting or not self.ok:
                break
            await self._clock.host_sleep(timeout_s / 20)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, store: Store) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                method, argument = self._waiting[0]
                arguments = argument if isinstance(argument, tuple) else (argument,)
                try:
                    await getattr(store, method)(*arguments)
                except StoreUnavailable:
                    self.ok = False
                    await self._clock.host_sleep(RETRY_S)
                    continue
                except BotError as problem:
                    self.dropped += 1
                    self._lost(f"{method}: {problem}")
                self.ok = True
                if self._waiting and self._waiting[0][1] is argument:
                    self._waiting.popleft()
