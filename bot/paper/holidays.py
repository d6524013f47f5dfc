"""A day that closes early or does not open, declared while the venue runs: the calendar's row for it."""

from __future__ import annotations

from datetime import date, time
from typing import TYPE_CHECKING

from bot.calendar.sessions import CalendarRow, SessionCalendar
from bot.model.errors import BadField

if TYPE_CHECKING:
    from bot.paper.venue import PaperVenue


def read(day: str | None, close: str | None) -> tuple[date | None, time | None]:
    """Date and closing time of their texts. Raises BadField."""
    try:
        return (
            None if day is None else date.fromisoformat(day),
            None if close is None else time.fromisoformat(close),
        )
    except ValueError as problem:
        raise BadField(
            "holiday", expected="a date such as 2025-11-28 and a time such as 12:00", seen=f"{day} {close}"
        ) from problem


def declare(venue: PaperVenue, day: str | None, close: str | None) -> None:
    """Let `day` (default: the trade date that runs) close at `close` CT, or not open at all. Raises BadField."""
    calendar = venue.state.calendar
    named, at = read(day, close)
    venue.shorten(named or calendar.trade_date(venue.state.now), at)


def shortened(calendar: SessionCalendar, day: date, close: time | None) -> SessionCalendar:
    """The same calendar with another row for `day`. Raises BadField outside its coverage and on weekends."""
    if not calendar.covers_day(day) or day.weekday() >= 5:
        raise BadField("holiday", expected="a weekday that the calendar covers", seen=str(day))
    row = CalendarRow(day, "closed" if close is None else "half", close, True)
    return SessionCalendar(calendar.covers, [*(r for r in calendar.rows.values() if r.day != day), row])
