"""One-minute bars from before the feed's start, made backwards from its first price.

Days are generated when somebody asks, each from its own random stream, so an answer never depends on
what was asked before. At most `DAYS` trade dates are kept.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date
from math import log, sqrt
from typing import Final

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import ET, HOUR_NS, offset_at_hour
from bot.model.errors import CalendarUnknown
from bot.model.market import MinuteBar
from bot.model.quantities import Ticks, TsNs
from bot.model.times import MINUTE
from bot.paper.market.hours import stretches
from bot.paper.market.profile import CURVE, Profile
from bot.paper.market.seeds import stream

DAYS: Final = 90
"""Trade dates of minute bars that exist, like the venue's own depth of about 63 days and some more."""

INDEX: Final = frozenset(("ES", "MES", "NQ", "MNQ", "YM", "MYM", "RTY", "M2K", "EMD"))
_TOGETHER: Final = 0.85
_ATTEMPTS: Final = 96
_FIVE: Final = 5 * MINUTE


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
        self._days: list[list[MinuteBar]] = []
        try:
            self._next: date | None = calendar.trade_date(start_ns)
        except CalendarUnknown:
            self._next = None

    def bars(self, start: int, end: int) -> list[MinuteBar]:
        """Bars with `start <= bar.start < end`, ascending."""
        while self._next is not None and (not self._days or self._reached() > start):
            self._extend(self._next)
        found: list[MinuteBar] = []
        for day in reversed(self._days):
            if day and day[-1].start >= start and day[0].start < end:
                whole = start <= day[0].start and day[-1].start < end
                found += day if whole else [bar for bar in day if start <= bar.start < end]
        return found

    def _reached(self) -> int:
        return next((day[0].start for day in reversed(self._days) if day), self._start)

    def _extend(self, day: date) -> None:
        minutes = [
            t
            for first, last in stretches(self._calendar, day, self._group)
            for t in range(first, last, MINUTE)
            if t + MINUTE <= self._start
        ]
        bars = self._overnight(day, minutes) if self._side and not self._days else None
        if bars:
            self._anchor = bars[0].open
            bars = self._day(day, [t for t in minutes if t < bars[0].start]) + bars
        else:
            bars = self._day(day, minutes)
        self._days.append(bars)
        if bars:
            gap = stream(self._seed, self._root, day, "gap").gauss(0.0, 2.0 * self._measures.minute)
            self._anchor = max(1, bars[0].open - round(gap))
        earlier = self._calendar.previous_cash_day(day)
        more = len(self._days) < DAYS and self._calendar.covers_day(earlier)
        self._next = earlier if more else None

    def _day(self, day: date, minutes: Sequence[int]) -> list[MinuteBar]:
        if not minutes:
            return []
        factor = stream(self._seed, "day", day).uniform(0.85, 1.18)
        sizes = self._deviations(minutes, factor, stream(self._seed, "regime", day))
        path = self._path(sizes, day, 0)
        shift = self._anchor - path[-1]
        return self._bars(
            minutes, [p + shift for p in path], sizes, stream(self._seed, self._root, day, "bars")
        )

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
            bars = self._bars(minutes, [p + shift for p in path], sizes, rng)
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
            alone = sqrt(1.0 - _TOGETHER * _TOGETHER)
            for size in sizes:
                at += size * (_TOGETHER * shared(0.0, 1.0) + alone * own(0.0, 1.0))
                path.append(at)
        else:
            for size in sizes:
                at += own(0.0, size)
                path.append(at)
        return path

    def _bars(
        self, minutes: Sequence[int], closes: Sequence[float], sizes: Sequence[float], rng: random.Random
    ) -> list[MinuteBar]:
        draw = rng.random
        previous = round(closes[0] + rng.gauss(0.0, sizes[0]))
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
