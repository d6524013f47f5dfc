"""Bars built by the Rust core.

The faces inherit from the core's classes: a method call crosses the border without a Python frame between.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time
from functools import lru_cache
from typing import Self

from trading_bot_core import Calendar
from trading_bot_core.market_data import BarBuilder, BarConverter

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import CT, transitions

_EPOCH = date(1970, 1, 1).toordinal()


@lru_cache(maxsize=8)
def core_calendar(calendar: SessionCalendar) -> Calendar:
    """The same calendar as a value of the Rust core."""
    first, last = (day.toordinal() - _EPOCH for day in calendar.covers)
    rows = [
        (row.day.toordinal() - _EPOCH, row.kind, None if row.close is None else _minutes(row.close))
        for row in calendar.rows.values()
    ]
    return Calendar((first, last), rows, transitions(CT))


class RustBarBuilder(BarBuilder):
    """Same contract as `bot.legacy.market_data.PythonBarBuilder`."""

    def __new__(
        cls,
        timeframes: Sequence[str],
        calendar: SessionCalendar,
        close_grace_ms: int = 500,
        max_future_ms: int = 5000,
    ) -> Self:
        return super().__new__(cls, list(timeframes), core_calendar(calendar), close_grace_ms, max_future_ms)


class RustBarConverter(BarConverter):
    """Same contract as `bot.legacy.market_data.PythonBarConverter`."""

    def __new__(cls, calendar: SessionCalendar) -> Self:
        return super().__new__(cls, core_calendar(calendar))


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute
