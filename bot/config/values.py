"""The kinds of values a setting can have, and how each is read from text or TOML (bot.md §3.3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import time
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NewType, Union, get_args, get_origin

import msgspec

from bot.model.errors import BadNumber
from bot.model.quantities import Money, exact_money, parse_decimal, parse_money
from bot.model.secret import Secret

Seconds = NewType("Seconds", float)
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h)?", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_INT = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


class Rate(msgspec.Struct, frozen=True):
    """`count` requests in `seconds`, written `200/60s`."""

    count: int
    seconds: float


class BadValue(Exception):
    """What was expected instead."""


def read(kind: Any, raw: Any) -> Any:
    """`raw` as a value of `kind`. Raises BadValue."""
    if get_origin(kind) in {UnionType, Union}:
        kind = next(part for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        if raw in choices:
            return raw
        raise BadValue(f"one of {', '.join(choices)}")
    if get_origin(kind) is tuple:
        element = get_args(kind)[0]
        return tuple(read(element, item) for item in items(raw))
    if kind == dict[str, Any]:
        return read_table(raw)
    if get_origin(kind) is dict:
        return read_counts(raw)
    return _READERS[kind](raw)


def items(raw: Any) -> list[Any]:
    """A TOML list, or text with commas, trimmed and without empty parts."""
    if isinstance(raw, str):
        return [part.strip() for part in raw.split(",") if part.strip()]
    if isinstance(raw, list):
        return raw
    raise BadValue("a list, or text with commas")


def read_bool(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    text = str(raw).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise BadValue("true, false, 1, 0, yes, no, on or off")


def read_int(raw: Any) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and _INT.fullmatch(raw.strip()):
        return int(raw)
    raise BadValue("a whole number")


def read_text(raw: Any) -> str:
    if isinstance(raw, str) and raw.strip():
        return raw.strip()
    raise BadValue("text")


def read_decimal(raw: Any) -> str:
    """Decimal text; a TOML number becomes its shortest text, so no float goes further."""
    text = raw.strip() if isinstance(raw, str) else repr(raw) if type(raw) in {int, float} else ""
    try:
        parse_decimal(text)
    except BadNumber:
        raise BadValue("a number such as 1.25") from None
    return text


def read_seconds(raw: Any) -> Seconds:
    found = _DURATION.fullmatch(raw.strip() if isinstance(raw, str) else read_decimal(raw))
    if found is None:
        raise BadValue("a duration such as 500ms, 30s or 5m")
    return Seconds(float(found[1]) * _UNITS[found[2]])


def read_clock(raw: Any) -> time:
    if isinstance(raw, time):
        return raw
    found = _CLOCK.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if found is None:
        raise BadValue("a clock time such as 09:30")
    return time(int(found[1]), int(found[2]))


def read_rate(raw: Any) -> Rate:
    count, slash, seconds = raw.partition("/") if isinstance(raw, str) else ("", "", "")
    if not slash or not _INT.fullmatch(count.strip()) or int(count) < 1:
        raise BadValue("requests per time such as 200/60s")
    window = read_seconds(seconds)
    if window <= 0:
        raise BadValue("requests per time such as 200/60s")
    return Rate(int(count), window)


def read_money(raw: Any) -> Money:
    try:
        return parse_money(read_decimal(raw))
    except BadNumber:
        raise BadValue("an amount in dollars") from None


def read_counts(raw: Any) -> dict[str, int]:
    """A TOML table, or text such as `MNQ:40,ES:20`; names upper-cased, values above 0."""
    pairs = raw.items() if isinstance(raw, dict) else (item.split(":", 1) for item in items(raw))
    counts = {}
    for pair in pairs:
        if len(pair) != 2:
            raise BadValue("pairs such as MNQ:40,ES:20")
        counts[str(pair[0]).strip().upper()] = read_int(pair[1])
    if any(count <= 0 for count in counts.values()):
        raise BadValue("counts above 0")
    return counts


def read_table(raw: Any) -> dict[str, Any]:
    """A TOML table as it is, or text such as `name=value; name=value`."""
    if isinstance(raw, dict):
        return raw
    parts = raw.split(";") if isinstance(raw, str) else ["?"]
    pairs = [part.partition("=") for part in parts if part.strip()]
    if not all(sign and name.strip() for name, sign, _ in pairs):
        raise BadValue("pairs such as name=value; name=value")
    return {name.strip(): value.strip() for name, _, value in pairs}


def plain(value: Any) -> Any:
    """A value as text or JSON for people; secrets are masked."""
    if isinstance(value, Secret):
        return "***"
    if isinstance(value, time):
        return value.strftime("%H:%M")
    if isinstance(value, Rate):
        return f"{value.count}/{value.seconds:g}s"
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return str(value) if isinstance(value, Path) else value


def shown(kind: Any, value: Any) -> Any:
    """`plain`, with units that the kind knows."""
    if value is None:
        return None
    if kind is Seconds:
        return f"{value:g}s"
    if kind == Money | None:
        return exact_money(value)
    return plain(value)


_READERS: dict[Any, Callable[[Any], Any]] = {
    bool: read_bool, int: read_int, str: read_text, Seconds: read_seconds, time: read_clock, Rate: read_rate,
    Money: read_money, Secret: lambda raw: Secret(read_text(raw)), Path: lambda raw: Path(read_text(raw)).expanduser(),
}  # fmt: skip
