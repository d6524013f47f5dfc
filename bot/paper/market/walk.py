"""The live price of one contract: a walk in beats, led along legs when a scenario or a push says so.

A beat is one quote, perhaps a print before it, and the depth entries that belong to both. The walk itself
is a float; it only decides where the integer touch goes.
"""

from __future__ import annotations

from collections import deque
from datetime import date
from math import sqrt
from typing import Final

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import ET, HOUR_NS, offset_at_hour
from bot.model.errors import CalendarUnknown
from bot.model.quantities import Ticks, TsNs
from bot.model.times import MINUTE, SECOND
from bot.paper.market.feed import ASK_LEVEL, BID_LEVEL, BUY, SELL, DepthLevel, MarketEvent, Print, QuoteTick
from bot.paper.market.history import MinuteHistory
from bot.paper.market.hours import stretches_from
from bot.paper.market.ladder import Ladder
from bot.paper.market.profile import CURVE, Profile
from bot.paper.market.scenario import VOLATILITY, Leg, Range, approach, ending, opening, side
from bot.paper.market.seeds import stream

LEAD: Final = 30 * MINUTE
"""How long before the cash open a scenario begins to lead the price towards its side."""

_PRINT_SIZES: Final = (1, 1, 1, 1, 2, 1, 1, 2, 3, 1, 2, 5, 1, 3, 1, 10)
MEAN_PRINT: Final = sum(_PRINT_SIZES) / len(_PRINT_SIZES)


class Density(msgspec.Struct, frozen=True):
    """Events a second of venue time and contract."""

    quotes: int
    prints: int
    depth: int


class Walk:
    """One contract's events from `start_ns` on, whenever its market is open."""

    def __init__(
        self, seed: int, rank: int, root: str, contract_id: str, group: str, calendar: SessionCalendar,
        start_ns: int, measures: Profile, density: Density, scenario: str, history: MinuteHistory,
    ) -> None:  # fmt: skip
        self._seed, self._rank, self._scenario = seed, rank, scenario
        self._id, self._calendar, self._measures, self._density = contract_id, calendar, measures, density
        self._history, self._start = history, start_ns
        self._rng = stream(seed, root, "live")
        self._plans = stream(seed, root, "plans")
        self._fair = float(measures.price)
        bid = measures.price - (1 if self._rng.random() < 0.5 else 0)
        self._ladder = Ladder(bid, bid + 1, self._rng, 6.0)
        self._last = measures.price
        self._touched = self._previous = start_ns
        self._minute_end = start_ns
        self._deviation = self._regime = 1.0
        self._regime_left = 0
        self._burst_end = 0
        self._owed = 0.0
        self._told = (0, 0, 0, 0)
        self._gapped = False
        self._step = 0.0
        self._legs: deque[Leg] = deque()
        self._pushed = False
        self._led: date | None = None
        self._opened: date | None = None
        self._window = (0, 0)
        self._day: date | None = None
        self._low = self._high = 0
        self._out: list[MarketEvent] = []
        self._stretches = stretches_from(calendar, start_ns, group)
        self.due: int | None = None
        self._close = 0
        self._reopen(first=True)

    @property
    def last(self) -> Ticks:
        return Ticks(self._last)

    def top(self) -> QuoteTick:
        """The touch after the latest beat."""
        book = self._ladder
        return QuoteTick(
            self._id, TsNs(self._touched), Ticks(book.bid), book.bids[book.bid],
            Ticks(book.ask), book.asks[book.ask],
        )  # fmt: skip

    def depth(self) -> list[DepthLevel]:
        """The book after the latest beat, bids then asks, best first."""
        return [DepthLevel(self._id, TsNs(self._touched), *level) for level in self._ladder.levels()]

    def push(self, target: int, now: int, seconds: float) -> None:
        """Walk to `target` until `now + seconds`; drops what the scenario had planned for the day."""
        self._legs = deque([Leg(now + max(1, int(seconds * SECOND)), float(target), exact=True)])
        self._pushed = True

    def beat(self, out: list[MarketEvent]) -> None:
        """Append the events of the beat that is due, all with its time, and schedule the next one."""
        assert self.due is not None
        ts = self.due
        self._out = out
        draw = self._rng.random
        if ts >= self._minute_end:
            self._begin_minute(ts)
        elapsed = ts - self._previous
        self._previous = self._touched = ts
        exact = self._follow(ts, elapsed)
        if draw() < self._density.prints / self._density.quotes:
            self._print(ts)
        self._retouch(exact=exact)
        if exact:
            self._print_at(ts, round(self._fair))
        self._owed += elapsed * self._density.depth / SECOND
        book = self._ladder
        while self._owed >= 1.0:
            book.stir(self._emit)
        if self._owed > -12.0 and self._told == (
            book.bid, book.bids[book.bid], book.ask, book.asks[book.ask],
        ):  # fmt: skip
            book.resize(self._emit)
        self._told = (book.bid, book.bids[book.bid], book.ask, book.asks[book.ask])
        out.append(QuoteTick(self._id, ts, *self._told))  # type: ignore[arg-type]
        self.due = ts + int((0.4 + 1.2 * draw()) * SECOND / self._density.quotes)
        if self.due >= self._close:
            self._reopen()

    def _follow(self, ts: int, elapsed: int) -> bool:
        """Move the walk over `elapsed` ns; true when an exact leg has arrived at its target."""
        seconds = elapsed / SECOND
        spread = self._deviation * sqrt(seconds / 60.0)
        if ts < self._burst_end:
            spread *= 2.0
        self._step = spread
        noise = self._rng.gauss(0.0, spread)
        if not self._legs:
            self._fair += noise
            return False
        leg = self._legs[0]
        left = leg.end - ts
        if left <= 0:
            self._fair = leg.target
            self._legs.popleft()
            return leg.exact
        fair = self._fair + noise * leg.noise
        fair += (leg.target - fair) * elapsed / (left + elapsed)
        if fair > leg.high:
            fair = max(leg.low, 2.0 * leg.high - fair)
        elif fair < leg.low:
            fair = min(leg.high, 2.0 * leg.low - fair)
        self._fair = fair
        return False

    def _retouch(self, *, exact: bool) -> None:
        """Let the touch follow the walk, by a few ticks at a time."""
        book = self._ladder
        bid, ask = book.bid, book.ask
        away = self._fair - (bid + ask) / 2.0
        slack = max(0.75, 1.8 * self._step)
        if exact or self._gapped:
            self._gapped = False
            bid = round(self._fair)
            ask = bid + 1
        elif abs(away) > slack:
            limit = max(2, int(1.6 * self._step) + 2, int(abs(away) / 3.0))
            move = max(-limit, min(limit, int(away) or (1 if away > 0 else -1)))
            bid += move
            ask = bid + (2 if self._rng.random() < 0.12 else 1)
        elif ask - bid > 1:
            bid, ask = (bid + 1, ask) if away > 0 else (bid, ask - 1)
        if bid != book.bid or ask != book.ask:
            book.move(bid, ask, self._emit)

    def _print(self, ts: int) -> None:
        book = self._ladder
        away = self._fair - (book.bid + book.ask) / 2.0
        lean = 0.5 + max(-0.4, min(0.4, 0.2 * away))
        self._print_at(ts, book.ask if self._rng.random() < lean else book.bid)

    def _print_at(self, ts: int, price: int) -> None:
        book = self._ladder
        kind, aggressor = (ASK_LEVEL, BUY) if price >= book.ask else (BID_LEVEL, SELL)
        price = book.ask if aggressor == BUY else book.bid
        size = _PRINT_SIZES[int(self._rng.random() * len(_PRINT_SIZES))]
        self._out.append(Print(self._id, TsNs(ts), Ticks(price), size, aggressor))
        self._last = price
        if price > self._high:
            self._high = price
        if price < self._low:
            self._low = price
        if self._rng.random() < 0.4:
            book.take(kind, size, self._emit)

    def _emit(self, kind: int, price: int, volume: int) -> None:
        self._owed -= 1.0
        self._out.append(DepthLevel(self._id, TsNs(self._touched), kind, Ticks(price), volume))

    def _begin_minute(self, ts: int) -> None:
        self._minute_end = (ts // MINUTE + 1) * MINUTE
        rng = self._rng
        if self._regime_left == 0:
            self._regime, self._regime_left = rng.choice((0.85, 1.0, 1.0, 1.15)), rng.randint(8, 25)
        self._regime_left -= 1
        if rng.random() < (0.4 if self._scenario == "fast" else 0.08):
            self._burst_end = ts + int(rng.uniform(2.0, 9.0) * SECOND)
        minute = (ts + offset_at_hour(ts // HOUR_NS, ET)) // MINUTE % 1440
        self._deviation = self._measures.minute * CURVE[minute] * VOLATILITY[self._scenario] * self._regime
        self._watch_range(ts)
        if self._day is not None and not self._pushed and self._scenario != "quiet":
            self._plan(ts, self._day)

    def _watch_range(self, ts: int) -> None:
        """Keep the range of the overnight window that `ts` lies in, or of the last one."""
        if ts < self._window[1]:
            return
        try:
            day = self._calendar.trade_date(ts)
        except CalendarUnknown:
            return
        if day == self._day:
            return
        first, last = self._calendar.overnight_window(day)
        if not first <= ts < last:
            return
        if self._day is not None:
            self._pushed = False
        self._day, self._window = day, (first, last)
        self._low = self._high = self._last
        for bar in self._history.bars(first, self._start) if first < self._start else ():
            self._low, self._high = min(self._low, bar.low), max(self._high, bar.high)

    def _plan(self, ts: int, day: date) -> None:
        open_ns = self._window[1]
        if open_ns - LEAD <= ts < open_ns and self._led != day:
            self._led = day
            self._legs = deque(approach(self._range(day), self._fair, open_ns))
        elif open_ns <= ts < open_ns + MINUTE and self._opened != day and self._led == day:
            self._opened = day
            end = ending(self._seed, day, self._rank)
            legs = opening(self._scenario, self._range(day), self._fair, open_ns, end, self._plans)
            self._legs = deque(legs)

    def _range(self, day: date) -> Range:
        measures = self._measures
        return Range(self._low, self._high, measures.five_minutes, measures.day, side(self._seed, day))

    def _reopen(self, *, first: bool = False) -> None:
        """Schedule the first beat of the next open stretch; between sessions the price gaps."""
        found = next(self._stretches, None)
        if found is None:
            self.due = None
            return
        opens, self._close = found
        self.due = opens + int(self._rng.random() * SECOND / self._density.quotes)
        if not first:
            self._previous = opens
            self._minute_end = opens
            self._gapped = True
            self._fair += self._rng.gauss(0.0, 2.0 * self._measures.minute)
