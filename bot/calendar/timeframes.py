"""Timeframe spellings and their buckets (strategies.md §6.1)."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.model.errors import BadTimeframe
from bot.model.quantities import TsNs

_SPELLING = re.compile(r"([1-9][0-9]*)([smhdw])", re.ASCII)
_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LEGAL = "a length that divides a day: seconds or minutes below 1h, or 1h 2h 3h 4h 6h 8h 12h 1d 1w"
HOUR, DAY, WEEK = 3600, 86_400, 604_800
SECOND_NS = 1_000_000_000


class Timeframe(msgspec.Struct, frozen=True):
    """A legal timeframe; `seconds` is the nominal length (a day has 86400, a week 604800)."""

    text: str
    seconds: int

    @property
    def session_bound(self) -> bool:
        """Whether its buckets follow trading days instead of the epoch."""
        return self.seconds > HOUR


@lru_cache(maxsize=256)
def parse_timeframe(text: str) -> Timeframe:
    """Read a timeframe. Raises BadTimeframe, which names the legal ones."""
    found = _SPELLING.fullmatch(text)
    if found is None or len(text) > 6:
        raise BadTimeframe("timeframe", expected=_LEGAL, seen=text)
    number, unit = int(found[1]), found[2]
    seconds = number * _UNIT[unit]
    if unit in "dw":
        legal = number == 1
    elif unit == "h":
        legal = seconds < DAY and DAY % seconds == 0
    else:
        legal = seconds < HOUR and DAY % seconds == 0 and (unit == "m" or seconds % 60 != 0)
    if not legal:
        raise BadTimeframe("timeframe", expected=_LEGAL, seen=text)
    return Timeframe(text, seconds)


def bucket(calendar: SessionCalendar, timeframe: Timeframe, t: int) -> tuple[TsNs, TsNs]:
    """`[start, end)` of the bar that `t` belongs to."""
    length = timeframe.seconds * SECOND_NS
    if timeframe.seconds <= HOUR:
        start = t // length * length
        return TsNs(start), TsNs(start + length)
    if timeframe.seconds == WEEK:
        return calendar.session_week(t)
    day_start, day_end = calendar.session_bounds(t)
    if timeframe.seconds == DAY:
        return day_start, day_end
    start = day_start + max(0, (t - day_start) // length) * length
    return TsNs(start), TsNs(min(start + length, day_end))


@lru_cache(maxsize=256)
def timeframe_of(seconds: int) -> Timeframe:
    """The timeframe of a nominal length. Raises BadTimeframe."""
    for unit in "wdhms":
        if seconds > 0 and seconds % _UNIT[unit] == 0:
            return parse_timeframe(f"{seconds // _UNIT[unit]}{unit}")
    raise BadTimeframe("timeframe", expected=_LEGAL, seen=f"{seconds} seconds")
