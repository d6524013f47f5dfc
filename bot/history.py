"""Closed bars from the venue for the engine, at start and after a gap (bot.md §11.5).

Minutes come as they are, longer frames are converted from closed minute bars; days from closed hour bars,
which hold the same prints and cost one request instead of two pages of minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from typing import Protocol

import structlog

from bot.calendar.sessions import SessionCalendar
from bot.calendar.timeframes import bucket, parse_timeframe
from bot.clock import Clock
from bot.freshness import Freshness, OldHistory
from bot.model.actions import Action
from bot.model.errors import BotError
from bot.model.market import Bar, ConvertedBar, MinuteBar
from bot.model.quantities import TsNs
from bot.model.times import HOUR, MINUTE, SECOND
from bot.ports import BarConverter, VenueRest

PAGE = 20_000
MAX_PAGES = 5
DAY = 24 * HOUR

log = structlog.get_logger(__name__)


class HistoryLoader:
    """Fetches, converts and hands on closed bars. `keep` receives each series (for the store)."""

    def __init__(
        self, rest: VenueRest, convert: BarConverter, calendar: SessionCalendar, clock: Clock,
        keep: Callable[[str, str, Sequence[Bar]], None], freshness: Freshness,
    ) -> None:  # fmt: skip
        self._freshness = freshness
        self._rest, self._convert, self._calendar, self._clock = rest, convert, calendar, clock
        self._keep = keep

    async def series(
        self, contract_id: str, timeframe: str, start: TsNs, end: TsNs | None = None, count: int | None = None
    ) -> list[Bar]:
        """Closed bars with `start <= bar.start` and `bar.end <= end` (default: now), ascending.

        With `count` no more is asked of the venue than the newest `count` need; the first of what comes may
        then be short, and more than `count` may come. Raises BadTimeframe, VenueUnreachable, VenueRefused, ProtocolError.
        """
        until = self._clock.now() if end is None else end
        base = "1h" if timeframe in {"1d", "1w"} else "1m"
        most = None if count is None else (count + 2) * _sources(timeframe, base)
        source = await self._fetch(contract_id, base, start, until, most)
        if timeframe == base:
            step = HOUR if base == "1h" else MINUTE
            bars = [closed_bar(contract_id, timeframe, bar, TsNs(bar.start + step)) for bar in source]
        else:
            bars = [
                closed_bar(contract_id, timeframe, bar, bar.end)
                for bar in self._convert(source, timeframe, start, until)
                if bar.end <= until
            ]
        self._keep(contract_id, timeframe, bars)
        return bars

    async def newest(self, contract_id: str, timeframe: str, count: int) -> list[Bar]:
        """The newest `count` closed bars, ascending; fewer when the venue has no more. Raises as `to_now`.

        The look-back allows for nights, weekends and holidays: twice the bars' own length and five days.
        """
        length = parse_timeframe(timeframe).seconds * SECOND
        start = TsNs(self._clock.now() - 2 * count * length - 5 * DAY)
        return (await self.to_now(contract_id, timeframe, start, count))[-count:]

    async def to_now(
        self, contract_id: str, timeframe: str, start: TsNs, count: int | None = None
    ) -> list[Bar]:
        """Closed bars from `start` to now, as `series`. Raises as it, and OldHistory when they end too early."""
        bars = await self.series(contract_id, timeframe, start, count=count)
        self._freshness.check(contract_id, timeframe, start, bars)
        return bars

    async def _fetch(
        self, contract_id: str, base: str, start: TsNs, end: TsNs, most: int | None
    ) -> list[MinuteBar]:
        """The newest `most` source bars of the span; None = all, as far as the pages go."""
        step = parse_timeframe(base).seconds * SECOND
        pages: list[list[MinuteBar]] = []
        left = PAGE * MAX_PAGES if most is None else most
        until = end
        for _ in range(MAX_PAGES):
            wanted = min(PAGE, left)
            page = await self._rest.bars(contract_id, base, start, until, wanted)
            pages.append([bar for bar in page if bar.start + step <= end])
            left -= len(page)
            if len(page) < wanted or left <= 0:
                break
            until = page[0].start
        merged = {bar.start: bar for page in pages for bar in page}
        return [merged[at] for at in sorted(merged)]


def _sources(timeframe: str, base: str) -> int:
    """How many source bars a bar has at most."""
    return max(1, parse_timeframe(timeframe).seconds // parse_timeframe(base).seconds)


class HistoryEngine(Protocol):
    """What the engine tells of the bars it needs."""

    def windows_wanted(self) -> list[tuple[str, str, int]]: ...

    def history_wanted(self) -> list[tuple[str, str, TsNs, TsNs]]: ...

    def on_history(
        self, contract_id: str, timeframe: str, bars: Sequence[Bar], now: TsNs
    ) -> list[Action]: ...


class HistoryGaps:
    """Loads what the engine wants at start and keeps it whole: bars that the feed did not cover, the time in
    which the feed was lost, and the day bar that each 17:00 Chicago closes.

    What failed is asked for again after 1, 2, 4 … 30 s of venue time, as long as it is wanted.
    """

    def __init__(
        self, engine: HistoryEngine, loader: HistoryLoader, calendar: SessionCalendar, clock: Clock,
        act: Callable[[Sequence[Action]], None],
    ) -> None:  # fmt: skip
        self._engine, self._loader, self._calendar, self._clock = engine, loader, calendar, clock
        self._act = act
        self._tried: dict[tuple[str, str, TsNs], tuple[int, int]] = {}
        self._windows: set[tuple[str, str, int]] = set()
        self._failures = self._again_at = 0
        self._lost: TsNs | None = None
        self._back = False
        self._day: date | None = None

    async def load(self) -> None:
        """The windows of all running instances; `run` goes on asking for those that failed."""
        self._day = self._calendar.risk_day(self._clock.now())
        self._windows.update(self._engine.windows_wanted())
        await self._fill_windows()

    def feed_lost(self) -> None:
        """Prints are missed from now on, or have been since an earlier loss."""
        if self._lost is None:
            self._lost = self._clock.now()
        self._back = False

    def feed_back(self) -> None:
        """Prints arrive again."""
        self._back = True

    async def run(self) -> None:
        """Once a second of venue time, until cancelled."""
        while True:
            await self._clock.sleep(1.0)
            wanted = self._engine.history_wanted()
            due = {(contract_id, frame, start): end for contract_id, frame, start, end in wanted}
            self._tried = {gap: tried for gap, tried in self._tried.items() if gap in due}
            for gap, end in due.items():
                await self._try(gap, end)
            if self._clock.now() >= self._again_at:
                await self._fill_windows()
                await self._recover()

    async def _fill_windows(self) -> None:
        wanted = sorted(self._windows)
        for window, problem in zip(
            wanted,
            await asyncio.gather(*(self._window(*each) for each in wanted), return_exceptions=True),
            strict=True,
        ):
            if problem is None:
                self._windows.discard(window)
            elif isinstance(problem, BotError):
                self._later("history.window", problem)
            else:
                raise problem

    def _later(self, what: str, problem: BotError) -> None:
        self._again_at = self._clock.now() + min(2**self._failures, 30) * SECOND
        self._failures = min(self._failures + 1, 5)
        if not isinstance(problem, OldHistory):  # told where it was judged, once
            log.warning(what, problem=str(problem))

    async def _recover(self) -> None:
        now = self._clock.now()
        day = self._calendar.risk_day(now)
        try:
            if self._back and self._lost is not None:
                since = self._lost
                for contract_id, frame, _ in self._engine.windows_wanted():
                    start = bucket(self._calendar, parse_timeframe(frame), since)[0]
                    bars = await self._loader.to_now(contract_id, frame, start)
                    self._act(self._engine.on_history(contract_id, frame, bars, self._clock.now()))
                self._lost = None if self._lost == since else self._lost
            if day != self._day:
                for contract_id, frame, count in self._engine.windows_wanted():
                    if frame == "1d":
                        await self._window(contract_id, frame, count)
                self._day = day
        except BotError as problem:
            self._later("history.recovery", problem)
        else:
            if not self._windows:
                self._failures = 0

    async def _window(self, contract_id: str, timeframe: str, count: int) -> None:
        bars = await self._loader.newest(contract_id, timeframe, count)
        self._act(self._engine.on_history(contract_id, timeframe, bars, self._clock.now()))

    async def _try(self, gap: tuple[str, str, TsNs], end: TsNs) -> None:
        now = self._clock.now()
        count, again = self._tried.get(gap, (0, 0))
        if end > now or now < again:
            return
        self._tried[gap] = count + 1, now + min(2**count, 30) * SECOND
        contract_id, timeframe, start = gap
        try:
            bars = await self._loader.series(contract_id, timeframe, start, end)
        except BotError as problem:
            log.warning("history.gap", contract=contract_id, timeframe=timeframe, problem=str(problem))
            return
        self._act(self._engine.on_history(contract_id, timeframe, bars, self._clock.now()))


def closed_bar(contract_id: str, timeframe: str, bar: MinuteBar | ConvertedBar, end: TsNs) -> Bar:
    """A bar of history as the engine takes it: final and complete; the venue tells no count of trades."""
    return Bar(
        contract_id=contract_id, timeframe=timeframe, start=bar.start, end=end, open=bar.open, high=bar.high,
        low=bar.low, close=bar.close, volume=bar.volume, ticks=0, final=True, complete=True, source="trades",
    )  # fmt: skip
