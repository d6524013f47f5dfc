"""Hub records to typed events, with the quotes merged (gateway.md §11, §12, §14).

A market record of the usual shape is decoded in one pass; whatever does not fit (wrapped, bare, single
objects, nulls, other letter case, user events) takes the general way, and what cannot be read becomes an
`Undecodable` that is counted. No input raises.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from bot.legacy.websocket import layout
from bot.legacy.websocket.rows import (
    MARKET_RECORD,
    DepthRow,
    QuoteRecord,
    QuoteRow,
    TradeRecord,
    TradeRow,
)
from bot.model import venue_rows
from bot.model.contract import Contract
from bot.model.errors import BadField, BadNumber, BotError, ProtocolError
from bot.model.events import (
    AccountChanged,
    Closed,
    Completed,
    DepthChanged,
    FillReported,
    Hub,
    OrderChanged,
    PositionChanged,
    QuoteChanged,
    StreamEvent,
    Traded,
    Undecodable,
)
from bot.model.market import DepthChange, Quote, Trade
from bot.model.quantities import TickSize, TsNs
from bot.model.times import SECOND
from bot.model.venue_rows import Grid, decode_json, whole, wire_ts

FUTURE_NS: Final = 5 * SECOND
_RESET: Final = 6
_WRAPPINGS: Final = 4
_PLAIN_SIZE: Final = 1 << 31
_UNREADABLE: Final = (BadNumber, BadField, msgspec.ValidationError)


class _Book:
    """What is known of one contract."""

    __slots__ = ("grid", "quote", "seen")

    def __init__(self, contract_id: str, tick: TickSize, quote: Quote | None = None) -> None:
        self.grid = Grid(tick)
        self.seen = quote is not None
        self.quote = quote or Quote(contract_id)


class PythonStreamProcessor:
    """`StreamProcessor` in Python.

    A quote field keeps the time of its newest update; an older one never replaces it, and a time more
    than 5 s ahead of the arrival counts as the arrival. A quote's null, absent or 0 price is no update;
    a trade at 0 or below is a trade.
    """

    def __init__(self) -> None:
        self._books: dict[str, _Book] = {}
        self.undecodable = 0
        self.off_grid = 0
        self.last_problem = ""
        self._user: dict[str, Callable[[Any], StreamEvent]] = {
            "gatewayuseraccount": lambda row: AccountChanged(venue_rows.account(row)),
            "gatewayuserorder": lambda row: OrderChanged(self._priced(venue_rows.order, row)),
            "gatewayuserposition": lambda row: PositionChanged(venue_rows.position(row, self._grid)),
            "gatewayusertrade": lambda row: FillReported(self._priced(venue_rows.fill, row)),
        }

    def set_contracts(self, contracts: Mapping[str, Contract]) -> None:
        """The contracts whose prices can be read; a kept contract keeps its quote."""
        kept = self._books
        self._books = {}
        for contract_id, contract in contracts.items():
            book = kept.get(contract_id)
            if book is None or book.grid.tick != contract.tick:
                book = _Book(contract_id, contract.tick)
            self._books[contract_id] = book

    def quote(self, contract_id: str) -> Quote | None:
        """The merged quote, None before the first update."""
        book = self._books.get(contract_id)
        return book.quote if book is not None and book.seen else None

    def feed(self, hub: Hub, record: bytes, received: TsNs) -> list[StreamEvent]:
        """The events of one SignalR record; pings and answers to nothing give none."""
        if hub == "market":
            try:
                found = MARKET_RECORD.decode(record)
                if found.type == 1:
                    contract_id, payload = found.arguments
                    if type(found) is QuoteRecord:
                        if payload.data is None:
                            event = self._quote(hub, contract_id, payload, received)
                            return [] if event is None else [event]
                    elif all(row.data is None for row in payload):
                        if type(found) is TradeRecord:
                            return self._trades(hub, contract_id, payload, received)
                        return self._depth(hub, contract_id, payload, received)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass
        return self._general(hub, record, received)

    def snapshot(self) -> bytes:
        """The state in the layout of `layout.py`."""
        return layout.pack(
            self.undecodable,
            self.off_grid,
            [
                (contract_id, book.grid.tick, book.quote if book.seen else None)
                for contract_id, book in self._books.items()
            ],
        )

    def restore(self, state: bytes) -> None:
        """Become the state of `snapshot`, contracts included. Raises StoreCorrupt."""
        self.undecodable, self.off_grid, rows = layout.unpack(state)
        self._books = {contract_id: _Book(contract_id, tick, quote) for contract_id, tick, quote in rows}

    def digest(self) -> int:
        """BLAKE2b-64 of the snapshot, little-endian."""
        return int.from_bytes(hashlib.blake2b(self.snapshot(), digest_size=8).digest(), "little")

    def quiet(self) -> bool:
        """Always true: a record is either processed or not."""
        return True

    def counters(self) -> dict[str, int]:
        """Items that could not be read and prices off the grid, since the start or the restored state."""
        return {"undecodable": self.undecodable, "off_grid": self.off_grid}

    def _general(self, hub: Hub, record: bytes, received: TsNs) -> list[StreamEvent]:
        try:
            message = decode_json(record)
        except ProtocolError as problem:
            return [self._bad(hub, "not JSON", problem)]
        kind = message.get("type") if isinstance(message, dict) else None
        if type(kind) is not int:
            return [self._bad(hub, "no message type")]
        if kind == 3:
            return [Completed(_as_text(message.get("invocationId")), _as_text(message.get("error")))]
        if kind == 7:
            return [Closed(hub, _as_text(message.get("error")) or "closed by the venue")]
        if kind != 1:
            return []
        target, arguments = message.get("target"), message.get("arguments")
        name = target.lower() if type(target) is str else ""
        if name == "gatewaylogout":
            return [Closed(hub, "logged out by the venue")]
        if name in _MARKET or name in self._user:
            if not isinstance(arguments, list):
                return [self._bad(hub, f"{target} without arguments")]
            if name in _MARKET:
                return self._market(hub, name, arguments, received)
            return self._user_events(hub, name, arguments)
        return []

    def _user_events(self, hub: Hub, name: str, arguments: list[Any]) -> list[StreamEvent]:
        read = self._user[name]
        events: list[StreamEvent] = []
        for row in _items(arguments):
            try:
                events.append(read(row))
            except BotError as problem:
                events.append(self._bad(hub, f"bad {name}", problem))
        return events

    def _market(self, hub: Hub, name: str, arguments: list[Any], received: TsNs) -> list[StreamEvent]:
        contract_id = arguments[0] if arguments else None
        payload = arguments[1:] if type(contract_id) is str else arguments
        rows: list[Any] = []
        bad: list[StreamEvent] = []
        for item in _items(payload):
            if type(contract_id) is not str and isinstance(item, dict):
                contract_id = item.get("contract") or item.get("contractId")
            try:
                rows.append(msgspec.convert(item, _MARKET[name]))
            except msgspec.ValidationError as problem:
                bad.append(self._bad(hub, f"bad {name}", problem))
        if not rows:
            return bad
        if type(contract_id) is not str:
            return [*bad, self._bad(hub, f"{name} without a contract")]
        if name == "gatewaytrade":
            return self._trades(hub, contract_id, rows, received) + bad
        if name == "gatewaydepth":
            return self._depth(hub, contract_id, rows, received) + bad
        quotes = (self._quote(hub, contract_id, row, received) for row in rows)
        return [event for event in quotes if event is not None] + bad

    def _quote(self, hub: Hub, contract_id: str, row: QuoteRow, received: TsNs) -> StreamEvent | None:
        book = self._books.get(contract_id)
        if book is None:
            return self._bad(hub, f"no record of contract {contract_id}")
        old = book.quote
        try:
            text = row.timestamp if row.timestamp is not None else row.lastUpdated
            ts = received if text is None else wire_ts(text)
            if ts > received + FUTURE_NS:
                ts = received
            bid, bid_ts, ask, ask_ts = old.bid, old.bid_ts, old.ask, old.ask_ts
            last, last_ts = old.last, old.last_ts
            off = 0
            fresh = last_changed = False
            ticks = book.grid.ticks
            if row.bestBid is not None:
                price, on_grid = ticks(row.bestBid)
                off += not on_grid
                if (price or not on_grid) and ts >= bid_ts:
                    bid, bid_ts, fresh = price, ts, True
            if row.bestAsk is not None:
                price, on_grid = ticks(row.bestAsk)
                off += not on_grid
                if (price or not on_grid) and ts >= ask_ts:
                    ask, ask_ts, fresh = price, ts, True
            if row.lastPrice is not None:
                price, on_grid = ticks(row.lastPrice)
                off += not on_grid
                if (price or not on_grid) and ts >= last_ts:
                    last, last_ts, fresh, last_changed = price, ts, True, True
            day = old.open, old.high, old.low, old.volume
            newest = ts >= old.ts
            if row.open is not None or row.high is not None or row.low is not None or row.volume is not None:
                day, off_day = self._session(book, row, newest)
                off += off_day
        except _UNREADABLE as problem:
            return self._bad(hub, "bad gatewayquote", problem)
        self.off_grid += off
        if not fresh and day == (old.open, old.high, old.low, old.volume):
            return None
        book.seen = True
        quote = book.quote = Quote(
            contract_id, bid, ask, last, *day, bid_ts, ask_ts, last_ts,
            ts if fresh and newest else old.ts,
            received if fresh and received > old.received else old.received,
        )  # fmt: skip
        return QuoteChanged(quote, last_changed)

    def _session(self, book: _Book, row: QuoteRow, newest: bool) -> tuple[tuple[Any, ...], int]:
        old = book.quote
        fields: list[Any] = [old.open, old.high, old.low, old.volume]
        off = 0
        for index, value in enumerate((row.open, row.high, row.low)):
            if value is not None:
                price, on_grid = book.grid.ticks(value)
                off += not on_grid
                if newest and (price or not on_grid):
                    fields[index] = price
        if row.volume is not None:
            volume = whole(row.volume, "volume")
            if newest:
                fields[3] = volume
        return tuple(fields), off

    def _trades(self, hub: Hub, contract_id: str, rows: list[TradeRow], received: TsNs) -> list[StreamEvent]:
        book = self._books.get(contract_id)
        if book is None:
            return [self._bad(hub, f"no record of contract {contract_id}")]
        trades: list[Trade] = []
        bad: list[StreamEvent] = []
        for row in rows:
            try:
                price = None
                if row.price is not None:
                    price, on_grid = book.grid.ticks(row.price)
                    self.off_grid += not on_grid
                size = row.volume
                if type(size) is not int or not 0 <= size < _PLAIN_SIZE:
                    size = None if size is None else whole(size, "volume")
                ts = None if row.timestamp is None else wire_ts(row.timestamp)
                side = row.type
                trades.append(
                    Trade(
                        contract_id,
                        price,
                        size,
                        ts,
                        received,
                        side if type(side) is int and side in (0, 1) else None,
                    )
                )
            except _UNREADABLE as problem:
                bad.append(self._bad(hub, "bad gatewaytrade", problem))
        return [Traded(tuple(trades)), *bad] if trades else bad

    def _depth(self, hub: Hub, contract_id: str, rows: list[DepthRow], received: TsNs) -> list[StreamEvent]:
        book = self._books.get(contract_id)
        if book is None:
            return [self._bad(hub, f"no record of contract {contract_id}")]
        changes: list[DepthChange] = []
        bad: list[StreamEvent] = []
        for row in rows:
            try:
                kind = whole(row.type, "type")
                reset = kind == _RESET
                price, on_grid = book.grid.ticks(0 if row.price is None and reset else row.price)
                self.off_grid += not on_grid
                volume = whole(0 if row.volume is None and reset else row.volume, "volume")
                ts = received if row.timestamp is None else wire_ts(row.timestamp)
                changes.append(DepthChange(kind, price, volume, ts))
            except _UNREADABLE as problem:
                bad.append(self._bad(hub, "bad gatewaydepth", problem))
        return [DepthChanged(contract_id, tuple(changes), received), *bad] if changes else bad

    def _grid(self, contract_id: str) -> Grid:
        book = self._books.get(contract_id)
        if book is None:
            raise BadField("contract", expected="a contract with a record", seen=contract_id)
        return book.grid

    def _priced(self, read: Callable[..., venue_rows.Priced], row: Any) -> Any:
        value, off_grid = read(row, self._grid)
        self.off_grid += off_grid
        return value

    def _bad(self, hub: Hub, reason: str, problem: Exception | None = None) -> Undecodable:
        self.undecodable += 1
        self.last_problem = f"{reason}: {problem}" if problem else reason
        return Undecodable(hub, reason)


_MARKET: Final[dict[str, type]] = {
    "gatewayquote": QuoteRow,
    "gatewaytrade": TradeRow,
    "gatewaydepth": DepthRow,
}


def _items(values: list[Any], depth: int = _WRAPPINGS) -> Iterator[Any]:
    """The payloads in arguments: lists opened, `{"data": …}` unwrapped, nulls left out."""
    for value in values:
        if value is None:
            continue
        if depth and isinstance(value, list):
            yield from _items(value, depth - 1)
        elif depth and isinstance(value, dict) and "data" in value and "id" not in value:
            yield from _items([value["data"]], depth - 1)
        else:
            yield value


def _as_text(value: object) -> str:
    return value if type(value) is str else "" if value is None else str(value)
