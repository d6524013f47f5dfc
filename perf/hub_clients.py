"""Market hub clients that measure how late events come: `python -m perf.hub_clients URL CLIENTS SECONDS`.

They subscribe to everything of every contract with a market, and print the messages and records that
came and the delivery lags in ms: arrival less the newest event's venue time, one lag per message.
"""

from __future__ import annotations

import asyncio
import sys
import time

import aiohttp
import msgspec

from bot.model.times import parse_ts
from perf.paper_gateway import API_KEY

_STAMP = b'"timestamp":"'
_SETTLE_S = 2.0
_TOPICS = ("Quotes", "Trades", "MarketDepth")


class Count(msgspec.Struct):
    """What one run counted."""

    messages: int = 0
    records: int = 0
    bytes: int = 0
    seconds: float = 0.0
    lags: list[float] = []


async def run(url: str, clients: int, seconds: float) -> Count:
    """All clients in this one process, at venue rate 1."""
    count = Count()
    async with aiohttp.ClientSession() as session:
        body = {"userName": "paper", "apiKey": API_KEY}
        async with session.post(f"{url}/api/Auth/loginKey", json=body) as answer:
            token = (await answer.json())["token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with session.post(
            f"{url}/api/Contract/available", json={"live": False}, headers=headers
        ) as answer:
            contracts = [row["id"] for row in (await answer.json())["contracts"]]
        asked = time.monotonic_ns()
        async with session.get(f"{url}/paper/clock") as answer:
            venue = (await answer.json())["now_ns"]
        ahead = venue - (asked + time.monotonic_ns()) // 2
        await asyncio.gather(
            *(_listen(session, f"{url}/hubs/market?access_token={token}", contracts, ahead, seconds, count) for _ in range(clients))
        )  # fmt: skip
    count.seconds = seconds
    return count


async def _listen(
    session: aiohttp.ClientSession, url: str, contracts: list[str], ahead: int, seconds: float, count: Count
) -> None:
    async with session.ws_connect(url, max_msg_size=0) as socket:
        await socket.send_str('{"protocol":"json","version":1}\x1e')
        for contract in contracts:
            for topic in _TOPICS:
                call = {"type": 1, "target": f"SubscribeContract{topic}", "arguments": [contract]}
                await socket.send_str(msgspec.json.encode(call).decode() + "\x1e")
        begin = time.monotonic() + _SETTLE_S
        async for message in socket:
            now = time.monotonic_ns()
            if now < begin * 1e9:
                continue
            if now > (begin + seconds) * 1e9:
                return
            data = message.data.encode()
            count.messages += 1
            count.records += data.count(b"\x1e")
            count.bytes += len(data)
            at = data.rfind(_STAMP)
            if at >= 0:
                text = data[at + len(_STAMP) : data.index(b'"', at + len(_STAMP))].decode()
                count.lags.append((now + ahead - parse_ts(text)) / 1e6)


if __name__ == "__main__":
    address, how_many, how_long = sys.argv[1:4]
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(run(address, int(how_many), float(how_long)))))
