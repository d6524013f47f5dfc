"""Connections to any PostgreSQL, checked and bounded in number and in time, with errors of three kinds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec

from bot.model.errors import BotError, StoreConflict, StoreCorrupt, StoreUnavailable

_EPOCH_2000_US = 946_684_800 * 1_000_000
LOST = (
    OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError, asyncpg.TransactionRollbackError, asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError, asyncpg.LockNotAvailableError, asyncpg.InsufficientPrivilegeError,
)  # fmt: skip


class Pool:
    """Connections to one database. `acquire` never waits longer than its timeout and hands out live ones.

    Inside `acquire`, timestamptz is an integer of microseconds since 1970, jsonb a Python value, and every
    database error arrives as StoreUnavailable, StoreConflict or StoreCorrupt.
    """

    def __init__(self, pool: asyncpg.Pool, acquire_timeout_s: float) -> None:
        self._pool = pool
        self._timeout = acquire_timeout_s

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """A checked connection, given back afterwards in any case."""
        try:
            connection = await self._checked()
            try:
                yield connection
            finally:
                await self._pool.release(connection, timeout=self._timeout)
        except BotError:
            raise
        except (asyncpg.PostgresError, *LOST) as problem:
            raise translated(problem) from problem

    @property
    def size(self) -> tuple[int, int]:
        """Open connections and how many of them are idle."""
        return self._pool.get_size(), self._pool.get_idle_size()

    async def close(self) -> None:
        """Close all connections; those that do not answer within the timeout are dropped."""
        try:
            await asyncio.wait_for(self._pool.close(), self._timeout)
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._pool.terminate()

    async def _checked(self) -> Any:
        async with asyncio.timeout(self._timeout):
            while True:
                connection = await self._pool.acquire()
                try:
                    await connection.fetchval("SELECT 1")
                except BaseException as problem:
                    with contextlib.suppress(
                        asyncpg.InterfaceError
                    ):  # a lost connection frees its place itself
                        connection.terminate()
                        await self._pool.release(connection)
                    if isinstance(problem, TimeoutError) or not isinstance(problem, Exception):
                        raise
                else:
                    return connection


async def open_pool(
    dsn: str, *, minimum: int = 2, maximum: int = 10, acquire_timeout_s: float = 2.0, command_timeout_s: float = 10.0
) -> Pool:  # fmt: skip
    """Connect to `dsn`. Raises StoreUnavailable, whose text never holds the password."""
    try:
        pool = await asyncpg.create_pool(
            dsn, min_size=minimum, max_size=maximum, timeout=acquire_timeout_s, command_timeout=command_timeout_s,
            init=_prepare,
        )  # fmt: skip
    except (ValueError, asyncpg.PostgresError, *LOST) as problem:
        raise StoreUnavailable(
            "PostgreSQL", expected="a connection", seen=f"{shown_dsn(dsn)}: {_reason(problem, dsn)}",
            do="start the server or correct database.url (DATABASE_URL)",
        ) from None  # fmt: skip
    return Pool(pool, acquire_timeout_s)


def translated(problem: BaseException) -> BotError:
    """A driver's error as one of the store's three kinds."""
    seen = _reason(problem, "")
    if isinstance(problem, asyncpg.UniqueViolationError):
        return StoreConflict(
            "database row", expected="a key that is not used yet",
            seen=getattr(problem, "constraint_name", seen), do="read the row that holds the key",
        )  # fmt: skip
    if isinstance(problem, LOST):
        return StoreUnavailable(
            "database", expected="an answer", seen=seen, do="it is retried; see that PostgreSQL runs"
        )
    return StoreCorrupt(
        "database", expected="the schema and values of this version", seen=seen,
        do="run `bot db status`; restore a backup or migrate",
    )  # fmt: skip


def shown_dsn(dsn: str) -> str:
    """Host and database of a DSN; user names, passwords and options are left out."""
    try:
        parts = urlsplit(dsn)
        host = f"{parts.hostname or 'local socket'}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return "a DSN that cannot be read"
    return f"{host}{parts.path}"


def _reason(problem: BaseException, dsn: str) -> str:
    if isinstance(problem, ValueError):
        return "the DSN is not of the form postgresql://user@host:port/database"
    text = f"{type(problem).__name__}: {problem}".split("\n", 1)[0]
    with contextlib.suppress(ValueError):
        password = urlsplit(dsn).password
        text = text.replace(password, "***") if password else text
    return text


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", format="tuple",
        encoder=lambda micros: (micros - _EPOCH_2000_US,), decoder=lambda row: row[0] + _EPOCH_2000_US,
    )  # fmt: skip
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog",
        encoder=lambda value: msgspec.json.encode(value).decode(), decoder=msgspec.json.decode,
    )  # fmt: skip
