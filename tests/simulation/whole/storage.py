"""The database of a simulated machine: it survives the process, goes away and becomes slow when told."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.clock import Clock
from bot.legacy.database.outbox import Alarm, Outbox
from bot.ports import Store
from tests.simulation.memory_store import MemoryStore


class SlowStore:
    """A `MemoryStore` that answers after `delay` seconds."""

    def __init__(self, store: MemoryStore, clock: Clock) -> None:
        self.kept, self._clock = store, clock
        self.delay = 0.0

    def __getattr__(self, name: str) -> Any:
        work = getattr(self.kept, name)

        async def late(*arguments: Any, **options: Any) -> Any:
            if self.delay:
                await self._clock.host_sleep(self.delay)
            return await work(*arguments, **options)

        return late


class MemoryStorage:
    """What the application opens: the machine's store with the outbox of this process."""

    def __init__(self, store: SlowStore | MemoryStore, clock: Clock, alarm: Alarm, grace_s: float) -> None:
        self.store: Store = store  # type: ignore[assignment]
        self.outbox = Outbox(self.store, clock, alarm, grace_s=grace_s)
        self.schema = 0
        self.pid: int | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self.store.open()
        self.schema = await self.store.migrate()
        self._task = asyncio.create_task(self.outbox.run(), name="outbox")

    async def close(self) -> None:
        await self.outbox.flush(5.0)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.store.close()
