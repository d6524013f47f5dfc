"""Independent Python clients of the REST side and the hubs, unchanged, against the real paper gateway.

Their own defects are expected: a test that shows one fails when the client mends it, or the gateway hides it.
"""

from __future__ import annotations

import json
import re
from importlib.metadata import PathDistribution
from typing import Any

import pytest

from tests.conformance.environments import CLIENTS, ENVIRONMENTS, lock_of
from tests.conformance.foreign import CONTRACT
from tests.conformance.python_clients import SHORT, Drives
from tests.conformance.recording import Recording
from tests.conformance.stage import Drive, Seen
from tests.conformance.transcript import check

pytestmark = pytest.mark.slow

ACCOUNTS = [1001, 1002]
TRADE_CALLS = {
    "Account/search", "Contract/search", "Contract/searchById", "History/retrieveBars", "Order/place",
    "Order/modify", "Order/cancel", "Order/search", "Order/searchOpen", "Position/searchOpen",
    "Position/partialCloseContract", "Position/closeContract", "Trade/search", "Auth/loginKey", "Auth/loginApp",
}  # fmt: skip
PROVOKED = {
    "projectx-sdk by_id": frozenset({"envelope"}),
    "projectx-api by_id": frozenset({"envelope"}),
}
VERSIONS = {
    "signalrcore": "1.0.2", "pysignalr": "1.3.3", "topstep-client-py": "0.1.1", "projectx-sdk": "0.2.39",
    "projectx-api": "0.1.0",
}  # fmt: skip


def traded(seen: Seen, *, brackets: bool) -> None:
    """Each type of order rested, changed and went; a position opened, shrank and closed."""
    assert seen.printed["trading"] == {
        "limit": [1, "resting-1", True, 2, 3],
        "stop": [4, "resting-4", True, 1, 3],
        "trailing": [5, "resting-5", True, 1, 3],
        "joins": [[6, True], [7, True]],
        "flat": [],
        "opened": [[1, 3]],
        "children": [["entry-SL", 4, 3], ["entry-TP", 1, 3]] if brackets else [],
        "reduced": [[1, 2]],
        "closed": [],
        "left": [],
        "entry": 2,
        "trades": [[1, 2, True], [1, 1, True], [0, 3, False]],
    }
    assert seen.printed["accounts"] == ACCOUNTS
    assert seen.printed["found"] == ["MNQZ5"]
    assert seen.printed["bars"] == 30


def places(seen: Seen) -> list[tuple[int, int | None]]:
    """Status and code of every order that reached the gateway."""
    return [
        (row["status"], row.get("code")) for row in seen.ledger["requests"] if row["path"].endswith("/place")
    ]


def tags(seen: Seen) -> list[str | None]:
    """The tag of every order that came to be."""
    return [row.get("tag") for row in seen.ledger["orders"]]


def bodies(recording: Recording, path: str) -> list[dict[str, Any]]:
    return [json.loads(call.request.body) for call in recording.of(f"/api/{path}")]


def test_each_lock_names_exact_versions_and_no_address() -> None:
    assert {drive.client for drive in SHORT} == set(VERSIONS)
    for client, version in VERSIONS.items():
        lines = lock_of(client).read_text().splitlines()
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+]*", line) for line in lines), client
        assert f"{client}=={version}" in lines
        assert (CLIENTS / client / "drive.py").is_file()


@pytest.mark.parametrize("drive", SHORT, ids=lambda drive: drive.name)
def test_the_wire_is_as_specified(drives: Drives, drive: Drive) -> None:
    assert check(drives.seen(drive.name).transcript, PROVOKED.get(drive.name, frozenset())) == []


def test_projectx_api_is_broken_as_shipped(drives: Drives) -> None:
    seen = drives.seen("projectx-api shipped")
    kind, _, text = seen.printed["login"]
    assert kind == "TypeError"
    assert "can't be used in 'await' expression" in text
    recording = Recording(seen.transcript)
    assert [(call.path, call.status) for call in recording.calls] == [("/api/Auth/loginKey", 200)]


def test_projectx_api_trades_behind_a_hook(drives: Drives) -> None:
    seen = drives.seen("projectx-api trade")
    traded(seen, brackets=True)
    assert seen.printed["wrong_key"][:2] == ["ProjectXAPIError", 3]
    assert seen.printed["app_login"][:2] == ["ProjectXAPIError", 4]
    assert seen.printed["unknown"][:2] == ["ProjectXAPIError", 1]
    assert seen.printed["logout"] is True
    assert seen.printed["after_logout"] == ["StatusCodeError", None, "HTTP error: 401 - "]
    assert seen.printed["tasks"] == 1
    recording = Recording(seen.transcript)
    assert recording.endpoints.keys() == TRADE_CALLS | {"Auth/logout", "Status/ping"}


def test_projectx_api_posts_its_ping_and_looks_for_contracts(drives: Drives) -> None:
    seen = drives.seen("projectx-api trade")
    assert seen.printed["ping"] == [405, "GET"]
    assert seen.printed["by_id"] == ["KeyError", None, "'contracts'"]
    assert drives.seen("projectx-api by_id").printed["by_id"] == [CONTRACT]
    assert [call.method for call in Recording(seen.transcript).of("/api/Status/ping")] == ["POST"]


def test_topstep_client_trades_and_hears_both_hubs(drives: Drives) -> None:
    seen = drives.seen("topstep-client-py trade")
    traded(seen, brackets=True)
    assert seen.printed["by_id"] == CONTRACT
    assert seen.printed["available"] > 40
    assert set(seen.printed["events"]) == {
        "accounts", "orders", "positions", "fills", "quotes", "prints", "depth",
    }  # fmt: skip
    assert all(seen.printed["events"].values())
    assert seen.printed["refused"] == [
        ["APIError", 2, "[2] Invalid order type"],
        ["APIError", 1, "[1] Unknown API error"],
        ["APIError", 3, "[3] Unknown API error"],
        ["APIError", 4, "[4] Unknown API error"],
    ]
    assert seen.printed["unauthorized"][0] == "AuthenticationError"
    assert seen.printed["refreshed"] is True
    recording = Recording(seen.transcript)
    assert recording.endpoints.keys() == TRADE_CALLS | {"Contract/available", "Auth/validate"}
    assert all(None not in body.values() for body in bodies(recording, "Order/place"))
    assert recording.negotiations == ["absent", "absent"]
    (user,), (market,) = recording.hub("user"), recording.hub("market")
    user_topics, market_topics = (
        ("Accounts", "Orders", "Positions", "Trades"),
        ("Quotes", "Trades", "MarketDepth"),
    )
    assert user.invoked == [
        f"{verb}{topic}" for verb in ("Subscribe", "Unsubscribe") for topic in user_topics
    ]
    assert market.invoked == [
        *(f"{verb}Contract{topic}" for verb in ("Subscribe", "Unsubscribe") for topic in market_topics),
        "SubscribeContractQuotes",
    ]


def test_topstep_client_knows_no_status_above_6(drives: Drives) -> None:
    unreadable = drives.seen("topstep-client-py trade").printed["unreadable"]
    assert unreadable == [[8, "ValidationError"], [8, "ValidationError"]]


def test_topstep_client_sends_an_order_again_after_429_and_after_a_timeout(drives: Drives) -> None:
    seen = drives.seen("topstep-client-py resend")
    assert places(seen) == [(429, None), (200, 0), (200, 0), (200, 2), (200, 0), (200, 0)]
    assert seen.printed["after_429"] is True
    assert seen.printed["tagged"] == ["APIError", 2, "[2] Custom tag already in use."]
    assert seen.printed["untagged"] is True
    assert tags(seen) == ["busy", "late", None, None], "the tag keeps one order, without a tag there are two"
    assert seen.printed["held"] == [[1, 4]]
    sent = bodies(Recording(seen.transcript), "Order/place")
    assert [sent[number] == sent[number + 1] for number in (0, 2, 4)] == [True] * 3


def test_topstep_client_does_not_subscribe_again_after_a_reconnect(drives: Drives) -> None:
    seen = drives.seen("topstep-client-py reconnect")
    assert seen.printed == {"before": True, "after": 0}
    first, second = Recording(seen.transcript).hub("market")
    assert (first.invoked, second.invoked) == (["SubscribeContractQuotes"], [])
    assert first.ended_by == "server"
    assert second.handshake["protocol"] == "json"


def test_projectx_sdk_trades_and_hears_both_hubs(drives: Drives) -> None:
    seen = drives.seen("projectx-sdk trade")
    traded(seen, brackets=False)
    assert seen.printed["events"] == [
        "accounts", "market market_depth", "market quotes", "market trades", "orders", "positions", "trades",
    ]  # fmt: skip
    assert seen.printed["order_event"] == ["action", "data"]
    assert seen.printed["quote_event"] == [CONTRACT, "F.US.MNQ"]
    assert seen.printed["wrong_key"][:2] == ["AuthenticationError", 3]
    assert seen.printed["refused"] == [
        "ProjectXError",
        2,
        "[Error 2] API error 2: Custom tag already in use.",
    ]
    assert seen.printed["validated"] == [True, True]
    recording = Recording(seen.transcript)
    assert recording.endpoints.keys() == TRADE_CALLS | {"Auth/validate"}
    assert [link.token_in for link in recording.links] == [{"query"}, {"query"}]
    assert [link.handshake["version"] for link in recording.links] == ["1", "1"]
    assert recording.negotiations == ["absent", "absent"]


def test_projectx_sdk_pins_an_old_signalrcore_and_writes_nulls(drives: Drives) -> None:
    seen = drives.seen("projectx-sdk trade")
    (described,) = (ENVIRONMENTS / "projectx-sdk" / "lib").glob(
        "python*/site-packages/projectx_sdk-*.dist-info"
    )
    assert "signalrcore==0.9.2" in (PathDistribution(described).requires or [])
    nullable = {"limitPrice", "stopPrice", "trailPrice", "customTag", "linkedOrderId"}
    for body in bodies(Recording(seen.transcript), "Order/place"):
        assert nullable <= body.keys()
        assert body["linkedOrderId"] is None


def test_projectx_sdk_finds_no_contract_by_its_id_unless_both_members_come(drives: Drives) -> None:
    assert drives.seen("projectx-sdk trade").printed["by_id"] is None
    assert drives.seen("projectx-sdk by_id").printed["by_id"] == CONTRACT


def test_projectx_sdk_keeps_its_token_in_the_home_folder(drives: Drives) -> None:
    seen = drives.seen("projectx-sdk trade")
    assert seen.printed["cached"] == [1, True, True]
    logins = [call.answer.body for call in Recording(seen.transcript).of("/api/Auth/loginKey") if call.answer]
    assert [json.loads(body)["errorCode"] for body in logins] == [3, 0], (
        "the second client takes it from the file"
    )


def test_projectx_sdk_sends_an_order_again_after_503(drives: Drives) -> None:
    seen = drives.seen("projectx-sdk resend")
    assert places(seen) == [(503, None), (200, 0), (503, 0), (200, 2), (503, 0), (200, 0)]
    assert seen.printed["after_503"] is True
    assert seen.printed["tagged"][:2] == ["ProjectXError", 2]
    assert seen.printed["untagged"] is True
    assert tags(seen) == ["busy", "late", None, None]
    assert seen.printed["after_401"] == len(ACCOUNTS)
    assert Recording(seen.transcript).endpoints["Auth/validate"] == 1


def test_projectx_sdk_hears_nothing_after_a_reconnect(drives: Drives) -> None:
    seen = drives.seen("projectx-sdk reconnect")
    assert seen.printed["after"] == []
    recording = Recording(seen.transcript)
    (_, user), (_, market) = recording.hub("user"), recording.hub("market")
    wanted = ["SubscribeAccounts", "SubscribeOrders", "SubscribePositions", "SubscribeTrades"]
    assert (user.invoked, market.invoked) == (wanted, []), "its user hub subscribes, with no handler left"
    told = {record["target"] for _, record in user.typed("server", 1)}
    assert told >= {"GatewayUserAccount", "GatewayUserOrder", "GatewayUserPosition", "GatewayUserTrade"}
