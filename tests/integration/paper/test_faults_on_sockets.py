"""Every fault over real sockets, armed by the control side: what a client sees, and what really happened."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from bot.paper.config import PaperConfig, PaperOptions
from bot.paper.script.errors import ScriptError
from bot.paper.server import PaperGateway
from bot.paper.verbs import MACHINE, VERBS
from tests.integration.paper.conftest import START, Client
from tests.integration.paper.test_sockets import Hub, open_hub

pytestmark = pytest.mark.asyncio(loop_scope="module")

MNQ, END = "CON.F.US.MNQ.Z25", "\x1e"
RATE = 10.0
_IDS = count(2001)
SL, TP = {"ticks": -200, "type": 4}, {"ticks": 200, "type": 1}


class Desk:
    """One account of its own at the gateway, with a plain client."""

    def __init__(self, client: Client, account: int) -> None:
        self.client, self.account = client, account

    async def fault(self, fault: str, **members: Any) -> dict[str, Any]:
        status, armed = await self.client.control("POST", "faults", {"fault": fault, **members})
        assert status == 200, armed
        return armed

    async def send(self, path: str, **body: Any) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self.client.token}"}
        url = f"{self.client.gateway.url}/api/{path}"
        async with self.client.session.post(url, json=body, headers=headers) as answer:
            return answer.status, await answer.read()

    async def call(self, path: str, **body: Any) -> dict[str, Any]:
        status, text = await self.send(path, **{"accountId": self.account, **body})
        assert status == 200, (status, text)
        return json.loads(text)

    async def place(self, **members: Any) -> dict[str, Any]:
        return await self.call("Order/place", **order(**members))

    async def held(self) -> int:
        rows = (await self.call("Position/searchOpen"))["positions"]
        return sum(row["size"] if row["type"] == 1 else -row["size"] for row in rows)

    async def orders(self, *statuses: int) -> list[dict[str, Any]]:
        where = {"accountId": self.account, "statuses": list(statuses)}
        return (await self.call("Order/v2/query", filter=where))["orders"]

    async def until(self, wanted: Callable[[], Awaitable[object]], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not await wanted():
                await asyncio.sleep(0.01)

    async def until_held(self, lots: int) -> None:
        async def so() -> bool:
            return await self.held() == lots

        await self.until(so)

    async def hub(self, name: str = "user") -> Hub:
        hub = await open_hub(self.client, name)
        topics = {
            "user": ("Orders", "Trades", "Positions"),
            "market": ("ContractQuotes", "ContractMarketDepth"),
        }[name]
        argument = self.account if name == "user" else MNQ
        for topic in topics:
            await hub.say(
                {"type": 1, "target": f"Subscribe{topic}", "arguments": [argument], "invocationId": topic}
            )
            await hub.until(lambda record, topic=topic: record.get("invocationId") == topic)
        if name == "user":
            await hub.say({"type": 1, "target": "SubscribeAccounts", "arguments": [], "invocationId": "a"})
            await hub.until(lambda record: record.get("invocationId") == "a")
        return hub

    async def last(self) -> int:
        _, rows = await self.client.control("GET", "market")
        return next(row["last"] for row in rows if row["contract_id"] == MNQ)


def order(**members: Any) -> dict[str, Any]:
    return {"contractId": MNQ, "type": 2, "side": 0, "size": 1, **members}


async def serving(**config: Any) -> AsyncIterator[Client]:
    options = PaperOptions(rate_general=(1_000_000, 60), rate_bars=(1_000_000, 60))
    gateway = PaperGateway(
        PaperConfig(start_ns=START, rate=RATE, profile="fast", options=options, scenario="quiet", **config)
    )
    await gateway.start()
    async with aiohttp.ClientSession() as session:
        client = Client(gateway, session)
        await client.login()
        yield client
    await gateway.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Client]:
    async for client in serving():
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def desk(shared: Client) -> AsyncIterator[Desk]:
    found = Desk(shared, next(_IDS))
    name = {"id": found.account, "name": f"PRAC-V2-4711-{found.account}", "balance": 150_000_000_000}
    assert (await shared.control("POST", "accounts", name))[0] == 200
    yield found
    await shared.control("DELETE", "faults")
    await shared.login()


@pytest_asyncio.fixture(loop_scope="module")
async def own() -> AsyncIterator[Desk]:
    """A gateway of the test's own, for what concerns a whole session."""
    async for client in serving():
        yield Desk(client, 1001)


SHOWN: set[str] = set()


def shows(*verbs: str) -> Callable[[Any], Any]:
    """Mark the verbs that a test is about."""
    SHOWN.update(verbs)
    return lambda test: test


@shows("accept_then")
@pytest.mark.parametrize("how", [500, 502, 503, 504, "reset", "empty", "html"])
async def test_accept_then(desk: Desk, how: int | str) -> None:
    await desk.fault("accept_then", endpoint="place", how=how, account_id=desk.account)
    if how == "reset":
        with pytest.raises(aiohttp.ClientError):
            await desk.place()
    else:
        status, text = await desk.send("Order/place", **order(accountId=desk.account))
        assert status == (how if isinstance(how, int) else 200)
        assert text == (b"<html><body>Bad gateway</body></html>" if how == "html" else b"")
    await desk.until_held(1)


@shows("drop")
async def test_drop(desk: Desk) -> None:
    await desk.fault("drop", endpoint="place")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await desk.place()
    await desk.until_held(1)


@shows("delay")
@pytest.mark.parametrize(("seconds", "clock"), [(4.0, "venue"), (0.4, "real")])
async def test_delay_until_after_the_events(desk: Desk, seconds: float, clock: str) -> None:
    hub = await desk.hub()
    await desk.fault("delay", endpoint="place", seconds=seconds, clock=clock)
    begun = time.monotonic()
    answer = asyncio.ensure_future(desk.place())
    filled = await hub.until(lambda record: record.get("target") == "GatewayUserTrade")
    assert not answer.done()
    assert filled["arguments"][0]["data"]["orderId"] == (await answer)["orderId"]
    assert time.monotonic() - begun >= 0.39
    await hub.socket.close()


@shows("pending")
@pytest.mark.parametrize(
    ("endpoint", "code"), [("place", 6), ("modify", 4), ("cancel", 4), ("close", 6), ("partial", 7)]
)
async def test_pending(desk: Desk, endpoint: str, code: int) -> None:
    await desk.place()
    resting = (await desk.place(type=1, limitPrice=15_000))["orderId"]
    await desk.until_held(1)
    await desk.fault("pending", endpoint=endpoint)
    path, body = {
        "place": ("Order/place", order()),
        "modify": ("Order/modify", {"orderId": resting, "limitPrice": 15_010}),
        "cancel": ("Order/cancel", {"orderId": resting}),
        "close": ("Position/closeContract", {"contractId": MNQ}),
        "partial": ("Position/partialCloseContract", {"contractId": MNQ, "size": 1}),
    }[endpoint]
    answer = await desk.call(path, **body)
    assert (answer["success"], answer["errorCode"]) == (False, code)
    if endpoint in ("place", "close", "partial"):
        await desk.until_held(2 if endpoint == "place" else 0)
    else:
        row = (await desk.call("Order/searchById", orderId=resting))["order"]
        assert (row["status"], row["limitPrice"]) == ((3, 15_000) if endpoint == "cancel" else (1, 15_010))


@shows("refuse")
async def test_refuse(desk: Desk) -> None:
    await desk.fault("refuse", endpoint="place", code=3, text="no money", with_id=True)
    answer = await desk.place()
    assert (answer["success"], answer["errorCode"], answer["errorMessage"]) == (False, 3, "no money")
    assert [row["id"] for row in await desk.orders(5)] == [answer["orderId"]]
    assert await desk.held() == 0


@shows("http")
@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_http(desk: Desk, status: int) -> None:
    await desk.fault("http", endpoint="place", status=status, retry_after=9, text="wait")
    headers = {"Authorization": f"Bearer {desk.client.token}"}
    url = f"{desk.client.gateway.url}/api/Order/place"
    async with desk.client.session.post(url, json=order(accountId=desk.account), headers=headers) as answer:
        assert (answer.status, answer.headers["Retry-After"], await answer.text()) == (status, "9", "wait")
    assert await desk.orders(1, 2, 5, 6) == []


@shows("null", "lag", "zoneless")
async def test_reads_that_are_null_behind_or_without_a_zone(desk: Desk) -> None:
    await desk.place()
    await desk.until_held(1)
    await desk.fault("lag", endpoint="positions", seconds=3600, count=1)
    assert (await desk.call("Position/searchOpen"))["positions"] == []
    await desk.fault("null", endpoint="positions")
    assert (await desk.call("Position/searchOpen"))["positions"] is None
    await desk.fault("zoneless", endpoint="positions", count=1)
    stamps = [(await desk.call("Position/searchOpen"))["positions"][0]["creationTimestamp"] for _ in range(2)]
    assert stamps[0] + "+00:00" == stamps[1]


@shows("close.lie")
async def test_a_lying_close(desk: Desk) -> None:
    await desk.place()
    await desk.until_held(1)
    await desk.fault("close.lie")
    assert (await desk.call("Position/closeContract", contractId=MNQ))["success"]
    assert await desk.held() == 1
    await desk.call("Position/closeContract", contractId=MNQ)
    await desk.until_held(0)


@shows("bars.freeze", "bars.dup", "bars.shuffle", "bars.unknown")
async def test_bars(desk: Desk) -> None:
    async def opens(unit: int = 2) -> list[str] | None:
        answer = await desk.call(
            "History/retrieveBars", contractId=MNQ, live=False, startTime="2025-10-01T13:00:00Z",
            endTime="2025-10-01T20:00:00Z", unit=unit, unitNumber=1, limit=20, includePartialBar=True,
        )  # fmt: skip
        return None if answer["bars"] is None else [bar["t"] for bar in answer["bars"]]

    await desk.fault("bars.unknown", count=1)
    assert await opens() is None
    await desk.fault("bars.freeze", contract_id="MNQ")
    still = await opens(1)
    assert still is not None
    await asyncio.sleep(0.3)
    assert await opens(1) == still
    await desk.fault("bars.shuffle", count=1)
    shuffled = await opens(1)
    assert shuffled is not None
    assert shuffled != still
    assert sorted(shuffled) == sorted(still)
    await desk.fault("bars.dup", count=1)
    assert await opens(1) == [each for each in still for _ in range(2)]


@shows("token.expire")
async def test_expired_tokens(desk: Desk) -> None:
    await desk.fault("token.expire")
    assert (await desk.send("Account/search", onlyActiveAccounts=True))[0] == 401
    await desk.client.login()
    assert (await desk.send("Account/search", onlyActiveAccounts=True))[0] == 200


@shows("hub.403")
async def test_upgrades_are_refused(desk: Desk) -> None:
    await desk.fault("hub.403", hub="user", count=2)
    for _ in range(2):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await open_hub(desk.client, "user")
        assert caught.value.status == 403
    await (await open_hub(desk.client, "user")).socket.close()


@shows("hub.drop")
@pytest.mark.parametrize(
    ("allow", "with_error"), [(True, True), (False, True), (True, False), (False, False)]
)
async def test_close_records(desk: Desk, allow: bool, with_error: bool) -> None:
    hub = await desk.hub()
    await desk.fault("hub.drop", hub="user", allow_reconnect=allow, with_error=with_error)
    record = await hub.until(lambda record: record.get("type") == 7)
    assert (record.get("allowReconnect", False), "error" in record) == (allow, with_error)
    assert (await hub.socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


@shows("hub.drop")
@pytest.mark.parametrize("how", ["tcp", "stall", "pings"])
async def test_ends_without_a_record(desk: Desk, how: str) -> None:
    hub = await desk.hub()
    await desk.fault("hub.drop", hub="user", how=how)
    if how == "tcp":
        async with asyncio.timeout(5):
            message = await hub.socket.receive()
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        return
    hub.records.clear()
    await desk.place()
    await desk.until_held(1)
    with pytest.raises(TimeoutError):
        await hub.until(lambda record: record.get("type") == 1, seconds=0.3)
    assert not hub.socket.closed
    await hub.socket.close()


@shows("hub.lose", "hub.late", "hub.dup", "hub.reorder", "hub.zoneless", "dup_account", "reemit_open_trade")
async def test_events_on_their_way(desk: Desk) -> None:
    hub = await desk.hub()
    mine = {"account_id": desk.account}
    await desk.fault("hub.lose", event="position", count=1, **mine)
    await desk.fault("hub.late", event="trade", seconds=3, count=1, **mine)
    await desk.fault("hub.zoneless", event="trade", count=1, **mine)
    first = await desk.place()
    late = await hub.until(lambda record: record.get("target") == "GatewayUserTrade")
    opened = late["arguments"][0]["data"]
    assert (opened["orderId"], opened["creationTimestamp"][-6:] != "+00:00") == (first["orderId"], True)
    seen = [record["target"] for record in hub.records if record.get("type") == 1]
    assert "GatewayUserPosition" not in seen
    assert seen.count("GatewayUserOrder") == 2
    hub.records.clear()
    await desk.fault("reemit_open_trade", count=1, **mine)
    await desk.fault("dup_account", count=1, **mine)
    await desk.fault("hub.dup", event="position", count=1, **mine)
    await desk.fault("hub.reorder", event="order", count=1, **mine)
    await desk.call("Position/closeContract", contractId=MNQ)

    def told() -> list[str]:
        return [
            record["target"].removeprefix("GatewayUser") for record in hub.records if record.get("type") == 1
        ]

    with pytest.raises(TimeoutError):
        await hub.until(lambda _record: False, seconds=0.5)
    assert {name: told().count(name) for name in ("Order", "Trade", "Position", "Account")} == {
        "Order": 2, "Trade": 2, "Position": 2, "Account": 2,
    }  # fmt: skip
    data: dict[str, list[dict[str, Any]]] = {name: [] for name in ("GatewayUserOrder", "GatewayUserTrade")}
    for record in hub.records:
        data.get(record["target"], []).append(record["arguments"][0]["data"])
    assert [row["status"] for row in data["GatewayUserOrder"]] == [2, 6]
    assert data["GatewayUserTrade"][0]["id"] == opened["id"]
    await hub.socket.close()


@shows("hub.logout", "hub.unknown")
async def test_logout_and_an_unknown_record(desk: Desk) -> None:
    hub = await desk.hub()
    await desk.fault("hub.logout", hub="user")
    await hub.until(lambda record: record.get("target") == "GatewayLogout" and record["arguments"] == [])
    await desk.fault("hub.unknown", hub="user", type=99)
    await hub.until(lambda record: record.get("type") == 99)
    await hub.socket.close()


@shows("children.missing", "children.late", "engine.late", "reject")
async def test_brackets_and_engine(desk: Desk) -> None:
    mine = {"account_id": desk.account}
    await desk.fault("children.missing", count=1, **mine)
    await desk.place(stopLossBracket=SL)
    await desk.until_held(1)
    assert await desk.orders(1, 8) == []
    await desk.fault("children.late", seconds=3600, count=1, **mine)
    await desk.place(stopLossBracket=SL)
    await desk.until_held(2)
    assert [row["status"] for row in await desk.orders(1, 8)] == [8]
    await desk.fault("engine.late", seconds=3600, **mine)
    late = (await desk.place())["orderId"]
    assert (await desk.call("Order/searchById", orderId=late))["order"]["status"] == 6
    await desk.fault("reject", **mine)
    rejected = (await desk.place())["orderId"]

    async def gone() -> bool:
        return (await desk.call("Order/searchById", orderId=rejected))["order"]["status"] == 5

    await desk.until(gone)
    assert await desk.held() == 2


@shows("oco.lag", "fill", "slip")
async def test_both_legs_fill_at_prices_of_their_own(desk: Desk) -> None:
    mine = {"account_id": desk.account}
    await desk.fault("oco.lag", seconds=3600, **mine)
    await desk.fault("slip", ticks=8, count=1, **mine)
    entry = (await desk.place(stopLossBracket=SL, takeProfitBracket=TP))["orderId"]

    async def working() -> bool:
        return len(await desk.orders(1)) == 2

    await desk.until(working)
    _, prices = await desk.client.control("GET", "market")
    ask = next(row["ask"] for row in prices if row["contract_id"] == MNQ)
    filled = (await desk.call("Order/searchById", orderId=entry))["order"]["filledPrice"]
    assert abs(filled - (ask + 8) / 4) <= 1.5
    for leg in await desk.orders(1):
        await desk.fault("fill", order_id=leg["id"], price=filled)
    await desk.until_held(-1)


async def moved(desk: Desk, by: int) -> None:
    start = await desk.last()

    async def there() -> bool:
        return abs(await desk.last() - start - by) <= abs(by) // 4

    yield_to = {"push": {"by": by, "seconds": 0.5}, "gap": {"by": by}}
    verb = "push" if by > 0 else "gap"
    await desk.fault(verb, contract_id="MNQ", **yield_to[verb])
    await desk.until(there)


@shows("push", "gap", "fast")
async def test_the_market_moves(desk: Desk) -> None:
    await moved(desk, 400)
    await moved(desk, -400)
    before = await desk.last()
    seen: list[int] = []

    async def ran() -> bool:
        seen.append(await desk.last())
        return max(seen) - before > 60 and before - min(seen) > 60

    await desk.fault("fast", contract_id="MNQ", ticks=120, seconds=40, step_s=2)
    await desk.until(ran)


@shows("quote.stop", "quote.sparse", "quote.zero", "depth.reset")
async def test_quotes_and_depth(desk: Desk) -> None:
    hub = await desk.hub("market")

    def quote(record: dict[str, Any]) -> bool:
        return record.get("target") == "GatewayQuote"

    await desk.fault("quote.zero", contract_id="MNQ", seconds=3600)
    await hub.until(lambda record: quote(record) and record["arguments"][1].get("bestBid") == 0)
    await desk.client.control("DELETE", "faults")
    await desk.fault("quote.sparse", seconds=3600)
    hub.records.clear()
    with pytest.raises(TimeoutError):
        await hub.until(lambda record: quote(record) and "lastPrice" in record["arguments"][1], seconds=0.4)
    await desk.fault("depth.reset")
    reset = await hub.until(
        lambda record: record.get("target") == "GatewayDepth" and record["arguments"][1][0]["type"] == 6
    )
    assert len(reset["arguments"][1]) > 2
    await desk.fault("quote.stop", seconds=3600)
    with pytest.raises(TimeoutError):
        await hub.until(lambda _record: False, seconds=0.1)
    hub.records.clear()
    with pytest.raises(TimeoutError):
        await hub.until(lambda record: record.get("type") == 1, seconds=0.3)
    await hub.socket.close()


@shows("halt", "velocity", "resume", "band")
async def test_interruptions(desk: Desk) -> None:
    for verb in ("halt", "velocity"):
        await desk.fault(verb, contract_id="MNQ")
        assert (await desk.place())["errorCode"] == 2
        await desk.fault("resume", contract_id="MNQ")
        assert (await desk.place())["success"]
    await desk.fault("band", contract_id="MNQ", below=1_000, above=1_000)
    assert (await desk.place(type=1, limitPrice=15_000))["errorCode"] == 2
    await desk.fault("band", contract_id="MNQ")
    assert (await desk.place(type=1, limitPrice=15_000))["success"]


@shows("liquidate", "account", "void")
@pytest.mark.parametrize("limit", ["dll", "mll", None])
async def test_accounts(desk: Desk, limit: str | None) -> None:
    hub = await desk.hub()
    await desk.place()
    await desk.place(type=1, limitPrice=15_000)
    await desk.until_held(1)
    members = {} if limit is None else {"limit": limit}
    await desk.fault("liquidate", account_id=desk.account, **members)
    await desk.until_held(0)
    assert len(await desk.orders(1)) == (1 if limit is None else 0)
    if limit is None:
        await desk.fault("void", account_id=desk.account)
        await hub.until(
            lambda record: (
                record.get("target") == "GatewayUserTrade" and record["arguments"][0]["data"]["voided"]
            )
        )
        await desk.fault("account", account_id=desk.account, set={"bracket_mode": "position"})
        assert "Position Brackets" in (await desk.place(stopLossBracket=SL))["errorMessage"]
    else:
        assert (await desk.place())["errorCode"] == 4
        await hub.until(
            lambda record: (
                record.get("target") == "GatewayUserAccount"
                and not record["arguments"][0]["data"]["canTrade"]
            )
        )
    await hub.socket.close()


@shows("option", "clear")
async def test_options_and_clearing(own: Desk) -> None:
    await own.fault("http", endpoint="any", status=500, count=99)
    await own.fault("clear")
    await own.fault("option", set={"failure_lists": "empty"})
    assert (await own.call("Position/searchOpen", accountId=999))["positions"] == []


@shows("cut")
async def test_the_cut(own: Desk) -> None:
    await own.place()
    await own.place(type=1, limitPrice=15_000)
    await own.until_held(1)
    await own.fault("cut")
    await own.until_held(0)
    assert await own.orders(1, 6, 8) == []
    assert (await own.place())["errorCode"] == 2


@shows("holiday")
async def test_a_holiday(own: Desk) -> None:
    hub = await own.hub("market")
    await hub.until(lambda record: record.get("target") == "GatewayQuote")
    await own.fault("holiday", day="2025-10-01")
    assert (await own.place())["errorCode"] == 2
    hub.records.clear()
    with pytest.raises(TimeoutError):
        await hub.until(lambda _record: False, seconds=0.1)
    hub.records.clear()
    with pytest.raises(TimeoutError):
        await hub.until(lambda record: record.get("type") == 1, seconds=0.3)
    await hub.socket.close()


@shows("roll")
async def test_the_roll(own: Desk) -> None:
    await own.fault("roll", contract_id="MNQ")
    found = await own.call("Contract/searchById", contractId="CON.F.US.MNQ.H26")
    assert found["contract"]["activeContract"]
    assert (await own.place())["errorCode"] == 9


async def test_every_verb_of_the_venue_is_shown_here() -> None:
    assert set(VERBS) - MACHINE == SHOWN


async def test_a_script_over_the_control_side(own: Desk) -> None:
    text = """
steps:
  - {when: {event: request, endpoint: place, n: 2}, do: accept_then, endpoint: place, how: 502}
  - {at: 2s, do: push, contract_id: MNQ, by: 400}
"""
    headers = {"Authorization": f"Bearer {own.client.gateway.control_token}"}
    url = f"{own.client.gateway.control_url}/paper/script"
    post = own.client.session.post
    async with post(url, data=text, params={"dry_run": "1"}, headers=headers) as answer:
        assert (answer.status, len((await answer.json())["plan"])) == (200, 2)
    async with post(
        url, data=text.replace("MNQ", "NQ"), params={"name": "x.yaml"}, headers=headers
    ) as answer:
        assert answer.status == 400
        refused = await answer.json()
    assert refused["code"] == "BAD_SCRIPT"
    assert refused["error"].startswith(
        "x.yaml, line 4, column 37: contract_id: expected the id or the root of one of"
    )
    assert (await own.client.control("GET", "script"))[1] == []
    before = await own.last()
    async with post(url, data=text, headers=headers) as answer:
        assert answer.status == 200
    assert (await own.send("Order/place", **order(accountId=1001)))[0] == 200
    assert (await own.send("Order/place", **order(accountId=1001)))[0] == 502

    async def walked() -> bool:
        return await own.last() > before + 200

    await own.until(walked)
    _, running = await own.client.control("GET", "script")
    assert [step["done"] for step in running[0]["steps"]] == [1, 1]
    _, verdict = await own.client.control("GET", "judge")
    assert (verdict["struck"], verdict["struck_requests"]) == ({"accept_then": 1, "push": 1}, 1)
    assert (await own.client.control("DELETE", "script"))[0] == 204
    assert (await own.client.control("GET", "script"))[1] == []


async def test_a_gateway_with_a_script_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "first.yaml"
    file.write_text(
        "steps:\n- {when: {event: request, endpoint: accounts}, do: http, endpoint: accounts, status: 503}\n"
    )
    gateway = PaperGateway(PaperConfig(start_ns=START, rate=RATE, profile="fast"), script=file)
    await gateway.start()
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(gateway, session)
            await client.login()
            desk = Desk(client, 1001)
            found = [(await desk.send("Account/search", onlyActiveAccounts=True))[0] for _ in range(2)]
        assert found == [503, 200]
    finally:
        await gateway.stop()
    file.write_text("steps:\n- {do: kill}\n")
    broken = PaperGateway(PaperConfig(start_ns=START), script=file)
    with pytest.raises(
        ScriptError, match=r"first.yaml, line 2, column 8: do: expected a verb that this harness can do"
    ):
        await broken.start()
    assert broken.url == ""
