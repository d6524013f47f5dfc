"""A hub kept connected: one connection at a time, its generation, its topics (bot.md §4.8, §4.9).

Reconnecting is ours: the old connection is closed and joined before the next is made, the token is fresh in
every address, and records of an older generation never get through.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec
import structlog
from signalrcore.hub.errors import HubConnectionError
from signalrcore.transport.sockets.errors import SocketClosedError

from bot.clock import SECOND, Clock
from bot.gateway.credentials import Token
from bot.gateway.inbox import Arrived, Inbox
from bot.gateway.session import VenueSession
from bot.gateway.signalr import HubLink, UpgradeRefused
from bot.gateway.transport import checked_base
from bot.model.errors import AuthError, BotError
from bot.model.events import Hub

HubState = Literal["up", "down", "overflow"]
Topic = tuple[str, list[Any]]
OnRecords = Callable[[Hub, int, list[Arrived]], None]
OnState = Callable[[Hub, HubState, int, str], None]

PING_S: Final = 15.0
DEAD_S: Final = 30.0
BOUND: Final = 10_000
_STEP_S: Final = 20.0
_STEADY_NS: Final = 10 * SECOND
_TICK_S: Final = 1.0
_PLAIN: Final = (
    b'{"type":1,"target":"GatewayQuote","arguments":',
    b'{"type":1,"target":"GatewayTrade","arguments":',
    b'{"type":1,"target":"GatewayDepth","arguments":',
)
_SEND_FAILURES: Final = (OSError, ValueError, HubConnectionError, SocketClosedError)

log = structlog.get_logger(__name__)


class _Envelope(msgspec.Struct, gc=False):
    type: int = 0
    target: str = ""
    invocationId: str | None = None  # noqa: N815 - the wire's spelling
    error: str | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


class _Over(Exception):
    """This connection has ended, for the reason given."""


class _Life:
    """What belongs to one generation."""

    def __init__(self, generation: int, revision: int) -> None:
        loop = asyncio.get_running_loop()
        self.generation, self.revision = generation, revision
        self.opened: asyncio.Future[None] = loop.create_future()
        self.over: asyncio.Future[str] = loop.create_future()
        self.pending: dict[str, asyncio.Future[str]] = {}
        self.next_id = 0
        self.up = False
        self.last_sent = 0
        self.inbox: Inbox | None = None
        self.link: HubLink | None = None

    def open(self) -> None:
        if not self.opened.done():
            self.opened.set_result(None)

    def end(self, reason: str) -> None:
        if not self.over.done():
            self.over.set_result(reason)


class HubConnection:
    """One hub, kept connected from `start` to `stop`.

    `on_records(hub, generation, [(record, venue ns, host mono ns)])` and `on_state(hub, state, generation,
    reason)` run on the loop; "up" follows the completions of all topics, "down" and "overflow" mean a gap.
    Delays are host seconds. `url` is the hub's address without a token, http(s) or ws(s).
    """

    def __init__(
        self,
        hub: Hub,
        url: str,
        session: VenueSession,
        clock: Clock,
        on_records: OnRecords,
        on_state: OnState,
        *,
        random: Random | None = None,
        tls: ssl.SSLContext | None = None,
        first_delay_s: float = 1.0,
        last_delay_s: float = 60.0,
        ping_s: float = PING_S,
        dead_s: float = DEAD_S,
        bound: int = BOUND,
    ) -> None:
        self.hub, self._url = hub, _hub_address(url)
        self._session, self._clock = session, clock
        self._on_records, self._on_state = on_records, on_state
        self._random = random or Random(0)  # noqa: S311 - spreads reconnects, guards nothing
        self._tls = tls
        self._first, self._last = first_delay_s, last_delay_s
        self._ping_ns, self._dead_ns = int(ping_s * SECOND), int(dead_s * SECOND)
        self._tick_s = min(_TICK_S, ping_s / 4)
        self._bound = bound
        self._topics: list[Topic] = []
        self._life: _Life | None = None
        self._task: asyncio.Task[None] | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._attempt = 0
        self._suspect = False
        self.generation = 0
        self.state: HubState = "down"
        self.refused: dict[str, str] = {}
        self.counters: Counter[str] = Counter(connects=0, drops=0, overflows=0, records=0, handler_errors=0)

    async def start(self) -> None:
        """Begin to connect; returns at once. Raises RuntimeError when started twice."""
        if self._task is not None:
            raise RuntimeError(f"the {self.hub} hub is started already")
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"hub-{self.hub}-connect")
        self._session.listeners.append(self._renewed)
        self._task = asyncio.create_task(self._run(), name=f"hub-{self.hub}")

    async def stop(self) -> None:
        """Close the connection, join its thread, end."""
        task, self._task = self._task, None
        if task is None:
            return
        self._session.listeners.remove(self._renewed)
        if self._life is not None and self._life.link is not None and not self._life.opened.done():
            self._life.link.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if self._executor is not None:
            self._executor.shutdown(wait=False)
        self._change("down", "stopped")

    def set_topics(self, topics: Sequence[Topic]) -> None:
        """The wanted subscriptions `(Subscribe…, [arguments])`, replayed after every reconnect.

        On an open connection what is new is subscribed and what is gone unsubscribed at once.
        """
        before, self._topics = self._topics, _distinct(topics)
        life = self._life
        if life is None or not life.up:
            return
        try:
            for method, arguments in before:
                if (method, arguments) not in self._topics:
                    self._call(life, method.replace("Subscribe", "Unsubscribe", 1), arguments)
            for topic in self._topics:
                if topic not in before:
                    self._call(life, *topic)
        except _SEND_FAILURES as problem:
            life.end(f"cannot send ({type(problem).__name__})")

    def restart(self, reason: str) -> None:
        """End the present connection and make a new one."""
        if self._life is not None:
            self._life.end(reason)

    def silence_ms(self) -> int | None:
        """Host milliseconds since the last record of any type; None without a connection."""
        life = self._life
        if life is None or life.inbox is None:
            return None
        return (self._clock.host_mono() - life.inbox.last_mono) // 1_000_000

    async def _run(self) -> None:
        while True:
            began = self._clock.host_mono()
            reason = await self._connection()
            self.counters["drops"] += 1
            if self._clock.host_mono() - began >= _STEADY_NS:
                self._attempt = 0
            self._change("down", reason)
            delay = min(self._first * 2**self._attempt, self._last)
            self._attempt = min(self._attempt + 1, 30)
            await self._clock.host_sleep(delay * (1 + self._random.random() / 4))

    async def _connection(self) -> str:
        """One connection from its token to its end; returns why it ended."""
        life: _Life | None = None
        try:
            token = await (self._session.revalidate() if self._suspect else self._session.token())
            self._suspect = False
            self.generation += 1
            life = self._life = _Life(self.generation, token.revision)
            self.counters["connects"] += 1
            await self._open(life, token)
            reason = await self._subscribe(life)
            life.up = True
            self._change("up", reason)
            return await self._watch(life)
        except AuthError as refusal:
            return f"no session ({refusal.code})"
        except UpgradeRefused as refusal:
            if refusal.status == 401 and life is not None:
                with contextlib.suppress(BotError):
                    await self._session.refresh(life.revision)
            return str(refusal)
        except _Over as over:
            return str(over)
        except _SEND_FAILURES as problem:
            return f"cannot connect ({type(problem).__name__})"
        except Exception as problem:
            log.exception("hub.failed", hub=self.hub)
            return f"internal error ({type(problem).__name__})"
        finally:
            if life is not None:
                await self._close(life)

    async def _open(self, life: _Life, token: Token) -> None:
        loop = asyncio.get_running_loop()

        def on_loop(work: Callable[[], None]) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(work)

        def opened() -> None:
            on_loop(life.open)

        def ended(reason: str) -> None:
            on_loop(lambda: life.end(reason))

        life.inbox = Inbox(
            self._clock,
            self._bound,
            lambda batch: self._deliver(life, batch),
            lambda: self._overflow(life),
        )
        life.link = HubLink(
            f"{self._url}?access_token={quote(token.text, safe='')}",
            f"hub-{self.hub}-{life.generation}",
            life.inbox.put,
            opened,
            ended,
            self._tls,
        )
        assert self._executor is not None
        connecting = loop.run_in_executor(self._executor, life.link.start)
        timer = asyncio.ensure_future(self._clock.host_sleep(_STEP_S))
        try:
            await asyncio.wait((connecting, timer), return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done():
                life.link.stop()
            await connecting
        finally:
            timer.cancel()
        life.last_sent = self._clock.host_mono()
        await self._reached(life, [life.opened], "no answer to the handshake")

    async def _subscribe(self, life: _Life) -> str:
        """Ask for all topics; returns which the venue refused. A user topic must not be refused."""
        self.refused = {}
        asked = [(topic, self._call(life, *topic)) for topic in self._topics]
        await self._reached(life, [answer for _, answer in asked], "topics not confirmed")
        for (method, arguments), answer in asked:
            if error := answer.result():
                self.refused[f"{method}{arguments}"] = error
        if not self.refused:
            return "subscribed"
        names = ", ".join(self.refused)
        if self.hub == "user":
            raise _Over(f"topics refused: {names}")
        return f"subscribed, but refused: {names}"

    async def _reached(self, life: _Life, steps: Sequence[asyncio.Future[Any]], problem: str) -> None:
        """All steps done. Raises _Over when the connection ends or 20 s pass before."""
        timer = asyncio.ensure_future(self._clock.host_sleep(_STEP_S))
        waiting = asyncio.gather(*steps)
        try:
            await asyncio.wait((waiting, life.over, timer), return_when=asyncio.FIRST_COMPLETED)
            if life.over.done():
                raise _Over(life.over.result())
            if not waiting.done():
                raise _Over(problem)
        finally:
            timer.cancel()
            waiting.cancel()

    async def _watch(self, life: _Life) -> str:
        """Ping when idle; returns when the connection ended or was silent for too long."""
        assert life.link is not None
        assert life.inbox is not None
        while True:
            timer = asyncio.ensure_future(self._clock.host_sleep(self._tick_s))
            try:
                await asyncio.wait((life.over, timer), return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
            if life.over.done():
                return life.over.result()
            now = self._clock.host_mono()
            if now - life.inbox.last_mono > self._dead_ns:
                return f"no record for {self._dead_ns / SECOND:g} s"
            if now - life.last_sent >= self._ping_ns:
                life.last_sent = now
                life.link.ping()

    async def _close(self, life: _Life) -> None:
        self._life = None
        for answer in life.pending.values():
            answer.cancel()
        if life.inbox is not None:
            life.inbox.fence()
        if life.link is not None and self._executor is not None:
            closing = asyncio.get_running_loop().run_in_executor(self._executor, life.link.stop)
            await asyncio.shield(closing)

    def _call(self, life: _Life, method: str, arguments: list[Any]) -> asyncio.Future[str]:
        """Invoke; the future is the completion's error text, empty on success."""
        assert life.link is not None
        life.next_id += 1
        invocation_id = str(life.next_id)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        life.pending[invocation_id] = answer
        life.last_sent = self._clock.host_mono()
        life.link.call(method, arguments, invocation_id)
        return answer

    def _deliver(self, life: _Life, batch: list[Arrived]) -> None:
        if life is not self._life:
            return
        kept = [one for one in batch if one[0].startswith(_PLAIN) or self._wanted(life, one[0])]
        if not kept:
            return
        self.counters["records"] += len(kept)
        try:
            self._on_records(self.hub, life.generation, kept)
        except Exception:
            self.counters["handler_errors"] += 1
            log.exception("hub.handler_failed", hub=self.hub)

    def _wanted(self, life: _Life, record: bytes) -> bool:
        """Look at a record that is not plain market data; false for a ping."""
        try:
            envelope = _ENVELOPE.decode(record)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return True
        if envelope.type == 6:
            return False
        if envelope.type == 3 and envelope.invocationId is not None:
            answer = life.pending.pop(envelope.invocationId, None)
            if answer is not None and not answer.done():
                answer.set_result(envelope.error or "")
        elif envelope.type == 7:
            life.end(f"closed by the venue: {envelope.error or 'no reason given'}")
        elif envelope.type == 1 and envelope.target.lower() == "gatewaylogout":
            self._suspect = True
            life.end("logged out by the venue")
        elif envelope.type == 1 and envelope.invocationId is not None and life.link is not None:
            with contextlib.suppress(*_SEND_FAILURES):
                life.link.refuse(envelope.invocationId)
        return True

    def _overflow(self, life: _Life) -> None:
        if life is self._life:
            self.counters["overflows"] += 1
            reason = f"more than {self._bound} records waited"
            life.end(reason)
            self._change("overflow", reason)

    def _renewed(self, token: Token) -> None:
        life = self._life
        if life is not None and life.revision < token.revision:
            life.end("the token was renewed")
            self._attempt = 0

    def _change(self, state: HubState, reason: str) -> None:
        if state == self.state or (state == "down" and self.state == "overflow"):
            return
        self.state = state
        log.info("hub.state", state=state, hub=self.hub, generation=self.generation, reason=reason)
        self._on_state(self.hub, state, self.generation, reason)


def _hub_address(url: str) -> str:
    """The address as http(s), checked to be fit for a token."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    return checked_base(urlunsplit((scheme, parts.netloc, parts.path, "", "")))


def _distinct(topics: Sequence[Topic]) -> list[Topic]:
    found: list[Topic] = []
    for method, arguments in topics:
        topic = (method, list(arguments))
        if topic not in found:
            found.append(topic)
    return found
