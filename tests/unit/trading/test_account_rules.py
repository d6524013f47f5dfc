"""The arithmetic around the rule machine: cost after fills, the worse mark, the start of a risk day."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.calendar.sessions import SessionCalendar
from bot.model.market import Quote
from bot.model.orders import Fill
from bot.model.quantities import Money, Ticks, TsNs
from bot.model.times import parse_ts
from bot.trading.account_rules import after_fill, day_start, worse_mark

CALENDAR = SessionCalendar.shipped()


def fill(side: int, size: int, price: int) -> Fill:
    return Fill(1, 1001, "CON.F.US.MNQ.Z25", 1, side, size, Ticks(price), TsNs(0), Money(0), Money(0))


@pytest.mark.parametrize(
    ("held", "side", "size", "price", "after"),
    [
        ((0, 0), 0, 2, 100, (2, 200)),
        ((2, 200), 0, 1, 103, (3, 303)),
        ((3, 303), 1, 1, 110, (2, 202)),
        ((2, 202), 1, 2, 110, (0, 0)),
        ((1, 100), 1, 3, 90, (-2, 180)),
        ((-2, 180), 0, 1, 95, (-1, 90)),
    ],
)
def test_cost_after_a_fill(
    held: tuple[int, int], side: int, size: int, price: int, after: tuple[int, int]
) -> None:
    assert after_fill(held, fill(side, size, price)) == after


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 5), st.integers(-500, 500)), max_size=30))
def test_net_is_the_sum_of_fills_and_flat_costs_nothing(fills: list[tuple[int, int, int]]) -> None:
    held, net = (0, 0), 0
    for side, size, price in fills:
        held = after_fill(held, fill(side, size, price))
        net += size if side == 0 else -size
        assert held[0] == net
        if net == 0:
            assert held[1] == 0


@pytest.mark.parametrize(
    ("bid", "ask", "last", "net", "mark"),
    [(99, 101, 100, 1, 99), (99, 101, 98, 1, 98), (99, 101, 100, -1, 101), (99, 101, 103, -1, 103),
     (None, None, 100, 1, 100), (99, 101, None, 1, 99), (None, None, None, 1, None)],
)  # fmt: skip
def test_the_mark_is_the_worse_of_touch_and_last(
    bid: int | None, ask: int | None, last: int | None, net: int, mark: int | None
) -> None:
    ticks = [None if value is None else Ticks(value) for value in (bid, ask, last)]
    assert worse_mark(Quote("C", bid=ticks[0], ask=ticks[1], last=ticks[2]), net) == mark
    assert worse_mark(None, net) is None


@pytest.mark.parametrize(
    ("now", "start"),
    [
        ("2025-11-04T15:00:00Z", "2025-11-03T23:00:00Z"),
        ("2025-11-04T22:59:59Z", "2025-11-03T23:00:00Z"),
        ("2025-11-04T23:00:00Z", "2025-11-04T23:00:00Z"),
        ("2025-11-03T15:00:00Z", "2025-10-31T22:00:00Z"),
        ("2025-11-02T23:30:00Z", "2025-10-31T22:00:00Z"),
        ("2025-11-01T12:00:00Z", "2025-10-31T22:00:00Z"),
    ],
)
def test_the_risk_day_begins_at_17_chicago_and_spans_the_weekend(now: str, start: str) -> None:
    found = day_start(CALENDAR, parse_ts(now))
    assert found == parse_ts(start)
    assert CALENDAR.risk_day(found) == CALENDAR.risk_day(parse_ts(now))
    assert CALENDAR.risk_day(found - 1) != CALENDAR.risk_day(parse_ts(now))
