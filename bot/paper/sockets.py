"""The public listener: REST, the two hubs and the clock over aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web

from bot.clock import Clock
from bot.model.times import SECOND
from bot.paper.hub import HubCore, HubRefused
from bot.paper.hub_session import HubSession
from bot.paper.reply import Reply, problem
from bot.paper.rest import bearer
from bot.paper.venue import PaperVenue

OUTBOX_BYTES = 4 * 1024 * 1024
"""What may wait for a slow hub client; beyond it the connection is cut."""

LARGEST_MESSAGE = 1024 * 1024
LONGEST_HANG_S = 600.0
_HEADERS_ASKED = "authorization, content-type, x-requested-with, x-signalr-user-agent"


class Sockets:
    """HTTP handlers over one venue; `woken` is called whenever the venue may have new timers."""

    def __init__(self, venue: PaperVenue, clock: Clock, epoch_ns: int) -> None:
        self._venue, self._clock, self._epoch = venue, clock, epoch_ns
        self.woken: Callable[[], None] = lambda: None
        self._open: set[web.WebSocketResponse] = set()

    def application(self) -> web.Application:
        """The routes: the clock, the hubs, and everything else as REST."""
        app = web.Application(client_max_size=1024 * 1024)
        app.router.add_get("/paper/clock", self.clock)
        for name in ("user", "market"):
            app.router.add_route("*", f"/hubs/{name}/negotiate", self._negotiate)
            app.router.add_route("*", f"/hubs/{name}", self._hub)
        app.router.add_route("*", "/{path:.*}", self._rest)
        app.on_shutdown.append(self._shut)
        return app

    async def clock(self, _request: web.Request) -> web.Response:
        """`{now_ns, rate, epoch_ns}` (gateway.md 22.3)."""
        return web.json_response(
            {"now_ns": self._clock.now(), "rate": self._clock.rate, "epoch_ns": self._epoch}
        )

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return web.Response(status=204, headers=_cors(request))
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return await self._give(request, problem(413, "Payload Too Large"))
        reply = self._venue.handle(request.method, request.path, request.headers, body)
        self.woken()
        return await self._give(request, reply)

    async def _give(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if reply.after:
            await self._clock.sleep(reply.after / SECOND)
        if reply.mode == "hang":
            await self._clock.host_sleep(LONGEST_HANG_S)
        if reply.mode != "answer":
            if request.transport is not None:
                request.transport.abort()
            raise asyncio.CancelledError
        return web.Response(status=reply.status, headers={**reply.headers, **_cors(request)}, body=reply.body)

    async def _negotiate(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=_cors(request))
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"})
        asked = request.query.get("negotiateVersion", "0")
        version = int(asked[:9]) if asked.isdecimal() else 0
        self._venue.advance(self._clock.now())
        hub = self._hub_of(request.path.removesuffix("/negotiate"))
        reply = hub.negotiate(_token(request), version)
        return await self._give(request, reply)

    async def _hub(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=_cors(request))
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(status=400, text="Connection ID required")
        pipe = Pipe()
        try:
            session = self._hub_of(request.path).connect(
                _token(request), pipe.push, pipe.end, request.query.get("id")
            )
        except HubRefused as refusal:
            return web.Response(status=refusal.status)
        socket = web.WebSocketResponse(
            heartbeat=None, autoping=True, compress=False, max_msg_size=LARGEST_MESSAGE
        )
        writer: asyncio.Task[None] | None = None
        try:
            await socket.prepare(request)
            self._open.add(socket)
            writer = asyncio.create_task(pipe.write(socket, session, request))
            self.woken()
            await self._listen(socket, session)
        finally:
            session.drop()
            pipe.end()
            self._open.discard(socket)
            if writer is not None:
                await writer
        return socket

    async def _listen(self, socket: web.WebSocketResponse, session: HubSession) -> None:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                session.receive(message.data.encode())
            elif message.type is WSMsgType.BINARY:
                session.refuse_binary()
            self.woken()

    def _hub_of(self, path: str) -> HubCore:
        return self._venue.hub("user" if path.endswith("/user") else "market")

    async def _shut(self, _app: web.Application) -> None:
        for socket in tuple(self._open):
            await socket.close()


class Pipe:
    """Bytes on their way to one socket. What is pushed in one turn leaves in one message."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._size = 0
        self._news = asyncio.Event()
        self._ended = False

    def push(self, record: bytes) -> None:
        """Queue a record."""
        self._waiting.append(record)
        self._size += len(record)
        self._news.set()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._news.set()

    async def write(self, socket: web.WebSocketResponse, session: HubSession, request: web.Request) -> None:
        """Write until the end; then close, or cut where the session ended without a word."""
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                if self._size > OUTBOX_BYTES:
                    session.cut()
                    break
                data, self._waiting, self._size = b"".join(self._waiting), [], 0
                if data and (session.graceful or not self._ended):
                    await socket.send_frame(data, WSMsgType.TEXT)
                if self._ended and not self._waiting:
                    break
            if session.graceful:
                await socket.close()
        except (ConnectionError, RuntimeError):
            session.drop()
        if not session.graceful and request.transport is not None:
            request.transport.abort()


def _token(request: web.Request) -> str:
    """The query's token wins over the header's; of a repeated parameter the first counts."""
    return request.query.get("access_token") or bearer(request.headers)


def _cors(request: web.Request) -> dict[str, str]:
    origin = request.headers.get("Origin", "")
    if urlsplit(origin).hostname not in ("localhost", "127.0.0.1", "::1"):
        return {}
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Vary": "Origin",
    }
    if request.method == "OPTIONS":
        asked = request.headers.get("Access-Control-Request-Headers")
        headers["Access-Control-Allow-Headers"] = asked or _HEADERS_ASKED
        headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
    return headers
