"""The desk as a whole: rows behind the order path, gaps of time, a clean stop, failures in later steps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.model.quantities import TsNs
from bot.trading.desk import Desk
from bot.trading.settings import TradingSettings
from tests.simulation.loop import run
from tests.simulation.memory_store import MemoryStore
from tests.simulation.witness import Witness
from tests.simulation.world import ACCOUNT, MNQ, Process, World, enter

Script = Callable[[World, Desk], Awaitable[None]]


def play(
    locks: Path,
    script: Script,
    listener: Any = None,
    legs: str = "native",
    store: MemoryStore | None = None,
) -> tuple[World, Process]:
    world = World(1)
    left: list[Process] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        settings = TradingSettings(bracket_mode=legs)  # type: ignore[arg-type]
        process = Process(world, locks, listener or Witness(), settings, store)
        left.append(process)
        with process.lock_released():
            desk = await process.start()
            await world.clock.sleep(1.0)
            await script(world, desk)
            await process.stop()

    run(world.clock, main())
    return world, left[0]


def test_intents_orders_fills_and_protection_reach_the_store_behind_the_order(locks: Path) -> None:
    store = MemoryStore()

    async def script(world: World, desk: Desk) -> None:
        desk.act(enter(world, "rows"))
        await world.clock.sleep(3.0)
        await desk.flatten(ACCOUNT)
        await world.clock.sleep(2.0)

    world, process = play(locks, script, store=store)

    async def read() -> None:
        entry = next(one for one in process.log.entries.values() if one.tag)
        row = await store.get_intent(entry.id)
        assert row is not None
        assert row["state"] == "filled"
        assert row["idempotency_key"] == entry.intent.key
        orders = {order.id: order.status for order in await store.get_orders(ACCOUNT)}
        assert orders == {row.id: row.status for row in world.venue.judge.orders.values()}
        fills = await store.get_fills(ACCOUNT, TsNs(0), TsNs(1 << 62))
        assert len(fills) == world.verdict()["fills"] == 2
        assert [row["state"] for row in await store.get_protection(ACCOUNT)] == ["flat"]

    assert process.outbox is not None
    assert process.outbox.rejected_count == 0, list(process.outbox.rejected)
    run(world.clock, read())


def test_f175_a_lost_database_stops_nothing(locks: Path) -> None:
    store = MemoryStore()

    async def script(world: World, desk: Desk) -> None:
        store.down = True
        desk.act(enter(world, "without"))
        await world.clock.sleep(3.0)
        assert desk.shield(ACCOUNT, MNQ.id) == "protected"
        result = await desk.flatten(ACCOUNT)
        assert result.verified
        store.down = False
        await world.clock.sleep(10.0)

    world, process = play(locks, script, store=store)
    assert world.verdict()["placed_orders"] == 2
    assert process.outbox is not None
    assert process.outbox.depth == 0


def test_f113_a_machine_that_slept_reconciles_before_it_trades(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(world: World, desk: Desk) -> None:
        wall = world.clock.host_now
        monkeypatch.setattr(world.clock, "host_now", lambda: wall() + 2_400_000_000_000)
        while "TIME_GAP" not in {notice.code for notice in desk.notices}:
            await world.clock.sleep(0.01)
        assert desk.view().accounts[ACCOUNT].colour == "amber"
        await world.clock.sleep(1.0)
        assert desk.view().accounts[ACCOUNT].colour == "green"
        assert [notice.code for notice in desk.notices].count("TIME_GAP") == 1

    play(locks, script)


def test_f210_a_clean_stop_takes_entries_along_whose_stop_only_the_bot_would_place(locks: Path) -> None:
    async def script(world: World, desk: Desk) -> None:
        desk.act(enter(world, "resting", kind="limit", away=50))
        await world.clock.sleep(2.0)

    kept, _ = play(locks, script, legs="native")
    gone, _ = play(locks, script, legs="client")
    assert kept.verdict()["working_orders"] == 3
    assert gone.verdict()["working_orders"] == 0


def test_a_strategy_that_starts_late_is_told_of_its_position(locks: Path) -> None:
    witness = Witness()

    async def script(world: World, desk: Desk) -> None:
        desk.act(enter(world, "late"))
        await world.clock.sleep(3.0)
        known = dict(witness.positions)
        assert known
        witness.positions.clear()
        desk.intake.tell_positions(ACCOUNT)
        assert witness.positions == known

    play(locks, script, witness)


class Broken(Witness):
    """A listener that fails in one of its methods."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_") and name == object.__getattribute__(self, "where"):
            raise RuntimeError(f"{name} is broken")
        return super().__getattribute__(name)


@pytest.mark.parametrize("where", ["on_order", "on_fill", "on_position", "on_known"])
def test_f005_an_exception_after_the_send_creates_no_second_order(locks: Path, where: str) -> None:
    async def script(world: World, desk: Desk) -> None:
        action = enter(world, "F5")
        desk.act(action)
        await world.clock.sleep(3.0)
        desk.act(action)
        await world.clock.sleep(20.0)
        assert "LISTENER_FAILED" in {notice.code for notice in desk.notices}

    world, process = play(locks, script, Broken(where))
    assert world.verdict()["placed_orders"] == 1
    assert world.verdict()["duplicate_orders"] == 0
    assert world.verdict()["unprotected_longest_s"] <= 5.0
    assert process.desk.shield(ACCOUNT, MNQ.id) == "protected"
