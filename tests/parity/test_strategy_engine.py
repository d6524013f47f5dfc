"""One suite for every strategy engine: a session of the overnight breakout, event by event."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import ET, wall_to_ns
from bot.legacy.strategy_engine import PythonStrategyEngine
from bot.legacy.strategy_engine.engine import LATE_NS
from bot.model.actions import (
    Action,
    Alert,
    CancelEntry,
    CancelSymbol,
    Enter,
    FlattenSymbol,
    Instance,
    MoveStop,
    Note,
)
from bot.model.errors import StoreCorrupt
from bot.model.instruments import contract_of
from bot.model.market import Bar
from bot.model.orders import Fill, Order, Position
from bot.model.quantities import Money, Ticks, TsNs
from bot.model.risk import RuleFigures
from bot.model.times import MINUTE, SECOND, parse_ts
from bot.ports import StrategyEngine
from bot.strategies import STRATEGIES
from tests.parity.probe import ProbeStrategy

CALENDAR = SessionCalendar.shipped()
DAY = date(2025, 11, 4)
OPEN = wall_to_ns(DAY, time(9, 30), ET)
WINDOW = CALENDAR.overnight_window(DAY)
MNQ = contract_of("MNQ", DAY, OPEN)
SEAT = Instance(1001, "overnight_range")
HIGH, LOW = 80_400, 80_000
LONG_KEY = f"1001|overnight_range|{MNQ.id}|S:2025-11-04|entry_long"
SHORT_KEY = f"1001|overnight_range|{MNQ.id}|S:2025-11-04|entry_short"

Maker = Callable[..., Any]


def python_engine(
    config: Mapping[str, object] | None = None, strategies: Mapping[str, Any] = STRATEGIES
) -> StrategyEngine:
    return PythonStrategyEngine(CALENDAR, strategies, {"overnight_range": config or {}})


ENGINES: dict[str, Maker] = {"python": python_engine}


@pytest.fixture(params=sorted(ENGINES))
def make(request: pytest.FixtureRequest) -> Maker:
    return ENGINES[request.param]


def bar(timeframe: str, start: int, seconds: int, low: int, high: int, close: int, **fields: Any) -> Bar:
    state = {"final": True, "complete": True, **fields}
    return Bar(
        MNQ.id, timeframe, TsNs(start), TsNs(start + seconds * SECOND), Ticks(low), Ticks(high), Ticks(low),
        Ticks(close), 10, 5, **state,
    )  # fmt: skip


def minutes() -> list[Bar]:
    """The overnight window: low in its first bar, high in its last, quiet between; and the close before."""
    prior = wall_to_ns(date(2025, 11, 3), time(15, 59), ET)
    found = [bar("1m", prior, 60, 80_100, 80_110, 80_105)]
    for start in range(WINDOW[0], WINDOW[1], MINUTE):
        low = LOW if start == WINDOW[0] else 80_190
        high = HIGH if start == WINDOW[1] - MINUTE else 80_210
        found.append(bar("1m", start, 60, low, high, 80_200))
    return found


def fives() -> list[Bar]:
    """Fifteen bars of 80 ticks: an ATR of 80.0."""
    return [bar("5m", OPEN - i * 5 * MINUTE, 300, 80_160, 80_240, 80_200) for i in range(15, 0, -1)]


def days() -> list[Bar]:
    """Fifteen days of 400 ticks: a daily ATR of 400.0, near zone edges 100 ticks from the open."""
    found, day = [], DAY
    for _ in range(15):
        day = CALENDAR.previous_cash_day(day)
        start, end = CALENDAR.day_bounds(day)
        found.append(bar("1d", start, (end - start) // SECOND, 80_000, 80_400, 80_200))
    return found[::-1]


class Bench:
    """An engine with its history fed, before the open; `now` moves with `at`."""

    def __init__(
        self, make: Maker, at: int = OPEN - 600 * SECOND, known: bool = True, **config: object
    ) -> None:
        self.engine = make(config)
        self.now = TsNs(at)
        self.actions: list[Action] = []
        self.take(self.engine.start(SEAT, [MNQ], self.now))
        for timeframe, bars in (("1m", minutes()), ("5m", fives()), ("1d", days())):
            closed = [each for each in bars if each.end <= self.now]
            self.take(self.engine.on_history(MNQ.id, timeframe, closed, self.now))
        if known:
            self.take(self.engine.on_known(1001, True, self.now))

    def take(self, actions: Sequence[Action]) -> list[Action]:
        self.actions += actions
        return list(actions)

    def until_open(self) -> None:
        """The live bars between the start and the open."""
        began = self.now
        for each in sorted(minutes() + fives(), key=lambda each: (each.end, each.timeframe)):
            if each.end > began:
                self.now = each.end
                self.take(self.engine.on_bar(each, self.now))

    def open(self, last: int = 80_200, after_s: int = 1) -> list[Action]:
        """The first trade of the session."""
        self.now = TsNs(OPEN + after_s * SECOND)
        forming = bar("1m", OPEN, 60, last, last, last, final=False)
        return self.take(
            self.engine.on_forming(forming, self.now) + self.engine.on_price(MNQ.id, Ticks(last), self.now)
        )

    def armed(self) -> Bench:
        self.until_open()
        self.open()
        return self

    def clock(self, at: int) -> list[Action]:
        self.now = TsNs(at)
        return self.take(self.engine.on_clock(self.now))

    def price(self, last: int, after_s: int = 0) -> list[Action]:
        self.now = TsNs(self.now + after_s * SECOND)
        return self.take(self.engine.on_price(MNQ.id, Ticks(last), self.now))

    def order(self, key: str, status: int, filled: int = 0) -> list[Action]:
        side = 0 if "long" in key else 1
        order = Order(
            5 + side, 1001, MNQ.id, status, 4, side, 1, self.now, self.now, stop=Ticks(80_401), filled=filled
        )
        return self.take(self.engine.on_order(key, order, self.now))

    def fill(self, key: str, id_: int = 1, price: int = 80_401) -> list[Action]:
        side = 0 if "long" in key else 1
        fill = Fill(id_, 1001, MNQ.id, 5 + side, side, 1, Ticks(price), self.now, Money(0), Money(0))
        return self.take(self.engine.on_fill(key, fill, self.now))

    def position(self, side: int, cost: int = 80_401, stop: int | None = None, size: int = 1) -> list[Action]:
        position = Position(1, 1001, MNQ.id, side, size, cost, "0", self.now) if side else None
        at = None if stop is None else Ticks(stop)
        return self.take(self.engine.on_position(SEAT, MNQ.id, position, at, self.now))

    def row(self) -> dict[str, Any]:
        return dict(self.engine.status(self.now)[0])


def probed(make: Maker) -> Any:
    """An engine with the probe active since the open."""
    engine = make({}, {"probe": ProbeStrategy})
    engine.start(Instance(1001, "probe"), [MNQ], OPEN)
    engine.on_history(MNQ.id, "1m", [], OPEN)
    engine.on_known(1001, True, OPEN)
    return engine


def enters(actions: Sequence[Action]) -> list[Enter]:
    return [each for each in actions if isinstance(each, Enter)]


def codes(actions: Sequence[Action]) -> list[str]:
    return [each.code for each in actions if isinstance(each, Note | Alert)]


# --- the set-up


def test_both_entries_are_placed_at_the_open_long_first(make: Maker) -> None:
    bench = Bench(make)
    bench.until_open()
    assert enters(bench.actions) == []
    long, short = enters(bench.open())
    assert (long.key, long.side, long.type, long.entry) == (LONG_KEY, 1, 4, HIGH + 1)
    assert (short.key, short.side, short.entry) == (SHORT_KEY, -1, LOW - 1)
    assert (long.stop_ticks, long.target_ticks) == (100, 160)
    assert bench.row()["phase"] == "ARMED"


def test_the_same_open_never_places_twice(make: Maker) -> None:
    bench = Bench(make).armed()
    assert enters(bench.open()) == []
    assert enters(bench.clock(OPEN + 30 * SECOND)) == []
    assert len(enters(bench.actions)) == 2


def test_the_set_up_waits_until_orders_and_positions_are_known(make: Maker) -> None:
    bench = Bench(make, known=False)
    bench.until_open()
    assert enters(bench.open()) == []
    assert len(enters(bench.engine.on_known(1001, True, bench.now))) == 2


def test_no_trade_in_the_opening_minutes_ends_the_day(make: Maker) -> None:
    bench = Bench(make)
    bench.until_open()
    assert codes(bench.clock(OPEN + 299 * SECOND)) == []
    assert codes(bench.clock(OPEN + 300 * SECOND)) == ["NO_OPEN_PRICE"]
    assert enters(bench.open(after_s=301)) == []


def test_a_start_after_the_grace_time_misses_the_open(make: Maker) -> None:
    bench = Bench(make, at=OPEN + 300 * SECOND)
    assert codes(bench.actions) == ["MISSED_OPEN"]
    assert bench.row()["phase"] == "DONE"


def test_a_start_within_the_grace_time_still_trades(make: Maker) -> None:
    bench = Bench(make, at=OPEN + 20 * SECOND)
    assert enters(bench.price(80_200)) == []
    opening = bar("1m", OPEN, 60, 80_200, 80_220, 80_210)
    bench.now = TsNs(OPEN + 61 * SECOND)
    assert len(enters(bench.engine.on_history(MNQ.id, "1m", [opening], bench.now))) == 2


def test_an_incomplete_bar_holds_the_set_up_until_history_replaces_it(make: Maker) -> None:
    bench = Bench(make, at=OPEN - 120 * SECOND)
    holed = bar("1m", OPEN - 2 * MINUTE, 60, 80_190, 80_195, 80_192, complete=False)
    last = bar("1m", OPEN - MINUTE, 60, 80_190, HIGH, 80_200)
    bench.engine.on_bar(holed, TsNs(OPEN - MINUTE))
    bench.engine.on_bar(last, OPEN)
    bench.engine.on_history(MNQ.id, "5m", fives(), OPEN)
    assert enters(bench.open()) == []
    if isinstance(bench.engine, PythonStrategyEngine):
        assert bench.engine.history_wanted() == [(MNQ.id, "1m", holed.start, holed.end)]
    mended = bar("1m", OPEN - 2 * MINUTE, 60, 79_990, 80_200, 80_192)
    _, short = enters(bench.engine.on_history(MNQ.id, "1m", [mended], bench.now))
    assert short.entry == 79_989


def test_a_day_with_incomplete_bars_to_the_end_is_not_traded(make: Maker) -> None:
    bench = Bench(make, at=OPEN - 60 * SECOND)
    bench.engine.on_bar(bar("1m", OPEN - MINUTE, 60, 80_190, HIGH, 80_200, complete=False), OPEN)
    bench.open()
    assert codes(bench.clock(OPEN + 300 * SECOND)) == ["INCOMPLETE_BARS"]


def test_a_thin_night_gives_no_entries(make: Maker) -> None:
    engine = make({})
    now = TsNs(OPEN - MINUTE)
    engine.start(SEAT, [MNQ], now)
    engine.on_history(MNQ.id, "1m", minutes()[-8:-1], now)
    engine.on_history(MNQ.id, "5m", [], now)
    engine.on_history(MNQ.id, "1d", [], now)
    engine.on_known(1001, True, now)
    engine.on_price(MNQ.id, Ticks(80_200), OPEN)
    forming = bar("1m", OPEN, 60, 80_200, 80_200, 80_200, final=False)
    assert codes(engine.on_forming(forming, TsNs(OPEN + SECOND))) == ["RANGE_TOO_FEW_BARS"]


def test_a_passed_side_is_refused_alone(make: Maker) -> None:
    bench = Bench(make)
    bench.until_open()
    actions = bench.open(last=80_500)
    assert [each.leg for each in enters(actions)] == ["entry_short"]
    assert "ENTRY_PASSED" in codes(actions)


def test_the_loss_filter_needs_the_account_figures(make: Maker) -> None:
    bench = Bench(make, filter_dll="yes")
    bench.until_open()
    assert codes(bench.open()) == ["FILTER_NO_DATA"]
    bench = Bench(make, filter_dll="yes")
    figures = RuleFigures(status="OK", day_pnl=Money(-750_000_000), dll=Money(1_000_000_000))
    bench.engine.on_risk(1001, figures, bench.now)
    bench.until_open()
    assert codes(bench.open()) == ["FILTER_DLL"]


def test_the_gap_filter_uses_the_close_of_the_cash_day_before(make: Maker) -> None:
    refused = Bench(make, filter_gap=True, gap_max="23.5")
    refused.until_open()
    assert codes(refused.open()) == ["FILTER_GAP"]
    taken = Bench(make, filter_gap=True, gap_max="23.75").armed()
    assert len(enters(taken.actions)) == 2


# --- the life of the entries


def test_a_fill_cancels_the_other_side(make: Maker) -> None:
    bench = Bench(make).armed()
    cancel = bench.fill(LONG_KEY)
    assert [each.key for each in cancel if isinstance(each, CancelEntry)] == [SHORT_KEY]
    assert not bench.engine.quiet()
    bench.order(SHORT_KEY, 3)
    assert bench.engine.quiet()
    assert bench.row()["orders"] == {"long": "filled", "short": "cancelled"}


def test_a_fill_seen_by_order_and_by_trade_counts_once_even_after_the_exit(make: Maker) -> None:
    bench = Bench(make).armed()
    bench.order(LONG_KEY, 2, filled=1)
    bench.position(1, stop=80_301)
    bench.order(SHORT_KEY, 3)
    bench.position(0)
    assert bench.fill(LONG_KEY) == []
    assert bench.fill(LONG_KEY) == []
    assert bench.row()["phase"] == "DONE"


def test_both_sides_filled_flattens_and_alerts(make: Maker) -> None:
    bench = Bench(make).armed()
    bench.fill(LONG_KEY, 1)
    actions = bench.fill(SHORT_KEY, 2)
    assert [type(each) for each in actions] == [CancelSymbol, FlattenSymbol, Alert]
    assert codes(actions) == ["DOUBLE_FILL"]


def test_a_lost_entry_is_placed_again_once_under_a_new_leg(make: Maker) -> None:
    bench = Bench(make).armed()
    bench.order(LONG_KEY, 4)
    bench.price(80_390)
    bench.engine.on_known(1001, False, bench.now)
    assert enters(bench.clock(OPEN + 20 * SECOND)) == []
    bench.engine.on_known(1001, True, bench.now)
    (again,) = enters(bench.clock(OPEN + 40 * SECOND))
    assert again.key == f"{LONG_KEY}.r1"
    assert (again.entry, again.stop_ticks) == (HIGH + 1, 100)
    bench.order(f"{LONG_KEY}.r1", 4)
    assert enters(bench.clock(OPEN + 60 * SECOND)) == []


def test_a_denied_entry_is_never_placed_again(make: Maker) -> None:
    bench = Bench(make).armed()
    bench.engine.on_denied(LONG_KEY, "DATA_STALE", bench.now)
    bench.price(80_390)
    assert enters(bench.clock(OPEN + 60 * SECOND)) == []
    assert bench.row()["refusals"]["long"] == "DATA_STALE"
    bench.engine.on_denied(SHORT_KEY, "DATA_STALE", bench.now)
    assert bench.row()["phase"] == "DONE"


def test_the_cutoff_cancels_and_the_position_keeps_its_bracket(make: Maker) -> None:
    bench = Bench(make, cancel_other="no").armed()
    bench.fill(SHORT_KEY)
    actions = bench.clock(wall_to_ns(DAY, time(15, 30), ET))
    assert [each.key for each in actions if isinstance(each, CancelEntry)] == [LONG_KEY]
    assert not any(isinstance(each, FlattenSymbol) for each in actions)


def test_the_end_of_the_day_flattens_once_and_the_next_session_begins(make: Maker) -> None:
    bench = Bench(make).armed()
    bench.fill(LONG_KEY)
    flatten = CALENDAR.flatten_start(DAY)
    assert flatten is not None
    assert [type(each) for each in bench.clock(flatten)][-2:] == [CancelSymbol, FlattenSymbol]
    assert bench.clock(flatten + SECOND) == []
    bench.clock(CALENDAR.day_bounds(DAY)[1])
    assert (bench.row()["session"], bench.row()["phase"]) == ("2025-11-05", "WAIT")


@pytest.mark.parametrize(
    ("at", "session", "cutoff", "flatten"),
    [
        ("2025-11-04T14:00:00Z", "2025-11-04", "2025-11-04T20:30:00Z", "2025-11-04T21:05:00Z"),
        ("2025-10-31T13:00:00Z", "2025-10-31", "2025-10-31T19:30:00Z", "2025-10-31T20:05:00Z"),
        ("2025-11-01T12:00:00Z", "2025-11-03", "2025-11-03T20:30:00Z", "2025-11-03T21:05:00Z"),
        ("2025-11-27T12:00:00Z", "2025-11-28", "2025-11-28T17:55:00Z", "2025-11-28T18:00:00Z"),
    ],
    ids=["winter", "summer", "saturday", "holiday before a half day"],
)
def test_f108_f111_sessions_follow_the_calendar(
    make: Maker, at: str, session: str, cutoff: str, flatten: str
) -> None:
    bench = Bench(make, at=parse_ts(at))
    row = bench.row()
    assert (row["session"], row["cutoff"], row["flatten_at"]) == (
        session,
        parse_ts(cutoff),
        parse_ts(flatten),
    )
    assert row["next_evaluation"] == wall_to_ns(date.fromisoformat(session), time(9, 30), ET)


# --- breakeven


def test_breakeven_moves_the_stop_once_and_waits_for_the_broker(make: Maker) -> None:
    bench = Bench(make).armed()
    bench.fill(LONG_KEY)
    bench.position(1, cost=80_401, stop=80_301)
    assert bench.price(80_460) == []
    (move,) = bench.price(80_461)
    assert isinstance(move, MoveStop)
    assert move.stop == 80_401
    assert bench.price(80_470) == []
    assert not bench.engine.quiet()
    bench.position(1, cost=80_401, stop=80_401)
    bench.order(SHORT_KEY, 3)
    assert bench.engine.quiet()
    assert bench.price(80_600) == []


def test_breakeven_gives_up_after_five_unconfirmed_moves(make: Maker) -> None:
    bench = Bench(make).armed()
    bench.fill(LONG_KEY)
    bench.position(1, cost=80_401, stop=80_301)
    moves = [each for _ in range(5) for each in bench.price(80_500, after_s=4)]
    assert [type(each) for each in moves] == [MoveStop] * 5
    assert codes(bench.price(80_500, after_s=4)) == ["BREAKEVEN_FAILED"]
    assert bench.price(80_500, after_s=4) == []


def test_breakeven_never_sends_a_stop_beyond_the_price(make: Maker) -> None:
    bench = Bench(make).armed()
    bench.fill(LONG_KEY)
    bench.position(1, cost=80_401, stop=None)
    assert bench.price(80_470) == []
    bench.position(1, cost=80_401, stop=80_301)
    assert bench.price(80_401) == []
    assert len(bench.price(80_402)) == 1


def test_breakeven_in_multiples_of_the_risk(make: Maker) -> None:
    bench = Bench(make, breakeven_r="1.5").armed()
    bench.fill(LONG_KEY)
    bench.position(1, cost=80_401, stop=80_301)
    assert bench.price(80_550) == []
    assert len(bench.price(80_551)) == 1


# --- restart, stop, errors


def test_a_restart_adopts_the_working_entries_and_places_nothing(make: Maker) -> None:
    bench = Bench(make, at=OPEN + 120 * SECOND, known=False)
    bench.order(LONG_KEY, 1)
    bench.order(SHORT_KEY, 1)
    assert bench.take(bench.engine.on_known(1001, True, bench.now)) == []
    assert bench.row()["phase"] == "ARMED"
    cancel = bench.fill(LONG_KEY)
    assert [each.key for each in cancel if isinstance(each, CancelEntry)] == [SHORT_KEY]


def test_a_restart_with_a_position_cancels_the_other_side(make: Maker) -> None:
    bench = Bench(make, at=OPEN + 3600 * SECOND, known=False)
    bench.order(LONG_KEY, 2, filled=1)
    bench.order(SHORT_KEY, 1)
    bench.position(1, stop=80_301)
    actions = bench.engine.on_known(1001, True, bench.now)
    assert [each.key for each in actions if isinstance(each, CancelEntry)] == [SHORT_KEY]
    assert len(bench.price(80_461)) == 1


def test_orders_reported_before_the_start_are_adopted(make: Maker) -> None:
    bench = Bench(make, at=OPEN + 120 * SECOND)
    twin = make({})
    order = Order(5, 1001, MNQ.id, 1, 4, 0, 1, bench.now, bench.now, stop=Ticks(80_401))
    twin.on_order(LONG_KEY, order, bench.now)
    twin.on_known(1001, True, bench.now)
    twin.on_risk(1001, RuleFigures(status="OK", dll=Money(1_000_000_000)), bench.now)
    twin.start(SEAT, [MNQ], bench.now)
    assert twin.status(bench.now)[0]["status"] == "STARTING"
    twin.on_price(MNQ.id, Ticks(80_200), bench.now)
    actions = []
    for timeframe, bars in (("1m", minutes()), ("5m", fives()), ("1d", days())):
        actions += twin.on_history(MNQ.id, timeframe, bars, bench.now)
    (row,) = twin.status(bench.now)
    assert enters(actions) == []
    assert (row["status"], row["phase"]) == ("ACTIVE", "ARMED")
    assert row["orders"] == {"long": "working", "short": "refused"}


def test_a_position_closed_before_anybody_saw_it_ends_the_trade(make: Maker) -> None:
    bench = Bench(make).armed()
    bench.fill(LONG_KEY)
    bench.engine.on_known(1001, True, bench.now)
    assert bench.row()["phase"] == "LIVE"
    bench.engine.on_known(1001, True, bench.now)
    assert bench.row()["phase"] == "DONE"


def test_a_restart_after_both_trades_is_no_double_fill(make: Maker) -> None:
    bench = Bench(make, at=OPEN + 3600 * SECOND, known=False, cancel_other=False)
    bench.order(LONG_KEY, 2, filled=1)
    bench.order(SHORT_KEY, 2, filled=1)
    assert bench.engine.on_known(1001, True, bench.now) == []
    assert bench.row()["phase"] == "DONE"


def test_a_restart_can_place_a_lost_entry_again_from_rebuilt_levels(make: Maker) -> None:
    bench = Bench(make, at=OPEN + 3600 * SECOND, known=False)
    bench.order(LONG_KEY, 3)
    bench.order(SHORT_KEY, 1)
    bench.engine.on_known(1001, True, bench.now)
    opening = bar("1m", OPEN, 60, 80_200, 80_220, 80_210)
    bench.engine.on_history(MNQ.id, "1m", [opening], bench.now)
    bench.price(80_390)
    (again,) = enters(bench.clock(bench.now + SECOND))
    assert (again.key, again.entry, again.stop_ticks) == (f"{LONG_KEY}.r1", HIGH + 1, 100)


def test_entries_of_an_earlier_session_are_cancelled(make: Maker) -> None:
    bench = Bench(make)
    old = LONG_KEY.replace("2025-11-04", "2025-11-03")
    (cancel,) = bench.order(old, 1)
    assert isinstance(cancel, CancelEntry)
    assert cancel.key == old


def test_working_entries_found_after_the_cutoff_are_cancelled(make: Maker) -> None:
    bench = Bench(make, at=wall_to_ns(DAY, time(15, 40), ET), known=False)
    bench.order(LONG_KEY, 1)
    cancels = [each for each in bench.clock(bench.now) if isinstance(each, CancelEntry)]
    assert [each.key for each in cancels] == [LONG_KEY]


def test_stop_cancels_entries_and_is_idle_when_they_are_over(make: Maker) -> None:
    bench = Bench(make).armed()
    actions = bench.engine.stop(SEAT, bench.now)
    assert [each.key for each in actions if isinstance(each, CancelEntry)] == [LONG_KEY, SHORT_KEY]
    assert bench.row()["status"] == "STOPPING"
    bench.order(LONG_KEY, 3)
    bench.order(SHORT_KEY, 3)
    assert bench.row()["status"] == "IDLE"


def test_stop_may_flatten(make: Maker) -> None:
    bench = Bench(make, on_stop="flatten").armed()
    bench.fill(LONG_KEY)
    assert [type(each) for each in bench.engine.stop(SEAT, bench.now)] == [CancelSymbol, FlattenSymbol]
    assert codes(bench.engine.stop(SEAT, bench.now)) == ["NOT_ACTIVE"]


def test_a_fill_of_another_session_is_closed_and_reported(make: Maker) -> None:
    bench = Bench(make)
    actions = bench.fill(LONG_KEY.replace("2025-11-04", "2025-11-03"))
    assert [type(each) for each in actions] == [CancelSymbol, FlattenSymbol, Alert]
    assert bench.row()["phase"] == "WAIT"


def test_reports_that_are_not_of_a_strategy_change_nothing(make: Maker) -> None:
    bench = Bench(make).armed()
    before = bench.engine.digest()
    for key in ("manual|x", "1001|overnight_range||S:2025-11-04|entry_long", "", "a|b|c|d|e"):
        assert bench.order(key, 1) == []
        assert bench.fill(key) == []
    assert bench.engine.digest() == before


def test_new_parameters_are_checked_as_a_whole_and_apply_to_the_next_session(make: Maker) -> None:
    bench = Bench(make).armed()
    assert codes(bench.engine.configure(SEAT, {"offset_ticks": 4, "stop_atr": "x"}, bench.now)) == [
        "BAD_CONFIG"
    ]
    assert bench.engine.configure(SEAT, {"entry_cutoff": "12:00"}, bench.now) == []
    assert bench.row()["cutoff"] == wall_to_ns(DAY, time(15, 30), ET)
    bench.engine.restore(bench.engine.snapshot())
    assert bench.row()["cutoff"] == wall_to_ns(DAY, time(15, 30), ET)
    bench.clock(CALENDAR.day_bounds(DAY)[1])
    assert bench.row()["cutoff"] == wall_to_ns(date(2025, 11, 5), time(12), ET)


def test_f116_an_open_time_changed_an_hour_before_is_used(make: Maker) -> None:
    bench = Bench(make, at=OPEN - 3600 * SECOND)
    assert bench.row()["next_evaluation"] == OPEN
    assert bench.engine.configure(SEAT, {"market_open": "10:00", "end_time": "10:00"}, bench.now) == []
    assert enters(bench.clock(OPEN)) == []
    later = wall_to_ns(DAY, time(10), ET)
    assert bench.row()["next_evaluation"] == later
    assert (bench.row()["session"], bench.row()["phase"]) == ("2025-11-04", "WAIT")


def test_f116_an_open_time_that_has_passed_is_of_the_next_session(make: Maker) -> None:
    bench = Bench(make)
    assert bench.engine.configure(SEAT, {"market_open": "09:00", "end_time": "09:00"}, bench.now) == []
    bench.until_open()
    assert len(enters(bench.open())) == 2
    bench.clock(CALENDAR.day_bounds(DAY)[1])
    assert bench.row()["next_evaluation"] == wall_to_ns(date(2025, 11, 5), time(9), ET)


@pytest.mark.parametrize(
    ("instance", "config", "code"),
    [
        (Instance(1001, "momentum"), {}, "UNKNOWN_STRATEGY"),
        (SEAT, {"stop_atr": "wide"}, "BAD_CONFIG"),
        (SEAT, {"stop_art": "1.5"}, "BAD_CONFIG"),
    ],
)
def test_a_refused_start_leaves_nothing_behind(
    make: Maker, instance: Instance, config: dict[str, object], code: str
) -> None:
    engine = make(config)
    before = engine.digest()
    for _ in range(10):
        assert codes(engine.start(instance, [MNQ], OPEN)) == [code]
    assert engine.status(OPEN) == []
    assert engine.digest() == before


def test_a_second_start_is_refused(make: Maker) -> None:
    bench = Bench(make)
    assert codes(bench.engine.start(SEAT, [MNQ], bench.now)) == ["ALREADY_ACTIVE"]


def test_the_third_error_in_a_row_stops_the_instance_and_keeps_its_protection(make: Maker) -> None:
    engine = probed(make)
    results = []
    for i, close in enumerate((-1, -1, 5, -1, -1, -1, 5)):
        at = OPEN + i * MINUTE
        each = bar("1m", at, 60, close, close, close)
        results.append(engine.on_bar(each, each.end))
    assert [len(actions) for actions in results] == [0, 0, 1, 0, 0, 2, 0]
    assert isinstance(results[5][0], CancelEntry)
    assert codes(results[5]) == ["STRATEGY_ERROR"]
    assert engine.status(OPEN)[0]["status"] == "ERROR"


def test_each_closed_bar_is_evaluated_once_in_order_and_never_incomplete(make: Maker) -> None:
    engine = probed(make)
    bars = [bar("1m", OPEN + i * MINUTE, 60, i, i, i) for i in range(4)]
    holed = bar("1m", OPEN + MINUTE, 60, 1, 1, 1, complete=False)
    now = bars[3].end
    assert len(enters(engine.on_bar(bars[0], bars[0].end))) == 1
    assert engine.on_bar(bars[0], bars[0].end) == []
    assert engine.on_bar(holed, holed.end) == []
    assert engine.on_bar(bars[2], bars[2].end) == []
    late = engine.on_history(MNQ.id, "1m", bars[:2], now)
    assert codes(late) == ["LATE_BAR", "LATE_BAR"]
    assert [each.key for each in enters(engine.on_bar(bars[3], now))] == [str(bars[3].start)]
    assert engine.status(now)[0]["seen"] == [each.start for each in bars]


def test_bars_closed_before_the_start_build_state_only(make: Maker) -> None:
    engine = probed(make)
    old = [bar("1m", OPEN - i * MINUTE, 60, 1, 1, 1) for i in (3, 2, 1)]
    assert engine.on_history(MNQ.id, "1m", old, OPEN) == []
    assert len(engine.status(OPEN)[0]["seen"]) == 3


def test_an_evaluation_is_on_time_up_to_thirty_seconds(make: Maker) -> None:
    engine = probed(make)
    first, second = (bar("1m", OPEN + i * MINUTE, 60, 1, 1, 1) for i in range(2))
    assert len(enters(engine.on_bar(first, TsNs(first.end + LATE_NS)))) == 1
    assert codes(engine.on_bar(second, TsNs(second.end + LATE_NS + 1))) == ["LATE_BAR"]


# --- state


Step = Callable[[Bench], Any]
STEPS: list[Step] = [
    lambda b: b.price(80_390, 1),
    lambda b: b.price(80_461, 2),
    lambda b: b.fill(LONG_KEY, 1),
    lambda b: b.fill(SHORT_KEY, 2),
    lambda b: b.order(LONG_KEY, 4),
    lambda b: b.order(SHORT_KEY, 3),
    lambda b: b.order(LONG_KEY, 2, 1),
    lambda b: b.position(1, stop=80_301),
    lambda b: b.position(1, stop=80_401),
    lambda b: b.position(-1, cost=79_999, stop=80_099),
    lambda b: b.position(0),
    lambda b: b.engine.on_denied(SHORT_KEY, "DATA_STALE", b.now),
    lambda b: b.engine.on_known(1001, b.now % 2 == 0, b.now),
    lambda b: b.engine.on_risk(1001, RuleFigures(status="OK", day_pnl=Money(-5)), b.now),
    lambda b: b.engine.start(SEAT, [MNQ], b.now),
    lambda b: b.clock(b.now + 20 * SECOND),
    lambda b: b.engine.on_bar(bar("1m", b.now // MINUTE * MINUTE - MINUTE, 60, 1, 80_200, 5), b.now),
    lambda b: b.engine.stop(SEAT, b.now),
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=14), st.integers(0, 14), st.booleans())
def test_a_restored_engine_goes_on_as_the_one_it_was_taken_from(
    steps: list[Step], cut: int, cancel_other: bool
) -> None:
    config = {"cancel_other": cancel_other, "max_entries_per_side": 2}
    for maker in ENGINES.values():
        bench = Bench(maker, **config).armed()
        for step in steps[:cut]:
            step(bench)
        state, digest = bench.engine.snapshot(), bench.engine.digest()
        twin = Bench(maker, **config)
        twin.now = bench.now
        twin.engine = maker(config)
        twin.engine.restore(state)
        assert twin.engine.snapshot() == state
        assert twin.engine.digest() == digest
        for step in steps[cut:]:
            assert step(twin) == step(bench)
        assert twin.engine.digest() == bench.engine.digest()
        assert twin.engine.status(bench.now) == bench.engine.status(bench.now)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=25))
def test_no_order_of_events_leaves_two_working_sides_after_a_fill(steps: list[Step]) -> None:
    for maker in ENGINES.values():
        bench = Bench(maker).armed()
        for step in steps:
            step(bench)
            row = bench.row()
            if "filled" in row["orders"].values():
                swept = any(isinstance(each, CancelSymbol) for each in bench.actions)
                assert swept or "working" not in row["orders"].values()
            assert all(number <= 1 for number in row["entries"].values()) or row["phase"] == "DONE"
        keys = [each.key for each in enters(bench.actions)]
        assert len(keys) == len(set(keys))


def test_a_snapshot_that_cannot_be_read_leaves_the_engine_as_it_was(make: Maker) -> None:
    bench = Bench(make).armed()
    before = bench.engine.digest()
    for state in (b"", bench.engine.snapshot()[:-3], bench.engine.snapshot() + b"x"):
        with pytest.raises(StoreCorrupt):
            bench.engine.restore(state)
    assert bench.engine.digest() == before


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_state_is_refused_or_read_and_never_half_taken(data: st.DataObject) -> None:
    for maker in ENGINES.values():
        bench = DAMAGED.setdefault(maker, Bench(maker).armed())
        state = bytearray(bench.engine.snapshot())
        tail = len(state) - 3000
        at = data.draw(st.one_of(st.integers(0, len(state) - 1), st.integers(tail, len(state) - 1)))
        state[at] ^= data.draw(st.integers(1, 255))
        before, twin = bench.engine.digest(), maker({})
        try:
            twin.restore(bytes(state))
        except StoreCorrupt:
            assert twin.digest() == maker({}).digest()
        assert bench.engine.digest() == before


DAMAGED: dict[Maker, Bench] = {}


def test_the_condition_of_a_contract_follows_its_bars(make: Maker) -> None:
    bench = Bench(make)
    assert bench.engine.condition(MNQ.id) == ("unknown",)
    start = OPEN // (15 * MINUTE) * 15 * MINUTE - 110 * 15 * MINUTE
    bars = [
        bar("15m", start + i * 15 * MINUTE, 900, 80_000 + i * 10, 80_020 + i * 10, 80_015 + i * 10)
        for i in range(101)
    ]
    bench.engine.on_history(MNQ.id, "15m", bars, bench.now)
    assert bench.engine.condition(MNQ.id)[0] == "trending_up"
