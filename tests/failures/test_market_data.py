"""Rows F79, F80, F83, F84, F87 and F88: bars of every implementation, and what the venue's history is made of."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from bot.calendar.timeframes import parse_timeframe
from bot.clock import VirtualClock
from bot.freshness import Freshness
from bot.history import HistoryLoader
from bot.legacy.market_data import PythonBarConverter
from bot.legacy.strategy_engine.engine import PythonStrategyEngine
from bot.legacy.websocket import PythonStreamProcessor
from bot.model.errors import BadTimeframe, ConfigError
from bot.model.instruments import contract_of
from bot.model.market import Bar, MinuteBar, Trade
from bot.model.quantities import Ticks, TsNs
from bot.model.times import HOUR, MILLISECOND, MINUTE, SECOND, format_ts, parse_ts
from bot.model.venue_rows import Grid, bar
from bot.pipeline import Pipeline
from bot.strategies.overnight_parameters import resolve_overnight
from tests.conftest import vector
from tests.failures.bench import CALENDAR, MNQ, Bench
from tests.parity.conftest import impl  # noqa: F401 - the fixture
from tests.parity.test_market_data import builder, converter
from tests.unit.app.test_pipeline import BrittleDesk

SESSIONS = vector("sessions_dst")
WEEKS = {
    "spring": ("2025-03-06T15:00:00Z", "2025-03-12T15:00:00Z"),
    "autumn": ("2025-10-30T15:00:00Z", "2025-11-05T15:00:00Z"),
    "thanksgiving": ("2025-11-25T15:00:00Z", "2025-12-02T15:00:00Z"),
    "new year": ("2025-12-30T15:00:00Z", "2026-01-06T15:00:00Z"),
}
OPENED = TsNs(parse_ts("2025-01-05T23:00:00Z"))
DAY_BOUND = ["4h", "12h", "1d", "1w"]


def trade(ts: int, price: int = 100, size: int = 1, received: int | None = None) -> Trade:
    return Trade(MNQ, Ticks(price), size, TsNs(ts), TsNs(ts if received is None else received))


@pytest.mark.parametrize("row", [row for row in SESSIONS["instants"] if row[1]], ids=lambda row: row[0])
def test_f079_days_and_weeks_are_those_of_the_trade_date(impl: str, row: list[Any]) -> None:  # noqa: F811
    """Golden boundaries, over both clock changes and the holidays, for live bars and for converted ones."""
    at = parse_ts(row[0])
    golden = {"1d": (row[4], row[5]), "1w": (row[6], row[7])}
    bars = builder(impl, list(golden))
    bars.on_trade(trade(at))
    live = {each.timeframe: (format_ts(each.start), format_ts(each.end)) for each in bars.forming(MNQ)}
    assert live == golden
    minute = MinuteBar(TsNs(at // MINUTE * MINUTE), *[Ticks(100)] * 4, 1)
    for frame, bounds in golden.items():
        (made,) = converter(impl)(
            [minute], frame, minute.start, TsNs(minute.start + MINUTE), keep_partial=True
        )
        assert (format_ts(made.start), format_ts(made.end)) == bounds


@pytest.mark.parametrize("row", SESSIONS["buckets"], ids=lambda row: f"{row[0]} {row[1]}")
def test_f079_buckets_of_every_frame_are_the_golden_ones(impl: str, row: list[str]) -> None:  # noqa: F811
    bars = builder(impl, [row[0]])
    bars.on_trade(trade(parse_ts(row[1])))
    (live,) = bars.forming(MNQ)
    assert [live.start, live.end] == [parse_ts(text) for text in row[2:4]]


@pytest.mark.parametrize("week", WEEKS)
def test_f079_live_and_converted_bars_are_alike(impl: str, week: str) -> None:  # noqa: F811
    first, last = (parse_ts(text) for text in WEEKS[week])
    rng = random.Random(week)
    minutes = [t for t in range(first, last, MINUTE) if CALENDAR.is_open(t) and rng.random() < 0.05]
    prints = [trade(t + rng.randrange(MINUTE), rng.randrange(-50, 50), rng.randrange(1, 9)) for t in minutes]
    bars = builder(impl, ["1m", *DAY_BOUND])
    bars.feed_up(MNQ, OPENED)
    finals = list[Bar]()
    for each in prints:
        finals += bars.on_trade(each)
    finals += bars.on_timer(TsNs(last + SECOND))
    ones = [
        MinuteBar(one.start, one.open, one.high, one.low, one.close, one.volume)
        for one in finals
        if one.timeframe == "1m"
    ]
    assert sum(one.volume for one in ones) == sum(each.size or 0 for each in prints)
    for frame in DAY_BOUND:
        live = [one for one in finals if one.timeframe == frame]
        made = converter(impl)(ones, frame, OPENED, TsNs(last))
        assert [(one.start, one.end, one.open, one.high, one.low, one.close, one.volume) for one in live] == [
            (one.start, one.end, one.open, one.high, one.low, one.close, one.volume) for one in made
        ]
        assert frame == "1w" or len(live) >= 4


LEGAL = (
    "1s", "5s", "10s", "15s", "30s", "1m", "2m", "3m", "5m", "10m", "15m", "30m", "45m", "1h", "2h", "3h",
    "4h", "6h", "8h", "12h", "1d", "1w",
)  # fmt: skip
ILLEGAL = (
    "1M", "3M", "2w", "2d", "3d", "1y", "7m", "11m", "13s", "60s", "60m", "90m", "120m", "5h", "7h", "9h", "24h",
    "1W", "1D", "1H", "1S", "5M", "m", "5", "", " 5m", "5m ", "5 m", "05m", "0m", "-5m", "+5m", "1.5h", "5min",
    "hour", "1mo", "1h30m", "٥m", "5m\n", "1e1m", "99999999999999999999m", "d", "1Q", "1t",
)  # fmt: skip


@pytest.mark.parametrize("text", [*LEGAL, *ILLEGAL])
def test_f080_a_spelling_means_the_same_everywhere(impl: str, text: str) -> None:  # noqa: F811
    """Calendar, live bars, conversion, history and configuration: one parser, one answer, the legal ones named."""
    bars = builder(impl)

    def convert() -> None:
        converter(impl)([], text, OPENED, TsNs(OPENED + HOUR))

    def configure() -> None:
        resolve_overnight([("configuration", {"atr_timeframe": text})])

    if text in LEGAL:
        assert parse_timeframe(text).text == text
        bars.subscribe(MNQ, text, OPENED)
        assert text in {one.timeframe for one in _all_frames(bars)}
        if not text.endswith("s"):
            convert()
        configure()
        return
    for ask in (
        lambda: parse_timeframe(text), lambda: builder(impl, ["1m", text]),
        lambda: bars.subscribe(MNQ, text, OPENED), convert,
    ):  # fmt: skip
        with pytest.raises(BadTimeframe, match="1h 2h 3h 4h 6h 8h 12h 1d 1w") as refused:
            ask()  # type: ignore[no-untyped-call]
        assert refused.value.code == "BAD_TIMEFRAME"
        assert not text or repr(text) in str(refused.value)
    with pytest.raises(ConfigError, match="1h 2h 3h 4h 6h 8h 12h 1d 1w"):
        configure()


def test_f080_history_of_an_illegal_frame_asks_the_venue_nothing() -> None:
    async def main(bench: Bench) -> None:
        rest = bench.rest()
        await rest.contracts()
        history = _loader(bench, rest)
        asked = len(bench.requests)
        for text in ILLEGAL:
            with pytest.raises(BadTimeframe, match="1h 2h 3h"):
                await history.newest(MNQ, text, 5)
        assert len(bench.requests) == asked

    Bench().play(main)


def test_f083_zero_and_negative_prices_are_prices_in_bars(impl: str) -> None:  # noqa: F811
    start = parse_ts("2025-11-03T14:30:00Z")
    bars = builder(impl, ["1m"])
    bars.feed_up(MNQ, OPENED)
    for number, price in enumerate((-3, 0, -7, -1)):
        bars.on_trade(trade(start + number * SECOND, price))
    (made,) = bars.on_timer(TsNs(start + 2 * MINUTE))
    assert (made.open, made.high, made.low, made.close) == (-3, 0, -7, -1)


@pytest.mark.parametrize("missing", ["o", "h", "l", "c"])
def test_f083_a_bar_with_a_missing_price_is_dropped_and_one_with_zeros_kept(missing: str) -> None:
    row = {"t": "2025-11-03T14:30:00Z", "o": "0.0", "h": 0, "l": "-0.25", "c": 0, "v": 0}
    grid = Grid(contract_of("MNQ", CALENDAR.trade_date(OPENED), OPENED).tick)
    found = bar(row, grid)
    assert found is not None
    assert (found.open, found.high, found.low, found.close) == (0, 0, -1, 0)
    assert bar({**row, missing: None}, grid) is None
    assert bar({name: value for name, value in row.items() if name != missing}, grid) is None


def _records(pipeline: Pipeline, clock: VirtualClock, target: str, payload: Any) -> None:
    message = {"type": 1, "target": target, "arguments": [MNQ, payload]}
    pipeline.on_records("market", 1, [(msgspec.json.encode(message), clock.now(), clock.host_mono())])


async def test_f084_volume_is_that_of_prints_and_of_nothing_else(impl: str) -> None:  # noqa: F811
    """Quotes carry the session's volume, which rises by far more; then prints stop and quotes make the bars."""
    clock = VirtualClock(parse_ts("2025-11-04T15:00:00Z"))
    contract = contract_of("MNQ", CALENDAR.trade_date(clock.now()), clock.now())
    processor = PythonStreamProcessor()
    processor.set_contracts({MNQ: contract})
    desk = BrittleDesk()
    desk.on_event = lambda event: None  # type: ignore[method-assign]
    pipeline = Pipeline(
        clock, processor, builder(impl, ["1m"]), PythonStrategyEngine(CALENDAR, {}), desk, [MNQ]
    )
    pipeline.feed_up(clock.now())
    bars = list[Bar]()
    pipeline.bar_listeners.append(bars.append)
    rng, session, printed = random.Random(84), 480_000, [0, 0]
    for second in range(240):
        stamp, price = format_ts(clock.now()), 23_000 + rng.randrange(40) / 4
        session += rng.randrange(500)
        if second < 120:
            sizes = [rng.randrange(1, 9) for _ in range(3)]
            printed[second // 60] += sum(sizes)
            _records(pipeline, clock, "GatewayTrade",
                     [{"price": price, "volume": size, "timestamp": stamp, "type": 0} for size in sizes])  # fmt: skip
        _records(pipeline, clock, "GatewayQuote", {
            "lastPrice": price, "bestBid": price, "bestAsk": price + 0.25, "volume": session,
            "lastUpdated": stamp, "timestamp": stamp,
        })  # fmt: skip
        pipeline.tick()
        await clock.advance(1.0)
    await clock.advance(2.0)
    pipeline.tick()
    assert [one.volume for one in bars] == [*printed, 0, 0]
    assert [one.source for one in bars] == ["trades", "trades", "quotes", "quotes"]
    assert pipeline.failures == 0


@pytest.mark.parametrize("seed", range(5))
def test_f087_a_bar_is_final_once_and_equals_history(impl: str, seed: int) -> None:  # noqa: F811
    """Prints shuffled inside the grace, some that come after their bar, and silence over the boundaries."""
    rng, start = random.Random(seed), parse_ts("2025-11-03T14:30:00Z")
    tape = sorted(rng.randrange(0, 5 * MINUTE) for _ in range(400))
    tape = [offset for offset in tape if not 2 * MINUTE - 10 * SECOND < offset < 3 * MINUTE + 20 * SECOND]
    prints = [
        trade(start + offset, rng.randrange(80_000, 80_040), 1 + number % 4)
        for number, offset in enumerate(tape)
    ]
    arrivals = sorted(
        ((each.ts or 0) + rng.randrange(400 * MILLISECOND), number, each)
        for number, each in enumerate(prints)
    )
    bars, finals = builder(impl, ["1m", "5m"]), list[Bar]()
    bars.feed_up(MNQ, OPENED)
    due = start
    for arrival, _, each in arrivals:
        while due <= arrival:
            finals += bars.on_timer(TsNs(due))
            due += 250 * MILLISECOND
        finals += bars.on_trade(msgspec.structs.replace(each, received=TsNs(arrival)))
    finals += bars.on_timer(TsNs(start + 6 * MINUTE))
    counted = dict(bars.counters())
    late = trade(start + MINUTE + SECOND, 1, 1000, start + 6 * MINUTE)
    assert bars.on_trade(late) == []
    assert bars.counters()[MNQ]["late"] == {"1m": 1 + _late(counted, "1m"), "5m": 1 + _late(counted, "5m")}
    at = [(one.timeframe, one.start) for one in finals]
    assert len(at) == len(set(at)), "each bar once"
    assert all(a.end <= b.end for a, b in pairwise(finals))
    assert all(one.final and one.complete for one in finals)
    assert _late(counted, "1m") == 0, "what came inside the grace is in its bar"
    history = dict[int, MinuteBar]()
    for each in prints:
        assert each.ts is not None and each.price is not None and each.size is not None
        begin, price = each.ts // MINUTE * MINUTE, each.price
        old = history.get(begin) or MinuteBar(TsNs(begin), price, price, price, price, 0)
        history[begin] = MinuteBar(
            old.start, old.open, Ticks(max(old.high, price)), Ticks(min(old.low, price)), price,
            old.volume + each.size,
        )  # fmt: skip
    assert [
        MinuteBar(one.start, one.open, one.high, one.low, one.close, one.volume)
        for one in finals
        if one.timeframe == "1m"
    ] == [history[begin] for begin in sorted(history)]
    (five,) = (one for one in finals if one.timeframe == "5m")
    (made,) = converter(impl)(
        [history[begin] for begin in sorted(history)], "5m", OPENED, TsNs(start + 6 * MINUTE)
    )
    assert (five.open, five.high, five.low, five.close, five.volume) == (
        made.open, made.high, made.low, made.close, made.volume,
    )  # fmt: skip


@pytest.mark.parametrize("fault", ["bars.shuffle", "bars.dup", "zoneless"])
@pytest.mark.parametrize("frame", ["1m", "5m", "1h", "1d"])
def test_f088_shuffled_doubled_and_zoneless_bars_give_an_equal_result(frame: str, fault: str) -> None:
    """Over the end of summer time, where local text would sort wrongly."""

    async def main(bench: Bench) -> None:
        rest = bench.rest()
        await rest.contracts()
        history = _loader(bench, rest)
        plain = await history.newest(MNQ, frame, 5 if frame == "1d" else 60)
        assert len(plain) >= 5
        assert all(a.start < b.start for a, b in pairwise(plain))
        bench.fault(fault)
        assert await history.newest(MNQ, frame, 5 if frame == "1d" else 60) == plain

    Bench(parse_ts("2025-11-03T03:00:00Z")).play(main)


def _loader(bench: Bench, rest: Any) -> HistoryLoader:
    return HistoryLoader(
        rest, PythonBarConverter(CALENDAR), CALENDAR, bench.clock, lambda *_: None,
        Freshness(CALENDAR, lambda _: None, bench.clock),
    )  # fmt: skip


def _late(counters: dict[str, dict[str, Any]], frame: str) -> int:
    found: int = counters[MNQ]["late"].get(frame, 0)
    return found


def _all_frames(bars: Any) -> list[Bar]:
    bars.on_trade(trade(parse_ts("2025-11-03T14:30:00Z")))
    found: list[Bar] = bars.forming(MNQ)
    return found
