"""The session calendar against the golden vectors, and the properties they only sample."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.calendar.sessions import MINUTE_NS, SessionCalendar
from bot.calendar.timeframes import bucket, parse_timeframe
from bot.calendar.windows import CT, ET, in_window, to_wall, wall_to_ns
from bot.model.errors import BadField, BadTimeframe, CalendarUnknown, ConfigError
from bot.model.times import parse_ts
from tests.conftest import vector

VECTORS = vector("sessions_dst")
CALENDAR = SessionCalendar.shipped()
FIRST = parse_ts("2023-01-03T00:00:00Z")
LAST = parse_ts("2027-12-30T00:00:00Z")


def test_shipped_rows_are_the_golden_rows() -> None:
    rows = [
        [str(row.day), row.kind, row.close.strftime("%H:%M") if row.close else None, row.confirmed]
        for row in CALENDAR.rows.values()
    ]
    assert rows == VECTORS["calendar"]
    assert [str(day) for day in CALENDAR.covers] == VECTORS["calendar_covers"]


@pytest.mark.parametrize("row", VECTORS["instants"], ids=lambda row: row[0])
def test_instants(row: list[object]) -> None:
    text, is_open, risk_day, trade_date, *bounds = row
    t = parse_ts(str(text))
    assert CALENDAR.is_open(t) is is_open
    assert str(CALENDAR.risk_day(t)) == risk_day
    day = CALENDAR.trade_date(t)
    assert str(day) == trade_date
    assert [*CALENDAR.day_bounds(day), *CALENDAR.week_bounds(day)] == [parse_ts(str(b)) for b in bounds]


@pytest.mark.parametrize("row", VECTORS["days"], ids=lambda row: row[0])
def test_days(row: list[str]) -> None:
    day = date.fromisoformat(row[0])
    assert CALENDAR.is_cash_day(day) is row[1]
    seen = [
        *CALENDAR.overnight_window(day),
        CALENDAR.entry_stop(day),
        CALENDAR.flatten_start(day),
        CALENDAR.flat_deadline(day),
    ]
    assert seen == [None if text is None else parse_ts(text) for text in row[2:]]


@pytest.mark.parametrize("row", VECTORS["group_open"], ids=lambda row: f"{row[0]}-{row[1]}")
def test_group_hours(row: tuple[str, str, bool]) -> None:
    group, t, expected = row
    assert CALENDAR.is_open(parse_ts(t), group) is expected


@pytest.mark.parametrize("row", VECTORS["group_deadline"], ids=lambda row: row[0])
def test_group_deadlines(row: tuple[str, str, str]) -> None:
    group, day, expected = row
    assert CALENDAR.flat_deadline(date.fromisoformat(day), group) == parse_ts(expected)


@pytest.mark.parametrize("row", VECTORS["windows"], ids=lambda row: f"{row[0]}-{row[1]}-{row[2]}")
def test_windows(row: tuple[str, str, str, bool]) -> None:
    start, end, t, expected = row
    assert in_window(parse_ts(t), time.fromisoformat(start), time.fromisoformat(end)) is expected


def test_absent_window_lets_every_time_pass() -> None:
    assert in_window(FIRST, None, time(9)) and in_window(FIRST, time(9), None)


@pytest.mark.parametrize("row", VECTORS["buckets"], ids=lambda row: f"{row[0]}-{row[1]}")
def test_buckets(row: tuple[str, str, str, str]) -> None:
    text, t, start, end = row
    assert bucket(CALENDAR, parse_timeframe(text), parse_ts(t)) == (parse_ts(start), parse_ts(end))


@pytest.mark.parametrize("text", [*VECTORS["refused_timeframes"], " 5m", "5m\n", "٥m", "0005s"])
def test_refused_timeframes(text: str) -> None:
    with pytest.raises(BadTimeframe, match="1h 2h 3h"):
        parse_timeframe(text)


@given(st.integers(FIRST, LAST))
def test_every_time_belongs_to_one_trade_date(t: int) -> None:
    day = CALENDAR.trade_date(t)
    end = CALENDAR.day_bounds(day)[1]
    previous_end = CALENDAR.day_bounds(CALENDAR.previous_cash_day(day))[1]
    assert previous_end <= t < end
    assert previous_end <= CALENDAR.day_bounds(day)[0]
    assert CALENDAR.risk_day(t) <= day and CALENDAR.risk_day(t).weekday() < 5


@given(st.integers(FIRST, LAST), st.sampled_from(["5s", "45m", "1h", "2h", "4h", "12h", "1d", "1w"]))
def test_bucket_is_stable_inside_itself(t: int, text: str) -> None:
    timeframe = parse_timeframe(text)
    start, end = bucket(CALENDAR, timeframe, t)
    assert t < end
    if start <= t:
        assert bucket(CALENDAR, timeframe, start) == (start, end)
        assert bucket(CALENDAR, timeframe, end - 1) == (start, end)
    else:
        assert timeframe.session_bound and not CALENDAR.is_open(t)


@given(st.integers(FIRST, LAST), st.sampled_from(["globex", "grains", "livestock"]))
def test_open_market_is_before_its_close(t: int, group: str) -> None:
    if CALENDAR.is_open(t, group):
        close = CALENDAR.close_of(to_wall(t + 7 * 60 * MINUTE_NS, CT).date(), group)
        assert close is not None and t < close
        assert CALENDAR.is_open(t)


@given(st.dates(date(2023, 1, 2), date(2027, 12, 30)))
def test_default_overnight_window_is_fifteen_and_a_half_hours(day: date) -> None:
    start, end = CALENDAR.overnight_window(day)
    if day.weekday() < 5:
        assert end - start == int(15.5 * 3600) * 1_000_000_000


@pytest.mark.parametrize("t", ["2022-12-30T12:00:00Z", "2028-01-03T12:00:00Z", "2028-01-01T00:00:00Z"])
def test_outside_coverage_is_unknown(t: str) -> None:
    with pytest.raises(CalendarUnknown):
        CALENDAR.trade_date(parse_ts(t))


def test_coverage_warns_sixty_days_ahead() -> None:
    assert not CALENDAR.ends_soon(date(2027, 11, 1))
    assert CALENDAR.ends_soon(date(2027, 11, 2))
    assert not CALENDAR.covers_day(date(2028, 1, 1))


def test_rows_of_one_table_apply_to_all_groups() -> None:
    half = date(2025, 11, 28)
    assert CALENDAR.kind(half) == "half" and CALENDAR.kind(half - timedelta(days=2)) is None
    assert CALENDAR.close_of(half) == wall_to_ns(half, time(12, 15), CT)
    assert CALENDAR.flat_deadline(half, "grains") is None
    assert CALENDAR.entry_stop(date(2025, 12, 25)) is None and CALENDAR.close_of(date(2025, 11, 29)) is None
    assert CALENDAR.next_cash_day(date(2025, 12, 24)) == date(2025, 12, 26)
    assert CALENDAR.previous_cash_day(date(2026, 1, 20)) == date(2026, 1, 16)


def test_wall_times_at_clock_changes() -> None:
    twice, never = (
        wall_to_ns(date(2025, 11, 2), time(1, 30), ET),
        wall_to_ns(date(2025, 3, 9), time(2, 30), ET),
    )
    assert twice == parse_ts("2025-11-02T05:30:00Z")
    assert never == parse_ts("2025-03-09T07:30:00Z") and to_wall(never, ET).time() == time(3, 30)


def test_unknown_group_is_refused() -> None:
    with pytest.raises(BadField, match="globex"):
        CALENDAR.is_open(parse_ts("2025-11-03T14:30:00Z"), "softs")


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b"[]",
        b'{"covers": ["2025-01-01", "2025-12-31"], "rows": [["2025-02-01", "half", null, true]]}',
        b'{"covers": ["2025-01-01", "2025-12-31"], "rows": [["2026-02-01", "closed", null, true]]}',
        b'{"covers": ["2025-01-01", "2025-12-31"], "rows": [["2025-02-01", "open", "12:00", true]]}',
    ],
)
def test_unusable_tables_are_refused(text: bytes) -> None:
    with pytest.raises(ConfigError):
        SessionCalendar.from_json(text)
