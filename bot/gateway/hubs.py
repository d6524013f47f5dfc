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
from random import Random
from typing import Any, Final, Literal
from urllib.parse import urlsplit, urlunsplit

import msgspec
import structlog

from bot.clock import SECOND, Clock
from bot.gateway.credentials import Token
from bot.gateway.generation import SEND_FAILURES, Ended, Generation
from bot.gateway.inbox import Arrived, Inbox
from bot.gateway.links import ThreadedWire, Wire
from bot.gateway.session import VenueSession
from bot.gateway.signalr import UpgradeRefused
from bot.gateway.transport import certificate_problem, checked_base
from bot.model.errors import AuthError, BotError
from bot.model.events import Hub

HubState = Literal["up", "down", "overflow"]
Topic = tuple[str, list[Any]]


def user_topics(accounts: Sequence[int]) -> list[Topic]:
    """The accounts of the user, and orders, positions and half-turns of each of these."""
    each = ("Orders", "Positions", "Trades")
    return [("SubscribeAccounts", []), *((f"Subscribe{what}", [id_]) for id_ in accounts for what in each)]


def market_topics(contracts: Sequence[str]) -> list[Topic]:
    """Quotes, prints and depth of each contract."""
    each = ("Quotes", "Trades", "MarketDepth")
    return [(f"SubscribeContract{what}", [id_]) for id_ in contracts for what in each]


OnRecords = Callable[[Hub, int, list[Arrived]], None]
OnState = Callable[[Hub, HubState, int, str], None]

PING_S: Final = 15.0
DEAD_S: Final = 30.0
BOUND: Final = 10_000
_STEADY_NS: Final = 10 * SECOND
_TICK_S: Final = 1.0
_PLAIN: Final = (
    b'{"type":1,"target":"GatewayQuote","arguments":',
    b'{"type":1,"target":"GatewayTrade","arguments":',
    b'{"type":1,"target":"GatewayDepth","arguments":',
)

log = structlog.get_logger(__name__)


class _Envelope(msgspec.Struct, gc=False):
    type: int = 0
    target: str = ""
    invocationId: str | None = None  # noqa: N815 - the wire's spelling
    error: str | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


class HubConnection:
    """One hub, kept connected from `start` to `stop`.

    `on_records(hub, generation, [(record, venue ns, host mono ns)])` and `on_state(hub, state, generation,
    reason)` run on the loop; "up" follows the completions of all topics, "down" and "overflow" mean a gap.
    Delays are host seconds. `url` is the hub's address without a token, http(s) or ws(s). `wire` is called at
    each start, None = a WebSocket.
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
        wire: Callable[[Hub], Wire] | None = None,
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
        self._make_wire = wire or (lambda name: ThreadedWire(f"hub-{name}-connect", tls))
        self._first, self._last = first_delay_s, last_delay_s
        self._ping_ns, self._dead_ns = int(ping_s * SECOND), int(dead_s * SECOND)
        self._tick_s = min(_TICK_S, ping_s / 4)
        self._bound = bound
        self._topics: list[Topic] = []
        self._live: Generation | None = None
        self._task: asyncio.Task[None] | None = None
        self._wire: Wire | None = None
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
        self._wire = self._make_wire(self.hub)
        self._session.listeners.append(self._renewed)
        self._task = asyncio.create_task(self._run(), name=f"hub-{self.hub}")

    async def stop(self) -> None:
        """Close the connection, join its thread, end."""
        task, self._task = self._task, None
        if task is None:
            return
        self._session.listeners.remove(self._renewed)
        if self._live is not None:
            self._live.abort()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if self._wire is not None:
            self._wire.close()
        self._change("down", "stopped")

    def set_topics(self, topics: Sequence[Topic]) -> None:
        """The wanted subscriptions `(Subscribe…, [arguments])`, replayed after every reconnect.

        On an open connection what is new is subscribed and what is gone unsubscribed at once.
        """
        before, self._topics = self._topics, _distinct(topics)
        live = self._live
        if live is None or not live.up:
            return
        try:
            for method, arguments in before:
                if (method, arguments) not in self._topics:
                    live.call(method.replace("Subscribe", "Unsubscribe", 1), arguments)
            for topic in self._topics:
                if topic not in before:
                    live.call(*topic)
        except SEND_FAILURES as problem:
            live.end(f"cannot send ({type(problem).__name__})")

    def restart(self, reason: str) -> None:
        """End the present connection and make a new one."""
        if self._live is not None:
            self._live.end(reason)

    def silence_ms(self) -> int | None:
        """Host milliseconds since the last record of any type; None without a connection."""
        live = self._live
        return None if live is None else (self._clock.host_mono() - live.inbox.last_mono) // 1_000_000

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
        live: Generation | None = None
        try:
            token = await (self._session.revalidate() if self._suspect else self._session.token())
            self._suspect = False
            live = self._live = self._generation(token)
            await live.open()
            reason = await self._subscribe(live)
            live.up = True
            self._change("up", reason)
            return await self._watch(live)
        except AuthError as refusal:
            return f"no session ({refusal.code})"
        except UpgradeRefused as refusal:
            if refusal.status == 401 and live is not None:
                with contextlib.suppress(BotError):
                    await self._session.refresh(live.revision)
            return str(refusal)
        except Ended as ended:
            return str(ended)
        except ssl.SSLCertVerificationError as problem:
            return f"certificate refused ({certificate_problem(problem)})"
        except SEND_FAILURES as problem:
            return f"cannot connect ({type(problem).__name__})"
        except Exception as problem:
            log.exception("hub.failed", hub=self.hub)
            return f"internal error ({type(problem).__name__})"
        finally:
            self._live = None
            if live is not None:
                await live.close()

    def _generation(self, token: Token) -> Generation:
        self.generation += 1
        self.counters["connects"] += 1
        number = self.generation
        assert self._wire is not None
        return Generation(
            number,
            f"hub-{self.hub}-{number}",
            self._url,
            token,
            self._clock,
            self._wire,
            Inbox(self._clock, self._bound, lambda batch: self._deliver(number, batch), self._overflow),
        )

    async def _subscribe(self, live: Generation) -> str:
        """Ask for all topics; returns which the venue refused. A user topic must not be refused."""
        self.refused = {}
        asked = [(topic, live.call(*topic)) for topic in self._topics]
        await live.reached([answer for _, answer in asked], "topics not confirmed")
        for (method, arguments), answer in asked:
            if error := answer.result():
                self.refused[f"{method}{arguments}"] = error
        if not self.refused:
            return "subscribed"
        names = ", ".join(self.refused)
        if self.hub == "user":
            raise Ended(f"topics refused: {names}")
        return f"subscribed, but refused: {names}"

    async def _watch(self, live: Generation) -> str:
        """Ping when idle; returns when the connection ended or was silent for too long."""
        while True:
            timer = asyncio.ensure_future(self._clock.host_sleep(self._tick_s))
            try:
                await asyncio.wait((live.over, timer), return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
            if live.over.done():
                return live.over.result()
            now = self._clock.host_mono()
            if now - live.inbox.last_mono > self._dead_ns:
                return f"no record for {self._dead_ns / SECOND:g} s"
            if now - live.last_sent >= self._ping_ns:
                live.ping()

    def _deliver(self, number: int, batch: list[Arrived]) -> None:
        live = self._live
        if live is None or live.number != number:
            return
        kept = [one for one in batch if one[0].startswith(_PLAIN) or self._wanted(live, one[0])]
        if not kept:
            return
        self.counters["records"] += len(kept)
        try:
            self._on_records(self.hub, number, kept)
        except Exception:
            self.counters["handler_errors"] += 1
            log.exception("hub.handler_failed", hub=self.hub)

    def _wanted(self, live: Generation, record: bytes) -> bool:
        """Look at a record that is not plain market data; false for a ping."""
        try:
            envelope = _ENVELOPE.decode(record)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return True
        if envelope.type == 6:
            return False
        if envelope.type == 3 and envelope.invocationId is not None:
            live.completed(envelope.invocationId, envelope.error or "")
        elif envelope.type == 7:
            live.end(f"closed by the venue: {envelope.error or 'no reason given'}")
        elif envelope.type == 1 and envelope.target.lower() == "gatewaylogout":
            self._suspect = True
            live.end("logged out by the venue")
        elif envelope.type == 1 and envelope.invocationId is not None:
            live.refuse(envelope.invocationId)
        return True

    def _overflow(self) -> None:
        self.counters["overflows"] += 1
        reason = f"more than {self._bound} records waited"
        self.restart(reason)
        self._change("overflow", reason)

    def _renewed(self, token: Token) -> None:
        live = self._live
        if live is not None and live.revision < token.revision:
            live.end("the token was renewed")
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
