"""The walk keeps what the feed promises: determinism, continuity, agreement, density, hours."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import date, timedelta
from itertools import groupby, pairwise

import pytest

from bot.calendar.sessions import SessionCalendar
from bot.model.errors import ConfigError, UnknownSymbol
from bot.model.instruments import INSTRUMENTS
from bot.model.times import HOUR, MINUTE, SECOND, parse_ts
from bot.paper.market.feed import ASK_LEVEL, BID_LEVEL, BUY, DepthLevel, Print, QuoteTick
from bot.paper.market.scenario import SCENARIOS
from bot.paper.market.synthetic import SyntheticMarket
from tests.unit.paper_market.conftest import eastern

START = eastern(9, 28)
MNQ, MES = "CON.F.US.MNQ.Z25", "CON.F.US.MES.Z25"


def market(
    seed: int = 1, start: int = START, density: str = "light", scenario: str = "breakout"
) -> SyntheticMarket:
    return SyntheticMarket(seed, start, ("MNQ", "MES"), density, scenario)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_events_do_not_depend_on_how_often_the_market_is_asked(scenario: str) -> None:
    end = START + 10 * MINUTE
    whole = market(scenario=scenario).advance(end)
    asked, steps, now = market(scenario=scenario), random.Random(5), START
    pieces = []
    while now < end:
        now = min(end, now + steps.randint(1, 20 * SECOND))
        pieces += asked.advance(now)
        asked.history(MNQ, now - 30 * HOUR, now)
    assert pieces == whole
    assert asked.next_ts() > end


def test_another_seed_is_another_market() -> None:
    assert market(1).advance(START + MINUTE) != market(2).advance(START + MINUTE)


def test_history_does_not_depend_on_what_was_asked_before() -> None:
    first, second = market(), market()
    whole = first.history(MNQ, START - 40 * 24 * HOUR, START)
    assert second.history(MNQ, START - 3 * HOUR, START - HOUR) == [
        bar for bar in whole if START - 3 * HOUR <= bar.start < START - HOUR
    ]
    assert second.history(MNQ, START - 40 * 24 * HOUR, START) == whole


@pytest.mark.parametrize("seed", range(1, 6))
def test_the_last_close_of_history_joins_the_first_live_price(seed: int) -> None:
    feed = market(seed)
    events = feed.advance(START + 5 * SECOND)
    for contract in feed.contracts:
        close = feed.history(contract, START - HOUR, START)[-1].close
        quote = next(each for each in events if type(each) is QuoteTick and each.contract_id == contract)
        trade = next(each for each in events if type(each) is Print and each.contract_id == contract)
        assert abs(quote.bid - close) <= 8
        assert abs(trade.price - close) <= 8


def test_before_the_first_beat_the_last_price_is_the_close_of_history() -> None:
    feed = market()
    assert feed.last(MNQ) == feed.history(MNQ, START - MINUTE, START)[-1].close
    assert feed.top(MNQ).bid <= feed.last(MNQ) <= feed.top(MNQ).ask


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("density", ["light", "full"])
def test_book_prints_and_quotes_agree_after_every_beat(scenario: str, density: str) -> None:
    feed = market(3, density=density, scenario=scenario)
    book = {(MNQ, BID_LEVEL): {}, (MNQ, ASK_LEVEL): {}, (MES, BID_LEVEL): {}, (MES, ASK_LEVEL): {}}
    for contract in feed.contracts:
        for level in feed.depth(contract):
            book[contract, level.kind][level.price] = level.volume
    touch = {contract: feed.top(contract) for contract in feed.contracts}
    events = feed.advance(START + 8 * MINUTE)
    assert [each.ts for each in events] == sorted(each.ts for each in events)
    for (contract, _), group in groupby(events, key=lambda each: (each.contract_id, each.ts)):
        for each in group:
            if isinstance(each, DepthLevel):
                side = book[contract, each.kind]
                if each.volume:
                    side[each.price] = each.volume
                else:
                    del side[each.price]
            elif isinstance(each, QuoteTick):
                touch[contract] = each
            else:
                before = touch[contract]
                expected = before.ask if each.aggressor == BUY else before.bid
                assert each.price == expected
                assert each.size > 0
        bids, asks, top = book[contract, BID_LEVEL], book[contract, ASK_LEVEL], touch[contract]
        assert top.bid < top.ask
        assert (max(bids), bids[max(bids)]) == (top.bid, top.bid_size)
        assert (min(asks), asks[min(asks)]) == (top.ask, top.ask_size)
        assert len(bids) <= 16 and len(asks) <= 16
    for contract in feed.contracts:
        assert {
            level.price: level.volume for level in feed.depth(contract) if level.kind == BID_LEVEL
        } == book[contract, BID_LEVEL]
        assert feed.top(contract) == touch[contract]


@pytest.mark.parametrize(("density", "rates"), [("light", (8, 4, 10)), ("full", (42, 20, 62))])
@pytest.mark.parametrize("hour", [3, 9, 11])
def test_density_is_kept_in_calm_and_busy_hours(density: str, rates: tuple[int, int, int], hour: int) -> None:
    start = eastern(hour, 28)
    seconds = 600
    events = market(4, start=start, density=density).advance(start + seconds * SECOND)
    for contract in (MNQ, MES):
        kinds = Counter(type(each) for each in events if each.contract_id == contract)
        for kind, rate in zip((QuoteTick, Print, DepthLevel), rates, strict=True):
            assert kinds[kind] / seconds == pytest.approx(rate, rel=0.08)


def test_the_price_walks_in_steps_of_few_ticks_with_prints_at_each_level() -> None:
    events = market(7).advance(START + 14 * MINUTE)
    for contract, most in ((MNQ, 8), (MES, 4)):
        quotes = [each for each in events if type(each) is QuoteTick and each.contract_id == contract]
        prices = [each.price for each in events if type(each) is Print and each.contract_id == contract]
        assert max(abs(b.bid - a.bid) for a, b in pairwise(quotes)) <= most
        assert len(prices) / len(set(prices)) > 4


def test_nothing_trades_while_the_market_is_closed(calendar: SessionCalendar) -> None:
    start = eastern(16, 59, date(2025, 11, 7))
    feed = market(2, start=start)
    events = feed.advance(start + 51 * HOUR)
    assert events
    assert all(calendar.is_open(each.ts) for each in events)
    assert max(each.ts for each in events) > start + 49 * HOUR
    friday_close, sunday_open = start + MINUTE, eastern(18, 0, date(2025, 11, 9))
    assert not any(friday_close <= each.ts < sunday_open for each in events)


@pytest.mark.parametrize(
    ("start", "waits_h"),
    [
        ("2025-11-08T15:00:00Z", 32),
        ("2025-11-27T18:30:00Z", 4.5),
        ("2025-11-05T14:28:30.5Z", 0),
        ("2025-11-05T14:30:00Z", 0),
        ("2023-01-03T14:28:00Z", 0),
    ],
)
def test_any_start_joins_the_last_close(start: str, waits_h: float) -> None:
    begun = parse_ts(start)
    feed = market(3, start=begun)
    contract = next(iter(feed.contracts))
    history = feed.history(contract, begun - 80 * HOUR, begun)
    assert history[-1].start + MINUTE <= begun
    assert feed.top(contract).bid <= history[-1].close <= feed.top(contract).ask
    assert feed.next_ts() - begun == pytest.approx(waits_h * HOUR, abs=SECOND)


def test_a_holiday_stops_the_walk_until_the_evening(calendar: SessionCalendar) -> None:
    start = eastern(12, 58, date(2025, 11, 27))
    events = market(2, start=start).advance(start + 6 * HOUR)
    gap = max(b.ts - a.ts for a, b in pairwise(events))
    assert gap == pytest.approx(5 * HOUR, abs=2 * SECOND)
    assert all(calendar.is_open(each.ts) for each in events)


def test_the_market_ends_with_the_calendar(calendar: SessionCalendar) -> None:
    start = eastern(16, 58, calendar.covers[1])
    feed = SyntheticMarket(1, start, ("MNQ",))
    feed.advance(start + 100 * HOUR)
    assert feed.next_ts() is None


@pytest.mark.parametrize("day", [date(2025, 3, 11), date(2025, 11, 5), date(2025, 12, 1), date(2026, 1, 6)])
def test_history_has_every_open_minute_and_no_other(calendar: SessionCalendar, day: date) -> None:
    start = eastern(9, 28, day)
    feed = market(1, start=start)
    contract = next(iter(feed.contracts))
    since = start - 60 * 24 * HOUR
    bars = feed.history(contract, since, start)
    expected = [t for t in range(since, start, MINUTE) if calendar.is_open(t)]
    assert [bar.start for bar in bars] == expected
    for bar in bars:
        assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert bar.volume > 0
    inner = [abs(b.open - a.close) for a, b in pairwise(bars) if b.start - a.start == MINUTE]
    assert max(inner) == 0
    cash_days = {calendar.trade_date(bar.start) for bar in bars}
    assert len([each for each in cash_days if calendar.is_cash_day(each)]) >= 40


def test_history_and_live_volatility_are_of_one_kind() -> None:
    start = eastern(10, 0)
    feed = market(5, start=start)
    live = [
        each.price
        for each in feed.advance(start + 2 * HOUR)
        if type(each) is Print and each.contract_id == MNQ
    ]
    spans = [bar.high - bar.low for bar in feed.history(MNQ, start - 24 * HOUR, start - 22 * HOUR)]
    stamps = range(0, len(live) - 240, 240)
    seen = [max(live[i : i + 240]) - min(live[i : i + 240]) for i in stamps]
    assert sum(seen) / len(seen) == pytest.approx(sum(spans) / len(spans), rel=0.4)


@pytest.mark.parametrize(("distance", "seconds"), [(60, 20.0), (-200, 60.0), (7, 1.0), (0, 5.0)])
def test_a_push_walks_the_price_to_its_target(distance: int, seconds: float) -> None:
    feed = market(6, start=eastern(11, 0))
    begun = eastern(11, 1)
    feed.advance(begun)
    target = feed.last(MNQ) + distance
    feed.push(MNQ, target, seconds)
    end = begun + int(seconds * SECOND)
    events = [each for each in feed.advance(end + SECOND) if each.contract_id == MNQ]
    arrived = [each for each in events if type(each) is Print and each.price == target and each.ts >= end]
    assert arrived
    steps = [abs(b.bid - a.bid) for a, b in pairwise(each for each in events if type(each) is QuoteTick)]
    assert max(steps) <= max(8, 2 * abs(distance) / seconds)


def test_a_push_replaces_what_the_scenario_had_planned() -> None:
    feed = market(1)
    night = feed.history(MNQ, START - 900 * MINUTE, START)
    low, high = min(bar.low for bar in night), max(bar.high for bar in night)
    middle = (low + high) // 2
    feed.push(MNQ, middle, 60.0)
    prices = [
        each.price
        for each in feed.advance(START + 7 * MINUTE)
        if type(each) is Print and each.contract_id == MNQ
    ]
    assert middle in prices
    assert low < min(prices[-400:]) and max(prices[-400:]) < high


def test_every_product_of_the_table_has_a_market() -> None:
    start = eastern(10, 0)
    feed = SyntheticMarket(1, start, tuple(INSTRUMENTS), scenario="quiet")
    feed.advance(start + 5 * SECOND)
    assert {contract.root for contract in feed.contracts.values()} == set(INSTRUMENTS)
    for contract in feed.contracts:
        assert feed.history(contract, start - 2 * HOUR, start)
        assert 0 < feed.top(contract).bid < feed.top(contract).ask


@pytest.mark.parametrize(
    ("what", "kwargs"),
    [
        ("scenario", {"scenario": "calm"}),
        ("density", {"density": "heavy"}),
        ("start", {"start": eastern(9, 0) * 2}),
    ],
)
def test_settings_that_name_nothing_are_refused(what: str, kwargs: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=what):
        market(**kwargs)  # type: ignore[arg-type]


def test_an_unknown_contract_is_named() -> None:
    with pytest.raises(UnknownSymbol, match=r"CON\.F\.US\.EP\.Z25"):
        market().top("CON.F.US.EP.Z25")


def test_a_night_of_history_and_a_live_second_are_cheap() -> None:
    spent = []
    for seed in range(1, 6):
        begun = time.process_time()
        feed = market(seed)
        assert len(feed.history(MNQ, START - 930 * MINUTE, START)) == 928
        spent.append(time.process_time() - begun)
    assert sorted(spent)[2] < 0.05
    begun = time.process_time()
    assert feed.history(MNQ, START - timedelta(days=60) // timedelta(microseconds=1) * 1000, START)
    assert time.process_time() - begun < 1.5
    begun = time.process_time()
    events = feed.advance(START + 5 * MINUTE)
    assert (time.process_time() - begun) / len(events) < 20e-6
