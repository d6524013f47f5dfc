"""Trade prints to bars in all timeframes, the authority (strategies.md §6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.calendar.sessions import SessionCalendar
from bot.calendar.timeframes import Timeframe, parse_timeframe, timeframe_of
from bot.legacy.market_data.frames import Frame, SymbolBars
from bot.model.bar_state import NEVER, QUOTES, TRADES, BuilderState, SymbolState, decode, digest, encode
from bot.model.errors import BadField, BadTimeframe, StoreCorrupt
from bot.model.market import Bar, Trade
from bot.model.quantities import Ticks, TsNs

MILLISECOND_NS = 1_000_000


class PythonBarBuilder:
    """Builds bars of any number of contracts; each has at least `timeframes`.

    `close_grace_ms` is how far a timer keeps the clocks behind the wall, `max_future_ms` how far an event
    time may lie beyond its arrival. Raises BadTimeframe.
    """

    def __init__(
        self,
        timeframes: Sequence[str],
        calendar: SessionCalendar,
        close_grace_ms: int = 500,
        max_future_ms: int = 5000,
    ) -> None:
        self._calendar = calendar
        self._timeframes = sorted({parse_timeframe(text) for text in timeframes}, key=_seconds)
        self._close_grace = close_grace_ms * MILLISECOND_NS
        self._max_future = max_future_ms * MILLISECOND_NS
        self._timer = NEVER
        self._symbols: dict[str, SymbolBars] = {}

    def on_trade(self, trade: Trade) -> list[Bar]:
        """Bars that became final, in order of end, then of length."""
        bars = self._symbols.get(trade.contract_id)
        if bars is None:
            bars = self._symbol(trade.contract_id)
        price, size, ts = trade.price, trade.size, trade.ts
        if price is None or size is None or size <= 0:
            bars.bad += 1
            return []
        if ts is None:
            ts = trade.received
        elif ts > trade.received + self._max_future:
            bars.future += 1
            return []
        if bars.window_start <= ts < bars.window_end:
            if price > bars.high:
                bars.high = price
            if price < bars.low:
                bars.low = price
            if ts >= bars.close_ts:
                bars.close_ts, bars.close = ts, price
            if ts < bars.open_ts:
                bars.open_ts, bars.open = ts, price
            bars.volume += size
            bars.ticks += 1
            return []
        return self._trade(bars, ts, price, size)

    def on_trades(self, trades: Sequence[Trade]) -> list[Bar]:
        """The same for several trades in order."""
        finals: list[Bar] = []
        on_trade = self.on_trade
        for trade in trades:
            closed = on_trade(trade)
            if closed:
                finals += closed
        return finals

    def on_columns(
        self, contract_id: str, prices: object, sizes: object, ts: object, received: object
    ) -> list[Bar]:
        """Trades of one contract in four int64 buffers of equal length, none of whose values is missing.

        Raises BadField for other buffers.
        """
        columns = [_int64(column) for column in (prices, sizes, ts, received)]
        if len({len(column) for column in columns}) != 1:
            raise BadField("columns", expected="equal lengths", seen=[len(column) for column in columns])
        bars = self._symbol(contract_id)
        finals: list[Bar] = []
        max_future = self._max_future
        for price, size, event, arrival in zip(*columns, strict=True):
            if size <= 0:
                bars.bad += 1
            elif event > arrival + max_future:
                bars.future += 1
            elif bars.window_start <= event < bars.window_end:
                if price > bars.high:
                    bars.high = price
                if price < bars.low:
                    bars.low = price
                if event >= bars.close_ts:
                    bars.close_ts, bars.close = event, price
                if event < bars.open_ts:
                    bars.open_ts, bars.open = event, price
                bars.volume += size
                bars.ticks += 1
            else:
                finals += self._trade(bars, event, price, size)
        return finals

    def on_quote(self, contract_id: str, last: Ticks | None, ts: TsNs | None, received: TsNs) -> list[Bar]:
        """A quote's last price; a tick of size 0 in quote mode when it changed, else nothing."""
        bars = self._symbol(contract_id)
        if not bars.quotes or last is None or last == bars.last_quote:
            return []
        if ts is None:
            ts = received
        elif ts > received + self._max_future:
            bars.future += 1
            return []
        bars.last_quote = last
        return bars.tick(ts, last, 0, QUOTES)

    def on_timer(self, wall: TsNs) -> list[Bar]:
        """Move all clocks to `wall - close_grace`; contracts in byte order."""
        if wall <= self._timer:
            return []
        self._timer = wall
        clock = wall - self._close_grace
        finals: list[Bar] = []
        for bars in self._symbols.values():
            if clock >= bars.next_end:
                finals += bars.advance(clock)
            elif clock > bars.clock:
                bars.clock = clock
        return finals

    def set_mode(self, contract_id: str, mode: str) -> None:
        """`trades` or `quotes`. Raises BadField."""
        if mode not in ("trades", "quotes"):
            raise BadField("mode", expected="trades or quotes", seen=mode)
        self._set_quotes(self._symbol(contract_id), mode == "quotes")

    def feed_up(self, contract_id: str, ts: TsNs) -> None:
        """The feed is connected and subscribed as of `ts`; bars that are open now stay incomplete."""
        bars = self._symbol(contract_id)
        bars.mark_incomplete()
        bars.up_since = ts

    def feed_down(self, contract_id: str, ts: TsNs) -> None:  # noqa: ARG002 - the loss counts, not its time
        """The feed is lost as of `ts`; bars that are open now are incomplete."""
        bars = self._symbol(contract_id)
        bars.mark_incomplete()
        bars.up_since = NEVER

    def subscribe(self, contract_id: str, timeframe: str, ts: TsNs) -> None:
        """Add a timeframe to one contract; one that it already has stays as it is. Raises BadTimeframe."""
        added = parse_timeframe(timeframe)
        bars = self._symbol(contract_id)
        if any(frame.timeframe == added for frame in bars.frames):
            return
        bars.fold()
        bars.frames.append(Frame(added, ts))
        bars.frames.sort(key=lambda frame: frame.timeframe.seconds)
        bars.reopen()

    def forming(self, contract_id: str) -> list[Bar]:
        """The open bars, shortest timeframe first, `final` false."""
        bars = self._symbols.get(contract_id)
        return [] if bars is None else bars.forming()

    def counters(self) -> dict[str, dict[str, Any]]:
        """Per contract in byte order `{late: {timeframe: n}, future: n, bad: n}`; only late counts above 0."""
        return {
            name: {
                "late": {frame.timeframe.text: frame.late for frame in bars.frames if frame.late},
                "future": bars.future,
                "bad": bars.bad,
            }
            for name, bars in self._symbols.items()
        }

    def snapshot(self) -> bytes:
        """The whole state in the layout of `bot.model.bar_state`."""
        return encode(
            BuilderState(
                self._close_grace,
                self._max_future,
                [timeframe.seconds for timeframe in self._timeframes],
                self._timer,
                [bars.state() for bars in self._symbols.values()],
            )
        )

    def restore(self, state: bytes) -> None:
        """Become the state of `snapshot`, configuration included. Raises StoreCorrupt, changing nothing."""
        read = decode(state)
        try:
            timeframes = [timeframe_of(seconds) for seconds in read.seconds]
            symbols = {symbol.contract_id: self._restored(symbol) for symbol in read.symbols}
        except BadTimeframe as problem:
            raise StoreCorrupt(
                "bar builder snapshot", expected="legal timeframes", seen=str(problem)
            ) from problem
        self._close_grace, self._max_future, self._timer = read.close_grace, read.max_future, read.timer
        self._timeframes, self._symbols = timeframes, symbols

    def digest(self) -> int:
        """BLAKE2b-64 of the snapshot."""
        return digest(self.snapshot())

    def quiet(self) -> bool:
        """Always true: each call is a whole unit of work."""
        return True

    def _trade(self, bars: SymbolBars, ts: int, price: int, size: int) -> list[Bar]:
        if bars.quotes:
            self._set_quotes(bars, quotes=False)
        return bars.tick(ts, price, size, TRADES)

    def _set_quotes(self, bars: SymbolBars, quotes: bool) -> None:
        bars.fold()
        bars.quotes = quotes
        bars.frame_window()

    def _symbol(self, contract_id: str) -> SymbolBars:
        bars = self._symbols.get(contract_id)
        if bars is None:
            bars = SymbolBars(contract_id, self._calendar, self._timeframes)
            bars.frame_window()
            if self._timer != NEVER:
                bars.advance(self._timer - self._close_grace)
            self._symbols[contract_id] = bars
            self._symbols = dict(sorted(self._symbols.items()))
        return bars

    def _restored(self, state: SymbolState) -> SymbolBars:
        bars = SymbolBars(state.contract_id, self._calendar, [])
        for each in state.frames:
            frame = Frame(timeframe_of(each.seconds), each.registered)
            frame.late, frame.bar = each.late, each.bar
            bars.frames.append(frame)
        bars.clock, bars.quotes, bars.last_quote = state.clock, state.quotes, state.last_quote
        bars.up_since, bars.future, bars.bad = state.up_since, state.future, state.bad
        bars.reopen()
        if any(f.bar and (f.bar.start, f.bar.end) != (f.start, f.end) for f in bars.frames):
            raise StoreCorrupt(
                "bar builder snapshot", expected="open bars of the clock's buckets", seen=bars.clock
            )
        return bars


def _int64(column: object) -> memoryview:
    try:
        view = memoryview(column)  # type: ignore[arg-type]
    except TypeError as problem:
        raise BadField("column", expected="a buffer of int64", seen=type(column).__name__) from problem
    if view.format not in ("q", "l") or view.itemsize != 8 or view.ndim != 1:
        raise BadField("column", expected="a buffer of int64", seen=view.format)
    return view


def _seconds(timeframe: Timeframe) -> int:
    return timeframe.seconds
