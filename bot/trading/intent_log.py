"""The intent log: what may have been sent, written before it is sent (bot.md §20.2).

It holds intents and their states, trading states and authority epochs, and is enough to trade safely after a
restart. Replay is idempotent by intent id. Settled intents leave only account, key and tag behind in the key
index, which is the unique index of keys and tags for 400 days.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Literal

import msgspec

from bot.clock import Clock
from bot.model.errors import BotError, StoreCorrupt
from bot.model.intents import Intent, IntentState, PlaceOrder
from bot.model.risk import TradingState
from bot.model.times import HOUR
from bot.trading.intent_records import (
    OVER_STATES,
    Entry,
    EpochRecord,
    IntentRecord,
    KeyRecord,
    Record,
    StateRecord,
    TradingRecord,
)
from bot.trading.record_file import Damage, DiskMedium, RecordFile

Durability = Literal["process", "disk"]
KEEP_KEYS_NS = 400 * 24 * HOUR
SYNC_EVERY_S = 0.03
ROTATE_BYTES = 8 << 20


class IntentLogFailed(BotError):
    """A record could not be written: nothing that opens exposure may be sent."""

    code = "STORE_UNAVAILABLE"
    exit_code = 12


class KeyUsed(BotError):
    """The idempotency key or the tag exists already; keys are used once for ever."""

    code = "DUPLICATE_INTENT"
    exit_code = 7


class IntentLog:
    """Appends are synchronous and cheap; `run` makes them survive a power cut within 50 ms."""

    def __init__(
        self,
        file: RecordFile,
        clock: Clock,
        *,
        durability: Durability = "process",
        offload: Callable[[Callable[[], None]], Awaitable[None]] = asyncio.to_thread,
    ) -> None:
        self._file = file
        self._clock = clock
        self._durability = durability
        self._offload = offload
        self._encoder = msgspec.msgpack.Encoder()
        self._dirty = asyncio.Event()
        self._past: dict[str, KeyRecord] = {}
        self._open: dict[str, Entry] = {}
        self.entries: dict[str, Entry] = {}
        self.keys: dict[str, str] = {}
        self.tags: dict[tuple[int, str], str] = {}
        self.trading: dict[str, TradingRecord] = {}
        self.epochs: dict[int, int] = {}
        self.writable = True

    @classmethod
    def on_disk(
        cls, folder: Path, clock: Clock, durability: Durability = "process"
    ) -> tuple[IntentLog, Damage | None]:
        """Open `intents.log` in the state folder, rotating it first when it is long and settled.

        Raises StoreCorrupt when a whole record is not one of ours.
        """
        log = cls(RecordFile(DiskMedium(folder / "intents.log")), clock, durability=durability)
        damage = log.replay()
        if log._file.size > ROTATE_BYTES:
            log.close()
            return rotate(folder, clock, durability), damage
        return log, damage

    def replay(self) -> Damage | None:
        """Become what the file says; returns what had to be cut off its end."""
        decoder = msgspec.msgpack.Decoder(Record)
        for number, payload in enumerate(self._file.open()):
            try:
                self._apply(decoder.decode(payload))
            except msgspec.MsgspecError as problem:
                raise StoreCorrupt(
                    f"intent log, record {number}",
                    expected="a record of this version",
                    seen=str(problem),
                    do="start with the version that wrote it, or move the file away when flat",
                ) from problem
        return self._file.damage

    def record(self, intent: Intent, epoch: int) -> Entry:
        """Write an approved intent. Raises KeyUsed for a key or tag that exists, IntentLogFailed."""
        self.check_unused(intent)
        self._append(IntentRecord(intent, epoch, self._clock.now()))
        return self.entries[intent.id]

    def check_unused(self, intent: Intent) -> None:
        """Raises KeyUsed."""
        tag = intent.tag if isinstance(intent, PlaceOrder) else None
        if intent.key in self.keys or intent.id in self.entries or (intent.account_id, tag) in self.tags:
            raise KeyUsed("idempotency key", expected="a key never used before", seen=intent.key)

    def remember(self, intent: Intent, epoch: int) -> Entry:
        """Keep an exit in memory when the log cannot be written: exits pass (bot.md §20.1)."""
        self._apply(IntentRecord(intent, epoch, self._clock.now()))
        return self.entries[intent.id]

    def mark(
        self, id_: str, state: IntentState, order_id: int | None = None, code: str = "", message: str = ""
    ) -> None:
        """Move an intent to `state`. Raises IntentLogFailed; the state in memory has moved all the same."""
        record = StateRecord(id_, state, self._clock.now(), order_id, code, message)
        self._apply(record)
        self._append(record, applied=True)

    def adopt_tag(self, account_id: int, tag: str) -> None:
        """A tag of ours that the log does not know was seen at the venue: it is never used again."""
        if (account_id, tag) not in self.tags:
            self._append(KeyRecord(account_id, f"tag:{tag}", tag, self._clock.now()))

    def set_trading(self, scope: str, state: TradingState, reason: str, actor: str) -> None:
        record = TradingRecord(scope, state, reason, actor, self._clock.now())
        self._append(record)

    def set_epoch(self, account_id: int, epoch: int) -> None:
        self._append(EpochRecord(account_id, epoch, self._clock.now()))

    def unsettled(self, account_id: int | None = None) -> list[Entry]:
        """Intents whose outcome is not known, oldest first."""
        return [entry for entry in self._open.values() if account_id in (None, entry.intent.account_id)]

    def open_entries(self) -> Iterable[Entry]:
        """The same without a copy."""
        return self._open.values()

    def by_tag(self, account_id: int, tag: str | None) -> Entry | None:
        """The intent that carries this tag; bracket children carry their parent's with a suffix."""
        id_ = self.tags.get((account_id, tag)) if tag else None
        return self.entries.get(id_) if id_ else None

    def by_key(self, key: str) -> Entry | None:
        id_ = self.keys.get(key)
        return self.entries.get(id_) if id_ else None

    async def run(self) -> None:
        """Flush appended records to the disk in the background until cancelled."""
        while True:
            await self._dirty.wait()
            await self._clock.host_sleep(SYNC_EVERY_S)
            self._dirty.clear()
            try:
                await self._offload(self._file.sync)
            except OSError:
                self.writable = False

    def flush(self) -> None:
        """Everything is on the disk when this returns. Raises OSError."""
        self._file.sync()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.sync()
        self._file.close()

    def _append(self, record: Record, *, applied: bool = False) -> None:
        try:
            self._file.append(self._encoder.encode(record))
            if self._durability == "disk":
                self._file.sync()
        except OSError as problem:
            self.writable = False
            raise IntentLogFailed(
                "intent log",
                expected="a record on the disk",
                seen=str(problem),
                do="free space in the state folder; exits go on, entries wait",
            ) from problem
        self.writable = True
        self._dirty.set()
        if not applied:
            self._apply(record)

    def _apply(self, record: Record) -> None:
        if isinstance(record, StateRecord):
            entry = self.entries.get(record.id)
            if entry is None:
                return
            entry.state = record.state
            if not entry.open:
                self._open.pop(entry.id, None)
            else:
                self._open.setdefault(entry.id, entry)
            if record.state == "sent":
                entry.sent_at = record.at
            entry.order_id = record.order_id if record.order_id is not None else entry.order_id
            entry.code, entry.message = record.code or entry.code, record.message or entry.message
        elif isinstance(record, IntentRecord):
            if record.intent.id not in self.entries:
                entry = Entry(record.intent, record.epoch, record.at)
                self.entries[entry.id] = self._open[entry.id] = entry
                self._index(entry.intent.account_id, entry.intent.key, entry.tag, entry.id)
        elif isinstance(record, KeyRecord):
            self._past[record.key] = record
            self._index(record.account_id, record.key, record.tag, "")
        elif isinstance(record, TradingRecord):
            self.trading[record.scope] = record
        else:
            self.epochs[record.account_id] = max(record.epoch, self.epochs.get(record.account_id, 0))

    def _index(self, account_id: int, key: str, tag: str | None, id_: str) -> None:
        self.keys.setdefault(key, id_)
        if tag:
            self.tags.setdefault((account_id, tag), id_)

    def essence(self) -> list[Record]:
        """The records of a rotated log: keys of settled intents, and all that is still open."""
        horizon = self._clock.now() - KEEP_KEYS_NS
        records: list[Record] = [key for key in self._past.values() if key.at >= horizon]
        for entry in self.entries.values():
            if entry.state in OVER_STATES:
                records.append(KeyRecord(entry.intent.account_id, entry.intent.key, entry.tag, entry.at))
                continue
            records.append(IntentRecord(entry.intent, entry.epoch, entry.at))
            if entry.sent_at is not None:
                records.append(StateRecord(entry.id, "sent", entry.sent_at))
            if entry.state not in {"new", "sent"}:
                records.append(
                    StateRecord(entry.id, entry.state, entry.at, entry.order_id, entry.code, entry.message)
                )
        records += self.trading.values()
        records += [EpochRecord(account, epoch, self._clock.now()) for account, epoch in self.epochs.items()]
        return records


def rotate(folder: Path, clock: Clock, durability: Durability = "process") -> IntentLog:
    """Write the essence of `intents.log` into a new file, make it durable, and put it in the old one's place."""
    old = IntentLog(RecordFile(DiskMedium(folder / "intents.log")), clock)
    old.replay()
    fresh_path = folder / "intents.new"
    fresh_path.unlink(missing_ok=True)
    fresh = RecordFile(DiskMedium(fresh_path))
    fresh.open()
    encoder = msgspec.msgpack.Encoder()
    for record in old.essence():
        fresh.append(encoder.encode(record))
    fresh.sync()
    fresh.close()
    old.close()
    os.replace(fresh_path, folder / "intents.log")
    log = IntentLog(RecordFile(DiskMedium(folder / "intents.log")), clock, durability=durability)
    log.replay()
    return log
