"""Indicators and market condition give the golden vectors' exact bits."""

from __future__ import annotations

from typing import Any

import pytest

from bot.legacy.strategy_engine.condition import classify
from bot.legacy.strategy_engine.indicators import atr, atr_window, ema, rsi, sma, true_ranges
from bot.model.errors import BadNumber, ConfigError
from tests.conftest import vector

VECTORS = vector("indicators")
SERIES = {name: [[float(x) for x in row] for row in rows] for name, rows in VECTORS["series"].items()}


def columns(rows: list[list[float]]) -> tuple[list[float], list[float], list[float]]:
    return [row[1] for row in rows], [row[2] for row in rows], [row[3] for row in rows]


@pytest.mark.parametrize(
    ("function", "series", "n", "last", "period", "smoothing", "value"), VECTORS["cases"]
)
def test_value(
    function: str, series: str, n: int, last: int | None, period: int, smoothing: Any, value: float | None
) -> None:
    rows = SERIES[series][:n]
    highs, lows, closes = columns(rows[-last:] if last is not None else rows)
    got = {
        "sma": lambda: sma(closes, period),
        "ema": lambda: ema(closes, period),
        "atr": lambda: atr(highs, lows, closes, period, smoothing),
        "rsi": lambda: rsi(closes, period, smoothing),
    }[function]()
    assert got == value


@pytest.mark.parametrize(("series", "ranges"), VECTORS["true_range"])
def test_true_range(series: str, ranges: list[float]) -> None:
    assert true_ranges(*columns(SERIES[series])) == ranges


@pytest.mark.parametrize(("n", "labels", "er", "vr"), VECTORS["condition"])
def test_condition(n: int, labels: list[str], er: float | None, vr: float | None) -> None:
    condition = classify(*columns(SERIES["H"][:n]))
    assert (list(condition.labels), condition.efficiency, condition.volatility) == (labels, er, vr)


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(BadNumber):
        sma([1.0, float("nan")], 1)


def test_an_unknown_smoothing_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="simple or wilder"):
        atr_window(14, "Wilder")  # type: ignore[arg-type]
