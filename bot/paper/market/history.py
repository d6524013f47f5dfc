"""One-minute bars from before the feed's start, made backwards from its first price.

Days are generated when somebody asks, each from its own random stream, so an answer never depends on
what was asked before. Of days that lie between, only the path is drawn: it leads to the price of the older
ones. What lies behind the `DAYS` trade dates is `hourly.py`'s.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import date
from math import log, sqrt
from typing import Final

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import ET, HOUR_NS, offset_at_hour
from bot.model.errors import CalendarUnknown
from bot.model.market import MinuteBar
from bot.model.quantities import Ticks, TsNs
from bot.model.times import MINUTE
from bot.paper.market.hours import stretches
from bot.paper.market.profile import CURVE, Profile
from bot.paper.market.seeds import stream

DAYS: Final = 46
"""Trade dates of minute bars that exist: the venue's depth of 63 days holds 45 weekdays and a part."""

INDEX: Final = frozenset(("ES", "MES", "NQ", "MNQ", "YM", "MYM", "RTY", "M2K", "EMD"))
TOGETHER: Final = 0.85
"""Correlation of the index family's moves with their common part."""
_ATTEMPTS: Final = 96
_FIVE: Final = 5 * MINUTE


class _Day(msgspec.Struct):
    """A trade date's open minutes, the price of its first one, and its bars once somebody asked."""

    minutes: Sequence[int]
    open: int
    make: Callable[[], list[MinuteBar]]
    made: list[MinuteBar] | None = None

    def bars(self) -> list[MinuteBar]:
        if self.made is None:
            self.made = self.make()
        return self.made


class MinuteHistory:
    """The closed bars of one contract before `start_ns`; the last close is `price` (ticks).

    With a `side` the overnight session of the start's day is drawn so that a scenario can take over: its
    range and its five-minute ranges are usual ones, and the price ends close to that side's edge.
    """

    def __init__(
        self, seed: int, root: str, group: str, calendar: SessionCalendar, start_ns: int,
        price: int, measures: Profile, volume: float, side: int | None,
    ) -> None:  # fmt: skip
        self._seed, self._root, self._group, self._calendar = seed, root, group, calendar
        self._start, self._measures, self._volume, self._side = start_ns, measures, volume, side
        self._anchor = price
        self._days: list[_Day] = []
        try:
            self._next: date | None = calendar.trade_date(start_ns)
        except CalendarUnknown:
            self._next = None
        self._oldest = self._next
        for _ in range(DAYS - 1):
            earlier = None if self._oldest is None else calendar.previous_cash_day(self._oldest)
            if earlier is not None and calendar.covers_day(earlier):
                self._oldest = earlier

    @property
    def oldest(self) -> date | None:
        """The first trade date that has minutes; None where the calendar has none."""
        return self._oldest

    @property
    def begins(self) -> int:
        """Where that date's session begins, ns UTC; a full hour."""
        return self._start if self._oldest is None else self._calendar.day_bounds(self._oldest)[0]

    def first_open(self) -> int:
        """The price (ticks) at which the oldest minutes open."""
        self._reach(0)
        return next((day.open for day in reversed(self._days) if day.minutes), self._anchor)

    def bars(self, start: int, end: int) -> list[MinuteBar]:
        """Bars with `start <= bar.start < end`, ascending."""
        self._reach(start)
        found: list[MinuteBar] = []
        for day in reversed(self._days):
            minutes = day.minutes
            if minutes and minutes[-1] >= start and minutes[0] < end:
                whole = start <= minutes[0] and minutes[-1] < end
                bars = day.bars()
                found += bars if whole else [bar for bar in bars if start <= bar.start < end]
        return found

    def _reach(self, start: int) -> None:
        while self._next is not None and (not self._days or self._reached() > start):
            self._extend(self._next)

    def _reached(self) -> int:
        return next((day.minutes[0] for day in reversed(self._days) if day.minutes), self._start)

    def _extend(self, date_: date) -> None:
        minutes = [
            t
            for first, last in stretches(self._calendar, date_, self._group)
            for t in range(first, last, MINUTE)
            if t + MINUTE <= self._start
        ]
        night = self._overnight(date_, minutes) if self._side and not self._days else None
        if night:
            self._anchor = night[0].open
            before = self._day(date_, [t for t in minutes if t < night[0].start])
            bars = before.bars() + night
            day = _Day(minutes, bars[0].open, lambda: bars)
        else:
            day = self._day(date_, minutes)
        self._days.append(day)
        if minutes:
            gap = stream(self._seed, self._root, date_, "gap").gauss(0.0, 2.0 * self._measures.minute)
            self._anchor = max(1, day.open - round(gap))
        self._next = None if date_ == self._oldest else self._calendar.previous_cash_day(date_)

    def _day(self, day: date, minutes: Sequence[int]) -> _Day:
        if not minutes:
            return _Day(minutes, self._anchor, list)
        factor = stream(self._seed, "day", day).uniform(0.85, 1.18)
        sizes = self._deviations(minutes, factor, stream(self._seed, "regime", day))
        path = self._path(sizes, day, 0)
        shift = self._anchor - path[-1]
        closes = [p + shift for p in path]
        rng = stream(self._seed, self._root, day, "bars")
        first = round(closes[0] + rng.gauss(0.0, sizes[0]))
        return _Day(minutes, first, lambda: self._bars(minutes, closes, sizes, rng, first))

    def _overnight(self, day: date, minutes: Sequence[int]) -> list[MinuteBar] | None:
        assert self._side is not None
        first, last = self._calendar.overnight_window(day)
        minutes = [t for t in minutes if first <= t < last]
        if len(minutes) < 120:
            return None
        unit, best, least = self._measures.five_minutes, None, 1e9
        sizes = self._deviations(minutes, 1.0, None)
        for attempt in range(_ATTEMPTS):
            path = _leaning(self._path(sizes, day, attempt), self._side, 0.5 * unit)
            shift = self._anchor - path[-1]
            if not 4.2 < (max(path) - min(path)) / unit < 9.0:
                continue
            rng = stream(self._seed, self._root, day, attempt, "bars")
            closes = [p + shift for p in path]
            bars = self._bars(minutes, closes, sizes, rng, round(closes[0] + rng.gauss(0.0, sizes[0])))
            fault = _unfit(bars, self._anchor, self._side, unit)
            if fault < least:
                best, least = bars, fault
            if not fault:
                break
        return best

    def _deviations(
        self, minutes: Sequence[int], factor: float, regimes: random.Random | None
    ) -> list[float]:
        offset = offset_at_hour(minutes[0] // HOUR_NS, ET)
        scale = self._measures.minute * factor
        sizes: list[float] = []
        regime, left = 1.0, 0
        for t in minutes:
            if regimes is not None:
                if left == 0:
                    regime = regimes.choice((0.8, 0.9, 1.0, 1.0, 1.1, 1.25))
                    left = regimes.randint(8, 25)
                left -= 1
            sizes.append(scale * regime * CURVE[(t + offset) // MINUTE % 1440])
        return sizes

    def _path(self, sizes: Sequence[float], day: date, attempt: int) -> list[float]:
        own = stream(self._seed, self._root, day, attempt, "path").gauss
        path, at = [], 0.0
        if self._root in INDEX:
            shared = stream(self._seed, "index", day, attempt // 6).gauss
            alone = sqrt(1.0 - TOGETHER * TOGETHER)
            for size in sizes:
                at += size * (TOGETHER * shared(0.0, 1.0) + alone * own(0.0, 1.0))
                path.append(at)
        else:
            for size in sizes:
                at += own(0.0, size)
                path.append(at)
        return path

    def _bars(
        self, minutes: Sequence[int], closes: Sequence[float], sizes: Sequence[float], rng: random.Random,
        previous: int,
    ) -> list[MinuteBar]:  # fmt: skip
        draw = rng.random
        usual = self._volume
        bars: list[MinuteBar] = []
        for t, exact, size in zip(minutes, closes, sizes, strict=True):
            close = round(exact)
            spread = 2.0 * size * size
            top, bottom = (close, previous) if close > previous else (previous, close)
            square = (top - bottom) * (top - bottom)
            reach = top + bottom
            high = int((reach + sqrt(square - spread * log(1.0 - draw()))) / 2.0)
            low = -int(-(reach - sqrt(square - spread * log(1.0 - draw()))) // 2.0)
            bars.append(
                MinuteBar(
                    TsNs(t), Ticks(previous), Ticks(max(high, top)), Ticks(min(low, bottom)), Ticks(close),
                    1 + int(usual * (0.5 + draw())),
                )
            )  # fmt: skip
            previous = close
        return bars


def _leaning(path: list[float], side: int, distance: float) -> list[float]:
    """The path with the drift that makes its end lie `distance` inside its extreme on `side`."""
    count, end = len(path), path[-1]
    free = count - 45
    drift = max((side * (at - end) - distance) / (1.0 - i / count) for i, at in enumerate(path[:free]))
    return [at + side * drift * i / count for i, at in enumerate(path)]


def _unfit(bars: Sequence[MinuteBar], price: int, side: int, unit: float) -> float:
    """How far a drawn session is from usual, 0.0 when range, ending and volatility all fit."""
    high, low = max(bar.high for bar in bars), min(bar.low for bar in bars)
    inside = (high - price if side > 0 else price - low) / unit
    return (
        _outside((high - low) / unit, 5.3, 8.6) + 3 * _outside(inside, 0.45, 1.0)
        + 3 * _outside(_five_minute_range(bars) / unit, 0.82, 1.2)
    )  # fmt: skip


def _outside(value: float, low: float, high: float) -> float:
    return max(low - value, value - high, 0.0)


def _five_minute_range(bars: Sequence[MinuteBar]) -> float:
    """Mean true range of the last fourteen closed five-minute bars."""
    ranges: list[float] = []
    end = bars[-1].start // _FIVE * _FIVE
    recent = [bar for bar in bars[-90:] if bar.start < end]
    group: list[MinuteBar] = []
    for bar in reversed(recent):
        if group and bar.start // _FIVE != group[0].start // _FIVE:
            high, low = max(each.high for each in group), min(each.low for each in group)
            ranges.append(max(high, bar.close) - min(low, bar.close))
            group = []
        group.append(bar)
    return sum(ranges[:14]) / max(1, len(ranges[:14]))
