"""Writes behind the trading path: kept in order, bounded, replayed when the database is back.

Nobody waits for the database: `keep` appends and returns. One task writes, the oldest first, and tries the
same write again until the database answers. Every write is idempotent, so a write whose answer was lost does
no harm. What a write that can never succeed holds is counted and shown, and does not stop the ones behind it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from bot.clock import SECOND, Clock
from bot.model.errors import BadField, BotError, StoreUnavailable
from bot.model.quantities import TsNs
from bot.ports import Store

BOUND = 50_000
GRACE_S = 600.0
MERGE = 500
PING_EVERY_S = 5.0
RETRY_S = (0.1, 0.2, 0.5, 1.0)
_LISTS = frozenset({"upsert_orders", "upsert_fills"})
_STAMPED = frozenset({"add_audit", "add_reconciliation"})
_REPLACED = frozenset({"save_rule_state", "put_protection"})
_WRITES = _LISTS | _STAMPED | {
    "upsert_bars", "upsert_contracts", "save_account_state", "save_rule_state", "put_intent", "put_protection",
}  # fmt: skip


class Write(msgspec.Struct, frozen=True):
    """One write that waits, and the monotonic venue time at which it came.

    `key` names the row that the write replaces whole: an older write to it need not be carried out.
    """

    operation: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    since: int
    key: tuple[Any, ...] | None = None


class Alarm(Protocol):
    """Told what the operator should know: a stable code and a sentence."""

    def __call__(self, code: str, detail: str) -> None: ...


class Outbox:
    """Queue in front of a `Store`. At `bound` waiting writes new ones are refused, counted and alarmed."""

    def __init__(
        self, store: Store, clock: Clock, alarm: Alarm, *, bound: int = BOUND, grace_s: float = GRACE_S
    ) -> None:
        self._store = store
        self._clock = clock
        self._alarm = alarm
        self._bound = bound
        self._grace = int(grace_s * SECOND)
        self._waiting: deque[Write] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._down_since: int | None = None
        self._full = False
        self._stamp = 0
        self._newest: dict[tuple[Any, ...], Write] = {}
        self.written = 0
        self.superseded = 0
        self.refused = 0
        self.rejected: deque[tuple[str, str]] = deque(maxlen=100)
        self.rejected_count = 0

    def keep(self, operation: str, argument: Any) -> None:
        """Queue `store.<operation>(argument)`; a tuple is several arguments. Never waits.

        Raises BadField for an operation that is not a write.
        """
        if operation not in _WRITES:
            raise BadField("write", expected=f"one of {', '.join(sorted(_WRITES))}", seen=operation)
        if len(self._waiting) >= self._bound:
            self.refused += 1
            if not self._full:
                self._full = True
                self._alarm(
                    "STORE_QUEUE_FULL", f"{self._bound} writes wait for the database; new ones are lost"
                )
            return
        arguments = argument if isinstance(argument, tuple) else (argument,)
        options: dict[str, Any] = {}
        if operation in _STAMPED:
            self._stamp = max(self._clock.now() // 1000, self._stamp + 1)
            options["at"] = TsNs(self._stamp * 1000)
        key = _row_of(operation, arguments) if operation in _REPLACED else None
        write = Write(operation, arguments, options, self._clock.mono(), key)
        if key is not None:
            self._newest[key] = write
        self._waiting.append(write)
        self._idle.clear()
        self._wake.set()

    @property
    def depth(self) -> int:
        """Writes that wait."""
        return len(self._waiting)

    @property
    def available(self) -> bool:
        """Whether the database answered the last time it was asked."""
        return self._down_since is None

    @property
    def store_ok(self) -> bool:
        """For the risk view: nothing was lost, and the database has not been away for longer than the grace."""
        if self._full:
            return False
        return self._down_since is None or self._clock.mono() - self._down_since <= self._grace

    def status(self) -> dict[str, Any]:
        """Counters for status and metrics."""
        oldest = self._clock.mono() - self._waiting[0].since if self._waiting else 0
        return {
            "available": self.available, "ok": self.store_ok, "waiting": self.depth, "oldest_ms": oldest // 1_000_000,
            "written": self.written, "superseded": self.superseded, "refused": self.refused, "rejected": self.rejected_count,
        }  # fmt: skip

    async def run(self) -> None:
        """Write until cancelled; with nothing to write, ask now and then whether the database is there."""
        retry = 0
        while True:
            try:
                if self._waiting:
                    await self._write()
                else:
                    self._idle.set()
                    self._wake.clear()
                    if not await self._woken():
                        await self._store.ping()
                self._up()
                retry = 0
            except StoreUnavailable as problem:
                self._down(problem)
                await self._clock.host_sleep(RETRY_S[min(retry, len(RETRY_S) - 1)])
                retry += 1

    async def flush(self, timeout_s: float) -> bool:
        """Wait until everything is written, at most `timeout_s` of host time; False when something still waits."""
        done = asyncio.ensure_future(self._idle.wait())
        limit = asyncio.ensure_future(self._clock.host_sleep(timeout_s))
        try:
            await asyncio.wait((done, limit), return_when=asyncio.FIRST_COMPLETED)
        finally:
            done.cancel()
            limit.cancel()
        return not self._waiting

    async def _woken(self) -> bool:
        woken = asyncio.ensure_future(self._wake.wait())
        late = asyncio.ensure_future(self._clock.host_sleep(PING_EVERY_S))
        try:
            await asyncio.wait((woken, late), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            late.cancel()
        return bool(self._waiting)

    async def _write(self) -> None:
        first, count = self._waiting[0], 1
        if first.key is not None and self._newest[first.key] is not first:
            self.superseded += 1
            self._waiting.popleft()
            return
        arguments = first.arguments
        if first.operation in _LISTS:
            batch = list(arguments[0])
            while (
                count < min(len(self._waiting), MERGE) and self._waiting[count].operation == first.operation
            ):
                batch.extend(self._waiting[count].arguments[0])
                count += 1
            arguments = (batch,)
        try:
            await self._call(first.operation, arguments, first.options)
        except StoreUnavailable:
            raise
        except BotError as problem:
            if count > 1:
                count = await self._one_by_one(count)
            else:
                self._reject(first, problem)
        else:
            self.written += count
        for _ in range(count):
            done = self._waiting.popleft()
            if done.key is not None and self._newest[done.key] is done:
                del self._newest[done.key]

    async def _one_by_one(self, count: int) -> int:
        """A merged batch was refused: find the write that is to blame. Returns how many are done with."""
        for done in range(count):
            write = self._waiting[done]
            try:
                await self._call(write.operation, write.arguments, write.options)
            except StoreUnavailable:
                if done == 0:
                    raise
                return done
            except BotError as problem:
                self._reject(write, problem)
            else:
                self.written += 1
        return count

    async def _call(self, operation: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        method: Callable[..., Awaitable[Any]] = getattr(self._store, operation)
        await method(*arguments, **options)

    def _reject(self, write: Write, problem: BotError) -> None:
        self.rejected_count += 1
        self.rejected.append((write.operation, str(problem)))
        self._alarm("STORE_WRITE_REJECTED", f"{write.operation}: {problem}")

    def _up(self) -> None:
        if self._down_since is not None:
            self._down_since = None
            self._alarm("STORE_BACK", f"the database answers again; {self.depth} writes wait")
        if self._full and self.depth < self._bound // 2:
            self._full = False

    def _down(self, problem: StoreUnavailable) -> None:
        if self._down_since is None:
            self._down_since = self._clock.mono()
            self._alarm("STORE_LOST", str(problem))


def _row_of(operation: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    if operation == "save_rule_state":
        return operation, arguments[0]
    row = arguments[0]
    return operation, str(row.get("account_id")), row.get("contract_id")
