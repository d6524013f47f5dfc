"""F153: on recorded days, an engine that lived through the night and one started at the open decide alike."""

from __future__ import annotations

import csv
import gzip
from datetime import date, time
from pathlib import Path

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import ET, wall_to_ns
from bot.legacy.market_data import PythonBarConverter
from bot.legacy.strategy_engine import PythonStrategyEngine
from bot.model.actions import Action, Enter, Instance
from bot.model.instruments import contract_for
from bot.model.market import Bar, MinuteBar
from bot.model.quantities import TsNs
from bot.model.times import MINUTE, SECOND, parse_ts
from bot.strategies import STRATEGIES

CALENDAR = SessionCalendar.shipped()
EURO = contract_for("6E", 2024, 3, parse_ts("2024-01-02T00:00:00Z"))
SEAT = Instance(1001, "overnight_range")
CONFIG = {"overnight_range": {"daily_atr_min_bars": 3}}


def recorded(folder: Path) -> list[MinuteBar]:
    """The file's stamps mark the end of each minute."""
    with gzip.open(folder / "6e_2024-01-01_2024-01-15_1m.csv.gz", "rt") as file:
        return [
            MinuteBar(
                TsNs(parse_ts(row["timestamp_utc"].replace(" ", "T") + "Z") - MINUTE),
                *(EURO.tick.parse(row[name])[0] for name in ("open", "high", "low", "close")),
                int(row["volume"]),
            )
            for row in csv.DictReader(file)
        ]


def bars_of(minutes: list[MinuteBar]) -> dict[str, list[Bar]]:
    first, last = minutes[0].start, minutes[-1].start + MINUTE
    found = {
        "1m": [
            Bar(EURO.id, "1m", bar.start, TsNs(bar.start + MINUTE), bar.open, bar.high, bar.low, bar.close,
                bar.volume, 1, True, True)
            for bar in minutes
        ]
    }  # fmt: skip
    convert = PythonBarConverter(CALENDAR)
    for timeframe in ("5m", "1d"):
        found[timeframe] = [
            Bar(EURO.id, timeframe, bar.start, bar.end, bar.open, bar.high, bar.low, bar.close, bar.volume,
                bar.source_bars, True, True)
            for bar in convert(minutes, timeframe, first, last, keep_partial=True)
        ]  # fmt: skip
    return found


def live(bars: dict[str, list[Bar]], days: list[date]) -> list[Enter]:
    """Bars arrive one by one as they close, the opening minute as it forms."""
    engine = PythonStrategyEngine(CALENDAR, STRATEGIES, CONFIG)
    began = bars["1m"][0].start
    actions: list[Action] = engine.start(SEAT, [EURO], began)
    for timeframe in bars:
        actions += engine.on_history(EURO.id, timeframe, [], began)
    actions += engine.on_known(1001, True, began)
    openings = {wall_to_ns(day, time(9, 30), ET) for day in days}
    for bar in sorted(
        (bar for each in bars.values() for bar in each), key=lambda bar: (bar.end, bar.timeframe)
    ):
        if bar.timeframe == "1m":
            actions += engine.on_clock(bar.start)
            if bar.start in openings:
                actions += engine.on_price(EURO.id, bar.open, TsNs(bar.start + SECOND))
                actions += engine.on_forming(bar, TsNs(bar.start + SECOND))
        actions += engine.on_bar(bar, bar.end)
        if bar.timeframe == "1m":
            actions += engine.on_price(EURO.id, bar.close, bar.end)
    return [each for each in actions if isinstance(each, Enter)]


def restarted(bars: dict[str, list[Bar]], day: date) -> list[Enter]:
    """A new engine a minute before the open, with history only."""
    engine = PythonStrategyEngine(CALENDAR, STRATEGIES, CONFIG)
    opens = wall_to_ns(day, time(9, 30), ET)
    began = TsNs(opens - MINUTE)
    actions = engine.start(SEAT, [EURO], began)
    for timeframe, each in bars.items():
        actions += engine.on_history(EURO.id, timeframe, [bar for bar in each if bar.end <= began], began)
    actions += engine.on_known(1001, True, began)
    for timeframe in ("1m", "5m"):
        for bar in bars[timeframe]:
            if bar.end == opens:
                actions += engine.on_bar(bar, opens)
    for bar in bars["1m"]:
        if bar.start == opens:
            actions += engine.on_price(EURO.id, bar.open, TsNs(opens + SECOND))
            actions += engine.on_forming(bar, TsNs(opens + SECOND))
    return [each for each in actions if isinstance(each, Enter)]


def test_f153_restarts_decide_as_the_engine_that_was_there_all_along(market_files: Path) -> None:
    bars = bars_of(recorded(market_files))
    days = [date(2024, 1, day) for day in (3, 4, 5, 8, 9, 10, 11, 12)]
    entries = live(bars, days)
    placed = [each for each in entries if ".r" not in each.leg]
    assert len({each.key for each in entries}) == len(entries)
    assert len(placed) >= 12
    for day in days:
        mine = [each for each in placed if f"S:{day}" in each.key]
        assert restarted(bars, day) == mine, day
