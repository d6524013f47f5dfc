"""Random schedules of entries, moves of the market and faults; the standing assertions hold in all of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from bot.model.actions import CancelEntry, FlattenSymbol, Instance
from bot.trading.settings import TradingSettings
from tests.simulation.loop import run
from tests.simulation.witness import Witness
from tests.simulation.world import ACCOUNT, MNQ, STRATEGY, Process, World, enter

SEEDS = 150
FAULTS: list[dict[str, Any]] = [
    {"fault": "accept_then", "endpoint": "place", "how": 502, "count": 1},
    {"fault": "accept_then", "endpoint": "place", "how": "reset", "count": 2},
    {"fault": "accept_then", "endpoint": "cancel", "how": 500, "count": 1},
    {"fault": "accept_then", "endpoint": "close", "how": "empty", "count": 1},
    {"fault": "drop", "endpoint": "place", "count": 1},
    {"fault": "drop", "endpoint": "close", "count": 1},
    {"fault": "delay", "endpoint": "place", "after_s": 3, "count": 1},
    {"fault": "refuse", "endpoint": "place", "code": 2, "text": "no", "count": 1},
    {"fault": "http", "endpoint": "place", "status": 503, "count": 1},
    {"fault": "http", "endpoint": "query", "status": 500, "count": 2},
    {"fault": "http", "endpoint": "trades", "status": 500, "count": 3},
    {"fault": "hub.lose", "hub": "user", "seconds": 8},
    {"fault": "hub.lose", "hub": "user", "event": "position", "count": 1},
    {"fault": "hub.lose", "hub": "user", "event": "order", "count": 2},
    {"fault": "hub.drop", "hub": "user", "how": "close"},
    {"fault": "hub.drop", "hub": "user", "how": "tcp"},
    {"fault": "hub.late", "hub": "user", "seconds": 2, "count": 3},
    {"fault": "hub.dup", "hub": "user", "count": 5},
    {"fault": "children.missing", "count": 1},
    {"fault": "children.late", "seconds": 1.5, "count": 1},
]


def schedule(locks: Path, seed: int, legs: str) -> tuple[World, Process]:
    world, choice = World(seed), random.Random(seed)
    left: list[Process] = []

    async def main() -> None:
        process = Process(world, locks, Witness(), TradingSettings(bracket_mode=legs))  # type: ignore[arg-type]
        left.append(process)
        me = Instance(ACCOUNT, STRATEGY)
        with process.lock_released():
            desk = await process.start()
            await world.clock.sleep(1.0)
            keys: list[str] = []
            for number in range(12):
                if choice.random() < 0.6:
                    world.fault(**choice.choice(FAULTS))
                what = choice.random()
                if what < 0.5:
                    action = enter(
                        world, f"{number}", kind=choice.choice(("market", "limit", "stop")),
                        side=choice.choice((1, -1)), stop_ticks=choice.randint(20, 60),
                        target_ticks=choice.randint(20, 60), away=choice.randint(4, 20),
                    )  # fmt: skip
                    keys.append(action.key)
                    desk.act(action)
                elif what < 0.8:
                    world.push(choice.randint(-25, 25), choice.uniform(0.1, 2.0))
                elif what < 0.9 and keys:
                    desk.act(CancelEntry(instance=me, contract_id=MNQ.id, key=choice.choice(keys)))
                else:
                    desk.act(FlattenSymbol(instance=me, contract_id=MNQ.id, reason="schedule"))
                await world.clock.sleep(choice.uniform(0.0, 4.0))
            world.venue.faults.clear()
            await world.clock.sleep(60.0)
            positions = {row.contract: row.net for row in world.venue.judge.positions.values() if row.net}
            assert {at.contract_id: at.net for at in desk.picture.positions.open()} == positions
            working = {row.id for row in world.venue.judge.orders.values() if row.status in (1, 6, 7, 8)}
            assert {order.id for order in desk.picture.orders.working(ACCOUNT)} == working
            await process.stop()

    run(world.clock, main())
    return world, left[0]


@pytest.mark.parametrize("legs", ["native", "client"])
def test_standing_assertions_hold_in_random_schedules(locks: Path, legs: str) -> None:
    traded = 0
    for seed in range(SEEDS):
        world, process = schedule(locks, seed, legs)
        verdict = world.verdict()
        assert verdict["duplicate_orders"] == 0, seed
        assert verdict["tags_reused"] == 0, seed
        assert verdict["unprotected_longest_s"] <= 5.0, seed
        assert process.log.unsettled() == [], seed
        net = sum(row.net for row in world.venue.judge.positions.values())
        rows = [row for row in world.venue.judge.orders.values() if row.status == 1 and row.type in (4, 5)]
        legs_left = [row for row in rows if row.parent is not None or "-SL-" in (row.tag or "")]
        assert sum(row.size - row.filled for row in legs_left) == abs(net), seed
        traded += verdict["fills"]
    assert traded > SEEDS
