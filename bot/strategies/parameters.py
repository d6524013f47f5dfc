"""Strategy parameters: typed values from plain ones, layer by layer, with errors that help.

A plain value may be text (environment, database) or a TOML or JSON value. Unknown keys name the nearest
known ones; a bad value says what was expected and which layer it came from (strategies.md §10.2, §15.2).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import time
from typing import Any

import msgspec

from bot.calendar.timeframes import parse_timeframe
from bot.legacy.strategy_engine.condition import LABELS
from bot.model.errors import BadNumber, BadTimeframe, ConfigError
from bot.model.quantities import Ticks, TickSize, parse_decimal
from bot.model.risk import StrategyPolicy

Parse = Callable[[object], Any]
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


class Parameter(msgspec.Struct, frozen=True):
    """One key: its default as plain value and how a plain value is read. `parse` raises ValueError."""

    default: object
    parse: Parse


class Resolved(msgspec.Struct, frozen=True):
    """Typed values with the layer that each one came from."""

    values: dict[str, Any]
    origins: dict[str, str]


def resolve(
    strategy: str,
    table: Mapping[str, Parameter],
    layers: Sequence[tuple[str, Mapping[str, object]]],
) -> Resolved:
    """Defaults, then each `(name, plain values)` layer; the later wins, key by key. Raises ConfigError."""
    values = {key: parameter.parse(parameter.default) for key, parameter in table.items()}
    origins = dict.fromkeys(values, "default")
    for layer, plain in layers:
        for key, value in plain.items():
            where = f"{strategy}.{key} ({layer})"
            if key not in table:
                near = difflib.get_close_matches(key, table, 3) or sorted(table)[:3]
                raise ConfigError(
                    where, expected="a known parameter", seen=key, do=f"did you mean {', '.join(near)}"
                )
            try:
                values[key] = table[key].parse(value)
            except ValueError as problem:
                raise ConfigError(where, expected=str(problem), seen=value) from problem
            origins[key] = layer
    return Resolved(values, origins)


def boolean(value: object) -> bool:
    """Exactly true/1/yes/on or false/0/no/off in any case."""
    text = str(value).lower()
    if text not in _TRUE + _FALSE:
        raise ValueError("true, 1, yes, on, false, 0, no or off")
    return text in _TRUE


def whole(least: int, most: int) -> Parse:
    """An integer within bounds."""

    def parse(value: object) -> int:
        mantissa, exponent = _decimal(value, f"a whole number from {least} to {most}")
        number = mantissa * 10**exponent if exponent >= 0 else mantissa // 10**-exponent
        exact = exponent >= 0 or mantissa % 10**-exponent == 0
        if not exact or not least <= number <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(number)

    return parse


def multiple(least: float, most: float, *, optional: bool = False) -> Parse:
    """A factor as a double, read from its decimal text; `none` or empty when it is optional."""
    wanted = f"a number from {least} to {most}" + (" or none" if optional else "")

    def parse(value: object) -> float | None:
        if optional and (value is None or str(value).lower() in ("", "none")):
            return None
        _decimal(value, wanted)
        number = float(str(value))
        if not least <= number <= most:
            raise ValueError(wanted)
        return number

    return parse


def scaled(unit: int, most: int, wanted: str) -> Parse:
    """A fraction as a whole number of `1/unit` (basis points, parts per million), 0 to `most`."""

    def parse(value: object) -> int:
        mantissa, exponent = _decimal(value, wanted)
        numerator = mantissa * unit * 10 ** max(exponent, 0)
        denominator = 10 ** max(-exponent, 0)
        if numerator % denominator or not 0 <= numerator // denominator <= most:
            raise ValueError(wanted)
        return int(numerator // denominator)

    return parse


def points(value: object) -> str:
    """Points as exact decimal text, not negative; `to_ticks` converts them per instrument."""
    mantissa, _ = _decimal(value, "points as a decimal number, 0 or more")
    if mantissa < 0:
        raise ValueError("points as a decimal number, 0 or more")
    return str(value)


def points_by_symbol(value: object) -> dict[str, str]:
    """`MES:5,M2K:10`, or a table of symbol to points."""
    wanted = "pairs such as MES:5,M2K:10"
    if isinstance(value, Mapping):
        pairs = [(str(root), text) for root, text in value.items()]
    else:
        parts = [part.strip() for part in str(value).split(",") if part.strip()]
        if any(part.count(":") != 1 for part in parts):
            raise ValueError(wanted)
        pairs = [(part.split(":")[0], part.split(":")[1].strip()) for part in parts]
    return {root.strip().upper(): points(text) for root, text in pairs}


def wall_time(value: object) -> time | None:
    """`HH:MM` in ET, or none for no window."""
    if value is None or str(value).lower() in ("", "none"):
        return None
    text = str(value)
    if len(text) != 5 or text[2] != ":" or not (text[:2] + text[3:]).isdigit():
        raise ValueError("a wall time such as 09:30")
    try:
        return time(int(text[:2]), int(text[3:]))
    except ValueError:
        raise ValueError("a wall time from 00:00 to 23:59") from None


def clock_time(value: object) -> time:
    """`HH:MM` in ET, always present."""
    at = wall_time(value)
    if at is None:
        raise ValueError("a wall time such as 09:30")
    return at


def choice(*allowed: str) -> Parse:
    """One of some words."""

    def parse(value: object) -> str:
        if value not in allowed:
            raise ValueError(" or ".join(allowed))
        return str(value)

    return parse


def names(value: object) -> tuple[str, ...]:
    """A comma list or a list; trimmed, upper-cased, duplicates dropped."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError("a list such as MNQ,MES")  # noqa: TRY004 - every refusal of a value is a ValueError
    return tuple(dict.fromkeys(str(part).strip().upper() for part in parts if str(part).strip()))


def conditions(value: object) -> tuple[str, ...]:
    """Labels of the market condition."""
    found = tuple(name.lower() for name in names(value))
    if any(name not in LABELS for name in found):
        raise ValueError(f"labels out of {', '.join(LABELS)}")
    return found


def timeframe(value: object) -> str:
    """A legal timeframe."""
    try:
        return parse_timeframe(str(value)).text
    except BadTimeframe as problem:
        raise ValueError(problem.expected) from problem


def to_ticks(key: str, text: str, tick: TickSize) -> Ticks:
    """Points of a parameter to ticks. Raises ConfigError when a positive value becomes no tick at all."""
    ticks, _ = tick.parse(text)
    if ticks == 0 and parse_decimal(text)[0] != 0:
        raise ConfigError(key, expected="points that are at least half a tick", seen=text)
    return ticks


BASE: dict[str, Parameter] = {
    "enabled": Parameter("false", boolean),
    "symbols": Parameter("MNQ", names),
    "max_positions": Parameter(2, whole(1, 100)),
    "position_size": Parameter(1, whole(1, 1000)),
    "max_daily_trades": Parameter(10, whole(0, 10_000)),
    "risk_percent": Parameter("0.5", scaled(10_000, 1_000_000, "a percentage from 0 to 100, in steps of 0.0001")),
    "preferred_conditions": Parameter("", conditions),
    "avoid_conditions": Parameter("", conditions),
    "trading_start": Parameter("09:30", wall_time),
    "trading_end": Parameter("15:45", wall_time),
    "no_trade_start": Parameter("15:30", wall_time),
    "no_trade_end": Parameter("16:00", wall_time),
    "respect_dll": Parameter("true", boolean),
    "respect_mll": Parameter("true", boolean),
    "max_dll_usage": Parameter("0.75", scaled(10_000, 10_000, "a share from 0 to 1, in steps of 0.0001")),
    "max_order_size": Parameter(10, whole(1, 1000)),
    "force_min_one": Parameter("false", boolean),
    "max_drift_ticks": Parameter(8, whole(0, 1000)),
    "on_stop": Parameter("cancel_entries", choice("cancel_entries", "flatten")),
}  # fmt: skip
"""The keys every strategy has (§10.2)."""


def policy_of(values: Mapping[str, Any]) -> StrategyPolicy:
    """What gates and sizing read of resolved base parameters."""
    renamed = {"risk_ppm": values["risk_percent"], "max_dll_usage_bp": values["max_dll_usage"]}
    own = {name: values[name] for name in StrategyPolicy.__struct_fields__ if name in values}
    return StrategyPolicy(**own, **renamed)


def _decimal(value: object, wanted: str) -> tuple[int, int]:
    if isinstance(value, bool):
        raise ValueError(wanted)  # noqa: TRY004 - every refusal of a value is one
    try:
        return parse_decimal(str(value))
    except BadNumber as problem:
        raise ValueError(wanted) from problem
