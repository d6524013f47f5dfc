"""Drives the hubs of the paper gateway with signalrcore.

Usage: drive.py hubs|idle|stall|reconnect|refused <settings as JSON>.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from paper import Paper, complaint, main, until
from signalrcore.hub_connection_builder import HubConnectionBuilder

IDLE_S, STALL_S, PATIENCE_S = 60.0, 35.0, 5.0
USER = ("Orders", "Positions", "Trades")
MARKET = ("ContractQuotes", "ContractTrades", "ContractMarketDepth")
WAYS = [(hub, skip, query) for hub in ("user", "market") for skip in (False, True) for query in (False, True)]


class Line:
    """One connection: counts what happens to it and keeps its events by target."""

    def __init__(
        self,
        paper: Paper,
        hub: str,
        token: str,
        *,
        skip: bool = False,
        query: bool = False,
        again: bool = False,
    ) -> None:
        self.hub, self.opened, self.reconnected, self.closed, self.asked = hub, 0, 0, 0, 0
        self.errors: list[str] = []
        self.events: dict[str, list[Any]] = {}
        self._token = token
        address = f"{paper.hub(hub, 'ws')}?access_token={token}" if query else paper.hub(hub)
        options: dict[str, Any] = {"skip_negotiation": skip}
        if not query:
            options["access_token_factory"] = self._ask
        builder = HubConnectionBuilder().with_url(address, options=options)
        if again:
            retry = {"type": "raw", "keep_alive_interval": 10, "reconnect_interval": 1, "max_attempts": 5}
            builder = builder.with_automatic_reconnect(retry)
        self.wire = builder.build()
        self.wire.on_open(lambda: self._count("opened"))
        self.wire.on_reconnect(lambda: self._count("reconnected"))
        self.wire.on_close(lambda: self._count("closed"))
        self.wire.on_error(lambda message: self.errors.append(message.error))
        for name in ("Account", "Order", "Position", "Trade"):
            self._keep(f"GatewayUser{name}")
        for name in ("Quote", "Trade", "Depth"):
            self._keep(f"Gateway{name}")

    def start(self) -> Line:
        """Connect, and wait for the handshake."""
        self.wire.start()
        until(f"{self.hub} hub", lambda: self.opened)
        return self

    def call(self, method: str, *arguments: Any) -> Any:
        """The result of a completion."""
        done: list[Any] = []
        self.wire.send(method, list(arguments), done.append)
        until(method, lambda: done)
        return done[0].result

    def probe(self, paper: Paper) -> Any:
        """The result of a subscription."""
        if self.hub == "user":
            return self.call("SubscribeOrders", paper.account)
        return self.call("SubscribeContractQuotes", paper.contract)

    def of(self, target: str) -> list[Any]:
        """The events of a target."""
        return self.events.setdefault(target, [])

    def _ask(self) -> str:
        self.asked += 1
        return self._token

    def _count(self, what: str) -> None:
        setattr(self, what, getattr(self, what) + 1)

    def _keep(self, target: str) -> None:
        self.wire.on(target, lambda arguments: self.of(target).append(arguments))


def hubs(paper: Paper) -> dict[str, Any]:
    """Every way to connect, every subscription, a trade, an unknown method, and a stop."""
    token = paper.login()
    results = [
        [*way, Line(paper, way[0], token, skip=way[1], query=way[2]).start().probe(paper)] for way in WAYS
    ]
    user = Line(paper, "user", token, again=True).start()
    market = Line(paper, "market", token, skip=True, query=True, again=True).start()
    seen: dict[str, Any] = {"ways": results}
    seen["subscribed"] = [user.call("SubscribeAccounts")]
    seen["subscribed"] += [user.call(f"Subscribe{name}", paper.account) for name in USER]
    seen["subscribed"] += [market.call(f"Subscribe{name}", paper.contract) for name in MARKET]
    for target in ("GatewayQuote", "GatewayTrade", "GatewayDepth"):
        until(target, lambda target=target: len(market.of(target)) > 5)
    brackets = {"stopLossBracket": {"ticks": -400, "type": 4}, "takeProfitBracket": {"ticks": 400, "type": 1}}
    order = paper.buy(token, "hubs", **brackets)["orderId"]
    rows = user.of("GatewayUserOrder")
    until("children", lambda: len([row for row in rows if row[0]["data"]["status"] == 1]) == 2)
    until("position", lambda: user.of("GatewayUserPosition"))
    seen["entry"] = [row[0]["data"]["status"] for row in rows if row[0]["data"]["id"] == order]
    seen["children"] = sorted(
        {(row[0]["data"]["customTag"], row[0]["data"]["type"]) for row in rows} - {("hubs", 2)}
    )
    seen["trade"] = [
        user.of("GatewayUserTrade")[0][0]["action"],
        user.of("GatewayUserTrade")[0][0]["data"]["orderId"] == order,
    ]
    seen["position"] = user.of("GatewayUserPosition")[0][0]["action"]
    seen["accounts"] = sorted({args[0]["data"]["id"] for args in user.of("GatewayUserAccount")})
    seen["quotes"] = sorted({args[0] for args in market.of("GatewayQuote")})
    seen["symbols"] = sorted({args[1]["symbol"] for args in market.of("GatewayQuote")})
    seen["lists"] = [isinstance(market.of(name)[0][1], list) for name in ("GatewayTrade", "GatewayDepth")]
    seen["reset"] = market.of("GatewayDepth")[0][1][0]["type"]
    user.wire.send("SubscribeOrderBook", [])
    until("error", lambda: user.errors)
    seen["unknown"] = user.errors
    seen["unsubscribed"] = [user.call("UnsubscribeAccounts")]
    seen["unsubscribed"] += [user.call(f"Unsubscribe{name}", paper.account) for name in USER[:-1]]
    seen["unsubscribed"] += [market.call(f"Unsubscribe{name}", paper.contract) for name in MARKET]
    user.events.clear()
    paper.close(token)
    until("the fill of the close", lambda: user.of("GatewayUserTrade"))
    time.sleep(0.5)
    seen["heard"] = sorted(user.events)
    stopping = threading.Thread(target=user.wire.stop, daemon=True)
    stopping.start()
    stopping.join(2.0)
    seen["stop_hangs"] = stopping.is_alive()
    paper.buy(token, "after the stop")
    stopping.join(20.0)
    return seen | {"stop_ends_with_a_frame": not stopping.is_alive()}


def idle(paper: Paper) -> dict[str, Any]:
    """Four quiet connections that ping, and one without automatic reconnect, which never does."""
    token = paper.login()
    quiet = [
        Line(paper, hub, token, skip=skip, again=True) for hub in ("user", "market") for skip in (False, True)
    ]
    mute = Line(paper, "user", token)
    for line in (*quiet, mute):
        line.start()
    begun = time.monotonic()
    until("the end of the mute connection", lambda: mute.closed, IDLE_S)
    ended = time.monotonic() - begun
    time.sleep(max(0.0, IDLE_S - ended))
    return {
        "results": [line.probe(paper) for line in quiet],
        "lost": [[line.reconnected, line.closed] for line in quiet],
        "mute_ended_after": ended,
    }


def stall(paper: Paper) -> dict[str, Any]:
    """A server that falls silent for longer than 30 s is not noticed."""
    market = Line(paper, "market", paper.login(), again=True).start()
    market.call("SubscribeContractQuotes", paper.contract)
    until("quotes", lambda: market.of("GatewayQuote"))
    paper.fault("hub.drop", hub="market", how="stall")
    time.sleep(0.5)
    before = len(market.of("GatewayQuote"))
    time.sleep(STALL_S)
    after = len(market.of("GatewayQuote"))
    return {"quotes": [before > 0, after - before], "noticed": [market.reconnected, market.closed]}


def reconnect(paper: Paper) -> dict[str, Any]:
    """A lost socket, a close record, and a reconnect that the server refuses."""
    line = Line(paper, "market", paper.login(), again=True)

    def subscribe() -> None:
        line.wire.send("SubscribeContractQuotes", [paper.contract])

    line.wire.on_open(lambda: (line._count("opened"), subscribe()))
    line.wire.on_reconnect(lambda: (line._count("reconnected"), subscribe()))
    line.start()
    seen: dict[str, Any] = {"before": flowing(line)}
    paper.fault("hub.drop", hub="market", how="tcp")
    until("the reconnect", lambda: line.reconnected == 1)
    seen["after_tcp"] = flowing(line)
    paper.fault("hub.drop", hub="market", how="close")
    until("the second reconnect", lambda: line.reconnected == 2)
    seen["after_close"] = flowing(line)
    paper.fault("hub.403", hub="market", count=1)
    paper.fault("hub.drop", hub="market", how="tcp")
    since = time.monotonic()
    time.sleep(0.5)
    seen["after_403"] = flowing(line)
    seen["waited_s"] = time.monotonic() - since
    return seen | {"opened": line.opened, "reconnected": line.reconnected, "factory_calls": line.asked}


def refused(paper: Paper) -> dict[str, Any]:
    """A token that is none, with and without negotiation."""
    return {
        "negotiated": complaint(Line(paper, "user", "not.a.token").wire.start),
        "skipped": complaint(Line(paper, "user", "not.a.token", skip=True).wire.start),
    }


def flowing(line: Line) -> bool:
    """Whether quotes come within a while."""
    line.of("GatewayQuote").clear()
    try:
        until("quotes", lambda: len(line.of("GatewayQuote")) >= 3, PATIENCE_S)
    except TimeoutError:
        return False
    return True


main(hubs=hubs, idle=idle, stall=stall, reconnect=reconnect, refused=refused)
