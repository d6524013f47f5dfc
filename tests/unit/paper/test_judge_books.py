"""The judge's books: sound ledgers raise nothing, and each corrupted row is caught by name.

Every case lets a real venue write a ledger, changes one row of it, and gives the rows to a new judge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bot.model.errors import BadField
from bot.paper.books import Breach
from bot.paper.judge import Judge
from bot.paper.rows import AccountRow, OrderRow, PositionRow, TradeRow
from tests.unit.paper.scripted import ACCOUNT, MNQ, Bench
from tests.unit.paper.test_books import play
from tests.unit.paper.test_restart import again

SHAPES = {"order": OrderRow, "position": PositionRow, "trade": TradeRow, "account": AccountRow}
Record = tuple[int, str, Any]


def ledger_of(bench: Bench) -> list[Record]:
    """The bench's records with their rows read back."""
    found = []
    for line in bench.venue.ledger.lines:
        ts, kind, row = msgspec.json.decode(line)
        if kind in (*SHAPES, "adjust"):
            found.append((ts, kind, msgspec.convert(row, SHAPES[kind]) if kind in SHAPES else row))
    return found


def judged(records: list[Record]) -> list[Breach]:
    judge = Judge()
    for record in records:
        judge.read(*record)
    judge.verdict(records[-1][0])
    return judge.breaches


def a_day() -> Bench:
    """An entry with a bracket, its target, an add, a partial close, a flip and a set balance."""
    bench = Bench()
    bench.place(size=2, customTag="a", stopLossBracket={"ticks": -40, "type": 4},
                takeProfitBracket={"ticks": 80, "type": 1})  # fmt: skip
    bench.pass_(30)
    bench.quote(80_081)
    bench.pass_(30)
    bench.place(size=2)
    bench.pass_(5)
    bench.place(size=1)
    bench.pass_(5)
    bench.call("Position/partialCloseContract", accountId=ACCOUNT, contractId=MNQ, size=1)
    bench.pass_(5)
    bench.place(side=1, size=3)
    bench.pass_(5)
    bench.venue.change_account({"id": ACCOUNT, "balance": 151_000_000_000})
    bench.place(side=1)
    bench.pass_(5)
    return bench


def test_a_sound_ledger_has_no_breach() -> None:
    bench = a_day()
    assert judged(ledger_of(bench)) == []
    assert bench.venue.verdict()["breaches"] == []
    assert bench.venue.judge.breaches == []


@pytest.mark.parametrize("seed", range(6))
def test_random_days_have_no_breach(seed: int) -> None:
    bench = Bench(profile=("realistic", "fast")[seed % 2])
    play(bench, seed)
    bench.pass_(100)
    assert bench.venue.verdict()["breaches"] == []
    assert again(bench).venue.verdict()["breaches"] == []


def nth(records: list[Record], kind: str, wanted: Callable[[Any], bool] = lambda _row: True) -> int:
    return next(i for i, record in enumerate(records) if record[1] == kind and wanted(record[2]))


def test_a_position_that_is_not_the_sum_of_its_fills_is_caught() -> None:
    records = ledger_of(a_day())
    row = records[nth(records, "position", lambda row: row.net == 2)][2]
    row.net = 3
    found = judged(records)
    assert [breach.rule for breach in found] == ["position"]
    assert found[0].text == (
        f"position: position {row.id}: expected 2 lots of {MNQ} in account {ACCOUNT} by the fills, seen 3 lots"
    )
    assert found[0].ts == row.created


def test_a_position_that_does_not_move_with_its_fill_is_caught() -> None:
    records = ledger_of(a_day())
    del records[nth(records, "position", lambda row: row.net == 3)]
    found = judged(records)
    assert (found[0].rule, found[0].seen) == ("position", "2 lots")
    assert found[0].event.startswith("trade ")


def test_a_fill_without_a_half_turn_is_caught() -> None:
    records = ledger_of(a_day())
    trade = records.pop(nth(records, "trade"))[2]
    found = judged(records)
    assert {breach.rule for breach in found} == {"position", "filled volume", "balance"}
    volume = next(breach for breach in found if breach.rule == "filled volume")
    assert volume.event == f"order {trade.order} with status 2"
    assert (volume.expected, volume.seen) == ("0 lots by its half-turns", "2 lots")


def test_a_filled_order_that_is_not_filled_whole_is_caught() -> None:
    records = ledger_of(a_day())
    index = nth(records, "order", lambda row: row.status == 2)
    records[index][2].size = 5
    found = judged(records)
    assert [(b.rule, b.expected, b.seen) for b in found] == [
        ("filled volume", "5 lots of a filled order", "2 lots")
    ]


@pytest.mark.parametrize("member", ["pnl", "fees", "commissions"])
def test_a_balance_that_is_not_the_sum_of_the_half_turns_is_caught(member: str) -> None:
    records = ledger_of(a_day())
    trade = records[nth(records, "trade", lambda row: row.pnl is not None)][2]
    setattr(trade, member, getattr(trade, member) + 10_000)
    found = judged(records)
    assert [breach.rule for breach in found] == ["balance"]
    assert found[0].event == f"account {ACCOUNT}"
    assert found[0].seen not in found[0].expected


def test_a_balance_that_moves_by_itself_is_caught() -> None:
    records = ledger_of(a_day())
    index = len(records) - 1 - nth(records[::-1], "account")
    records[index][2].balance += 1
    assert [breach.rule for breach in judged(records)] == ["balance"]


def test_a_working_child_of_an_unfilled_parent_is_caught() -> None:
    records = ledger_of(a_day())
    child = records[nth(records, "order", lambda row: row.parent is not None and row.status == 8)][2]
    child.status = 1
    found = judged(records)
    assert [breach.rule for breach in found] == ["child"]
    assert found[0].event == f"order {child.id} with status 1"
    assert str(child.parent) in found[0].expected


def test_a_second_order_of_one_intent_is_caught() -> None:
    records = ledger_of(a_day())
    index = nth(records, "order", lambda row: row.tag == "a")
    records.insert(index + 1, (records[index][0], "order", msgspec.structs.replace(records[index][2], id=7)))
    judge = Judge()
    for record in records:
        judge.read(*record)
    verdict = judge.verdict(records[-1][0])
    assert verdict["duplicate_orders"] == 1


def test_a_stop_that_vanishes_leaves_the_position_unprotected() -> None:
    bench = Bench()
    placed = bench.place(stopLossBracket={"ticks": -40, "type": 4})
    bench.pass_(60_000)
    records = ledger_of(bench)
    assert Judge().verdict(0)["unprotected"] == []
    working = lambda row: row.id == placed["orderId"] + 1 and row.status == 1  # noqa: E731
    del records[nth(records, "order", working)]
    judge = Judge()
    for record in records:
        judge.read(*record)
    verdict = judge.verdict(bench.venue.state.now)
    assert round(verdict["unprotected_longest_s"]) == 60  # type: ignore[call-overload]
    assert any(text.startswith("unprotected") for text in verdict["violations"])  # type: ignore[attr-defined]


def test_the_judge_of_a_venue_sees_a_corrupted_row_at_once() -> None:
    bench = Bench()
    bench.place()
    bench.pass_(5)
    bench.venue.state.accounts[ACCOUNT].balance += 5_000_000
    bench.place()
    bench.pass_(5)
    assert [breach.rule for breach in bench.venue.judge.breaches] == ["balance"]
    assert any(text.startswith("balance: account 1001: expected ") for text in bench.venue.judge.violations)


def test_a_voided_half_turn_counts_in_no_sum() -> None:
    bench = Bench()
    bench.trade(79_999)
    bench.place()
    bench.pass_(5)
    bench.trade(80_041)
    bench.place(side=1)
    bench.pass_(5)
    hub = bench.listen("user", ("SubscribeTrades", [ACCOUNT]), ("SubscribeAccounts", []))
    closing = bench.call("Trade/search", accountId=ACCOUNT)["trades"][0]
    assert closing["profitAndLoss"] is not None
    before = bench.balance()
    bench.venue.void(closing["id"])
    rows = bench.call("Trade/search", accountId=ACCOUNT)["trades"]
    assert [row["voided"] for row in rows] == [True, False]
    assert round(before - bench.balance(), 2) == round(closing["profitAndLoss"] - 0.62, 2)
    assert hub.data("GatewayUserTrade")[0]["voided"] is True
    verdict = bench.venue.verdict()
    assert (verdict["breaches"], verdict["net_pnl"]) == ([], -620_000)
    other = again(bench)
    assert other.venue.verdict()["breaches"] == []
    assert [row["voided"] for row in other.call("Trade/search", accountId=ACCOUNT)["trades"]] == [True, False]
    with pytest.raises(BadField, match="not voided yet"):
        bench.venue.void(closing["id"])
