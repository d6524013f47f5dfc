"""HTTP conventions: order of checks, binding, envelopes, tokens, rate limits (gateway.md 3-5)."""

from __future__ import annotations

import json

import pytest

from bot.paper.config import PaperOptions
from tests.unit.paper.scripted import ACCOUNT, MNQ, Bench


def test_unknown_paths_and_wrong_methods_come_before_the_token() -> None:
    bench = Bench(login=False)
    assert bench.send("/api/Account/1001", b"", "GET").status == 404
    assert bench.send("/api/MarketData/quote", b"{}").status == 404
    wrong = bench.send("/api/Order/place", b"", "GET")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")
    assert bench.send("/api/Status/ping", b"", "POST").status == 405
    refused = bench.send("/api/Order/place", b"not json")
    assert (refused.status, refused.body) == (401, b"")


def test_rate_limit_comes_before_binding_and_refused_requests_do_not_count() -> None:
    bench = Bench(PaperOptions(rate_general=(3, 60)))
    for _ in range(2):
        assert bench.send("/api/Order/place", b"{").status == 400
    for _ in range(5):
        limited = bench.send("/api/Order/place", b"{")
        assert (limited.status, limited.body, "Retry-After" in limited.headers) == (429, b"", False)
    bench.pass_(60_000)
    assert bench.send("/api/Order/place", b"{").status == 400


def test_the_window_slides() -> None:
    bench = Bench(PaperOptions(rate_bars=(2, 30)))
    ask = {"contractId": MNQ, "live": False, "startTime": "2025-10-01T00:00:00Z",
           "endTime": "2025-10-01T01:00:00Z", "unit": 2, "unitNumber": 1, "limit": 5, "includePartialBar": False}  # fmt: skip
    body = json.dumps(ask).encode()
    statuses = []
    for wait in (0, 20_000, 9_999, 1, 0):
        bench.pass_(wait)
        statuses.append(bench.send("/api/History/retrieveBars", body).status)
    assert statuses == [200, 200, 429, 200, 429]
    assert bench.send("/api/Account/search", b'{"onlyActiveAccounts":true}').status == 200


def test_a_fixed_window_begins_anew_on_its_boundary() -> None:
    bench = Bench(PaperOptions(rate_window="fixed", rate_general=(2, 60)))
    body = b'{"onlyActiveAccounts":true}'
    bench.pass_(59_000)
    assert [bench.send("/api/Account/search", body).status for _ in range(2)] == [200, 429]
    bench.pass_(1_000)
    assert bench.send("/api/Account/search", body).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"contractId":"x","type":2,"side":0,"size":1}',
        b'{"accountId":null,"contractId":"x","type":2,"side":0,"size":1}',
        b'{"accountId":1001,"contractId":"x","type":"Market","side":0,"size":1}',
        b'{"accountId":1001,"contractId":"x","type":2,"side":"0","size":1}',
        b'{"accountId":1001,"contractId":"x","type":2,"size":1}',
        b'{"accountId":1001,"contractId":"x","type":2,"side":0,"size":1.5}',
        b'{"accountId":1001,"contractId":"x","type":2,"side":true,"size":1}',
        b'{"accountId":1001,"contractId":"x","type":1,"side":0,"size":1,"limitPrice":NaN}',
        b'{"accountId":1001,"contractId":"x","type":1,"side":0,"size":1,"limitPrice":"20000"}',
        b'{"accountId":99999999999,"contractId":"x","type":2,"side":0,"size":1}',
        b'{"accountId":1001,"contractId":"x","type":2,"side":0,"size":1,"stopLossBracket":{"type":4}}',
    ],
)
def test_what_does_not_bind_is_a_problem_body(body: bytes) -> None:
    reply = Bench().send("/api/Order/place", body)
    assert reply.status == 400
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    shape = json.loads(reply.body)
    assert shape["status"] == 400
    assert shape["errors"]
    assert "success" not in shape


def test_members_match_whatever_their_case_and_unknown_ones_are_ignored() -> None:
    bench = Bench()
    answer = bench.call(
        "Order/place", ACCOUNTID=ACCOUNT, ContractId=MNQ, Type=2, SIDE=0, Size=1, junk={"a": 1}
    )
    assert answer["success"]


def test_strict_fields_refuse_an_unknown_member() -> None:
    bench = Bench(PaperOptions(strict_fields=True))
    body = {"accountId": ACCOUNT, "contractId": MNQ, "type": 2, "side": 0, "size": 1}
    assert bench.send("/api/Order/place", json.dumps(body).encode()).status == 200
    assert bench.send("/api/Order/place", json.dumps({**body, "reduceOnly": True}).encode()).status == 400
    leg = {"ticks": -40, "type": 4}
    assert bench.send("/api/Order/place", json.dumps({**body, "stopLossBracket": leg}).encode()).status == 200
    leg["reduceOnly"] = True
    refused = bench.send("/api/Order/place", json.dumps({**body, "stopLossBracket": leg}).encode())
    assert refused.status == 400
    assert json.loads(refused.body)["errors"] == {"stoplossbracket.reduceonly": ["Unknown member."]}


def test_the_envelope_has_its_members_in_order_and_shortest_numbers() -> None:
    bench = Bench()
    reply = bench.send("/api/Account/search", b'{"onlyActiveAccounts":true}')
    assert reply.body.startswith(b'{"accounts":[{"id":1001,"name":"PRAC-V2-4711-1001","balance":150000,')
    assert reply.body.endswith(b',"success":true,"errorCode":0,"errorMessage":null}')
    body = bench.send("/api/Contract/searchById", b'{"contractId":"CON.F.US.JY6.Z25"}').body
    assert b'"tickSize":5E-07,"tickValue":6.25' in body


def test_login_codes() -> None:
    bench = Bench(login=False)
    good = bench.call("Auth/loginKey", userName="PAPER", apiKey="paper-key")
    assert good["success"]
    assert good["token"].count(".") == 2
    for user, key in (("paper", "wrong"), ("nobody", "paper-key")):
        bad = bench.call("Auth/loginKey", userName=user, apiKey=key)
        assert bad == {"token": None, "success": False, "errorCode": 3, "errorMessage": None}
    assert bench.send("/api/Auth/loginKey", b'{"userName":"paper"}').status == 400
    app = bench.call("Auth/loginApp", userName="a", password="b", deviceId="c", appId="d", verifyKey="e")
    assert app["errorCode"] == 4


def test_tokens_live_24_hours_of_venue_time_and_coexist() -> None:
    bench = Bench()
    first = bench.token
    bench.pass_(3_600_000 * 23)
    renewed = json.loads(bench.send("/api/Auth/validate", b"").body)
    assert renewed["success"]
    assert renewed["newToken"] not in (None, first)
    body = b'{"onlyActiveAccounts":true}'
    assert bench.send("/api/Account/search", body, token=first).status == 200
    bench.pass_(3_600_000)
    assert bench.send("/api/Account/search", body, token=first).status == 401
    assert bench.send("/api/Auth/validate", b"{}", token=first).status == 401
    assert bench.send("/api/Account/search", body, token=renewed["newToken"]).status == 200


def test_an_expired_token_may_be_told_by_code_3() -> None:
    bench = Bench(PaperOptions(validate_expired="code3"))
    bench.pass_(3_600_000 * 24)
    answer = json.loads(bench.send("/api/Auth/validate", b"").body)
    assert answer == {"newToken": None, "success": False, "errorCode": 3, "errorMessage": None}


@pytest.mark.parametrize(("scope", "other"), [("token", 200), ("user", 401)])
def test_logout_ends_this_token_or_all(scope: str, other: int) -> None:
    bench = Bench(PaperOptions(logout_scope=scope))
    second = bench.call("Auth/loginKey", userName="paper", apiKey="paper-key")["token"]
    assert json.loads(bench.send("/api/Auth/logout", b"").body)["success"]
    body = b'{"onlyActiveAccounts":true}'
    assert bench.send("/api/Account/search", body).status == 401
    assert bench.send("/api/Account/search", body, token=second).status == other


def test_a_forged_token_is_refused() -> None:
    bench = Bench()
    head, claims, signature = bench.token.split(".")
    for forged in (
        f"{head}.{claims}.{signature[:-2]}AA",
        f"{head}.{claims}x.{signature}",
        "a.b.c",
        "abc",
        "",
    ):
        assert (
            bench.send("/api/Account/search", b'{"onlyActiveAccounts":true}', token=forged or "-").status
            == 401
        )


def test_ping_answers_four_bytes_without_a_token() -> None:
    reply = Bench(login=False).send("/api/Status/ping", b"", "GET")
    assert (reply.status, reply.body) == (200, b"pong")


def test_failed_lists_are_null_or_empty() -> None:
    for option, failed in (("null", None), ("empty", [])):
        bench = Bench(PaperOptions(failure_lists=option))
        for path, member in (("Order/searchOpen", "orders"), ("Position/searchOpen", "positions")):
            answer = bench.call(path, accountId=5)
            assert (answer[member], answer["success"], answer["errorCode"]) == (failed, False, 1)
        answer = bench.call("Trade/search", accountId=5, startTimestamp="2025-10-01T00:00:00Z")
        assert (answer["trades"], answer["errorCode"]) == (failed, 1)


def test_contract_searches() -> None:
    bench = Bench()
    found = bench.call("Contract/search", searchText="es", live=False)["contracts"]
    ids = [row["id"] for row in found]
    assert "CON.F.US.EP.Z25" in ids
    assert "CON.F.US.MES.Z25" in ids
    assert ids == sorted(ids)
    assert len(ids) <= 20
    assert len(bench.call("Contract/available", live=False)["contracts"]) == 52
    assert bench.call("Contract/available", live=True)["contracts"] == []
    old = bench.call("Contract/searchById", contractId="CON.F.US.MNQ.U25")
    assert old["contract"]["activeContract"] is False
    unknown = bench.call("Contract/searchById", contractId="CON.F.US.XYZ.U25")
    assert (unknown["contract"], unknown["errorCode"]) == (None, 1)
    both = Bench(PaperOptions(contract_by_id_shape="both")).call("Contract/searchById", contractId=MNQ)
    assert both["contracts"] == [both["contract"]]
