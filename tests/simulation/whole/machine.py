"""One simulated machine: its disk and database outlive the bot's processes, one of which runs at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any

from bot.app.application import Application
from bot.app.venue import Addresses, Venue
from bot.app.wires import Wires
from bot.clock import Clock
from bot.config.settings import Settings, load
from bot.legacy.database.outbox import Alarm
from bot.trading.intent_log import Durability, IntentLog
from bot.trading.lease import AccountLock
from bot.trading.record_file import Damage, RecordFile
from tests.simulation.loop import PROCESS, Killed
from tests.simulation.media import MemoryMedium, MortalMedium, inline
from tests.simulation.memory_store import MemoryStore
from tests.simulation.whole.clock import MachineClock
from tests.simulation.whole.storage import MemoryStorage, SlowStore
from tests.simulation.whole.wires import MemoryLine, MemoryLink, MemoryWire
from tests.simulation.whole.witness import Witness
from tests.simulation.whole.world import API_KEY, World

RESTART_S = 3.0
"""How long the owner takes to start the bot again."""


class Machine:
    """`run` keeps a bot running until `ending` is set; faults of the machine act through the other methods."""

    def __init__(self, world: World, folder: Path, witness: Witness, secret: Callable[[str], None]) -> None:
        self.world, self.folder, self.witness, self.secret = world, folder, witness, secret
        self.clock = MachineClock(world.clock)
        self.medium = MemoryMedium()
        self.store = SlowStore(MemoryStore(world.clock.now()), self.clock)
        self.settings = _settings(world, folder)
        self.process: Process | None = None
        self.processes: list[Process] = []
        self.ending = False
        self.point: str | None = None

    async def run(self) -> None:
        """Start the bot, and again after each end."""
        while not self.ending:
            process = self.process = Process(self, len(self.processes) + 1)
            self.processes.append(process)
            self.point = None
            process.start()
            await process.ended.wait()
            self.witness.down(self.world.clock.now())
            if not self.ending:
                await self.world.clock.sleep(RESTART_S)

    def kill(self, point: str | None = None) -> None:
        """At once, or when the process passes `point` next."""
        if point is not None:
            self.point = point
        elif self.process is not None:
            self.process.kill()

    def sleep(self, seconds: float) -> None:
        """The machine stands still while the venue goes on."""
        if self.process is not None and not self.process.dead:
            self.witness.asleep(self.world.clock.now(), seconds)
            self.world.loop.stand_still(self.process.number, seconds)

    def fill_disk(self, *, full: bool) -> None:
        self.medium.room = len(self.medium.data) if full else None


class Process:
    """`bot run` in memory: the application as the command makes it, with wires of memory."""

    def __init__(self, machine: Machine, number: int) -> None:
        self.machine, self.world, self.number = machine, machine.world, number
        self.witness = machine.witness
        self.dead = self.up = False
        self.ended = asyncio.Event()
        self.problem: BaseException | None = None
        self.links: list[MemoryLink] = []
        self._locks: list[AccountLock] = []
        self._context = copy_context()
        self._context.run(PROCESS.set, number)
        self.app: Application = self._context.run(self._application)
        self._errands: list[asyncio.Task[Any]] = []

    def start(self) -> None:
        task = self.world.loop.create_task(self._main(), name="main", context=self._context)
        task.add_done_callback(self._over, context=self.world.context)

    def enter(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Run something as the process does."""
        self._context.copy().run(work, *arguments)

    def errand(self, work: Coroutine[Any, Any, Any]) -> None:
        """An operator's request, while the process runs."""
        task = self.world.loop.create_task(work, name="operator", context=self._context)
        self._errands.append(task)

    def alive(self) -> None:
        """A dead process does nothing. Raises Killed."""
        if self.dead:
            raise Killed

    def pass_(self, point: str) -> None:
        """A place in the process's work at which it may be killed."""
        if self.machine.point == point and not self.dead:
            self.kill()
        if self.dead and PROCESS.get() == self.number:
            raise Killed

    def kill(self) -> None:
        """`kill -9`: no line of it runs any more; lock and sockets are the operating system's again."""
        if self.dead or self.ended.is_set():
            return
        self.dead = True
        self.world.loop.kill(self.number)
        for link in self.links:
            link.cut()
        for lock in self._locks:
            lock.release()
        self.world.later(0, self.ended.set)
        self.witness.killed()

    async def stop(self) -> None:
        """Ask it to end, as SIGTERM does, and wait."""
        self.app.stopping.set()
        await self.ended.wait()

    async def _main(self) -> None:
        app = self.app
        if not await app.start_or_stop():
            return
        self.up = True
        self.witness.up(self.world.clock.now(), app)
        try:
            await app.wait()
        finally:
            for task in self._errands:
                task.cancel()
            await app.stop()

    def _over(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self.problem = task.exception()
        self.ended.set()

    def _application(self) -> Application:
        machine = self.machine
        wires = Wires(
            connect=self._connect, hub=partial(MemoryWire, self.world, self), storage=self._storage,
            intents=self._intents, lock=self._lock, threads=False,
        )  # fmt: skip
        return Application(machine.settings, serve=False, secret=machine.secret, wires=wires)

    async def _connect(self, settings: Settings) -> Venue:
        base = "http://127.0.0.1"
        addresses = Addresses(base, f"{base}/hubs/user", f"{base}/hubs/market", paper=True)
        venue = Venue(addresses, self.machine.clock, settings, MemoryLine(self.world, self))
        await venue.session.login()
        return venue

    def _storage(self, settings: Settings, clock: Clock, folder: Path, alarm: Alarm) -> MemoryStorage:
        return MemoryStorage(self.machine.store, clock, alarm, settings.database.grace)

    def _intents(self, folder: Path, clock: Clock, durability: Durability) -> tuple[IntentLog, Damage | None]:
        medium = MortalMedium(self.machine.medium, self.pass_, self.alive)
        log = IntentLog(RecordFile(medium), clock, durability=durability, offload=inline)
        return log, log.replay()

    def _lock(self, user: str, account_id: int) -> AccountLock:
        lock = AccountLock.acquire(user, account_id, self.machine.folder / "locks")
        self._locks.append(lock)
        return lock


def _settings(world: World, folder: Path) -> Settings:
    return load(
        [], {"PROJECT_X_USERNAME": world.config.username, "PROJECT_X_API_KEY": API_KEY},
        {
            "state.folder": str(folder / "state"), "gateway.profile": "paper",
            "gateway.rest_url": "http://127.0.0.1:1", "strategies.overnight_range.enabled": True,
            "strategies.overnight_range.symbols": list(world.plan.roots),
            "strategies.overnight_range.breakeven_points_by_symbol": "MNQ:10,MES:5",
        },
        folder=folder,
    )  # fmt: skip
