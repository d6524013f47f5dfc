"""The gateway over real sockets, as REST and WebSocket clients see it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from bot.model.errors import BotError
from bot.paper.config import PaperConfig
from bot.paper.server import PaperGateway
from tests.integration.paper.conftest import START, Client

MNQ = "CON.F.US.MNQ.Z25"
END = "\x1e"


class Hub:
    """A raw WebSocket client of one hub."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.records: list[dict[str, Any]] = []

    async def say(self, record: dict[str, Any]) -> None:
        await self.socket.send_str(json.dumps(record) + END)

    async def until(self, wanted: Any, seconds: float = 5.0) -> dict[str, Any]:
        """The first record for which `wanted` holds, among those seen and to come."""
        async with asyncio.timeout(seconds):
            while True:
                for record in self.records:
                    if wanted(record):
                        self.records.remove(record)
                        return record
                message = await self.socket.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, message
                assert message.data.endswith(END)
                self.records.extend(json.loads(text) for text in message.data.split(END)[:-1])


async def open_hub(client: Client, name: str, query: str | None = None) -> Hub:
    query = f"access_token={client.token}" if query is None else query
    socket = await client.session.ws_connect(f"{client.gateway.url}/hubs/{name}?{query}")
    hub = Hub(socket)
    await hub.say({"protocol": "json", "version": 1})
    await hub.until(lambda record: record == {})
    return hub


async def test_an_order_shows_on_the_hub_and_in_the_searches(client: Client) -> None:
    hub = await open_hub(client, "user")
    for number, method in enumerate(("SubscribeOrders", "SubscribePositions", "SubscribeTrades")):
        await hub.say({"type": 1, "invocationId": str(number), "target": method, "arguments": [1001]})
        done = await hub.until(lambda record: record.get("type") == 3)
        assert done == {"type": 3, "invocationId": str(number), "result": 0}
    answer = await client.call(
        "Order/place", accountId=1001, contractId=MNQ, type=2, side=0, size=1, customTag="a",
        stopLossBracket={"ticks": -40, "type": 4}, takeProfitBracket={"ticks": 80, "type": 1},
    )  # fmt: skip
    assert answer["success"]
    filled = await hub.until(
        lambda r: r.get("target") == "GatewayUserOrder" and r["arguments"][0]["data"]["status"] == 2
    )
    assert filled["arguments"][0]["data"]["id"] == answer["orderId"]
    await hub.until(lambda r: r.get("target") == "GatewayUserPosition")
    rows = (await client.call("Order/searchOpen", accountId=1001))["orders"]
    assert sorted(row["customTag"] for row in rows) == ["a-SL", "a-TP"]
    await hub.socket.close()


async def test_market_events_flow_after_a_subscription(client: Client) -> None:
    hub = await open_hub(client, "market")
    for method in ("SubscribeContractQuotes", "SubscribeContractTrades", "SubscribeContractMarketDepth"):
        await hub.say({"type": 1, "target": method, "arguments": [MNQ]})
    quote = await hub.until(lambda r: r.get("target") == "GatewayQuote")
    assert quote["arguments"][0] == MNQ
    assert {"symbol", "bestBid", "bestAsk", "lastUpdated", "timestamp"} <= set(quote["arguments"][1])
    depth = await hub.until(lambda r: r.get("target") == "GatewayDepth")
    assert depth["arguments"][1][0]["type"] == 6
    trade = await hub.until(lambda r: r.get("target") == "GatewayTrade")
    assert set(trade["arguments"][1][0]) == {"symbolId", "price", "timestamp", "type", "volume", "contractId"}
    await hub.socket.close()


@pytest.mark.parametrize("token", ["", "abc", "a.b.c"])
async def test_a_bad_token_is_401_on_the_upgrade(client: Client, token: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await open_hub(client, "user", f"access_token={token}")
    assert refused.value.status == 401


async def test_negotiation_gives_an_id_for_one_socket(client: Client) -> None:
    url = f"{client.gateway.url}/hubs/user/negotiate?negotiateVersion=1"
    headers = {"Authorization": f"Bearer {client.token}"}
    async with client.session.post(url, headers=headers) as answer:
        body = await answer.json()
    assert body["negotiateVersion"] == 1
    assert body["availableTransports"] == [{"transport": "WebSockets", "transferFormats": ["Text"]}]
    query = f"id={body['connectionToken']}&access_token={client.token}"
    hub = await open_hub(client, "user", query)
    with pytest.raises(aiohttp.WSServerHandshakeError) as taken:
        await open_hub(client, "user", query)
    assert taken.value.status == 409
    with pytest.raises(aiohttp.WSServerHandshakeError) as unknown:
        await open_hub(client, "user", f"id=nobody&access_token={client.token}")
    assert unknown.value.status == 404
    await hub.socket.close()


async def test_a_browser_on_loopback_may_ask_across_origins(client: Client) -> None:
    url = f"{client.gateway.url}/hubs/market/negotiate?negotiateVersion=1"
    asked = "authorization,x-requested-with,x-signalr-user-agent"
    headers = {
        "Origin": "http://localhost:5173",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": asked,
    }
    async with client.session.options(url, headers=headers) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:5173"
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert answer.headers["Access-Control-Allow-Headers"] == asked
    async with client.session.options(url, headers={**headers, "Origin": "http://example.org"}) as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_client_ping_with_payload_is_answered_with_it(client: Client) -> None:
    hub = await open_hub(client, "user")
    raw = await client.session.ws_connect(
        f"{client.gateway.url}/hubs/user?access_token={client.token}", autoping=False
    )
    await raw.ping(b"are you there")
    message = await raw.receive(timeout=5)
    assert (message.type, bytes(message.data)) == (aiohttp.WSMsgType.PONG, b"are you there")
    await raw.close()
    await hub.socket.close()


async def test_binary_messages_are_refused_at_the_handshake(client: Client) -> None:
    socket = await client.session.ws_connect(f"{client.gateway.url}/hubs/user?access_token={client.token}")
    await socket.send_str(json.dumps({"protocol": "messagepack", "version": 1}) + END)
    message = await socket.receive(timeout=5)
    assert json.loads(message.data[:-1]) == {"error": "The protocol 'messagepack' is not supported."}
    assert (await socket.receive(timeout=5)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


@pytest.mark.parametrize(("how", "with_record"), [("close", True), ("tcp", False)])
async def test_a_hub_can_be_dropped(client: Client, how: str, with_record: bool) -> None:
    hub = await open_hub(client, "user")
    await client.control("POST", "faults", {"fault": "hub.drop", "hub": "user", "how": how})
    messages = []
    async with asyncio.timeout(5):
        while not hub.socket.closed:
            messages.append(await hub.socket.receive())
    records = [json.loads(m.data[:-1]) for m in messages if m.type is aiohttp.WSMsgType.TEXT]
    closes = [record for record in records if record.get("type") == 7]
    assert bool(closes) is with_record
    if closes:
        assert closes[0]["allowReconnect"] is True


async def test_reset_and_hang_faults_reach_the_socket(client: Client) -> None:
    await client.control("POST", "faults", {"fault": "accept_then", "endpoint": "place", "how": "reset"})
    with pytest.raises(aiohttp.ClientError):
        await client.call(
            "Order/place", accountId=1001, contractId=MNQ, type=2, side=0, size=1, customTag="r"
        )
    await client.control("POST", "faults", {"fault": "drop", "endpoint": "place", "count": 1})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await client.call(
                "Order/place", accountId=1001, contractId=MNQ, type=2, side=0, size=1, customTag="h"
            )
    trades = (await client.call("Trade/search", accountId=1001))["trades"]
    assert len(trades) == 2


async def test_the_clock_runs_at_its_rate_on_both_listeners(client: Client) -> None:
    found = []
    for base in (client.gateway.url, client.gateway.control_url, client.gateway.url):
        async with client.session.get(f"{base}/paper/clock") as answer:
            found.append(await answer.json())
        await asyncio.sleep(0.05)
    assert all(clock["rate"] == 10.0 and clock["epoch_ns"] == START for clock in found)
    assert found[2]["now_ns"] - found[0]["now_ns"] >= 10 * 100_000_000


async def test_the_control_side_wants_its_own_token(client: Client) -> None:
    assert (await client.control("GET", "judge", token=client.token))[0] == 401
    status, verdict = await client.control("GET", "judge")
    assert status == 200
    assert verdict["duplicate_orders"] == 0
    status, wrong = await client.control("POST", "faults", {"fault": "no.such"})
    assert status == 400
    assert "one of" in wrong["error"]


async def test_moves_and_accounts_over_the_control_side(client: Client) -> None:
    _, prices = await client.control("GET", "market")
    touch = next(row for row in prices if row["contract_id"] == MNQ)
    target = touch["bid"] + 40
    status, _ = await client.control(
        "POST", "market", {"contract_id": MNQ, "price": f"{target // 4}.{target % 4 * 25:02d}", "seconds": 2}
    )
    assert status == 200
    await asyncio.sleep(0.5)
    _, prices = await client.control("GET", "market")
    moved = next(row for row in prices if row["contract_id"] == MNQ)
    assert moved["bid"] > touch["bid"] + 10
    await client.control("POST", "accounts", {"id": 1001, "bracket_mode": "position"})
    refused = await client.call(
        "Order/place", accountId=1001, contractId=MNQ, type=2, side=0, size=1,
        stopLossBracket={"ticks": -40, "type": 4},
    )  # fmt: skip
    assert refused["errorCode"] == 2
    assert "Position Brackets" in refused["errorMessage"]


async def test_the_control_side_takes_fractions_of_seconds_and_decimal_prices(client: Client) -> None:
    shape = {"fault": "delay", "endpoint": "place", "seconds": 0.25}
    status, armed = await client.control("POST", "faults", shape)
    assert (status, armed["seconds"]) == (200, 0.25)
    _, prices = await client.control("GET", "market")
    row = next(row for row in prices if row["contract_id"] == MNQ)
    move = {"contract_id": MNQ, "price": (row["last"] + 2) / 4, "seconds": 0.5}
    assert (await client.control("POST", "market", move))[1] == {
        "contract_id": row["contract_id"], "ticks": row["last"] + 2, "seconds": 0.5,
    }  # fmt: skip
    for text in ("NaN", "Infinity"):
        url = f"{client.gateway.control_url}/paper/faults"
        data = f'{{"fault":"delay","seconds":{text}}}'
        headers = {"Authorization": f"Bearer {client.gateway.control_token}"}
        async with client.session.post(url, data=data, headers=headers) as answer:
            assert answer.status == 400


async def test_a_port_in_use_is_named(gateway: PaperGateway) -> None:
    port = int(gateway.url.rsplit(":", 1)[1])
    with pytest.raises(BotError, match=f"expected a free port.*{port}"):
        await PaperGateway(PaperConfig(start_ns=START, port=port)).start()


@pytest.mark.parametrize(
    "move",
    [
        {"price": "20000.10", "seconds": 1},
        {"price": "abc"},
        {},
        {"ticks": 1.5},
        {"ticks": 10**30},
        {"ticks": 80_000, "seconds": -1},
        {"ticks": 80_000, "seconds": 1e400},
        {"ticks": 80_000, "seconds": True},
        {"ticks": 80_000, "contract_id": "CON.F.US.EP.Z25"},
        {"ticks": 80_000, "contract_id": 5},
    ],
)
async def test_a_market_move_that_makes_no_sense_is_refused(client: Client, move: dict[str, Any]) -> None:
    status, answer = await client.control("POST", "market", {"contract_id": MNQ, **move})
    assert (status, set(answer)) == (400, {"code", "error"})
    assert not [line for line in client.gateway.venue.ledger.lines if b'"push"' in line]
