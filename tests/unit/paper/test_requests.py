"""What does not bind, where it is found out, and what is borne with, endpoint by endpoint (gateway.md 3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.paper.endpoints import ENDPOINTS
from bot.paper.options import PaperOptions
from tests.unit.paper.scripted import ACCOUNT, MNQ, Bench

BRACKETS = {"stopLossBracket": {"ticks": -40, "type": 4}, "takeProfitBracket": {"ticks": 80, "type": 1}}
BARS = {
    "contractId": MNQ, "live": False, "startTime": "2025-10-01T00:00:00Z", "endTime": "2025-10-01T01:00:00Z",
    "unit": 2, "unitNumber": 1, "limit": 5, "includePartialBar": False,
}  # fmt: skip
# Required members first; then the optional ones with their kinds.
BODIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "login": ({"userName": "paper", "apiKey": "paper-key"}, {}),
    "loginApp": (dict.fromkeys(("userName", "password", "deviceId", "appId", "verifyKey"), "x"), {}),
    "accounts": ({"onlyActiveAccounts": True}, {}),
    "contracts": ({"live": False}, {"searchText": "MNQ"}),
    "contract": ({"contractId": MNQ}, {}),
    "available": ({"live": False}, {}),
    "bars": (BARS, {}),
    "place": (
        {"accountId": ACCOUNT, "contractId": MNQ, "type": 2, "side": 0, "size": 1},
        {"limitPrice": 1.5, "stopPrice": 1.5, "trailPrice": 1.5, "customTag": "t", **BRACKETS},
    ),
    "modify": (
        {"accountId": ACCOUNT, "orderId": 1},
        {"size": 1, "limitPrice": 1.5, "stopPrice": 1.5, "trailPrice": 1.5},
    ),
    "cancel": ({"accountId": ACCOUNT, "orderId": 1}, {}),
    "orders": (
        {"accountId": ACCOUNT, "startTimestamp": "2025-10-01T00:00:00Z"},
        {"endTimestamp": "2025-10-02T00:00:00Z"},
    ),
    "open_orders": ({"accountId": ACCOUNT}, {}),
    "order": ({"accountId": ACCOUNT, "orderId": 1}, {}),
    "query": (
        {"filter": {"accountId": ACCOUNT}},
        {"pageSize": 1, "pageOffset": 0, "sortBy": 0, "sortDirection": 1, "includeTotalCount": True},
    ),
    "positions": ({"accountId": ACCOUNT}, {}),
    "close": ({"accountId": ACCOUNT, "contractId": MNQ}, {}),
    "partial": ({"accountId": ACCOUNT, "contractId": MNQ, "size": 1}, {}),
    "trades": (
        {"accountId": ACCOUNT},
        {"startTimestamp": "2025-10-01T00:00:00Z", "endTimestamp": "2025-10-02T00:00:00Z"},
    ),
}
LENIENT = {"ticks": -40, "type": 4, "size": 1, "reduceOnly": True}


def post(bench: Bench, endpoint: str, body: Any) -> tuple[int, dict[str, Any]]:
    reply = bench.send(ENDPOINTS[endpoint], body if isinstance(body, bytes) else json.dumps(body).encode())
    return reply.status, json.loads(reply.body)


def unfit(value: Any) -> list[Any]:
    """Values of other kinds than this one."""
    if isinstance(value, bool):
        return [0, "true", [], {}]
    if isinstance(value, int):
        return [True, "1", 1.5, [], {}, 2**63]
    if isinstance(value, float):
        return [True, "1.5", [], {}]
    if isinstance(value, dict):
        return [[], 1, "{}", True]
    if value[:2] == "20":
        return [1, "yesterday", "2025-13-01T00:00:00Z", "", [], 1759276800000]
    return [1, True, [], {}]


def test_every_endpoint_with_a_body_is_listed() -> None:
    assert set(BODIES) == set(ENDPOINTS) - {"ping", "validate", "logout"}


@pytest.mark.parametrize("endpoint", BODIES)
def test_a_missing_or_null_required_member_is_named_in_a_400(endpoint: str) -> None:
    bench, required = Bench(), BODIES[endpoint][0]
    for name in required:
        without = {key: value for key, value in required.items() if key != name}
        for body in (without, {**without, name: None}):
            status, answer = post(bench, endpoint, body)
            assert (status, answer["errors"]) == (400, {name: [f"The {name} field is required."]})


@pytest.mark.parametrize("endpoint", BODIES)
def test_a_value_of_another_kind_is_a_400_that_misleads_as_the_venue_does(endpoint: str) -> None:
    bench = Bench(PaperOptions(rate_general=(10_000, 60)))
    required, optional = BODIES[endpoint]
    for name, value in {**required, **optional}.items():
        for other in unfit(value):
            status, answer = post(bench, endpoint, {**required, name: other})
            assert status == 400, (name, other)
            assert answer["errors"]["request"] == ["The request field is required."]
            assert f"$.{name}" in answer["errors"]


@pytest.mark.parametrize("endpoint", BODIES)
def test_optional_members_may_be_null_absent_or_of_any_case(endpoint: str) -> None:
    required, optional = BODIES[endpoint]
    for body in (
        required, {**required, **dict.fromkeys(optional)}, {**required, **optional},
        {name.upper(): value for name, value in {**required, **optional}.items()},
        {**required, "junk": {"deep": [1]}, "request": {"accountId": 1, "status": "Open"}},
    ):  # fmt: skip
        assert post(Bench(), endpoint, body)[0] == 200, body


@pytest.mark.parametrize("endpoint", BODIES)
def test_a_body_that_is_no_object_is_a_400(endpoint: str) -> None:
    bench = Bench()
    for raw in (
        b"",
        b"  ",
        b"null",
        b"[]",
        b'"x"',
        b"1",
        b"{",
        b"{}{}",
        b'{"a":1,}',
        b"\xff",
        b'{"a":"\\ud800"}',
        b"{'a':1}",
    ):
        reply = bench.send(ENDPOINTS[endpoint], raw)
        assert reply.status == 400, raw
        assert reply.headers["Content-Type"].startswith("application/problem+json")
        body = json.loads(reply.body)
        assert {"type", "title", "status", "errors"} <= set(body)
        assert body["status"] == 400
        assert "success" not in body


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_checks_come_in_their_order(endpoint: str) -> None:
    bench = Bench(PaperOptions(rate_general=(1, 60), rate_bars=(1, 30)))
    path, right = ENDPOINTS[endpoint], "GET" if endpoint == "ping" else "POST"
    wrong = "POST" if right == "GET" else "GET"
    assert bench.send(path + "/x", b"{", wrong, token="bad").status == 404
    refused = bench.send(path, b"{", wrong, token="bad")
    assert (refused.status, refused.headers["Allow"], refused.body) == (405, right, b"")
    if endpoint in ("login", "loginApp", "ping"):
        return
    unknown = bench.send(path, b"{", token="bad")
    assert (unknown.status, unknown.body) == (401, b"")
    used = bench.send(path, b"{")
    if endpoint != "bars":
        assert (used.status, used.body) == (429, b"")
    else:
        assert used.status == 400
        assert bench.send(path, b"{").status == 429


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200), ("text/json", 200), ("application/vnd.api+json", 200),
        ("Application/JSON; charset=utf-8", 200), ("text/plain", 415), ("application/x-www-form-urlencoded", 415),
        ("", 415), (None, 415),
    ],
)  # fmt: skip
def test_the_request_types_that_are_taken(kind: str | None, status: int) -> None:
    bench = Bench()
    headers = {"authorization": f"bearer {bench.token}", "Accept": "application/xml"}
    if kind is not None:
        headers["content-type"] = kind
    reply = bench.venue.handle("POST", "/api/Account/search", headers, b'{"onlyActiveAccounts":true}')
    assert reply.status == status
    kinds = {200: "application/json; charset=utf-8", 415: "application/problem+json; charset=utf-8"}
    assert reply.headers["Content-Type"] == kinds[status]


@pytest.mark.parametrize("endpoint", ["validate", "logout"])
@pytest.mark.parametrize("body", [b"", b"{}", b"junk"])
@pytest.mark.parametrize("kind", [None, "application/json", "text/plain"])
def test_calls_without_a_body_bear_with_any(endpoint: str, body: bytes, kind: str | None) -> None:
    bench = Bench()
    headers = {"Authorization": f"Bearer {bench.token}", **({"Content-Type": kind} if kind else {})}
    reply = bench.venue.handle("POST", ENDPOINTS[endpoint], headers, body)
    assert (reply.status, json.loads(reply.body)["success"]) == (200, True)


def test_the_body_is_not_wrapped_in_request() -> None:
    bench = Bench()
    assert post(bench, "place", {"request": BODIES["place"][0]})[0] == 400


def test_of_a_repeated_member_the_last_counts() -> None:
    raw = b'{"accountId":5,"ACCOUNTID":1001}'
    assert json.loads(Bench().send(ENDPOINTS["positions"], raw).body)["success"] is True


def test_unknown_members_of_brackets_and_filters_are_ignored() -> None:
    bench = Bench()
    assert bench.place(stopLossBracket=LENIENT)["success"]
    assert bench.call("Order/v2/query", filter={"accountId": ACCOUNT, "junk": 1})["success"]


@pytest.mark.parametrize(
    "inner", [{"type": 4}, {"ticks": -40}, {"ticks": None, "type": 4}, {"ticks": "-40", "type": 4}]
)
def test_a_bracket_needs_ticks_and_type(inner: dict[str, Any]) -> None:
    assert post(Bench(), "place", {**BODIES["place"][0], "stopLossBracket": inner})[0] == 400


@pytest.mark.parametrize("statuses", [1, "1", ["1"], [None], [True], [1.5], [2**31]])
def test_statuses_are_a_list_of_whole_numbers(statuses: Any) -> None:
    assert post(Bench(), "query", {"filter": {"accountId": ACCOUNT, "statuses": statuses}})[0] == 400


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("2025-10-01T14:30:00Z", True), ("2025-10-01T14:30:00", True), ("2025-10-01T16:30:00+02:00", True),
        ("2025-10-01T14:30:00.0000000Z", True), ("2025-10-01T14:30:00.0000001Z", False),
        ("2025-10-01T14:30:00.001", False), ("2025-10-01", True), ("2025-10-01T14:30Z", True), ("2025-10-01T14:31", False),
    ],
)  # fmt: skip
def test_times_are_read_with_any_zone_and_fraction(text: str, first: bool) -> None:
    bench = Bench()
    bench.place()
    bench.pass_(5)
    found = bench.call("Order/search", accountId=ACCOUNT, startTimestamp=text)["orders"]
    assert bool(found) is first


@pytest.mark.parametrize("text", ["19990.25", "19990.2500", "1.999025e4", "199902.5E-1"])
def test_prices_are_exact_in_every_notation(text: str) -> None:
    bench = Bench()
    raw = json.dumps({**BODIES["place"][0], "type": 1, "limitPrice": 0}).replace(
        '"limitPrice": 0', f'"limitPrice":{text}'
    )
    status, answer = post(bench, "place", raw.encode())
    assert (status, answer["success"]) == (200, True)
    bench.pass_(5)
    assert bench.order(answer["orderId"])["limitPrice"] == 19990.25


@pytest.mark.parametrize("text", ["1e400", "1e-400", "9" * 40, "-1e300"])
def test_numbers_beyond_a_decimal_do_not_bind(text: str) -> None:
    raw = json.dumps({**BODIES["place"][0], "type": 1, "limitPrice": 0}).replace(
        '"limitPrice": 0', f'"limitPrice":{text}'
    )
    assert post(Bench(), "place", raw.encode())[0] == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/Account/1001"), ("GET", "/api/Account/1001/info"), ("GET", "/api/Position/501"),
        ("POST", "/api/MarketData/quote"), ("POST", "/api/MarketData/depth"), ("POST", "/api/Fill/search"),
        ("POST", "/api/Position/closeContractPartial"), ("POST", "/api/Order/cancelAll"), ("GET", "/"), ("GET", "/api"),
        ("POST", "/api/Order/editStopLoss"), ("POST", "/api/Position/search"), ("POST", "/api/Quote/search"),
    ],
)  # fmt: skip
def test_calls_that_do_not_exist_are_404(method: str, path: str) -> None:
    reply = Bench().send(path, b"{}", method)
    assert (reply.status, reply.body) == (404, b"")


def test_paths_match_whatever_their_case_and_query() -> None:
    bench = Bench()
    assert bench.send("/API/account/SEARCH?x=1", b'{"onlyActiveAccounts":true}').status == 200
