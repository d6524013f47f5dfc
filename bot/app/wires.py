"""What ties an application to the world outside: real by default, memory in a simulation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import msgspec

from bot.app.storage import Storage
from bot.app.venue import Venue, connect
from bot.clock import Clock
from bot.config.settings import Settings
from bot.gateway.links import Wire
from bot.legacy.database.outbox import Alarm, Outbox
from bot.model.events import Hub
from bot.ports import Store
from bot.trading.intent_log import Durability, IntentLog
from bot.trading.lease import AccountLock
from bot.trading.record_file import Damage


class Keeping(Protocol):
    """The store with its outbox, between `open` and `close`."""

    @property
    def store(self) -> Store: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def schema(self) -> int: ...

    @property
    def pid(self) -> int | None:
        """The database's process when it is ours."""
        ...

    async def open(self) -> None:
        """Raises StoreUnavailable, StoreCorrupt."""
        ...

    async def close(self) -> None:
        """Write what waits, then close."""
        ...


class Wires(msgspec.Struct, frozen=True, kw_only=True):
    """How an application reaches the venue, keeps its rows and its intents, and holds the account.

    `connect` logs in; `hub` makes the wire of a hub (None: sockets); `storage` is opened before anything trades; `intents`
    opens the intent log of a state folder; `lock` takes (venue user, account id). They raise as theirs do.
    Without `threads` everything runs on the event loop.
    """

    connect: Callable[[Settings], Awaitable[Venue]] = connect
    hub: Callable[[Hub], Wire] | None = None
    storage: Callable[[Settings, Clock, Path, Alarm], Keeping] = Storage
    intents: Callable[[Path, Clock, Durability], tuple[IntentLog, Damage | None]] = IntentLog.on_disk
    lock: Callable[[str, int], AccountLock] = AccountLock.acquire
    threads: bool = True
