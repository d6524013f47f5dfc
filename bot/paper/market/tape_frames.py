"""A recorded session in raw hub frames, as `bot record` stores them; the market hub's frames drive the market.

A row's time is the payload's own, unless that is far from its arrival or earlier than the row before.
Prices off the grid are rounded, as any client of the venue has to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from bot.model.errors import BadField
from bot.model.quantities import Ticks, TickSize
from bot.model.times import SECOND, parse_ts
from bot.paper.market.feed import ASK_LEVEL, BID_LEVEL, RESET
from bot.paper.market.symbols import Symbols
from bot.paper.market.tape_rows import TapeError, TapeLevel, TapeQuote, TapeRow, TapeTrade, refuse
from bot.recording.entries import MAGIC, SUFFIX, Entry
from bot.recording.reader import RecordingError, RecordingReader

_FAR: Final = 5 * SECOND
_DECODER: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def is_recording(head: bytes, path: Path) -> bool:
    """Whether the path is a recording's file (by its first bytes) or folder."""
    return head == MAGIC or (path.is_dir() and any(path.glob(f"*{SUFFIX}")))


class FramesTape:
    """A recording; what was cut off the end of a torn file is in `torn` after reading."""

    def __init__(self, path: Path, symbols: Symbols) -> None:
        self.path, self._symbols = path, symbols
        self.torn: dict[Path, int] = {}

    def rows(self) -> Iterator[TapeRow]:
        reader = RecordingReader(self.path)
        reading, number = _Reading(self.path, self._symbols), 0
        try:
            for number, entry in enumerate(reader.entries(), 1):
                if entry.hub == "market" or entry.kind == "begin":
                    yield from reading.take(number, entry)
        except RecordingError as problem:
            raise TapeError(
                problem.what, expected=problem.expected, seen=problem.seen, do=problem.do
            ) from problem
        self.torn = reader.torn
        if not reading.rows:
            refuse(self.path, f"all {number} records", "market frames of contracts that the venue lists",
                   ", ".join(self._symbols.foreign) or "none", "record with --symbols")  # fmt: skip


class _Reading:
    """One pass: the touch and the sizes of each contract as they have come so far."""

    def __init__(self, path: Path, symbols: Symbols) -> None:
        self._path, self._symbols = path, symbols
        self.rows = 0
        self._last = self._number = self._arrived = 0
        self._touches: dict[str, list[Ticks | None]] = {}
        self._books: dict[str, dict[tuple[int, int], int]] = {}

    def take(self, number: int, entry: Entry) -> Iterator[TapeRow]:
        """The rows of one entry; what comes after a gap begins with empty books."""
        self._number, self._arrived = number, entry.venue_ns
        lost = entry.kind == "state" and not entry.data.startswith((b"up", b"down stopped"))
        if lost or entry.kind == "begin":
            for contract, book in self._books.items():
                if book:
                    book.clear()
                    yield TapeLevel(contract, self._time(None), RESET, Ticks(0), 0)
        elif entry.kind == "frame":
            try:
                message = _DECODER.decode(entry.data)
            except (msgspec.DecodeError, UnicodeDecodeError) as problem:
                refuse(self._path, f"record {number}", "a JSON record", str(problem))
            if message.get("type") == 1:
                yield from self._event(message)

    def _event(self, message: dict[str, Any]) -> Iterator[TapeRow]:
        target = str(message.get("target", "")).lower()
        ways: dict[str, Callable[[str, TickSize, dict[str, Any]], Iterator[TapeRow]]] = {
            "gatewayquote": self._quote, "gatewaytrade": self._trade, "gatewaydepth": self._depth,
        }  # fmt: skip
        arguments = message.get("arguments")
        if target not in ways or not isinstance(arguments, list) or len(arguments) < 2:
            return
        name, payload = arguments[:2]
        contract = self._symbols.find(str(name), self._arrived)
        if contract is None:
            return
        if isinstance(payload, dict) and "data" in payload:
            payload = payload["data"]
        for item in payload if isinstance(payload, list) else [payload]:
            if not isinstance(item, dict):
                continue
            try:
                found = list(ways[target](contract, self._symbols.instrument(contract).tick, item))
            except (KeyError, TypeError, ValueError, BadField) as problem:
                refuse(
                    self._path,
                    f"record {self._number}",
                    f"the members of a {message['target']}",
                    repr(problem),
                )
            self.rows += len(found)
            yield from found

    def _quote(self, contract: str, tick: TickSize, item: dict[str, Any]) -> Iterator[TapeRow]:
        touch = self._touches.setdefault(contract, [None, None])
        for side, member in enumerate(("bestBid", "bestAsk")):
            if item.get(member):
                touch[side] = _ticks(item[member], tick)
        bid, ask = touch
        if bid is None or ask is None or bid >= ask:
            return
        book = self._books.get(contract, {})
        yield TapeQuote(
            contract, self._time(item.get("timestamp")), bid, book.get((BID_LEVEL, bid), 1),
            ask, book.get((ASK_LEVEL, ask), 1),
        )  # fmt: skip

    def _trade(self, contract: str, tick: TickSize, item: dict[str, Any]) -> Iterator[TapeRow]:
        size = int(item["volume"])
        if size > 0:
            kind = item["type"]
            aggressor = int(kind) if kind in (0, 1) else None
            yield TapeTrade(contract, self._time(item.get("timestamp")), _ticks(item["price"], tick), size, aggressor)  # fmt: skip

    def _depth(self, contract: str, tick: TickSize, item: dict[str, Any]) -> Iterator[TapeRow]:
        kind, volume, price = int(item["type"]), int(item["volume"]), _ticks(item["price"], tick)
        book = self._books.setdefault(contract, {})
        if kind == RESET:
            book.clear()
        elif kind in (BID_LEVEL, ASK_LEVEL):
            if volume > 0:
                book[kind, price] = volume
            else:
                book.pop((kind, price), None)
        yield TapeLevel(contract, self._time(item.get("timestamp")), kind, price, volume)

    def _time(self, text: object) -> int:
        ts = self._arrived
        if isinstance(text, str):
            told = parse_ts(text)
            if abs(told - ts) <= _FAR:
                ts = told
        self._last = max(self._last, ts)
        return self._last


def _ticks(value: Any, tick: TickSize) -> Ticks:
    """A JSON number to ticks, exactly, rounded where it lies off the grid."""
    sign, digits, exponent = Decimal(value).as_tuple()
    mantissa = int("".join(map(str, digits)))
    return tick.ratio_ticks(-mantissa if sign else mantissa, int(exponent))[0]
