"""Drives the paper gateway with projectx-sdk; HOME must be a fresh folder.

Usage: drive.py trade|by_id|resend|reconnect <settings as JSON>.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from paper import Paper, complaint, main, until
from projectx_sdk import ProjectXClient
from projectx_sdk.endpoints.history import TimeUnit
from projectx_sdk.realtime import SyncRealTimeClient
from trading import trade

FIELDS = {"limit": "limit_price", "stop": "stop_price", "trail": "trail_price", "size": "size"}
USER = ("accounts", "orders", "positions", "trades")
MARKET = ("quotes", "trades", "market_depth")


class Desk:
    """The client behind the face of a desk."""

    def __init__(self, client: ProjectXClient, paper: Paper) -> None:
        self.client, self.account, self.contract = client, paper.account, paper.contract
        self.since, self.until = datetime.fromisoformat(paper.since), datetime.fromisoformat(paper.until)

    async def bars(self) -> list[float]:
        bars = self.client.history.retrieve_bars(
            self.contract, self.since, self.until, TimeUnit.MINUTE, 1, 30
        )
        return [bar.close for bar in bars]

    async def place(self, kind: int, side: int, size: int, tag: str | None, **prices: float) -> int:
        named = {FIELDS[name]: price for name, price in prices.items()}
        return self.client.orders.place(
            self.account, self.contract, kind, side, size, custom_tag=tag, **named
        )

    async def protected(self, size: int, tag: str) -> None:
        """It has no brackets."""

    async def modify(self, order: int, **changes: float) -> None:
        named = {FIELDS[name]: value for name, value in changes.items()}
        assert self.client.orders.modify(self.account, order, **named)

    async def cancel(self, order: int) -> None:
        assert self.client.orders.cancel(self.account, order)

    async def orders(self) -> list[dict[str, Any]]:
        return [row(order) for order in self.client.orders.search(self.account, self.since)]

    async def open_orders(self) -> list[dict[str, Any]]:
        return [row(order) for order in self.client.orders.search_open(self.account)]

    async def positions(self) -> list[list[int]]:
        return [[held.type, held.size] for held in self.client.positions.search_open(self.account)]

    async def reduce(self, size: int) -> None:
        assert self.client.positions.partial_close_contract(self.account, self.contract, size)

    async def close(self) -> None:
        assert self.client.positions.close_contract(self.account, self.contract)

    async def trades(self) -> list[list[Any]]:
        found = self.client.trades.search(self.account, self.since)
        return [[fill.side, fill.size, fill.profit_and_loss is not None] for fill in found]


def row(order: Any) -> dict[str, Any]:
    """An order as a desk has it."""
    return {
        "id": order.id, "status": order.status, "type": order.type, "size": order.size, "tag": order.custom_tag,
        "limit": order.limit_price, "stop": order.stop_price,
    }  # fmt: skip


def connect(paper: Paper) -> ProjectXClient:
    """A client that is logged in."""
    return ProjectXClient(username=paper.user, api_key=paper.key, base_url=paper.url)


def hubs(paper: Paper, token: str) -> tuple[SyncRealTimeClient, dict[str, list[Any]]]:
    """Both hubs, subscribed to everything, and their events as they come.

    Its `start` may overtake the thread that it starts and then connects nothing; so it is begun anew until it did.
    """
    deadline = time.monotonic() + 30
    while True:
        realtime = SyncRealTimeClient(
            token, "paper", user_hub_url=paper.hub("user", "ws"), market_hub_url=paper.hub("market", "ws")
        )
        realtime.start()
        if realtime.is_connected():
            break
        assert time.monotonic() < deadline, "the hubs did not connect"
        realtime.stop()
    heard: dict[str, list[Any]] = {name: [] for name in (*USER, *(f"market {name}" for name in MARKET))}
    for name in USER:
        subscribe = getattr(realtime.user, f"subscribe_{name}")
        arguments = [] if name == "accounts" else [paper.account]
        subscribe(*arguments, lambda *event, name=name: heard[name].append(event))
    for name in MARKET:
        subscribe = getattr(realtime.market, f"subscribe_{name}")
        subscribe(paper.contract, lambda *event, name=name: heard[f"market {name}"].append(event))
    return realtime, heard


def day(paper: Paper) -> dict[str, Any]:
    """Every REST call, with both hubs open."""
    wrong = complaint(lambda: ProjectXClient(username=paper.user, api_key="wrong", base_url=paper.url))
    client = connect(paper)
    desk = Desk(client, paper)
    realtime, heard = hubs(paper, client.auth.token)
    app = {"password": "p", "device_id": "d", "app_id": "a", "verify_key": "v"}
    refused = complaint(lambda: ProjectXClient(username=paper.user, base_url=paper.url, **app))
    seen: dict[str, Any] = {"wrong_key": wrong, "app_login": refused, "trading": asyncio.run(trade(desk))}
    until("events", lambda: all(heard.values()))
    seen["events"] = sorted(heard)
    seen["order_event"] = sorted(heard["orders"][0][0][0])
    seen["quote_event"] = [heard["market quotes"][0][0], heard["market quotes"][0][1]["symbol"]]
    for name in USER:
        getattr(realtime.user, f"unsubscribe_{name}")(*([] if name == "accounts" else [paper.account]))
    for name in MARKET:
        getattr(realtime.market, f"unsubscribe_{name}")(paper.contract)
    realtime.stop()
    seen["stopped"] = not realtime.is_connected()
    seen["accounts"] = [account.id for account in client.accounts.search(only_active_accounts=True)]
    seen["found"] = [contract.name for contract in client.contracts.search("MNQ")]
    seen["by_id"] = found(client, paper)
    seen["bars"] = len(asyncio.run(desk.bars()))
    seen["refused"] = complaint(lambda: asyncio.run(desk.place(1, 0, 1, "entry", limit=1.0)))
    old = client.auth.token
    seen["validated"] = [client.auth.validate_token(), client.auth.token != old]
    cached = [path.name for path in (Path.home() / ".projectx_sdk").iterdir()]
    seen["cached"] = [
        len(cached),
        cached[0].startswith("token_"),
        connect(paper).auth.token == client.auth.token,
    ]
    return seen


def by_id(paper: Paper) -> dict[str, Any]:
    """The contract by its id, alone."""
    return {"by_id": found(connect(paper), paper)}


def found(client: ProjectXClient, paper: Paper) -> str | None:
    """The id of the contract that the client finds by id."""
    contract = client.contracts.search_by_id(paper.contract)
    return None if contract is None else contract.id


def resend(paper: Paper) -> dict[str, Any]:
    """Orders that are answered with 503, before and after they were accepted, with a tag and without."""
    client = connect(paper)
    desk = Desk(client, paper)
    paper.fault("http", endpoint="place", status=503)
    seen: dict[str, Any] = {"after_503": asyncio.run(desk.place(2, 0, 1, "busy")) > 0}
    paper.fault("accept_then", endpoint="place", how=503)
    seen["tagged"] = complaint(lambda: asyncio.run(desk.place(2, 0, 1, "late")))
    paper.fault("accept_then", endpoint="place", how=503)
    seen["untagged"] = asyncio.run(desk.place(2, 0, 1, None)) > 0
    until("fills", lambda: asyncio.run(desk.positions()) == [[1, 4]])
    paper.fault("http", endpoint="accounts", status=401)
    seen["after_401"] = len(client.accounts.search())
    return seen


def reconnect(paper: Paper) -> dict[str, Any]:
    """Both connections are lost after their subscriptions."""
    token = paper.login()
    realtime, heard = hubs(paper, token)
    until("events", lambda: heard["accounts"] and heard["market quotes"])
    paper.fault("hub.drop", hub="any", how="tcp")
    until("the end", lambda: not realtime.is_connected())
    until("the reconnect", realtime.is_connected)
    for events in heard.values():
        events.clear()
    paper.buy(token, "after")
    time.sleep(3.0)
    return {"after": sorted(name for name, events in heard.items() if events)}


main(trade=day, by_id=by_id, resend=resend, reconnect=reconnect)
