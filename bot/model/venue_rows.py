"""Venue JSON rows to domain values, with every number read from its exact text.

Shared by the REST client and the hub stream. JSON is decoded so that a fraction or an exponent stays
text (`float_hook`); a whole number is an int of any size; no binary float is ever made. Decoding is
strict (gateway.md §8, §12): a required member that is missing or null raises BadField and never
becomes 0 or LONG. Unknown members are ignored, unlisted enum numbers are kept, ids may be text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from bot.model.contract import Contract, split_contract_id
from bot.model.errors import BadField, BadNumber, ProtocolError
from bot.model.instruments import BY_PRODUCT
from bot.model.market import MinuteBar
from bot.model.orders import Account, Fill, Order, Position
from bot.model.quantities import (
    Money,
    Ticks,
    TickSize,
    TsNs,
    cost_ticks,
    divide_round,
    parse_decimal,
    parse_money,
)
from bot.model.times import SECOND, parse_ts

Row = Mapping[str, Any]

_INT64: Final = 1 << 63
_WHOLE_LIMIT: Final = 10**18
_MEMO_BOUND: Final = 8192
_FILLED: Final = 2
_FRACTION_SCALE: Final = tuple(10 ** (9 - digits) for digits in range(10))
_DECODER: Final = msgspec.json.Decoder(float_hook=str)
_seconds: dict[str, int] = {}


class Priced(NamedTuple):
    """A row's value and how many of its prices were off the tick grid (rounded by the one rule)."""

    value: Any
    off_grid: int


def decode_json(body: bytes | memoryview | msgspec.Raw) -> Any:
    """Any JSON document; fractions and exponents are text. Raises ProtocolError for anything else."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise ProtocolError(
            "answer", expected="a JSON document", seen=bytes(body[:80]), do="the state is unknown"
        ) from problem


def wire_ts(text: object) -> TsNs:
    """Timestamp text with 0 to 7 (or more) fraction digits, `Z`, an offset or none, to ns UTC.

    Raises BadField. The second is remembered, because neighbours on the wire share it.
    """
    if type(text) is not str:
        raise BadField("time", expected="timestamp text", seen=text)
    head = text[:19]
    whole = _seconds.get(head)
    if whole is not None:
        if text.endswith("+00:00"):
            fraction = text[20:-6]
        elif text.endswith("Z"):
            fraction = text[20:-1]
        else:
            return _slow_ts(text)
        if not fraction:
            if len(text) in (20, 25):
                return TsNs(whole)
        elif text[19] == "." and len(fraction) < 10 and fraction.isascii() and fraction.isdigit():
            return TsNs(whole + int(fraction) * _FRACTION_SCALE[len(fraction)])
    return _slow_ts(text)


def _slow_ts(text: str) -> TsNs:
    value = parse_ts(text)
    if not -_INT64 <= value < _INT64:
        raise BadField("time", expected="a time between 1678 and 2262", seen=text)
    if text.endswith(("Z", "+00:00")):
        if len(_seconds) >= _MEMO_BOUND:
            _seconds.clear()
        _seconds[text[:19]] = value - value % SECOND
    return value


def whole(value: object, name: str) -> int:
    """An integer member that may be text or written like `1.0`. Raises BadField; within 64 bits."""
    number: int | None = None
    if type(value) is int:
        number = value
    elif type(value) is str:
        try:
            mantissa, exponent = parse_decimal(value)
        except BadNumber:
            mantissa, exponent = 0, 99
        if 0 <= exponent <= 18:
            number = mantissa * 10**exponent
        elif exponent < 0 and mantissa % 10**-exponent == 0:
            number = mantissa // 10**-exponent
    if number is None or not -_INT64 <= number < _INT64:
        raise BadField(name, expected="a whole number of at most 64 bits", seen=_shown(value))
    return number


def optional_whole(value: object, name: str) -> int | None:
    """As `whole`, None for null or absent."""
    return None if value is None else whole(value, name)


def decimal_text(value: object, name: str) -> str:
    """The exact text of a decimal member. Raises BadField, BadNumber."""
    if type(value) is int and abs(value) < _WHOLE_LIMIT:
        return str(value)
    if type(value) is str:
        parse_decimal(value)
        return value
    raise BadField(name, expected="a decimal number", seen=_shown(value))


def money(value: object, name: str) -> Money:
    """Dollars to micro-dollars. Raises BadField, BadNumber."""
    amount = parse_money(decimal_text(value, name))
    if not -_INT64 <= amount < _INT64:
        raise BadNumber(name, expected="an amount of at most 64 bits", seen=_shown(value))
    return amount


class Grid:
    """The tick grid of one contract: price members to `(ticks, on_grid)`, remembered by their text.

    The memory holds at most 8192 prices and starts anew when full.
    """

    __slots__ = ("_memo", "den", "num", "tick")

    def __init__(self, tick: TickSize) -> None:
        self.tick, self.num, self.den = tick, tick.num, tick.den
        self._memo: dict[int | str, tuple[Ticks, bool]] = {}

    def ticks(self, value: object) -> tuple[Ticks, bool]:
        """A price as the decoder left it (int or text). Raises BadNumber for anything else."""
        if type(value) is str or type(value) is int:
            found = self._memo.get(value)
            return found if found is not None else self._remember(value)
        raise BadNumber("price", expected="a decimal number", seen=_shown(value))

    def _remember(self, value: int | str) -> tuple[Ticks, bool]:
        if type(value) is str:
            found = self.tick.parse(value)
        elif type(value) is int and abs(value) < _WHOLE_LIMIT:
            numerator = value * self.den
            found = Ticks(divide_round(numerator, self.num)), numerator % self.num == 0
        else:
            raise BadNumber("price", expected="at most 18 digits", seen=value)
        if not -_INT64 <= found[0] < _INT64:
            raise BadNumber("price", expected="a price of at most 64 bits of ticks", seen=value)
        if len(self._memo) >= _MEMO_BOUND:
            self._memo.clear()
        self._memo[value] = found
        return found


def account(row: object) -> Account:
    """A `TradingAccount` (gateway.md §8.1). `simulated` may be absent and then reads as true."""
    row = _row(row, "account")
    return Account(
        id=whole(_need(row, "id"), "account id"),
        name=_text(row, "name"),
        balance=money(_need(row, "balance"), "balance"),
        can_trade=_flag(row, "canTrade"),
        visible=_flag(row, "isVisible"),
        simulated=_flag(row, "simulated") if row.get("simulated") is not None else True,
    )


def order(row: object, grid_of: Callable[[str], Grid]) -> Priced:
    """An order (gateway.md §8.13), REST row or hub event; `grid_of` raises for an unknown contract.

    An event may call its id `orderId`. A missing fill volume is the whole size of a filled order and
    nothing otherwise; a missing update time is the time of creation.
    """
    row = _row(row, "order")
    contract_id = _text(row, "contractId")
    grid = grid_of(contract_id)
    status = whole(_need(row, "status"), "status")
    size = whole(_need(row, "size"), "size")
    created = wire_ts(_need(row, "creationTimestamp"))
    updated = row.get("updateTimestamp")
    filled = optional_whole(row.get("fillVolume"), "fillVolume")
    average = row.get("filledPrice")
    limit, limit_off = _optional_price(grid, row.get("limitPrice"))
    stop, stop_off = _optional_price(grid, row.get("stopPrice"))
    identity = row.get("id")
    value = Order(
        id=whole(_need(row, "orderId") if identity is None else identity, "order id"),
        account_id=whole(_need(row, "accountId"), "accountId"),
        contract_id=contract_id,
        status=status,
        type=whole(_need(row, "type"), "type"),
        side=whole(_need(row, "side"), "side"),
        size=size,
        created=created,
        updated=created if updated is None else wire_ts(updated),
        limit=limit,
        stop=stop,
        trail_ticks=optional_whole(row.get("trailDistance"), "trailDistance"),
        filled=(size if status == _FILLED else 0) if filled is None else filled,
        average=None if average is None else decimal_text(average, "filledPrice"),
        tag=_optional_text(row, "customTag"),
        parent_id=optional_whole(row.get("parentOrderId"), "parentOrderId"),
        linked_id=optional_whole(row.get("linkedOrderId"), "linkedOrderId"),
    )
    return Priced(value, limit_off + stop_off)


def fill(row: object, grid_of: Callable[[str], Grid]) -> Priced:
    """A half-turn (gateway.md §8.17). No `profitAndLoss` = opening; no `commissions` = none charged."""
    row = _row(row, "trade")
    contract_id = _text(row, "contractId")
    price, on_grid = grid_of(contract_id).ticks(_need(row, "price"))
    pnl, commissions = row.get("profitAndLoss"), row.get("commissions")
    value = Fill(
        id=whole(_need(row, "id"), "trade id"),
        account_id=whole(_need(row, "accountId"), "accountId"),
        contract_id=contract_id,
        order_id=whole(_need(row, "orderId"), "orderId"),
        side=whole(_need(row, "side"), "side"),
        size=whole(_need(row, "size"), "size"),
        price=price,
        ts=wire_ts(_need(row, "creationTimestamp")),
        fees=money(_need(row, "fees"), "fees"),
        commissions=Money(0) if commissions is None else money(commissions, "commissions"),
        pnl=None if pnl is None else money(pnl, "profitAndLoss"),
        voided=_flag(row, "voided"),
    )
    return Priced(value, not on_grid)


def position(row: object, grid_of: Callable[[str], Grid]) -> Position:
    """A net position (gateway.md §8.14, §12.1); size 0 or type 0 with size 0 is flat.

    The average price keeps its text, because it may lie off the grid.
    """
    row = _row(row, "position")
    contract_id = _text(row, "contractId")
    kind = whole(_need(row, "type"), "type")
    size = whole(_need(row, "size"), "size")
    average = decimal_text(_need(row, "averagePrice"), "averagePrice")
    if size < 0 or (size > 0 and kind not in (1, 2)):
        raise BadField(
            "position", expected="type 1 or 2 with a size above 0", seen=f"type {kind}, size {size}"
        )
    cost = cost_ticks(grid_of(contract_id).tick, average, size) if size else 0
    if not -_INT64 <= cost < _INT64:
        raise BadNumber("averagePrice", expected="a cost of at most 64 bits of ticks", seen=average)
    return Position(
        id=whole(_need(row, "id"), "position id"),
        account_id=whole(_need(row, "accountId"), "accountId"),
        contract_id=contract_id,
        side=(1 if kind == 1 else -1) if size else 0,
        size=size,
        cost_ticks=cost,
        average=average,
        created=wire_ts(_need(row, "creationTimestamp")),
    )


def contract(row: object, now: int) -> Contract:
    """A contract (gateway.md §8.4) seen at `now`. Weight and trading hours come from the product table.

    A product that is not in the table counts as a full mini of the Globex day; comparing the record with
    the table is the registry's work.
    """
    row = _row(row, "contract")
    contract_id = _text(row, "id")
    product, _, _ = split_contract_id(contract_id)
    name = _text(row, "name")
    known = BY_PRODUCT.get(product)
    return Contract(
        id=contract_id,
        name=name,
        description=_text(row, "description"),
        symbol_id=_text(row, "symbolId"),
        root=known.root if known else name.rstrip("0123456789")[:-1],
        tick=TickSize.from_text(decimal_text(_need(row, "tickSize"), "tickSize")),
        tick_value=money(_need(row, "tickValue"), "tickValue"),
        active=_flag(row, "activeContract"),
        weight=known.weight if known else 10,
        group=known.group if known else "globex",
        seen_at=now,
    )


def bar(row: object, grid: Grid) -> MinuteBar | None:
    """A history bar (gateway.md §8.5); None when a price is missing. Raises BadField, BadNumber."""
    row = _row(row, "bar")
    open_, high, low, close = row.get("o"), row.get("h"), row.get("l"), row.get("c")
    if open_ is None or high is None or low is None or close is None:
        return None
    ticks = grid.ticks
    return MinuteBar(
        start=wire_ts(_need(row, "t")),
        open=ticks(open_)[0],
        high=ticks(high)[0],
        low=ticks(low)[0],
        close=ticks(close)[0],
        volume=whole(_need(row, "v"), "v"),
    )


def _row(value: object, what: str) -> Row:
    if not isinstance(value, Mapping):
        raise BadField(what, expected="an object", seen=_shown(value))
    return value


def _need(row: Row, name: str) -> Any:
    value = row.get(name)
    if value is None:
        raise BadField(name, expected="a value", seen="null" if name in row else "nothing")
    return value


def _text(row: Row, name: str) -> str:
    value = _need(row, name)
    if type(value) is not str:
        raise BadField(name, expected="text", seen=_shown(value))
    return value


def _optional_text(row: Row, name: str) -> str | None:
    return None if row.get(name) is None else _text(row, name)


def _flag(row: Row, name: str) -> bool:
    value = _need(row, name)
    if type(value) is not bool:
        raise BadField(name, expected="true or false", seen=_shown(value))
    return value


def _optional_price(grid: Grid, value: object) -> tuple[Ticks | None, int]:
    if value is None:
        return None, 0
    ticks, on_grid = grid.ticks(value)
    return ticks, not on_grid


def _shown(value: object) -> str:
    return repr(value)[:60]
