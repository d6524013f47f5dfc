"""The bot's trading side and the paper venue in one process and in virtual time.

`World` is what outlives a bot process: venue, time, the disk under the intent log. `Process` is one run of
the bot's trading side over real parts: REST client, stream processor, order execution, risk gate, desk. Its
only stand-ins are the wires: a transport and hub links of memory. Killing it leaves the disk as it is.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.clock import VirtualClock
from bot.gateway.budget import RateBudget
from bot.gateway.contracts import ContractRegistry
from bot.gateway.credentials import Credentials
from bot.gateway.rest import RestClient
from bot.gateway.session import VenueSession
from bot.gateway.transport import RawReply, TransportFailure
from bot.legacy.database.outbox import Outbox
from bot.legacy.order_execution import PythonOrderExecution
from bot.legacy.websocket import PythonStreamProcessor
from bot.model.actions import Enter, Instance
from bot.model.instruments import contract_of
from bot.model.intents import Bracket, PlaceOrder
from bot.model.orders import OrderType
from bot.model.quantities import Money, Ticks, TsNs
from bot.model.risk import RuleFigures, StrategyPolicy
from bot.model.secret import Secret
from bot.model.times import SECOND, parse_ts
from bot.paper.config import PaperConfig
from bot.paper.hub import HubRefused
from bot.paper.venue import PaperVenue
from bot.ports import Store
from bot.risk.gate import Gate
from bot.risk.subject import GateLimits
from bot.trading.desk import Desk
from bot.trading.intake import DeskListener
from bot.trading.intent_log import IntentLog
from bot.trading.lease import AccountLock
from bot.trading.record_file import RecordFile
from bot.trading.settings import TradingSettings
from tests.simulation.loop import Killed
from tests.simulation.media import MemoryMedium, MortalMedium, inline
from tests.simulation.scripted import ScriptedMarket

START = parse_ts("2025-11-04T15:00:00Z")
ACCOUNT = 1001
STRATEGY = "mean_reversion"
CALENDAR = SessionCalendar.shipped()
MNQ = contract_of("MNQ", date(2025, 11, 4), START)
RULES = RuleFigures(
    status="OK", program="practice", size="150K", balance=Money(150_000_000_000),
    equity=Money(150_000_000_000), day_pnl=Money(0), floor=Money(145_500_000_000), dll=None,
    mll=Money(4_500_000_000), max_minis_tenths=150,
)  # fmt: skip
WIRE_S = 0.001
"""One way through a wire of memory."""


class World:
    """`probe` is called with the name of each point a process passes; a test kills there."""

    def __init__(self, seed: int = 1, **options: Any) -> None:
        self.seed = seed
        self.clock = VirtualClock(START)
        self.medium = MemoryMedium()
        self.market = ScriptedMarket([MNQ], START, 80_000 + seed % 97)
        self.config = PaperConfig(start_ns=START, seed=seed, roots=("MNQ",), **options)
        self.venue = PaperVenue(self.config, self.clock, self.market, calendar=CALENDAR)
        self.random = random.Random(seed)
        self.probe: Callable[[str], None] = lambda _: None
        self.killed: asyncio.Event
        self._due: asyncio.TimerHandle | None = None

    @property
    def price(self) -> int:
        return self.market.last(MNQ.id) or 0

    def pump(self) -> None:
        """See to the venue's next own event."""
        due = self.venue.next_due()
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if due is not None:
            seconds = max(0, due - self.clock.now()) / SECOND
            self._due = asyncio.get_running_loop().call_later(seconds, self._advance)

    def fault(self, **shape: Any) -> None:
        self.venue.inject(shape)
        self.pump()

    def push(self, ticks: int, seconds: float = 0.1) -> None:
        """Move the market by so many ticks."""
        self.venue.push(MNQ.id, self.price + ticks, seconds)
        self.pump()

    def verdict(self) -> dict[str, Any]:
        return self.venue.verdict()

    def ledger(self) -> bytes:
        return b"\n".join(self.venue.ledger.lines)

    def _advance(self) -> None:
        self.venue.advance(self.clock.now())
        self.pump()


class MemoryTransport:
    """Requests straight into the venue."""

    def __init__(self, world: World, process: Process) -> None:
        self._world, self._process = world, process

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> RawReply:
        world, clock = self._world, self._world.clock
        self._process.pass_("before the request leaves" if "/Order/place" in path else "wire")
        await clock.sleep(WIRE_S)
        self._process.pass_("wire")
        reply = world.venue.handle(method, path, headers, body)
        world.pump()
        if "/Order/place" in path:
            self._process.pass_("the venue has the order")
        if reply.mode == "hang" or reply.after / SECOND > timeout_s:
            await clock.host_sleep(timeout_s)
            self._process.pass_("wire")
            raise TransportFailure("timeout")
        await clock.sleep(reply.after / SECOND + WIRE_S)
        self._process.pass_("the reply is here" if "/Order/place" in path else "wire")
        if reply.mode == "reset":
            raise TransportFailure("reset")
        return RawReply(reply.status, {k.lower(): v for k, v in reply.headers.items()}, reply.body)


class HubLink:
    """One hub connection of memory: handshake, subscriptions, reconnect after a second."""

    def __init__(self, world: World, process: Process, hub: Any, topics: list[tuple[str, list[Any]]]) -> None:
        self._world, self._process, self._hub, self._topics = world, process, hub, topics
        self._session: Any = None
        self._generation = 0

    async def run(self) -> None:
        """Connect and connect again until cancelled."""
        while True:
            closed = asyncio.Event()
            self._generation += 1
            generation = self._generation
            token = await self._process.session.token()
            try:
                self._session = self._world.venue.hub(self._hub).connect(
                    token.text, lambda data, g=generation: self._later(data, g), closed.set
                )
            except HubRefused:
                await self._world.clock.host_sleep(1.0)
                continue
            self._session.receive(b'{"protocol":"json","version":1}\x1e')
            for number, (target, arguments) in enumerate(self._topics):
                message = {
                    "type": 1, "invocationId": str(number), "target": target, "arguments": arguments,
                }  # fmt: skip
                self._session.receive(msgspec.json.encode(message) + b"\x1e")
            self._world.pump()
            self._process.hub_state(self._hub, "up", generation)
            await asyncio.wait(
                [asyncio.ensure_future(closed.wait()), asyncio.ensure_future(self._ping(closed))],
                return_when=asyncio.FIRST_COMPLETED,
            )
            self._process.hub_state(self._hub, "down", generation)
            await self._world.clock.host_sleep(1.0)

    def cut(self) -> None:
        """The process is gone, and its socket with it."""
        if self._session is not None:
            self._session.drop()

    async def _ping(self, closed: asyncio.Event) -> None:
        while not closed.is_set():
            await self._world.clock.host_sleep(10.0)
            if not self._process.dead:
                self._session.receive(b'{"type":6}\x1e')

    def _later(self, data: bytes, generation: int) -> None:
        asyncio.get_running_loop().call_later(WIRE_S, self._arrive, data, generation)

    def _arrive(self, data: bytes, generation: int) -> None:
        if generation == self._generation and not self._process.dead:
            for record in data.split(b"\x1e")[:-1]:
                self._process.record(self._hub, record)


class Process:
    """One run of the bot's trading side. `listener` stands where the strategy engine does; more goes to the desk."""

    def __init__(
        self,
        world: World,
        folder: Path,
        listener: DeskListener | None = None,
        settings: TradingSettings | None = None,
        store: Store | None = None,
        **desk: Any,
    ) -> None:
        self.world = world
        self.dead = False
        clock = world.clock
        transport = MemoryTransport(world, self)
        self.budget = budget = RateBudget(clock)
        self.session = VenueSession(
            transport, Credentials(world.config.username, Secret(world.config.api_key)), clock, budget
        )
        contracts = {MNQ.id: MNQ}
        registry = ContractRegistry(clock)
        registry.put([MNQ])
        self.rest = RestClient(
            transport, self.session, budget, clock, registry, random=random.Random(world.seed)
        )
        self.stream = PythonStreamProcessor()
        self.stream.set_contracts(contracts)
        self.log = IntentLog(RecordFile(MortalMedium(world.medium, self.pass_)), clock, offload=inline)
        self.damage = self.log.replay()
        self.gate = Gate(
            CALENDAR,
            {STRATEGY: StrategyPolicy(position_size=10, max_positions=10, max_daily_trades=100)},
            GateLimits(allow_resting_client_brackets=True),
        )
        self.lock = AccountLock.acquire(
            world.config.username, ACCOUNT, folder, at_least=self.log.epochs.get(ACCOUNT, 0)
        )
        self.outbox = Outbox(store, clock, lambda code, detail: None) if store is not None else None
        self.desk = Desk(
            rest=self.rest, gate=self.gate, execution=PythonOrderExecution(), log=self.log, clock=clock,
            contracts=contracts, risk_day=CALENDAR.risk_day, settings=settings, listener=listener,
            store=store, outbox=self.outbox, **desk,
        )  # fmt: skip
        self.links = [
            HubLink(world, self, "user", [
                ("SubscribeAccounts", []), ("SubscribeOrders", [ACCOUNT]),
                ("SubscribePositions", [ACCOUNT]), ("SubscribeTrades", [ACCOUNT]),
            ]),
            HubLink(world, self, "market", [("SubscribeContractQuotes", [MNQ.id])]),
        ]  # fmt: skip
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> Desk:
        """As the application starts: login, accounts, hubs, reconciliation."""
        self.world.killed = asyncio.Event()
        self.world.pump()
        await self.session.login()
        accounts = [account for account in await self.rest.accounts() if account.id == ACCOUNT]
        self._tasks = [asyncio.ensure_future(link.run()) for link in self.links]
        if self.outbox is not None:
            self._tasks.append(asyncio.ensure_future(self.outbox.run()))
        await self.world.clock.sleep(0.01)
        await self.desk.start(accounts, [self.lock.mint()])
        self.desk.set_rules(ACCOUNT, RULES)
        self.desk.set_active(Instance(ACCOUNT, STRATEGY), True)
        return self.desk

    def record(self, hub: Any, record: bytes) -> None:
        if not record or self.dead:
            return
        for event in self.stream.feed(hub, record, self.world.clock.now()):
            self.desk.on_event(event)

    def hub_state(self, hub: Any, state: str, generation: int) -> None:
        if not self.dead:
            self.desk.hub_state(hub, state, generation)

    def pass_(self, point: str) -> None:
        """A dead process does nothing any more."""
        if not self.dead:
            self.world.probe(point)
        if self.dead:
            raise Killed

    def die(self) -> None:
        """`kill -9`: no code of this process runs from now on."""
        self.dead = True
        self.world.killed.set()

    async def bury(self) -> None:
        """Take the remains away; the operating system lets go of lock and sockets."""
        self.dead = True
        for link in self.links:
            link.cut()
        me = asyncio.current_task()
        for task in asyncio.all_tasks():
            if task is not me:
                task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.lock.release()

    @contextmanager
    def lock_released(self) -> Iterator[None]:
        """A test that fails leaves the account to the next one."""
        try:
            yield
        finally:
            self.lock.release()

    async def stop(self) -> None:
        """A clean end."""
        await self.desk.stop()
        if self.outbox is not None:
            await self.outbox.flush(5.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.session.close()
        for link in self.links:
            link.cut()
        self.lock.release()


def enter(
    world: World,
    key: str,
    *,
    side: int = 1,
    kind: str = "market",
    stop_ticks: int = 40,
    target_ticks: int | None = 80,
    away: int = 8,
) -> Enter:
    """What a strategy asks for: a bracketed entry now, or `away` ticks from the market."""
    type_ = {"market": OrderType.MARKET, "limit": OrderType.LIMIT, "stop": OrderType.STOP}[kind]
    price = None
    if kind == "limit":
        price = Ticks(world.price - side * away)
    elif kind == "stop":
        price = Ticks(world.price + side * away)
    return Enter(
        instance=Instance(ACCOUNT, STRATEGY), contract_id=MNQ.id, key=f"{ACCOUNT}|{STRATEGY}|{MNQ.id}|{key}",
        leg="entry", side=side, type=type_, entry=price, stop_ticks=stop_ticks, target_ticks=target_ticks,
        reference=Ticks(world.price), reason="test",
    )  # fmt: skip


def manual(world: World, key: str, **more: Any) -> PlaceOrder:
    """An operator's protected market order."""
    shape: dict[str, Any] = {
        "key": f"{ACCOUNT}|manual|{key}", "account_id": ACCOUNT, "contract_id": MNQ.id, "source": "manual",
        "kind": "BR", "side": 0, "type": OrderType.MARKET, "size": 1, "bracket": Bracket(40, 80),
        "created": TsNs(world.clock.now()),
    }  # fmt: skip
    return PlaceOrder(**{**shape, **more})


async def from_outside(world: World, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Somebody else's request with the same user's credentials, e.g. from the platform's own page."""
    login = {"userName": world.config.username, "apiKey": world.config.api_key}
    reply = world.venue.handle("POST", "/api/Auth/loginKey", _JSON, msgspec.json.encode(login))
    token = msgspec.json.decode(reply.body)["token"]
    reply = world.venue.handle(
        "POST", path, {**_JSON, "Authorization": f"Bearer {token}"}, msgspec.json.encode(body)
    )
    world.pump()
    answer: dict[str, Any] = msgspec.json.decode(reply.body)
    return answer


_JSON = {"Content-Type": "application/json"}
