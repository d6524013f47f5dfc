"""A recorded market in CSV, plain or gzipped.

Two column sets, told apart by the header, each with an optional last column `symbol`:
`ts_event_ns,kind,price,size,aggressor,bid,bid_size,ask,ask_size` (each trade and each change of the touch) and
`timestamp_utc,open,high,low,close,volume` (one-minute bars stamped at their open).
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn

from bot.model.errors import BadField, BadNumber
from bot.model.market import MinuteBar
from bot.model.quantities import Ticks, TickSize, TsNs
from bot.model.times import MINUTE, parse_ts
from bot.paper.market.feed import BUY, SELL
from bot.paper.market.symbols import Symbols
from bot.paper.market.tape_rows import TapeBar, TapeError, TapeQuote, TapeRow, TapeTrade, refuse

EVENT_COLUMNS: Final = (
    "ts_event_ns", "kind", "price", "size", "aggressor", "bid", "bid_size", "ask", "ask_size",
)  # fmt: skip
BAR_COLUMNS: Final = ("timestamp_utc", "open", "high", "low", "close", "volume")
_SYMBOL: Final = "symbol"
_AGGRESSORS: Final = {"B": BUY, "A": SELL, "N": None}


class CsvTape:
    """One file. Without a `symbol` column its rows are the front month of the wanted root."""

    def __init__(self, path: Path, symbols: Symbols) -> None:
        self.path, self._symbols = path, symbols

    def rows(self) -> Iterator[TapeRow]:
        path = self.path
        try:
            with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as file:
                yield from self._read(csv.reader(file, strict=True))
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as problem:
            raise TapeError(
                f"tape {path}", expected="a readable CSV or CSV.gz file", seen=str(problem)
            ) from problem

    def _read(self, lines: Iterator[list[str]]) -> Iterator[TapeRow]:
        header = tuple(next(lines, ()))
        named = header[-1:] == (_SYMBOL,)
        columns = header[:-1] if named else header
        if columns not in (EVENT_COLUMNS, BAR_COLUMNS):
            self._refuse(1, f"{','.join(EVENT_COLUMNS)} or {','.join(BAR_COLUMNS)}, and symbol or not", ",".join(header))  # fmt: skip
        if not named and self._symbols.root is None:
            self._refuse(1, "a symbol column, or the tape given as ROOT=file", ",".join(header))
        line = 1
        clock: dict[str, int] = {}
        for line, row in enumerate(lines, 2):
            if len(row) != len(header):
                self._refuse(line, f"{len(header)} columns", f"{len(row)}: {','.join(row)}")
            if columns == EVENT_COLUMNS:
                ts = self._count(line, "ts_event_ns", row[0], 1)
                if ts < clock.get("", 0):
                    self._refuse(line, f"ts_event_ns of at least {clock['']}", row[0])
                clock[""] = ts
            else:
                ts = self._minute(line, row[0])
            contract = self._symbols.find(row[-1] if named else "", ts)
            if contract is None:
                continue
            tick = self._symbols.instrument(contract).tick
            if columns == EVENT_COLUMNS:
                yield self._event(line, row, ts, contract, tick)
                continue
            if ts <= clock.get(contract, 0) or ts < clock.get("", 0):
                self._refuse(line, "a whole minute later than the row before", row[0])
            clock[contract] = clock[""] = ts
            yield TapeBar(contract, ts, self._bar(line, row, ts, tick))
        if line == 1:
            self._refuse(2, "at least one row", "the end of the file")

    def _event(self, line: int, row: list[str], ts: int, contract: str, tick: TickSize) -> TapeRow:
        if row[1] == "trade":
            if row[4] not in _AGGRESSORS:
                self._refuse(line, "aggressor B, A or N", row[4])
            price = self._price(line, "price", row[2], tick)
            return TapeTrade(contract, ts, price, self._count(line, "size", row[3], 1), _AGGRESSORS[row[4]])
        if row[1] != "quote":
            self._refuse(line, "kind trade or quote", row[1])
        bid, ask = self._price(line, "bid", row[5], tick), self._price(line, "ask", row[7], tick)
        if bid >= ask:
            self._refuse(line, "bid below ask", f"{row[5]} and {row[7]}")
        bid_size, ask_size = (self._count(line, EVENT_COLUMNS[i], row[i], 0) for i in (6, 8))
        return TapeQuote(contract, ts, bid, bid_size, ask, ask_size)

    def _minute(self, line: int, text: str) -> int:
        try:
            start = parse_ts(text)
        except BadField:
            self._refuse(line, "timestamp_utc such as 2024-01-01 23:01:00", text)
        if start % MINUTE:
            self._refuse(line, "a whole minute later than the row before", text)
        return start

    def _bar(self, line: int, row: list[str], start: int, tick: TickSize) -> MinuteBar:
        first, high, low, last = (self._price(line, BAR_COLUMNS[i], row[i], tick) for i in range(1, 5))
        if not low <= min(first, last) <= max(first, last) <= high:
            self._refuse(line, "low <= open, close <= high", ",".join(row[1:5]))
        return MinuteBar(TsNs(start), first, high, low, last, self._count(line, "volume", row[5], 0))

    def _price(self, line: int, column: str, text: str, tick: TickSize) -> Ticks:
        try:
            price, on_grid = tick.parse(text)
        except BadNumber:
            self._refuse(line, f"a decimal {column}", text)
        if not on_grid:
            self._refuse(line, f"{column} on the grid of {tick.num}/{tick.den}", text)
        return price

    def _count(self, line: int, column: str, text: str, least: int) -> int:
        if not (text.isascii() and text.isdigit()) or int(text) < least:
            self._refuse(line, f"{column} as a whole number of at least {least}", text)
        return int(text)

    def _refuse(self, line: int, expected: str, seen: str) -> NoReturn:
        refuse(self.path, f"line {line}", expected, seen)
