"""Random scripts: the books must balance whatever is done, and a restart must find the same books."""

from __future__ import annotations

import random

import pytest

from bot.paper.config import PaperOptions
from bot.paper.rows import LIVE
from tests.unit.paper.scripted import ACCOUNT, MES, MNQ, Bench
from tests.unit.paper.test_restart import again, picture

STEPS = 60
START_BALANCE = 150_000_000_000


def play(bench: Bench, seed: int) -> None:
    """Place, modify, cancel, close and move the market at random."""
    dice = random.Random(seed)
    mid = {MNQ: 80_000, MES: 20_000}
    for _ in range(STEPS):
        contract = dice.choice((MNQ, MES))
        what = dice.random()
        if what < 0.35:
            body = {"contractId": contract, "side": dice.randint(0, 1), "size": dice.randint(1, 4)}
            sign = 1 if body["side"] == 0 else -1
            type_ = dice.choice((2, 2, 1, 4, 5, 6, 7))
            away = dice.randint(1, 12)
            if type_ == 1:
                body["limitPrice"] = (mid[contract] - sign * away) / 4
            elif type_ == 4:
                body["stopPrice"] = (mid[contract] + sign * away) / 4
            elif type_ == 5:
                body["trailPrice"] = (mid[contract] + sign * away) / 4
            if dice.random() < 0.6:
                body["stopLossBracket"] = {"ticks": -sign * dice.randint(4, 20), "type": dice.choice((4, 5))}
                body["takeProfitBracket"] = {"ticks": sign * dice.randint(4, 20), "type": 1}
            bench.place(type=type_, customTag=f"t{dice.randrange(10**9)}", **body)
        elif what < 0.45:
            rows = bench.orders()
            if rows:
                row = dice.choice(rows)
                bench.call("Order/cancel", accountId=ACCOUNT, orderId=row["id"])
        elif what < 0.55:
            rows = [row for row in bench.orders((1,)) if row["limitPrice"] is not None]
            if rows:
                row = dice.choice(rows)
                price = row["limitPrice"] + dice.randint(-8, 8) / 4
                bench.call("Order/modify", accountId=ACCOUNT, orderId=row["id"], limitPrice=price)
        elif what < 0.62:
            bench.call("Position/closeContract", accountId=ACCOUNT, contractId=contract)
        else:
            mid[contract] += dice.randint(-9, 9)
            bench.trade(mid[contract], contract, ms=dice.choice((1, 5, 40)))
        bench.pass_(dice.choice((0, 1, 4, 30)))


@pytest.mark.parametrize("seed", range(25))
def test_the_books_balance(seed: int) -> None:
    options = PaperOptions(rate_general=(10_000, 60), partial_fills=seed % 3 == 0)
    bench = Bench(options, profile=("realistic", "fast")[seed % 2])
    play(bench, seed)
    state, verdict = bench.venue.state, bench.venue.verdict()
    trades = state.trades
    result = sum((row.pnl or 0) - row.fees - row.commissions for row in trades)
    assert state.accounts[ACCOUNT].balance == START_BALANCE + result
    assert verdict["net_pnl"] == result
    for contract in (MNQ, MES):
        lots = sum(row.size * (1 if row.side == 0 else -1) for row in trades if row.contract == contract)
        held = state.positions.get((ACCOUNT, contract))
        assert lots == (held.net if held else 0)
        if held is not None:
            cash = sum(
                row.size * row.price * (1 if row.side == 0 else -1)
                for row in trades
                if row.contract == contract
            )
            value = state.contract(contract).tick_value
            closed = sum(row.pnl or 0 for row in trades if row.contract == contract)
            open_cost = held.net * held.num * value // held.den
            assert abs((open_cost - cash * value) - closed) <= len(trades)
    by_order: dict[int, int] = {}
    for row in trades:
        by_order[row.order] = by_order.get(row.order, 0) + row.size
    for order in state.orders.values():
        assert order.filled == by_order.get(order.id, 0) <= order.size
        assert (order.status == 2) == (order.filled == order.size)
        assert (order.id in state.live) == (order.status in LIVE)
        if order.parent is not None and order.status == 1:
            assert state.orders[order.parent].status == 2
    assert len({row.id for row in trades}) == len(trades)


@pytest.mark.parametrize("seed", range(8))
def test_a_restart_in_the_middle_finds_the_same_books(seed: int) -> None:
    bench = Bench(PaperOptions(rate_general=(10_000, 60)))
    play(bench, seed)
    bench.pass_(100)
    other = again(bench)
    assert picture(other) == picture(bench)
