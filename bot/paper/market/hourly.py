"""One-hour bars from before the minute history, made backwards from its first price.

Each trade date has its own random stream, and deviations follow the price, which so never reaches zero.
A date's price depends on those after it alone, never on what was asked before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from math import log, sqrt
from typing import Final

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import ET, HOUR_NS, offset_at_hour
from bot.model.market import MinuteBar
from bot.model.quantities import Ticks, TsNs
from bot.model.times import MINUTE
from bot.paper.market.history import INDEX, TOGETHER, MinuteHistory
from bot.paper.market.hours import stretches
from bot.paper.market.profile import CURVE, Profile
from bot.paper.market.seeds import stream

REACH: Final = 400 * 24 * HOUR_NS
"""How far before the feed's start there are prices."""

_LEAST_PRICE: Final = 20
_QUIETEST: Final = 0.05


class HourHistory:
    """The bars (UTC hours) of one contract that open before `minutes` begins; its oldest open joins them."""

    def __init__(
        self, seed: int, root: str, group: str, calendar: SessionCalendar, start_ns: int,
        measures: Profile, volume: float, minutes: MinuteHistory,
    ) -> None:  # fmt: skip
        self._seed, self._root, self._group, self._calendar = seed, root, group, calendar
        self._measures, self._volume, self._minutes = measures, volume, minutes
        self._floor = start_ns - REACH
        self._next = self._before(minutes.oldest)
        self._days: list[list[MinuteBar]] = []
        self._anchor: int | None = None

    def bars(self, start: int, end: int) -> list[MinuteBar]:
        """Bars with `start <= bar.start < end`, ascending."""
        if start >= self._minutes.begins:
            return []
        while self._next is not None and self._reached() > start:
            self._extend(self._next)
        return [bar for day in reversed(self._days) for bar in day if start <= bar.start < end]

    def _reached(self) -> int:
        return next((day[0].start for day in reversed(self._days) if day), self._minutes.begins)

    def _before(self, day: date | None) -> date | None:
        earlier = None if day is None else self._calendar.previous_cash_day(day)
        if earlier is None or not self._calendar.covers_day(earlier):
            return None
        return earlier if self._calendar.day_bounds(earlier)[0] >= self._floor else None

    def _extend(self, day: date) -> None:
        if self._anchor is None:
            self._anchor = self._minutes.first_open()
        spread = self._measures.minute * max(_QUIETEST, self._anchor / self._measures.price)
        bars = self._day(day, self._anchor, spread * stream(self._seed, "day", day).uniform(0.85, 1.18))
        self._days.append(bars)
        if bars:
            gap = stream(self._seed, self._root, day, "gap").gauss(0.0, 2.0 * spread)
            self._anchor = max(_LEAST_PRICE, bars[0].open - round(gap))
        self._next = self._before(day)

    def _day(self, day: date, close: int, scale: float) -> list[MinuteBar]:
        """A date's bars; the last one closes at `close`."""
        hours = self._hours(day)
        sizes = [scale * deviation for _, deviation, _ in hours]
        steps = self._steps(sizes, day)
        opens = [close]
        for step in reversed(steps):
            opens.append(max(_LEAST_PRICE, opens[-1] - round(step)))
        opens.reverse()
        draw = stream(self._seed, self._root, day, "hours").random
        bars: list[MinuteBar] = []
        for i, ((start, _, count), size) in enumerate(zip(hours, sizes, strict=True)):
            first, last = opens[i], opens[i + 1]
            square, spread = (last - first) ** 2, 2.0 * size * size
            up = (first + last + sqrt(square - spread * log(1.0 - draw()))) / 2.0
            down = (first + last - sqrt(square - spread * log(1.0 - draw()))) / 2.0
            bars.append(
                MinuteBar(
                    TsNs(start), Ticks(first), Ticks(max(int(up), first, last)),
                    Ticks(max(1, min(-int(-down // 1), first, last))), Ticks(last),
                    count + int(self._volume * count * (0.9 + 0.2 * draw())),
                )
            )  # fmt: skip
        return bars

    def _hours(self, day: date) -> list[tuple[int, float, int]]:
        """The hours of a date: start, deviation in that of a minute before the cash open, open minutes."""
        return [
            (first // HOUR_NS * HOUR_NS + n * HOUR_NS, deviation, count)
            for first, last in stretches(self._calendar, day, self._group)
            for n, (deviation, count) in enumerate(
                _shape(
                    (first + offset_at_hour(first // HOUR_NS, ET)) // MINUTE % 1440, (last - first) // MINUTE
                )
            )
        ]

    def _steps(self, sizes: Sequence[float], day: date) -> list[float]:
        own = stream(self._seed, self._root, day, "hourly").gauss
        if self._root not in INDEX:
            return [own(0.0, size) for size in sizes]
        shared = stream(self._seed, "index", day, "hourly").gauss
        alone = sqrt(1.0 - TOGETHER * TOGETHER)
        return [size * (TOGETHER * shared(0.0, 1.0) + alone * own(0.0, 1.0)) for size in sizes]


@lru_cache(maxsize=64)
def _shape(begin: int, length: int) -> list[tuple[float, int]]:
    """Deviation and open minutes of each hour of a stretch, which begins at a minute of the New York day."""
    hours: list[tuple[float, int]] = []
    at = begin
    while at < begin + length:
        until = min(begin + length, at // 60 * 60 + 60)
        levels = [CURVE[minute % 1440] for minute in range(at, until)]
        hours.append((sqrt(sum(level * level for level in levels)), len(levels)))
        at = until
    return hours
