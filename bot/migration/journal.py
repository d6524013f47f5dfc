"""The journal: what passed through the seams of the components, for the shadow worker to read.

The caller only hands over whole blocks of calls; a writer thread encodes and appends them. The queue is
bounded: when it is full, when the disk is low or when writing fails, the newest calls are dropped and
counted, and recording resumes at the next snapshot. Without `start` there is no thread: `pump` writes.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

import msgspec

from bot.clock import Clock, thread_cpu_ns
from bot.migration.records import CallBlock, Record, SegmentHead
from bot.migration.segments import Limits, SegmentWriter

BLOCK_CALLS: Final = 256
_DISK_CHECK_BLOCKS: Final = 64
_SECRET: Final = re.compile(r"token|api_?key|password|passwd|secret|authorization|credential", re.IGNORECASE)

Block = Callable[[], Record]


class JournalWriter:
    """Writes one run of the bot into a folder of segments; implements `JournalSink`.

    `ledger` is `live` when the bot trades on what it is meant to trade on, else `rehearsed`; `venue` is
    shown beside it (`projectx`, `paper`, `tape`, `simulation`).
    """

    def __init__(
        self, folder: Path, clock: Clock, *, ledger: str = "rehearsed", venue: str = "paper",
        limits: Limits | None = None,
    ) -> None:  # fmt: skip
        self.folder = folder
        self._clock = clock
        self._limits = limits or Limits()
        self._encoder = msgspec.msgpack.Encoder()
        started = clock.host_now()
        head = SegmentHead(run=started, ledger=ledger, venue=venue, started=started)
        self._segments = SegmentWriter(folder, self._encoder.encode(head), self._limits)
        self._queue: SimpleQueue[tuple[Block, int] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._open = False
        self._asked = 0
        self._seen_blocks = 0
        self._others: dict[str, tuple[int, list[tuple[str, str, Any, Any, int]]]] = {}
        self.stopped: str | None = "not started"
        self.calls = self.dropped = self.blocks = self.bytes = self.cpu_ns = self.losses = 0

    def start(self, *, threaded: bool = True) -> None:
        """Open a new segment; a folder that cannot be written leaves the journal stopped, with its reason."""
        try:
            self._segments.open(self._clock.host_now())
            self._open = True
            self.stopped = None if self._segments.room() else "low disk"
        except OSError as problem:
            self.stopped = f"cannot write: {problem}"
        if threaded:
            self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Write what is queued and close; nothing may be submitted afterwards."""
        self.flush()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(timeout=10)
            self._thread = None
        self.pump()
        self._segments.close()
        self._open = False
        self.stopped = "closed"

    def submit(self, block: Block, calls: int) -> bool:
        """Queue one record of `calls` calls, built by the writer; false (and counted) when it was dropped."""
        if self.stopped is not None or self._queue.qsize() >= self._limits.queue_blocks:
            self.dropped += calls
            return False
        self._queue.put((block, calls))
        return True

    def has_room(self) -> bool:
        """Whether recording may resume. A journal that stopped looks at its disk at every 20th question."""
        if self.stopped is None:
            return self._queue.qsize() < self._limits.queue_blocks // 2
        self._asked += 1
        if self._open and self._asked % 20 == 0 and self._has_disk():
            self.stopped = None
        return self.stopped is None

    def append(self, component: str, op: str, unit: str, args: Any, output: Any, ns: int) -> None:
        """One call of a component without columns of its own; never blocks, never raises."""
        seq, calls = self._others.setdefault(component, (0, []))
        calls.append((op, unit, args, output, ns))
        if len(calls) >= BLOCK_CALLS:
            self._hand_over(component, seq, calls)

    def flush(self) -> None:
        """Hand over the incomplete blocks of `append`; call it with each timer."""
        for component, (seq, calls) in list(self._others.items()):
            if calls:
                self._hand_over(component, seq, calls)

    def pump(self) -> None:
        """Write all that is queued, in the caller's thread."""
        while True:
            try:
                item = self._queue.get_nowait()
            except Empty:
                return
            if item is not None:
                self._write(*item)

    def counters(self) -> dict[str, int]:
        """`calls` written, `dropped`, `blocks`, `bytes`, `queue` blocks, `cpu_ns` of the writer, `torn_bytes` cut."""
        return {
            "calls": self.calls, "dropped": self.dropped, "blocks": self.blocks, "bytes": self.bytes,
            "queue": self._queue.qsize(), "cpu_ns": self.cpu_ns, "torn_bytes": self._segments.torn_bytes,
        }  # fmt: skip

    def _hand_over(self, component: str, seq: int, calls: list[tuple[str, str, Any, Any, int]]) -> None:
        self._others[component] = (seq + len(calls), [])

        def block() -> Record:
            rows = [(op, unit, _plain(args), _plain(output), ns) for op, unit, args, output, ns in calls]
            return CallBlock(component=component, seq=seq, epoch=0, stage="replay", build="", calls=rows)

        self.submit(block, len(calls))

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            self._write(*item)

    def _write(self, block: Block, calls: int) -> None:
        started = thread_cpu_ns()
        self._seen_blocks += 1
        if self._seen_blocks % _DISK_CHECK_BLOCKS == 0 and not self._has_disk():
            self.stopped = "low disk"
        try:
            if self.stopped is not None:
                raise OSError(self.stopped)
            payload = self._encoder.encode(block())
            self._segments.write(payload, self._clock.host_now())
        except OSError as problem:
            self.stopped = self.stopped or f"cannot write: {problem}"
            self._lose(calls)
        except Exception:  # a value that cannot be written loses its block, never the bot
            self._lose(calls)
        else:
            self.calls += calls
            self.blocks += 1
            self.bytes += len(payload)
        self.cpu_ns += thread_cpu_ns() - started

    def _lose(self, calls: int) -> None:
        self.dropped += calls
        self.losses += 1

    def _has_disk(self) -> bool:
        try:
            return self._segments.room()
        except OSError:
            return False


def _plain(value: Any) -> Any:
    return _without_secrets(msgspec.to_builtins(value, builtin_types=(bytes,)))


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "***" if isinstance(key, str) and _SECRET.search(key) else _without_secrets(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(item) for item in value]
    return value
