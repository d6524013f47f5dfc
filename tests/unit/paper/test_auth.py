"""Logins, tokens and rate limits under each of their options (gateway.md 4, 5)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from bot.paper.options import PaperOptions
from bot.paper.reply import Reply
from tests.unit.paper.scripted import ACCOUNT, MNQ, Bench

ACCOUNTS = "/api/Account/search"
ACTIVE = b'{"onlyActiveAccounts":true}'
DAY_MS = 24 * 3_600_000


def login(bench: Bench, user: str = "paper", key: str = "paper-key") -> Reply:
    return bench.send("/api/Auth/loginKey", json.dumps({"userName": user, "apiKey": key}).encode(), token="")


def token_of(bench: Bench) -> str:
    return str(json.loads(login(bench).body)["token"])


def works(bench: Bench, token: str) -> bool:
    return bench.send(ACCOUNTS, ACTIVE, token=token).status == 200


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def test_a_token_has_three_parts_and_ends_after_24_hours_of_venue_time() -> None:
    bench = Bench()
    found = claims(bench.token)
    assert found["exp"] * 10**9 == bench.clock.now() + DAY_MS * 1_000_000
    bench.pass_(DAY_MS - 1)
    assert works(bench, bench.token)
    bench.pass_(1)
    refused = bench.send(ACCOUNTS, ACTIVE)
    assert (refused.status, refused.body) == (401, b"")


def test_the_life_of_tokens_is_an_option() -> None:
    bench = Bench(PaperOptions(token_life_s=60))
    bench.pass_(59_999)
    assert works(bench, bench.token)
    bench.pass_(1)
    assert not works(bench, bench.token)


def test_a_new_login_leaves_earlier_tokens_alone() -> None:
    bench = Bench()
    tokens = [bench.token, *(token_of(bench) for _ in range(5))]
    assert len(set(tokens)) == 6
    assert all(works(bench, token) for token in tokens)


def test_the_user_name_has_no_case_but_the_key_has() -> None:
    bench = Bench(login=False)
    assert json.loads(login(bench, "pApEr").body)["success"]
    refused = json.loads(login(bench, key="PAPER-KEY").body)
    assert refused == {"token": None, "success": False, "errorCode": 3, "errorMessage": None}


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (7, "Please log into the ProjectX platform and complete the required agreements"),
        (9, None),
        (10, None),
    ],
)
def test_the_other_refusals_of_a_login(code: int, text: str | None) -> None:
    bench = Bench(login=False)
    fault = {"fault": "refuse", "endpoint": "login", "code": code}
    bench.venue.inject(fault if text is None else {**fault, "text": text})
    assert json.loads(login(bench).body) == {
        "token": None,
        "success": False,
        "errorCode": code,
        "errorMessage": text,
    }


@pytest.mark.parametrize(("revokes", "old"), [(False, True), (True, False)])
def test_validate_gives_a_new_token_and_the_old_one_stays_or_ends(revokes: bool, old: bool) -> None:
    bench = Bench(PaperOptions(validate_revokes_old=revokes))
    answer = bench.call("Auth/validate")
    assert works(bench, answer["newToken"])
    assert works(bench, bench.token) is old


@pytest.mark.parametrize(("option", "status"), [("http401", 401), ("code3", 200)])
def test_validate_with_an_expired_token(option: str, status: int) -> None:
    bench = Bench(PaperOptions(validate_expired=option))
    bench.pass_(DAY_MS)
    reply = bench.send("/api/Auth/validate", b"")
    assert reply.status == status
    if status == 200:
        assert json.loads(reply.body) == {
            "newToken": None,
            "success": False,
            "errorCode": 3,
            "errorMessage": None,
        }
    assert bench.send(ACCOUNTS, ACTIVE).status == 401
    assert bench.send("/api/Auth/validate", b"", token="a.b.c").status == 401
    assert bench.send("/api/Auth/validate", b"", token="").status == 401


@pytest.mark.parametrize(("scope", "other"), [("token", True), ("user", False)])
def test_logout_ends_a_token_or_the_user(scope: str, other: bool) -> None:
    bench = Bench(PaperOptions(logout_scope=scope))
    second = token_of(bench)
    assert bench.call("Auth/logout") == {"success": True, "errorCode": 0, "errorMessage": None}
    assert not works(bench, bench.token)
    assert works(bench, second) is other
    assert works(bench, token_of(bench))


@pytest.mark.parametrize(("option", "dropped"), [("keep", False), ("drop", True)])
@pytest.mark.parametrize("how", ["time", "fault"])
def test_an_open_hub_at_the_end_of_its_token(option: str, dropped: bool, how: str) -> None:
    bench = Bench(PaperOptions(hub_on_token_expiry=option, token_life_s=10))
    user = bench.listen("user")
    bench.pass_(9_999)
    assert not user.closed
    if how == "fault":
        bench.venue.inject({"fault": "token.expire"})
    bench.pass_(1)
    assert user.closed is dropped
    if dropped:
        assert user.records()[-1]["type"] == 7


@pytest.mark.parametrize("header", ["{}", "Token {}", "Basic {}", "Bearer", "Bearer x{}", "{} Bearer"])
def test_what_is_no_bearer_header_is_401(header: str) -> None:
    bench = Bench()
    headers = {"Authorization": header.format(bench.token), "Content-Type": "application/json"}
    assert bench.venue.handle("POST", ACCOUNTS, headers, ACTIVE).status == 401


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "BEARER  {}"])
def test_the_scheme_has_no_case(header: str) -> None:
    bench = Bench()
    headers = {"authorization": header.format(bench.token), "Content-Type": "application/json"}
    assert bench.venue.handle("POST", ACCOUNTS, headers, ACTIVE).status == 200


def test_ping_wants_a_token_only_under_its_option() -> None:
    for options, status in ((PaperOptions(), 200), (PaperOptions(ping_auth=True), 401)):
        bench = Bench(options)
        assert bench.send("/api/Status/ping", b"", "GET", token="").status == status
        assert bench.send("/api/Status/ping", b"", "GET").status == 200


def test_ping_as_text_or_as_json() -> None:
    plain = Bench().send("/api/Status/ping", b"", "GET")
    assert (plain.body, plain.headers["Content-Type"]) == (b"pong", "text/plain; charset=utf-8")
    quoted = Bench(PaperOptions(ping_body="json")).send("/api/Status/ping", b"", "GET")
    assert (quoted.body, quoted.headers["Content-Type"]) == (b'"pong"', "application/json; charset=utf-8")


def test_the_limits_are_200_in_60_s_and_50_bars_in_30_s() -> None:
    bench = Bench()
    statuses = [bench.send(ACCOUNTS, ACTIVE).status for _ in range(200)]
    assert statuses == [200] * 199 + [429]  # the login was the first
    bars = [bench.send("/api/History/retrieveBars", b"{}").status for _ in range(51)]
    assert bars == [400] * 50 + [429]
    bench.pass_(30_000)
    assert bench.send("/api/History/retrieveBars", b"{}").status == 400
    assert bench.send(ACCOUNTS, ACTIVE).status == 429
    bench.pass_(30_000)
    assert bench.send(ACCOUNTS, ACTIVE).status == 200


def test_pings_hub_calls_and_refused_requests_do_not_count() -> None:
    bench = Bench(PaperOptions(rate_general=(2, 60)))
    for _ in range(5):
        assert bench.send("/api/Status/ping", b"", "GET").status == 200
    user = bench.listen("user", *[("SubscribeOrders", [ACCOUNT])] * 5)
    assert not user.closed
    assert bench.send(ACCOUNTS, ACTIVE).status == 200
    bench.pass_(59_999)
    assert [bench.send(ACCOUNTS, ACTIVE).status for _ in range(3)] == [429] * 3
    bench.pass_(1)
    assert [bench.send(ACCOUNTS, ACTIVE).status for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(("window", "early"), [("sliding", 429), ("fixed", 200)])
def test_a_window_slides_or_begins_anew(window: str, early: int) -> None:
    bench = Bench(PaperOptions(rate_window=window, rate_general=(2, 60)), login=False)
    bench.token = "none"
    bench.pass_(50_000)
    good = [login(bench).status for _ in range(3)]
    assert good == [200, 200, 429]
    bench.pass_(10_000)
    assert login(bench).status == early


@pytest.mark.parametrize(("after", "header"), [(None, None), (0, "0"), (7, "7")])
def test_a_429_names_its_pause_under_its_option(after: int | None, header: str | None) -> None:
    bench = Bench(PaperOptions(rate_general=(1, 60), rate_retry_after=after))
    refused = bench.send(ACCOUNTS, ACTIVE)
    assert (refused.status, refused.body, refused.headers.get("Retry-After")) == (429, b"", header)


@pytest.mark.parametrize(
    ("scope", "second_token", "other_login"), [("user", 429, 200), ("token", 200, 200), ("ip", 429, 429)]
)
def test_whose_requests_share_a_budget(scope: str, second_token: int, other_login: int) -> None:
    bench = Bench(PaperOptions(rate_scope=scope, rate_general=(3, 60)))
    second = token_of(bench)
    for _ in range(3):
        bench.send(ACCOUNTS, ACTIVE)
    assert bench.send(ACCOUNTS, ACTIVE).status == 429
    assert bench.send(ACCOUNTS, ACTIVE, token=second).status == second_token
    assert login(bench, "Somebody").status == other_login


def test_logins_count_by_the_name_that_they_send() -> None:
    bench = Bench(PaperOptions(rate_general=(2, 60)), login=False)
    assert [login(bench, name, "wrong").status for name in ("a", "A", "a", "b")] == [200, 200, 429, 200]


def test_orders_per_second_are_limited_only_under_their_option() -> None:
    order = json.dumps({"accountId": ACCOUNT, "contractId": MNQ, "type": 2, "side": 0, "size": 1}).encode()
    free = Bench()
    assert {free.send("/api/Order/place", order).status for _ in range(20)} == {200}
    bench = Bench(PaperOptions(rate_orders_per_s=2))
    assert [bench.send("/api/Order/place", order).status for _ in range(3)] == [200, 200, 429]
    assert bench.send(ACCOUNTS, ACTIVE).status == 200
    bench.pass_(1_000)
    assert bench.send("/api/Order/place", order).status == 200
