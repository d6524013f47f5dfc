"""`History/retrieveBars`: units, anchors, alignment, partial bars, depth, tiers and options (gateway.md 8.5)."""

from __future__ import annotations

from typing import Any

import pytest

from bot.calendar.sessions import SessionCalendar
from bot.model.market import MinuteBar
from bot.model.times import HOUR, MINUTE, SECOND, format_ts, parse_ts
from bot.paper.market.feed import Print
from bot.paper.options import PaperOptions
from tests.unit.paper.scripted import MNQ, START, Bench

DAY = 24 * HOUR
CALENDAR = SessionCalendar.shipped()


def at(text: str) -> int:
    return parse_ts(text)


def open_minutes(first: str, last: str, step: int = MINUTE) -> list[MinuteBar]:
    """A bar at each `step` of open market, closing one tick higher than the one before."""
    times = [ts for ts in range(at(first), at(last), step) if CALENDAR.is_open(ts)]
    return [MinuteBar(ts, 80_000 + n, 80_002 + n, 79_998 + n, 80_001 + n, 1) for n, ts in enumerate(times)]


def bench_at(now: str, first: str, options: PaperOptions | None = None, step: int = MINUTE) -> Bench:
    bench = Bench(options, start=at(now))
    bench.market.bars = open_minutes(first, now, step)
    return bench


def ask(bench: Bench, unit: int, number: int = 1, **change: Any) -> dict[str, Any]:
    now = bench.clock.now()
    body = {
        "contractId": next(iter(bench.market.contracts)), "live": False, "startTime": format_ts(now - 400 * DAY), "endTime": format_ts(now),
        "unit": unit, "unitNumber": number, "limit": 20_000, "includePartialBar": False, **change,
    }  # fmt: skip
    return bench.call("History/retrieveBars", **body)


def stamps(bench: Bench, unit: int, number: int = 1, **change: Any) -> list[str]:
    answer = ask(bench, unit, number, **change)
    assert answer["success"], answer
    return [bar["t"].removesuffix("+00:00") for bar in answer["bars"]]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"contractId": "CON.F.US.NO.Z25", "unit": 0, "unitNumber": 0, "limit": 0}, 1),
        ({"unit": 0, "unitNumber": 0, "limit": 0}, 2), ({"unit": 7}, 2), ({"unit": -1}, 2), ({"unit": 8}, 2),
        ({"unitNumber": 0, "limit": 0}, 3), ({"unitNumber": -1}, 3), ({"limit": 0}, 4), ({"limit": -1}, 4),
        ({"limit": 20_001}, 4), ({"limit": 20_000}, 0), ({"unitNumber": 2**31 - 1}, 0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("unit", [1, 2, 3, 4, 5, 6])
def test_what_is_refused(change: dict[str, Any], code: int, unit: int) -> None:
    answer = ask(Bench(), **{"unit": unit, **change})
    assert (answer["errorCode"], answer["errorMessage"]) == (code, None)
    assert answer["bars"] == ([] if code == 0 else None)


def test_a_greater_limit_is_cut_silently_under_its_option() -> None:
    bench = bench_at(
        "2025-10-01T14:30:00Z", "2025-10-01T14:00:00Z", PaperOptions(bars_max=5, bars_silent_cap=True)
    )
    assert len(stamps(bench, 2, limit=20)) == 5
    bench = bench_at("2025-10-01T14:30:00Z", "2025-10-01T14:00:00Z", PaperOptions(bars_max=5))
    assert ask(bench, 2, limit=6)["errorCode"] == 4
    assert len(stamps(bench, 2, limit=5)) == 5


def test_limits_keep_the_newest_and_windows_include_their_start_only() -> None:
    bench = bench_at("2025-10-01T14:30:00Z", "2025-10-01T14:00:00Z")
    assert stamps(bench, 2, limit=2) == ["2025-10-01T14:29:00", "2025-10-01T14:28:00"]
    window = {"startTime": "2025-10-01T14:10:00Z", "endTime": "2025-10-01T14:12:00Z"}
    assert stamps(bench, 2, **window) == ["2025-10-01T14:11:00", "2025-10-01T14:10:00"]
    for unit in range(1, 7):
        assert stamps(bench, unit, startTime="2025-10-01T14:12:00Z", endTime="2025-10-01T14:12:00Z") == []
        assert stamps(bench, unit, startTime="2025-10-01T14:13:00Z", endTime="2025-10-01T14:12:00Z") == []


def test_a_naive_time_is_utc() -> None:
    bench = bench_at("2025-10-01T14:30:00Z", "2025-10-01T14:00:00Z")
    window = {"startTime": "2025-10-01T14:10:00", "endTime": "2025-10-01T14:11:00.000Z"}
    assert stamps(bench, 2, **window) == ["2025-10-01T14:10:00"]


@pytest.mark.parametrize("unit", [1, 2, 3, 4, 5, 6])
def test_the_live_tier_is_empty_with_success(unit: int) -> None:
    bench = bench_at("2025-10-01T14:30:00Z", "2025-09-30T14:00:00Z")
    answer = ask(bench, unit, live=True)
    assert (answer["success"], answer["bars"]) == (True, [])


def test_a_bar_has_six_members_and_adds_up() -> None:
    bench = bench_at("2025-10-01T14:30:00Z", "2025-10-01T14:00:00Z")
    bar = ask(bench, 2, 5)["bars"][0]
    assert bar == {
        "t": "2025-10-01T14:25:00+00:00",
        "o": 20006.25,
        "h": 20007.75,
        "l": 20005.75,
        "c": 20007.5,
        "v": 5,
    }


@pytest.mark.parametrize(
    ("partial", "leak", "first"), [(False, False, "14:20"), (True, False, "14:25"), (False, True, "14:25")]
)
def test_the_forming_bar_comes_when_asked_for_or_leaked(partial: bool, leak: bool, first: str) -> None:
    bench = bench_at("2025-10-01T14:28:00Z", "2025-10-01T14:00:00Z", PaperOptions(bars_leak_partial=leak))
    assert stamps(bench, 2, 5, includePartialBar=partial)[0] == f"2025-10-01T{first}:00"


@pytest.mark.parametrize("unit", [1, 2, 3, 4, 5, 6])
def test_the_forming_bar_of_every_unit(unit: int) -> None:
    bench = bench_at("2025-10-01T14:28:00Z", "2025-09-24T00:00:00Z", step=HOUR if unit > 3 else MINUTE)
    bench.trade(80_100, ms=500)
    closed, forming = stamps(bench, unit), stamps(bench, unit, includePartialBar=True)
    assert forming[1:] == closed
    assert ask(bench, unit, includePartialBar=True)["bars"][0]["c"] == 20025
    bench.pass_(60_000)
    assert unit > 2 or stamps(bench, unit)[0] == forming[0]


def test_second_bars_come_from_the_running_feed() -> None:
    bench = Bench()
    for price in (80_001, 80_002):
        bench.trade(price, ms=100)
    bench.trade(80_005, ms=2_000)
    bench.pass_(1_000)
    rows = ask(bench, 1)["bars"]
    assert [(row["t"][17:19], row["o"], row["c"], row["v"]) for row in rows] == [
        ("02", 20001.25, 20001.25, 1), ("00", 20000.25, 20000.5, 2),
    ]  # fmt: skip
    assert len(ask(bench, 1, 5, includePartialBar=True)["bars"]) == 1


@pytest.mark.parametrize(
    ("anchor", "hours"),
    [("utc", ["12", "08", "04", "00", "20"]), ("session", ["14", "10", "06", "02", "22"])],
)
def test_bars_of_four_hours_are_counted_from_midnight_utc_or_the_open(anchor: str, hours: list[str]) -> None:
    options = PaperOptions(bars_hour_anchor=anchor)
    bench = bench_at("2025-10-01T14:30:00Z", "2025-09-30T22:00:00Z", options, 10 * MINUTE)
    found = stamps(bench, 3, 4, includePartialBar=True)
    assert [stamp[11:13] for stamp in found] == hours


def test_a_session_anchor_begins_anew_with_each_session() -> None:
    options = PaperOptions(bars_hour_anchor="session")
    bench = bench_at("2025-10-02T14:30:00Z", "2025-09-30T22:00:00Z", options, 10 * MINUTE)
    found = stamps(bench, 3, 5)[::-1]
    assert [stamp[5:13] for stamp in found] == [
        "09-30T22", "10-01T03", "10-01T08", "10-01T13", "10-01T18", "10-01T22", "10-02T03", "10-02T08",
    ]  # fmt: skip


def test_bars_without_trades_the_halt_and_the_weekend_are_absent() -> None:
    bench = bench_at("2025-10-06T00:00:00Z", "2025-10-03T00:00:00Z")
    found = stamps(bench, 3)
    assert "2025-10-03T20:00:00" in found
    assert not [stamp for stamp in found if "2025-10-03T21" <= stamp < "2025-10-05T22"]
    assert "2025-10-05T22:00:00" in found
    halt = bench_at("2025-10-01T14:30:00Z", "2025-09-30T12:00:00Z")
    assert "2025-09-30T21:00:00" not in stamps(halt, 3)


@pytest.mark.parametrize(
    ("now", "first", "days"),
    [
        # Clocks go back on 2025-11-02: the session opens at 22:00Z before and at 23:00Z after.
        ("2025-11-05T15:00:00Z", "2025-10-29T22:00:00Z",
         ["11-03T23", "11-02T23", "10-30T22", "10-29T22"]),
        # They go forward on 2025-03-09.
        ("2025-03-12T15:00:00Z", "2025-03-05T23:00:00Z",
         ["03-10T22", "03-09T22", "03-06T23", "03-05T23"]),
        # Thanksgiving 2025-11-27 belongs to the Friday after it.
        ("2025-12-02T15:00:00Z", "2025-11-24T23:00:00Z",
         ["11-30T23", "11-26T23", "11-25T23", "11-24T23"]),
    ],
)  # fmt: skip
def test_daily_bars_open_with_their_session_over_clock_changes_and_holidays(
    now: str, first: str, days: list[str]
) -> None:
    bench = bench_at(now, first, step=10 * MINUTE)
    assert [stamp[5:13] for stamp in stamps(bench, 4)] == days


def test_weeks_open_on_sunday_and_months_with_their_first_session() -> None:
    bench = bench_at("2025-11-12T15:00:00Z", "2025-09-29T00:00:00Z", step=HOUR)
    assert [stamp[:13] for stamp in stamps(bench, 5)] == [
        "2025-11-02T23", "2025-10-26T22", "2025-10-19T22", "2025-10-12T22", "2025-10-05T22",
    ] + (["2025-09-28T22"] if stamps(bench, 5)[-1] == "2025-09-28T22:00:00" else [])  # fmt: skip
    assert [stamp[:13] for stamp in stamps(bench, 6)][:1] == ["2025-09-30T22"]
    assert [stamp[:13] for stamp in stamps(bench, 6, includePartialBar=True)][:2] == [
        "2025-11-02T23",
        "2025-09-30T22",
    ]


def test_several_days_weeks_and_months_add_up_to_single_ones() -> None:
    bench = bench_at("2025-11-12T15:00:00Z", "2025-08-04T00:00:00Z", step=HOUR)
    for unit, number in ((4, 2), (4, 3), (5, 2), (6, 2), (3, 6), (2, 45)):
        since = {"startTime": "2025-10-13T00:00:00Z"} if unit == 2 else {}
        single = ask(bench, unit, includePartialBar=True, **since)["bars"]
        several = ask(bench, unit, number, includePartialBar=True, **since)["bars"]
        assert len(several) < len(single) or unit == 2
        inside = [bar for bar in single if bar["t"] >= several[-1]["t"]]
        assert sum(bar["v"] for bar in several) == sum(bar["v"] for bar in inside)
        assert several[0]["c"] == single[0]["c"]
        assert max(bar["h"] for bar in several) == max(bar["h"] for bar in inside)


@pytest.mark.parametrize(("unit", "days"), [(2, 63), (3, 366)])
def test_the_simulated_tier_reaches_back_so_far(unit: int, days: int) -> None:
    bench = Bench()
    border = START - days * DAY
    bench.market.bars = [MinuteBar(border + n * HOUR, 1, 1, 1, 1, 1) for n in range(-48, 48)]
    found = stamps(bench, unit, endTime=format_ts(border + 2 * DAY))
    assert border <= parse_ts(found[-1]) < border + HOUR
    assert len(found) >= 47


def test_contracts_without_a_market_are_empty_with_success() -> None:
    bench = Bench()
    for contract in ("CON.F.US.CLE.X25", "CON.F.US.MNQ.H26", "CON.F.US.CLE.F25"):
        answer = ask(bench, 4, contractId=contract)
        assert (answer["success"], answer["bars"]) == (True, [])


@pytest.mark.parametrize(("least", "served"), [(3, [3, 4, 5, 6]), (2, [2, 3, 4, 5, 6]), (4, [4, 5, 6])])
def test_an_expired_contract_serves_units_from_the_least_on(least: int, served: list[int]) -> None:
    bench = bench_at(
        "2025-10-01T14:30:00Z", "2025-08-04T00:00:00Z", PaperOptions(bars_expired_min_unit=least), HOUR
    )
    old = "CON.F.US.MNQ.U25"
    assert [unit for unit in range(1, 7) if ask(bench, unit, contractId=old)["bars"]] == served
    newest = stamps(bench, 4, contractId=old)[0]
    assert newest < "2025-09-19T13:30:00"


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("unit", [1, 2, 3, 4, 5, 6])
def test_times_outside_the_calendar_are_borne_with(text: str, unit: int) -> None:
    bench = bench_at("2025-10-01T14:30:00Z", "2025-09-30T22:00:00Z")
    assert ask(bench, unit, startTime=text, endTime="9999-12-31T23:59:59.9999999Z")["success"]
    assert ask(bench, unit, startTime="0001-01-01T00:00:00Z", endTime=text)["success"]


def tick_bench() -> Bench:
    bench = Bench(PaperOptions(bars_allow_tick_unit=True))
    for number in range(7):
        stamp = bench.clock.now() + SECOND
        bench.market.add(Print(MNQ, stamp, 80_000 + number, number + 1, 0))
        bench.pass_(1_000)
    return bench


def test_bars_of_prints_where_that_unit_is_allowed() -> None:
    bench = tick_bench()
    bench.pass_(1)
    rows = ask(bench, 7, 3)["bars"]
    assert [(row["t"][17:19], row["o"], row["h"], row["l"], row["c"], row["v"]) for row in rows] == [
        ("04", 20000.75, 20001.25, 20000.75, 20001.25, 15), ("01", 20000, 20000.5, 20000, 20000.5, 6),
    ]  # fmt: skip
    forming = ask(bench, 7, 3, includePartialBar=True)["bars"][0]
    assert (forming["t"][17:19], forming["o"], forming["v"]) == ("07", 20001.5, 7)
    assert len(ask(bench, 7, 1, includePartialBar=False)["bars"]) == 7
    assert len(ask(bench, 7, 1, limit=2)["bars"]) == 2
    assert ask(bench, 7, 3, contractId="CON.F.US.MNQ.U25")["bars"] == []
    assert ask(bench, 8)["errorCode"] == 2


def test_bars_of_prints_keep_their_borders_when_old_prints_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.paper.bars.KEPT_PRINTS", 5)
    bench = tick_bench()
    bench.pass_(1)
    rows = ask(bench, 7, 3, includePartialBar=True)["bars"]
    assert [row["t"][17:19] for row in rows] == ["07", "04"]
