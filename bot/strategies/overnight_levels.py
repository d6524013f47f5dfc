"""Range, volatility, zones, filters and entry levels of the overnight breakout (strategies.md §11.2 to 11.7).

Pure functions; prices and distances in ticks, ATR in ticks as a double. A refusal is its code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from bot.legacy.strategy_engine.indicators import Smoothing, atr
from bot.model.market import Bar, MinuteBar
from bot.model.quantities import Ticks, round_away
from bot.model.times import MINUTE
from bot.strategies.overnight_parameters import (
    MAX_BRACKET_TICKS,
    MIN_BRACKET_TICKS,
    OvernightParameters,
)

DailySource = Literal["daily", "short_daily", "none"]


class RangeFound(msgspec.Struct, frozen=True):
    """High, low, open and close of the overnight session, from `bars` minute bars."""

    high: Ticks
    low: Ticks
    open: Ticks
    close: Ticks
    bars: int

    @property
    def size(self) -> Ticks:
        return Ticks(self.high - self.low)


class Zones(msgspec.Struct, frozen=True):
    """Zone edges around the open price; the far ones are for display."""

    upper_near: Ticks
    upper_far: Ticks
    lower_near: Ticks
    lower_far: Ticks


class Level(msgspec.Struct, frozen=True):
    """One entry with its bracket; `side` +1 long, -1 short."""

    side: int
    entry: Ticks
    stop_ticks: int
    target_ticks: int
    target_source: Literal["zone", "atr"]

    @property
    def stop(self) -> Ticks:
        return Ticks(self.entry - self.side * self.stop_ticks)

    @property
    def target(self) -> Ticks:
        return Ticks(self.entry + self.side * self.target_ticks)


class FilterInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What the filters look at; None = not known, except `dll` None = the account has none."""

    range_size: int
    open: int
    prior_close: int | None
    atr: float | None
    day_pnl: int | None
    dll: int | None
    limits_known: bool = True


def overnight_range(
    bars: Sequence[Bar] | Sequence[MinuteBar], start: int, end: int, min_bars: int, edge_minutes: int
) -> RangeFound | str:
    """The range of closed one-minute bars with their start in `[start, end)`."""
    inside = [bar for bar in bars if start <= bar.start < end]
    if len(inside) < min_bars:
        return "RANGE_TOO_FEW_BARS"
    edge = edge_minutes * MINUTE
    if inside[0].start > start + edge:
        return "RANGE_STARTS_LATE"
    if inside[-1].start < end - edge:
        return "RANGE_ENDS_EARLY"
    high, low = max(bar.high for bar in inside), min(bar.low for bar in inside)
    if high <= low:
        return "RANGE_EMPTY"
    return RangeFound(high, low, inside[0].open, inside[-1].close, len(inside))


def current_atr(bars: Sequence[Bar], period: int, smoothing: Smoothing, window: int) -> float | None:
    """ATR of the newest `window` bars, None with fewer."""
    return _atr(bars[-window:], period, smoothing) if len(bars) >= window else None


def daily_atr(
    bars: Sequence[Bar] | Sequence[MinuteBar], period: int, min_bars: int
) -> tuple[float | None, DailySource]:
    """ATR of closed daily bars; with `min_bars` to `period` bars over all of them."""
    if len(bars) >= period + 1:
        return _atr(bars[-period - 1 :], period, "simple"), "daily"
    if len(bars) >= min_bars:
        return _atr(bars, len(bars) - 1, "simple"), "short_daily"
    return None, "none"


def zones_of(open_price: int, daily: float | None, p: OvernightParameters) -> Zones | None:
    """Zones around the open price, None without a daily ATR."""
    if daily is None:
        return None
    half = daily * p.zone_day
    near, far = round_away(half * p.zone_near), round_away(half * p.zone_far)
    return Zones(
        Ticks(open_price + near), Ticks(open_price + far), Ticks(open_price - near), Ticks(open_price - far)
    )


def distance(x: float, multiple: float) -> int:
    """A multiple of an ATR in ticks, at least the smallest bracket."""
    return max(MIN_BRACKET_TICKS, round_away(x * multiple))


def level_of(
    side: int,
    found: RangeFound,
    zones: Zones | None,
    atr_ticks: float | None,
    last: int,
    p: OvernightParameters,
) -> Level | str:
    """The entry of one side, or the code that refuses it."""
    entry = found.high + p.offset_ticks if side > 0 else found.low - p.offset_ticks
    if atr_ticks is None:
        return "NO_ATR"
    stop_ticks = distance(atr_ticks, p.stop_atr)
    target_ticks, source = distance(atr_ticks, p.tp_atr), "atr"
    if zones is not None and p.target_mode == "zone":
        near = zones.upper_near if side > 0 else zones.lower_near
        to_zone = side * (near - entry)
        if to_zone >= MIN_BRACKET_TICKS:
            target_ticks, source = to_zone, "zone"
    if max(stop_ticks, target_ticks) > MAX_BRACKET_TICKS:
        return "BRACKET_TOO_WIDE"
    if side * (last - entry) >= 0:
        return "ENTRY_PASSED"
    return Level(side, Ticks(entry), stop_ticks, target_ticks, "zone" if source == "zone" else "atr")


def filter_refusal(inputs: FilterInputs, p: OvernightParameters) -> str | None:
    """The first filter that refuses the day."""
    if p.filter_range and not p.range_min <= inputs.range_size <= p.range_max:
        return "FILTER_RANGE_SIZE"
    if p.filter_gap:
        if inputs.prior_close is None:
            return "FILTER_NO_DATA"
        if abs(inputs.open - inputs.prior_close) > p.gap_max:
            return "FILTER_GAP"
    if p.filter_atr:
        if inputs.atr is None:
            return "FILTER_NO_DATA"
        if inputs.atr < float(p.atr_min) or inputs.atr > float(p.atr_max):
            return "FILTER_VOLATILITY"
    if p.filter_dll:
        if not inputs.limits_known:
            return "FILTER_NO_DATA"
        if inputs.dll is not None:
            if inputs.day_pnl is None:
                return "FILTER_NO_DATA"
            if inputs.day_pnl < 0 and -inputs.day_pnl * 10_000 >= inputs.dll * p.filter_dll_usage_bp:
                return "FILTER_DLL"
    return None


def is_near(level: Level, last: int, range_size: int, p: OvernightParameters) -> bool:
    """Whether the last price is close enough before an entry to place it again (§11.9)."""
    away = level.side * (level.entry - last)
    return 0 < away <= max(range_size * p.proximity_percent // 100, p.proximity_ticks)


def _atr(bars: Sequence[Bar] | Sequence[MinuteBar], period: int, smoothing: Smoothing) -> float | None:
    return atr(
        [float(bar.high) for bar in bars],
        [float(bar.low) for bar in bars],
        [float(bar.close) for bar in bars],
        period,
        smoothing,
    )
