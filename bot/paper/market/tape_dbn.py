"""A recorded market in DBN files, plain or zstd: trades, tbbo, mbp-1, mbp-10, mbo and ohlcv-1m.

Rows come at their receive time, the order of such files. A touch that is locked, crossed or one-sided is
left out. Market-by-order records become book levels and touches at the end of each event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from bot.model.market import MinuteBar
from bot.model.quantities import Ticks, TsNs
from bot.model.times import MINUTE, SECOND
from bot.paper.market.feed import ASK_LEVEL, BID_LEVEL, BUY, RESET, SELL
from bot.paper.market.order_book import OrderBook
from bot.paper.market.symbols import Symbols
from bot.paper.market.tape_rows import TapeBar, TapeError, TapeLevel, TapeQuote, TapeRow, TapeTrade, refuse
from bot.paper.market.zstd_frames import is_whole

if TYPE_CHECKING:
    import databento_dbn as dbn

_CHUNK: Final = 1 << 18
_SCHEMAS: Final = ("trades", "tbbo", "mbp-1", "mbp-10", "mbo", "ohlcv-1m")
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
MAGIC: Final = b"DBN"
_AGGRESSORS: Final = {"B": BUY, "A": SELL, "N": None}
_SIDES: Final = {"B": BID_LEVEL, "A": ASK_LEVEL}


def is_dbn(head: bytes, path: Path) -> bool:
    """Whether a file with these first bytes is one; compressed ones are told by their name too."""
    return head.startswith(MAGIC) or (head.startswith(_ZSTD) and ".dbn" in path.suffixes)


class DbnTape:
    """One file of one schema; its instruments are named by the symbols of its head."""

    def __init__(self, path: Path, symbols: Symbols) -> None:
        self.path, self._symbols = path, symbols

    def rows(self) -> Iterator[TapeRow]:
        reading = _Reading(self.path, self._symbols)
        for number, record in enumerate(self._records(), -1):
            if number < 0:
                reading.head(record)
            else:
                reading.number = number + 1
                yield from reading.take(record)
        reading.end()

    def _records(self) -> Iterator[Any]:
        """The head, then all records."""
        try:
            import databento_dbn as dbn
        except ImportError as problem:
            raise TapeError(
                f"tape {self.path}", expected="the package databento-dbn", seen="none",
                do="install it, or play a CSV tape",
            ) from problem  # fmt: skip
        seen = 0
        try:
            with self.path.open("rb") as file:
                packed = file.peek(4)[:4] == _ZSTD
                if packed and not is_whole(file):
                    refuse(self.path, "end", "a whole zstd file", "a file that was cut", "download it again")
                file.seek(0)
                decoder = dbn.DBNDecoder(compression=dbn.Compression("zstd" if packed else "none"))
                chunk = file.read(_CHUNK)
                while chunk:
                    found = decoder.write_and_decode(chunk)
                    yield from found
                    seen += len(found)
                    chunk = file.read(_CHUNK)
                left = len(decoder.buffer())
        except (OSError, ValueError, dbn.DBNError) as problem:
            refuse(self.path, f"after record {max(0, seen - 1)}", "a whole DBN file", str(problem))
        if not seen or left:
            refuse(
                self.path, f"after record {max(0, seen - 1)}", "a whole DBN file", f"{left} bytes of a record"
            )


class _Reading:
    """One pass through a file: names, order, and the books of market-by-order data."""

    def __init__(self, path: Path, symbols: Symbols) -> None:
        self._path, self._symbols = path, symbols
        self.number = 0
        self._last = 0
        self._names: dict[int, list[tuple[date, date, str]]] = {}
        self._found: dict[int, tuple[int, str | None]] = {}
        self._books: dict[str, OrderBook] = {}
        self._touches: dict[str, tuple[int, int, int, int]] = {}
        self._kept = 0
        self._take: Callable[[str, int, Any], Iterator[TapeRow]] = self._trade

    def head(self, metadata: dbn.Metadata) -> None:
        """Learn schema and names. Raises TapeError for a schema that holds no market."""
        schema = str(metadata.schema)
        ways = {
            "trades": self._trade, "tbbo": self._before, "mbp-1": self._after, "mbp-10": self._levels,
            "mbo": self._order, "ohlcv-1m": self._bar,
        }  # fmt: skip
        if schema not in ways:
            refuse(self._path, "head", " or ".join(_SCHEMAS), schema, "download one of these schemas")
        self._take = ways[schema]
        for name, intervals in metadata.mappings.items():
            for each in intervals:
                if each["symbol"].isdigit():
                    row = (each["start_date"], each["end_date"], name)
                    self._names.setdefault(int(each["symbol"]), []).append(row)

    def take(self, record: Any) -> Iterator[TapeRow]:
        """The rows of one record."""
        kind = type(record).__name__
        if kind.startswith("SymbolMappingMsg"):
            self._names[record.instrument_id] = [(date.min, date.max, record.stype_out_symbol)]
            self._found.clear()
            return
        if kind.startswith(("SystemMsg", "InstrumentDefMsg", "StatusMsg")):
            return
        if kind.startswith("ErrorMsg"):
            self._refuse("a market", record.err)
        ts = getattr(record, "ts_recv", None)
        if ts is None or not 0 < ts < 1 << 63:
            ts = record.ts_event
        if ts < self._last:
            self._refuse(f"a time of at least {self._last}", ts)
        self._last = ts
        contract = self._contract(record.instrument_id, ts)
        if contract is not None:
            self._kept += 1
            yield from self._take(contract, ts, record)

    def end(self) -> None:
        """Raises TapeError when nothing of the file was ours."""
        if not self._kept:
            seen = ", ".join([*self._symbols.foreign][:8]) or "none"
            refuse(self._path, "all records", "contracts of products that the venue lists", seen)

    def _contract(self, instrument: int, ts: int) -> str | None:
        day = ts // (86_400 * SECOND)
        known = self._found.get(instrument)
        if known is not None and known[0] == day:
            return known[1]
        on = datetime.fromtimestamp(ts // SECOND, UTC).date()
        spans = self._names.get(instrument, [])
        name = next((name for start, end, name in spans if start <= on < end), None)
        if name is None:
            self._refuse("a symbol for each instrument", f"none for instrument {instrument} on {on}")
        found = self._symbols.find(name, ts)
        self._found[instrument] = (day, found)
        return found

    def _trade(self, contract: str, ts: int, record: Any) -> Iterator[TapeRow]:
        if _letter(record.action) == "T" and record.size:
            yield TapeTrade(contract, ts, self._ticks(contract, record.price), record.size, _AGGRESSORS[_letter(record.side)])  # fmt: skip

    def _before(self, contract: str, ts: int, record: Any) -> Iterator[TapeRow]:
        yield from self._best(contract, ts, record)
        yield from self._trade(contract, ts, record)

    def _after(self, contract: str, ts: int, record: Any) -> Iterator[TapeRow]:
        yield from self._trade(contract, ts, record)
        yield from self._best(contract, ts, record)

    def _best(self, contract: str, ts: int, record: Any) -> Iterator[TapeRow]:
        best = record.levels[0]
        if best.bid_px < best.ask_px < _undefined():
            touch = (
                self._ticks(contract, best.bid_px), best.bid_sz, self._ticks(contract, best.ask_px), best.ask_sz,
            )  # fmt: skip
            yield from self._touched(contract, ts, touch)

    def _levels(self, contract: str, ts: int, record: Any) -> Iterator[TapeRow]:
        yield from self._trade(contract, ts, record)
        book = self._book(contract)
        for kind, price, size in (
            (BID_LEVEL, "bid_px", "bid_sz"),
            (ASK_LEVEL, "ask_px", "ask_sz"),
        ):
            side = book.sides[kind]
            now = {
                int(self._ticks(contract, getattr(level, price))): getattr(level, size)
                for level in record.levels
                if getattr(level, price) < _undefined()
            }
            for ticks in [*side, *now]:
                if side.get(ticks, 0) != now.get(ticks, 0):
                    book.changed[kind, ticks] = None
            book.sides[kind] = now
        yield from self._told(contract, ts, book)

    def _order(self, contract: str, ts: int, record: Any) -> Iterator[TapeRow]:
        book, action, side = self._book(contract), _letter(record.action), _SIDES.get(_letter(record.side))
        if action == "T":
            yield from self._trade(contract, ts, record)
        elif action == "R":
            book.clear()
            yield TapeLevel(contract, ts, RESET, Ticks(0), 0)
        elif action in "AM" and side is not None:
            book.add(record.order_id, side, self._ticks(contract, record.price), record.size)
        elif action == "C":
            book.remove(record.order_id, record.size)
        if record.flags & _last_flag():
            yield from self._told(contract, ts, book)

    def _told(self, contract: str, ts: int, book: OrderBook) -> Iterator[TapeRow]:
        for kind, price in book.changed:
            yield TapeLevel(contract, ts, kind, Ticks(price), book.sides[kind].get(price, 0))
        book.changed.clear()
        touch = book.touch()
        if touch is not None:
            yield from self._touched(contract, ts, touch)

    def _touched(self, contract: str, ts: int, touch: tuple[int, int, int, int]) -> Iterator[TapeRow]:
        if self._touches.get(contract) != touch:
            self._touches[contract] = touch
            bid, bid_size, ask, ask_size = touch
            yield TapeQuote(contract, ts, Ticks(bid), bid_size, Ticks(ask), ask_size)

    def _bar(self, contract: str, ts: int, record: Any) -> Iterator[TapeRow]:
        if ts % MINUTE:
            self._refuse("a bar that opens with a minute", ts)
        opened, high, low, close = (
            self._ticks(contract, each) for each in (record.open, record.high, record.low, record.close)
        )
        yield TapeBar(contract, ts, MinuteBar(TsNs(ts), opened, high, low, close, record.volume))

    def _book(self, contract: str) -> OrderBook:
        return self._books.setdefault(contract, OrderBook())

    def _ticks(self, contract: str, price: int) -> Ticks:
        tick = self._symbols.instrument(contract).tick
        ticks, on_grid = tick.ratio_ticks(price, -9)
        if not on_grid:
            self._refuse(f"a price of {contract} on the grid of {tick.num}/{tick.den}", price / 1e9)
        return ticks

    def _refuse(self, expected: str, seen: object) -> NoReturn:
        refuse(self._path, f"record {self.number}", expected, seen)


def _letter(value: Any) -> str:
    """Actions and sides are enumerations, or plain letters where a record holds an unknown one."""
    return str(getattr(value, "value", value))


def _undefined() -> int:
    import databento_dbn as dbn

    return dbn.UNDEF_PRICE


def _last_flag() -> int:
    import databento_dbn as dbn

    return dbn.F_LAST
