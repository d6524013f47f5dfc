"""The same events in any order give the same picture, and the egress lets nothing pass twice."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from bot.legacy.order_execution import PythonOrderExecution
from bot.model.errors import StaleEpoch
from bot.model.events import FillReported, OrderChanged, StreamEvent
from bot.model.intents import ApprovedIntent, Denial
from bot.model.orders import Account
from bot.model.quantities import Money
from bot.trading.desk import Desk
from bot.trading.egress import NotSendable
from bot.trading.intent_log import IntentLog
from bot.trading.record_file import RecordFile
from tests.simulation.loop import run
from tests.simulation.media import MemoryMedium
from tests.simulation.witness import Witness
from tests.simulation.world import ACCOUNT, CALENDAR, MNQ, Process, World, enter, manual

SHUFFLES = 1_000


def test_f013_f059_shuffled_bursts_end_in_the_same_picture(locks: Path) -> None:
    world = World(3)
    events: list[StreamEvent] = []

    async def main() -> None:
        process = Process(world, locks, Witness())
        with process.lock_released():
            desk = await process.start()
            take = desk.on_event
            desk.on_event = lambda event: (events.append(event), take(event))[1]  # type: ignore[method-assign]
            await world.clock.sleep(1.0)
            desk.act(enter(world, "F59.0", kind="stop", away=4, stop_ticks=20))
            await world.clock.sleep(0.5)
            desk.act(enter(world, "F59.1", kind="limit", away=40, side=-1))
            await world.clock.sleep(0.5)
            world.push(6, 0.5)
            await world.clock.sleep(2.0)
            world.push(-40, 1.0)
            await world.clock.sleep(3.0)
            await process.stop()
        burst = [event for event in events if isinstance(event, OrderChanged | FillReported)]
        assert len(burst) > 10
        pictures = {shuffled(process, burst, seed) for seed in range(SHUFFLES)}
        assert len(pictures) == 1

    run(world.clock, main())


def shuffled(process: Process, burst: list[StreamEvent], seed: int) -> tuple[Any, ...]:
    """The picture after the burst in another order, with some events told twice."""
    choice = random.Random(seed)
    order = [*burst, *choice.sample(burst, 3)]
    if seed:
        choice.shuffle(order)
    log = IntentLog(RecordFile(MemoryMedium()), process.world.clock)
    log.replay()
    for entry in process.log.entries.values():
        log.record(entry.intent, entry.epoch)
    desk = Desk(
        rest=process.rest, gate=process.gate, execution=PythonOrderExecution(), log=log,
        clock=process.world.clock, contracts={MNQ.id: MNQ}, risk_day=CALENDAR.risk_day,
    )  # fmt: skip
    account = Account(ACCOUNT, "PRAC-V2-1", Money(0), True, True, True)
    desk.picture.accounts.add(account, process.world.clock.now(), "native")
    for event in order:
        desk.on_event(event)
    return (
        tuple(
            sorted((one.id, one.status, one.filled, one.stop, one.limit) for one in desk.picture.orders.all())
        ),
        tuple(fill.id for fill in desk.picture.fills.all()),
        tuple((entry.id, entry.state, entry.order_id) for entry in log.entries.values()),
        desk.picture.owner((ACCOUNT, MNQ.id)),
    )


def test_the_egress_sends_what_is_approved_recorded_leased_and_new(locks: Path) -> None:
    world = World(1)

    async def main() -> None:
        process = Process(world, locks, Witness())
        with process.lock_released():
            desk = await process.start()
            await world.clock.sleep(1.0)
            approved = desk.dispatch.approve(manual(world, "one"))
            assert not isinstance(approved, Denial)
            with pytest.raises(NotSendable, match="approved"):
                desk.egress.submit(manual(world, "one"), MNQ, "entry")  # type: ignore[arg-type]
            with pytest.raises(NotSendable, match="record"):
                desk.egress.submit(approved, MNQ, "entry")
            process.log.record(approved.intent, desk.egress.lease(ACCOUNT).epoch)
            await desk.egress.submit(approved, MNQ, "entry")
            with pytest.raises(NotSendable, match="never sent"):
                desk.egress.submit(approved, MNQ, "entry")
            await world.clock.sleep(1.0)
            other = desk.dispatch.approve(manual(world, "two"))
            assert isinstance(other, ApprovedIntent)
            process.log.record(other.intent, desk.egress.lease(ACCOUNT).epoch)
            process.desk.egress.grant(process.lock.mint())
            with pytest.raises(StaleEpoch):
                desk.egress.submit(other, MNQ, "entry")
            third = await desk.submit(manual(world, "three"))
            assert third.kind == "confirmed"
            process.lock.release()
            late = await desk.submit(manual(world, "four"))
            assert (late.kind, late.code) == ("denied", "STALE_EPOCH")
            await process.stop()

    run(world.clock, main())
    assert world.verdict()["placed_orders"] == 2
