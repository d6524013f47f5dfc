"""Faults: what is executed, what is answered, and how often (failures.md, section "Test bench")."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.model.errors import BadField
from tests.unit.paper.scripted import ACCOUNT, MNQ, Bench

PLACE = json.dumps({"accountId": ACCOUNT, "contractId": MNQ, "type": 2, "side": 0, "size": 1}).encode()


@pytest.mark.parametrize("how", [500, 502, 504])
def test_accept_then_executes_and_answers_5xx(how: int) -> None:
    bench = Bench()
    bench.venue.inject({"fault": "accept_then", "endpoint": "place", "how": how, "count": 2, "after_s": 1.5})
    replies = [bench.send("/api/Order/place", PLACE) for _ in range(3)]
    assert [reply.status for reply in replies] == [how, how, 200]
    assert replies[0].after >= 1_500_000_000
    bench.pass_(10)
    assert len(bench.orders((2,))) == 3


@pytest.mark.parametrize(
    ("how", "status", "mode"), [("reset", 200, "reset"), ("empty", 200, "answer"), ("html", 200, "answer")]
)
def test_accept_then_spoils_the_answer(how: str, status: int, mode: str) -> None:
    bench = Bench()
    bench.venue.inject({"fault": "accept_then", "endpoint": "place", "how": how})
    reply = bench.send("/api/Order/place", PLACE)
    assert (reply.status, reply.mode) == (status, mode)
    assert b"success" not in reply.body
    bench.pass_(10)
    assert len(bench.orders((2,))) == 1


def test_drop_executes_and_never_answers() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "drop", "endpoint": "place", "count": 1})
    assert bench.send("/api/Order/place", PLACE).mode == "hang"
    assert bench.send("/api/Order/place", PLACE).mode == "answer"
    bench.pass_(10)
    assert len(bench.orders((2,))) == 2


def test_delay_keeps_the_good_answer() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "delay", "endpoint": "place", "seconds": 20})
    reply = bench.send("/api/Order/place", PLACE)
    assert reply.after >= 20_000_000_000
    assert json.loads(reply.body)["success"]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_http_faults_do_not_execute(status: int) -> None:
    bench = Bench()
    bench.venue.inject({"fault": "http", "endpoint": "place", "status": status})
    assert bench.send("/api/Order/place", PLACE).status == status
    bench.pass_(10)
    assert bench.orders((2,)) == []
    assert bench.venue.verdict()["rate_limited"] == 0


def test_refuse_is_a_business_refusal_without_execution() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "refuse", "endpoint": "place", "code": 6, "text": "later"})
    answer = json.loads(bench.send("/api/Order/place", PLACE).body)
    assert answer == {"orderId": None, "success": False, "errorCode": 6, "errorMessage": "later"}
    assert bench.orders((2, 5, 6)) == []


def test_a_fault_strikes_its_endpoint_only_or_any() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "http", "endpoint": "modify", "status": 500})
    assert bench.send("/api/Order/place", PLACE).status == 200
    bench.venue.inject({"fault": "http", "status": 502, "count": 2})
    assert bench.send("/api/Order/place", PLACE).status == 502
    assert bench.send("/api/Account/search", b'{"onlyActiveAccounts":true}').status == 502
    assert bench.send("/api/Order/place", PLACE).status == 200


def test_null_lists_and_a_lying_close() -> None:
    bench = Bench()
    bench.place()
    bench.pass_(5)
    bench.venue.inject({"fault": "null", "endpoint": "positions"})
    answer = bench.call("Position/searchOpen", accountId=ACCOUNT)
    assert (answer["positions"], answer["success"]) == (None, True)
    bench.venue.inject({"fault": "close.lie", "endpoint": "close"})
    assert bench.call("Position/closeContract", accountId=ACCOUNT, contractId=MNQ)["success"]
    bench.pass_(5)
    assert bench.position() is not None


def test_children_missing_and_late() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "children.missing", "count": 1})
    bench.place(stopLossBracket={"ticks": -40, "type": 4})
    bench.pass_(50)
    assert bench.orders() == []
    assert bench.position() is not None
    bench.venue.inject({"fault": "children.late", "seconds": 3, "count": 1})
    bench.place(stopLossBracket={"ticks": -40, "type": 4})
    bench.pass_(3_007)
    assert [row["status"] for row in bench.orders()] == [8]
    bench.pass_(1)
    assert [row["status"] for row in bench.orders()] == [1]


def test_both_legs_fill_when_the_sibling_lags() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "oco.lag", "seconds": 5})
    bench.place(stopLossBracket={"ticks": -40, "type": 4}, takeProfitBracket={"ticks": 40, "type": 1})
    bench.pass_(20)
    bench.quote(80_041)
    bench.trade(79_960)
    held = bench.position()
    assert held is not None
    assert (held["type"], held["size"]) == (2, 1)
    assert any("bracket leg" in text for text in bench.venue.verdict()["violations"])  # type: ignore[attr-defined]


def test_liquidation_and_doubled_events() -> None:
    bench = Bench()
    user = bench.listen("user", ("SubscribeTrades", [ACCOUNT]), ("SubscribeAccounts", []))
    bench.place()
    bench.pass_(5)
    bench.venue.inject({"fault": "reemit_open_trade", "count": 1})
    bench.venue.inject({"fault": "dup_account", "count": 1})
    user.clear()
    bench.venue.inject({"fault": "liquidate", "account_id": ACCOUNT, "contract_id": MNQ})
    bench.pass_(5)
    assert bench.position() is None
    assert len(user.data("GatewayUserTrade")) == 2
    assert len(user.data("GatewayUserAccount")) == 2


def test_quotes_stop_for_a_while() -> None:
    bench = Bench()
    market = bench.listen("market", ("SubscribeContractQuotes", [MNQ]))
    bench.venue.inject({"fault": "quote.stop", "seconds": 2})
    market.clear()
    bench.quote(80_010, ms=1_000)
    assert market.events() == []
    bench.quote(80_020, ms=1_500)
    assert len(market.events()) == 1


BAD: list[dict[str, Any]] = [
    {"fault": "no.such"},
    {"fault": "drop", "endpoint": "nowhere"},
    {"fault": "drop", "endpiont": "place"},
    {"fault": "accept_then", "endpoint": "place"},
    {"fault": "hub.drop", "hub": "third"},
]


@pytest.mark.parametrize("shape", BAD)
def test_a_misspelt_fault_is_refused(shape: dict[str, Any]) -> None:
    with pytest.raises(BadField):
        Bench().venue.inject(shape)


def test_faults_can_be_cleared() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "http", "endpoint": "place", "status": 500, "count": 9})
    bench.venue.faults.clear()
    assert bench.send("/api/Order/place", PLACE).status == 200


def test_reads_that_lag_behind() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "lag", "endpoint": "positions", "seconds": 3})
    bench.place()
    bench.pass_(2_000)
    assert bench.position() is None
    assert len(bench.orders((2,))) == 1
    bench.pass_(1_100)
    assert bench.position() is not None
    bench.call("Position/closeContract", accountId=ACCOUNT, contractId=MNQ)
    bench.pass_(1_000)
    assert bench.position() is not None
    bench.venue.faults.clear()
    assert bench.position() is None


def test_frozen_doubled_and_shuffled_bars() -> None:
    bench = Bench()
    ask = {"contractId": MNQ, "live": False, "startTime": "2025-10-01T14:30:00Z", "endTime": "2025-10-01T15:00:00Z",
           "unit": 2, "unitNumber": 1, "limit": 9, "includePartialBar": False}  # fmt: skip

    def opens() -> list[str]:
        return [bar["t"][14:16] for bar in bench.call("History/retrieveBars", **ask)["bars"]]

    for _ in range(4):
        bench.trade(80_000, ms=60_000)
    assert opens() == ["33", "32", "31"]
    bench.venue.inject({"fault": "bars.dup", "count": 1})
    assert opens() == ["33", "33", "32", "32", "31", "31"]
    bench.venue.inject({"fault": "bars.shuffle", "count": 1})
    assert opens() == ["32", "33", "31"]
    bench.venue.inject({"fault": "bars.freeze"})
    for _ in range(3):
        bench.trade(80_000, ms=60_000)
    assert opens() == ["33", "32", "31"]


def test_sparse_and_zero_quotes_and_a_depth_reset() -> None:
    bench = Bench()
    market = bench.listen(
        "market", ("SubscribeContractQuotes", [MNQ]), ("SubscribeContractMarketDepth", [MNQ])
    )
    bench.venue.inject({"fault": "quote.sparse", "seconds": 1})
    market.clear()
    bench.trade(80_010)
    bench.quote(80_020)
    assert all("lastPrice" not in event["arguments"][1] for event in market.events("GatewayQuote"))
    bench.pass_(1_000)
    bench.venue.inject({"fault": "quote.zero", "seconds": 1})
    market.clear()
    bench.quote(80_030)
    data = market.events("GatewayQuote")[0]["arguments"][1]
    assert (data["bestBid"], data["bestAsk"], data["lastPrice"]) == (0, None, 0)
    market.clear()
    bench.venue.inject({"fault": "depth.reset"})
    levels = market.events("GatewayDepth")[0]["arguments"][1]
    assert [row["type"] for row in levels] == [6, 2, 1]
