"""Ticks to nine timeframes, and one-minute bars to five, against the authority and peers.

Full semantics throughout: calendar, completeness, late ticks, every default timeframe. Ticks are a
seeded stream, and the recorded trades when they are beside the project.
"""

from __future__ import annotations

import csv
import gzip
import random
from array import array
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from bot.accelerated.registry import available, core_build
from bot.calendar.sessions import SessionCalendar
from bot.legacy.market_data import PythonBarBuilder, PythonBarConverter
from bot.model.market import DEFAULT_TIMEFRAMES, MinuteBar, Trade
from bot.model.quantities import TickSize
from bot.model.times import HOUR, MINUTE, parse_ts
from perf.work import Goal, Variant, Work, missing, timed

RECORDED = Path(__file__).parents[2] / "shared" / "data" / "es_2024-07-01_2358_trades_quotes.csv.gz"
CONTRACT = "CON.F.US.EP.U24"
START = parse_ts("2025-11-03T14:30:00Z")
MINUTES = 3000
CALENDAR = SessionCalendar.shipped()
Maker = Callable[..., Any]
GOALS = [
    Goal("rust core", at_most=40),
    Goal("rust, columns", "python", 40),
    Goal("rust, list", "python", 8),
    Goal("rust", "python", 8),
    Goal("cython, list", "python", 8),
    Goal("cython", "python", 8),
    Goal("rust, new names", "python, new names", 8),
    Goal("cython, new names", "python, new names", 8),
    Goal("rust, columns", "python, columns", 8),
    Goal("python", at_most=5000),
]
RECORDED_GOALS = [Goal("rust core", at_most=40), Goal("rust", "python", 1), Goal("cython", "python", 1)]


def works() -> list[Work]:
    """The works of this component."""
    ticks = synthetic()
    note = (
        "Seeded stream of 20 trades a second. Rows named after an implementation alone: one call per tick; "
        "with new names each tick has its contract id as a string of its own, as it comes off the wire."
    )
    works = [ticks_to_bars("ticks to nine timeframes", ticks, GOALS, note)]
    if real := recorded():
        note = f"{len(real)} recorded trades of a quiet night hour: most ticks close bars, so making them counts."
        works.append(ticks_to_bars("recorded ticks to nine timeframes", real, RECORDED_GOALS, note))
    return [*works, one_timeframe(ticks), minutes_to_five()]


def synthetic(count: int = 5000) -> list[Trade]:
    """A seeded walk of one contract with a mean of 20 trades a second."""
    stream, now, price, ticks = random.Random(7), START, 80_000, []
    for _ in range(count):
        now += stream.randrange(0, 100_000_000)
        price += stream.randrange(-1, 2)
        ticks.append(Trade(CONTRACT, price, stream.randrange(1, 5), now, now + 2_000_000))
    return ticks


def recorded() -> list[Trade] | None:
    """The recorded trades, None when they are not beside the project."""
    if not RECORDED.is_file():
        return None
    tick = TickSize.from_text("0.25")
    with gzip.open(RECORDED, "rt") as file:
        return [
            Trade(
                CONTRACT,
                tick.parse(line["price"])[0],
                int(line["size"]),
                int(line["ts_event_ns"]),
                int(line["ts_event_ns"]),
            )
            for line in csv.DictReader(file)
            if line["kind"] == "trade"
        ]


def columns_of(ticks: list[Trade]) -> list[array[int]]:
    """Prices, sizes, event times and arrivals as int64 buffers."""
    return [array("q", [getattr(t, name) for t in ticks]) for name in ("price", "size", "ts", "received")]


def renamed(ticks: list[Trade]) -> list[Trade]:
    """The same trades, each with a contract id that was never hashed."""
    return [replace(tick, contract_id="".join(list(tick.contract_id))) for tick in ticks]


def compiled(name: str) -> tuple[Maker, Maker] | str:
    """Builder and converter of a compiled implementation, or why it is missing."""
    reason = available("market_data")[name]
    if reason is not None:
        return reason
    from bot.accelerated import market_data as faces

    if name == "cython":
        return faces.CythonBarBuilder, faces.CythonBarConverter
    return faces.RustBarBuilder, faces.RustBarConverter


def rust_build() -> str:
    """`release`, or what the core says it is instead."""
    info = core_build().info
    return "release" if info.get("profile") == "release" and not info.get("debug_assertions") else "debug"


def builders() -> Iterator[tuple[str, Maker | None, str, str]]:
    """Name, builder, build and reason of each implementation."""
    yield "python", PythonBarBuilder, "release", ""
    for name in ("cython", "rust"):
        found = compiled(name)
        if isinstance(found, str):
            yield name, None, "", found
        else:
            yield name, found[0], rust_build() if name == "rust" else "release", ""


def ticks_to_bars(name: str, ticks: list[Trade], goals: list[Goal], note: str) -> Work:
    """One tick into nine timeframes: a call each, a list, columns, and the pure core."""
    columns, n = columns_of(ticks), len(ticks)
    variants: list[Variant] = []

    def fresh(make: Maker) -> Any:
        bars = make(DEFAULT_TIMEFRAMES, CALENDAR)
        bars.feed_up(CONTRACT, (ticks[0].ts or 0) - HOUR)
        return bars

    def calls(make: Maker) -> Callable[[], None]:
        on_trade = fresh(make).on_trade

        def run() -> None:
            for tick in ticks:
                on_trade(tick)

        return run

    def new_names(make: Maker) -> Callable[[], None]:
        on_trade, own = fresh(make).on_trade, renamed(ticks)

        def run() -> None:
            for tick in own:
                on_trade(tick)

        return run

    def lists(make: Maker) -> Callable[[], object]:
        return partial(fresh(make).on_trades, ticks)

    def buffers(make: Maker) -> Callable[[], object]:
        return partial(fresh(make).on_columns, CONTRACT, *columns)

    for impl, make, build, reason in builders():
        ways = {"": calls, ", new names": new_names, ", list": lists, ", columns": buffers}
        for label, way in ((impl + name, way) for name, way in ways.items()):
            if make is None:
                variants.append(missing(label, reason))
            else:
                variants.append(timed(label, n, partial(way, make), samples=15, build=build))
    variants.append(core_ticks(columns, n))
    return Work(name, "ns/tick", n, variants, goals, note)


def core_ticks(columns: list[array[int]], n: int) -> Variant:
    """The loop inside the core, timed there."""
    found = compiled("rust")
    if isinstance(found, str):
        return missing("rust core", found)
    from trading_bot_core.market_data import time_columns

    from bot.accelerated.rust_bars import core_calendar

    def sample() -> list[float]:
        spent = time_columns(list(DEFAULT_TIMEFRAMES), core_calendar(CALENDAR), columns, 15)
        return [each / n for each in spent]

    return Variant("rust core", sample, build=rust_build())


def one_timeframe(ticks: list[Trade]) -> Work:
    """One tick into one-minute bars, where a known trading engine offers the same."""
    n = len(ticks)
    variants = []
    for name, make, build, reason in builders():

        def prepare(make: Maker | None = make) -> Callable[[], None]:
            assert make is not None
            on_trade = make(["1m"], CALENDAR).on_trade

            def run() -> None:
                for tick in ticks:
                    on_trade(tick)

            return run

        variants.append(
            missing(name, reason) if make is None else timed(name, n, prepare, samples=15, build=build)
        )
    variants.append(nautilus(ticks))
    return Work(
        "ticks to one-minute bars",
        "ns/tick",
        n,
        variants,
        [Goal("rust", "nautilus_trader", 1), Goal("python", "nautilus_trader", 1)],
        "The peer's aggregator is fed ready tick objects, as ours are, and its clock is moved along.",
    )


def nautilus(ticks: list[Trade]) -> Variant:
    """NautilusTrader's time bar aggregator for one timeframe."""
    try:
        from nautilus_trader.common.component import TestClock
        from nautilus_trader.data.aggregation import TimeBarAggregator
        from nautilus_trader.model.data import BarType, TradeTick
        from nautilus_trader.model.enums import AggressorSide
        from nautilus_trader.model.identifiers import TradeId
        from nautilus_trader.test_kit.providers import TestInstrumentProvider
    except ImportError as problem:
        return missing("nautilus_trader", str(problem))
    future = TestInstrumentProvider.es_future(2024, 9)
    kind = BarType.from_str(f"{future.id}-1-MINUTE-LAST-INTERNAL")
    own = [
        TradeTick(
            future.id,
            future.make_price((tick.price or 0) * 0.25),
            future.make_qty(tick.size or 0),
            AggressorSide.BUYER,
            TradeId(str(i)),
            tick.ts or 0,
            tick.received,
        )
        for i, tick in enumerate(ticks)
    ]

    def prepare() -> Callable[[], None]:
        clock, made = TestClock(), []
        clock.set_time((ticks[0].ts or 0) - MINUTE)
        aggregator = TimeBarAggregator(future, kind, made.append, clock)
        due = (ticks[0].ts or 0) // MINUTE * MINUTE + MINUTE

        def run() -> None:
            nonlocal due
            for tick in own:
                if tick.ts_event >= due:
                    for event in clock.advance_time(due):
                        event.handle()
                    due += MINUTE
                aggregator.handle_trade_tick(tick)

        return run

    return timed("nautilus_trader", len(ticks), prepare, samples=15)


def minutes_to_five() -> Work:
    """3000 one-minute bars to five-minute bars."""
    stream, price, bars = random.Random(11), 80_000, []
    for i in range(MINUTES):
        price += stream.randrange(-3, 4)
        bars.append(
            MinuteBar(START + i * MINUTE, price, price + 5, price - 5, price + 1, stream.randrange(500))
        )
    window = (START, START + MINUTES * MINUTE)
    variants = [python_conversion("python", PythonBarConverter, bars, window)]
    for name in ("cython", "rust"):
        found = compiled(name)
        if isinstance(found, str):
            variants.append(missing(name, found))
        else:
            build = rust_build() if name == "rust" else "release"
            variants.append(python_conversion(name, found[1], bars, window, build))
    variants += [core_conversion(bars), polars_conversion(bars)]
    return Work(
        "3000 bars 1m to 5m",
        "µs",
        1,
        variants,
        [
            Goal("rust core", at_most=10),
            Goal("rust core", "polars", 10),
            Goal("rust", "polars", 1),
            Goal("python", at_most=5000),
        ],
        "The core and the peer take columns; the other rows take and make one object per bar.",
    )


def python_conversion(
    name: str, make: Maker, bars: list[MinuteBar], window: tuple[int, int], build: str = "release"
) -> Variant:
    """A converter called from Python."""
    convert = make(CALENDAR)
    return timed(name, 1, lambda: lambda: convert(bars, "5m", *window), samples=15, scale=1e-3, build=build)


def core_conversion(bars: list[MinuteBar]) -> Variant:
    """The loop inside the core, timed there."""
    found = compiled("rust")
    if isinstance(found, str):
        return missing("rust core", found)
    from trading_bot_core.market_data import time_conversion

    from bot.accelerated.rust_bars import core_calendar

    names = ("start", "open", "high", "low", "close", "volume")
    columns = [array("q", [getattr(bar, name) for bar in bars]) for name in names]

    def sample() -> list[float]:
        return [spent / 1000 for spent in time_conversion("5m", core_calendar(CALENDAR), columns, 15)]

    return Variant("rust core", sample, build=rust_build())


def polars_conversion(bars: list[MinuteBar]) -> Variant:
    """`group_by_dynamic` over a ready frame, in one thread's time as measured on the pinned core."""
    try:
        import polars as pl
    except ImportError as problem:
        return missing("polars", str(problem))
    first = datetime.fromtimestamp(START // 1_000_000_000, UTC).replace(tzinfo=None)
    frame = pl.DataFrame(
        {
            "start": [first + timedelta(minutes=i) for i in range(len(bars))],
            **{name: [getattr(b, name) for b in bars] for name in ("open", "high", "low", "close", "volume")},
        }
    ).set_sorted("start")

    def run() -> object:
        return frame.group_by_dynamic("start", every="5m").agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            pl.len(),
        )

    return timed("polars", 1, lambda: run, samples=15, scale=1e-3)
