"""End of day: every order and position of the account goes at `flatten_start` (bot.md §10.5, strategies.md §16.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, time

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import CT, to_wall, wall_to_ns
from bot.clock import Clock
from bot.model.quantities import TsNs
from bot.trading.desk import Desk


class SessionEnd:
    """`tick` it about once a second; the flatten of a risk day runs once per process.

    `earliest` is the owner's Chicago time, which may only bring it forward. `skew` is by how many ns this
    machine's clock is ahead of the venue's, whose time decides.
    """

    def __init__(
        self, desk: Desk, account_id: int, calendar: SessionCalendar, clock: Clock, earliest: time,
        spawn: Callable[[asyncio.Task[object]], None], skew: Callable[[], int] = lambda: 0,
    ) -> None:  # fmt: skip
        self._desk, self._account_id = desk, account_id
        self._calendar, self._clock, self._earliest = calendar, clock, earliest
        self._spawn, self._skew = spawn, skew
        self._done: date | None = None

    def tick(self) -> None:
        now = TsNs(self._clock.now() - self._skew())
        day = self._calendar.risk_day(now)
        if day == self._done or not self._due(day, now):
            return
        self._done = day
        self._spawn(
            asyncio.create_task(self._desk.flatten(self._account_id, reason="end of day"), name="end of day")
        )

    def _due(self, day: date, now: int) -> bool:
        start = self._calendar.flatten_start(day)
        if start is None:
            return False
        own = wall_to_ns(day, self._earliest, CT)
        return now >= min(start, own) and to_wall(now, CT).date() == day
