"""Flags, journal and shadow worker around the components (shadow.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import structlog

from bot.calendar.sessions import SessionCalendar
from bot.clock import Clock
from bot.legacy.market_data import PythonBarBuilder
from bot.migration.flags import FlagsFile
from bot.migration.journal import JournalWriter
from bot.migration.places import evidence_path, flags_path, journal_folder
from bot.migration.recorded import RecordedBarBuilder
from bot.migration.register import Register, Unit
from bot.model.market import DEFAULT_TIMEFRAMES

log = structlog.get_logger(__name__)


class ShadowWorker(Protocol):
    """The worker process; made by the composition root that knows the shadow."""

    async def start(self) -> None: ...

    async def stop(self, timeout_s: float = 10.0) -> None: ...

    def counters(self) -> dict[str, Any]: ...


class WorkerFactory(Protocol):
    def __call__(
        self, journal: Path, evidence: Path, clock: Clock, candidates: Sequence[str]
    ) -> ShadowWorker: ...


class Migration:
    """Who is authority, what is recorded, and the worker that runs while something is in shadow.

    The journal writes on a thread of its own if `threaded`. `close` ends it; the worker is stopped by
    `stop_worker`, after it has read to the end.
    """

    def __init__(
        self, state: Path, clock: Clock, calendar: SessionCalendar, *, venue: str, ledger: str,
        make_worker: WorkerFactory | None, threaded: bool = True,
    ) -> None:  # fmt: skip
        self.flags = FlagsFile(flags_path(state), clock)
        self.register = Register(self.flags)
        self.journal = JournalWriter(journal_folder(state), clock, ledger=ledger, venue=venue)
        self.evidence = evidence_path(state)
        self._clock, self._make_worker, self._threaded = clock, make_worker, threaded
        self.worker: ShadowWorker | None = None
        self.failure = ""
        self._wanted: Unit = self.register.unit("market_data")
        self.bars = RecordedBarBuilder(
            PythonBarBuilder(DEFAULT_TIMEFRAMES, calendar), self.journal,
            {"timeframes": list(DEFAULT_TIMEFRAMES), "close_grace_ms": 500, "max_future_ms": 5000},
        )  # fmt: skip

    async def start(self) -> None:
        """Begin to record what the flags ask for."""
        self.register.listen("market_data", self._changed)
        self.journal.start(threaded=self._threaded)
        self.bars.record(self._wanted)
        await self._follow()

    async def poll(self) -> None:
        """About once a second: changed flags, and the worker they ask for."""
        if self.register.poll():
            await self._follow()

    def close(self) -> None:
        """Write the last snapshot and close the journal."""
        self.bars.stop()
        self.journal.stop()

    async def stop_worker(self) -> None:
        if self.worker is not None:
            await self.worker.stop()
            self.worker = None

    def counters(self) -> dict[str, Any]:
        """For status and live view."""
        journal = self.journal.counters()
        return {
            "component": "market_data", "stage": self._wanted.stage, "candidates": list(self._wanted.candidates),
            "epoch": self._wanted.epoch, "alarm": self.register.alarm or self.failure, "journal": journal,
            "worker": None if self.worker is None else self.worker.counters(),
        }  # fmt: skip

    def _changed(self, unit: Unit) -> None:
        log.info("flags.changed", component=unit.component, stage=unit.stage, epoch=unit.epoch)
        self._wanted = unit
        self.bars.record(unit)

    async def _follow(self) -> None:
        unit = self._wanted
        if not unit.shadowed:
            await self.stop_worker()
        elif self.worker is None and self._make_worker is not None:
            worker = self._make_worker(self.journal.folder, self.evidence, self._clock, list(unit.candidates))
            try:
                await worker.start()
            except Exception as problem:  # whatever a shadow does, trading goes on
                log.exception("shadow.not_started", problem=str(problem))
                self.failure = f"the shadow worker does not start: {problem}"
            else:
                self.worker, self.failure = worker, ""
