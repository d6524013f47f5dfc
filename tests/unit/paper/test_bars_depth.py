"""How far bars reach back, and that hours, minutes and seconds tell the same prices (gateway.md 8.5)."""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.market import MinuteBar
from bot.model.times import HOUR, MINUTE, SECOND, format_ts, parse_ts
from bot.paper.market.history import MinuteHistory
from bot.paper.market.seconds import seconds
from bot.paper.market.synthetic import SyntheticMarket
from bot.paper.options import PaperOptions
from tests.unit.paper.scripted import MNQ, Bench

DAY = 24 * HOUR
START = parse_ts("2025-11-04T14:28:17Z")


def synthetic(seed: int = 3, roots: tuple[str, ...] = ("MNQ",), options: PaperOptions | None = None) -> Bench:
    return Bench(options, start=START, market=SyntheticMarket(seed, START, roots))


def ask(bench: Bench, unit: int, since: int, until: int, number: int = 1, **change: Any) -> list[MinuteBar]:
    """Bars from the oldest on; prices in ticks."""
    contract = change.get("contractId", MNQ)
    answer = bench.call(
        "History/retrieveBars",
        **{
            "contractId": contract, "live": False, "startTime": format_ts(since), "endTime": format_ts(until),
            "unit": unit, "unitNumber": number, "limit": 20_000, "includePartialBar": False, **change,
        },
    )  # fmt: skip
    found = bench.venue.state.catalogue.find(contract, bench.clock.now())
    assert found is not None
    return [
        MinuteBar(parse_ts(row["t"]), *(found.tick.parse(repr(row[name]))[0] for name in "ohlc"), row["v"])
        for row in reversed(answer["bars"])
    ]


def joined(bars: list[MinuteBar], size: int) -> list[MinuteBar]:
    rows = []
    for start, group in groupby(bars, key=lambda bar: bar.start // size * size):
        part = list(group)
        rows.append(
            MinuteBar(
                start, part[0].open, max(bar.high for bar in part), min(bar.low for bar in part), part[-1].close,
                sum(bar.volume for bar in part),
            )
        )  # fmt: skip
    return rows


@pytest.mark.parametrize(
    ("root", "anchor"), [("MNQ", "utc"), ("ZC", "session"), ("LE", "utc"), ("CL", "utc")]
)
def test_hours_reach_a_year_back_and_join_the_minutes(root: str, anchor: str) -> None:
    bench = synthetic(5, (root,), PaperOptions(bars_hour_anchor=anchor))
    contract = next(iter(bench.market.contracts))
    group, calendar = bench.market.contracts[contract].group, bench.venue.state.calendar
    hours = ask(bench, 3, START - 400 * DAY, START, contractId=contract)
    expected = sorted({
        t // HOUR * HOUR
        for t in range((START - 366 * DAY) // HOUR * HOUR, START, 5 * MINUTE)
        if calendar.is_open(t, group)
    })  # fmt: skip
    expected = [t for t in expected if t >= START - 366 * DAY and t + HOUR <= START]
    assert [bar.start for bar in hours] == expected
    for bar in hours:
        assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert bar.volume > 0
    minutes = bench.market.history(contract, START - 80 * DAY, START)
    first = minutes[0].start // HOUR * HOUR
    assert first < START - 63 * DAY
    older = [bar for bar in hours if bar.start < first]
    assert abs(older[-1].close - minutes[0].open) <= 2
    newer = [bar for bar in hours if bar.start >= first]
    assert newer == [bar for bar in joined(minutes, HOUR) if bar.start + HOUR <= START]
    inner = [abs(b.open - a.close) for a, b in pairwise(older) if b.start - a.start == HOUR]
    assert max(inner) <= 2


def test_a_request_a_year_back_makes_no_minute_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = synthetic()
    known = ask(whole, 3, START - 366 * DAY, START)
    asked = synthetic()
    asked.market.history(MNQ, START - HOUR, START)
    monkeypatch.setattr(MinuteHistory, "_bars", lambda *_: pytest.fail("minute bars were made"))
    assert ask(asked, 3, START - 366 * DAY, START - 330 * DAY) == [
        bar for bar in known if bar.start < START - 330 * DAY
    ]


@pytest.mark.parametrize("seed", range(1, 4))
def test_older_hours_move_as_the_newer_ones_do(seed: int) -> None:
    hours = ask(synthetic(seed), 3, START - 366 * DAY, START)
    border = START - 64 * DAY
    old = [(bar.high - bar.low) / bar.open for bar in hours if bar.start < border]
    new = [(bar.high - bar.low) / bar.open for bar in hours if bar.start >= border]
    assert sum(old) / len(old) == pytest.approx(sum(new) / len(new), rel=0.2)
    volumes = [[bar.volume for bar in hours if (bar.start < border) is before] for before in (True, False)]
    assert sum(volumes[0]) / len(volumes[0]) == pytest.approx(sum(volumes[1]) / len(volumes[1]), rel=0.1)


def test_days_weeks_and_months_reach_behind_the_minutes() -> None:
    bench = synthetic()
    days = ask(bench, 4, START - 500 * DAY, START)
    assert days[0].start < START - 395 * DAY
    hours = ask(bench, 3, START - 366 * DAY, START)
    day = next(bar for bar in days if bar.start > START - 300 * DAY)
    following = days[days.index(day) + 1]
    parts = [bar for bar in hours if day.start <= bar.start < following.start]
    assert (day.open, day.high, day.low, day.close, day.volume) == (
        parts[0].open, max(bar.high for bar in parts), min(bar.low for bar in parts), parts[-1].close,
        sum(bar.volume for bar in parts),
    )  # fmt: skip
    assert len(ask(bench, 5, START - 500 * DAY, START)) >= 55
    assert len(ask(bench, 6, START - 500 * DAY, START)) >= 12


minute_bars = st.builds(
    lambda low, a, b, c, volume, t: MinuteBar(
        t * MINUTE, low + min(a, c), low + c, low, low + min(b, c), volume
    ),
    st.integers(1, 10**6), st.integers(0, 400), st.integers(0, 400), st.integers(0, 400),
    st.one_of(st.integers(0, 80), st.integers(0, 10**6)), st.integers(0, 10**8),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(minute=minute_bars, raise_by=st.integers(-1, 500))
def test_the_seconds_of_a_minute_make_the_minute(minute: MinuteBar, raise_by: int) -> None:
    made = seconds(minute)
    assert joined(made, MINUTE) == [minute]
    stamps = [bar.start for bar in made]
    assert stamps == sorted(set(stamps))
    assert all(stamp % SECOND == 0 for stamp in stamps)
    for bar in made:
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert bar.volume > 0 or minute.volume == 0
    assert made == seconds(minute)
    higher = MinuteBar(
        minute.start, minute.open + raise_by, minute.high + raise_by, minute.low + raise_by, minute.close + raise_by,
        minute.volume,
    )  # fmt: skip
    assert [bar.close - raise_by for bar in seconds(higher)] == [bar.close for bar in made]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(1, 10_000), back=st.integers(1, 62 * 24 * 60), length=st.integers(1, 90))
def test_seconds_before_the_feed_make_the_minutes(seed: int, back: int, length: int) -> None:
    bench = synthetic(seed)
    since = START // MINUTE * MINUTE - back * MINUTE
    until = min(since + length * MINUTE, START // MINUTE * MINUTE)
    minutes, found = ask(bench, 2, since, until), ask(bench, 1, since, until)
    assert joined(found, MINUTE) == minutes
    assert joined(ask(bench, 1, since, until, 5), MINUTE) == minutes


def test_seconds_end_with_their_depth_and_join_the_feed() -> None:
    bench = synthetic()
    assert ask(bench, 1, START - 70 * DAY, START - 63 * DAY - MINUTE) == []
    oldest = ask(bench, 1, START - 70 * DAY, START - 63 * DAY + 10 * MINUTE)
    assert START - 63 * DAY <= oldest[0].start < START - 63 * DAY + MINUTE
    bench.pass_(150_000)
    now = bench.clock.now()
    found = ask(bench, 1, START - 3 * MINUTE, now)
    closed = now // MINUTE * MINUTE
    whole = [bar for bar in found if START // MINUTE * MINUTE - 2 * MINUTE <= bar.start < closed]
    assert joined(whole, MINUTE) == ask(bench, 2, START // MINUTE * MINUTE - 2 * MINUTE, closed)
    assert len(found) > 250


def test_seconds_of_prints_that_are_forgotten_still_make_their_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.paper.bars.KEPT_SECONDS", 70)
    bench = synthetic()
    bench.pass_(240_000)
    now = bench.clock.now() // MINUTE * MINUTE
    since = now - 6 * MINUTE
    assert joined(ask(bench, 1, since, now), MINUTE) == ask(bench, 2, since, now)


@pytest.mark.parametrize("unit", [1, 2, 3])
def test_a_small_limit_over_a_sparse_market_gives_as_many_bars_as_exist(unit: int) -> None:
    bench = Bench()
    now = bench.clock.now()
    size = {1: SECOND, 2: MINUTE, 3: HOUR}[unit]
    ages = (2 * HOUR, 9 * DAY, 30 * DAY, 31 * DAY, 60 * DAY)
    bench.market.bars = [
        MinuteBar((now - age) // MINUTE * MINUTE, 7, 7, 7, 7, 1) for age in sorted(ages, reverse=True)
    ]
    for limit in range(1, 6):
        found = ask(bench, unit, now - 366 * DAY, now, limit=limit)
        assert [bar.start // HOUR for bar in found] == [
            (now - age) // MINUTE * MINUTE // HOUR for age in sorted(ages[:limit], reverse=True)
        ]
        assert all(bar.start % size == 0 for bar in found)


@settings(max_examples=25, deadline=None)
@given(
    unit=st.sampled_from([1, 2, 3, 4, 5]), number=st.integers(1, 7), limit=st.integers(1, 60),
    ages=st.lists(st.integers(1, 62 * 24 * 60), min_size=1, max_size=40, unique=True), partial=st.booleans(),
)  # fmt: skip
def test_a_limit_cuts_the_whole_answer_and_nothing_else(
    unit: int, number: int, limit: int, ages: list[int], partial: bool
) -> None:
    bench = Bench()
    now = bench.clock.now()
    stamps = sorted(now // MINUTE * MINUTE - age * MINUTE for age in ages)
    bench.market.bars = [MinuteBar(t, 100 + i, 104 + i, 99, 103 + i, 5) for i, t in enumerate(stamps)]
    wide = {"includePartialBar": partial}
    whole = ask(bench, unit, now - 62 * DAY - HOUR, now, number, **wide)
    assert ask(bench, unit, now - 62 * DAY - HOUR, now, number, limit=limit, **wide) == whole[-limit:]


def test_expired_months_lie_below_the_listed_one_by_the_carry() -> None:
    bench = synthetic()
    price = {}
    for month, months in (("U25", 3), ("M25", 6), ("H25", 9)):
        expired = f"CON.F.US.MNQ.{month}"
        bars = ask(bench, 3, START - 366 * DAY, START, contractId=expired)
        same = {bar.start: bar for bar in ask(bench, 3, START - 366 * DAY, START)}
        offsets = {bar.close - same[bar.start].close for bar in bars[:-1]}
        assert len(offsets) == 1
        price[month] = same[bars[-2].start].close
        assert -offsets.pop() == pytest.approx(price[month] * 25 * months / 10_000, rel=0.01)
        assert [bar.volume for bar in bars[:-1]] == [same[bar.start].volume for bar in bars[:-1]]


def test_minutes_of_an_expired_month_are_its_hours() -> None:
    bench = synthetic(options=PaperOptions(bars_expired_min_unit=1))
    expired, end = "CON.F.US.MNQ.U25", parse_ts("2025-09-19T12:00:00Z")
    hours = ask(bench, 3, end - 5 * HOUR, end, contractId=expired)
    minutes = ask(bench, 2, end - 5 * HOUR, end, contractId=expired)
    assert len(hours) == 5
    assert joined(minutes, HOUR) == hours
    assert joined(ask(bench, 1, end - HOUR, end, contractId=expired), HOUR) == hours[-1:]


def test_prints_go_on_where_the_last_second_before_the_feed_closed() -> None:
    bench = synthetic()
    last = ask(bench, 1, START - 2 * MINUTE, START // MINUTE * MINUTE)[-1]
    bench.pass_(2_000)
    first = ask(bench, 1, START // MINUTE * MINUTE, bench.clock.now(), includePartialBar=True)[0]
    assert abs(first.open - last.close) <= 8


@pytest.mark.parametrize("unit", [1, 2, 3, 4, 5, 6])
def test_nothing_is_served_from_before_the_calendar(unit: int) -> None:
    start = parse_ts("2023-06-01T15:00:00Z")
    bench = Bench(start=start, market=SyntheticMarket(1, start, ("MNQ",)))
    contract = next(iter(bench.market.contracts))
    for number in (1, 2, 1_000):
        bars = ask(bench, unit, start - 900 * DAY, start, number, contractId=contract, limit=100)
        assert all(parse_ts("2022-10-01T00:00:00Z") < bar.start for bar in bars)
        assert bars or number == 1_000
