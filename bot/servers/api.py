"""The HTTP API on loopback (bot.md §14, §22): a token on every route but /health, no browser origin.

The server knows routes, shapes of errors and who may ask; what a route answers comes from `Operations`.
"""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec
from aiohttp import web

from bot.clock import Clock
from bot.model.errors import BadField, BotError

BODY_LIMIT = 64 * 1024
FAILED_ATTEMPTS = 10
ATTEMPT_WINDOW_NS = 60 * 1_000_000_000
_STATUS_OF_EXIT = {2: 400, 5: 422, 6: 409, 7: 422, 8: 422, 9: 202, 10: 502, 11: 202, 12: 503, 13: 404}


class Operations(Protocol):
    """What the API offers; every value is JSON-ready (bot.md §14.2)."""

    def health(self) -> dict[str, Any]: ...
    def status(self) -> dict[str, Any]: ...
    def accounts(self) -> list[dict[str, Any]]: ...
    def positions(self, account_id: int | None) -> dict[str, Any]: ...
    def orders(self, account_id: int | None, *, everything: bool) -> dict[str, Any]: ...
    def flags(self) -> dict[str, Any]: ...
    def set_flag(self, component: str, change: Mapping[str, Any]) -> dict[str, Any]: ...
    async def flatten(self, account_id: int | None, symbol: str | None, *, halt: bool) -> dict[str, Any]: ...
    async def set_trading_state(self, state: str, reason: str, scope: str) -> dict[str, Any]: ...


class ApiServer:
    """Serves `operations` at `host:port` (0 = any free port). Raises BotError when the port is taken."""

    def __init__(
        self, operations: Operations, token: str, clock: Clock, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._operations, self._token, self._clock = operations, token.encode(), clock
        self._host, self._port = host, port
        self._failures: deque[int] = deque(maxlen=FAILED_ATTEMPTS)
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        app = web.Application(client_max_size=BODY_LIMIT, middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/health", self._health),
                web.get("/api/health", self._health),
                web.get("/status", self._status),
                web.get("/api/status", self._status),
                web.get("/api/accounts", self._accounts),
                web.get("/api/positions", self._positions),
                web.get("/api/orders", self._orders),
                web.post("/api/positions/flatten", self._flatten),
                web.post("/api/trading-state", self._trading_state),
                web.get("/api/flags", self._flags),
                web.put("/api/flags/{component}", self._set_flag),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError as problem:
            await self._runner.cleanup()
            self._runner = None
            raise BotError(
                f"the API cannot listen on {self._host}:{self._port}", expected="a free port", seen=problem.strerror,
                do="stop the program that uses it, or set server.port to another one (0 = any)",
            ) from problem  # fmt: skip
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.host.rsplit(":", 1)[0] not in {"127.0.0.1", "localhost", "[::1]", self._host}:
            return failure(403, "BAD_HOST", "expected a loopback Host header")
        if "Origin" in request.headers and request.headers["Origin"] != f"http://{request.host}":
            return failure(403, "BAD_ORIGIN", "a web page of another origin may not use this API")
        if request.path not in {"/health", "/api/health"}:
            refused = self._refuse(request)
            if refused is not None:
                return refused
        try:
            return await handler(request)
        except BotError as problem:
            return failure(_STATUS_OF_EXIT.get(problem.exit_code, 400 if isinstance(problem, BadField) else 500),
                           problem.code, str(problem), problem.exit_code)  # fmt: skip

    def _refuse(self, request: web.Request) -> web.Response | None:
        now = self._clock.host_mono()
        if len(self._failures) == FAILED_ATTEMPTS and now - self._failures[0] < ATTEMPT_WINDOW_NS:
            return failure(429, "TOO_MANY_ATTEMPTS", "ten wrong tokens within a minute; wait")
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        if hmac.compare_digest(given, self._token):
            return None
        self._failures.append(now)
        return failure(401, "UNAUTHORIZED", "expected Authorization: Bearer <token of this bot>")

    async def _health(self, _: web.Request) -> web.Response:
        health = self._operations.health()
        return answer(health, 200 if health["status"] == "ok" else 503)

    async def _status(self, _: web.Request) -> web.Response:
        return answer(self._operations.status())

    async def _accounts(self, _: web.Request) -> web.Response:
        return answer(self._operations.accounts())

    async def _positions(self, request: web.Request) -> web.Response:
        return answer(self._operations.positions(account_of(request.query)))

    async def _orders(self, request: web.Request) -> web.Response:
        return answer(
            self._operations.orders(account_of(request.query), everything=request.query.get("all") == "1")
        )

    async def _flatten(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        result = await self._operations.flatten(
            account_of(body), body.get("symbol"), halt=body.get("halt") is True
        )
        return answer(result, 200 if result["verified"] else 202)

    async def _trading_state(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        return answer(
            await self._operations.set_trading_state(
                text_of(body, "state"), str(body.get("reason", "")), str(body.get("scope", "global"))
            )
        )

    async def _flags(self, _: web.Request) -> web.Response:
        return answer(self._operations.flags())

    async def _set_flag(self, request: web.Request) -> web.Response:
        return answer(self._operations.set_flag(request.match_info["component"], await body_of(request)))


def answer(data: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(data), status=status, content_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )  # fmt: skip


def failure(status: int, code: str, message: str, exit_code: int = 1) -> web.Response:
    return answer(
        {
            "error": {
                "code": code,
                "message": message,
                "retryable": status in {429, 502, 503},
                "exit_code": exit_code,
            }
        },
        status,
    )


async def body_of(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    if not raw:
        return {}
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.MsgspecError as problem:
        raise BadField(
            "request body", expected="a JSON object", seen=raw[:80].decode(errors="replace")
        ) from problem


def text_of(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadField(name, expected="text", seen=value)
    return value


def account_of(source: Mapping[str, Any]) -> int | None:
    """An account id in both legal forms, text or number (bot.md §1.4); None when absent."""
    value = source.get("account_id")
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    raise BadField("account_id", expected="an account id such as 1001", seen=value)
