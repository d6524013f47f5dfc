"""The trade ledger against its golden vectors, and its sums against random fills."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.calendar.sessions import SessionCalendar
from bot.model.errors import UnknownSymbol
from bot.model.orders import Fill
from bot.model.quantities import Money, Ticks, TsNs
from bot.model.times import format_ts, parse_ts
from bot.trading.ledger import (
    LedgerFill,
    OpeningLot,
    UnknownOpening,
    differences,
    match,
    statistics,
    tick_values,
)
from tests.conftest import vector

DOCUMENT = vector("trade_ledger")
VALUES = DOCUMENT["tick_values"]
SIDES = {"buy": 0, "sell": 1}


def fills_of(case: dict[str, Any]) -> list[LedgerFill]:
    return [
        LedgerFill(id_, parse_ts(t), contract, SIDES[side], size, price, costs, order, strategy, voided)
        for id_, t, contract, side, size, price, costs, order, strategy, voided in case["fills"]
    ]


def opening_of(case: dict[str, Any]) -> list[OpeningLot]:
    return [
        OpeningLot(contract, SIDES[side], size, price, parse_ts(t), order, approximate)
        for contract, side, size, price, t, order, approximate in case["opening"]
    ]


@pytest.mark.parametrize("case", DOCUMENT["cases"], ids=lambda case: case["name"])
def test_vector(case: dict[str, Any]) -> None:
    books = match(fills_of(case), tick_values(VALUES), opening_of(case))
    assert [
        [
            t.contract_id, "long" if t.side > 0 else "short", t.size, t.entry_ticks, t.exit_ticks, t.gross, t.costs,
            t.net, format_ts(t.entry_ts), format_ts(t.exit_ts), t.entry_order, t.exit_order, t.strategy, t.approximate,
        ]
        for t in books.trades
    ] == case["trades"]  # fmt: skip
    assert [
        [lot.contract_id, "buy" if lot.side == 0 else "sell", lot.size, lot.price, lot.order_id, lot.costs]
        for lot in books.open_lots
    ] == case["open_lots"]
    figures = msgspec.to_builtins(statistics(books.trades, SessionCalendar.shipped().risk_day))
    assert figures == case["stats"]


FILLS = st.lists(
    st.builds(
        LedgerFill,
        st.integers(1, 30), st.integers(0, 20).map(TsNs), st.sampled_from(sorted(VALUES)), st.sampled_from([0, 1]),
        st.integers(1, 7), st.integers(-50, 80_000).map(Ticks), st.integers(0, 5_000_000).map(Money),
        st.integers(1, 12), st.sampled_from([None, "overnight_range"]), st.sampled_from([False] * 9 + [True]),
        st.sampled_from([1, 2]),
    ),
    max_size=40,
)  # fmt: skip


def counted(fills: list[LedgerFill]) -> list[LedgerFill]:
    first = {(f.account_id, f.id): f for f in reversed(fills)}
    voided = {(f.account_id, f.id) for f in fills if f.voided}
    return [fill for key, fill in first.items() if key not in voided]


@given(FILLS)
def test_no_contract_and_no_cent_is_lost(fills: list[LedgerFill]) -> None:
    books = match(fills, tick_values(VALUES))
    real = counted(fills)
    assert sum(t.costs for t in books.trades) + sum(lot.costs for lot in books.open_lots) == sum(
        f.costs for f in real
    )
    assert 2 * sum(t.size for t in books.trades) + sum(lot.size for lot in books.open_lots) == sum(
        f.size for f in real
    )
    net: Counter[tuple[int, str]] = Counter()
    cash: defaultdict[tuple[int, str], int] = defaultdict(int)
    for fill in real:
        sign = 1 if fill.side == 0 else -1
        net[fill.account_id, fill.contract_id] += sign * fill.size
        cash[fill.account_id, fill.contract_id] -= sign * fill.size * fill.price
    for lot in books.open_lots:
        sign = 1 if lot.side == 0 else -1
        net[lot.account_id, lot.contract_id] -= sign * lot.size
        cash[lot.account_id, lot.contract_id] += sign * lot.size * lot.price
    assert set(net.values()) <= {0}
    assert sum(t.gross for t in books.trades) == sum(ticks * VALUES[key[1]] for key, ticks in cash.items())


@given(FILLS, st.randoms(use_true_random=False))
def test_the_order_in_which_fills_arrive_does_not_matter(fills: list[LedgerFill], random: Any) -> None:
    single = counted(fills)
    shuffled = [*single, *single]
    random.shuffle(shuffled)
    assert match(shuffled, tick_values(VALUES)) == match(single, tick_values(VALUES))


@given(FILLS)
def test_statistics_add_up(fills: list[LedgerFill]) -> None:
    trades = match(fills, tick_values(VALUES)).trades
    figures = statistics(trades, SessionCalendar.shipped().risk_day)
    assert figures.wins + figures.losses + figures.break_even == figures.trades == len(trades)
    assert figures.net == figures.gross - figures.costs == figures.sum_wins + figures.sum_losses
    assert sum(figures.day_net.values()) == figures.net
    assert figures.max_drawdown >= max(0, -figures.net)


def test_books_of_accounts_are_apart() -> None:
    fills = [
        LedgerFill(1, TsNs(1), "EP.Z25", 0, 1, Ticks(100), Money(0), 1, account_id=1),
        LedgerFill(1, TsNs(2), "EP.Z25", 1, 1, Ticks(110), Money(0), 2, account_id=2),
    ]
    books = match(fills, tick_values(VALUES))
    assert books.trades == ()
    assert [lot.account_id for lot in books.open_lots] == [1, 2]


def test_a_position_that_fills_do_not_explain_is_said_not_guessed() -> None:
    fills = [LedgerFill(1, TsNs(1), "EP.Z25", 1, 1, Ticks(100), Money(0), 1)]
    assert match(fills, tick_values(VALUES), positions={(0, "EP.Z25"): -1}).open_lots
    with pytest.raises(UnknownOpening, match=r"expected 0 after the last fill, got -1"):
        match(fills, tick_values(VALUES), positions={})
    with pytest.raises(UnknownOpening):
        match([], tick_values(VALUES), positions={(0, "EP.Z25"): 2})


def test_an_unknown_contract_is_an_error() -> None:
    fills = [LedgerFill(n, TsNs(n), "XX.Z25", n % 2, 1, Ticks(100), Money(0), n) for n in (1, 2)]
    with pytest.raises(UnknownSymbol):
        match(fills, tick_values(VALUES))


def venue_fill(id_: int, side: int, size: int, price: int, pnl: int | None, *, voided: bool = False) -> Fill:
    return Fill(
        id_, 7, "MNQ.Z25", id_, side, size, Ticks(price), TsNs(id_), Money(0), Money(0),
        None if pnl is None else Money(pnl), voided,
    )  # fmt: skip


def test_gross_between_two_flats_is_compared_with_the_venues_sum() -> None:
    rows = [
        venue_fill(1, 0, 1, 80_000, None), venue_fill(2, 1, 3, 80_010, 5_000_000),
        venue_fill(3, 0, 2, 80_000, 10_000_000), venue_fill(4, 1, 1, 1, 999, voided=True),
        venue_fill(5, 0, 1, 80_000, None), venue_fill(6, 1, 1, 80_004, 2_000_000),
    ]  # fmt: skip
    books = match([LedgerFill.of(row) for row in rows], tick_values(VALUES))
    assert [flat.gross for flat in books.flats] == [5_000_000, 10_000_000, 2_000_000]
    assert differences(books, rows) == []
    rows[2] = venue_fill(3, 0, 2, 80_000, 9_000_000)
    (found,) = differences(books, rows)
    assert (found.ours, found.venue, found.ts) == (10_000_000, 9_000_000, 3)
