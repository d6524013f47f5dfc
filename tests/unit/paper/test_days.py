"""Sessions, the cut, the loss limits, bars (gateway.md 8.5, 18, 19)."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.market import MinuteBar
from bot.model.times import MINUTE, parse_ts
from bot.paper.config import PaperAccount, PaperOptions
from bot.paper.market.feed import Print
from tests.unit.paper.scripted import ACCOUNT, MNQ, START, Bench

UNAVAILABLE = "Trading is currently unavailable. The instrument is not in an active trading status."
LONG_SL = {"ticks": -40, "type": 4}


def test_the_cut_cancels_flattens_and_refuses_but_accepts_cancels() -> None:
    bench = Bench(start=parse_ts("2025-10-01T20:09:59Z"))
    bench.place(stopLossBracket=LONG_SL)
    bench.place(type=1, limitPrice=19900)
    bench.pass_(100)
    bench.pass_(899)
    assert bench.position() is not None
    bench.pass_(10)
    assert bench.position() is None
    assert bench.orders() == []
    refused = bench.place()
    assert (refused["errorCode"], refused["errorMessage"]) == (2, UNAVAILABLE)
    closing = [row for row in bench.orders((2,)) if row["customTag"] is None and row["side"] == 1]
    assert closing[-1]["type"] == 2
    verdict = bench.venue.verdict()
    assert verdict["duplicate_orders"] == 0


@pytest.mark.parametrize(("start", "accepted"), [
    ("2025-10-01T20:09:58Z", True), ("2025-10-01T20:10:00Z", False), ("2025-10-01T21:30:00Z", False),
    ("2025-10-01T22:00:00Z", True), ("2025-10-04T15:00:00Z", False), ("2025-10-05T21:59:59Z", False),
    ("2025-10-05T22:00:00Z", True), ("2025-11-28T18:04:59Z", True), ("2025-11-28T18:05:00Z", False),
])  # fmt: skip
def test_when_orders_are_taken(start: str, accepted: bool) -> None:
    bench = Bench(start=parse_ts(start))
    assert bench.place()["success"] is accepted


def test_a_closed_market_may_answer_code_5() -> None:
    bench = Bench(PaperOptions(closed_code=5), start=parse_ts("2025-10-01T21:30:00Z"))
    answer = bench.place()
    assert (answer["errorCode"], answer["errorMessage"], answer["orderId"]) == (5, None, None)


def test_a_close_in_a_closed_market_is_refused_and_recorded() -> None:
    bench = Bench(PaperOptions(cancel_at_cutoff=True), start=parse_ts("2025-10-01T20:09:59Z"), profile="fast")
    bench.place()
    bench.venue.state.timers._heap.clear()
    bench.pass_(2_000)
    assert bench.call("Position/closeContract", accountId=ACCOUNT, contractId=MNQ)["errorCode"] == 5
    partial = bench.call("Position/partialCloseContract", accountId=ACCOUNT, contractId=MNQ, size=1)
    assert (partial["errorCode"], partial["errorMessage"]) == (6, None)
    assert len(bench.orders((5,))) == 2


def test_vector_6_the_floor_rises_at_day_ends_and_stops_at_the_start_balance() -> None:
    account = PaperAccount(id=1001, name="100KTC-V2-1-1", balance=100_000_000_000)
    bench = Bench(accounts=(account,))
    limits, row = bench.venue._matching.limits, bench.venue.state.accounts[1001]
    floors = []
    for day, balance in enumerate((100_000, 101_500, 100_700, 103_900)):
        row.balance = balance * 1_000_000
        limits.roll(bench.venue.state.now, row.day + 1 + day)
        floors.append((limits.floor(row) or 0) // 1_000_000)
    assert floors == [97_000, 98_500, 98_500, 100_000]


def test_touching_the_floor_flattens_and_closes_the_account() -> None:
    account = PaperAccount(id=1001, name="50KTC-V2-1-1", balance=48_010_000_000)
    bench = Bench(accounts=(account,))
    user = bench.listen("user", ("SubscribeAccounts", []))
    bench.place(size=5, stopLossBracket={"ticks": -900, "type": 4})
    bench.pass_(30)
    bench.trade(79_999)
    assert bench.call("Account/search", onlyActiveAccounts=True)["accounts"]
    bench.trade(79_998)
    bench.pass_(10)
    assert bench.position() is None
    assert bench.orders() == []
    assert bench.call("Account/search", onlyActiveAccounts=True)["accounts"] == []
    listed = bench.call("Account/search", onlyActiveAccounts=False)["accounts"][0]
    assert (listed["canTrade"], listed["isVisible"]) == (False, True)
    assert bench.place()["errorCode"] == 4
    assert user.data("GatewayUserAccount")[-1]["canTrade"] is False


def test_the_daily_limit_locks_until_five_in_the_afternoon() -> None:
    account = PaperAccount(id=1001, name="50KTC-V2-DLL-1-1", balance=50_000_000_000, dll=20_000_000)
    bench = Bench(accounts=(account,), start=parse_ts("2025-10-01T20:00:00Z"))
    bench.place(size=5)
    bench.pass_(5)
    bench.trade(79_995)
    assert bench.position() is not None
    bench.trade(79_994)
    bench.pass_(5)
    assert bench.position() is None
    assert bench.place()["errorCode"] == 4
    listed = bench.call("Account/search", onlyActiveAccounts=True)["accounts"][0]
    assert listed["canTrade"] is False
    bench.pass_(2 * 3_600_000)
    assert bench.place()["success"]


def bars_of(bench: Bench, **change: Any) -> dict[str, Any]:
    ask = {"contractId": MNQ, "live": False, "startTime": "2025-10-01T14:00:00", "endTime": "2025-10-01T14:40:00.000Z",
           "unit": 2, "unitNumber": 1, "limit": 100, "includePartialBar": False}  # fmt: skip
    return bench.call("History/retrieveBars", **{**ask, **change})


def minute_bars(count: int) -> list[MinuteBar]:
    return [
        MinuteBar(START - (count - i) * MINUTE, 80_000 + i, 80_010 + i, 79_990 + i, 80_005 + i, 10)  # type: ignore[arg-type]
        for i in range(count)
    ]


def test_vector_10_the_newest_bars_come_first() -> None:
    bench = Bench()
    bench.market.bars = minute_bars(10)
    bars = bars_of(bench, limit=3)["bars"]
    assert [bar["t"] for bar in bars] == [f"2025-10-01T14:{m}:00+00:00" for m in (29, 28, 27)]
    assert bars[0] == {"t": "2025-10-01T14:29:00+00:00", "o": 20002.25, "h": 20004.75, "l": 19999.75,
                       "c": 20003.5, "v": 10}  # fmt: skip


def test_live_prints_extend_history() -> None:
    bench = Bench()
    bench.market.bars = minute_bars(5)
    for number, price in enumerate((80_100, 80_120, 80_090)):
        bench.market.add(Print(MNQ, START + number * 40_000_000_000, price, 2, 0))
    bench.pass_(90_000)
    closed = bars_of(bench)["bars"]
    assert closed[0] == {
        "t": "2025-10-01T14:30:00+00:00",
        "o": 20025,
        "h": 20030,
        "l": 20025,
        "c": 20030,
        "v": 4,
    }
    assert len(closed) == 6
    forming = bars_of(bench, includePartialBar=True)["bars"]
    assert forming[0] == {"t": "2025-10-01T14:31:00+00:00", "o": 20022.5, "h": 20022.5, "l": 20022.5,
                          "c": 20022.5, "v": 2}  # fmt: skip
    five = bars_of(bench, unitNumber=5)["bars"]
    assert [(bar["t"][11:16], bar["v"]) for bar in five] == [("14:25", 50)]
    seconds = bars_of(bench, unit=1, unitNumber=30)["bars"]
    assert [(bar["t"][11:19], bar["v"]) for bar in seconds[:3]] == [
        ("14:31:00", 2), ("14:30:30", 2), ("14:30:00", 2),
    ]  # fmt: skip
    assert {bar["t"][11:16] for bar in seconds[3:]} == {f"14:{minute}" for minute in range(25, 30)}
    assert sum(bar["v"] for bar in seconds[3:]) == 50


def test_a_day_bar_opens_with_the_session() -> None:
    bench = Bench()
    bench.market.bars = minute_bars(5)
    bench.pass_(1_000)
    found = bars_of(bench, unit=4, startTime="2025-09-20T00:00:00Z", includePartialBar=True)["bars"]
    assert [(bar["t"], bar["v"]) for bar in found] == [("2025-09-30T22:00:00+00:00", 50)]
    assert bars_of(bench, unit=4, startTime="2025-09-20T00:00:00Z")["bars"] == []


def test_the_codes_are_tested_in_order() -> None:
    bench = Bench()
    cases: list[tuple[dict[str, Any], int]] = [
        ({"contractId": "X", "unit": 9}, 1), ({"unit": 7, "unitNumber": 0}, 2), ({"unit": 0}, 2),
        ({"unitNumber": 0, "limit": 0}, 3), ({"limit": 0}, 4), ({"limit": 20_001}, 4), ({"limit": 20_000}, 0),
        ({"startTime": "2025-10-02T00:00:00Z"}, 0), ({"live": True}, 0),
    ]  # fmt: skip
    for change, code in cases:
        assert bars_of(bench, **change)["errorCode"] == code, change


def test_partial_bars_leak_under_the_option() -> None:
    bench = Bench(PaperOptions(bars_leak_partial=True))
    bench.market.add(Print(MNQ, START, 80_100, 2, 0))
    bench.pass_(1_000)
    assert len(bars_of(bench)["bars"]) == 1


@pytest.mark.parametrize(("unit", "number", "stamps"), [
    (4, 1, ["2025-09-30T22", "2025-09-29T22", "2025-09-28T22"]),
    (4, 7, ["2025-09-28T22"]),
    (5, 1, ["2025-09-28T22"]),
    (6, 1, ["2025-09-30T22", "2025-08-31T22"]),
    (6, 12, ["2025-01-01T23"]),
])  # fmt: skip
def test_days_weeks_and_months_open_with_sessions(unit: int, number: int, stamps: list[str]) -> None:
    bench = Bench()
    for day in (29, 30):
        at = parse_ts(f"2025-09-{day}T15:00:00Z")
        bench.market.bars.append(MinuteBar(at, 80_000, 80_010, 79_990, 80_005, 10))  # type: ignore[arg-type]
    bench.market.bars += minute_bars(3)
    bench.pass_(1_000)
    found = bars_of(
        bench, unit=unit, unitNumber=number, startTime="2024-12-20T00:00:00Z", includePartialBar=True
    )["bars"]
    assert [bar["t"][:13] for bar in found] == stamps
    assert sum(bar["v"] for bar in found) == 50
