"""Drives the paper gateway with topstep-client-py.

Usage: drive.py trade|resend|reconnect <settings as JSON>.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from paper import Paper, described, main
from topstep import (
    BarUnit,
    Bracket,
    MarketHub,
    Order,
    OrderSide,
    OrderType,
    PlaceOrderRequest,
    TopstepClient,
    UserHub,
)
from topstep.auth import login_app
from topstep.http import HTTPClient
from trading import settled, trade

FIELDS = {"limit": "limit_price", "stop": "stop_price", "trail": "trail_price", "size": "size"}


class TopstepDesk:
    """The client behind the face of a desk."""

    def __init__(self, client: TopstepClient, paper: Paper) -> None:
        self.client, self.paper = client, paper
        self.since, self.until = datetime.fromisoformat(paper.since), datetime.fromisoformat(paper.until)

    async def bars(self) -> list[float]:
        bars = await self.client.history.retrieve_bars(
            self.paper.contract, self.since, self.until, BarUnit.MINUTE, limit=30
        )
        return [bar.close for bar in bars]

    async def place(self, kind: int, side: int, size: int, tag: str | None, **prices: Any) -> int:
        named = {FIELDS.get(name, name): price for name, price in prices.items()}
        return await self.client.orders.place(
            PlaceOrderRequest(
                account_id=self.paper.account, contract_id=self.paper.contract, type=OrderType(kind),
                side=OrderSide(side), size=size, custom_tag=tag, **named,
            )
        )  # fmt: skip

    async def protected(self, size: int, tag: str) -> int:
        stop, target = Bracket(ticks=-400, type=4), Bracket(ticks=400, type=1)
        return await self.place(2, 0, size, tag, stop_loss_bracket=stop, take_profit_bracket=target)

    async def modify(self, order: int, **changes: Any) -> None:
        named = {FIELDS[name]: value for name, value in changes.items()}
        await self.client.orders.modify(self.paper.account, order, **named)

    async def cancel(self, order: int) -> None:
        await self.client.orders.cancel(self.paper.account, order)

    async def orders(self) -> list[dict[str, Any]]:
        return [row(order) for order in await self.client.orders.search(self.paper.account, self.since)]

    async def open_orders(self) -> list[dict[str, Any]]:
        return [row(order) for order in await self.client.orders.search_open(self.paper.account)]

    async def positions(self) -> list[list[int]]:
        return [
            [held.type, held.size] for held in await self.client.positions.search_open(self.paper.account)
        ]

    async def reduce(self, size: int) -> None:
        await self.client.positions.partial_close(self.paper.account, self.paper.contract, size)

    async def close(self) -> None:
        await self.client.positions.close(self.paper.account, self.paper.contract)

    async def trades(self) -> list[list[Any]]:
        found = await self.client.trades.search(self.paper.account, self.since)
        return [[fill.side, fill.size, fill.profit_and_loss is not None] for fill in found]


def row(order: Order) -> dict[str, Any]:
    """An order as a desk has it."""
    return {
        "id": order.id, "status": order.status, "type": order.type, "size": order.size, "tag": order.custom_tag,
        "limit": order.limit_price, "stop": order.stop_price,
    }  # fmt: skip


async def connect(paper: Paper, patience: float = 30.0) -> TopstepClient:
    """A client that is logged in."""
    return await TopstepClient.create(paper.user, paper.key, base_url=paper.url, timeout=patience)


async def failing(call: Any) -> list[Any]:
    """The error that a call must end in."""
    try:
        answer = await call
    except Exception as problem:
        return described(problem)
    raise AssertionError(f"an error was expected, not {answer}")


async def day(paper: Paper) -> dict[str, Any]:
    """Every REST call, with both hubs open."""
    client = await connect(paper)
    desk = TopstepDesk(client, paper)
    user, market, heard = await hubs(paper, client.token or "")
    await user.subscribe_all(paper.account)
    await market.subscribe_all(paper.contract)
    seen: dict[str, Any] = {"trading": await trade(desk)}
    seen["accounts"] = [account.id for account in await client.accounts.search()]
    seen["found"] = [contract.name for contract in await client.contracts.search("MNQ")]
    seen["by_id"] = (await client.contracts.search_by_id(paper.contract)).id
    seen["available"] = len(await client.contracts.available())
    seen["bars"] = len(await desk.bars())
    await settled(lambda: asyncio.sleep(0, heard), lambda by: all(by.values()))
    seen["events"] = {name: bool(events) for name, events in heard.items()}
    seen["unreadable"] = []
    for event in heard["orders"]:
        try:
            Order.model_validate({"symbolId": "", **event[0]["data"]})
        except ValueError as problem:
            seen["unreadable"].append([event[0]["data"]["status"], type(problem).__name__])
    seen["refused"] = [
        await failing(desk.place(3, 0, 1, "stop-limit", limit=1.0, stop=1.0)),
        await failing(client.contracts.search_by_id("CON.F.US.NONE.Z25")),
        await failing(TopstepClient.create(paper.user, "wrong", base_url=paper.url)),
        await failing(login_app(HTTPClient(paper.url), paper.user, "p", "d", "a", "v")),
    ]
    await asyncio.to_thread(paper.fault, "http", endpoint="accounts", status=401)
    seen["unauthorized"] = await failing(client.accounts.search())
    old = client.token
    await client.refresh_token()
    seen["refreshed"] = client.token not in (None, old)
    await user.unsubscribe_all(paper.account)
    await market.unsubscribe_all(paper.contract)
    await market.subscribe_quotes(paper.contract)
    await market.stop()
    await client.close()
    return seen


async def hubs(paper: Paper, token: str) -> tuple[UserHub, MarketHub, dict[str, list[Any]]]:
    """Both hubs, connected, and their events as they come."""
    user, market = UserHub(token, hub_url=paper.hub("user")), MarketHub(token, hub_url=paper.hub("market"))
    heard: dict[str, list[Any]] = {
        name: [] for name in ("accounts", "orders", "positions", "fills", "quotes", "prints", "depth")
    }
    user.on_account(heard["accounts"].append)
    user.on_order(heard["orders"].append)
    user.on_position(heard["positions"].append)
    user.on_trade(heard["fills"].append)
    market.on_quote(heard["quotes"].append)
    market.on_trade(heard["prints"].append)
    market.on_depth(heard["depth"].append)
    opened: list[bool] = []
    for hub in (user, market):
        hub.on_open(lambda: opened.append(True))
        await hub.connect()
    await settled(lambda: asyncio.sleep(0, opened), lambda open_: len(open_) == 2)
    return user, market, heard


async def resend(paper: Paper) -> dict[str, Any]:
    """Orders whose answer is 429, or comes too late: with a tag and without."""
    client = await connect(paper, patience=2.0)
    desk = TopstepDesk(client, paper)
    seen: dict[str, Any] = {}
    await asyncio.to_thread(paper.fault, "http", endpoint="place", status=429)
    seen["after_429"] = await desk.place(2, 0, 1, "busy") > 0
    await asyncio.to_thread(paper.fault, "delay", endpoint="place", after_s=3.0)
    seen["tagged"] = await failing(desk.place(2, 0, 1, "late"))
    await asyncio.to_thread(paper.fault, "delay", endpoint="place", after_s=3.0)
    seen["untagged"] = await desk.place(2, 0, 1, None) > 0
    seen["held"] = await settled(desk.positions, lambda held: held == [[1, 4]])
    seen["tags"] = [order["tag"] for order in await desk.orders()]
    await client.close()
    return seen


async def reconnect(paper: Paper) -> dict[str, Any]:
    """A market connection that is lost after its subscription."""
    client = await connect(paper)
    _, market, heard = await hubs(paper, client.token or "")
    await market.subscribe_quotes(paper.contract)
    await settled(lambda: asyncio.sleep(0, heard["quotes"]), lambda quotes: len(quotes) > 3)
    await asyncio.to_thread(paper.fault, "hub.drop", hub="market", how="tcp")
    await asyncio.sleep(2.0)
    before = len(heard["quotes"])
    await asyncio.sleep(4.0)
    return {"before": before > 3, "after": len(heard["quotes"]) - before}


main(
    trade=lambda paper: asyncio.run(day(paper)),
    resend=lambda paper: asyncio.run(resend(paper)),
    reconnect=lambda paper: asyncio.run(reconnect(paper)),
)
