"""Generated requests over every endpoint: no answer without its shape, no state that a later read cannot bear."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.paper.endpoints import ENDPOINTS
from bot.paper.options import PaperOptions
from bot.paper.reply import Reply
from tests.unit.paper.scripted import ACCOUNT, MES, MNQ, Bench

FIT = {
    "accountId": str(ACCOUNT), "contractId": f'"{MNQ}"', "orderId": "3400000002", "type": "2", "side": "0", "size": "1",
    "limitPrice": "19990", "stopPrice": "20010.5", "trailPrice": "19980.25", "customTag": '"tag"',
    "stopLossBracket": '{"ticks":-40,"type":4}', "takeProfitBracket": '{"ticks":80,"type":1}', "live": "false",
    "searchText": '"ES"', "onlyActiveAccounts": "true", "startTimestamp": '"2025-10-01T00:00:00Z"',
    "endTimestamp": '"2025-10-02T00:00:00Z"', "startTime": '"2025-09-30T00:00:00"',
    "endTime": '"2025-10-01T14:30:00.000Z"', "unit": "2", "unitNumber": "5", "limit": "100",
    "includePartialBar": "true", "filter": f'{{"accountId":{ACCOUNT},"statuses":[1,6,7,8]}}', "pageSize": "10",
    "pageOffset": "0", "sortBy": "1", "sortDirection": "1", "includeTotalCount": "true", "userName": '"paper"',
    "apiKey": '"paper-key"', "password": '"p"', "deviceId": '"d"', "appId": '"a"', "verifyKey": '"v"',
    "request": '{"status":"Open"}',
}  # fmt: skip
MEMBERS = {
    "place": ("accountId", "contractId", "type", "side", "size", "limitPrice", "stopPrice", "trailPrice", "customTag",
              "stopLossBracket", "takeProfitBracket"),
    "modify": ("accountId", "orderId", "size", "limitPrice", "stopPrice", "trailPrice"),
    "cancel": ("accountId", "orderId"), "close": ("accountId", "contractId"),
    "partial": ("accountId", "contractId", "size"), "accounts": ("onlyActiveAccounts",),
    "contracts": ("searchText", "live"), "contract": ("contractId",), "available": ("live",),
    "bars": ("contractId", "live", "startTime", "endTime", "unit", "unitNumber", "limit", "includePartialBar"),
    "orders": ("accountId", "startTimestamp", "endTimestamp"), "open_orders": ("accountId",),
    "order": ("accountId", "orderId"), "positions": ("accountId",),
    "query": ("filter", "pageSize", "pageOffset", "sortBy", "sortDirection", "includeTotalCount"),
    "trades": ("accountId", "startTimestamp", "endTimestamp"), "login": ("userName", "apiKey"),
    "loginApp": ("userName", "password", "deviceId", "appId", "verifyKey"), "validate": (), "logout": (), "ping": (),
}  # fmt: skip
ODD = (
    "null", "true", "false", '""', '"x"', "[]", "{}", "0", "-0", "-1", "1.0", "1e3", "5E-07", "1e400", "1e-400", "NaN",
    "Infinity", "-Infinity", "2147483647", "2147483648", "-2147483649", "9223372036854775807", "9223372036854775808",
    "9" * 5000, "0." + "1" * 400, '"\\ud800"', '"\\u0000"', '"CON.F.US.MES.Z25"', '"CON.F.US.MNQ.U25"', '"CON.F.US.CLE.X25"',
    '"CON.F.US..."', '"0001-01-01T00:00:00Z"', '"9999-12-31T23:59:59.9999999-14:00"', '"2025-13-01"', '"2025-10-01"',
    '"2025-10-01T00:00:00+25:99"', "[[[[]]]]", '{"a":{"a":{"a":1}}}', "[" * 3000 + "]" * 3000, '{"accountId":1001}',
    '[1,null,"2",3.5]', "[99999999999]", '{"ticks":1e9,"type":4}', '{"ticks":-40,"type":null}', "19990.13", "tru", "'x'",
    "20000", "3", "4", "5", "6", "7", "1001",
)  # fmt: skip
KNOWN_BAD = (
    b"",
    b" ",
    b"\xff\xfe{}",
    b"\xef\xbb\xbf{}",
    b"[]",
    b"null",
    b'"text"',
    b"{",
    b"\x00",
    b"{}",
    b"{}{}",
)


KINDS = (
    "text/json",
    "application/x+json; charset=utf-8",
    "APPLICATION/JSON",
    "text/plain",
    "application/xml",
    "",
    None,
)
RARELY = st.sampled_from((False,) * 12 + (True,))


class Ask(NamedTuple):
    """One request of a plan."""

    method: str
    endpoint: str
    path: str
    headers: dict[str, str]
    body: bytes
    authorised: bool


values = st.one_of(st.sampled_from(ODD), st.integers().map(str), st.floats(allow_nan=False).map(json.dumps),
                   st.text(max_size=20).map(json.dumps))  # fmt: skip
names = st.one_of(
    st.sampled_from(sorted(FIT)), st.sampled_from(sorted(FIT)).map(str.upper), st.text(max_size=8)
)


@st.composite
def bodies(draw: st.DrawFn, endpoint: str) -> bytes:
    """A body that fits but for a few members, cut, spoilt or replaced now and then."""
    members = [(name, FIT[name]) for name in MEMBERS[endpoint]]
    for _ in range(draw(st.sampled_from((0, 0, 1, 1, 2))) if members else 0):
        at = draw(st.integers(0, len(members) - 1))
        members[at] = (members[at][0], draw(values))
    if draw(st.sampled_from((False, False, False, True))):
        members = draw(st.lists(st.sampled_from(members), max_size=len(members))) if members else []
    if draw(st.sampled_from((False, False, True))):
        members += draw(st.lists(st.tuples(names, values), max_size=2))
    text = ",".join(f"{json.dumps(name)}:{value}" for name, value in members)
    raw = b"{" + text.encode("utf-8", "surrogatepass") + b"}"
    how = draw(st.sampled_from(("", "", "", "", "", "", "bad", "cut", "splice")))
    if how == "bad":
        return draw(st.sampled_from(KNOWN_BAD))
    if how == "cut":
        return raw[: draw(st.integers(0, len(raw)))]
    if how == "splice":
        at = draw(st.integers(0, len(raw)))
        return raw[:at] + draw(st.binary(max_size=4)) + raw[at:]
    return raw


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    """A request, mostly to where it belongs."""
    endpoint = draw(st.sampled_from(sorted(ENDPOINTS)))
    path = ENDPOINTS[endpoint]
    if draw(RARELY):
        path = draw(
            st.sampled_from(
                (path.upper(), path + "?x=1", path + "/", path + "x", "/", "/api/Fill/search", "//")
            )
        )
    method = "GET" if endpoint == "ping" else "POST"
    if draw(RARELY):
        method = draw(st.sampled_from(("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "")))
    kind = draw(st.sampled_from(KINDS)) if draw(RARELY) else "application/json"
    headers = {} if kind is None else {"content-TYPE": kind}
    authorised = not draw(RARELY)
    if not authorised:
        value = draw(
            st.sampled_from(("", "Bearer", "Bearer a.b.c", "Basic x", "Bearer \u00e9.\u00e9.\u00e9"))
        )
        headers["Authorization"] = value
    return Ask(method, endpoint, path, headers, draw(bodies(endpoint)), authorised)


def check(ask: Ask, reply: Reply) -> None:
    """The answer has the shape that its status is to have (gateway.md 3.2, 3.3)."""
    assert reply.mode == "answer", ask
    kind = reply.headers.get("Content-Type", "")
    if reply.status == 200:
        if reply.body == b"pong":
            return
        assert kind.startswith("application/json"), (ask, reply)
        body = json.loads(reply.body)
        assert list(body)[-3:] == ["success", "errorCode", "errorMessage"], (ask, body)
        assert type(body["success"]) is bool, (ask, body)
        assert type(body["errorCode"]) is int, (ask, body)
        assert body["success"] is (body["errorCode"] == 0), (ask, body)
        assert isinstance(body["errorMessage"], str | None), (ask, body)
    elif reply.status in (400, 415):
        assert kind.startswith("application/problem+json"), (ask, reply)
        body = json.loads(reply.body)
        assert {"type", "title", "status", "errors"} <= set(body), (ask, body)
        assert body["status"] == reply.status, (ask, body)
        assert reply.status == 415 or body["errors"], (ask, body)
    else:
        assert reply.status in (401, 404, 405), (ask, reply)
        assert reply.body == b"", (ask, reply)
        assert reply.status != 405 or reply.headers["Allow"] in ("GET", "POST"), (ask, reply)


def healthy(bench: Bench, token: str) -> None:
    """The venue still answers, and its books agree with each other."""
    bench.token = token
    assert len(bench.call("Account/search", onlyActiveAccounts=False)["accounts"]) == 2
    trades = bench.call("Trade/search", accountId=ACCOUNT)["trades"]
    net: dict[str, int] = {}
    for row in trades:
        net[row["contractId"]] = net.get(row["contractId"], 0) + row["size"] * (1 - 2 * row["side"])
    rows = bench.call("Position/searchOpen", accountId=ACCOUNT)["positions"]
    held = {row["contractId"]: row["size"] * (1 if row["type"] == 1 else -1) for row in rows}
    assert held == {contract: size for contract, size in net.items() if size}
    found = bench.call("Order/v2/query", filter={"accountId": ACCOUNT}, includeTotalCount=True)
    assert len(found["orders"]) == min(found["totalCount"], 100)
    verdict = bench.venue.verdict()
    assert verdict["duplicate_orders"] == 0
    for line in bench.venue.ledger.lines:
        json.loads(line)


def run(plan: list[Ask]) -> Bench:
    """Send a plan to a new venue that holds a position and a working order."""
    bench = Bench(PaperOptions(rate_general=(10**6, 60), rate_bars=(10**6, 30)), profile="fast")
    spare = bench.call("Auth/loginKey", userName="paper", apiKey="paper-key")["token"]
    user = bench.listen(
        "user", *((f"Subscribe{what}", [ACCOUNT]) for what in ("Orders", "Positions", "Trades"))
    )
    bench.place(customTag="first")
    bench.place(contractId=MES, type=1, limitPrice=4990)
    bench.trade(80_001)
    for ask in plan:
        headers = dict(ask.headers)
        if ask.authorised:
            headers["authorization"] = f"Bearer {bench.token}"
        check(ask, bench.venue.handle(ask.method, ask.path, headers, ask.body))
        bench.pass_(1)
    for record in user.records():
        assert isinstance(record, dict)
    healthy(bench, spare)
    return bench


@settings(
    max_examples=600, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(st.lists(asks(), min_size=1, max_size=8))
def test_no_request_leaves_its_shape_or_harms_the_state(plan: list[Ask]) -> None:
    run(plan)


def test_every_endpoint_is_asked_and_can_be_reached_with_what_fits() -> None:
    assert set(MEMBERS) == set(ENDPOINTS)
    for endpoint, members in MEMBERS.items():
        body = ("{" + ",".join(f'"{name}":{FIT[name]}' for name in members) + "}").encode()
        method = "GET" if endpoint == "ping" else "POST"
        headers = {"Content-Type": "application/json"}
        bench = run([])
        bench.token = bench.call("Auth/loginKey", userName="paper", apiKey="paper-key")["token"]
        headers["Authorization"] = f"Bearer {bench.token}"
        reply = bench.venue.handle(method, ENDPOINTS[endpoint], headers, body)
        assert reply.status == 200, (endpoint, reply)


def test_the_check_refuses_what_it_should() -> None:
    ask: Any = None
    bad = (
        Reply(status=500), Reply(status=401, body=b"{}"), Reply(body=b"{}"), Reply(status=405),
        Reply(headers={"Content-Type": "application/json"}, body=b'{"success":true,"errorCode":1,"errorMessage":null}'),
        Reply(status=400, body=b'{"type":"t","title":"t","status":400,"errors":{"a":["b"]}}'),
    )  # fmt: skip
    for reply in bad:
        try:
            check(ask, reply)
        except (AssertionError, KeyError, ValueError):
            continue
        raise AssertionError(reply)
