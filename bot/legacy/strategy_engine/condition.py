"""The market condition of a symbol: direction, volatility, breakout, reversal (strategies.md §9)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bot.legacy.strategy_engine.indicators import atr

LABELS = (
    "trending_up", "trending_down", "ranging", "high_volatility", "low_volatility", "breakout", "reversal",
    "unknown",
)  # fmt: skip
UNKNOWN = ("unknown",)


class ConditionParameters(msgspec.Struct, frozen=True):
    """The numbers of the classifier; lengths in bars."""

    timeframe: str = "15m"
    direction: int = 20
    trend_ratio: float = 0.35
    short_atr: int = 14
    long_atr: int = 100
    high_ratio: float = 1.5
    low_ratio: float = 0.67
    breakout: int = 20
    reversal: int = 10

    @property
    def window(self) -> int:
        """Bars needed for a result."""
        return self.long_atr + 1


class Condition(msgspec.Struct, frozen=True):
    """Labels in their fixed order, with the efficiency and volatility ratios (None when unknown)."""

    labels: tuple[str, ...]
    efficiency: float | None = None
    volatility: float | None = None


DEFAULTS = ConditionParameters()


def classify(
    highs: Sequence[float],
    lows: Sequence[float],
    closes: Sequence[float],
    parameters: ConditionParameters = DEFAULTS,
) -> Condition:
    """The condition at the newest of these closed bars, oldest first."""
    p = parameters
    if len(closes) < p.window:
        return Condition(UNKNOWN)
    long_atr = atr(highs, lows, closes, p.long_atr)
    short_atr = atr(highs, lows, closes, p.short_atr)
    if long_atr is None or short_atr is None or long_atr == 0.0:
        return Condition(UNKNOWN)
    direction, efficiency = _direction(closes, p)
    labels = [direction]
    volatility = short_atr / long_atr
    if volatility >= p.high_ratio:
        labels.append("high_volatility")
    elif volatility <= p.low_ratio:
        labels.append("low_volatility")
    before_highs, before_lows = highs[-p.breakout - 1 : -1], lows[-p.breakout - 1 : -1]
    if closes[-1] > max(before_highs) or closes[-1] < min(before_lows):
        labels.append("breakout")
    earlier, _ = _direction(closes[: -p.reversal], p)
    if {earlier, direction} == {"trending_up", "trending_down"}:
        labels.append("reversal")
    return Condition(tuple(labels), efficiency, volatility)


def _direction(closes: Sequence[float], p: ConditionParameters) -> tuple[str, float]:
    part = closes[-p.direction - 1 :]
    path = 0.0
    for i in range(1, len(part)):
        path = path + abs(part[i] - part[i - 1])
    net = part[-1] - part[0]
    efficiency = abs(net) / path if path != 0.0 else 0.0
    if efficiency >= p.trend_ratio:
        return ("trending_up" if net > 0.0 else "trending_down"), efficiency
    return "ranging", efficiency
