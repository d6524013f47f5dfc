"""The closed list of keys of `overnight_range`, with their environment names (strategies.md §10.2, §11.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from bot.config.values import (
    BadValue,
    items,
    read_bool,
    read_clock,
    read_counts,
    read_decimal,
    read_int,
)

SECTION = "strategies.overnight_range"


def _clock(raw: Any) -> str:
    return read_clock(raw).strftime("%H:%M")


def _symbols(raw: Any) -> list[str]:
    names = list(dict.fromkeys(str(item).strip().upper() for item in items(raw)))
    if not names:
        raise BadValue("at least one symbol")
    return names


def _names(raw: Any) -> list[str]:
    return list(dict.fromkeys(str(item).strip().lower() for item in items(raw)))


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(raw: Any) -> str:
        if raw in choices:
            return str(raw)
        raise BadValue(f"one of {', '.join(choices)}")

    return read


_BASE: Final[dict[str, Callable[[Any], Any]]] = {
    "enabled": read_bool, "symbols": _symbols, "max_positions": read_int, "position_size": read_int,
    "max_daily_trades": read_int, "risk_percent": read_decimal, "preferred_conditions": _names,
    "avoid_conditions": _names, "trading_start": _clock, "trading_end": _clock, "no_trade_start": _clock,
    "no_trade_end": _clock, "respect_dll": read_bool, "respect_mll": read_bool, "max_dll_usage": read_decimal,
    "max_order_size": read_int, "force_min_one": read_bool, "max_drift_ticks": read_int,
    "on_stop": _one_of("cancel_entries", "flatten"),
}  # fmt: skip
_OWN: Final[dict[str, Callable[[Any], Any]]] = {
    "start_time": _clock, "end_time": _clock, "market_open": _clock, "open_grace_s": read_int, "min_bars": read_int,
    "edge_minutes": read_int, "atr_timeframe": str, "atr_period": read_int,
    "smoothing": _one_of("simple", "wilder"), "daily_atr_period": read_int, "daily_atr_min_bars": read_int,
    "offset_ticks": read_int, "stop_atr": read_decimal, "tp_atr": read_decimal, "zone_day": read_decimal,
    "zone_near": read_decimal, "zone_far": read_decimal, "target_mode": _one_of("zone", "atr"),
    "cancel_other": read_bool, "max_entries_per_side": read_int, "max_rearms": read_int, "entry_cutoff": _clock,
    "monitor_s": read_int, "proximity_percent": read_int, "proximity_points": read_decimal, "breakeven": read_bool,
    "breakeven_points": read_decimal, "breakeven_offset_ticks": read_int,
    "breakeven_points_by_symbol": read_counts, "breakeven_r": read_decimal, "filter_range": read_bool,
    "range_min": read_decimal, "range_max": read_decimal, "filter_gap": read_bool, "gap_max": read_decimal,
    "filter_atr": read_bool, "atr_min": read_decimal, "atr_max": read_decimal, "filter_dll": read_bool,
    "filter_dll_usage": read_decimal,
}  # fmt: skip
READERS: Final = {**_BASE, **_OWN}
_SUFFIX = {
    "trading_start": "START_TIME", "trading_end": "END_TIME",
}  # fmt: skip
VARIABLES: Final[dict[str, str]] = {
    **{f"OVERNIGHT_RANGE_{_SUFFIX.get(key, key.upper())}": key for key in _BASE},
    **{f"OVERNIGHT_{key.upper()}": key for key in _OWN},
}
"""Environment name to key."""
