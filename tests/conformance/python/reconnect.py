"""Lets signalrcore lose a negotiated market connection and prints whether quotes come back by themselves.

Usage: reconnect.py <settings as JSON>.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from typing import Any

from signalrcore.hub_connection_builder import HubConnectionBuilder

PATIENCE_S = 6.0


def main(settings: dict[str, Any]) -> dict[str, Any]:
    url, contract = settings["url"], settings["contractId"]
    login = {"userName": settings["userName"], "apiKey": settings["apiKey"]}
    token = post(f"{url}/api/Auth/loginKey", login)["token"]
    builder = HubConnectionBuilder().with_url(
        f"{url}/hubs/market", options={"access_token_factory": lambda: token}
    )
    connection = builder.with_automatic_reconnect(
        {"type": "raw", "keep_alive_interval": 10, "reconnect_interval": 1, "max_attempts": 5}
    ).build()
    quotes: list[float] = []

    def subscribe() -> None:
        connection.send("SubscribeContractQuotes", [contract])

    connection.on("GatewayQuote", lambda _: quotes.append(time.monotonic()))
    connection.on_open(subscribe)
    connection.on_reconnect(subscribe)
    connection.start()
    before = arrived(quotes, 5)
    drop = {"fault": "hub.drop", "hub": "market", "how": "tcp"}
    post(f"{settings['control']}/paper/faults", drop, settings["controlToken"])
    time.sleep(0.5)
    quotes.clear()
    return {"before": before, "after": arrived(quotes, 5)}


def post(address: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def arrived(quotes: list[float], count: int) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while len(quotes) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    return len(quotes) >= count


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))), flush=True)
    os._exit(0)  # its threads do not end with the connection
