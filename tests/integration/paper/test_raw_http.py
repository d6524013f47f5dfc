"""Requests that no HTTP client would send, byte by byte: answered without an error of the gateway's own."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.paper.conftest import Client


async def send(client: Client, raw: bytes, base: str = "") -> int:
    """The status of the answer, 0 for a connection that just ends."""
    host, port = (base or client.gateway.url).removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    try:
        async with asyncio.timeout(10):
            line = await reader.readline()
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return int(line.split()[1]) if line else 0


def request(path: bytes, headers: bytes = b"", body: bytes = b"{}", method: bytes = b"POST") -> bytes:
    head = b"%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n" % (
        method,
        path,
    )
    return head + headers + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize(
    "header",
    [b"Bearer \xff.\xfe.\xfd", b"Bearer \xc3\xa9.\xc3\xa9.x", b"\xff", b"Bearer " + b"x." * 2_000, b""],
)
async def test_any_bytes_as_a_token_are_401(client: Client, header: bytes) -> None:
    line = b"Authorization: " + header + b"\r\n"
    assert await send(client, request(b"/api/Account/search", line)) == 401
    assert await send(client, request(b"/hubs/user/negotiate", line)) == 401
    upgrade = (
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==\r\n"
    )
    assert await send(client, request(b"/hubs/user", line + upgrade, b"", b"GET")) == 401
    assert await send(client, request(b"/paper/judge", line, b"", b"GET"), client.gateway.control_url) == 401


@pytest.mark.parametrize("path", [b"/api/%ff%fe", b"/api/Order/place%00", b"/%2e%2e/etc/passwd", b"//", b"/api/Order/pl%61ce/%ed%a0%80",
                                  b"/api/" + b"x" * 4_000, b"/?access_token=%ff.%fe.%fd", b"*"])  # fmt: skip
async def test_any_path_is_an_answer_of_the_stated_kinds(client: Client, path: bytes) -> None:
    assert await send(client, request(path)) in (400, 404)
    assert (await client.call("Account/search", onlyActiveAccounts=True))["success"]
    assert (await client.control("GET", "ledger"))[0] == 200


@pytest.mark.parametrize("token", [b"%ff.%fe.%fd", b"a.b.c", b"%00", b"%ed%a0%80.x.y", b"a%2eb%2ec"])
async def test_any_token_in_the_query_is_401(client: Client, token: bytes) -> None:
    assert await send(client, request(b"/hubs/market/negotiate?access_token=" + token)) == 401


@pytest.mark.parametrize(
    "raw",
    [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"POST /api HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00"],
)
async def test_what_is_no_http_is_refused_and_the_gateway_goes_on(client: Client, raw: bytes) -> None:
    assert await send(client, raw + b"\r\n\r\n") in (0, 400)
    assert (await client.call("Account/search", onlyActiveAccounts=True))["success"]
