"""Drives the paper gateway with signalrcore, unchanged, and prints what it saw as one JSON object.

Usage: client.py <settings as JSON>. It negotiates on the user hub and skips negotiation on the market hub.
Its `stop` waits for one more frame, so the position is closed while the user hub stops.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from signalrcore.hub_connection_builder import HubConnectionBuilder

WAIT_S = 15.0


def main(settings: dict[str, Any]) -> dict[str, Any]:
    url, account, contract = settings["url"], settings["accountId"], settings["contractId"]
    seen: dict[str, Any] = {}

    def post(path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )
        request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return json.load(answer)

    token = post("/api/Auth/loginKey", {"userName": settings["userName"], "apiKey": settings["apiKey"]})[
        "token"
    ]

    def connect(hub: str, *, skip: bool) -> Any:
        options = {"access_token_factory": lambda: token, "skip_negotiation": skip}
        connection = HubConnectionBuilder().with_url(f"{url}/hubs/{hub}", options=options).build()
        opened: list[bool] = []
        connection.on_open(lambda: opened.append(True))
        connection.start()
        until(f"{hub} hub", lambda: bool(opened))
        return connection

    user = connect("user", skip=False)
    snapshot: list[Any] = []
    orders: list[Any] = []
    user.on("GatewayUserAccount", lambda args: snapshot.append(args[0]["data"]["id"]))
    user.on("GatewayUserOrder", lambda args: orders.append(args[0]["data"]))
    completed: list[Any] = []
    user.send("SubscribeAccounts", [], lambda message: completed.append(message.error))
    user.send("SubscribeOrders", [account], lambda message: completed.append(message.error))
    until("completions", lambda: len(completed) == 2)
    until("snapshot", lambda: len(snapshot) >= 2)
    seen["completions"], seen["snapshot"] = completed, snapshot

    market = connect("market", skip=True)
    quotes: list[Any] = []
    market.on("GatewayQuote", lambda args: quotes.append(args))
    market.send("SubscribeContractQuotes", [contract])
    until("quotes", lambda: len(quotes) > 20)
    seen["contracts"] = sorted({args[0] for args in quotes})
    seen["symbols"] = sorted({args[1]["symbol"] for args in quotes})

    body = {"accountId": account, "contractId": contract, "type": 2, "side": 0, "size": 1}
    placed = post("/api/Order/place", body | {"customTag": "conformance-signalrcore"}, token)
    until("fill", lambda: any(order["status"] == 2 for order in orders))
    seen["success"] = placed["success"]
    seen["statuses"] = [order["status"] for order in orders if order["id"] == placed["orderId"]]
    closing = {"accountId": account, "contractId": contract}
    market.stop()
    with ThreadPoolExecutor() as pool:
        closed = pool.submit(post, "/api/Position/closeContract", closing, token)
        user.stop()
        seen["closed"] = closed.result()["success"]
    return seen


def until(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: nothing within {WAIT_S} s")
        time.sleep(0.02)


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
