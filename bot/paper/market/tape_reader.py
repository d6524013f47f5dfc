"""Reads a recorded market from CSV, plain or gzipped, and refuses it as a whole when a row is wrong.

Two column sets, told apart by the header:
`ts_event_ns,kind,price,size,aggressor,bid,bid_size,ask,ask_size` (each trade and each change of the touch) and
`timestamp_utc,open,high,low,close,volume` (one-minute bars stamped at their open).
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from bot.model.errors import BadField, BadNumber, BotError
from bot.model.market import MinuteBar
from bot.model.quantities import Ticks, TickSize
from bot.model.times import MINUTE, parse_ts
from bot.paper.market.feed import BUY, SELL

EVENT_COLUMNS: Final = (
    "ts_event_ns", "kind", "price", "size", "aggressor", "bid", "bid_size", "ask", "ask_size",
)  # fmt: skip
BAR_COLUMNS: Final = ("timestamp_utc", "open", "high", "low", "close", "volume")
_AGGRESSORS: Final = {"B": BUY, "A": SELL, "N": None}


class TapeError(BotError):
    """A tape that cannot be played; nothing of it was used."""

    code = "BAD_TAPE"
    exit_code = 3


class TapeTrade(msgspec.Struct, frozen=True, gc=False):
    """One recorded trade; `aggressor` is 0 buy, 1 sell or None."""

    ts: int
    price: Ticks
    size: int
    aggressor: int | None


class TapeQuote(msgspec.Struct, frozen=True, gc=False):
    """One recorded touch."""

    ts: int
    bid: Ticks
    bid_size: int
    ask: Ticks
    ask_size: int


class Tape(msgspec.Struct, frozen=True):
    """All rows of a file in order of time: either `events` or `bars` is filled."""

    events: Sequence[TapeTrade | TapeQuote] = ()
    bars: Sequence[MinuteBar] = ()


def read_tape(path: Path, tick: TickSize) -> Tape:
    """Read and check the whole file. Raises TapeError naming file, line, expected and seen."""
    try:
        with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as file:
            rows = csv.reader(file, strict=True)
            header = tuple(next(rows, ()))
            if header == EVENT_COLUMNS:
                tape = Tape(events=list(_events(path, rows, tick)))
            elif header == BAR_COLUMNS:
                tape = Tape(bars=list(_bars(path, rows, tick)))
            else:
                _refuse(path, 1, f"{','.join(EVENT_COLUMNS)} or {','.join(BAR_COLUMNS)}", ",".join(header))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as problem:
        raise TapeError(
            f"tape {path}", expected="a readable CSV or CSV.gz file", seen=str(problem)
        ) from problem
    if not (tape.events or tape.bars):
        _refuse(path, 2, "at least one row", "the end of the file")
    return tape


def _events(path: Path, rows: Iterator[list[str]], tick: TickSize) -> Iterator[TapeTrade | TapeQuote]:
    earlier = 0
    for line, row in enumerate(rows, 2):
        if len(row) != len(EVENT_COLUMNS):
            _refuse(path, line, f"{len(EVENT_COLUMNS)} columns", f"{len(row)}: {','.join(row)}")
        ts = _count(path, line, "ts_event_ns", row[0], 1)
        if ts < earlier:
            _refuse(path, line, f"ts_event_ns of at least {earlier}", row[0])
        earlier = ts
        if row[1] == "trade":
            if row[4] not in _AGGRESSORS:
                _refuse(path, line, "aggressor B, A or N", row[4])
            price = _price(path, line, "price", row[2], tick)
            yield TapeTrade(ts, price, _count(path, line, "size", row[3], 1), _AGGRESSORS[row[4]])
        elif row[1] == "quote":
            bid, ask = _price(path, line, "bid", row[5], tick), _price(path, line, "ask", row[7], tick)
            if bid >= ask:
                _refuse(path, line, "bid below ask", f"{row[5]} and {row[7]}")
            sizes = [_count(path, line, EVENT_COLUMNS[i], row[i], 0) for i in (6, 8)]
            yield TapeQuote(ts, bid, sizes[0], ask, sizes[1])
        else:
            _refuse(path, line, "kind trade or quote", row[1])


def _bars(path: Path, rows: Iterator[list[str]], tick: TickSize) -> Iterator[MinuteBar]:
    earlier = 0
    for line, row in enumerate(rows, 2):
        if len(row) != len(BAR_COLUMNS):
            _refuse(path, line, f"{len(BAR_COLUMNS)} columns", f"{len(row)}: {','.join(row)}")
        try:
            start = parse_ts(row[0])
        except BadField:
            _refuse(path, line, "timestamp_utc such as 2024-01-01 23:01:00", row[0])
        if start % MINUTE or start <= earlier:
            _refuse(path, line, "a whole minute later than the row before", row[0])
        earlier = start
        first, high, low, last = (_price(path, line, BAR_COLUMNS[i], row[i], tick) for i in range(1, 5))
        if not low <= min(first, last) <= max(first, last) <= high:
            _refuse(path, line, "low <= open, close <= high", ",".join(row[1:5]))
        yield MinuteBar(start, first, high, low, last, _count(path, line, "volume", row[5], 0))


def _price(path: Path, line: int, column: str, text: str, tick: TickSize) -> Ticks:
    try:
        price, on_grid = tick.parse(text)
    except BadNumber:
        _refuse(path, line, f"a decimal {column}", text)
    if not on_grid:
        _refuse(path, line, f"{column} on the grid of {tick.num}/{tick.den}", text)
    return price


def _count(path: Path, line: int, column: str, text: str, least: int) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        _refuse(path, line, f"{column} as a whole number of at least {least}", text)
    return int(text)


def _refuse(path: Path, line: int, expected: str, seen: str) -> NoReturn:
    raise TapeError(
        f"tape {path}, line {line}", expected=expected, seen=seen, do="correct or replace the tape"
    )
