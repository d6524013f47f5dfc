"""Wires of memory between a simulated bot and the venue: requests and hub records with seeded delays.

What a process has sent stays on its way when the process dies; what comes for a dead process is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from bot.gateway.links import Link, Opened, Over, Take
from bot.gateway.signalr import UpgradeRefused
from bot.gateway.transport import RawReply, TransportFailure
from bot.model.events import Hub
from bot.model.times import SECOND
from bot.paper.hub import HubRefused
from bot.paper.hub_session import HubSession
from bot.paper.reply import Reply

if TYPE_CHECKING:
    from tests.simulation.whole.machine import Process
    from tests.simulation.whole.world import World

HANDSHAKE = b'{"protocol":"json","version":1}\x1e'
PING = b'{"type":6}\x1e'


class MemoryLine:
    """REST straight into the venue."""

    def __init__(self, world: World, process: Process) -> None:
        self._world, self._process = world, process

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> RawReply:
        world, process = self._world, self._process
        process.alive()
        answer: asyncio.Future[RawReply] = world.loop.create_future()
        if path == "/api/Order/place":
            process.pass_("request leaves")
            process.witness.sent(body, process)
        headers = dict(headers)
        world.later(world.delay(), self._arrive, answer, method, path, headers, body)
        timer = world.loop.call_later(timeout_s, _expire, answer)
        try:
            return await answer
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Memory needs no closing."""

    def _arrive(
        self, answer: asyncio.Future[RawReply], method: str, path: str, headers: dict[str, str], body: bytes
    ) -> None:
        world = self._world
        reply = world.venue.handle(method, path, headers, body)
        world.hurry()
        if path == "/api/Order/place":
            self._process.pass_("venue answered")
        if reply.mode != "hang":
            date = formatdate(world.clock.now() / SECOND, usegmt=True)
            world.later(reply.after + world.delay(), _give, answer, reply, date)


def _give(answer: asyncio.Future[RawReply], reply: Reply, date: str) -> None:
    if answer.done():
        return
    if reply.mode == "reset":
        answer.set_exception(TransportFailure("reset"))
    else:
        headers = {"date": date, **{name.lower(): value for name, value in reply.headers.items()}}
        answer.set_result(RawReply(reply.status, headers, reply.body))


def _expire(answer: asyncio.Future[RawReply]) -> None:
    if not answer.done():
        answer.set_exception(TransportFailure("timeout"))


class MemoryWire:
    """Makes the links of one hub of one process."""

    def __init__(self, world: World, process: Process, hub: Hub) -> None:
        self._world, self._process, self._hub = world, process, hub

    def link(self, url: str, name: str, take: Take, opened: Opened, ended: Over) -> Link:
        link = MemoryLink(self._world, self._process, self._hub, url, (take, opened, ended))
        self._process.links.append(link)
        return link

    def close(self) -> None:
        """Nothing is kept between links."""


class MemoryLink:
    """One connection: what the hub says in one instant arrives as one message, in order."""

    def __init__(
        self, world: World, process: Process, hub: Hub, url: str, tell: tuple[Take, Opened, Over]
    ) -> None:
        self._world, self._process, self._hub = world, process, hub
        self._token = parse_qs(urlsplit(url).query)["access_token"][0]
        self._take, self._opened, self._ended = tell
        self._session: HubSession | None = None
        self._waiting: list[bytes] = []
        self._arrives = 0
        self._shaken = self._over = False

    async def open(self) -> None:
        world = self._world
        self._process.alive()
        await world.clock.sleep(2 * world.delay() / 1e9)
        if self._over:
            raise ConnectionResetError("the connection was given up")
        try:
            self._session = world.venue.hub(self._hub).connect(self._token, self._sent, self._closed)
        except HubRefused as refusal:
            raise UpgradeRefused(refusal.status) from None
        self._say(HANDSHAKE)

    def abort(self) -> None:
        self._end()

    async def close(self) -> None:
        self._end()

    def call(self, method: str, arguments: Sequence[Any], invocation_id: str) -> None:
        message = {"type": 1, "invocationId": invocation_id, "target": method, "arguments": list(arguments)}
        self._say(msgspec.json.encode(message) + b"\x1e")

    def refuse(self, invocation_id: str) -> None:
        self._say(msgspec.json.encode({"type": 3, "invocationId": invocation_id, "error": "none"}) + b"\x1e")

    def ping(self) -> None:
        self._say(PING)

    def cut(self) -> None:
        """The process is gone, and its socket with it."""
        self._end()

    def _say(self, data: bytes) -> None:
        if self._over or self._session is None:
            raise ConnectionResetError("the connection is over")
        self._world.later(self._world.delay(), self._reach, data)

    def _reach(self, data: bytes) -> None:
        if self._session is not None and not self._over:
            self._session.receive(data)
            self._world.hurry()

    def _sent(self, record: bytes) -> None:
        """The hub says something: the first record of an instant sets out, the others ride along."""
        if not self._waiting:
            self._later(self._arrive)
        self._waiting.append(record)

    def _closed(self) -> None:
        self._later(self._tell_end)

    def _later(self, work: Callable[[], None]) -> None:
        world = self._world
        self._arrives = max(self._arrives, world.clock.mono() + world.delay())
        world.at(self._arrives, work)

    def _arrive(self) -> None:
        records = [record for record in b"".join(self._waiting).split(b"\x1e") if record]
        self._waiting.clear()
        if self._over or self._process.dead:
            return
        if not self._shaken and records:
            self._shaken = True
            if b"error" in records.pop(0):
                self._tell_end()
                return
            self._process.enter(self._opened)
        if records:
            self._process.enter(self._take, records)

    def _tell_end(self) -> None:
        if not self._over and not self._process.dead:
            self._process.enter(self._ended, "closed by the venue")

    def _end(self) -> None:
        if not self._over:
            self._over = True
            if self._session is not None:
                self._session.drop()
