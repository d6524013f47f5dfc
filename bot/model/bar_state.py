"""The state of a bar builder and its canonical layout, the same bytes from every implementation.

All integers are little-endian; `i64` times are ns UTC, NEVER (-2**63) stands for "not yet".

    magic        8 bytes   b"TBBARS\\0\\1"
    config       i64 close_grace_ns, i64 max_future_ns, u32 n, n x u32 seconds of the default timeframes
    timer        i64 last timer
    symbols      u32 n, then per contract in byte order of its id:
      id         u32 length, UTF-8
      feed       i64 clock, u8 mode (0 trades, 1 quotes), u8 has last quote, i64 last quote or 0,
                 i64 up since or NEVER, u64 future, u64 bad
      frames     u32 n, then per timeframe, shortest first:
        frame    u32 seconds, i64 registered or NEVER, u64 late, u8 has an open bar
        bar      i64 start, end, open, high, low, close, open_ts, close_ts, volume, u64 ticks,
                 u8 complete, u8 sources (1 trades, 2 quotes, 3 both)
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct, error
from typing import Any, Final

import msgspec

from bot.model.errors import StoreCorrupt
from bot.model.market import BarSource

NEVER: Final = -(2**63)
TRADES: Final = 1
QUOTES: Final = 2
SOURCES: Final[tuple[BarSource, ...]] = ("trades", "trades", "quotes", "mixed")
_MAGIC: Final = b"TBBARS\0\1"
_U32: Final = Struct("<I")
_CONFIG: Final = Struct("<qqI")
_TIMER: Final = Struct("<qI")
_FEED: Final = Struct("<qBBqqQQI")
_FRAME: Final = Struct("<IqQB")
_BAR: Final = Struct("<9qQBB")


class OpenBar(msgspec.Struct):
    """A bar that still takes ticks. `open_ts` and `close_ts` are the event times of its first and last."""

    start: int
    end: int
    open: int
    high: int
    low: int
    close: int
    open_ts: int
    close_ts: int
    volume: int
    ticks: int
    complete: bool
    sources: int


class FrameState(msgspec.Struct):
    """One timeframe of one contract."""

    seconds: int
    registered: int
    late: int
    bar: OpenBar | None


class SymbolState(msgspec.Struct):
    """One contract."""

    contract_id: str
    clock: int
    quotes: bool
    last_quote: int | None
    up_since: int
    future: int
    bad: int
    frames: list[FrameState]


class BuilderState(msgspec.Struct):
    """The whole builder; `symbols` in byte order of their ids."""

    close_grace: int
    max_future: int
    seconds: list[int]
    timer: int
    symbols: list[SymbolState]


def digest(snapshot: bytes) -> int:
    """BLAKE2b with an 8-byte digest, read as a little-endian integer."""
    return int.from_bytes(blake2b(snapshot, digest_size=8).digest(), "little")


def encode(state: BuilderState) -> bytes:
    """The canonical bytes of a state."""
    parts = [_MAGIC, _CONFIG.pack(state.close_grace, state.max_future, len(state.seconds))]
    parts += [_U32.pack(seconds) for seconds in state.seconds]
    parts.append(_TIMER.pack(state.timer, len(state.symbols)))
    for symbol in state.symbols:
        name = symbol.contract_id.encode()
        parts += [
            _U32.pack(len(name)),
            name,
            _FEED.pack(
                symbol.clock,
                symbol.quotes,
                symbol.last_quote is not None,
                symbol.last_quote or 0,
                symbol.up_since,
                symbol.future,
                symbol.bad,
                len(symbol.frames),
            ),
        ]
        for frame in symbol.frames:
            parts.append(_FRAME.pack(frame.seconds, frame.registered, frame.late, frame.bar is not None))
            if frame.bar is not None:
                parts.append(_BAR.pack(*msgspec.structs.astuple(frame.bar)))
    return b"".join(parts)


def decode(snapshot: bytes) -> BuilderState:
    """The state of canonical bytes. Raises StoreCorrupt for anything that `encode` cannot have made."""
    try:
        state = _Reader(snapshot).builder()
        sound = encode(state) == snapshot
    except (error, UnicodeDecodeError, ValueError, IndexError) as problem:
        raise _corrupt(str(problem)) from problem
    ids = [symbol.contract_id.encode() for symbol in state.symbols]
    lengths = [state.seconds, *([frame.seconds for frame in symbol.frames] for symbol in state.symbols)]
    if not sound or sorted(set(ids)) != ids or any(sorted(set(each)) != each for each in lengths):
        raise _corrupt("other bytes")
    return state


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def builder(self) -> BuilderState:
        if self._bytes(len(_MAGIC)) != _MAGIC:
            raise ValueError("another magic")
        grace, future, count = self._unpack(_CONFIG)
        seconds = [self._unpack(_U32)[0] for _ in range(count)]
        timer, count = self._unpack(_TIMER)
        state = BuilderState(grace, future, seconds, timer, [self._symbol() for _ in range(count)])
        if self._at != len(self._data):
            raise ValueError("bytes after the end")
        return state

    def _symbol(self) -> SymbolState:
        name = self._bytes(self._unpack(_U32)[0]).decode()
        clock, quotes, has_quote, quote, up, future, bad, count = self._unpack(_FEED)
        last = quote if has_quote else None
        frames = [self._frame() for _ in range(count)]
        return SymbolState(name, clock, bool(quotes), last, up, future, bad, frames)

    def _frame(self) -> FrameState:
        seconds, registered, late, has_bar = self._unpack(_FRAME)
        return FrameState(seconds, registered, late, self._bar() if has_bar else None)

    def _bar(self) -> OpenBar:
        values: tuple[Any, ...] = self._unpack(_BAR)
        bar = OpenBar(*values)
        bar.complete = bool(bar.complete)
        if not TRADES <= bar.sources <= TRADES | QUOTES:
            raise ValueError("sources outside 1 to 3")
        if bar.ticks == 0:
            raise ValueError("a bar without ticks")
        return bar

    def _unpack(self, layout: Struct) -> tuple[int, ...]:
        values = layout.unpack_from(self._data, self._at)
        self._at += layout.size
        return values

    def _bytes(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise ValueError("too short")
        self._at += count
        return taken


def _corrupt(seen: str) -> StoreCorrupt:
    return StoreCorrupt(
        "bar builder snapshot",
        expected="the layout of bot.model.bar_state",
        seen=seen,
        do="start from history",
    )
