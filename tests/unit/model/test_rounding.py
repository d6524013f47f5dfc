"""Exact prices and money against the golden vectors."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.errors import BadNumber
from bot.model.instruments import INSTRUMENTS
from bot.model.quantities import (
    TickSize,
    cost_ticks,
    format_money,
    gross_profit,
    parse_decimal,
    parse_money,
    round_away,
    unrealised,
)
from tests.conftest import vector

VECTORS = vector("rounding")
SIDE = {"long": 1, "short": -1}


def test_instrument_table() -> None:
    seen = [
        [r.root, r.tick.num, r.tick.den, r.tick.decimals, r.tick_value, r.weight, r.product, r.group]
        for r in INSTRUMENTS.values()
    ]
    assert seen == VECTORS["instruments"]


@pytest.mark.parametrize("row", VECTORS["text_to_ticks"], ids=lambda row: f"{row[0]}-{row[1]}")
def test_text_to_ticks(row: list[Any]) -> None:
    symbol, text, ticks, on_grid, back = row
    tick = INSTRUMENTS[symbol].tick
    assert tick.parse(text) == (ticks, on_grid)
    assert tick.format(ticks) == back


@pytest.mark.parametrize("text", VECTORS["bad_number"])
def test_bad_numbers_are_refused(text: str) -> None:
    with pytest.raises(BadNumber):
        parse_decimal(text)


@pytest.mark.parametrize(("x", "ticks"), VECTORS["double_to_ticks"])
def test_doubles_round_away_from_zero(x: float, ticks: int) -> None:
    assert round_away(x) == ticks


@pytest.mark.parametrize(("symbol", "text", "ticks"), VECTORS["points_to_ticks"])
def test_points_to_ticks(symbol: str, text: str, ticks: int) -> None:
    assert INSTRUMENTS[symbol].tick.parse(text)[0] == ticks


@pytest.mark.parametrize("row", VECTORS["pnl"])
def test_gross_profit(row: list[Any]) -> None:
    symbol, side, entry, exit_, size, gross = row
    assert gross_profit(SIDE[side], entry, exit_, size, INSTRUMENTS[symbol].tick_value) == gross


@pytest.mark.parametrize("row", VECTORS["unrealised"])
def test_open_result(row: list[Any]) -> None:
    symbol, side, size, cost, mark, expected = row
    assert unrealised(SIDE[side], size, cost, mark, INSTRUMENTS[symbol].tick_value) == expected


@pytest.mark.parametrize(("symbol", "text", "size", "cost"), VECTORS["average_price"])
def test_average_price_to_cost(symbol: str, text: str, size: int, cost: int) -> None:
    assert cost_ticks(INSTRUMENTS[symbol].tick, text, size) == cost


@pytest.mark.parametrize(("text", "micros"), VECTORS["usd"])
def test_dollar_text(text: str, micros: int) -> None:
    assert parse_money(text) == micros


@pytest.mark.parametrize(("micros", "text"), VECTORS["display"])
def test_display(micros: int, text: str) -> None:
    assert format_money(micros) == text


@given(st.decimals(-100_000, 100_000, places=9), st.sampled_from(sorted(INSTRUMENTS)))
def test_text_to_ticks_equals_decimal_arithmetic(value: Decimal, symbol: str) -> None:
    tick = INSTRUMENTS[symbol].tick
    exact = value * tick.den / tick.num
    expected = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    ticks, on_grid = tick.parse(f"{value:f}")
    assert (ticks, on_grid) == (expected, exact == expected)


@given(st.integers(-(10**9), 10**9), st.sampled_from(sorted(INSTRUMENTS)))
def test_ticks_survive_their_text(ticks: int, symbol: str) -> None:
    tick = INSTRUMENTS[symbol].tick
    assert tick.parse(tick.format(ticks)) == (ticks, True)


@pytest.mark.parametrize("text", ["0", "-0.25"])
def test_tick_size_is_positive(text: str) -> None:
    with pytest.raises(BadNumber, match="positive"):
        TickSize.from_text(text)
