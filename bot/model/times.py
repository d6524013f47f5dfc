"""Points in time as nanoseconds UTC, and their RFC 3339 text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from bot.model.errors import BadField
from bot.model.quantities import TsNs

SECOND = 1_000_000_000
MILLISECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 3600 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{0,9}))?(Z|z|[+-]\d\d:\d\d)?",
    re.ASCII,
)


def parse_ts(text: str) -> TsNs:
    """RFC 3339 text with 0 to 9 fraction digits and `Z`, an offset or none (= UTC) to nanoseconds.

    Raises BadField for anything else.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise BadField("time", expected="text such as 2025-11-03T14:30:00Z", seen=text)
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        whole = datetime(
            int(year),
            int(month),
            int(day),
            int(hour),
            int(minute),
            int(second),
            tzinfo=UTC,
        )
    except ValueError as problem:
        raise BadField("time", expected="a date and time that exist", seen=text) from problem
    seconds = (whole - _EPOCH) // timedelta(seconds=1)
    if zone and zone not in "Zz":
        offset = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
        seconds -= offset if zone[0] == "+" else -offset
    return TsNs(seconds * SECOND + int((fraction or "").ljust(9, "0") or 0))


def format_ts(ts: int, zone: str = "Z", max_digits: int = 9) -> str:
    """Nanoseconds UTC to text, the fraction cut to `max_digits` and without trailing zeros."""
    seconds, nanos = divmod(ts, SECOND)
    whole = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{nanos:09d}"[:max_digits].rstrip("0")
    return f"{whole}.{fraction}{zone}" if fraction else f"{whole}{zone}"
