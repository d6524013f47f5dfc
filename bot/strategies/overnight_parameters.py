"""Parameters of the overnight range breakout (strategies.md §11.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from typing import Literal

import msgspec

from bot.model.errors import ConfigError
from bot.model.quantities import Ticks, TickSize
from bot.model.risk import StrategyPolicy
from bot.strategies.parameters import (
    BASE,
    Parameter,
    Resolved,
    boolean,
    choice,
    clock_time,
    multiple,
    points,
    points_by_symbol,
    policy_of,
    resolve,
    scaled,
    timeframe,
    to_ticks,
    whole,
)

NAME = "overnight_range"
MIN_BRACKET_TICKS = 4
MAX_BRACKET_TICKS = 1000

TABLE: dict[str, Parameter] = {
    **BASE,
    "start_time": Parameter("18:00", clock_time),
    "end_time": Parameter("09:30", clock_time),
    "market_open": Parameter("09:30", clock_time),
    "open_grace_s": Parameter(300, whole(1, 3600)),
    "min_bars": Parameter(10, whole(1, 1440)),
    "edge_minutes": Parameter(30, whole(0, 1440)),
    "atr_timeframe": Parameter("5m", timeframe),
    "atr_period": Parameter(14, whole(1, 200)),
    "smoothing": Parameter("simple", choice("simple", "wilder")),
    "daily_atr_period": Parameter(14, whole(1, 200)),
    "daily_atr_min_bars": Parameter(6, whole(2, 200)),
    "offset_ticks": Parameter(1, whole(0, 1000)),
    "stop_atr": Parameter("1.25", multiple(0.01, 100.0)),
    "tp_atr": Parameter("2.0", multiple(0.01, 100.0)),
    "zone_day": Parameter("0.5", multiple(0.0, 10.0)),
    "zone_near": Parameter("0.5", multiple(0.0, 10.0)),
    "zone_far": Parameter("0.618", multiple(0.0, 10.0)),
    "target_mode": Parameter("zone", choice("zone", "atr")),
    "cancel_other": Parameter("true", boolean),
    "max_entries_per_side": Parameter(1, whole(1, 100)),
    "max_rearms": Parameter(1, whole(0, 100)),
    "entry_cutoff": Parameter("15:30", clock_time),
    "monitor_s": Parameter(15, whole(1, 3600)),
    "proximity_percent": Parameter(10, whole(0, 1000)),
    "proximity_points": Parameter("5", points),
    "breakeven": Parameter("true", boolean),
    "breakeven_points": Parameter("15", points),
    "breakeven_offset_ticks": Parameter(0, whole(-1000, 1000)),
    "breakeven_points_by_symbol": Parameter("", points_by_symbol),
    "breakeven_r": Parameter("none", multiple(0.01, 100.0, optional=True)),
    "filter_range": Parameter("false", boolean),
    "range_min": Parameter("50", points),
    "range_max": Parameter("500", points),
    "filter_gap": Parameter("false", boolean),
    "gap_max": Parameter("200", points),
    "filter_atr": Parameter("false", boolean),
    "atr_min": Parameter("20", points),
    "atr_max": Parameter("200", points),
    "filter_dll": Parameter("false", boolean),
    "filter_dll_usage": Parameter("0.75", scaled(10_000, 10_000, "a share from 0 to 1, in steps of 0.0001")),
}  # fmt: skip
"""Every key with its default and how a plain value is read."""


class OvernightParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Typed parameters for one instrument; distances in ticks, wall times in ET, shares in basis points."""

    start_time: time
    end_time: time
    market_open: time
    open_grace_s: int
    min_bars: int
    edge_minutes: int
    atr_timeframe: str
    atr_period: int
    smoothing: Literal["simple", "wilder"]
    daily_atr_period: int
    daily_atr_min_bars: int
    offset_ticks: int
    stop_atr: float
    tp_atr: float
    zone_day: float
    zone_near: float
    zone_far: float
    target_mode: Literal["zone", "atr"]
    cancel_other: bool
    max_entries_per_side: int
    max_rearms: int
    entry_cutoff: time
    monitor_s: int
    proximity_percent: int
    proximity_ticks: Ticks
    breakeven: bool
    breakeven_ticks: Ticks
    breakeven_offset_ticks: int
    breakeven_r: float | None
    filter_range: bool
    range_min: Ticks
    range_max: Ticks
    filter_gap: bool
    gap_max: Ticks
    filter_atr: bool
    atr_min: Ticks
    atr_max: Ticks
    filter_dll: bool
    filter_dll_usage_bp: int
    on_stop: Literal["cancel_entries", "flatten"]

    @classmethod
    def of(cls, plain: Mapping[str, object], root: str, tick: TickSize) -> OvernightParameters:
        """From one dict of plain values. Raises ConfigError."""
        return cls.from_values(resolve_overnight([("settings", plain)]), root, tick)

    @classmethod
    def from_values(cls, resolved: Resolved, root: str, tick: TickSize) -> OvernightParameters:
        """For one instrument: points become ticks, the symbol's own breakeven wins. Raises ConfigError."""
        values = dict(resolved.values)
        by_symbol = values.pop("breakeven_points_by_symbol")
        values["breakeven_points"] = by_symbol.get(root, values["breakeven_points"])
        for key, name in _TICKS.items():
            values[name] = to_ticks(f"{NAME}.{key}", values.pop(key), tick)
        values["filter_dll_usage_bp"] = values.pop("filter_dll_usage")
        parameters = cls(**{name: values[name] for name in cls.__struct_fields__})
        for low, high in (("range_min", "range_max"), ("atr_min", "atr_max")):
            if values[low] > values[high]:
                raise ConfigError(f"{NAME}.{low}", expected=f"at most {high}", seen=str(resolved.values[low]))
        return parameters


_TICKS = {
    "proximity_points": "proximity_ticks", "breakeven_points": "breakeven_ticks", "range_min": "range_min",
    "range_max": "range_max", "gap_max": "gap_max", "atr_min": "atr_min", "atr_max": "atr_max",
}  # fmt: skip


def resolve_overnight(layers: Sequence[tuple[str, Mapping[str, object]]]) -> Resolved:
    """Defaults and layers to typed values with their origins. Raises ConfigError."""
    return resolve(NAME, TABLE, layers)


def overnight_policy(plain: Mapping[str, object]) -> StrategyPolicy:
    """What the risk gate needs of an instance with these plain parameters. Raises ConfigError."""
    return policy_of(resolve_overnight([("settings", plain)]).values)
