"""Group C and F12: a process may die anywhere; the next one neither repeats nor forgets."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.trading.desk import Desk
from bot.trading.intent_log import IntentLog
from bot.trading.reader import Reader
from tests.simulation.loop import run
from tests.simulation.media import MemoryMedium
from tests.simulation.witness import Witness
from tests.simulation.world import ACCOUNT, MNQ, STRATEGY, Killed, Process, World, enter

Script = Callable[[World, Desk], Awaitable[None]]
POINTS = (
    ("before a write", 1), ("inside a write", 1), ("after a write", 1),
    ("inside a write", 2), ("after a write", 2), ("before the request leaves", 1),
    ("the venue has the order", 1), ("the reply is here", 1), ("inside a write", 3),
)  # fmt: skip
"""Where the process dies: writes are those after the decision (intent, sent, what came of it)."""
SEEDS = 1_000
NEVER_LEFT = POINTS[2:6]
"""Recorded and not sent: the key is used up and no order exists."""
QUICK = 8


def one_life(
    locks: Path, seed: int, point: tuple[str, int], forget: bool = False
) -> tuple[World, Process | None]:
    """Decide, die at the point, start again, meet the same signal again, and let a minute pass."""
    world = World(seed, profile="realistic" if seed % 3 else "fast")
    choice = random.Random(seed)
    kind = choice.choice(("market", "limit", "stop"))
    side = choice.choice((1, -1))
    left: list[Process] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(_deaths_are_quiet)
        process = Process(world, locks, Witness())
        desk = await process.start()
        await world.clock.sleep(choice.uniform(0.6, 1.6))
        action = enter(world, "F12", kind=kind, side=side, away=choice.randint(6, 60))
        world.probe = countdown(process, *point)
        with contextlib.suppress(Killed):
            desk.act(action)
        await asyncio.wait(
            [asyncio.ensure_future(world.killed.wait()), asyncio.ensure_future(world.clock.sleep(30.0))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        assert process.dead, "the point was never passed"
        world.probe = lambda _: None
        await process.bury()
        if forget:
            world.medium = MemoryMedium()
        await world.clock.sleep(choice.uniform(0.0, 4.0))
        second = Process(world, locks, Witness())
        left.append(second)
        desk = await second.start()
        await world.clock.sleep(1.1)
        desk.act(action)
        await world.clock.sleep(choice.uniform(1.0, 3.0))
        desk.act(action)
        await world.clock.sleep(45.0 if second.log.unsettled() else 6.0)
        await second.stop()

    run(world.clock, main())
    return world, left[0]


def countdown(process: Process, name: str, count: int) -> Callable[[str], None]:
    """Die when the point is passed for the `count`-th time."""
    passed = {"n": 0}

    def probe(point: str) -> None:
        if point == name:
            passed["n"] += 1
            if passed["n"] == count:
                process.die()

    return probe


def check(world: World, process: Process, seed: int) -> None:
    verdict = world.verdict()
    assert verdict["duplicate_orders"] == 0, seed
    assert verdict["tags_reused"] == 0, seed
    assert process.log.unsettled() == [], seed
    assert verdict["unprotected_longest_s"] <= 6.0, seed
    positions = {row.contract: row.net for row in world.venue.judge.positions.values() if row.net}
    assert {at.contract_id: at.net for at in process.desk.picture.positions.open()} == positions, seed


@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point[0]} {point[1]}".replace(" ", "_"))
def test_f012_killed_anywhere_nothing_is_repeated_and_nothing_stays_open(
    locks: Path, point: tuple[str, int]
) -> None:
    for seed in range(SEEDS):
        world, process = one_life(locks, seed, point)
        assert process is not None
        check(world, process, seed)
        assert world.verdict()["placed_orders"] == (0 if point in NEVER_LEFT else 1), seed


def test_f012_twin_without_the_log_the_signal_is_sent_again(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(IntentLog, "adopt_tag", lambda self, account_id, tag: None)
    repeated = 0
    for seed in range(QUICK):
        world, _ = one_life(locks, seed, ("the reply is here", 1), forget=True)
        repeated += world.verdict()["tags_reused"]
    assert repeated > 0


def test_without_the_log_the_venues_tags_stop_a_repeat(locks: Path) -> None:
    for seed in range(QUICK):
        world, process = one_life(locks, seed, ("the reply is here", 1), forget=True)
        assert process is not None
        check(world, process, seed)


def open_position(
    locks: Path, seed: int, side: int, meanwhile: Script | None = None
) -> tuple[World, Process, Witness]:
    """A protected position, a kill, perhaps something in between, a restart."""
    world, witness = World(seed), Witness()
    left: list[Process] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(_deaths_are_quiet)
        first = Process(world, locks, Witness())
        desk = await first.start()
        await world.clock.sleep(1.0)
        desk.act(enter(world, "F52", side=side, stop_ticks=world.random.randint(20, 90)))
        await world.clock.sleep(world.random.uniform(0.1, 20.0))
        first.die()
        await first.bury()
        if meanwhile is not None:
            await meanwhile(world, desk)
        await world.clock.sleep(world.random.uniform(0.0, 300.0))
        second = Process(world, locks, witness)
        left.append(second)
        await second.start()
        await world.clock.sleep(2.0)
        await second.stop()

    run(world.clock, main())
    return world, left[0], witness


def believed(witness: Witness) -> int:
    return witness.positions.get((STRATEGY, MNQ.id), (0, None))[0]


def held(world: World) -> int:
    return sum(row.net for row in world.venue.judge.positions.values())


@pytest.mark.parametrize("side", [1, -1])
def test_f052_a_restart_adopts_the_position_and_the_strategy_knows_it(locks: Path, side: int) -> None:
    for seed in range(100):
        world, process, witness = open_position(locks, seed, side)
        assert held(world) * side > 0, seed
        assert process.desk.picture.positions.net(ACCOUNT, MNQ.id) == held(world), seed
        assert believed(witness) == held(world), seed
        assert process.desk.shield(ACCOUNT, MNQ.id) == "protected", seed
        assert world.verdict()["placed_orders"] == 1, seed


def test_f052_twin_without_the_position_read_the_strategy_believes_it_is_flat(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(self: Reader, account_id: int, lane: Any = "read") -> None:
        return None

    monkeypatch.setattr(Reader, "positions", nothing)
    world, _, witness = open_position(locks, 4, 1)
    assert believed(witness) != held(world)


def test_f053_working_and_suspended_orders_survive_a_restart(locks: Path) -> None:
    for seed in range(20):
        world = World(seed)

        async def main(world: World = world) -> None:
            asyncio.get_running_loop().set_exception_handler(_deaths_are_quiet)
            first = Process(world, locks, Witness())
            desk = await first.start()
            await world.clock.sleep(1.0)
            for number, kind in enumerate(("limit", "stop", "limit")):
                desk.act(enter(world, f"F53.{number}", kind=kind, away=50 + number))
                await world.clock.sleep(world.random.uniform(0.1, 1.0))
            await world.clock.sleep(1.0)
            first.die()
            await first.bury()
            await world.clock.sleep(world.random.uniform(0.0, 600.0))
            second = Process(world, locks, Witness())
            desk = await second.start()
            await world.clock.sleep(1.0)
            ours = {order.id: order.status for order in desk.picture.orders.working(ACCOUNT)}
            rows = world.venue.judge.orders.values()
            assert ours == {row.id: row.status for row in rows if row.status in (1, 6, 7, 8)}
            assert len(ours) == 9
            assert second.log.unsettled() == []
            await second.stop()

        run(world.clock, main())


def test_a_stop_that_filled_while_nobody_looked_is_known_after_the_restart(locks: Path) -> None:
    async def meanwhile(world: World, desk: Desk) -> None:
        world.push(-150, 2.0)
        await world.clock.sleep(5.0)

    world, process, witness = open_position(locks, 7, 1, meanwhile)
    assert held(world) == 0
    assert believed(witness) == 0
    assert process.desk.picture.orders.working(ACCOUNT) == []


def test_f127_a_halt_survives_in_either_store(locks: Path) -> None:
    world = World(1)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(_deaths_are_quiet)
        first = Process(world, locks, Witness())
        desk = await first.start()
        await desk.set_state("HALTED", "enough", "operator")
        first.die()
        await first.bury()
        witness = Witness()
        second = Process(world, locks, witness)
        desk = await second.start()
        await world.clock.sleep(1.0)
        assert desk.halts.effective(ACCOUNT) == ("HALTED", "enough")
        desk.act(enter(world, "halted"))
        assert witness.codes() == ["HALTED"]
        await desk.set_state("ACTIVE", "looked at it", "operator")
        desk.act(enter(world, "resumed"))
        await world.clock.sleep(1.0)
        await second.stop()

    run(world.clock, main())
    assert world.verdict()["placed_orders"] == 1


def _deaths_are_quiet(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), Killed):
        loop.default_exception_handler(context)
