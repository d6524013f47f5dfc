"""Carries out what a plan asks of machine and operator; the venue plays its own part of the script."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from bot.app.operations import BotOperations
from bot.model.errors import BotError
from bot.model.intents import Bracket, PlaceOrder
from bot.model.orders import OrderType
from bot.model.quantities import TsNs
from bot.model.times import SECOND
from bot.paper.script.play import Play
from tests.simulation.whole.machine import Machine, Process
from tests.simulation.whole.plan import Act, Plan
from tests.simulation.whole.world import ACCOUNT, World


class Stage:
    """`begin`, and `clear` when the day is over: then venue and machine are well again."""

    def __init__(self, plan: Plan, world: World, machine: Machine) -> None:
        self._plan, self._world, self._machine = plan, world, machine
        self._orders = 0
        self.play: Play

    @property
    def struck(self) -> int:
        """Steps of the script that were done."""
        return sum(self.play.done.values())

    def begin(self) -> None:
        """Set the script and the operator's acts going."""
        deeds = {
            "kill": self._kill, "sleep": self._sleep, "clock.jump": self._jump, "db.down": self._db_down,
            "db.slow": self._db_slow, "disk.full": self._disk_full,
        }  # fmt: skip
        handlers = dict.fromkeys(deeds, lambda verb, members: self._world.later(0, deeds[verb], members))
        self.play = self._world.venue.play(self._plan.script, machine=handlers)
        self._world.hurry()
        for act in self._plan.operator:
            self._world.at(int(act.at * SECOND), self._operate, act)

    def clear(self) -> None:
        """No fault is armed any more, and none follows."""
        venue = self._world.venue
        venue.stage.end()
        venue.inject({"fault": "clear"})
        for contract_id in self._world.market.contracts:
            venue.inject({"fault": "resume", "contract_id": contract_id})
        self._db_back()
        self._db_fast()
        self._room()
        self._machine.point = None
        self._world.hurry()

    def _kill(self, members: Mapping[str, Any]) -> None:
        self._machine.kill(members.get("point"))

    def _sleep(self, members: Mapping[str, Any]) -> None:
        self._machine.sleep(members["seconds"])

    def _jump(self, members: Mapping[str, Any]) -> None:
        self._machine.clock.jump(members["seconds"])

    def _db_down(self, members: Mapping[str, Any]) -> None:
        self._machine.store.kept.down = True
        if "seconds" in members:
            self._world.later(int(members["seconds"] * SECOND), self._db_back)

    def _db_slow(self, members: Mapping[str, Any]) -> None:
        self._machine.store.delay = members["delay"]
        if "seconds" in members:
            self._world.later(int(members["seconds"] * SECOND), self._db_fast)

    def _disk_full(self, members: Mapping[str, Any]) -> None:
        self._machine.fill_disk(full=True)
        if "seconds" in members:
            self._world.later(int(members["seconds"] * SECOND), self._room)

    def _db_back(self) -> None:
        self._machine.store.kept.down = False

    def _db_fast(self) -> None:
        self._machine.store.delay = 0.0

    def _room(self) -> None:
        self._machine.fill_disk(full=False)

    def _operate(self, act: Act) -> None:
        process = self._machine.process
        if process is None or not process.up or process.dead:
            return
        if act.do == "order":
            self._orders += 1
            process.errand(_order(process, act.members, self._orders))
        elif act.do == "flatten":
            process.errand(_asked(BotOperations(process.app).flatten(None, None, halt=False)))
        else:
            state = act.members["state"]
            process.errand(_asked(BotOperations(process.app).set_trading_state(state, "drill", "account")))


async def _order(process: Process, members: Mapping[str, Any], number: int) -> None:
    app = process.app
    contract = app.venue.contracts.resolve(members["root"])
    intent = PlaceOrder(
        key=f"{ACCOUNT.id}|manual|{process.world.plan.seed}-{number}", account_id=ACCOUNT.id,
        contract_id=contract.id, source="manual", kind="BR", side=members["side"], type=OrderType.MARKET,
        size=members["size"], bracket=Bracket(members["stop"], members["target"]),
        created=TsNs(app.venue.clock.now()),
    )  # fmt: skip
    await _asked(app.desk.submit(intent))


async def _asked(work: Awaitable[object]) -> None:
    """What the operator is refused, he reads; it is no failure."""
    try:
        await work
    except BotError:
        return
