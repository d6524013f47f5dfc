"""Wall-clock times of named zones as nanoseconds UTC, and daily trading windows (strategies.md §1.3, §5.8).

A wall time that occurs twice means the first occurrence; one that does not exist is moved forward
by the gap. All zones of interest shift on whole UTC hours, so one offset holds for each hour.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from bot.model.quantities import TsNs

ET = "America/New_York"
CT = "America/Chicago"
SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
DAY_NS = 24 * HOUR_NS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_ns(at: time) -> int:
    """Nanoseconds from midnight to a wall time."""
    return ((at.hour * 60 + at.minute) * 60 + at.second) * SECOND_NS + at.microsecond * 1000


@lru_cache(maxsize=4096)
def offset_at_hour(hour: int, zone: str) -> int:
    """UTC offset of `zone` in ns (east positive) during hour number `hour` since the epoch."""
    offset = (_EPOCH + timedelta(hours=hour)).astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return offset // timedelta(microseconds=1) * 1000


def wall_to_ns(day: date, at: time, zone: str) -> TsNs:
    """The instant of a wall time of `zone`."""
    instant = datetime.combine(day, at, tzinfo=ZoneInfo(zone))
    return TsNs((instant.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) * 1000)


def to_wall(t: int, zone: str) -> datetime:
    """The wall time of `zone` at `t`, cut to the microsecond."""
    return (_EPOCH + timedelta(microseconds=t // 1000)).astimezone(ZoneInfo(zone))


def in_window(t: int, start: time | None, end: time | None) -> bool:
    """Whether `t` lies in the daily window `[start, end)` in ET, at ns resolution.

    `start > end` crosses midnight, `start == end` is the whole day, an absent bound is no window at all
    and lets every time pass.
    """
    if start is None or end is None or start == end:
        return True
    now = (t + offset_at_hour(t // HOUR_NS, ET)) % DAY_NS
    first, last = time_ns(start), time_ns(end)
    return first <= now < last if first < last else now >= first or now < last


@lru_cache(maxsize=8)
def transitions(zone: str, first_year: int = 2000, last_year: int = 2100) -> tuple[tuple[int, int], ...]:
    """`(instant, offset)` pairs in ns, ascending: from each instant on the zone has that UTC offset.

    The first pair stands for all time before the second. Made for the compiled calendars, which have no
    tz database; a zone shifts at most once in a calendar month.
    """
    found = [(-(2**63), _month_offset(first_year, 0, zone))]
    for number in range((last_year - first_year) * 12):
        low, high = _month_hour(first_year, number), _month_hour(first_year, number + 1)
        after = offset_at_hour(high, zone)
        if after == found[-1][1]:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if offset_at_hour(middle, zone) == after else (middle, high)
        found.append((high * HOUR_NS, after))
    return tuple(found)


def _month_hour(first_year: int, number: int) -> int:
    first = datetime(first_year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return (first - _EPOCH) // timedelta(hours=1)


def _month_offset(first_year: int, number: int, zone: str) -> int:
    return offset_at_hour(_month_hour(first_year, number), zone)
