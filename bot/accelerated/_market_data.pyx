# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: binding=False
"""Bars built by compiled Python, after `bot/legacy/market_data`; see there for why ticks wait in a window."""

from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

cimport cython

from bot.accelerated._slots cimport exact_integer, is_exact, slot, slot_offset, slotted

from bot.calendar.timeframes import bucket as bucket_of
from bot.calendar.timeframes import parse_timeframe, timeframe_of
from bot.model.bar_state import SOURCES, BuilderState, FrameState, OpenBar, SymbolState, decode, digest, encode
from bot.model.errors import BadField, BadNumber, BadTimeframe, CoreFailure, StoreCorrupt, Unsorted
from bot.model.market import Bar, ConvertedBar, MinuteBar, Trade

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object, int*) except? -1
    Py_ssize_t Py_REFCNT(PyObject*)
    bint PyUnicode_CheckExact(PyObject*)

cdef extern from *:
    bint __builtin_add_overflow(int64_t, int64_t, int64_t*) noexcept

ctypedef const int64_t[::1] Column

cdef enum:
    TRADES = 1
    QUOTES = 2

cdef int64_t NEVER = INT64_MIN


cdef object TRADE = slotted(Trade, ("contract_id", "price", "size", "ts", "received"))
cdef object MINUTE_BAR = slotted(MinuteBar, ("start", "open", "high", "low", "close", "volume"))
cdef Py_ssize_t CONTRACT_ID = slot_offset(Trade, "contract_id")
cdef Py_ssize_t PRICE = slot_offset(Trade, "price")
cdef Py_ssize_t SIZE = slot_offset(Trade, "size")
cdef Py_ssize_t TS = slot_offset(Trade, "ts")
cdef Py_ssize_t RECEIVED = slot_offset(Trade, "received")
cdef Py_ssize_t START = slot_offset(MinuteBar, "start")
cdef Py_ssize_t OPEN = slot_offset(MinuteBar, "open")
cdef Py_ssize_t HIGH = slot_offset(MinuteBar, "high")
cdef Py_ssize_t LOW = slot_offset(MinuteBar, "low")
cdef Py_ssize_t CLOSE = slot_offset(MinuteBar, "close")
cdef Py_ssize_t VOLUME = slot_offset(MinuteBar, "volume")


cdef inline int64_t integer(object value) except? -1:
    cdef int overflow = 0
    cdef int64_t number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow:
        raise BadNumber("number", expected="an integer of 64 bits", seen=value)
    return number


cdef inline int64_t field(object owner, bint exact, Py_ssize_t offset, str name) except? -1:
    """An integer field, from its slot when the owner is of exactly the class of the offset."""
    cdef int64_t value
    if exact and exact_integer(slot(<PyObject*>owner, offset), &value):
        return value
    return integer(getattr(owner, name))


cdef inline bint in_future(int64_t event, int64_t arrival, int64_t max_future) noexcept:
    cdef int64_t latest
    if __builtin_add_overflow(arrival, max_future, &latest):
        latest = INT64_MAX if max_future > 0 else INT64_MIN
    return event > latest


cdef class Frame:
    """The open bucket `[start, end)` of one timeframe and its bar, if `ticks` is above 0."""

    cdef object timeframe
    cdef int64_t length, registered, late, start, end
    cdef int64_t bar_start, bar_end, open, high, low, close, open_ts, close_ts, volume, ticks
    cdef bint complete, session_bound
    cdef int sources

    def __init__(self, timeframe, int64_t registered):
        self.timeframe = timeframe
        self.session_bound = timeframe.session_bound
        self.length = timeframe.seconds * 1_000_000_000
        self.registered = registered
        self.start = self.end = NEVER

    cdef int find(self, object calendar, int64_t t) except -1:
        if self.session_bound:
            self.start, self.end = bucket_of(calendar, self.timeframe, t)
        else:
            self.start = t - t % self.length
            if self.start > t:
                self.start -= self.length
            self.end = self.start + self.length
        return 0

    cdef object published(self, contract_id, bint final):
        return Bar(
            contract_id, self.timeframe.text, self.bar_start, self.bar_end, self.open, self.high, self.low,
            self.close, self.volume, self.ticks, final, self.complete, SOURCES[self.sources],
        )

    cdef object state(self):
        bar = None
        if self.ticks:
            bar = OpenBar(
                self.bar_start, self.bar_end, self.open, self.high, self.low, self.close, self.open_ts,
                self.close_ts, self.volume, self.ticks, self.complete, self.sources,
            )
        return FrameState(self.timeframe.seconds, self.registered, self.late, bar)

    cdef int load(self, object state) except -1:
        self.late = state.late
        bar = state.bar
        if bar is None:
            return 0
        self.bar_start, self.bar_end = bar.start, bar.end
        self.open, self.high, self.low, self.close = bar.open, bar.high, bar.low, bar.close
        self.open_ts, self.close_ts = bar.open_ts, bar.close_ts
        self.volume, self.ticks = bar.volume, bar.ticks
        self.complete, self.sources = bar.complete, bar.sources
        return 0


cdef class Symbol:
    """The state of one contract."""

    cdef object contract_id, calendar, last_quote
    cdef list frames
    cdef int64_t window_start, window_end, next_end, clock, up_since, future, bad
    cdef int64_t open, high, low, close, open_ts, close_ts, volume, ticks
    cdef bint quotes

    def __init__(self, contract_id, calendar, list frames):
        self.contract_id = contract_id
        self.calendar = calendar
        self.frames = frames
        self.clock = self.up_since = NEVER
        self.clear()
        self.frame_window()

    cdef void clear(self) noexcept:
        self.open_ts = self.low = INT64_MAX
        self.close_ts = self.high = NEVER
        self.open = self.close = self.volume = self.ticks = 0

    cdef inline bint gather(self, int64_t ts, int64_t price, int64_t size) noexcept:
        """Keep a tick that belongs to all open buckets; leave another, or one too many to count, alone."""
        cdef int64_t volume
        if not self.window_start <= ts < self.window_end:
            return False
        if __builtin_add_overflow(self.volume, size, &volume):
            return False
        self.volume = volume
        self.ticks += 1
        if price > self.high:
            self.high = price
        if price < self.low:
            self.low = price
        if ts >= self.close_ts:
            self.close_ts = ts
            self.close = price
        if ts < self.open_ts:
            self.open_ts = ts
            self.open = price
        return True

    cdef int advance(self, int64_t t, list finals) except -1:
        cdef Frame frame
        self.fold()
        if t <= self.clock:
            return 0
        self.clock = t
        if t < self.next_end:
            return 0
        closed = []
        for frame in self.frames:
            if frame.end <= t:
                if frame.ticks:
                    closed.append((frame.bar_end, frame.length, frame.published(self.contract_id, True)))
                    frame.ticks = 0
                frame.find(self.calendar, t)
        self.frame_window()
        if len(closed) > 1:
            closed.sort(key=_end_and_length)
        for _, _, bar in closed:
            finals.append(bar)
        return 0

    cdef int tick(self, int64_t ts, int64_t price, int64_t size, int source, list finals) except -1:
        cdef Frame frame
        self.advance(ts, finals)
        if self.gather(ts, price, size):
            return 0
        for frame in self.frames:
            if ts < frame.start and not self.in_gap(frame, ts):
                frame.late += 1
            else:
                self.merge(frame, ts, price, price, price, ts, price, size, 1, source)
        return 0

    cdef int fold(self) except -1:
        cdef Frame frame
        if self.ticks:
            for frame in self.frames:
                self.merge(
                    frame, self.open_ts, self.open, self.high, self.low, self.close_ts, self.close,
                    self.volume, self.ticks, TRADES,
                )
            if self.close_ts > self.clock:
                self.clock = self.close_ts
            self.clear()
        return 0

    cdef inline int merge(
        self, Frame frame, int64_t open_ts, int64_t open_, int64_t high, int64_t low, int64_t close_ts,
        int64_t close, int64_t volume, int64_t ticks, int source,
    ) except -1:
        if not frame.ticks:
            frame.bar_start, frame.bar_end = frame.start, frame.end
            frame.open, frame.high, frame.low, frame.close = open_, high, low, close
            frame.open_ts, frame.close_ts = open_ts, close_ts
            frame.volume, frame.ticks, frame.sources = volume, ticks, source
            frame.complete = NEVER < self.up_since <= frame.start and frame.registered <= frame.start
            return 0
        if __builtin_add_overflow(frame.volume, volume, &volume):
            raise CoreFailure(
                "compiled component", expected="volumes of 64 bits", seen=f"overflow in {self.contract_id}",
                do="restore a snapshot or use another implementation",
            )
        if open_ts < frame.open_ts:
            frame.open_ts = open_ts
            frame.open = open_
        if close_ts >= frame.close_ts:
            frame.close_ts = close_ts
            frame.close = close
        if high > frame.high:
            frame.high = high
        if low < frame.low:
            frame.low = low
        frame.volume = volume
        frame.ticks += ticks
        frame.sources |= source
        return 0

    cdef bint in_gap(self, Frame frame, int64_t ts) except -1:
        return frame.session_bound and bucket_of(self.calendar, frame.timeframe, ts)[1] > self.clock

    cdef int frame_window(self) except -1:
        cdef Frame frame
        cdef int64_t last_start = NEVER
        self.next_end = INT64_MAX
        for frame in self.frames:
            if frame.end < self.next_end:
                self.next_end = frame.end
            if frame.start > last_start:
                last_start = frame.start
        self.window_start = NEVER if self.quotes else last_start
        self.window_end = NEVER if self.quotes else self.next_end
        return 0

    cdef int reopen(self) except -1:
        cdef Frame frame
        if self.clock != NEVER:
            for frame in self.frames:
                frame.find(self.calendar, self.clock)
        return self.frame_window()

    cdef int mark_incomplete(self) except -1:
        cdef Frame frame
        self.fold()
        for frame in self.frames:
            frame.complete = False
        return 0

    cdef int set_quotes(self, bint quotes) except -1:
        self.fold()
        self.quotes = quotes
        return self.frame_window()

    cdef list forming(self):
        cdef Frame frame
        self.fold()
        return [frame.published(self.contract_id, False) for frame in self.frames if frame.ticks]

    cdef object state(self):
        cdef Frame frame
        self.fold()
        return SymbolState(
            self.contract_id, self.clock, self.quotes, self.last_quote, self.up_since, self.future,
            self.bad, [frame.state() for frame in self.frames],
        )


def _end_and_length(closed):
    return closed[:2]


cdef class BarBuilder:
    """Bars built from trades; the contract is that of `bot.ports.BarBuilder`."""

    cdef object calendar
    cdef list timeframes, empty
    cdef int64_t close_grace, max_future, timer
    cdef dict symbols
    cdef str last_id
    cdef Symbol last

    def __init__(self, timeframes, calendar, int64_t close_grace_ms=500, int64_t max_future_ms=5000):
        self.calendar = calendar
        self.timeframes = sorted({parse_timeframe(text) for text in timeframes}, key=_seconds)
        self.close_grace = close_grace_ms * 1_000_000
        self.max_future = max_future_ms * 1_000_000
        self.timer = NEVER
        self.symbols = {}
        self.empty = []

    def on_trade(self, trade, /):
        """Bars that became final, in order of end, then of length."""
        if self.gather(<PyObject*>trade):
            # A list that nobody kept is handed out again: no one can tell it from a new one.
            if Py_REFCNT(<PyObject*>self.empty) != 1 or self.empty:
                self.empty = []
            return self.empty
        finals = []
        self.add(trade, finals)
        return finals

    def on_trades(self, trades):
        """The same for several trades in order."""
        finals = []
        for trade in trades:
            self.add(trade, finals)
        return finals

    def on_columns(self, contract_id, prices, sizes, ts, received):
        """Trades of one contract in four int64 buffers of equal length. Raises BadField for other buffers."""
        cdef Column price, size, event, arrival
        cdef Py_ssize_t i, count
        try:
            price, size, event, arrival = (
                memoryview(prices), memoryview(sizes), memoryview(ts), memoryview(received)
            )
        except (TypeError, ValueError, BufferError) as problem:
            raise BadField("column", expected="a buffer of int64", seen=str(problem)) from problem
        count = price.shape[0]
        if size.shape[0] != count or event.shape[0] != count or arrival.shape[0] != count:
            seen = [count, size.shape[0], event.shape[0], arrival.shape[0]]
            raise BadField("columns", expected="equal lengths", seen=seen)
        cdef Symbol symbol = self.symbol(contract_id)
        finals = []
        for i in range(count):
            if size[i] <= 0:
                symbol.bad += 1
            elif in_future(event[i], arrival[i], self.max_future):
                symbol.future += 1
            elif not symbol.gather(event[i], price[i], size[i]):
                self.trade(symbol, event[i], price[i], size[i], finals)
        return finals

    def on_quote(self, contract_id, last, ts, received):
        """A quote's last price; counts as a tick of size 0 in quote mode only."""
        cdef Symbol symbol = self.symbol(contract_id)
        cdef int64_t event, price, arrival
        if not symbol.quotes or last is None or last == symbol.last_quote:
            return []
        price = integer(last)
        arrival = integer(received)
        event = arrival if ts is None else integer(ts)
        if ts is not None and in_future(event, arrival, self.max_future):
            symbol.future += 1
            return []
        symbol.last_quote = last
        finals = []
        symbol.tick(event, price, 0, QUOTES, finals)
        return finals

    def on_timer(self, int64_t wall):
        """Move all clocks to `wall - close_grace`; contracts in byte order."""
        cdef Symbol symbol
        cdef int64_t clock
        if wall <= self.timer:
            return []
        self.timer = wall
        clock = wall - self.close_grace
        finals = []
        for symbol in self.symbols.values():
            if clock >= symbol.next_end:
                symbol.advance(clock, finals)
            elif clock > symbol.clock:
                symbol.clock = clock
        return finals

    def set_mode(self, contract_id, mode):
        """`trades` or `quotes`. Raises BadField."""
        if mode not in ("trades", "quotes"):
            raise BadField("mode", expected="trades or quotes", seen=mode)
        self.symbol(contract_id).set_quotes(mode == "quotes")

    def feed_up(self, contract_id, int64_t ts):
        """The feed is connected and subscribed as of `ts`."""
        cdef Symbol symbol = self.symbol(contract_id)
        symbol.mark_incomplete()
        symbol.up_since = ts

    def feed_down(self, contract_id, int64_t ts):
        """The feed is lost as of `ts`."""
        cdef Symbol symbol = self.symbol(contract_id)
        symbol.mark_incomplete()
        symbol.up_since = NEVER

    def subscribe(self, contract_id, timeframe, int64_t ts):
        """Add a timeframe to one contract. Raises BadTimeframe."""
        cdef Frame frame
        added = parse_timeframe(timeframe)
        cdef Symbol symbol = self.symbol(contract_id)
        for frame in symbol.frames:
            if frame.timeframe == added:
                return
        symbol.fold()
        symbol.frames.append(Frame(added, ts))
        symbol.frames.sort(key=_length)
        symbol.reopen()

    def forming(self, contract_id):
        """The open bars, shortest timeframe first, `final` false."""
        cdef Symbol symbol = self.symbols.get(contract_id)
        return [] if symbol is None else symbol.forming()

    def counters(self):
        """Per contract in byte order `{late: {timeframe: n}, future: n, bad: n}`."""
        cdef Symbol symbol
        cdef Frame frame
        counts = {}
        for name, symbol in self.symbols.items():
            late = {frame.timeframe.text: frame.late for frame in symbol.frames if frame.late}
            counts[name] = {"late": late, "future": symbol.future, "bad": symbol.bad}
        return counts

    def snapshot(self):
        """The whole state in the layout of `bot.model.bar_state`."""
        cdef Symbol symbol
        seconds = [timeframe.seconds for timeframe in self.timeframes]
        states = [symbol.state() for symbol in self.symbols.values()]
        return encode(BuilderState(self.close_grace, self.max_future, seconds, self.timer, states))

    def restore(self, state):
        """Become the state of `snapshot`, configuration included. Raises StoreCorrupt, changing nothing."""
        read = decode(state)
        try:
            timeframes = [timeframe_of(seconds) for seconds in read.seconds]
            symbols = {symbol.contract_id: self.restored(symbol) for symbol in read.symbols}
        except BadTimeframe as problem:
            raise StoreCorrupt(
                "bar builder snapshot", expected="legal timeframes", seen=str(problem)
            ) from problem
        self.close_grace, self.max_future, self.timer = read.close_grace, read.max_future, read.timer
        self.timeframes, self.symbols = timeframes, symbols
        self.last_id = self.last = None

    def digest(self):
        """BLAKE2b-64 of the snapshot."""
        return digest(self.snapshot())

    def quiet(self):
        """Always true: each call is a whole unit of work."""
        return True

    @cython.final
    cdef inline bint gather(self, PyObject* trade) noexcept:
        """Take the usual print, an exact struct of exact integers that closes nothing; leave any other alone."""
        cdef int64_t price, size, ts, received
        cdef PyObject* contract_id
        cdef PyObject* symbol
        if not is_exact(trade, <PyObject*>TRADE):
            return False
        contract_id = slot(trade, CONTRACT_ID)
        if contract_id is NULL or not PyUnicode_CheckExact(contract_id):
            return False
        if contract_id is <PyObject*>self.last_id or <str>contract_id == self.last_id:
            symbol = <PyObject*>self.last
        else:
            symbol = PyDict_GetItemWithError(self.symbols, <object>contract_id)
        if (
            symbol is NULL
            or not exact_integer(slot(trade, PRICE), &price)
            or not exact_integer(slot(trade, SIZE), &size)
            or not exact_integer(slot(trade, TS), &ts)
            or not exact_integer(slot(trade, RECEIVED), &received)
        ):
            return False
        if size <= 0 or in_future(ts, received, self.max_future):
            return False
        return (<Symbol>symbol).gather(ts, price, size)

    cdef int add(self, object trade, list finals) except -1:
        cdef Symbol symbol
        cdef int64_t ticks, lots, event, arrival
        if self.gather(<PyObject*>trade):
            return 0
        symbol = self.symbol(trade.contract_id)
        price, size, ts = trade.price, trade.size, trade.ts
        if price is None or size is None:
            symbol.bad += 1
            return 0
        ticks, lots, arrival = integer(price), integer(size), integer(trade.received)
        event = arrival if ts is None else integer(ts)
        if lots <= 0:
            symbol.bad += 1
        elif in_future(event, arrival, self.max_future):
            symbol.future += 1
        elif not symbol.gather(event, ticks, lots):
            self.trade(symbol, event, ticks, lots, finals)
        return 0

    cdef int trade(
        self, Symbol symbol, int64_t ts, int64_t price, int64_t size, list finals
    ) except -1:
        if symbol.quotes:
            symbol.set_quotes(False)
        return symbol.tick(ts, price, size, TRADES, finals)

    cdef Symbol symbol(self, object contract_id):
        cdef Symbol symbol = self.symbols.get(contract_id)
        if symbol is None:
            if not isinstance(contract_id, str):
                raise TypeError(f"contract_id: expected a str, got {type(contract_id).__name__}")
            frames = [Frame(timeframe, NEVER) for timeframe in self.timeframes]
            symbol = Symbol(contract_id, self.calendar, frames)
            if self.timer != NEVER:
                symbol.advance(self.timer - self.close_grace, [])
            self.symbols[contract_id] = symbol
            self.symbols = dict(sorted(self.symbols.items()))
        if type(contract_id) is str:
            self.last_id, self.last = contract_id, symbol
        return symbol

    cdef Symbol restored(self, object state):
        cdef Frame frame
        frames = []
        for each in state.frames:
            frame = Frame(timeframe_of(each.seconds), each.registered)
            frame.load(each)
            frames.append(frame)
        cdef Symbol symbol = Symbol(state.contract_id, self.calendar, frames)
        symbol.clock, symbol.quotes, symbol.last_quote = state.clock, state.quotes, state.last_quote
        symbol.up_since, symbol.future, symbol.bad = state.up_since, state.future, state.bad
        symbol.reopen()
        for frame in symbol.frames:
            if frame.ticks and (frame.bar_start != frame.start or frame.bar_end != frame.end):
                raise StoreCorrupt(
                    "bar builder snapshot", expected="open bars of the clock's buckets", seen=symbol.clock
                )
        return symbol


def _seconds(timeframe):
    return timeframe.seconds


def _length(Frame frame):
    return frame.length


cdef class BarConverter:
    """Batch conversion of one-minute bars; the contract is that of `bot.ports.BarConverter`."""

    cdef object calendar

    def __init__(self, calendar):
        self.calendar = calendar

    def __call__(self, bars, timeframe, int64_t start, int64_t end, bint keep_partial=False):
        """Bars of `timeframe`, ascending. Raises BadTimeframe and Unsorted."""
        cdef int64_t previous = NEVER, bucket_start = NEVER, bucket_end = NEVER
        cdef int64_t t, high = 0, low = 0, open_ = 0, close = 0, volume = 0, count = 0, value
        cdef bint exact
        target = parse_timeframe(timeframe)
        if target.seconds % 60:
            raise BadTimeframe("timeframe", expected="whole minutes, the length of the bars", seen=timeframe)
        converted = []
        for bar in bars:
            exact = is_exact(<PyObject*>bar, <PyObject*>MINUTE_BAR)
            t = field(bar, exact, START, "start")
            if t <= previous:
                raise Unsorted("bars", expected="strictly ascending starts", seen=t, do="sort and deduplicate")
            previous = t
            if not start <= t < end:
                continue
            if t >= bucket_end:
                if count and (keep_partial or (start <= bucket_start and bucket_end <= end)):
                    converted.append(
                        ConvertedBar(
                            bucket_start, bucket_end, open_, high, low, close, volume, count,
                            start <= bucket_start and bucket_end <= end,
                        )
                    )
                bucket_start, bucket_end = bucket_of(self.calendar, target, t)
                open_ = field(bar, exact, OPEN, "open")
                high, low, volume, count = NEVER, INT64_MAX, 0, 0
            value = field(bar, exact, HIGH, "high")
            if value > high:
                high = value
            value = field(bar, exact, LOW, "low")
            if value < low:
                low = value
            close = field(bar, exact, CLOSE, "close")
            volume += field(bar, exact, VOLUME, "volume")
            count += 1
        if count and (keep_partial or (start <= bucket_start and bucket_end <= end)):
            converted.append(
                ConvertedBar(
                    bucket_start, bucket_end, open_, high, low, close, volume, count,
                    start <= bucket_start and bucket_end <= end,
                )
            )
        return converted
