"""One generation of a hub: a single connection from its opening to its end, used once.

All methods run on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote

from signalrcore.hub.errors import HubConnectionError
from signalrcore.transport.sockets.errors import SocketClosedError

from bot.clock import Clock
from bot.gateway.credentials import Token
from bot.gateway.inbox import Inbox
from bot.gateway.links import Wire

STEP_S: Final = 20.0
SEND_FAILURES: Final = (OSError, ValueError, HubConnectionError, SocketClosedError)


class Ended(Exception):
    """This connection has ended, for the reason given."""


class Generation:
    """The connection of one number and one token; `over` gets the reason of its end, once."""

    def __init__(
        self,
        number: int,
        name: str,
        url: str,
        token: Token,
        clock: Clock,
        wire: Wire,
        inbox: Inbox,
    ) -> None:
        self.number, self.revision = number, token.revision
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self.over: asyncio.Future[str] = self._loop.create_future()
        self._pending: dict[str, asyncio.Future[str]] = {}
        self._calls = 0
        self.up = False
        self.last_sent = 0
        self.inbox = inbox
        self._link = wire.link(
            f"{url}?access_token={quote(token.text, safe='')}",
            name,
            inbox.put,
            lambda: self._on_loop(self._open),
            lambda reason: self._on_loop(lambda: self.end(reason)),
        )

    async def open(self) -> None:
        """Connect, upgrade, shake hands. Raises UpgradeRefused, Ended, OSError; ends 20 s after each step."""
        connecting = asyncio.ensure_future(self._link.open())
        timer = asyncio.ensure_future(self._clock.host_sleep(STEP_S))
        try:
            await asyncio.wait((connecting, timer), return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done():
                self.abort()
            await connecting
        finally:
            timer.cancel()
            connecting.cancel()
        self.last_sent = self._clock.host_mono()
        await self.reached([self._opened], "no answer to the handshake")

    def call(self, method: str, arguments: Sequence[Any]) -> asyncio.Future[str]:
        """Invoke a hub method; the future is the completion's error text, empty on success."""
        self._calls += 1
        invocation_id = str(self._calls)
        answer: asyncio.Future[str] = self._loop.create_future()
        self._pending[invocation_id] = answer
        self.last_sent = self._clock.host_mono()
        self._link.call(method, arguments, invocation_id)
        return answer

    def completed(self, invocation_id: str, error: str) -> None:
        """The completion of an invocation came."""
        answer = self._pending.pop(invocation_id, None)
        if answer is not None and not answer.done():
            answer.set_result(error)

    def refuse(self, invocation_id: str) -> None:
        """Answer an invocation of the venue that wants a result."""
        with contextlib.suppress(*SEND_FAILURES):
            self._link.refuse(invocation_id)

    def ping(self) -> None:
        """Keep-alive. Raises one of SEND_FAILURES on a dead connection."""
        self.last_sent = self._clock.host_mono()
        self._link.ping()

    async def reached(self, steps: Sequence[asyncio.Future[Any]], problem: str) -> None:
        """All steps done. Raises Ended when the connection ends or 20 s pass before."""
        timer = asyncio.ensure_future(self._clock.host_sleep(STEP_S))
        waiting = asyncio.gather(*steps)
        try:
            await asyncio.wait((waiting, self.over, timer), return_when=asyncio.FIRST_COMPLETED)
            if self.over.done():
                raise Ended(self.over.result())
            if not waiting.done():
                raise Ended(problem)
        finally:
            timer.cancel()
            waiting.cancel()

    def end(self, reason: str) -> None:
        """Say that this connection is over; the first reason stays."""
        if not self.over.done():
            self.over.set_result(reason)

    def abort(self) -> None:
        """End a connection that is not open yet, at once; its opening sees the end by itself."""
        if not self._opened.done():
            self._link.abort()

    async def close(self) -> None:
        """Deliver nothing more, close the link."""
        for answer in self._pending.values():
            answer.cancel()
        self.inbox.fence()
        await self._link.close()

    def _open(self) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    def _on_loop(self, work: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to tell
            self._loop.call_soon_threadsafe(work)
