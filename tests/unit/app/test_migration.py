"""A shadow that does not start costs its evidence and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.app.migration import Migration
from bot.calendar.sessions import SessionCalendar
from bot.clock import Clock, VirtualClock
from bot.migration.flags import FlagsFile
from bot.migration.stages import Flag
from bot.model.times import parse_ts


class Stillborn:
    """A worker whose program cannot be started the first times."""

    failures = 2

    def __init__(self, journal: Path, evidence: Path, clock: Clock, candidates: Sequence[str]) -> None:
        self.candidates = list(candidates)

    async def start(self) -> None:
        Stillborn.failures -= 1
        if Stillborn.failures >= 0:
            raise OSError("no such program")

    async def stop(self, timeout_s: float = 10.0) -> None:
        return None

    def counters(self) -> dict[str, Any]:
        return {"candidates": self.candidates}


async def test_a_worker_that_does_not_start_is_told_and_tried_again_with_the_next_flag(
    tmp_path: Path,
) -> None:
    clock = VirtualClock(parse_ts("2025-11-04T15:00:00Z"))
    flags = FlagsFile(tmp_path / "flags.json", clock)
    flags.set("market_data", Flag("shadow", ("rust",)), who="test", reason="test")
    migration = Migration(
        tmp_path, clock, SessionCalendar.shipped(), venue="paper", ledger="rehearsed", make_worker=Stillborn
    )
    await migration.start()
    assert migration.worker is None
    assert "no such program" in migration.counters()["alarm"]
    for stage in ("off", "shadow", "off", "shadow"):
        flags.set(
            "market_data", Flag(stage, ("rust",) if stage == "shadow" else ()), who="test", reason="test"
        )
        await migration.poll()
    assert migration.worker is not None
    assert migration.counters()["alarm"] == ""
    migration.close()
    await migration.stop_worker()
