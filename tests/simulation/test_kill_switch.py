"""Stopping: by the owner, by what was missed, by a part that breaks. Nothing opens, nothing is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.model.errors import BotError
from bot.trading.desk import Desk
from tests.simulation.loop import run
from tests.simulation.memory_store import MemoryStore
from tests.simulation.test_protection import net, working_stops
from tests.simulation.witness import Witness
from tests.simulation.world import ACCOUNT, MNQ, STRATEGY, Process, World, enter

Script = Callable[[World, Desk, Process], Awaitable[None]]


def play(locks: Path, script: Script, seed: int = 1, **more: Any) -> tuple[World, Desk]:
    world = World(seed)
    desks: list[Desk] = []

    async def main() -> None:
        process = Process(world, locks, Witness(), **more)
        with process.lock_released():
            desks.append(await process.start())
            await world.clock.sleep(1.0)
            await script(world, desks[0], process)
            await process.stop()

    run(world.clock, main())
    return world, desks[0]


def colour(desk: Desk) -> str:
    return desk.view().accounts[ACCOUNT].colour


def codes(desk: Desk) -> set[str]:
    return {notice.code for notice in desk.notices}


@pytest.mark.parametrize("how", ["command", "file", "reducing", "failed rounds"])
def test_a_resting_entry_does_not_outlive_a_halt(locks: Path, tmp_path: Path, how: str) -> None:
    async def script(world: World, desk: Desk, process: Process) -> None:
        desk.act(enter(world, "resting", kind="stop", away=30))
        await world.clock.sleep(3.0)
        assert any(desk.picture.orders.is_entry(order) for order in desk.picture.orders.working(ACCOUNT))
        if how == "file":
            (tmp_path / "HALT").write_text("enough")
        elif how == "failed rounds":
            world.fault(fault="http", endpoint="accounts", status=500, count=30)
            for _ in range(5):
                await desk.reconcile(ACCOUNT, "test")
        else:
            await desk.set_state("HALTED" if how == "command" else "REDUCING", "enough", "operator")
        await world.clock.sleep(3.0)
        assert not any(desk.picture.orders.is_entry(order) for order in desk.picture.orders.working(ACCOUNT))
        world.push(40, 0.5)
        await world.clock.sleep(3.0)
        assert net(world) == 0

    world, _ = play(locks, script, halt_file=tmp_path / "HALT")
    assert world.verdict()["fills"] == 0


def test_a_halt_leaves_a_position_its_stop(locks: Path) -> None:
    async def script(world: World, desk: Desk, process: Process) -> None:
        desk.act(enter(world, "held"))
        await world.clock.sleep(5.0)
        await desk.set_state("HALTED", "enough", "operator")
        await world.clock.sleep(20.0)

    world, _ = play(locks, script)
    assert working_stops(world) == net(world) > 0
    assert world.verdict()["violations"] == []


def test_f175_a_halt_set_without_database_is_in_it_once_it_is_back(locks: Path) -> None:
    store = MemoryStore()

    async def script(world: World, desk: Desk, process: Process) -> None:
        store.down = True
        await desk.set_state("HALTED", "enough", "operator")
        await world.clock.sleep(30.0)
        store.down = False
        await world.clock.sleep(10.0)
        row = await store.get_trading_state("global")
        assert row is not None
        assert (row["state"], row["reason"]) == ("HALTED", "enough")
        assert not desk.halts.unsaved
        await desk.set_state("ACTIVE", "go on", "operator")
        row = await store.get_trading_state("global")
        assert row is not None
        assert row["state"] == "ACTIVE"

    play(locks, script, store=store)


def test_an_overflowing_user_hub_is_a_hub_that_is_down(locks: Path) -> None:
    async def script(world: World, desk: Desk, process: Process) -> None:
        assert desk.view().accounts[ACCOUNT].hub_ok
        desk.hub_state("user", "overflow", 1, "more records than can wait")
        await world.clock.sleep(3.0)
        assert colour(desk) == "green"
        assert not desk.view().accounts[ACCOUNT].hub_ok
        desk.act(enter(world, "while it is down"))
        await world.clock.sleep(2.0)
        desk.hub_state("user", "up", 2, "")
        assert desk.view().accounts[ACCOUNT].hub_ok

    world, desk = play(locks, script)
    assert world.verdict()["placed_orders"] == 0
    assert any("HUB_DEGRADED" in notice.detail for notice in desk.notices if notice.code == "DENIED")


def test_a_doubt_during_a_round_is_not_answered_by_that_round(locks: Path) -> None:
    seen: list[tuple[str, str]] = []

    async def script(world: World, desk: Desk, process: Process) -> None:
        world.fault(fault="delay", endpoint="positions", after_s=1.0, count=1)
        under_way = asyncio.ensure_future(desk.reconcile(ACCOUNT, "first"))
        await world.clock.sleep(0.5)
        desk.doubt("something came meanwhile")
        await under_way
        seen.append((colour(desk), desk.picture.accounts.all()[0].reason))
        await world.clock.sleep(2.0)
        seen.append((colour(desk), ""))

    play(locks, script)
    assert seen == [("amber", "something came meanwhile"), ("green", "")]


def test_f208_a_part_that_breaks_is_told_and_the_others_go_on(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect in a poll, in a round and in a look: the watchdog still holds, and green comes back."""

    async def script(world: World, desk: Desk, process: Process) -> None:
        real = desk.reader.positions
        broken = {"on": True}

        async def positions(account_id: int, lane: Any = "read") -> None:
            if broken["on"]:
                raise RuntimeError("a defect")
            await real(account_id, lane)

        monkeypatch.setattr(desk.reader, "positions", positions)
        with pytest.raises(RuntimeError):
            await desk.reconcile(ACCOUNT, "test")
        await world.clock.sleep(0.1)
        assert colour(desk) == "red"
        desk.act(enter(world, "denied"))
        broken["on"] = False
        await world.clock.sleep(20.0)
        assert colour(desk) == "green"
        look = desk.watchdog.look
        monkeypatch.setattr(desk.watchdog, "look", lambda at: 1 / 0)
        desk._tick()
        await world.clock.sleep(3.0)
        monkeypatch.setattr(desk.watchdog, "look", look)
        world.fault(fault="children.missing", count=1)
        desk.act(enter(world, "goes"))
        await world.clock.sleep(5.0)
        assert working_stops(world) == abs(net(world)) > 0

    world, desk = play(locks, script)
    assert "TASK_FAILED" in codes(desk)
    assert world.verdict()["violations"] == []


def test_a_search_with_a_defect_goes_on(locks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(world: World, desk: Desk, process: Process) -> None:
        calls = iter([RuntimeError("a defect"), BotError("down")])
        real = desk.reader.orders

        async def orders(account_id: int, lane: Any = "read") -> bool:
            if lane == "safety" and (problem := next(calls, None)) is not None:
                raise problem
            return await real(account_id, lane)

        monkeypatch.setattr(desk.reader, "orders", orders)
        world.fault(fault="hub.lose", hub="user", seconds=20)
        world.fault(fault="drop", endpoint="place", count=1)
        desk.act(enter(world, "U", kind="stop", away=30))
        await world.clock.sleep(30.0)
        assert list(desk.log.unsettled()) == []

    world, desk = play(locks, script)
    assert "TASK_FAILED" in codes(desk)
    assert world.verdict()["placed_orders"] == 1


def test_after_the_stop_nothing_is_begun_any_more(locks: Path) -> None:
    async def script(world: World, desk: Desk, process: Process) -> None:
        desk.act(enter(world, "held"))
        await world.clock.sleep(5.0)
        before = len(asyncio.all_tasks())
        await desk.stop()
        after = asyncio.all_tasks()
        desk.hub_state("user", "down", 1, "stopped")
        desk.doubt("late")
        await world.clock.sleep(20.0)
        assert len(after) < before
        assert asyncio.all_tasks() <= after

    play(locks, script)


def test_the_end_waits_for_cancels_and_proves_the_stops(locks: Path) -> None:
    async def script(world: World, desk: Desk, process: Process) -> None:
        desk.act(enter(world, "resting", kind="stop", away=30))
        await world.clock.sleep(3.0)
        left = await desk.depart(ACCOUNT, {STRATEGY}, 0.5)
        assert "still works" in left[0]
        assert "UNPROTECTED_AT_EXIT" in codes(desk)
        desk.actor.cancel_entries(ACCOUNT, "stop")
        assert await desk.depart(ACCOUNT, {STRATEGY}, 5.0) == []
        await world.clock.sleep(65.0)
        desk.act(enter(world, "held"))
        await world.clock.sleep(3.0)
        assert await desk.depart(ACCOUNT, {STRATEGY}, 5.0) == []
        world.fault(fault="http", endpoint="positions", status=500, count=1000)
        assert await desk.depart(ACCOUNT, {STRATEGY}, 3.0) == ["the venue did not confirm it"]
        world.venue.faults.clear()

    world, _ = play(locks, script)
    assert working_stops(world) == net(world) > 0


@pytest.mark.parametrize("late", [0.0, 0.5])
def test_closes_of_one_position_from_several_sides_are_one(locks: Path, late: float) -> None:
    """The end of day, a strategy and a hand at once; close calls carry no tag, so two could both act."""

    async def script(world: World, desk: Desk, process: Process) -> None:
        desk.act(enter(world, "held"))
        await world.clock.sleep(20.0)
        world.fault(fault="hub.lose", hub="user", seconds=0.8)
        world.fault(fault="lag", endpoint="positions", seconds=0.7)
        if late:
            world.fault(fault="delay", endpoint="close", after_s=late, count=9)
        work = [desk.flatten(ACCOUNT), desk.flatten(ACCOUNT, MNQ.id), desk.flatten(ACCOUNT)]
        flattens = asyncio.gather(*work)
        await world.clock.sleep(0.85)
        assert world.ledger().count(b"closeContract") == 1
        world.venue.faults.clear()
        assert all(result.verified for result in await flattens)

    world, _ = play(locks, script)
    assert net(world) == 0
    assert world.verdict()["violations"] == []
