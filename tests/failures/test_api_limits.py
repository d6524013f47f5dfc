"""Rows F167 to F172: the venue's request limits, documented endpoints only, a loop that nothing blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot.app.lag import LoopLag
from bot.model.actions import CancelEntry, Instance
from bot.model.errors import VenueUnreachable
from bot.model.times import HOUR, MILLISECOND, SECOND
from bot.paper.endpoints import ENDPOINTS
from bot.trading.desk import Desk
from tests.integration.gateway.conftest import Venue
from tests.simulation.loop import run
from tests.simulation.witness import Witness
from tests.simulation.world import ACCOUNT, MNQ, STRATEGY, Process, World, enter

ME = Instance(ACCOUNT, STRATEGY)
PLACE, CANCEL = ENDPOINTS["place"], ENDPOINTS["cancel"]
Script = Callable[[World, Process, Desk, Witness], Awaitable[None]]


def play(locks: Path, script: Script) -> World:
    world = World(1)

    async def main() -> None:
        witness = Witness()
        process = Process(world, locks, witness)
        with process.lock_released():
            desk = await process.start()
            await world.clock.sleep(1.0)
            await script(world, process, desk, witness)
            await process.stop()

    run(world.clock, main())
    return world


def drain(process: Process) -> None:
    """Leave nothing but what is reserved for safety."""
    while (slot := process.budget.try_take("entry")) is not None:
        slot.done()


def arrivals(world: World, path: str) -> list[int]:
    return [row["ts"] for row in world.venue.records()["requests"] if row["path"] == path]  # type: ignore[attr-defined]


def test_f168_a_cancel_is_sent_within_50_ms_of_a_drained_budget(locks: Path) -> None:
    async def script(world: World, process: Process, desk: Desk, witness: Witness) -> None:
        action = enter(world, "resting", kind="limit", away=50)
        desk.act(action)
        await world.clock.sleep(2.0)
        drain(process)
        waiting = [asyncio.ensure_future(process.rest.positions(ACCOUNT)) for _ in range(20)]
        history = [
            asyncio.ensure_future(
                process.rest.bars(MNQ.id, "1m", world.clock.now() - HOUR, world.clock.now(), 5)
            )
            for _ in range(80)
        ]
        await world.clock.sleep(1.0)
        assert not any(read.done() for read in waiting)
        assert process.budget.view()["history"]["waiting"] > 20
        asked = world.clock.now()
        desk.act(CancelEntry(instance=ME, contract_id=MNQ.id, key=action.key))
        await world.clock.sleep(1.0)
        assert [ts - asked <= 50 * MILLISECOND for ts in arrivals(world, CANCEL)] == [True]
        for read in (*waiting, *history):
            read.cancel()
        await asyncio.gather(*waiting, *history, return_exceptions=True)

    assert play(locks, script).verdict()["working_orders"] == 0


def test_f169_an_entry_without_budget_is_denied_at_once_and_never_sent_later(locks: Path) -> None:
    async def script(world: World, process: Process, desk: Desk, witness: Witness) -> None:
        drain(process)
        asked = world.clock.now()
        desk.act(enter(world, "late"))
        while not witness.denied:
            await world.clock.sleep(0.001)
        assert witness.codes() == ["LOCALLY_RATE_LIMITED"]
        assert world.clock.now() - asked < 10 * MILLISECOND
        await world.clock.sleep(120.0)
        assert arrivals(world, PLACE) == []
        desk.act(enter(world, "in time"))
        await world.clock.sleep(1.0)
        assert len(arrivals(world, PLACE)) == 1

    play(locks, script)


def test_f167_an_hour_with_positions_meets_no_limit(locks: Path) -> None:
    async def script(world: World, process: Process, desk: Desk, witness: Witness) -> None:
        for number in range(30):
            desk.act(enter(world, f"{number}"))
            await world.clock.sleep(60.0)
            await desk.flatten(ACCOUNT)
            await world.clock.sleep(60.0)

    verdict = play(locks, script).verdict()
    assert verdict["rate_limited"] == 0
    assert verdict["fills"] == 60
    assert verdict["requests"] > 500


async def test_f171_every_call_of_the_bot_is_a_documented_one(venue: Venue) -> None:
    """The gateway answers 404 to anything else, and its judge calls that a violation."""
    rest, now = venue.rest, venue.clock.now()
    contract = venue.registry.resolve("MNQ")
    await rest.accounts()
    await rest.contract(contract.id)
    await rest.open_orders(ACCOUNT)
    await rest.orders_since(ACCOUNT, now - HOUR)
    await rest.positions(ACCOUNT)
    await rest.fills(ACCOUNT, now - HOUR)
    for frame in ("5s", "1m", "1h", "1d"):
        await rest.bars(contract.id, frame, now - 24 * HOUR, now, 3)
    await venue.session.refresh((await venue.session.token()).revision)
    assert venue.paper.venue.verdict()["unknown_paths"] == 0
    called = {row["path"] for row in venue.paper.venue.records()["requests"]}  # type: ignore[attr-defined]
    assert called <= set(ENDPOINTS.values())
    assert len(called) >= 8


def test_f171_the_judge_calls_an_undocumented_path_a_violation(locks: Path) -> None:
    async def script(world: World, process: Process, desk: Desk, witness: Witness) -> None:
        for path in ("/api/Fill/search", "/api/Account/1001", "/api/MarketData/quote"):
            world.venue.handle("POST", path, {}, b"{}")

    assert play(locks, script).verdict()["unknown_paths"] == 3


@pytest.mark.parametrize("endpoint", ["positions", "bars", "accounts", "trades"])
async def test_f172_a_call_of_thirty_seconds_does_not_hold_the_loop(venue: Venue, endpoint: str) -> None:
    """At twenty venue seconds per second the call waits 1.5 s; the loop turns every 5 ms meanwhile."""
    contract, now = venue.registry.resolve("MNQ"), venue.clock.now()
    venue.fault(fault="delay", endpoint=endpoint, after_s=30, count=1)
    reads = {
        "positions": lambda: venue.rest.positions(1001),
        "bars": lambda: venue.rest.bars(contract.id, "1m", now - HOUR, now, 5),
        "accounts": lambda: venue.rest.accounts(),
        "trades": lambda: venue.rest.fills(1001, now - HOUR),
    }
    lag = LoopLag(venue.clock, beat_s=0.005)
    beating = asyncio.create_task(lag.run())
    began = venue.clock.now()
    await reads[endpoint]()
    beating.cancel()
    assert venue.clock.now() - began >= 30 * SECOND
    seen = lag.view()
    assert seen["samples"] > 50
    assert seen["p50_ms"] < 50, seen


async def test_f172_a_blocked_loop_shows_in_the_metric(venue: Venue) -> None:
    lag = LoopLag(venue.clock, beat_s=0.005)
    beating = asyncio.create_task(lag.run())
    await asyncio.sleep(0.02)
    until = venue.clock.host_mono() + 200 * MILLISECOND
    while venue.clock.host_mono() < until:
        pass
    await asyncio.sleep(0.02)
    beating.cancel()
    assert lag.view()["max_ms"] > 150


async def test_f167_a_429_is_counted_and_read_again_four_times_at_most(venue: Venue) -> None:
    venue.fault(fault="http", endpoint="positions", status=429, count=2)
    assert await venue.rest.positions(1001) == []
    assert venue.budget.counters["rate_limited"] == 2
    venue.fault(fault="http", endpoint="accounts", status=429, count=9)
    with pytest.raises(VenueUnreachable, match="429"):
        await venue.rest.accounts()
    assert venue.budget.counters["rate_limited"] == 6
