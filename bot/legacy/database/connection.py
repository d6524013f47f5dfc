"""What the database component is handed: connections, never a way to make one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Connection(Protocol):
    """One connection. timestamptz is an integer of microseconds since 1970, jsonb a Python value."""

    async def execute(self, query: str, *args: Any) -> str: ...

    async def fetch(self, query: str, *args: Any) -> Sequence[Any]: ...

    async def fetchrow(self, query: str, *args: Any) -> Any: ...

    async def fetchval(self, query: str, *args: Any) -> Any: ...

    def transaction(self) -> AbstractAsyncContextManager[Any]: ...


class Connections(Protocol):
    """A bounded pool; its errors are StoreUnavailable, StoreConflict and StoreCorrupt."""

    def acquire(self) -> AbstractAsyncContextManager[Connection]: ...
