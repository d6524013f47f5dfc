"""A stretch of one day with the whole bot on the paper venue, in virtual time; a test acts in between."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from bot.clock import VirtualClock
from bot.model.intents import Bracket, Outcome, PlaceOrder
from bot.model.orders import OrderType
from bot.model.quantities import Ticks, TsNs
from bot.model.times import parse_ts
from tests.simulation.loop import VirtualLoop, run
from tests.simulation.whole.machine import Machine, Process
from tests.simulation.whole.plan import Plan
from tests.simulation.whole.witness import Witness
from tests.simulation.whole.world import ACCOUNT, World

Work = Callable[[World, Machine, Process], Awaitable[None]]


def play(plan: Plan, work: Work) -> World:
    """Start the bot, let `work` act once it trades, stop it. The world stays to be asked."""
    clock, made = VirtualClock(parse_ts(plan.start)), list[World]()

    async def main(folder: Path) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        world = World(plan, clock, loop)
        made.append(world)
        machine = Machine(world, folder, Witness(world), lambda _: None)
        world.turn()
        keeper = loop.create_task(machine.run(), name="machine")
        process = await trading(machine)
        await work(world, machine, process)
        machine.ending = True
        if machine.process is not None and not machine.process.dead:
            await machine.process.stop()
        await keeper
        world.rest()

    with tempfile.TemporaryDirectory(prefix="day-") as folder:
        run(clock, main(Path(folder)))
    return made[0]


async def trading(machine: Machine, seconds: float = 60.0) -> Process:
    """The process that runs now, once it trades."""
    for _ in range(int(seconds / 0.1)):
        process = machine.process
        if process is not None and process.up and process.app.ready:
            return process
        await machine.world.clock.sleep(0.1)
    raise AssertionError("the bot does not trade")


async def order(
    process: Process, key: str, *, root: str = "MNQ", away: int = 0, side: int = 0, ticks: int = 160
) -> Outcome:
    """A protected order of the operator: at the market, or a limit `away` ticks on the better side of it."""
    app = process.app
    contract = app.venue.contracts.resolve(root)
    last = process.world.market.last(contract.id)
    assert last is not None
    outcome: Outcome = await app.desk.submit(
        PlaceOrder(
            key=f"{ACCOUNT.id}|manual|{key}", account_id=ACCOUNT.id, contract_id=contract.id, source="manual", kind="BR",
            side=side, type=OrderType.LIMIT if away else OrderType.MARKET, size=1,
            limit=Ticks(last + (-away if side == 0 else away)) if away else None,
            bracket=Bracket(ticks, ticks), created=TsNs(app.venue.clock.now()),
        )
    )  # fmt: skip
    return outcome


def working(world: World) -> list[int]:
    return [row.id for row in world.venue.judge.orders.values() if row.status in (1, 6, 7, 8)]


def nets(world: World) -> dict[str, int]:
    return {row.contract: row.net for row in world.venue.judge.positions.values() if row.net}
