"""First in, first out: fills to trades, with costs divided exactly (strategies.md §14.1 to §14.5)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from bot.model.errors import BotError, UnknownSymbol
from bot.model.quantities import Money, Ticks, TsNs, gross_profit
from bot.trading.ledger.rows import Books, Flat, LedgerFill, OpeningLot, OpenLot, RoundTrip


class UnknownOpening(BotError):
    """A position existed before the first fill and no lot of it is known."""

    code = "UNKNOWN_OPENING"


class _Lot:
    """An open entry; contracts `used` of `total` have been closed, costs are spread over all of them."""

    __slots__ = (
        "approximate",
        "costs",
        "left",
        "order_id",
        "price",
        "side",
        "strategy",
        "total",
        "ts",
        "used",
    )

    def __init__(
        self, side: int, left: int, price: Ticks, ts: TsNs, order_id: int, strategy: str | None,
        approximate: bool, costs: Money, total: int, used: int,
    ) -> None:  # fmt: skip
        self.side, self.left, self.price, self.ts, self.order_id = side, left, price, ts, order_id
        self.strategy, self.approximate = strategy, approximate
        self.costs, self.total, self.used = costs, total, used

    def close(self, size: int) -> int:
        """Take `size` contracts off; returns their share of the entry's costs."""
        share = _share(self.costs, self.total, self.used, self.used + size)
        self.used += size
        self.left -= size
        return share


class _Trade:
    """A trade that is being collected."""

    __slots__ = (
        "approximate",
        "costs",
        "entry_ticks",
        "entry_ts",
        "exit_ticks",
        "exit_ts",
        "size",
        "strategy",
    )

    def __init__(self, lot: _Lot) -> None:
        self.strategy = lot.strategy
        self.approximate = False
        self.size = self.entry_ticks = self.exit_ticks = self.costs = 0
        self.entry_ts = lot.ts
        self.exit_ts = TsNs(0)

    def add(self, lot: _Lot, fill: LedgerFill, size: int, costs: int) -> None:
        self.size += size
        self.entry_ticks += lot.price * size
        self.exit_ticks += fill.price * size
        self.costs += costs
        self.entry_ts = min(self.entry_ts, lot.ts)
        self.exit_ts = max(self.exit_ts, fill.ts)
        self.approximate |= lot.approximate


_Key = tuple[int, str]


def match(
    fills: Iterable[LedgerFill],
    tick_value: Callable[[str], int],
    opening: Iterable[OpeningLot] = (),
    positions: Mapping[tuple[int, str], int] | None = None,
) -> Books:
    """Match fills in order of time and id; repeated ids count once, a voided copy voids the fill.

    `tick_value` gives micro-dollars per tick and contract. `positions`, if known, are the signed sizes after
    the last fill: where lots do not lead there a position existed before, and UnknownOpening is raised.
    """
    books: dict[_Key, deque[_Lot]] = {}
    for carried in opening:
        books.setdefault((carried.account_id, carried.contract_id), deque()).append(
            _Lot(carried.side, carried.size, carried.price, carried.ts, carried.order_id, carried.strategy, carried.approximate, Money(0),
                 carried.size, 0)
        )  # fmt: skip
    trades: dict[tuple[int, str, int, int, int], _Trade] = {}
    since_flat: dict[_Key, tuple[int, list[int]]] = {}
    flats: list[Flat] = []
    for fill in _counted(fills):
        key = (fill.account_id, fill.contract_id)
        book = books.setdefault(key, deque())
        gross, ids = since_flat.get(key, (0, []))
        left, used = fill.size, 0
        while left and book and book[0].side != fill.side:
            lot = book[0]
            size = min(left, lot.left)
            trade_key = (*key, lot.order_id, fill.order_id, lot.side)
            trade = trades.get(trade_key)
            if trade is None:
                trade = trades[trade_key] = _Trade(lot)
            costs = lot.close(size) + _share(fill.costs, fill.size, used, used + size)
            trade.add(lot, fill, size, costs)
            gross += gross_profit(_sign(lot.side), lot.price, fill.price, size, tick_value(fill.contract_id))
            used += size
            left -= size
            if not lot.left:
                book.popleft()
        ids.append(fill.id)
        if used and not book:
            flats.append(Flat(*key, fill.ts, Money(gross), tuple(ids)))
            gross, ids = 0, [fill.id] if left else []
        since_flat[key] = gross, ids
        if left:
            book.append(
                _Lot(fill.side, left, fill.price, fill.ts, fill.order_id, fill.strategy, False, fill.costs,
                     fill.size, used)
            )  # fmt: skip
    if positions is not None:
        _proven(books, positions)
    return Books(
        tuple(sorted((_finished(key, trade, tick_value) for key, trade in trades.items()), key=_order)),
        tuple(
            OpenLot(*key, lot.side, lot.left, lot.price, lot.order_id,
                    Money(_share(lot.costs, lot.total, lot.used, lot.total)))
            for key in sorted(books) for lot in books[key]
        ),
        tuple(flats),
    )  # fmt: skip


def tick_values(contracts: Mapping[str, int]) -> Callable[[str], int]:
    """A lookup in a mapping that raises UnknownSymbol."""

    def look_up(contract_id: str) -> int:
        found = contracts.get(contract_id)
        if found is None:
            raise UnknownSymbol("tick value", expected="a contract that is known", seen=contract_id)
        return found

    return look_up


def _counted(fills: Iterable[LedgerFill]) -> list[LedgerFill]:
    kept: dict[tuple[int, int], LedgerFill] = {}
    voided: set[tuple[int, int]] = set()
    for fill in fills:
        key = (fill.account_id, fill.id)
        kept.setdefault(key, fill)
        if fill.voided:
            voided.add(key)
    return sorted(
        (fill for key, fill in kept.items() if key not in voided), key=lambda fill: (fill.ts, fill.id)
    )


def _share(costs: int, total: int, start: int, end: int) -> int:
    return costs * end // total - costs * start // total


def _sign(side: int) -> Literal[1, -1]:
    return 1 if side == 0 else -1


def _finished(
    key: tuple[int, str, int, int, int], trade: _Trade, tick_value: Callable[[str], int]
) -> RoundTrip:
    account_id, contract_id, entry_order, exit_order, side = key
    sign = _sign(side)
    return RoundTrip(
        account_id, contract_id, sign, trade.size, trade.entry_ticks, trade.exit_ticks,
        gross_profit(sign, trade.entry_ticks, trade.exit_ticks, 1, tick_value(contract_id)), Money(trade.costs),
        trade.entry_ts, trade.exit_ts, entry_order, exit_order, trade.strategy, trade.approximate,
    )  # fmt: skip


def _order(trade: RoundTrip) -> tuple[int, int, int]:
    return trade.exit_ts, trade.exit_order, trade.entry_order


def _proven(books: Mapping[_Key, deque[_Lot]], positions: Mapping[tuple[int, str], int]) -> None:
    for key in sorted({*books, *positions}):
        ours = sum(_sign(lot.side) * lot.left for lot in books.get(key, ()))
        if ours != positions.get(key, 0):
            raise UnknownOpening(
                f"position of account {key[0]} in {key[1]}", expected=f"{positions.get(key, 0)} after the last fill",
                seen=ours, do="load fills further back, or give the lots that were carried in",
            )  # fmt: skip
