"""Indicators over plain doubles, oldest first, with a fixed order of evaluation (strategies.md §4).

Sums start at 0.0 and add one term at a time, so every implementation gives the same 64 bits. None
means that there are not enough bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Literal

from bot.model.errors import BadNumber, ConfigError

Smoothing = Literal["simple", "wilder"]


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean; the sum adds the oldest term first. `values` is not empty."""
    total = 0.0
    for value in values:
        total = total + value
    return total / len(values)


def sma(closes: Sequence[float], period: int) -> float | None:
    """Mean of the last `period` closes."""
    _require_finite(closes)
    return mean(closes[-period:]) if len(closes) >= period else None


def ema(closes: Sequence[float], period: int) -> float | None:
    """Exponential mean over the whole list, seeded by the mean of its first `period` closes; needs 3 periods."""
    _require_finite(closes)
    if len(closes) < 3 * period:
        return None
    k = 2.0 / (period + 1.0)
    m = 1.0 - k
    e = mean(closes[:period])
    for close in closes[period:]:
        e = (close * k) + (e * m)
    return e


def true_ranges(highs: Sequence[float], lows: Sequence[float], closes: Sequence[float]) -> list[float]:
    """True range of every bar after the first."""
    ranges = []
    for i in range(1, len(closes)):
        previous = closes[i - 1]
        widest = highs[i] - lows[i]
        above = abs(highs[i] - previous)
        if above > widest:
            widest = above
        below = abs(lows[i] - previous)
        if below > widest:
            widest = below
        ranges.append(widest)
    return ranges


def atr(
    highs: Sequence[float],
    lows: Sequence[float],
    closes: Sequence[float],
    period: int,
    smoothing: Smoothing = "simple",
) -> float | None:
    """Average true range; needs `period + 1` bars. Wilder smoothing runs over the whole list."""
    for values in (highs, lows, closes):
        _require_finite(values)
    if len(closes) < period + 1:
        return None
    ranges = true_ranges(highs, lows, closes)
    return mean(ranges[-period:]) if _checked(smoothing) == "simple" else _wilder(ranges, period)


def rsi(closes: Sequence[float], period: int, smoothing: Smoothing = "simple") -> float | None:
    """Relative strength index 0..100; 50 in a flat market. Needs `period + 1` closes."""
    _require_finite(closes)
    if len(closes) < period + 1:
        return None
    changes = [closes[i] - closes[i - 1] for i in range(1, len(closes))]
    gains = [max(0.0, d) for d in changes]
    losses = [-d if d < 0.0 else 0.0 for d in changes]
    if _checked(smoothing) == "simple":
        gain, loss = mean(gains[-period:]), mean(losses[-period:])
    else:
        gain, loss = _wilder(gains, period), _wilder(losses, period)
    if loss == 0.0:
        return 50.0 if gain == 0.0 else 100.0
    rs = gain / loss
    return 100.0 - (100.0 / (1.0 + rs))


def atr_window(period: int, smoothing: Smoothing) -> int:
    """How many bars a strategy passes to `atr` (§4.9)."""
    return period + 1 if _checked(smoothing) == "simple" else 10 * period + 1


def _wilder(values: Sequence[float], period: int) -> float:
    smoothed = mean(values[:period])
    for value in values[period:]:
        smoothed = ((smoothed * (period - 1.0)) + value) / period
    return smoothed


def _checked(smoothing: str) -> str:
    if smoothing not in ("simple", "wilder"):
        raise ConfigError("smoothing", expected="simple or wilder", seen=smoothing)
    return smoothing


def _require_finite(values: Sequence[float]) -> None:
    for value in values:
        if not isfinite(value):
            raise BadNumber("indicator input", expected="finite doubles", seen=value)
