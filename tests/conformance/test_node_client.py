"""The npm package `@microsoft/signalr`, unchanged, in Node."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bot.paper.options import PaperOptions
from tests.conformance.builds import NODE, node
from tests.conformance.conftest import ACCOUNT, CONTRACT, Run
from tests.conformance.foreign import Foreign, paper, settings_of
from tests.conformance.recording import Recording
from tests.conformance.transcript import check

pytestmark = pytest.mark.slow

EVENTS = {
    "user": {"GatewayUserAccount", "GatewayUserOrder", "GatewayUserPosition", "GatewayUserTrade"},
    "market": {"GatewayQuote", "GatewayTrade", "GatewayDepth"},
}
CLOSE = {"fault": "hub.drop", "how": "close"}
TCP = {"fault": "hub.drop", "how": "tcp"}
REFUSED = {"fault": "hub.403", "seconds": 1.5}


async def test_it_trades_negotiated_and_not(run: Run, wire: Path) -> None:
    seen = await run(node(), str(NODE / "client.mjs"))
    assert seen["login"] == {"success": True, "token": "string"}
    assert ACCOUNT in seen["accounts"]
    assert seen["negotiated"] == {"state": "Connected", "id": "string"}
    assert sorted(seen["snapshot"]) == sorted([1, account] for account in seen["accounts"])
    assert "Method does not exist" in seen["unknownMethod"]
    assert seen["quoteContracts"] == [CONTRACT]
    wanted = {"symbol", "lastPrice", "bestBid", "bestAsk", "lastUpdated", "timestamp"}
    assert wanted <= set(seen["firstQuote"])
    assert seen["firstDepth"][0] == 6
    assert seen["printFields"] == ["contractId", "price", "symbolId", "timestamp", "type", "volume"]
    assert seen["placed"] == {"success": True, "orderId": "number"}
    assert seen["entry"] == [6, 2]
    assert seen["children"] == [["conformance-node-SL", 4, True], ["conformance-node-TP", 1, True]]
    assert seen["trade"] == {"action": 0, "orderId": True, "side": 0}
    assert seen["position"] == {"action": 1, "type": 1, "size": 1}
    assert seen["left"] == 0
    assert seen["fault"] is True
    assert seen["reconnect"]["reconnected"] == 1
    assert "Connection closed with an error" in seen["reconnect"]["reason"]
    assert check(wire) == []
    assert Recording(wire).negotiations == ["1"]


async def test_it_comes_back_unless_a_close_record_forbids_it(tmp_path: Path) -> None:
    ways: list[tuple[dict[str, Any], bool, list[dict[str, Any]]]] = [
        ({"tokenIn": "header"}, True, [CLOSE]),
        ({"tokenIn": "header", "skip": True}, False, [CLOSE]),
        ({"tokenIn": "query", "stateful": True}, True, [TCP]),
        ({"tokenIn": "query", "skip": True}, True, [REFUSED, TCP]),
    ]
    async with asyncio.TaskGroup() as group:
        for number, (how, allow, faults) in enumerate(ways):
            group.create_task(lose(tmp_path / f"{number}.jsonl", how, allow=allow, faults=faults))


async def lose(wire: Path, how: dict[str, Any], *, allow: bool, faults: list[dict[str, Any]]) -> None:
    async with (
        paper(wire, PaperOptions(close_allow_reconnect=allow)) as gateway,
        Foreign.started(node(), str(NODE / "hubs.mjs"), settings_of(gateway, **how)) as client,
    ):
        await client.all_told(
            *({"hub": hub, "event": event} for hub in EVENTS for event in ("subscribed", "data"))
        )
        client.say("trade")
        await client.told(hub="rest", event="traded")
        await crossing(wire)
        for fault in faults:
            gateway.venue.inject(fault)
        if allow:
            events = ("reconnecting", "reconnected", "subscribed", "data")
            await client.all_told(*({"hub": hub, "event": event} for hub in EVENTS for event in events))
        else:
            await client.all_told(*({"hub": hub, "event": "closed"} for hub in EVENTS))
        seen = await client.end()
    assert {hub: set(rows) for hub, rows in seen.items()} == EVENTS
    assert check(wire) == []
    judge_habits(Recording(wire), how, back=allow, refused=REFUSED in faults)


async def crossing(wire: Path) -> None:
    """Wait until each event crossed the wire."""
    async with asyncio.timeout(30):
        while not EVENTS["user"] | EVENTS["market"] <= {
            record["target"] for link in Recording(wire).links for _, record in link.typed("server", 1)
        }:
            await asyncio.sleep(0.05)


def judge_habits(crossed: Recording, how: dict[str, Any], *, back: bool, refused: bool) -> None:
    links = 2 if back else 1
    asked = 0 if how.get("skip") else 2 * links
    assert crossed.negotiations == ["1"] * asked
    for call in (call for call in crossed.calls if call.path.endswith("/negotiate")):
        assert ("useStatefulReconnect" in call.query) == how.get("stateful", False)
    for hub in EVENTS:
        assert len(crossed.hub(hub)) == links
        assert any(call.status == 403 for call in crossed.of(f"/hubs/{hub}")) == refused
        for link in crossed.hub(hub):
            assert link.handshake == {"protocol": "json", "version": "1"}
            assert link.negotiated != how.get("skip", False)
            assert link.token_in == {how["tokenIn"]}
            pings = link.typed("client", 6)
            assert pings[0][0] - link.frames[0].at < 1_000_000_000, "it pings at once"
        last = crossed.hub(hub)[-1]
        goodbye = [record for _, record in last.typed("client", 7)]
        assert goodbye == [{"type": "7"}] or (goodbye == [] and not back), "the socket may be gone before it"


def test_the_lock_names_versions_and_no_address() -> None:
    lock = json.loads((NODE / "package-lock.json").read_text())
    assert lock["packages"]["node_modules/@microsoft/signalr"]["version"].startswith("10.")
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
