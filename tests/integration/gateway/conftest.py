"""The venue shell on real sockets against the paper gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bot.clock import Clock, PaperClock
from bot.gateway.budget import RateBudget
from bot.gateway.contracts import ContractRegistry
from bot.gateway.credentials import Credentials
from bot.gateway.hubs import HubConnection
from bot.gateway.rest import RestClient
from bot.gateway.session import VenueSession
from bot.gateway.transport import AiohttpTransport
from bot.model.events import Hub
from bot.model.secret import Secret
from bot.model.times import parse_ts
from bot.paper.config import PaperConfig, PaperOptions
from bot.paper.server import PaperGateway

START = parse_ts("2025-10-01T14:30:00Z")
API_KEY = "paper-key"
MARKET_TOPICS = (
    "SubscribeContractQuotes",
    "SubscribeContractTrades",
    "SubscribeContractMarketDepth",
)


class Venue:
    """A paper gateway with a client of it; `close` ends both."""

    def __init__(self, rate: float, options: PaperOptions, api_key: str = API_KEY) -> None:
        self.clock: Clock = PaperClock(START, rate)
        self.paper = PaperGateway(
            PaperConfig(start_ns=START, rate=rate, profile="fast", options=options), self.clock
        )
        self.api_key = api_key
        self.hubs: list[HubConnection] = []

    async def start(self) -> None:
        await self.paper.start()
        self.transport = AiohttpTransport(self.paper.url)
        self.budget = RateBudget(self.clock)
        self.session = VenueSession(
            self.transport, Credentials("paper", Secret(self.api_key)), self.clock, self.budget
        )
        self.registry = ContractRegistry(self.clock)
        self.rest = RestClient(self.transport, self.session, self.budget, self.clock, self.registry)

    def hub(self, name: Hub, **options: Any) -> Listener:
        """A hub connection with quick reconnects, and what came through it."""
        listener = Listener()
        settings = {"first_delay_s": 0.02, "last_delay_s": 0.2, **options}
        listener.connection = HubConnection(
            name,
            f"{self.paper.url}/hubs/{name}",
            self.session,
            self.clock,
            listener.on_records,
            listener.on_state,
            **settings,
        )
        self.hubs.append(listener.connection)
        return listener

    def fault(self, **fault: Any) -> None:
        """Inject a fault as the control side does."""
        self.paper.venue.inject(fault)

    async def close(self) -> None:
        for hub in self.hubs:
            await hub.stop()
        await self.session.close()
        await self.transport.close()
        await self.paper.stop()


class Listener:
    """Records and states of one hub, with waiting for them."""

    def __init__(self) -> None:
        self.connection: HubConnection
        self.records: list[tuple[int, bytes]] = []
        self.states: list[tuple[str, int, str]] = []
        self.stamps: list[tuple[int, int]] = []

    def on_records(self, _hub: Hub, generation: int, records: list[tuple[bytes, int, int]]) -> None:
        self.records += [(generation, record) for record, _, _ in records]
        self.stamps += [(received, arrived) for _, received, arrived in records]

    def on_state(self, _hub: Hub, state: str, generation: int, reason: str) -> None:
        self.states.append((state, generation, reason))

    async def up(self, generation: int = 1, seconds: float = 10.0) -> None:
        """Until the connection is up in this generation or a later one."""
        await until(
            lambda: self.connection.state == "up" and self.connection.generation >= generation, seconds
        )

    def count(self, target: str, generation: int | None = None) -> int:
        """Records of a target, in one generation or in all."""
        return sum(
            target.encode() in record for g, record in self.records if generation is None or g == generation
        )


async def until(met: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition; fails the test after so many seconds."""
    for _ in range(int(seconds / 0.01)):
        if met():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"not met within {seconds} s")


@pytest.fixture
async def make_venue() -> AsyncIterator[Callable[..., Any]]:
    """`await make_venue(rate=…, key=…, **options)`: a started venue, closed at the end."""
    made: list[Venue] = []

    async def make(rate: float = 20.0, api_key: str = API_KEY, **options: Any) -> Venue:
        venue = Venue(rate, PaperOptions(**options), api_key)
        made.append(venue)
        await venue.start()
        return venue

    yield make
    for venue in made:
        await venue.close()


@pytest.fixture
async def venue(make_venue: Callable[..., Any]) -> Venue:
    """A venue with a session and contracts."""
    venue: Venue = await make_venue()
    await venue.session.login()
    await venue.rest.contracts()
    return venue
