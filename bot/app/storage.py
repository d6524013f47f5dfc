"""PostgreSQL of the process: embedded by default, another one by URL; the store and its outbox on top."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from bot.clock import Clock
from bot.config.settings import Settings
from bot.legacy.database.outbox import Alarm, Outbox
from bot.legacy.database.store import PythonStore
from bot.postgres.pool import Pool, open_pool
from bot.postgres.server import EmbeddedPostgres

log = structlog.get_logger(__name__)


class Storage:
    """`open`, use `store` and `outbox`, `close`. A server that dies is restarted and the writes wait."""

    def __init__(self, settings: Settings, clock: Clock, folder: Path, alarm: Alarm) -> None:
        self._settings, self._clock, self._alarm = settings, clock, alarm
        self._server = None if settings.database.mode == "external" else EmbeddedPostgres(folder / "postgres")
        self._tasks: list[asyncio.Task[None]] = []
        self._pool: Pool | None = None
        self.store: PythonStore
        self.outbox: Outbox
        self.schema = 0

    @property
    def pid(self) -> int | None:
        """The embedded server's process, None for an external one."""
        return None if self._server is None else self._server.pid

    async def open(self) -> None:
        """Start or find the server, migrate, begin to write behind. Raises StoreUnavailable, StoreCorrupt."""
        external = self._settings.database_dsn()
        dsn = external.reveal() if external is not None else await self._embedded()
        self._pool = await open_pool(dsn)
        self.store = PythonStore(self._pool, self._clock)
        await self.store.open()
        self.schema = await self.store.migrate()
        self.outbox = Outbox(self.store, self._clock, self._alarm, grace_s=self._settings.database.grace)
        self._tasks.append(asyncio.create_task(self.outbox.run(), name="outbox"))
        if self._server is not None:
            self._tasks.append(asyncio.create_task(self._server.watch(self._changed), name="postgres watch"))

    async def close(self, flush_s: float = 5.0) -> None:
        """Write what waits, then close; what could not be written is told."""
        if hasattr(self, "outbox") and not await self.outbox.flush(flush_s):
            self._alarm("STORE_QUEUE_LEFT", f"{self.outbox.depth} writes did not reach the database")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if hasattr(self, "store"):
            await self.store.close()
        if self._pool is not None:
            await self._pool.close()
        if self._server is not None:
            await self._server.stop()

    async def _embedded(self) -> str:
        assert self._server is not None
        return await self._server.start()

    def _changed(self, running: bool) -> None:
        log.warning("postgres.restarted" if running else "postgres.lost")
