"""The checker passes a good transcript and finds every error that is sown into it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.model.times import parse_ts
from bot.paper.config import PaperConfig
from bot.paper.server import PaperGateway
from tests.conformance import seeds
from tests.conformance.conftest import ACCOUNT, CONTRACT, HERE
from tests.conformance.recording import END
from tests.conformance.transcript import check

RULE = re.compile(r'yield (?:from )?[\s(]*"([a-z -]+)",')
"""The name of a rule where a checker yields it."""

ORIGIN = "http://127.0.0.1:5000"
USER = [
    ("SubscribeAccounts", []),
    *((f"Subscribe{kind}", [ACCOUNT]) for kind in ("Orders", "Positions", "Trades")),
]
MARKET = [(f"SubscribeContract{kind}", [CONTRACT]) for kind in ("Quotes", "Trades", "MarketDepth")]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> seeds.Rows:
    """The lines of a session that uses both hubs and most endpoints."""
    path = tmp_path_factory.mktemp("wire") / "wire.jsonl"
    asyncio.run(session(path))
    return [json.loads(line) for line in path.read_text().splitlines()]


async def session(path: Path) -> None:
    config = PaperConfig(start_ns=parse_ts("2025-10-01T14:30:00Z"), rate=10.0, profile="fast")
    gateway = PaperGateway(config, transcript=path)
    await gateway.start()
    try:
        async with asyncio.timeout(60), aiohttp.ClientSession() as http:
            await drive(gateway, http)
    finally:
        await gateway.stop()


async def drive(gateway: PaperGateway, http: aiohttp.ClientSession) -> None:
    async def call(path: str, _verb: str = "POST", **body: Any) -> Any:
        async with http.request(_verb, f"{gateway.url}/api/{path}", json=body, headers=headers) as answer:
            return json.loads(await answer.text() or "null") if answer.status == 200 else answer.status

    headers = {"Origin": ORIGIN}
    await http.get(f"{gateway.url}/api/Status/ping")
    assert await call("Auth/validate") == 401
    login = await call("Auth/loginKey", userName="paper", apiKey="paper-key")
    headers["Authorization"] = f"Bearer {login['token']}"
    preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    asked = {"Access-Control-Request-Headers": "authorization,x-requested-with,x-signalr-user-agent"}
    await http.options(f"{gateway.url}/hubs/user/negotiate", headers=preflight | asked)
    await call("Account/search", onlyActiveAccounts=True)
    await call("Contract/available", live=False)
    await call("Contract/search", searchText="MNQ", live=False)
    bars = {"unit": 2, "unitNumber": 1, "limit": 10, "includePartialBar": False, "live": False}
    window = {"startTime": "2025-10-01T14:00:00Z", "endTime": "2025-10-01T14:30:00Z"}
    await call("History/retrieveBars", contractId=CONTRACT, **bars, **window)
    assert await call("Order/modify", "GET") == 405
    typed = headers | {"Content-Type": "text/plain"}
    async with http.post(f"{gateway.url}/api/Order/searchOpen", data=b"{}", headers=typed) as refused:
        assert refused.status == 415
    negotiate = f"{gateway.url}/hubs/user/negotiate?negotiateVersion=1"
    async with http.post(negotiate, headers=headers) as answer:
        identity = (await answer.json())["connectionToken"]
    token = login["token"]
    user = await http.ws_connect(f"{gateway.url}/hubs/user?id={identity}&access_token={token}")
    market = await http.ws_connect(f"{gateway.url}/hubs/market?access_token={token}")
    for socket, calls in ((user, [*USER, ("SubscribeNothing", [])]), (market, MARKET)):
        await socket.send_str(json.dumps({"protocol": "json", "version": 1}) + END)
        await heard(socket, lambda text: text.startswith("{}"))
        for number, (target, arguments) in enumerate(calls):
            record = {"type": 1, "invocationId": str(number), "target": target, "arguments": arguments}
            await socket.send_str(json.dumps(record, separators=(",", ":")) + END)
            await heard(socket, lambda text, number=number: f'"invocationId":"{number}"' in text)
    turned = [
        {
            "type": 1,
            "invocationId": f"again {verb}",
            "target": f"{verb}ContractQuotes",
            "arguments": [CONTRACT],
        }
        for verb in ("Unsubscribe", "Subscribe")
    ]
    await market.send_str("".join(json.dumps(record, separators=(",", ":")) + END for record in turned))
    await heard(market, lambda text: '"invocationId":"again Subscribe"' in text)
    await user.ping(b"beat")
    for name in ("GatewayQuote", "GatewayTrade"):
        await heard(market, lambda text, name=name: name in text)
    order = {"accountId": ACCOUNT, "contractId": CONTRACT, "side": 0, "size": 1}
    brackets = {"stopLossBracket": {"ticks": -400, "type": 4}, "takeProfitBracket": {"ticks": 800, "type": 1}}
    placed = await call("Order/place", **order, type=2, **brackets)
    assert placed["success"], placed
    await heard(user, lambda text: "GatewayUserPosition" in text)
    await call("Order/searchById", accountId=ACCOUNT, orderId=placed["orderId"])
    await call("Position/searchOpen", accountId=ACCOUNT)
    await call("Position/closeContract", accountId=ACCOUNT, contractId=CONTRACT)
    await heard(user, lambda text: '"size":0' in text)
    for child in (placed["orderId"] + 1, placed["orderId"] + 2):
        await call("Order/cancel", accountId=ACCOUNT, orderId=child)
    await call("Order/cancel", accountId=ACCOUNT, orderId=placed["orderId"])
    since = "2025-10-01T14:00:00Z"
    await call("Order/search", accountId=ACCOUNT, startTimestamp=since)
    await call("Trade/search", accountId=ACCOUNT, startTimestamp=since)
    assert await call("Order/v2/query") == 400
    await call("Order/v2/query", filter={"accountId": ACCOUNT}, includeTotalCount=True)
    gateway.venue.inject({"fault": "hub.drop", "hub": "market", "how": "close"})
    await heard(market, lambda text: '"type":7' in text)
    await user.close()
    await market.close()


async def heard(socket: aiohttp.ClientWebSocketResponse, wanted: Callable[[str], bool]) -> None:
    while True:
        message = await socket.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, message
        if wanted(message.data):
            return


def judged(rows: seeds.Rows, path: Path) -> list[str]:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return check(path)


def test_the_session_as_it_was_breaks_no_rule(rows: seeds.Rows, tmp_path: Path) -> None:
    assert judged(rows, tmp_path / "wire.jsonl") == []


@pytest.mark.parametrize(
    ("rule", "place", "old", "new"), seeds.TEXT, ids=[f"{seed[0]}-{seed[2]}" for seed in seeds.TEXT]
)
def test_a_sown_error_in_a_text_is_found(
    rows: seeds.Rows, tmp_path: Path, rule: str, place: str, old: str, new: str
) -> None:
    found = judged(seeds.sown(rows, place, old, new), tmp_path / "wire.jsonl")
    assert any(text.startswith(f"{rule}: ") for text in found), found


@pytest.mark.parametrize(
    ("rule", "change"), seeds.STRUCTURE, ids=[f"{rule}-{n}" for n, (rule, _) in enumerate(seeds.STRUCTURE)]
)
def test_a_sown_error_in_the_structure_is_found(
    rows: seeds.Rows, tmp_path: Path, rule: str, change: Callable[[seeds.Rows], None]
) -> None:
    changed = json.loads(json.dumps(rows))
    change(changed)
    found = judged(changed, tmp_path / "wire.jsonl")
    assert any(text.startswith(f"{rule}: ") for text in found), found


def test_an_excuse_that_was_not_needed_is_a_complaint(rows: seeds.Rows, tmp_path: Path) -> None:
    path = tmp_path / "wire.jsonl"
    judged(rows, path)
    assert check(path, provoked={"body"}) == ["body: was provoked, yet never broken"]
    judged(seeds.sown(rows, "/api/Position/searchOpen", r"^.*$", ""), path)
    assert check(path, provoked={"body"}) == []


def test_every_rule_has_an_error_that_it_finds() -> None:
    sources = [HERE / f"{name}.py" for name in ("transcript", "rest_rules", "link_rules", "event_rules")]
    rules = {rule for path in sources for rule in RULE.findall(path.read_text())}
    assert len(rules) > 30
    assert rules - {seed[0] for seed in [*seeds.TEXT, *seeds.STRUCTURE]} == set()
