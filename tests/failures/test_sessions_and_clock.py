"""Rows F105 to F114: sessions, holidays, the cut, and clocks that sleep or step."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, time
from pathlib import Path

import pytest

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import CT, ET, to_wall, wall_to_ns
from bot.model.codes import Code
from bot.model.intents import Denial
from bot.model.quantities import TsNs
from bot.model.risk import StrategyPolicy
from bot.model.times import HOUR, SECOND, format_ts
from bot.risk.gate import Gate
from tests.failures.whole_day import nets, order, play, trading, working
from tests.simulation.whole.machine import Machine, Process
from tests.simulation.whole.plan import Plan
from tests.simulation.whole.world import World
from tests.unit.risk.picture import Picture

CALENDAR = SessionCalendar.shipped()


@pytest.mark.parametrize("half_hour", range(48))
def test_f106_a_window_over_midnight_holds_its_start_and_not_its_end(half_hour: int) -> None:
    """18:00 to 09:30 New York time, asked at each half hour and at the last nanosecond before it."""
    at = time(half_hour // 2, 30 * (half_hour % 2))
    for now in (wall_to_ns(date(2025, 11, 5), at, ET), TsNs(wall_to_ns(date(2025, 11, 5), at, ET) - 1)):
        picture = Picture(now)
        picture.policy = StrategyPolicy(trading_start=time(18), trading_end=time(9, 30))
        got = Gate(CALENDAR).approve(picture.entry(), picture.view(), now)
        code = got.code if isinstance(got, Denial) else None
        wall = to_wall(now, ET).time()
        if time(17) <= wall < time(18):
            assert code == Code.MARKET_CLOSED, wall
        else:
            assert (code == Code.OUTSIDE_WINDOW) is (time(9, 30) <= wall < time(17)), wall


ZONES = ("UTC", "America/Chicago", "Asia/Tokyo", "Pacific/Auckland", "Asia/Kathmandu")
RUN = """
from tests.simulation.whole.plan import Plan
from tests.simulation.whole.run import simulate
result = simulate(Plan(seed=3, minutes=3.5, start="2025-11-04T14:28:30Z", scenario="breakout"))
assert result.strategy_orders >= 2, result
print(result.digest, result.failures)
"""


def test_f105_the_machines_zone_changes_no_decision() -> None:
    root = Path(__file__).parents[2]
    runs = [
        subprocess.Popen([sys.executable, "-c", RUN], cwd=root, env={**os.environ, "TZ": zone}, stdout=subprocess.PIPE)
        for zone in ZONES
    ]  # fmt: skip
    seen = {zone: one.communicate(timeout=300)[0] for zone, one in zip(ZONES, runs, strict=True)}
    assert [one.returncode for one in runs] == [0] * len(ZONES)
    assert len(set(seen.values())) == 1, seen


@pytest.mark.parametrize(
    ("day", "stop", "flat"),
    [
        (date(2025, 11, 4), time(15), time(15, 8)),
        (date(2025, 7, 2), time(15), time(15, 8)),
        (date(2025, 11, 28), time(11, 55), time(12, 3)),
        (date(2025, 11, 27), time(11, 40), time(11, 48)),
    ],
    ids=["winter", "summer", "half day", "holiday"],
)
def test_f111_f112_everything_is_flat_before_the_cut_of_the_day(day: date, stop: time, flat: time) -> None:
    """A position, a resting entry; no entry from `stop` on, flat and empty before `flat`, by the ledger."""
    begins, ends = wall_to_ns(day, stop, CT), wall_to_ns(day, flat, CT)

    async def work(world: World, machine: Machine, process: Process) -> None:
        assert (await order(process, "held")).kind == "confirmed"
        assert (await order(process, "resting", root="MES", away=200)).kind == "confirmed"
        await world.clock.sleep(5.0)
        assert list(nets(world).values()) == [1]
        await world.clock.sleep((begins - world.clock.now()) / SECOND + 1.0)
        late = await order(process, "late", root="MES", away=200)
        assert (late.kind, late.code) == ("denied", Code.PAST_CUTOFF)
        assert list(nets(world).values()) == [1], "the stop of entries closes nothing"
        await world.clock.sleep((ends - world.clock.now()) / SECOND)
        assert (nets(world), working(world)) == ({}, [])

    plan = Plan(seed=5, start=format_ts(begins - 240 * SECOND), scenario="quiet")
    world = play(plan, work)
    closes = [row for row in world.venue.judge.orders.values() if row.origin == "cut"]
    assert closes == [], "the venue had nothing left to close"


def test_f113_a_fill_during_forty_minutes_of_sleep_is_found_protected_before_anything_is_sent() -> None:
    async def work(world: World, machine: Machine, process: Process) -> None:
        assert (await order(process, "rests", away=8)).kind == "confirmed"
        contract = process.app.venue.contracts.resolve("MNQ")
        last = world.market.last(contract.id)
        assert last is not None
        machine.sleep(2400.0)
        world.later(600 * SECOND, world.venue.push, contract.id, last - 40, 5.0)
        world.later(600 * SECOND, world.hurry)
        await world.clock.sleep(2399.0)
        assert list(nets(world).values()) == [1]
        placed = world.venue.judge.placed
        await world.clock.sleep(4.0)
        after = await trading(machine)
        assert world.venue.judge.placed == placed, "nothing was sent on the old picture"
        await world.clock.sleep(10.0)
        desk = after.app.desk
        assert desk.view().accounts[1001].colour == "green"
        assert desk.shield(1001, contract.id) == "protected"
        assert "TIME_GAP" in {notice.code for notice in desk.notices}
        assert desk.picture.positions.net(1001, contract.id) == 1

    play(Plan(seed=7, start="2025-11-04T15:40:00Z", scenario="quiet"), work)


@pytest.mark.parametrize("hours", [1, -1])
def test_f114_a_wall_clock_set_by_an_hour_sends_nothing_early_or_late(hours: int) -> None:
    """Before the open, over the open: the strategy's hour is wrong, so nothing leaves; exits still do."""

    async def work(world: World, machine: Machine, process: Process) -> None:
        assert (await order(process, "held", root="MES")).kind == "confirmed"
        await world.clock.sleep(30.0)
        machine.clock.jump(hours * 3600)
        placed = world.venue.judge.placed
        await world.clock.sleep(10.0)
        desk = process.app.desk
        assert {"TIME_GAP", "CLOCK_SKEW"} <= {notice.code for notice in desk.notices}
        denied = await order(process, "wrong hour")
        assert (denied.kind, denied.code) == ("denied", Code.CLOCK_SKEW)
        await world.clock.sleep(300.0)
        assert world.venue.judge.placed == placed
        assert desk.shield(1001, process.app.venue.contracts.resolve("MES").id) == "protected"
        assert (await desk.flatten(1001)).verified
        machine.clock.jump(-hours * 3600)
        await world.clock.sleep(30.0)
        assert (await order(process, "right hour")).kind == "confirmed"

    play(Plan(seed=9, start="2025-11-04T14:27:30Z", scenario="breakout"), work)


def test_f114_a_clock_an_hour_slow_does_not_delay_the_end_of_the_day() -> None:
    async def work(world: World, machine: Machine, process: Process) -> None:
        assert (await order(process, "held")).kind == "confirmed"
        machine.clock.jump(-3600)
        flat = wall_to_ns(date(2025, 11, 4), time(15, 8), CT)
        await world.clock.sleep((flat - world.clock.now()) / SECOND)
        assert (nets(world), working(world)) == ({}, [])

    start = wall_to_ns(date(2025, 11, 4), time(14, 56), CT)
    assert start % HOUR
    play(Plan(seed=5, start=format_ts(start), scenario="quiet"), work)
