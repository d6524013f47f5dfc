"""Drives the paper gateway with projectx-api.

Usage: drive.py shipped|trade|by_id <settings as JSON>. The client awaits what httpx gives at once, so it works only behind
a hook that makes `Response.json` awaitable.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import httpx
from paper import Paper, described, main
from projectx_api import LoginAppCredentials, LoginKeyCredentials, OrderSide, OrderType, ProjectXClient
from projectx_api.enums import AggregationUnit, ConnectionURLS
from trading import settled, trade

FIELDS = {"limit": "limitPrice", "stop": "stopPrice", "trail": "trailPrice", "size": "size"}


class Desk:
    """The client behind the face of a desk. Its times are naive UTC."""

    def __init__(self, client: ProjectXClient, paper: Paper) -> None:
        self.client, self.account, self.contract = client, paper.account, paper.contract
        self.since, self.until = (
            datetime.fromisoformat(text).replace(tzinfo=None) for text in (paper.since, paper.until)
        )

    async def bars(self) -> list[float]:
        bars = await self.client.retrieve_bars(
            self.contract, False, self.since, self.until, AggregationUnit.MINUTE, 1, 30, False
        )
        return [bar["c"] for bar in bars]

    async def place(self, kind: int, side: int, size: int, tag: str, **more: Any) -> int:
        named = {FIELDS.get(name, name): value for name, value in more.items()}
        answer = await self.client.place_order(
            self.account, self.contract, OrderType(kind), OrderSide(side), size, customTag=tag, **named
        )
        return answer["orderId"]

    async def protected(self, size: int, tag: str) -> int:
        stop, target = {"ticks": -400, "type": 4}, {"ticks": 400, "type": 1}
        return await self.place(2, 0, size, tag, stopLossBracket=stop, takeProfitBracket=target)

    async def modify(self, order: int, **changes: Any) -> None:
        await self.client.modify_order(
            self.account, order, **{FIELDS[name]: value for name, value in changes.items()}
        )

    async def cancel(self, order: int) -> None:
        await self.client.cancel_order(self.account, order)

    async def orders(self) -> list[dict[str, Any]]:
        return [row(order) for order in await self.client.search_for_orders(self.account, self.since)]

    async def open_orders(self) -> list[dict[str, Any]]:
        return [row(order) for order in await self.client.search_for_open_orders(self.account)]

    async def positions(self) -> list[list[int]]:
        return [[held["type"], held["size"]] for held in await self.client.search_for_positions(self.account)]

    async def reduce(self, size: int) -> None:
        await self.client.partially_close_position(self.account, self.contract, size)

    async def close(self) -> None:
        await self.client.close_position(self.account, self.contract)

    async def trades(self) -> list[list[Any]]:
        found = await self.client.search_for_trades(self.account, self.since)
        return [[fill["side"], fill["size"], fill["profitAndLoss"] is not None] for fill in found]


def row(order: dict[str, Any]) -> dict[str, Any]:
    """An order as a desk has it."""
    names = {"tag": "customTag", "limit": "limitPrice", "stop": "stopPrice"}
    return {name: order[names.get(name, name)] for name in ("id", "status", "type", "size", *names)}


def connect(paper: Paper) -> tuple[ProjectXClient, LoginKeyCredentials]:
    """The client as shipped, and its credentials."""
    client = ProjectXClient(ConnectionURLS(paper.url, paper.hub("user"), paper.hub("market")))
    return client, LoginKeyCredentials(auth_type="api_key", userName=paper.user, apiKey=paper.key)


async def awaitable(response: httpx.Response) -> None:
    """Make `await response.json()` work."""
    await response.aread()
    plain = response.json

    async def json() -> Any:
        return plain()

    response.json = json  # type: ignore[method-assign]


async def failing(call: Any) -> list[Any]:
    """The error that a call must end in."""
    try:
        answer = await call
    except Exception as problem:
        return described(problem)
    raise AssertionError(f"an error was expected, not {answer}")


async def shipped(paper: Paper) -> dict[str, Any]:
    """A login without the hook."""
    client, credentials = connect(paper)
    return {"login": await failing(client.login(credentials))}


async def by_id(paper: Paper) -> dict[str, Any]:
    """The contract by its id, alone."""
    client, credentials = connect(paper)
    client.session.event_hooks["response"].append(awaitable)
    await client.login(credentials)
    found = await client.search_for_contracts_by_id(paper.contract)
    return {"by_id": [contract["id"] for contract in found]}


async def day(paper: Paper) -> dict[str, Any]:
    """Every REST call behind the hook."""
    client, credentials = connect(paper)
    client.session.event_hooks["response"].append(awaitable)
    seen: dict[str, Any] = {"wrong_key": await failing(client.login({**credentials, "apiKey": "wrong"}))}
    app = {
        "auth_type": "app",
        "userName": paper.user,
        "password": "p",
        "deviceId": "d",
        "appId": "a",
        "verifyKey": "v",
    }
    seen["app_login"] = await failing(client.login(LoginAppCredentials(**app)))
    await client.login(credentials)
    desk = Desk(client, paper)
    seen["trading"] = await trade(desk)
    seen["accounts"] = [account["id"] for account in await client.search_for_account()]
    seen["found"] = [contract["name"] for contract in await client.search_for_contracts("MNQ", live=False)]
    seen["bars"] = len(await desk.bars())
    seen["by_id"] = await failing(client.search_for_contracts_by_id(paper.contract))
    seen["unknown"] = await failing(client.search_for_contracts_by_id("CON.F.US.NONE.Z25"))
    pinged = await client.ping()
    seen["ping"] = [pinged.status_code, pinged.headers["Allow"]]
    seen["logout"] = (await client.logout())["success"]
    seen["after_logout"] = await failing(client.search_for_account())
    seen["tasks"] = await settled(
        lambda: asyncio.sleep(0, len(asyncio.all_tasks())), lambda count: count == 1
    )
    return seen


main(
    shipped=lambda paper: asyncio.run(shipped(paper)),
    trade=lambda paper: asyncio.run(day(paper)),
    by_id=lambda paper: asyncio.run(by_id(paper)),
)
