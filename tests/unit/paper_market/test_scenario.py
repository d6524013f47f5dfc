"""What the scenarios promise about a cash open, checked with levels worked out by the specification."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise

import pytest

from bot.calendar.sessions import SessionCalendar
from bot.model.times import MINUTE, SECOND
from bot.paper.market.feed import Print
from bot.paper.market.synthetic import SyntheticMarket
from tests.unit.paper_market.conftest import DAY, eastern
from tests.unit.paper_market.round_trip import Levels, Round, levels, play

SEEDS = range(1, 41)
BREAKEVEN_TICKS = {"MNQ": 60, "MES": 20}
ROUND_ENDS_BEFORE = 720.0
USUAL = {"MNQ": ((100, 200), (15, 25)), "MES": ((25, 45), (3.9, 6.1))}
"""Overnight range and five-minute ATR in points."""


@lru_cache
def opened(
    seed: int, day: date, scenario: str = "breakout", minute: int = 28
) -> dict[str, tuple[Levels, Round]]:
    """Levels and trade of each root, from a market that starts shortly before the cash open."""
    start, open_ns = eastern(9, minute, day), eastern(9, 30, day)
    market = SyntheticMarket(seed, start, ("MNQ", "MES"), scenario=scenario)
    events = market.advance(open_ns + 13 * MINUTE)
    found = {}
    for contract in market.contracts.values():
        own = [each for each in events if each.contract_id == contract.id]
        at = levels(market, contract.id, day, start, [each for each in own if isinstance(each, Print)])
        found[contract.root] = at, play(own, at, open_ns, BREAKEVEN_TICKS[contract.root])
    return found


def day_of(seed: int, calendar: SessionCalendar) -> date:
    """Every other seed on a day of its own: both sides of the clock changes, Mondays, days after holidays."""
    return DAY if seed % 2 else calendar.next_cash_day(date(2025, 1, 10) + timedelta(days=8 * seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_breakout_completes_entry_breakeven_and_exit(seed: int, calendar: SessionCalendar) -> None:
    found = opened(seed, day_of(seed, calendar))
    for root, (at, trade) in found.items():
        (least, most), (calm, wild) = USUAL[root]
        assert least <= (at.high - at.low) / 4 <= most
        assert calm <= at.atr / 4 <= wild
        assert at.low < at.open < at.high
        assert trade.nearest_at_placing >= 5
        assert trade.entered is not None and 90 <= trade.entered <= 300
    _, first = found["MNQ"]
    assert first.breakeven is not None and first.exited is not None
    assert first.entered < first.breakeven < first.exited < ROUND_ENDS_BEFORE
    assert first.exit_kind in {"target", "breakeven"}
    assert {trade.side for _, trade in found.values()} in ({1}, {-1})


def test_breakout_goes_either_way_and_ends_in_every_way(calendar: SessionCalendar) -> None:
    trades = [opened(seed, day_of(seed, calendar)) for seed in SEEDS]
    assert {found["MNQ"][1].side for found in trades} == {1, -1}
    assert {found["MNQ"][1].exit_kind for found in trades} == {"target", "breakeven"}
    assert {found["MES"][1].exit_kind for found in trades} == {"target", "breakeven", "stop", ""}


@pytest.mark.parametrize("minute", [0, 15, 27])
def test_breakout_works_from_other_starts(minute: int) -> None:
    _, trade = opened(4, DAY, minute=minute)["MNQ"]
    assert trade.breakeven is not None and trade.exited is not None and trade.exited < ROUND_ENDS_BEFORE


def test_breakout_works_on_the_second_day_of_a_running_market() -> None:
    start = eastern(17, 0, DAY - timedelta(days=1))
    market = SyntheticMarket(2, start, ("MNQ",))
    open_ns = eastern(9, 30)
    events = market.advance(open_ns + 13 * MINUTE)
    (contract,) = market.contracts
    at = levels(market, contract, DAY, start, [each for each in events if isinstance(each, Print)])
    trade = play(events, at, open_ns, 60)
    assert trade.breakeven is not None and trade.exited is not None


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_quiet_market_stays_calm(seed: int) -> None:
    start = eastern(9, 28)
    quiet, usual = (
        [
            each.price
            for each in SyntheticMarket(seed, start, ("MNQ",), scenario=name).advance(start + 14 * MINUTE)
            if isinstance(each, Print)
        ]
        for name in ("quiet", "breakout")
    )
    assert max(quiet) - min(quiet) < max(usual) - min(usual)
    assert sum(abs(b - a) for a, b in pairwise(quiet)) < sum(abs(b - a) for a, b in pairwise(usual))


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_reversal_leaves_the_range_and_comes_back_through_the_stop(seed: int) -> None:
    _, trade = opened(seed, DAY, scenario="reversal")["MNQ"]
    assert trade.entered is not None and 90 <= trade.entered <= 300
    assert trade.exit_kind == "stop"


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_fast_market_runs_through_the_edge_in_a_minute(seed: int) -> None:
    start, open_ns = eastern(9, 28), eastern(9, 30)
    market = SyntheticMarket(seed, start, ("MNQ",), scenario="fast")
    (contract,) = market.contracts
    prints = [each for each in market.advance(open_ns + 6 * MINUTE) if isinstance(each, Print)]
    at = levels(market, contract, DAY, start, prints)
    outside = [each for each in prints if not at.low <= each.price <= at.high]
    assert open_ns + 60 * SECOND < outside[0].ts < open_ns + 130 * SECOND
    assert max(max(each.price - at.high, at.low - each.price) for each in outside) > at.atr
