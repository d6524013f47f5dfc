"""One contract's open bars in all its timeframes, and the ticks waiting to be folded into them.

At any clock exactly one bucket per timeframe is open. Ticks inside the intersection of these buckets
(the window) belong to all of them, so they are gathered once, in `pending`, and folded into the bars
only when something else happens. The result is that of adding each tick to each bar: high, low,
volume and count do not depend on order, and open and close carry the event time that decides them.
"""

from __future__ import annotations

from bot.calendar.sessions import SessionCalendar
from bot.calendar.timeframes import Timeframe, bucket
from bot.model.bar_state import NEVER, SOURCES, TRADES, FrameState, OpenBar, SymbolState
from bot.model.market import Bar
from bot.model.quantities import Ticks, TsNs

_MAX = 2**63 - 1


class Frame:
    """The open bucket `[start, end)` of one timeframe and its bar, if it has one."""

    __slots__ = ("bar", "end", "late", "registered", "start", "timeframe")

    def __init__(self, timeframe: Timeframe, registered: int = NEVER) -> None:
        self.timeframe = timeframe
        self.registered = registered
        self.late = 0
        self.start = self.end = NEVER
        self.bar: OpenBar | None = None


class SymbolBars:
    """The state of one contract (strategies.md §6.3 to §6.6); `contract_id` names it in its bars."""

    __slots__ = (
        "bad", "calendar", "clock", "close", "close_ts", "contract_id", "frames", "future", "high",
        "last_quote", "low", "next_end", "open", "open_ts", "quotes", "ticks", "up_since", "volume",
        "window_end", "window_start",
    )  # fmt: skip

    def __init__(self, contract_id: str, calendar: SessionCalendar, timeframes: list[Timeframe]) -> None:
        self.contract_id = contract_id
        self.calendar = calendar
        self.frames = [Frame(timeframe) for timeframe in timeframes]
        self.clock = self.up_since = NEVER
        self.next_end = self.window_start = self.window_end = NEVER
        self.quotes = False
        self.last_quote: int | None = None
        self.future = self.bad = 0
        self._clear()

    def advance(self, t: int) -> list[Bar]:
        """Move the clock to `t` if that is later; the bars whose end it reached, by end, then length."""
        self.fold()
        if t <= self.clock:
            return []
        self.clock = t
        if t < self.next_end:
            return []
        closed = []
        for frame in self.frames:
            if frame.end <= t:
                if frame.bar is not None:
                    closed.append((frame.bar.end, frame))
                frame.start, frame.end = bucket(self.calendar, frame.timeframe, t)
        self.frame_window()
        if len(closed) > 1:
            closed.sort(key=_end)
        finals = []
        for _, frame in closed:
            assert frame.bar is not None
            finals.append(self._published(frame, frame.bar, final=True))
            frame.bar = None
        return finals

    def tick(self, ts: int, price: int, size: int, source: int) -> list[Bar]:
        """Add one accepted tick to every timeframe whose bucket for it is still open."""
        finals = self.advance(ts)
        if self.window_start <= ts < self.window_end:
            self.open_ts = self.close_ts = ts
            self.open = self.high = self.low = self.close = price
            self.volume, self.ticks = size, 1
            return finals
        for frame in self.frames:
            if ts < frame.start and not self._in_gap(frame, ts):
                frame.late += 1
            else:
                self._merge(frame, ts, price, price, price, ts, price, size, 1, source)
        return finals

    def fold(self) -> None:
        """Move the pending ticks into the bars of all timeframes."""
        if not self.ticks:
            return
        for frame in self.frames:
            self._merge(
                frame,
                self.open_ts,
                self.open,
                self.high,
                self.low,
                self.close_ts,
                self.close,
                self.volume,
                self.ticks,
                TRADES,
            )
        self.clock = max(self.clock, self.close_ts)
        self._clear()

    def frame_window(self) -> None:
        """Recompute where ticks belong to all open buckets; closed to trades in quote mode."""
        self.next_end = min((frame.end for frame in self.frames), default=_MAX)
        if self.quotes:
            self.window_start = self.window_end = NEVER
        else:
            self.window_start = max((frame.start for frame in self.frames), default=NEVER)
            self.window_end = self.next_end

    def reopen(self) -> None:
        """Find the open buckets of the present clock, after a restore or a new timeframe."""
        if self.clock != NEVER:
            for frame in self.frames:
                frame.start, frame.end = bucket(self.calendar, frame.timeframe, self.clock)
        self.frame_window()

    def mark_incomplete(self) -> None:
        """The feed came or went: no open bar is complete."""
        self.fold()
        for frame in self.frames:
            if frame.bar is not None:
                frame.bar.complete = False

    def forming(self) -> list[Bar]:
        """The open bars, shortest timeframe first."""
        self.fold()
        return [self._published(frame, frame.bar, final=False) for frame in self.frames if frame.bar]

    def state(self) -> SymbolState:
        """The canonical state."""
        self.fold()
        frames = [FrameState(f.timeframe.seconds, f.registered, f.late, f.bar) for f in self.frames]
        return SymbolState(
            self.contract_id,
            self.clock,
            self.quotes,
            self.last_quote,
            self.up_since,
            self.future,
            self.bad,
            frames,
        )

    def _merge(
        self,
        frame: Frame,
        open_ts: int,
        open_: int,
        high: int,
        low: int,
        close_ts: int,
        close: int,
        volume: int,
        ticks: int,
        source: int,
    ) -> None:
        bar = frame.bar
        if bar is None:
            complete = NEVER < self.up_since <= frame.start >= frame.registered
            frame.bar = OpenBar(
                frame.start,
                frame.end,
                open_,
                high,
                low,
                close,
                open_ts,
                close_ts,
                volume,
                ticks,
                complete,
                source,
            )
            return
        if open_ts < bar.open_ts:
            bar.open_ts, bar.open = open_ts, open_
        if close_ts >= bar.close_ts:
            bar.close_ts, bar.close = close_ts, close
        if high > bar.high:
            bar.high = high
        if low < bar.low:
            bar.low = low
        bar.volume += volume
        bar.ticks += ticks
        bar.sources |= source

    def _in_gap(self, frame: Frame, ts: int) -> bool:
        """Before its nominal start a session bucket also owns the closed time that precedes it."""
        return frame.timeframe.session_bound and bucket(self.calendar, frame.timeframe, ts)[1] > self.clock

    def _published(self, frame: Frame, bar: OpenBar, *, final: bool) -> Bar:
        return Bar(
            self.contract_id,
            frame.timeframe.text,
            TsNs(bar.start),
            TsNs(bar.end),
            Ticks(bar.open),
            Ticks(bar.high),
            Ticks(bar.low),
            Ticks(bar.close),
            bar.volume,
            bar.ticks,
            final,
            bar.complete,
            SOURCES[bar.sources],
        )

    def _clear(self) -> None:
        self.open_ts, self.close_ts = _MAX, NEVER
        self.high, self.low = NEVER, _MAX
        self.open = self.close = self.volume = self.ticks = 0


def _end(closed: tuple[int, Frame]) -> int:
    return closed[0]
