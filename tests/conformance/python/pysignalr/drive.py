"""Drives the hubs of the paper gateway with pysignalr.

Usage: drive.py hubs|idle|reconnect|refused <settings as JSON>. Its client negotiates; its transport can skip that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from paper import WAIT_S, Paper, described, main
from pysignalr.client import SignalRClient
from pysignalr.messages import CompletionMessage, InvocationMessage, Message
from pysignalr.protocol.json import JSONProtocol
from pysignalr.transport.websocket import WebsocketTransport

IDLE_S, PATIENCE_S = 60.0, 8.0
EVENTS = [
    f"Gateway{name}"
    for name in ("UserAccount", "UserOrder", "UserPosition", "UserTrade", "Quote", "Trade", "Depth")
]
WAYS = [(hub, skip, query) for hub in ("user", "market") for skip in (False, True) for query in (False, True)]


class Line:
    """One connection, negotiated by the client or opened by the bare transport."""

    def __init__(
        self, paper: Paper, hub: str, token: str, *, skip: bool = False, query: bool = False, tries: int = 10
    ) -> None:
        self.hub, self.opened, self.closed = hub, 0, 0
        self.events: dict[str, list[Any]] = {name: [] for name in EVENTS}
        self.errors: list[str | None] = []
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        address = paper.hub(hub, "ws" if skip else "http") + (f"?access_token={token}" if query else "")
        headers = {} if query else {"Authorization": f"Bearer {token}"}
        self.client: SignalRClient | None = None
        if skip:
            self.transport: Any = WebsocketTransport(
                address, JSONProtocol(), self._heard, headers, skip_negotiation=True, retry_count=tries
            )
        else:
            self.client = self.transport = SignalRClient(address, headers=headers)
            self.client.on_error(self._failed)
            for name in EVENTS:
                self.client.on(name, self._keeper(name))
        self.transport.on_open(self._open)
        self.transport.on_close(self._close)
        self.run: asyncio.Task[None] | None = None

    async def start(self) -> Line:
        """Connect, and wait for the handshake."""
        self.run = asyncio.create_task(self.transport.run())
        await until(f"{self.hub} hub", lambda: self.opened or self.run.done())
        if self.run.done():
            self.run.result()
        return self

    async def call(self, method: str, *arguments: Any) -> Any:
        """The result of a completion."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.client is not None:

            async def complete(message: CompletionMessage) -> None:
                done.set_result(message.result)

            await self.client.send(method, list(arguments), complete)
        else:
            number = str(len(self._waiting))
            self._waiting[number] = done
            await self.transport.send(InvocationMessage(number, method, list(arguments), {}))
        return await asyncio.wait_for(done, WAIT_S)

    async def probe(self, paper: Paper) -> Any:
        """The result of a subscription."""
        if self.hub == "user":
            return await self.call("SubscribeOrders", paper.account)
        return await self.call("SubscribeContractQuotes", paper.contract)

    async def _heard(self, message: Message) -> None:
        if isinstance(message, CompletionMessage):
            self._waiting[message.invocation_id].set_result(message.result)
        elif isinstance(message, InvocationMessage):
            self.events[message.target].append(message.arguments)

    def _keeper(self, name: str) -> Any:
        async def keep(arguments: list[Any]) -> None:
            self.events[name].append(arguments)

        return keep

    async def _open(self) -> None:
        self.opened += 1

    async def _close(self) -> None:
        self.closed += 1

    async def _failed(self, message: CompletionMessage) -> None:
        self.errors.append(message.error)


async def until(what: str, holds: Any, seconds: float = WAIT_S) -> None:
    """Wait for a condition; TimeoutError names what did not come."""
    try:
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.02)
    except TimeoutError as late:
        raise TimeoutError(f"{what}: nothing within {seconds} s") from late


async def hubs(paper: Paper) -> dict[str, Any]:
    """Every way to connect, every subscription, a trade, an unknown method."""
    token = paper.login()
    seen: dict[str, Any] = {"ways": []}
    for hub, skip, query in WAYS:
        line = await Line(paper, hub, token, skip=skip, query=query).start()
        seen["ways"].append([hub, skip, query, await line.probe(paper)])
    user = await Line(paper, "user", token).start()
    market = await Line(paper, "market", token, skip=True, query=True).start()
    seen["subscribed"] = [await user.call("SubscribeAccounts")]
    for name in ("Orders", "Positions", "Trades"):
        seen["subscribed"].append(await user.call(f"Subscribe{name}", paper.account))
    for name in ("Quotes", "Trades", "MarketDepth"):
        seen["subscribed"].append(await market.call(f"SubscribeContract{name}", paper.contract))
    await until(
        "market events",
        lambda: all(len(market.events[f"Gateway{name}"]) > 5 for name in ("Quote", "Trade", "Depth")),
    )
    order = (await asyncio.to_thread(paper.buy, token, "hubs"))["orderId"]
    await until("position", lambda: user.events["GatewayUserPosition"])
    seen["entry"] = [
        args[0]["data"]["status"]
        for args in user.events["GatewayUserOrder"]
        if args[0]["data"]["id"] == order
    ]
    seen["trade"] = user.events["GatewayUserTrade"][0][0]["data"]["orderId"] == order
    seen["position"] = user.events["GatewayUserPosition"][0][0]["data"]["size"]
    seen["accounts"] = sorted({args[0]["data"]["id"] for args in user.events["GatewayUserAccount"]})
    seen["quotes"] = sorted({args[0] for args in market.events["GatewayQuote"]})
    seen["reset"] = market.events["GatewayDepth"][0][1][0]["type"]
    seen["unsubscribed"] = [await user.call("UnsubscribeOrders", paper.account)]
    seen["unsubscribed"].append(await market.call("UnsubscribeContractQuotes", paper.contract))
    user.events["GatewayUserOrder"].clear()
    await asyncio.to_thread(paper.close, token)
    await until("flat", lambda: [args[0]["action"] for args in user.events["GatewayUserPosition"]][-1] == 2)
    seen["unheard"] = user.events["GatewayUserOrder"]
    await user.client.send("SubscribeOrderBook", [], lambda _: asyncio.sleep(0))
    await until("error", lambda: user.errors)
    return seen | {"unknown": user.errors}


async def idle(paper: Paper) -> dict[str, Any]:
    """Four quiet connections."""
    token = paper.login()
    quiet = [Line(paper, hub, token, skip=skip) for hub in ("user", "market") for skip in (False, True)]
    for line in quiet:
        await line.start()
    await asyncio.sleep(IDLE_S)
    results = [await line.probe(paper) for line in quiet]
    return {
        "results": results,
        "lost": [line.closed for line in quiet],
        "opened": [line.opened for line in quiet],
    }


async def reconnect(paper: Paper) -> dict[str, Any]:
    """A lost socket with and without negotiation, then a close record."""
    token = paper.login()
    seen: dict[str, Any] = {}
    for skip in (True, False):
        line = await Line(paper, "market", token, skip=skip).start()
        await line.call("SubscribeContractQuotes", paper.contract)
        await until("quotes", lambda line=line: line.events["GatewayQuote"])
        await asyncio.to_thread(paper.fault, "hub.drop", hub="market", how="tcp")
        await until("the reconnect", lambda line=line: line.opened == 2)
        line.events["GatewayQuote"].clear()
        await asyncio.sleep(1.0)
        silent = not line.events["GatewayQuote"]
        await line.call("SubscribeContractQuotes", paper.contract)
        await until("quotes again", lambda line=line: line.events["GatewayQuote"])
        seen["skipped" if skip else "negotiated"] = [line.opened, silent, line.run.done()]
    await asyncio.to_thread(paper.fault, "hub.drop", hub="market", how="close")
    done, _ = await asyncio.wait([line.run], timeout=PATIENCE_S)
    seen["close_record"] = described(line.run.exception()) if done else ["goes on", None, ""]
    return seen


async def refused(paper: Paper) -> dict[str, Any]:
    """A token that is none; and a good one that only the token factory knows."""
    token = await asyncio.to_thread(paper.login)
    factory = SignalRClient(paper.hub("user"), access_token_factory=lambda: token)
    return {
        "negotiated": await failing(Line(paper, "user", "not.a.token").start()),
        "skipped": await failing(Line(paper, "user", "not.a.token", skip=True, tries=1).start()),
        "factory_only": await failing(factory.run()),
    }


async def failing(run: Coroutine[Any, Any, Any]) -> list[Any]:
    """The error that a run must end in at once."""
    try:
        await asyncio.wait_for(run, PATIENCE_S)
    except Exception as problem:
        return described(problem)
    raise AssertionError("an error was expected")


main(
    **{
        scenario.__name__: lambda paper, scenario=scenario: asyncio.run(scenario(paper))
        for scenario in (hubs, idle, reconnect, refused)
    }
)
