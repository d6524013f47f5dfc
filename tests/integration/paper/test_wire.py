"""What only shows on sockets: upgrades, tokens in query and header, frames, pings, preflights (gateway.md 10, 14)."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from typing import Any

import aiohttp
import pytest

from bot.paper.server import PaperGateway
from tests.integration.paper.conftest import Client

HELLO = b'{"protocol":"json","version":1}\x1e'
TEXT, CONTINUATION, PING, PONG, CLOSE = 0x1, 0x0, 0x9, 0xA, 0x8


class Wire:
    """A WebSocket client that writes its frames by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.status, self.headers = reader, writer, 0, dict[str, str]()

    @classmethod
    async def open(cls, gateway: PaperGateway, path: str, *headers: str) -> Wire:
        host, port = gateway.url.removeprefix("http://").split(":")
        wire = cls(*await asyncio.open_connection(host, int(port)))
        key = base64.b64encode(os.urandom(16)).decode()
        lines = (f"GET {path} HTTP/1.1", f"Host: {host}:{port}", "Connection: Upgrade", "Upgrade: websocket",
                 "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", *headers)  # fmt: skip
        wire.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = (await asyncio.wait_for(wire.reader.readuntil(b"\r\n\r\n"), 10)).decode().split("\r\n")
        wire.status = int(head[0].split()[1])
        wire.headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
        return wire

    def frame(self, opcode: int, payload: bytes, *, final: bool = True) -> None:
        assert len(payload) < 65536
        size = (
            bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        )
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self.writer.write(bytes((opcode | (0x80 if final else 0),)) + size + mask + masked)

    async def read(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame, which comes whole."""
        async with asyncio.timeout(10):
            first, second = await self.reader.readexactly(2)
            assert first & 0x80
            assert not second & 0x80
            size = second & 0x7F
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2), "big")
            return first & 0x0F, await self.reader.readexactly(size)

    async def records(self) -> list[Any]:
        opcode, payload = await self.read()
        assert opcode == TEXT
        assert payload.endswith(b"\x1e")
        return [json.loads(text) for text in payload.split(b"\x1e")[:-1]]

    async def end(self) -> None:
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


async def opened(client: Client, name: str = "user") -> Wire:
    wire = await Wire.open(client.gateway, f"/hubs/{name}?access_token={client.token}")
    wire.frame(TEXT, HELLO)
    assert await wire.records() == [{}]
    return wire


async def test_the_upgrade_promises_nothing_that_was_not_asked_for(client: Client) -> None:
    asked = (
        "Sec-WebSocket-Extensions: permessage-deflate",
        "Sec-WebSocket-Protocol: x",
        "Origin: http://example.org",
    )
    wire = await Wire.open(client.gateway, f"/hubs/user?access_token={client.token}&connectionId=x", *asked)
    assert wire.status == 101
    assert "sec-websocket-extensions" not in wire.headers
    assert "sec-websocket-protocol" not in wire.headers
    await wire.end()


@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        ("{}", None, 101), (None, "{}", 101), ("{}", "{}", 101), ("{}", "bad", 101), ("bad", "{}", 401),
        (None, None, 401), (None, "bad", 401), ("", "{}", 101), ("{}&access_token=bad", None, 101),
        ("bad&access_token={}", None, 401),
    ],
)  # fmt: skip
async def test_the_token_of_the_query_goes_before_that_of_the_header(
    client: Client, query: str | None, header: str | None, status: int
) -> None:
    path = "/hubs/market" + ("" if query is None else f"?access_token={query.format(client.token)}")
    headers = () if header is None else (f"Authorization: Bearer {header.format(client.token)}",)
    wire = await Wire.open(client.gateway, path, *headers)
    assert wire.status == status
    await wire.end()


async def test_frames_in_pieces_and_several_records_in_a_frame(client: Client) -> None:
    wire = await Wire.open(client.gateway, f"/hubs/user?access_token={client.token}")
    call = b'{"type":1,"invocationId":"%d","target":"SubscribeOrders","arguments":[1001]}\x1e'
    text = HELLO + call % 1
    wire.frame(TEXT, text[:10], final=False)
    wire.frame(CONTINUATION, text[10:40], final=False)
    wire.frame(PING, b"between")
    wire.frame(CONTINUATION, text[40:] + b'{"type":6}\x1e' + (call % 2)[:30])
    found: list[Any] = []
    pongs = []
    while len(found) < 2:
        opcode, payload = await wire.read()
        if opcode == PONG:
            pongs.append(payload)
        else:
            found += [json.loads(record) for record in payload.split(b"\x1e")[:-1]]
    assert found == [{}, {"type": 3, "invocationId": "1", "result": 0}]
    wire.frame(TEXT, (call % 2)[30:])
    assert await wire.records() == [{"type": 3, "invocationId": "2", "result": 0}]
    assert pongs == [b"between"]
    await wire.end()


async def test_a_binary_handshake_is_refused_in_words(client: Client) -> None:
    wire = await Wire.open(client.gateway, f"/hubs/user?access_token={client.token}")
    wire.frame(0x2, HELLO)
    assert await wire.records() == [{"error": "The protocol 'messagepack' is not supported."}]
    assert (await wire.read())[0] == CLOSE
    await wire.end()


async def test_a_malformed_record_brings_a_close_record_and_the_end(client: Client) -> None:
    wire = await opened(client)
    wire.frame(TEXT, b"{]\x1e")
    (record,) = await wire.records()
    assert (record["type"], record["allowReconnect"]) == (7, True)
    assert (await wire.read())[0] == CLOSE
    await wire.end()


async def test_a_client_that_vanishes_or_says_goodbye_leaves_nothing(client: Client) -> None:
    hub = client.gateway.venue.hub("user")
    gone, polite = await opened(client), await opened(client)
    assert len(hub.sessions) == 2
    gone.writer.transport.abort()
    polite.frame(TEXT, b'{"type":7}\x1e')
    assert (await polite.read())[0] == CLOSE
    async with asyncio.timeout(10):
        while hub.sessions:
            await asyncio.sleep(0.01)
    await polite.end()


@pytest.mark.parametrize(("query", "version"), [("", 0), ("?negotiateVersion=0", 0), ("?negotiateVersion=1&x=y", 1),
                                                ("?negotiateVersion=2&useStatefulReconnect=true", 1),
                                                ("?negotiateVersion=x", 0), ("?negotiateVersion=" + "9" * 5000, 1)])  # fmt: skip
async def test_negotiation_by_header_or_query_and_its_socket(
    client: Client, query: str, version: int
) -> None:
    base = f"{client.gateway.url}/hubs/user/negotiate{query}"
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "text/plain"}
    async with client.session.post(base, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        body = await answer.json()
    assert body["negotiateVersion"] == version
    assert "useStatefulReconnect" not in body
    sign = "&" if query else "?"
    async with client.session.post(f"{base}{sign}access_token={client.token}") as by_query:
        assert by_query.status == 200
    async with client.session.post(base) as refused:
        assert refused.status == 401
    name = body["connectionToken"] if version else body["connectionId"]
    wire = await Wire.open(client.gateway, f"/hubs/user?id={name}&access_token={client.token}")
    assert wire.status == 101
    again = await Wire.open(client.gateway, f"/hubs/user?id={name}&access_token={client.token}")
    assert again.status == 409
    await wire.end()
    await again.end()


async def test_negotiate_is_a_post_and_a_hub_wants_an_upgrade(client: Client) -> None:
    async with client.session.get(f"{client.gateway.url}/hubs/user/negotiate") as wrong:
        assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")
    async with client.session.get(f"{client.gateway.url}/hubs/user?access_token={client.token}") as plain:
        assert plain.status == 400
    async with client.session.get(f"{client.gateway.url}/hubs/other") as unknown:
        assert unknown.status == 404


@pytest.mark.parametrize(
    "origin", ["http://localhost:5173", "http://127.0.0.1", "https://localhost", "http://[::1]:8080"]
)
@pytest.mark.parametrize("path", ["/hubs/user/negotiate?negotiateVersion=1", "/api/Account/search"])
async def test_a_page_on_loopback_may_ask_and_read(client: Client, origin: str, path: str) -> None:
    url = client.gateway.url + path
    asked = "authorization, x-requested-with, x-signalr-user-agent"
    preflight = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": asked,
    }
    async with client.session.options(url, headers=preflight) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Headers"] == asked
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    for token in (client.token, "bad"):
        headers = {"Origin": origin, "Authorization": f"Bearer {token}"}
        async with client.session.post(url, headers=headers, json={"onlyActiveAccounts": True}) as answer:
            assert answer.status == (200 if token != "bad" else 401)
            assert answer.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize(
    "origin", ["http://example.org", "http://localhost.example.org", "null", "http://10.0.0.1"]
)
async def test_a_page_from_elsewhere_may_not(client: Client, origin: str) -> None:
    headers = {"Origin": origin, "Authorization": f"Bearer {client.token}"}
    url = f"{client.gateway.url}/api/Account/search"
    async with client.session.post(url, headers=headers, json={"onlyActiveAccounts": True}) as answer:
        assert answer.status == 200
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


async def test_answers_are_json_whatever_is_accepted_and_pings_are_four_bytes(client: Client) -> None:
    for accept in ("text/plain", "application/xml", "*/*"):
        headers = {"Accept": accept, "Authorization": f"Bearer {client.token}"}
        url = f"{client.gateway.url}/api/Account/search"
        async with client.session.post(url, headers=headers, json={"onlyActiveAccounts": True}) as answer:
            assert answer.content_type == "application/json"
    async with client.session.get(
        f"{client.gateway.url}/api/Status/ping", headers={"Content-Type": "x/y"}
    ) as answer:
        assert await answer.read() == b"pong"
        assert answer.content_type == "text/plain"
    async with client.session.post(f"{client.gateway.url}/api/Status/ping") as wrong:
        assert (wrong.status, wrong.headers["Allow"]) == (405, "GET")


async def test_bodies_without_a_length_and_calls_without_a_body(client: Client) -> None:
    async def pieces() -> Any:
        yield b'{"onlyActive'
        yield b'Accounts":true}'

    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    url = f"{client.gateway.url}/api"
    async with client.session.post(f"{url}/Account/search", headers=headers, data=pieces()) as answer:
        assert (await answer.json())["success"]
    async with client.session.post(f"{url}/Auth/validate", headers=headers) as answer:
        assert (await answer.json())["newToken"]
    async with client.session.post(f"{url}/Order/place", headers=headers, data=b"x" * 2_000_000) as answer:
        assert (answer.status, answer.content_type) == (413, "application/problem+json")
    del headers["Content-Type"]
    async with client.session.post(
        f"{url}/Auth/logout", headers=headers, skip_auto_headers=["Content-Type"]
    ) as answer:
        assert (await answer.json())["success"]


async def test_the_clock_needs_no_login_and_takes_no_body(client: Client) -> None:
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.get(f"{client.gateway.url}/paper/clock") as answer,
    ):
        assert set(await answer.json()) == {"now_ns", "rate", "epoch_ns"}
