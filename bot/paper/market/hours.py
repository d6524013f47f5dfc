"""The open stretches of trade dates, as the calendar has them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from bot.calendar.sessions import SessionCalendar
from bot.model.errors import CalendarUnknown
from bot.model.times import MINUTE

Stretch = tuple[int, int]
_STEP = 5 * MINUTE
"""Every opening and closing time of the venue is a multiple of five minutes."""


def stretches(calendar: SessionCalendar, day: date, group: str) -> list[Stretch]:
    """The `[open, close)` stretches of trade date `day`, ascending; empty outside coverage."""
    if not calendar.covers_day(day):
        return []
    start, end = calendar.day_bounds(day)
    found: list[Stretch] = []
    opened: int | None = None
    for t in range(start, end + 1, _STEP):
        if t < end and calendar.is_open(t, group):
            opened = t if opened is None else opened
        elif opened is not None:
            found.append((opened, t))
            opened = None
    return found


def stretches_from(calendar: SessionCalendar, t: int, group: str) -> Iterator[Stretch]:
    """The open stretches that end after `t`, in order, until the calendar ends."""
    try:
        day = calendar.trade_date(t)
    except CalendarUnknown:
        return
    while calendar.covers_day(day):
        for start, end in stretches(calendar, day, group):
            if end > t:
                yield max(start, t), end
        day = calendar.next_cash_day(day)
