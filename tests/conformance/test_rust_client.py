"""The crate `projectx-client`, unchanged: the strictest public client."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bot.paper.options import PaperOptions
from tests.conformance.builds import RUST, rust_client
from tests.conformance.conftest import ACCOUNT, CONTRACT
from tests.conformance.foreign import Foreign, paper, settings_of
from tests.conformance.recording import Recording
from tests.conformance.transcript import check

pytestmark = pytest.mark.slow

CALLS = {
    "Auth/loginKey", "Auth/validate", "Auth/logout", "Account/search", "Contract/search", "Contract/searchById",
    "Contract/available", "History/retrieveBars", "Order/place", "Order/modify", "Order/cancel", "Order/search",
    "Order/searchOpen", "Order/searchById", "Order/v2/query", "Position/searchOpen", "Position/closeContract",
    "Position/partialCloseContract", "Trade/search", "Status/ping",
}  # fmt: skip
EVENTS = {
    "user": {"GatewayUserAccount", "GatewayUserOrder", "GatewayUserPosition", "GatewayUserTrade"},
    "market": {"GatewayQuote", "GatewayTrade", "GatewayDepth"},
}


async def test_it_makes_every_call_and_finds_no_gap(tmp_path: Path) -> None:
    wire = tmp_path / "wire.jsonl"
    async with (
        paper(wire) as gateway,
        Foreign.started(rust_client(), "trade", settings_of(gateway)) as client,
    ):
        judge_trade(await client.end())
    assert check(wire) == []
    crossed = Recording(wire)
    assert set(crossed.endpoints) == CALLS
    assert crossed.negotiations == []
    assert all(link.token_in == {"query"} and not link.negotiated for link in crossed.links)
    assert all(link.handshake == {"protocol": "json", "version": "1"} for link in crossed.links)


def judge_trade(seen: dict[str, Any]) -> None:
    assert ACCOUNT in seen["accounts"]
    assert seen["contract"] == CONTRACT
    assert seen["quotes"] == 20
    assert seen["symbols"] == ["F.US.MNQ"]
    assert seen["crossed"] == 0
    assert seen["entry"] == ["Pending", "Filled"]
    assert seen["children"] == 2
    assert "code: 2 OrderRejected" in seen["duplicate"]
    assert (seen["left"], seen["positions"]) == (0, 0)
    rest = seen["rest"]
    assert rest["accounts"] == len(seen["accounts"])
    assert rest["available"] > 40
    assert rest["found"] == ["MNQZ5"]
    assert (rest["bars"], rest["newest_first"]) == (60, True)
    assert (rest["moved"], rest["open"], rest["page"]) == (True, 1, [1, 1])
    assert rest["cancelled"] == "Cancelled"
    assert rest["sizes"] == [[2], [1], []]
    assert rest["trades"] == 5
    assert rest["closing"] == 3
    assert rest["after_logout"] is not None


async def test_it_trades_where_the_unsettled_points_are_settled_the_other_way(tmp_path: Path) -> None:
    wire = tmp_path / "wire.jsonl"
    options = PaperOptions(
        failure_lists="empty", rest_new_fields="absent", contract_by_id_shape="both", persist_rejected="none",
        subscribe_result="void", order_terminal_action=2, emit_status7=True,
        handshake_strict=True, rate_window="fixed", rate_scope="token", trail_sign="signed",
    )  # fmt: skip
    async with (
        paper(wire, options) as gateway,
        Foreign.started(rust_client(), "trade", settings_of(gateway)) as client,
    ):
        judge_trade(await client.end())
    assert check(wire, provoked={"model", "envelope", "completion", "action"}) == []


async def test_a_logout_event_without_arguments_is_a_gap_to_it(tmp_path: Path) -> None:
    wire = tmp_path / "wire.jsonl"
    async with (
        paper(wire) as gateway,
        Foreign.started(rust_client(), "hubs", settings_of(gateway)) as client,
    ):
        await client.all_told({"hub": "user", "event": "data"}, {"hub": "market", "event": "data"})
        gateway.venue.inject({"fault": "hub.logout", "hub": "user"})
        gateway.venue.inject({"fault": "hub.unknown", "hub": "market"})
        await crossing(wire, {"GatewayLogout"})
        client.say("trade")
        await client.told(hub="rest", event="traded")
        await crossing(wire, EVENTS["user"])
        seen = await client.end()
    assert (seen["user"]["gaps"], seen["market"]["gaps"]) == (1, 0)
    assert {line.get("event") for line in client.lines} <= {"connected", "data", "traded", None}
    assert check(wire, provoked={"record"}) == []


async def test_the_request_limit_becomes_its_typed_error(tmp_path: Path) -> None:
    """The login counts too."""
    wire = tmp_path / "wire.jsonl"
    async with (
        paper(wire, PaperOptions(rate_general=(5, 60))) as gateway,
        Foreign.started(rust_client(), "answers", settings_of(gateway)) as client,
    ):
        assert await client.ask("login") == "()"
        for _ in range(4):
            assert await client.ask("accounts") == "2 rows"
        assert "ProviderRateLimited" in await client.ask("accounts")
        assert "RateLimited" in await client.ask("place")
        assert await client.ask("ping") == "()"
    assert check(wire) == []
    statuses = [call.status for call in Recording(wire).of("/api/Account/search")]
    assert statuses == [200] * 4 + [429]


async def test_it_decodes_all_seven_subscriptions(tmp_path: Path) -> None:
    wire = tmp_path / "wire.jsonl"
    async with paper(wire) as gateway, Foreign.started(rust_client(), "hubs", settings_of(gateway)) as client:
        await client.all_told({"hub": "user", "event": "data"}, {"hub": "market", "event": "data"})
        client.say("trade")
        await client.told(hub="rest", event="traded")
        await crossing(wire, EVENTS["user"] | EVENTS["market"])
        seen = await client.end()
    for hub, events in EVENTS.items():
        assert set(seen[hub]["rows"]) == events
        assert seen[hub]["gaps"] == 0
    assert check(wire) == []


async def crossing(wire: Path, events: set[str]) -> None:
    """Wait until each event crossed the wire."""
    async with asyncio.timeout(30):
        while not events <= events_in(wire):
            await asyncio.sleep(0.05)


def events_in(wire: Path) -> set[str]:
    return {record["target"] for link in Recording(wire).links for _, record in link.typed("server", 1)}


LOSSES: dict[str, tuple[bool, list[dict[str, Any]]]] = {
    "close record that allows reconnecting": (True, [{"fault": "hub.drop", "how": "close"}]),
    "close record that does not": (False, [{"fault": "hub.drop", "how": "close"}]),
    "loss of TCP": (True, [{"fault": "hub.drop", "how": "tcp"}]),
    "loss of TCP, then 403 for longer than its tick of 5 s": (
        True,
        [{"fault": "hub.403", "seconds": 7.0}, {"fault": "hub.drop", "how": "tcp"}],
    ),
}


async def test_it_comes_back_from_every_loss(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        for number, (allow, faults) in enumerate(LOSSES.values()):
            group.create_task(lose(tmp_path / f"{number}.jsonl", allow=allow, faults=faults))


async def lose(wire: Path, *, allow: bool, faults: list[dict[str, Any]]) -> None:
    both = [{"hub": hub} for hub in ("user", "market")]
    async with (
        paper(wire, PaperOptions(close_allow_reconnect=allow)) as gateway,
        Foreign.started(rust_client(), "hubs", settings_of(gateway)) as client,
    ):
        await client.all_told(*(hub | {"event": "data"} for hub in both))
        for fault in faults:
            gateway.venue.inject(fault)
        await client.all_told(*(hub | {"event": "disconnected"} for hub in both))
        await client.all_told(*(hub | {"event": event} for hub in both for event in ("reconnected", "data")))
        seen = await client.end()
    assert [seen[hub]["gaps"] for hub in EVENTS] == [0, 0]
    assert check(wire) == []
    crossed = Recording(wire)
    for hub in EVENTS:
        first, second = crossed.hub(hub)
        assert first.invoked == second.invoked
        closes = [record.get("allowReconnect", False) for _, record in first.typed("server", 7)]
        assert closes == ([allow] if faults[-1]["how"] == "close" else [])
        refused = [call for call in crossed.of(f"/hubs/{hub}") if call.status == 403]
        assert bool(refused) == (len(faults) > 1)


ANSWERS: list[tuple[str, dict[str, Any] | None, tuple[str, ...]]] = [
    ("login-wrong", None, ("CredentialsRejected", "code: 3", "InvalidCredentials")),
    ("positions", None, ("NotAuthenticated",)),
    ("login", None, ("()",)),
    ("ping", None, ("()",)),
    ("validate", None, ("()",)),
    ("accounts", None, ("2 rows",)),
    ("positions", None, ("0 rows",)),
    ("unknown contract", None, ("Provider", "code: 1", "ContractNotFound")),
    ("unknown order", None, ("Provider", "code: 1", "OrderNotFound")),
    ("foreign account", None, ("Provider", "code: 1", "AccountNotFound")),
    ("bars of an unknown contract", None, ("Provider", "code: 1", "ContractNotFound")),
    ("modify an unknown order", None, ("Provider", "code: 2", "OrderNotFound")),
    ("cancel an unknown order", None, ("Provider", "code: 2", "OrderNotFound")),
    ("close a flat position", None, ("Provider", "code: 2", "PositionNotFound")),
    ("close a part of nothing", None, ("Provider", "code: 2", "PositionNotFound")),
    ("place off tick", None, ("Provider", "code: 2", "OrderRejected", "order_id: Some")),
    ("positions", {"fault": "null"}, ("absent",)),
    ("accounts", {"fault": "null"}, ("absent",)),
    ("place", {"fault": "refuse", "code": 2}, ("Provider", "order_id: None")),
    ("place", {"fault": "pending"}, ("AmbiguousMutation", "Some(6)", "OrderPending")),
    ("place", {"fault": "refuse", "code": 77}, ("AmbiguousMutation", "Some(77)", "name: None")),
    ("place", {"fault": "accept_then", "how": 500}, ("AmbiguousMutation", "HttpStatus(500)")),
    ("place", {"fault": "accept_then", "how": 504}, ("AmbiguousMutation", "HttpStatus(504)")),
    ("place", {"fault": "accept_then", "how": "empty"}, ("AmbiguousMutation", "Decode")),
    ("place", {"fault": "accept_then", "how": "html"}, ("AmbiguousMutation", "Decode")),
    ("place", {"fault": "accept_then", "how": "reset"}, ("AmbiguousMutation", "Transport")),
    ("place", {"fault": "http", "status": 429}, ("AmbiguousMutation", "RateLimited")),
    ("accounts", {"fault": "http", "status": 429}, ("ProviderRateLimited", "60s")),
    ("accounts", {"fault": "http", "status": 429, "retry_after": 7}, ("ProviderRateLimited", "7s")),
    ("accounts", {"fault": "http", "status": 503}, ("UnexpectedStatus", "503")),
    ("accounts", {"fault": "accept_then", "how": "empty"}, ("Decode",)),
    ("accounts", {"fault": "token.expire"}, ("UnexpectedStatus", "401")),
    ("accounts", None, ("NotAuthenticated",)),
    ("login", None, ("()",)),
    ("open orders", None, (" rows",)),
]  # fmt: skip


async def test_refusals_and_broken_answers_become_its_typed_errors(tmp_path: Path) -> None:
    wire = tmp_path / "wire.jsonl"
    async with (
        paper(wire) as gateway,
        Foreign.started(rust_client(), "answers", settings_of(gateway)) as client,
    ):
        for command, fault, expected in ANSWERS:
            if fault is not None:
                gateway.venue.inject(fault)
            outcome = await client.ask(command)
            assert all(part in outcome for part in expected), (command, fault, outcome)
        assert await client.end() == {"answers": len(ANSWERS)}
        assert gateway.venue.faults.armed == []
    assert check(wire, provoked={"body", "content type", "code", "payload"}) == []


def test_the_lock_names_the_version_and_no_address() -> None:
    lock = (RUST / "Cargo.lock").read_text()
    assert 'name = "projectx-client"\nversion = "8.0.0"' in lock
    assert json.dumps("git+")[1:-1] not in lock
