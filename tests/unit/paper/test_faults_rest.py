"""Faults of requests: what they say, whom they strike, for how long, and what the ledger tells of them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from bot.model.errors import BadField
from tests.unit.paper.scripted import ACCOUNT, MNQ, Bench

OTHER = 1002


def body(**members: Any) -> bytes:
    return json.dumps(
        {"accountId": ACCOUNT, "contractId": MNQ, "type": 2, "side": 0, "size": 1, **members}
    ).encode()


def strikes(bench: Bench) -> list[dict[str, Any]]:
    rows = [msgspec.json.decode(line) for line in bench.venue.ledger.lines]
    return [row for _, kind, row in rows if kind == "strike"]


@pytest.mark.parametrize(
    ("endpoint", "code"), [("place", 6), ("modify", 4), ("cancel", 4), ("close", 6), ("partial", 7)]
)
def test_pending_codes_although_it_was_carried_out(endpoint: str, code: int) -> None:
    bench = Bench(profile="fast")
    resting = bench.place(type=1, limitPrice=19900)["orderId"]
    bench.place()
    bench.pass_(1)
    bench.venue.inject({"fault": "pending", "endpoint": endpoint})
    order = {"accountId": ACCOUNT, "orderId": resting}
    held = {"accountId": ACCOUNT, "contractId": MNQ}
    answer = {
        "place": lambda: bench.call("Order/place", **json.loads(body())),
        "modify": lambda: bench.call("Order/modify", **order, limitPrice=19800),
        "cancel": lambda: bench.call("Order/cancel", **order),
        "close": lambda: bench.call("Position/closeContract", **held),
        "partial": lambda: bench.call("Position/partialCloseContract", **held, size=1),
    }[endpoint]()
    assert (answer["success"], answer["errorCode"], answer.get("orderId")) == (False, code, None)
    bench.pass_(1)
    done = {
        "place": lambda: (bench.position() or {})["size"] == 2,
        "modify": lambda: bench.order(resting)["limitPrice"] == 19800,
        "cancel": lambda: bench.order(resting)["status"] == 3,
        "close": lambda: bench.position() is None,
        "partial": lambda: bench.position() is None,
    }[endpoint]()
    assert done
    assert bench.venue.records()["requests"][-2]["fault"] in ("pending", "")


def test_a_pending_answer_can_tell_the_id_and_spares_refusals() -> None:
    bench = Bench(profile="fast")
    bench.venue.inject({"fault": "pending", "endpoint": "place", "with_id": True, "code": 6, "count": 1})
    assert bench.place(size=0)["errorCode"] == 2
    answer = bench.place()
    assert answer["errorCode"] == 6
    assert bench.order(answer["orderId"])["status"] == 2


def test_a_refusal_that_tells_an_id() -> None:
    bench = Bench()
    user = bench.listen("user", ("SubscribeOrders", [ACCOUNT]))
    bench.venue.inject({"fault": "refuse", "endpoint": "place", "code": 2, "text": "no", "with_id": True})
    answer = bench.place(customTag="mine")
    assert (answer["success"], answer["errorCode"], answer["errorMessage"]) == (False, 2, "no")
    bench.pass_(50)
    row = bench.order(answer["orderId"])
    assert (row["status"], row["fillVolume"], row["customTag"]) == (5, 0, "mine")
    assert user.short() == [("order", 5)]
    assert bench.position() is None


def test_http_with_a_body_and_retry_after() -> None:
    bench = Bench()
    bench.venue.inject(
        {"fault": "http", "endpoint": "place", "status": 429, "retry_after": 7, "text": "slow down"}
    )
    reply = bench.send("/api/Order/place", body())
    assert (reply.status, reply.body, reply.headers["Retry-After"]) == (429, b"slow down", "7")
    assert bench.orders((2, 5, 6)) == []


@pytest.mark.parametrize(
    "endpoint", ["Account/search", "History/retrieveBars", "Order/cancel", "Auth/validate"]
)
@pytest.mark.parametrize("how", ["empty", "html"])
def test_an_empty_body_or_a_page_on_any_endpoint(endpoint: str, how: str) -> None:
    bench = Bench()
    bench.venue.inject({"fault": "accept_then", "how": how})
    ask = {
        "Account/search": {"onlyActiveAccounts": True},
        "History/retrieveBars": {
            "contractId": MNQ, "live": False, "startTime": "2025-10-01T14:00:00Z", "endTime": "2025-10-01T14:30:00Z",
            "unit": 2, "unitNumber": 1, "limit": 9, "includePartialBar": False,
        },
        "Order/cancel": {"accountId": ACCOUNT, "orderId": 1},
    }.get(endpoint)  # fmt: skip
    reply = bench.send(f"/api/{endpoint}", b"" if ask is None else json.dumps(ask).encode())
    assert reply.status == 200
    assert reply.body == (b"" if how == "empty" else b"<html><body>Bad gateway</body></html>")


def test_delays_in_venue_time_and_in_real_time() -> None:
    bench = Bench(profile="fast")
    bench.venue.faults.rate = 10.0
    for clock, wanted in (("venue", 2), ("real", 20)):
        bench.venue.inject({"fault": "delay", "endpoint": "place", "seconds": 2, "clock": clock})
        assert bench.send("/api/Order/place", body()).after == wanted * 1_000_000_000


def test_a_late_answer_comes_after_the_events_of_its_order() -> None:
    bench = Bench()
    user = bench.listen("user", ("SubscribeOrders", [ACCOUNT]))
    bench.venue.inject({"fault": "delay", "endpoint": "place", "seconds": 20})
    reply = bench.send("/api/Order/place", body())
    bench.pass_(10)
    assert [event for event, *_ in user.short()] == ["order", "order"]
    assert reply.after > 19_000_000_000
    assert json.loads(reply.body)["orderId"] == user.data("GatewayUserOrder")[0]["id"]


def test_a_fault_of_one_account_or_contract_spares_the_others() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "http", "endpoint": "any", "status": 503, "account_id": OTHER, "count": 9})
    bench.venue.inject({"fault": "refuse", "endpoint": "place", "contract_id": "MES", "count": 9})
    assert bench.send("/api/Order/place", body()).status == 200
    assert bench.send("/api/Order/place", body(accountId=OTHER)).status == 503
    query = json.dumps({"filter": {"accountId": OTHER}}).encode()
    assert bench.send("/api/Order/v2/query", query).status == 503
    mes = json.loads(bench.send("/api/Order/place", body(contractId="CON.F.US.MES.Z25")).body)
    assert mes["errorCode"] == 2
    assert bench.venue.verdict()["struck"] == {"http": 2, "refuse": 1}


def test_a_fault_ends_with_its_span() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "http", "endpoint": "accounts", "status": 500, "count": 99, "for_s": 2})
    ask = b'{"onlyActiveAccounts":true}'
    assert bench.send("/api/Account/search", ask).status == 500
    bench.pass_(1_999)
    assert bench.send("/api/Account/search", ask).status == 500
    bench.pass_(1)
    assert bench.send("/api/Account/search", ask).status == 200


def test_timestamps_without_a_zone() -> None:
    bench = Bench()
    bench.place()
    bench.pass_(5)
    bench.venue.inject({"fault": "zoneless", "endpoint": "positions", "count": 1})
    stamps = [(bench.position() or {})["creationTimestamp"] for _ in range(2)]
    assert stamps[1] == stamps[0] + "+00:00"


def test_bars_of_every_contract_are_refused() -> None:
    bench = Bench()
    ask = {"contractId": MNQ, "live": False, "startTime": "2025-10-01T14:00:00Z", "endTime": "2025-10-01T14:30:00Z",
           "unit": 2, "unitNumber": 1, "limit": 9, "includePartialBar": False}  # fmt: skip
    bench.venue.inject({"fault": "bars.unknown", "count": 1})
    answers = [bench.call("History/retrieveBars", **ask) for _ in range(2)]
    assert [(answer["bars"], answer["errorCode"]) for answer in answers] == [(None, 1), ([], 0)]


def test_bars_of_one_contract_freeze() -> None:
    bench = Bench()
    mes = "CON.F.US.MES.Z25"
    bench.venue.inject({"fault": "bars.freeze", "contract_id": "MNQ"})
    for _ in range(3):
        bench.trade(80_000, ms=60_000)
        bench.trade(20_000, contract=mes)
    ask = {"live": False, "startTime": "2025-10-01T14:30:00Z", "endTime": "2025-10-01T15:00:00Z", "unit": 2,
           "unitNumber": 1, "limit": 9, "includePartialBar": True}  # fmt: skip
    found = [len(bench.call("History/retrieveBars", contractId=each, **ask)["bars"]) for each in (MNQ, mes)]
    assert found == [0, 3]


def test_all_tokens_expire_at_once() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "token.expire"})
    assert bench.send("/api/Account/search", b'{"onlyActiveAccounts":true}').status == 401
    bench.token = bench.call("Auth/loginKey", userName="paper", apiKey="paper-key")["token"]
    assert bench.send("/api/Account/search", b'{"onlyActiveAccounts":true}').status == 200


def test_the_ledger_tells_each_stroke_and_what_it_met() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "drop", "endpoint": "place", "count": 2})
    bench.send("/api/Order/place", body())
    bench.send("/api/Order/place", body())
    bench.send("/api/Order/place", body())
    assert strikes(bench) == [{"id": 1, "fault": "drop", "met": "place"}] * 2
    verdict = bench.venue.verdict()
    assert (verdict["struck"], verdict["struck_requests"]) == ({"drop": 2}, 2)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"fault": "pending", "endpoint": "accounts"}, "pending.endpoint: expected one of any, place, modify"),
    (
        {"fault": "accept_then", "endpoint": "place", "how": 404},
        "accept_then.how: expected one of 500 to 599",
    ),
    ({"fault": "lag", "endpoint": "orders"}, "lag.seconds: expected seconds"),
    ({"fault": "lag", "endpoint": "place", "seconds": 1}, "lag.endpoint: expected one of any, accounts"),
    ({"fault": "drop", "count": 0}, "drop.count: expected a whole number from 1 on, got 0"),
    (
        {"fault": "drop", "seconds": 3},
        "drop.seconds: expected one of endpoint, count, account_id, contract_id",
    ),
    ({"fault": "slip", "ticks": 1.5}, "slip.ticks: expected a whole number from 1 to 10000, got 1.5"),
    ({"fault": "kill"}, "fault: expected one of accept_then"),
    ({"fault": "quote.stop", "contract_id": "NQZ"}, "contract_id: expected the id or the root of one of"),
    ({"fault": "fill"}, "fill: expected a working order that is no bracket leg, got 'none'"),
]


@pytest.mark.parametrize(("shape", "text"), BAD)
def test_what_a_fault_does_not_take_is_named(shape: dict[str, Any], text: str) -> None:
    with pytest.raises(BadField) as caught:
        Bench().venue.inject(shape)
    assert text in str(caught.value)
