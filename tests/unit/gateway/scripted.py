"""A real HTTP server whose answers a test scripts; it remembers every request."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from bot.clock import Clock
from bot.gateway.transport import RawReply, TransportFailure

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]] | tuple[int, bytes] | dict[str, Any]


def jwt(exp: float, serial: int = 0) -> str:
    """Three parts with an `exp`; the signature is nobody's."""
    payload = base64.urlsafe_b64encode(json.dumps({"exp": exp, "n": serial}).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJub25lIn0.{payload}.c2VjcmV0"


def envelope(**members: Any) -> dict[str, Any]:
    return {**members, "success": True, "errorCode": 0, "errorMessage": None}


class ScriptedVenue:
    """Per path a list of answers, used in turn; the last one stays. Login gives tokens by default."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.script: dict[str, list[Answer]] = {}
        self.life_s = 86_400.0
        self.now_s = 1_759_329_000.0
        self._serial = 0

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    def count(self, path: str) -> int:
        return sum(seen == path for seen, _, _ in self.seen)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.seen.append((request.path, dict(request.headers), body))
        await asyncio.sleep(0)
        answers = self.script.get(request.path)
        if not answers:
            self._serial += 1
            token = jwt(self.now_s + self.life_s, self._serial)
            member = "newToken" if request.path.endswith("validate") else "token"
            return web.json_response(envelope(**{member: token}))
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, dict):
            return web.json_response(answer)
        if isinstance(answer, tuple):
            return web.Response(status=answer[0], body=answer[1])
        return await answer(request)


class InstantVenue:
    """A transport that answers at once from a script, for tests that only virtual time may move."""

    def __init__(self, clock: Clock, life_s: float = 86_400.0) -> None:
        self._clock, self._life_s = clock, life_s
        self.script: dict[str, list[tuple[int, bytes] | dict[str, Any] | TransportFailure]] = {}
        self.seen: list[str] = []

    async def request(self, method: str, path: str, headers: Any, body: bytes, timeout_s: float) -> RawReply:
        self.seen.append(path)
        answers = self.script.get(path)
        answer: Any
        if not answers:
            token = jwt(self._clock.now() / 1e9 + self._life_s, len(self.seen))
            answer = envelope(**{"newToken" if path.endswith("validate") else "token": token})
        else:
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, TransportFailure):
            raise answer
        status, content = answer if isinstance(answer, tuple) else (200, msgspec.json.encode(answer))
        return RawReply(status, {}, content)
