"""Bars: golden vectors, and the three implementations against each other on random streams."""

from __future__ import annotations

import csv
import gzip
import itertools
import subprocess
import sys
from array import array
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bot.accelerated import market_data as accelerated
from bot.accelerated.registry import ROOT, available
from bot.calendar.sessions import SessionCalendar
from bot.legacy.market_data import PythonBarBuilder, PythonBarConverter
from bot.model.errors import BadField, BadNumber, BadTimeframe, CoreFailure, StoreCorrupt, Unsorted
from bot.model.market import DEFAULT_TIMEFRAMES, Bar, MinuteBar, Trade
from bot.model.quantities import TickSize
from bot.model.times import HOUR, MILLISECOND, MINUTE, SECOND, format_ts, parse_ts
from bot.ports import BarBuilder, BarConverter
from tests.conftest import vector

CALENDAR = SessionCalendar.shipped()
LIVE = vector("aggregation")
BATCH = vector("timeframe_conversion")
MNQ, ES = "CON.F.US.MNQ.Z25", "CON.F.US.EP.Z25"
NOON = parse_ts("2025-11-03T14:30:00Z")
Event = tuple[Any, ...]


def builder(impl: str, timeframes: Any = DEFAULT_TIMEFRAMES, **options: int) -> BarBuilder:
    if impl == "python":
        return PythonBarBuilder(timeframes, CALENDAR, **options)
    make = accelerated.CythonBarBuilder if impl == "cython" else accelerated.RustBarBuilder
    return make(timeframes, CALENDAR, **options)


def converter(impl: str) -> BarConverter:
    if impl == "python":
        return PythonBarConverter(CALENDAR)
    make = accelerated.CythonBarConverter if impl == "cython" else accelerated.RustBarConverter
    return make(CALENDAR)


def here() -> list[str]:
    return [name for name, reason in available("market_data").items() if reason is None]


def feed(bars: BarBuilder, event: Event) -> list[Bar]:
    """One event of the vectors' vocabulary, times in ns."""
    kind, *rest = event
    calls: dict[str, Callable[..., list[Bar] | None]] = {
        "up": bars.feed_up,
        "down": bars.feed_down,
        "timer": bars.on_timer,
        "subscribe": bars.subscribe,
        "mode": bars.set_mode,
        "quote": lambda name, ts, last, received=None: bars.on_quote(name, last, ts, received or ts),
        "trade": lambda name, ts, price, size, received=None: bars.on_trade(
            Trade(name, price, size, ts, ts if received is None else received)
        ),
        "untimed": lambda name, price, size, received: bars.on_trade(
            Trade(name, price, size, None, received)
        ),
        "columns": lambda name, columns: bars.on_columns(name, *(array("q", c) for c in columns)),
    }
    return calls[kind](*rest) or []


def timed(event: list[Any]) -> Event:
    return tuple(parse_ts(x) if isinstance(x, str) and x.startswith("20") else x for x in event)


def row(bar: Bar) -> list[Any]:
    return [
        *(bar.contract_id, bar.timeframe, format_ts(bar.start), bar.open, bar.high, bar.low, bar.close),
        *(bar.volume, bar.ticks, bar.complete, bar.source),
    ]


@pytest.mark.parametrize("case", LIVE["cases"], ids=lambda case: case["name"])
def test_live_bars(impl: str, case: dict[str, Any]) -> None:
    bars = builder(impl, case["config"]["timeframes"])
    for event, expected in case["steps"]:
        finals = feed(bars, timed(event))
        assert [row(bar) for bar in finals] == expected, event
        assert all(bar.final and bar.start < bar.end for bar in finals)
    forming = [bar for name in case["counters"] for bar in bars.forming(name)]
    assert [row(bar) for bar in forming] == case["forming"]
    assert not any(bar.final for bar in forming)
    assert bars.counters() == case["counters"]


@pytest.mark.parametrize("case", LIVE["cases"], ids=lambda case: case["name"])
def test_state_moves_between_implementations_after_each_event(impl: str, case: dict[str, Any]) -> None:
    """The bars of a case come out the same when another implementation takes over at every step."""
    takers = itertools.cycle([impl, "python"])
    bars = builder(next(takers), case["config"]["timeframes"])
    for event, expected in case["steps"]:
        assert [row(bar) for bar in feed(bars, timed(event))] == expected, event
        state, digest = bars.snapshot(), bars.digest()
        bars = builder(next(takers), ["5m"], close_grace_ms=1)
        bars.restore(state)
        assert (bars.snapshot(), bars.digest(), bars.quiet()) == (state, digest, True)


@pytest.mark.parametrize(
    ("case", "timeframe"),
    [(case, timeframe) for case in BATCH["cases"] for timeframe in case["results"]],
    ids=lambda value: value["name"] if isinstance(value, dict) else value,
)
def test_conversion(impl: str, case: dict[str, Any], timeframe: str) -> None:
    bars = [MinuteBar(parse_ts(start), *rest) for start, *rest in case["bars"]]
    window = parse_ts(case["from"]), parse_ts(case["to"])
    expected = case["results"][timeframe]
    for keep_partial in (True, False):
        made = converter(impl)(bars, timeframe, *window, keep_partial)
        rows = [
            [format_ts(b.start), b.open, b.high, b.low, b.close, b.volume, b.source_bars, b.complete]
            for b in made
        ]
        assert rows == [each for each in expected if keep_partial or each[-1]]


def test_conversion_refuses_what_it_cannot_convert(impl: str) -> None:
    convert = converter(impl)
    bars = [MinuteBar(NOON, 1, 1, 1, 1, 1), MinuteBar(NOON, 1, 1, 1, 1, 1)]
    with pytest.raises(Unsorted, match="ascending"):
        convert(bars, "5m", NOON, NOON + HOUR)
    for text in ("7m", "30s", "90s", ""):
        with pytest.raises(BadTimeframe):
            convert(bars[:1], text, NOON, NOON + HOUR)
    assert convert([], "1h", NOON, NOON + HOUR) == []


def test_refusals(impl: str) -> None:
    for text in vector("sessions_dst")["refused_timeframes"]:
        with pytest.raises(BadTimeframe):
            builder(impl, ["1m", text])
    bars = builder(impl)
    with pytest.raises(BadTimeframe):
        bars.subscribe(MNQ, "7m", NOON)
    with pytest.raises(BadField, match="quotes"):
        bars.set_mode(MNQ, "ticks")
    column = array("q", [1, 2])
    with pytest.raises(BadField, match="equal lengths"):
        bars.on_columns(MNQ, column, column, column, array("q", [1]))
    for other in (array("d", [1.0, 2.0]), array("i", [1, 2]), [1, 2], None):
        with pytest.raises(BadField, match="int64"):
            bars.on_columns(MNQ, column, column, column, other)
    assert MNQ not in bars.counters()


class MarkedTrade(Trade, frozen=True, gc=False):
    """A trade with a field more; no implementation may depend on the exact class."""

    mark: str = "m"


class Name(str):
    """A name that is not exactly a string."""

    __slots__ = ()


def test_each_field_is_read_for_what_it_is(impl: str) -> None:
    bars = builder(impl, ["1m"], max_future_ms=1)
    bars.feed_up(MNQ, NOON)
    for price, size, ts, received in ((3, 5, 7, 11), (2, 13, 17, 19), (-4, 2**40, 23, 29), (0, 1, 31, 37)):
        assert bars.on_trade(Trade(MNQ, price, size, NOON + ts, NOON + received, aggressor=1)) == []
    assert bars.on_trade(Trade(MNQ, 9, 9, NOON + MILLISECOND + 42, NOON + 41)) == []
    (bar,) = bars.forming(MNQ)
    assert (bar.open, bar.high, bar.low, bar.close, bar.ticks) == (3, 3, -4, 0, 4)
    assert bar.volume == 5 + 13 + 2**40 + 1
    assert bars.counters()[MNQ]["future"] == 1


def test_whatever_has_the_fields_is_a_trade(impl: str) -> None:
    """A subclass and a stranger count like the exact struct, on the usual way and when they close bars."""
    exact, others = builder(impl), builder(impl)
    for i in range(300):
        fields = (100 + i * 7 % 13, None if i % 50 == 9 else 1 + i % 3, NOON + i * SECOND, NOON + i * SECOND)
        stranger = SimpleNamespace(
            contract_id=MNQ, price=fields[0], size=fields[1], ts=fields[2], received=NOON + i * SECOND
        )
        other = MarkedTrade(MNQ, *fields) if i % 2 else stranger
        assert others.on_trade(other) == exact.on_trade(Trade(MNQ, *fields))  # type: ignore[arg-type]
    assert others.digest() == exact.digest()
    listed = builder(impl)
    listed.on_trades([MarkedTrade(MNQ, 100, 1, NOON, NOON), Trade(MNQ, 101, 1, NOON + 1, NOON + 1)])
    assert [bar.ticks for bar in listed.forming(MNQ)] == [2] * len(DEFAULT_TIMEFRAMES)


@pytest.mark.parametrize(
    ("trade", "error"),
    [
        (None, AttributeError),
        (MNQ, AttributeError),
        (SimpleNamespace(contract_id=MNQ, price=100, size=1, ts=NOON), AttributeError),
        (Trade([MNQ], 100, 1, NOON, NOON), TypeError),  # type: ignore[arg-type]
        (Trade(MNQ, "100", 1, NOON, NOON), TypeError),  # type: ignore[arg-type]
        (Trade(MNQ, 100, "1", NOON, NOON), TypeError),  # type: ignore[arg-type]
        (Trade(MNQ, 100, 1, "now", NOON), TypeError),  # type: ignore[arg-type]
        (Trade(MNQ, 100, 1, NOON, "now"), TypeError),  # type: ignore[arg-type]
        (Trade(MNQ, 100, 1, NOON, None), TypeError),  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_what_is_no_trade_raises_the_same_and_counts_nothing(
    impl: str, trade: Any, error: type[Exception]
) -> None:
    bars = builder(impl)
    bars.on_trade(Trade(MNQ, 100, 1, NOON, NOON))
    before = bars.snapshot()
    with pytest.raises(error):
        bars.on_trade(trade)
    with pytest.raises(error):
        bars.on_trades([trade])
    assert bars.snapshot() == before
    assert bars.on_trade(Trade(MNQ, 101, 1, NOON + 1, NOON + 1)) == []
    assert bars.forming(MNQ)[0].ticks == 2


@pytest.mark.parametrize("impl", ["cython", "rust"], indirect=True)
@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**90])
@pytest.mark.parametrize("field", ["price", "size", "ts", "received"])
def test_compiled_integers_end_at_64_bits(impl: str, field: str, number: int) -> None:
    """The authority counts with any integer; its compiled twins refuse, in the same words."""
    bars = builder(impl)
    bars.on_trade(Trade(MNQ, 100, 1, NOON, NOON))
    before = bars.snapshot()
    trade = replace(Trade(MNQ, 100, 1, NOON + 1, NOON + 1), **{field: number})
    with pytest.raises(BadNumber) as problem:
        bars.on_trade(trade)
    assert str(problem.value) == str(BadNumber("number", expected="an integer of 64 bits", seen=number))
    assert bars.snapshot() == before
    for edge in (2**63 - 1, 2**62, 2**60, 2**60 - 1, 2**30, 2**30 - 1, 0, -1, -(2**30), -(2**60), -(2**63)):
        bars.on_trade(Trade(MNQ, edge, 1, NOON + 1, NOON + 1))
        assert bars.forming(MNQ)[0].close == edge


@pytest.mark.parametrize("impl", ["cython", "rust"], indirect=True)
def test_compiled_volume_beyond_64_bits_is_a_failure_that_a_restore_heals(impl: str) -> None:
    bars = builder(impl, ["1m"])
    good = bars.snapshot()
    bars.on_trade(Trade(MNQ, 100, 2**63 - 1, NOON, NOON))
    bars.on_trade(Trade(MNQ, 100, 1, NOON, NOON))
    with pytest.raises(CoreFailure, match="overflow"):
        bars.forming(MNQ)
    bars.restore(good)
    assert bars.on_trade(Trade(MNQ, 100, 1, NOON, NOON)) == []
    assert bars.forming(MNQ)[0].volume == 1


def test_lists_that_are_kept_stay_as_they_are(impl: str) -> None:
    """An empty result belongs to the caller, whether it is dropped, kept or filled."""
    bars = builder(impl)
    trade = Trade(MNQ, 100, 1, NOON, NOON)
    bars.on_trade(trade)
    kept: list[list[Any]] = [bars.on_trade(trade) for _ in range(5)]
    assert len({id(each) for each in kept}) == 5
    for i, each in enumerate(kept):
        each.append(i)
    del each
    assert bars.on_trade(trade) == []
    assert kept == [[0], [1], [2], [3], [4]]
    kept.clear()
    bars.on_trade(trade).append(bars)  # type: ignore[arg-type]
    assert bars.on_trade(trade) == []


def test_equal_names_are_one_contract(impl: str) -> None:
    """Names come off the wire as new objects."""
    bars = builder(impl, ["1m"])
    bars.on_trade(Trade(Name(ES), 100, 1, NOON, NOON))
    for i in range(9):
        fresh = "".join(list(MNQ if i % 2 else ES))
        bars.on_trade(Trade(Name(fresh) if i % 3 == 0 else fresh, 100 + i, 1, NOON + i, NOON + i))
    state = bars.snapshot()
    assert list(bars.counters()) == sorted([ES, MNQ])
    assert [bars.forming(name)[0].ticks for name in (ES, MNQ)] == [6, 4]
    assert bars.forming(Name(ES))[0].contract_id == ES
    other = builder(impl)
    other.restore(state)
    other.on_trade(Trade("".join(list(ES)), 90, 1, NOON + 10, NOON + 10))
    assert other.forming(ES)[0].low == 90


# Slots lie in the order of their names.
SHAPES = {
    "another layout": """msgspec.defstruct("Trade", [*FIELDS, ("a", int, 0), ("b", int, 0)], frozen=True, gc=False)""",
    "without slots": """dataclasses.make_dataclass("Trade", FIELDS, frozen=True)""",
}
ELSEWHERE = """
import dataclasses
import msgspec
import bot.model.market as model
FIELDS = ["received", "aggressor", "ts", "size", "price", "contract_id"]
model.Trade = {shape}
from {module} import {builder} as make
from bot.calendar.sessions import SessionCalendar
bars = make(["1m"], SessionCalendar.shipped())
for i in range(4):
    assert bars.on_trade(model.Trade({noon} + i, 0, {noon} + i, 10 + i, 100 - i, "MNQ")) == []
(bar,) = bars.forming("MNQ")
assert (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.ticks) == (100, 100, 97, 97, 46, 4), bar
"""


@pytest.mark.parametrize("shape", SHAPES)
def test_fields_are_found_wherever_the_class_keeps_them(impl: str, shape: str) -> None:
    """In a process of its own, where the class of trades is another one before anything is compiled in."""
    module = "bot.legacy.market_data" if impl == "python" else "bot.accelerated.market_data"
    script = ELSEWHERE.format(
        shape=SHAPES[shape], module=module, builder=f"{impl.title()}BarBuilder", noon=NOON
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_timeframes_are_sorted_and_single(impl: str) -> None:
    bars = builder(impl, ["1w", "5s", "1m", "5s", "90s"])
    bars.on_trade(Trade(MNQ, 100, 1, NOON, NOON))
    bars.subscribe(MNQ, "1m", NOON)
    assert [bar.timeframe for bar in bars.forming(MNQ)] == ["5s", "1m", "90s", "1w"]
    assert bars.forming("CON.F.US.XX.Z25") == []


def test_contract_that_appears_after_a_timer_has_its_clock(impl: str) -> None:
    bars = builder(impl, ["5s"])
    bars.on_timer(NOON + 12 * SECOND)
    assert bars.on_trade(Trade(MNQ, 100, 1, NOON + SECOND, NOON + 12 * SECOND)) == []
    assert bars.counters()[MNQ]["late"] == {"5s": 1}


def test_tick_before_the_nominal_start_of_a_session_belongs_to_it(impl: str) -> None:
    """Between Friday 17:00 and Sunday 17:00 in Chicago the market is closed; the day bar is Monday's."""
    saturday, sunday = parse_ts("2025-11-01T12:00:00Z"), parse_ts("2025-11-02T23:00:00Z")
    bars = builder(impl, ["4h", "1d", "1w"])
    bars.feed_up(MNQ, saturday)
    for offset, price in ((2, 101), (0, 99), (1, 103)):
        assert bars.on_trade(Trade(MNQ, price, 1, saturday + offset, saturday + 9)) == []
    assert bars.on_trade(Trade(MNQ, 100, 1, sunday, sunday)) == []
    four_hours, day, week = bars.forming(MNQ)
    assert four_hours.start == day.start == week.start == sunday
    assert [(b.open, b.high, b.low, b.close, b.ticks) for b in (four_hours, day, week)] == [
        (99, 103, 99, 100, 4)
    ] * 3
    assert bars.counters()[MNQ]["late"] == {}


def test_corrupt_snapshots_are_refused_and_change_nothing(impl: str) -> None:
    bars = builder(impl)
    bars.feed_up(MNQ, NOON)
    bars.on_trade(Trade(MNQ, 100, 1, NOON + 1, NOON + 1))
    good = bars.snapshot()
    cut = [good[:size] for size in range(len(good))]
    for state in (*cut, good + b"\0", b"\1" + good[1:], good[:-1] + b"\4", good[:-1] + b"\0"):
        with pytest.raises(StoreCorrupt):
            bars.restore(state)
    moved = builder(impl, ["1d"])
    moved.feed_up(MNQ, NOON)
    moved.on_trade(Trade(MNQ, 100, 1, NOON, NOON))
    state = moved.snapshot()
    start = (moved.forming(MNQ)[0].start).to_bytes(8, "little")
    with pytest.raises(StoreCorrupt, match="bucket"):
        bars.restore(state.replace(start, (NOON).to_bytes(8, "little"), 1))
    assert bars.snapshot() == good


prices = st.integers(-50, 50)
sizes = st.one_of(st.integers(1, 9), st.integers(-1, 0), st.none())
names = st.sampled_from([MNQ, ES, "\u00e9\U0001f4c8", ""])
steps = st.one_of(
    st.integers(0, 900 * MILLISECOND),
    st.integers(-8 * SECOND, 8 * SECOND),
    st.integers(0, 3 * HOUR),
    st.sampled_from([5 * SECOND, MINUTE, 2 * MINUTE, HOUR, 50 * HOUR]),
)


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """Events of some contracts around a moving time, with everything that can go wrong on a feed."""
    now = draw(st.sampled_from([NOON, parse_ts("2025-10-31T20:59:50Z"), parse_ts("2026-01-19T22:59:00Z")]))
    events: list[Event] = []
    for _ in range(draw(st.integers(1, 40))):
        now += draw(steps)
        name, price = draw(names), draw(prices)
        lag = draw(st.sampled_from([0, 0, 300 * MILLISECOND, -4 * SECOND, -6 * SECOND]))
        trade = ("trade", name, now, draw(st.sampled_from([price, price, None])), draw(sizes), now + lag)
        events.append(
            draw(
                st.sampled_from(
                    [
                        *(trade, trade, trade, trade),
                        ("untimed", name, price, 1, now),
                        ("quote", name, now, price, now + lag),
                        ("mode", name, draw(st.sampled_from(["quotes", "trades"]))),
                        ("timer", now),
                        ("up", name, now),
                        ("down", name, now),
                        (
                            "subscribe",
                            name,
                            draw(st.sampled_from(["1s", "10s", "4h", "1d", "1w", "5s"])),
                            now,
                        ),
                        (
                            "columns",
                            name,
                            [[price, price + 1], [2, draw(st.integers(0, 3))], [now, now + 1], [now, now]],
                        ),
                    ]
                )
            )
        )
    return events


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(streams(), st.sampled_from([("5s", "15s", "1m"), DEFAULT_TIMEFRAMES, ("1s", "4h", "1d", "1w")]))
def test_implementations_agree_on_any_stream(events: list[Event], timeframes: tuple[str, ...]) -> None:
    impls = here()
    twins = {impl: builder(impl, timeframes) for impl in impls}
    for i, event in enumerate(events):
        outputs = {impl: feed(bars, event) for impl, bars in twins.items()}
        assert all(output == outputs["python"] for output in outputs.values()), event
        if i % 5 == 4:
            states = [bars.snapshot() for bars in twins.values()]
            assert len(set(states)) == 1
            for bars, state in zip(twins.values(), states[1:] + states[:1], strict=True):
                bars.restore(state)
    assert len({bars.digest() for bars in twins.values()}) == 1
    for name in twins["python"].counters():
        assert all(bars.forming(name) == twins["python"].forming(name) for bars in twins.values())
    assert all(bars.counters() == twins["python"].counters() for bars in twins.values())


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_arrival_order_does_not_matter_inside_open_buckets(data: st.DataObject) -> None:
    """With distinct stamps the bars are those of the sorted stream, whatever order the ticks came in."""
    offsets = data.draw(st.lists(st.integers(0, 5 * SECOND - 1), unique=True, min_size=1, max_size=30))
    ticks = [
        Trade(MNQ, data.draw(prices), 1 + i % 3, NOON + o, NOON + 5 * SECOND) for i, o in enumerate(offsets)
    ]
    shuffled = data.draw(st.permutations(ticks))
    impl = data.draw(st.sampled_from(here()))
    runs = []
    for order in (sorted(ticks, key=lambda tick: tick.ts or 0), shuffled):
        bars = builder(impl, ["5s", "1m", "4h"])
        bars.feed_up(MNQ, NOON)
        assert bars.on_trades(order) == []
        runs.append((bars.forming(MNQ), bars.on_timer(NOON + 6 * SECOND)))
    assert runs[0] == runs[1]


def test_columns_and_lists_equal_single_calls(impl: str) -> None:
    ticks = [
        Trade(MNQ, 100 + i * 7 % 13, 1 + i % 3, NOON + i * 333 * MILLISECOND, NOON + i * 333 * MILLISECOND)
        for i in range(5000)
    ]
    single, listed, columns = (builder(impl) for _ in range(3))
    expected = [bar for tick in ticks for bar in single.on_trade(tick)]
    assert len(expected) > 500
    assert listed.on_trades(ticks) == expected
    fields = [array("q", [getattr(t, name) for t in ticks]) for name in ("price", "size", "ts", "received")]
    assert columns.on_columns(MNQ, *fields) == expected
    assert single.digest() == listed.digest() == columns.digest()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 200), prices, st.integers(0, 9)), max_size=40),
    st.sampled_from(["1m", "3m", "5m", "45m", "1h", "2h", "4h", "12h", "1d", "1w"]),
    st.integers(0, 300),
    st.integers(0, 4000),
    st.booleans(),
)
def test_conversions_agree(
    gaps: list[tuple[int, int, int]], timeframe: str, first: int, length: int, keep_partial: bool
) -> None:
    start, bars = parse_ts("2025-10-31T18:00:00Z"), []
    for gap, price, volume in gaps:
        start += gap * MINUTE
        bars.append(MinuteBar(start, price, price + volume, price - volume, price + 1, volume))
    window = NOON - 3000 * MINUTE + first * MINUTE, NOON + length * MINUTE
    made = [converter(impl)(bars, timeframe, *window, keep_partial) for impl in here()]
    assert all(each == made[0] for each in made)
    inside = sum(bar.volume for bar in bars if window[0] <= bar.start < window[1])
    assert sum(bar.volume for bar in made[0]) == inside or not keep_partial


def test_recorded_trades_give_the_same_bars(market_files: Path) -> None:
    """Four minutes of a real contract: every implementation, and the bars hold every trade once."""
    tick = TickSize.from_text("0.25")
    with gzip.open(market_files / "es_2024-07-01_2358_trades_quotes.csv.gz", "rt") as file:
        ticks = [
            Trade(
                ES,
                tick.parse(line["price"])[0],
                int(line["size"]),
                int(line["ts_event_ns"]),
                int(line["ts_event_ns"]),
            )
            for line in csv.DictReader(file)
            if line["kind"] == "trade"
        ]
    results = []
    for impl in here():
        bars = builder(impl)
        bars.feed_up(ES, ticks[0].received - HOUR)
        finals = bars.on_trades(ticks) + bars.on_timer(ticks[-1].received + HOUR)
        results.append((finals, bars.digest()))
    assert all(result == results[0] for result in results)
    for timeframe in DEFAULT_TIMEFRAMES:
        own = [bar for bar in results[0][0] if bar.timeframe == timeframe]
        assert sum(bar.volume for bar in own) == sum(each.size or 0 for each in ticks)
        assert sum(bar.ticks for bar in own) == len(ticks)


def test_recorded_minutes_give_the_same_hours(market_files: Path) -> None:
    tick = TickSize.from_text("0.00005")
    with gzip.open(market_files / "6e_2024-01-01_2024-01-15_1m.csv.gz", "rt") as file:
        bars = [
            MinuteBar(
                parse_ts(line["timestamp_utc"].replace("+00:00", "Z").replace(" ", "T")),
                *(tick.parse(line[name])[0] for name in ("open", "high", "low", "close")),
                int(Decimal(line["volume"])),
            )
            for line in csv.DictReader(file)
        ]
    for timeframe in ("5m", "1h", "4h", "1d", "1w"):
        window = bars[0].start, bars[-1].start + MINUTE
        made = [converter(impl)(bars, timeframe, *window, keep_partial=True) for impl in here()]
        assert all(each == made[0] for each in made)
        assert sum(bar.volume for bar in made[0]) == sum(bar.volume for bar in bars)
