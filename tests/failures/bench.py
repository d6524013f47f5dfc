"""The whole application, or parts of it, and the paper venue in one process and in virtual time.

`Bench` is venue and time; its `wires` tie an application to them, its `hub` makes one hub connection. The
only stand-ins are the wires and the database's server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from bot.app.application import Application
from bot.app.venue import Addresses, Venue
from bot.app.wires import Wires
from bot.calendar.sessions import SessionCalendar
from bot.clock import Clock, VirtualClock
from bot.config.settings import Settings, load
from bot.gateway.budget import RateBudget
from bot.gateway.contracts import ContractRegistry
from bot.gateway.credentials import Credentials
from bot.gateway.hubs import HubConnection
from bot.gateway.links import Link, Opened, Over, Take
from bot.gateway.rest import RestClient
from bot.gateway.session import VenueSession
from bot.gateway.signalr import UpgradeRefused
from bot.gateway.transport import RawReply, TransportFailure
from bot.legacy.database.outbox import Alarm
from bot.model.events import Hub
from bot.model.secret import Secret
from bot.model.times import SECOND, parse_ts
from bot.paper.config import PaperConfig, PaperOptions
from bot.paper.hub import HubRefused
from bot.paper.market.synthetic import SyntheticMarket
from bot.paper.venue import PaperVenue
from bot.trading.intent_log import Durability, IntentLog
from bot.trading.lease import AccountLock
from bot.trading.record_file import Damage, RecordFile
from tests.integration.gateway.conftest import Listener
from tests.simulation.loop import run
from tests.simulation.media import MemoryMedium, inline
from tests.simulation.memory_store import MemoryStore
from tests.simulation.whole.storage import MemoryStorage

CALENDAR = SessionCalendar.shipped()
START = parse_ts("2025-11-04T14:00:00Z")
"""An hour before nothing in particular: Tuesday 9:00 New York time."""
ACCOUNT = 1001
MNQ = "CON.F.US.MNQ.Z25"
WIRE_S = 0.001


class Bench:
    """`play` runs a coroutine function of it to its end."""

    def __init__(self, start: int = START, roots: tuple[str, ...] = ("MNQ",), **options: Any) -> None:
        self.clock = VirtualClock(start)
        self.config = PaperConfig(start_ns=start, roots=roots, options=PaperOptions(**options))
        market = SyntheticMarket(self.config.seed, start, roots, "light", "quiet", CALENDAR)
        self.venue = PaperVenue(self.config, self.clock, market, calendar=CALENDAR)
        self.links: list[MemoryLink] = []
        self.requests: list[tuple[int, str]] = []
        self._due: asyncio.TimerHandle | None = None

    def play(self, script: Callable[[Bench], Awaitable[None]]) -> None:
        async def main() -> None:
            self.pump()
            await script(self)

        run(self.clock, main())

    def pump(self) -> None:
        """Be there when the venue has something to do next."""
        if self._due is not None:
            self._due.cancel()
        due = self.venue.next_due()
        if due is not None:
            seconds = max(0.002, (due - self.clock.now()) / SECOND)
            self._due = asyncio.get_running_loop().call_later(seconds, self._advance)

    def _advance(self) -> None:
        self.venue.advance(self.clock.now())
        self.pump()

    def fault(self, fault: str, **members: Any) -> None:
        self.venue.inject({"fault": fault, **members})
        self.pump()

    def calls(self, path: str) -> int:
        return sum(seen == path for _, seen in self.requests)

    def session(self, budget: RateBudget | None = None, seed: Secret | None = None) -> VenueSession:
        credentials = Credentials(self.config.username, Secret(self.config.api_key))
        return VenueSession(MemoryLine(self), credentials, self.clock, budget, seed=seed)

    def rest(self) -> RestClient:
        budget = RateBudget(self.clock)
        return RestClient(
            MemoryLine(self), self.session(budget), budget, self.clock, ContractRegistry(self.clock)
        )

    def hub(self, name: Hub, session: VenueSession, **options: Any) -> Listener:
        listener = Listener()
        listener.connection = HubConnection(
            name, f"http://127.0.0.1/hubs/{name}", session, self.clock, listener.on_records,
            listener.on_state, wire=self._wire, **options,
        )  # fmt: skip
        return listener

    def application(self, folder: Path, **settings: Any) -> Application:
        """Of the account's own, without a server; its store and intent log are memory."""
        made = load(
            [], {"PROJECT_X_USERNAME": self.config.username, "PROJECT_X_API_KEY": self.config.api_key},
            {"state.folder": str(folder / "state"), "gateway.profile": "paper",
             "gateway.rest_url": "http://127.0.0.1:1", "accounts.default": ACCOUNT, **settings},
            folder=folder,
        )  # fmt: skip
        wires = Wires(
            connect=self._connect, hub=self._wire, storage=_storage, intents=_intents,
            lock=lambda user, id_: AccountLock.acquire(user, id_, folder / "locks"), threads=False,
        )  # fmt: skip
        return Application(made, serve=False, wires=wires)

    async def _connect(self, settings: Settings) -> Venue:
        base = "http://127.0.0.1"
        addresses = Addresses(base, f"{base}/hubs/user", f"{base}/hubs/market", paper=True)
        venue = Venue(addresses, self.clock, settings, MemoryLine(self))
        await venue.session.login()
        return venue

    def _wire(self, hub: Hub) -> _MemoryWire:
        return _MemoryWire(self, hub)


class MemoryLine:
    """Requests straight into the venue."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> RawReply:
        bench, clock = self._bench, self._bench.clock
        await clock.sleep(WIRE_S)
        bench.requests.append((clock.now(), path))
        reply = bench.venue.handle(method, path, dict(headers), body)
        bench.pump()
        if reply.mode == "hang" or reply.after / SECOND > timeout_s:
            await clock.sleep(timeout_s)
            raise TransportFailure("timeout")
        await clock.sleep(reply.after / SECOND + WIRE_S)
        if reply.mode == "reset":
            raise TransportFailure("reset")
        return RawReply(reply.status, {k.lower(): v for k, v in reply.headers.items()}, reply.body)

    async def close(self) -> None:
        """Memory needs no closing."""


class _MemoryWire:
    def __init__(self, bench: Bench, hub: Hub) -> None:
        self._bench, self._hub = bench, hub

    def link(self, url: str, name: str, take: Take, opened: Opened, ended: Over) -> Link:
        link = MemoryLink(self._bench, self._hub, url, take, opened, ended)
        self._bench.links.append(link)
        return link

    def close(self) -> None:
        """Nothing is kept between links."""


class MemoryLink:
    """One connection; `url` carries the token it was made with."""

    def __init__(self, bench: Bench, hub: Hub, url: str, take: Take, opened: Opened, ended: Over) -> None:
        self._bench, self.hub = bench, hub
        self.take = take
        self.token = parse_qs(urlsplit(url).query)["access_token"][0]
        self.tried_at = 0
        self._opened, self._ended = opened, ended
        self._session: Any = None
        self.over = self._shaken = False

    async def open(self) -> None:
        await self._bench.clock.sleep(WIRE_S)
        self.tried_at = self._bench.clock.now()
        try:
            self._session = self._bench.venue.hub(self.hub).connect(self.token, self._sent, self._closed)
        except HubRefused as refusal:
            raise UpgradeRefused(refusal.status) from None
        self._say({"protocol": "json", "version": 1})

    def abort(self) -> None:
        self._end()

    async def close(self) -> None:
        self._end()

    def call(self, method: str, arguments: Sequence[Any], invocation_id: str) -> None:
        self._say({"type": 1, "invocationId": invocation_id, "target": method, "arguments": list(arguments)})

    def refuse(self, invocation_id: str) -> None:
        self._say({"type": 3, "invocationId": invocation_id, "error": "none"})

    def ping(self) -> None:
        self._say({"type": 6})

    def _say(self, message: dict[str, Any]) -> None:
        if self.over or self._session is None:
            raise ConnectionResetError("the connection is over")
        self._session.receive(msgspec.json.encode(message) + b"\x1e")
        self._bench.pump()

    def _sent(self, data: bytes) -> None:
        self._later(self._arrive, data)

    def _closed(self) -> None:
        self._later(self._ended, "closed by the venue")

    def _later(self, work: Callable[..., None], *arguments: Any) -> None:
        asyncio.get_running_loop().call_later(WIRE_S, self._unless_over, work, *arguments)

    def _unless_over(self, work: Callable[..., None], *arguments: Any) -> None:
        if not self.over:
            work(*arguments)

    def _arrive(self, data: bytes) -> None:
        records = [record for record in data.split(b"\x1e") if record]
        if not self._shaken:
            self._shaken = True
            del records[0]
            self._opened()
        if records:
            self.take(records)

    def _end(self) -> None:
        if not self.over:
            self.over = True
            if self._session is not None:
                self._session.drop()


def _storage(settings: Settings, clock: Clock, folder: Path, alarm: Alarm) -> MemoryStorage:
    return MemoryStorage(MemoryStore(clock.now()), clock, alarm, settings.database.grace)


def _intents(folder: Path, clock: Clock, durability: Durability) -> tuple[IntentLog, Damage | None]:
    log = IntentLog(RecordFile(MemoryMedium()), clock, durability=durability, offload=inline)
    return log, log.replay()
