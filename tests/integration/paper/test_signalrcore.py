"""The bot's own SignalR library against the hubs: negotiated and not, subscriptions, events."""

from __future__ import annotations

import asyncio
import queue
from typing import Any

import pytest
from signalrcore.hub_connection_builder import HubConnectionBuilder

from tests.integration.paper.conftest import Client

MNQ = "CON.F.US.MNQ.Z25"


def connect(url: str, token: str, events: queue.Queue[Any], *, skip: bool, targets: list[str]) -> Any:
    options: dict[str, Any] = {
        "access_token_factory": lambda: token,
        "skip_negotiation": skip,
        "headers": {"Authorization": f"Bearer {token}"},
    }
    connection = HubConnectionBuilder().with_url(f"{url}?access_token={token}", options=options).build()
    connection.on_open(lambda: events.put(("open", None)))
    connection.on_close(lambda: events.put(("close", None)))
    for target in targets:
        connection.on(target, lambda arguments, target=target: events.put((target, arguments)))
    connection.start()
    return connection


def wait_for(events: queue.Queue[Any], name: str) -> Any:
    while True:
        found, arguments = events.get(timeout=10)
        if found == name:
            return arguments


@pytest.mark.parametrize("skip", [True, False])
async def test_both_hubs_speak_with_signalrcore(client: Client, skip: bool) -> None:
    loop = asyncio.get_running_loop()
    events: queue.Queue[Any] = queue.Queue()
    base = client.gateway.url

    def market() -> Any:
        connection = connect(
            f"{base}/hubs/market", client.token, events, skip=skip, targets=["GatewayQuote", "GatewayTrade"]
        )
        wait_for(events, "open")
        connection.send("SubscribeContractQuotes", [MNQ])
        connection.send("SubscribeContractTrades", [MNQ])
        quote = wait_for(events, "GatewayQuote")
        trade = wait_for(events, "GatewayTrade")
        connection.stop()
        return quote, trade

    quote, trade = await loop.run_in_executor(None, market)
    assert quote[0] == trade[0] == MNQ
    assert isinstance(trade[1], list)

    def subscribe() -> Any:
        connection = connect(
            f"{base}/hubs/user",
            client.token,
            events,
            skip=skip,
            targets=["GatewayUserTrade", "GatewayUserAccount"],
        )
        wait_for(events, "open")
        connection.send("SubscribeAccounts", [])
        connection.send("SubscribeTrades", [1001])
        wait_for(events, "GatewayUserAccount")
        return connection

    user = await loop.run_in_executor(None, subscribe)
    placed = await client.call("Order/place", accountId=1001, contractId=MNQ, type=2, side=0, size=1)
    arguments = await loop.run_in_executor(None, wait_for, events, "GatewayUserTrade")
    assert arguments[0]["data"]["orderId"] == placed["orderId"]
    stopping = loop.run_in_executor(None, user.stop)
    await asyncio.sleep(0.1)
    await client.call("Position/closeContract", accountId=1001, contractId=MNQ)
    await stopping
