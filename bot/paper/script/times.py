"""Spans and instants as a script writes them: `1.5s`, `200ms`, `2m`, `1h`; `09:31 ET`, `2025-11-05 15:10 CT`."""

from __future__ import annotations

import re
from datetime import date, time, timedelta

import msgspec

from bot.calendar.windows import CT, ET, to_wall, wall_to_ns
from bot.model.quantities import parse_decimal
from bot.model.times import HOUR, MILLISECOND, MINUTE, SECOND

ZONES = {"ET": ET, "CT": CT, "UTC": "UTC"}
SPAN = "seconds as a number, or a span such as 200ms, 1.5s, 2m, 1h"
INSTANT = "a span from the start, or a wall time such as 09:31 ET or 2025-11-05 15:10 CT"
_UNITS = {"ns": 1, "us": 1_000, "ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR}
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ns|us|ms|s|m|h)")
_WALL = re.compile(
    r"(?:([0-9]{4}-[0-9]{2}-[0-9]{2})[ T])?([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}(?:\.[0-9]{1,6})?))?\s*(ET|CT|UTC)"
)
LONGEST = 400 * 24 * HOUR


class Wall(msgspec.Struct, frozen=True, omit_defaults=True):
    """A wall time of a zone. Without a day it is the first such time from the script's start on."""

    clock: str
    zone: str
    day: str | None = None

    def instant(self, start_ns: int) -> int:
        """The instant in ns UTC."""
        at, zone = time.fromisoformat(self.clock), ZONES[self.zone]
        if self.day is not None:
            return wall_to_ns(date.fromisoformat(self.day), at, zone)
        day = to_wall(start_ns, zone).date()
        found = wall_to_ns(day, at, zone)
        return found if found >= start_ns else wall_to_ns(day + timedelta(days=1), at, zone)

    def text(self) -> str:
        """As a script writes it."""
        return " ".join(part for part in (self.day, self.clock, self.zone) if part)


Instant = int | Wall


def span(value: object) -> int | None:
    """Nanoseconds of a span, None for what is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        ns = round(value * SECOND) if value == value and abs(value) < 1e9 else -1
        return ns if 0 <= ns <= LONGEST else None
    if not isinstance(value, str):
        return None
    found = _SPAN.fullmatch(value.strip())
    if found is None:
        return None
    mantissa, exponent = parse_decimal(found[1])
    scaled = mantissa * _UNITS[found[2]]
    ns = scaled * 10**exponent if exponent >= 0 else scaled // 10**-exponent
    return ns if ns <= LONGEST else None


def instant(value: object) -> Instant | None:
    """A span from the start, or a wall time; None for what is neither."""
    ns = span(value)
    if ns is not None or not isinstance(value, str):
        return ns
    found = _WALL.fullmatch(value.strip())
    if found is None:
        return None
    day, hour, minute, second, zone = found.groups()
    try:
        if day is not None:
            date.fromisoformat(day)
        clock = time.fromisoformat(f"{int(hour):02d}:{minute}:{second or '00'}")
    except ValueError:
        return None
    return Wall(clock.isoformat(), zone, day)


def text_of(when: Instant) -> str:
    """The shortest text that reads back as `when`."""
    if isinstance(when, Wall):
        return when.text()
    for unit, size in (("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND), ("us", 1_000)):
        if when and when % size == 0:
            return f"{when // size}{unit}"
    return f"{when}ns" if when else "0s"
