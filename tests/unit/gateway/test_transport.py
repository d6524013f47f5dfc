"""One HTTP exchange: what fails how, and where a credential may go."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from bot.gateway.transport import AiohttpTransport, TransportFailure, checked_base
from bot.model.errors import ConfigError
from tests.unit.gateway.scripted import ScriptedVenue

HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer secret"}


async def post(transport: AiohttpTransport, timeout_s: float = 5.0) -> tuple[int, bytes]:
    reply = await transport.request("POST", "/api/x", HEADERS, b"{}", timeout_s)
    return reply.status, reply.body


async def test_statuses_and_bodies_come_as_they_are(
    venue: ScriptedVenue, transport: AiohttpTransport
) -> None:
    venue.script["/api/x"] = [(200, b'{"a":1}'), (503, b"<html>"), (429, b"")]
    assert [await post(transport) for _ in range(3)] == [(200, b'{"a":1}'), (503, b"<html>"), (429, b"")]


async def test_redirects_are_not_followed(venue: ScriptedVenue, transport: AiohttpTransport) -> None:
    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"{venue.url}/api/y"})

    venue.script["/api/x"] = [elsewhere]
    assert (await post(transport))[0] == 307
    assert venue.count("/api/y") == 0


async def test_ambient_proxies_are_ignored(
    venue: ScriptedVenue, transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    venue.script["/api/x"] = [(200, b"direct")]
    assert await post(transport) == (200, b"direct")


async def test_an_answer_that_does_not_come_is_a_timeout(
    venue: ScriptedVenue, transport: AiohttpTransport
) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    venue.script["/api/x"] = [never]
    with pytest.raises(TransportFailure) as failure:
        await post(transport, 0.2)
    assert failure.value.kind == "timeout"


async def test_a_connection_cut_before_or_in_the_answer_is_a_reset(
    venue: ScriptedVenue, transport: AiohttpTransport
) -> None:
    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    for answer in (cut, half):
        venue.script["/api/x"] = [answer]
        seen = venue.count("/api/x")
        with pytest.raises(TransportFailure) as failure:
            await post(transport)
        assert failure.value.kind == "reset"
        assert venue.count("/api/x") == seen + 1, "nothing is sent again by itself"


async def test_nobody_listening_is_a_connect_failure() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        transport = AiohttpTransport(f"http://127.0.0.1:{free.getsockname()[1]}")
    with pytest.raises(TransportFailure) as failure:
        await post(transport)
    assert failure.value.kind == "connect"
    assert "secret" not in str(failure.value)
    await transport.close()


async def test_an_endless_answer_is_cut(venue: ScriptedVenue, transport: AiohttpTransport) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(40):
            await response.write(b"x" * 1_000_000)
        return response

    venue.script["/api/x"] = [endless]
    with pytest.raises(TransportFailure, match="more than"):
        await post(transport, 20.0)


@pytest.mark.parametrize(
    "url",
    ["http://api.example.com", "ftp://127.0.0.1", "api.example.com", "", "http://127.0.0.1.example.com"],
)
def test_a_credential_goes_to_https_or_this_machine_only(url: str) -> None:
    with pytest.raises(ConfigError):
        checked_base(url)


@pytest.mark.parametrize(
    "url", ["https://api.example.com/", "http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:1"]
)
def test_good_addresses(url: str) -> None:
    assert checked_base(url) == url.rstrip("/")
