"""An exit that filled is the end of a position, not a position that lost its stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.trading.desk import Desk
from tests.simulation.test_protection import net, play
from tests.simulation.world import World, enter


def requests(world: World, path: str) -> int:
    return world.ledger().count(path.encode())


@pytest.mark.parametrize("legs", ["native", "client"])
@pytest.mark.parametrize("out", [-60, 100])
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("position", ["late", "lost"])
def test_a_stop_or_target_that_fills_is_not_taken_for_a_lost_stop(
    locks: Path, legs: str, out: int, side: int, position: str
) -> None:
    """The order's event comes before the position's, as at the venue, or the position's never comes."""

    async def script(world: World, desk: Desk) -> None:
        desk.act(enter(world, "X", side=side, stop_ticks=40, target_ticks=80))
        await world.clock.sleep(15.0)
        assert net(world) == 10 * side
        if position == "lost":
            world.fault(fault="hub.lose", event="position", seconds=3)
        else:
            world.fault(fault="hub.late", event="position", seconds=0.2, count=1)
        world.push(out * side, 0.2)
        await world.clock.sleep(10.0)

    world, desk = play(locks, script, 7, legs)
    assert net(world) == 0
    assert world.verdict()["violations"] == []
    assert [notice for notice in desk.notices if notice.code == "UNPROTECTED_CLOSE"] == []
    assert requests(world, "closeContract") == 0
    # The entry alone, and in client mode its two legs: nothing else was placed.
    assert world.verdict()["placed_orders"] == (3 if legs == "client" else 1)
    assert desk.picture.positions.open() == []
