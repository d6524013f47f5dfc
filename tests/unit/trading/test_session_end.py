"""The end-of-day flatten: once per risk day, at 15:05 Chicago or earlier, forward on early closes."""

from __future__ import annotations

import asyncio
from datetime import time
from typing import Any, cast

import pytest

from bot.calendar.sessions import SessionCalendar
from bot.model.quantities import TsNs
from bot.model.times import SECOND, parse_ts
from bot.trading.desk import Desk
from bot.trading.session_end import SessionEnd

CALENDAR = SessionCalendar.shipped()


class At:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.t = 0

    def now(self) -> TsNs:
        return TsNs(self.t)


class Recorder:
    """Counts what would be flattened."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, str]] = []

    async def flatten(self, account_id: int, reason: str) -> None:
        self.calls.append((account_id, reason))


async def flattened(start: str, end: str, earliest: time = time(15, 5)) -> list[str]:
    """Times at which a flatten began while the clock went from start to end in steps of a second."""
    clock, desk = At(), Recorder()
    tasks: list[asyncio.Task[object]] = []
    keeper = SessionEnd(cast("Desk", desk), 1001, CALENDAR, cast("Any", clock), earliest, tasks.append)
    found = []
    for t in range(parse_ts(start), parse_ts(end), 10 * SECOND):
        clock.t = t
        before = len(tasks)
        keeper.tick()
        if len(tasks) > before:
            found.append(t)
    await asyncio.gather(*tasks)
    assert len(desk.calls) == len(found)
    return [str(t) for t in found]


@pytest.mark.parametrize(
    ("start", "end", "earliest", "expected"),
    [
        ("2025-11-04T20:00:00Z", "2025-11-04T23:30:00Z", time(15, 5), ["2025-11-04T21:05:00Z"]),
        ("2025-11-04T20:00:00Z", "2025-11-04T23:30:00Z", time(14, 30), ["2025-11-04T20:30:00Z"]),
        ("2025-07-01T19:00:00Z", "2025-07-01T22:00:00Z", time(15, 5), ["2025-07-01T20:05:00Z"]),
        ("2025-11-28T17:00:00Z", "2025-11-28T21:00:00Z", time(15, 5), ["2025-11-28T18:00:00Z"]),
        ("2025-11-08T00:00:00Z", "2025-11-09T12:00:00Z", time(15, 5), []),
        ("2025-12-25T10:00:00Z", "2025-12-25T22:00:00Z", time(15, 5), []),
    ],
)
async def test_flatten_begins_once_and_on_time(
    start: str, end: str, earliest: time, expected: list[str]
) -> None:
    assert await flattened(start, end, earliest) == [str(parse_ts(text)) for text in expected]


async def test_each_risk_day_has_its_own() -> None:
    assert len(await flattened("2025-11-03T00:00:00Z", "2025-11-08T00:00:00Z")) == 5
