"""The whole bot in virtual time: one seed one ledger, no threads, nothing left behind, and what must hold."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextvars import copy_context
from pathlib import Path

import msgspec
import pytest

from bot.clock import VirtualClock
from bot.paper.script.steps import Script, Step
from bot.trading.protection import Watchdog
from tests.simulation.loop import PROCESS, VirtualLoop, run
from tests.simulation.whole.machine import Process
from tests.simulation.whole.plan import FIXTURES, Act, Plan, keep, plan_of, random_plan, read
from tests.simulation.whole.pool import run_seeds
from tests.simulation.whole.run import simulate
from tests.simulation.whole.shrink import Shrinker

SECOND_NS = 1_000_000_000
SEEDS, TOGETHER = 200, 20
"""How many random days there are, and how many of them are one test."""

DAY = Plan(seed=11, minutes=435.0, start="2025-11-04T14:00:00Z", scenario="breakout")
"""09:00 to 16:15 in New York."""

NAKED = Plan(
    seed=3, minutes=4.0, start="2025-11-04T14:27:00Z",
    script=Script(steps=(
        Step(do="children.missing", at=20 * SECOND_NS, parameters={"count": 1}),
        Step(do="hub.drop", at=60 * SECOND_NS, parameters={"hub": "market", "how": "tcp"}),
    )),
    operator=(
        Act(30.0, "order", {"root": "MNQ", "side": 0, "size": 1, "stop": 40, "target": 60}),
        Act(100.0, "state", {"state": "REDUCING"}),
    ),
)  # fmt: skip
"""An entry whose bracket the venue forgets, among things that do not matter."""


def test_one_seed_gives_one_ledger_in_one_process() -> None:
    plan = random_plan(7, 6.0)
    first, second = simulate(plan), simulate(plan)
    assert first.digest == second.digest
    assert first.orders == second.orders > 0
    assert simulate(random_plan(8, 6.0)).digest != first.digest


def test_one_seed_gives_one_ledger_whatever_the_hashes_are() -> None:
    code = (
        "from tests.simulation.whole.plan import random_plan; from tests.simulation.whole.run import simulate\n"
        "print(simulate(random_plan(21, 6.0)).digest)"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE
        )
        for seed in ("1", "4711")
    ]
    digests = {process.communicate(timeout=300)[0].decode().strip() for process in running}
    assert len(digests) == 1
    assert len(digests.pop()) == 64


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
def test_two_hundred_days_of_faults_hold_what_must_hold(first: int) -> None:
    results = list(run_seeds(range(first, first + TOGETHER), 20.0, 1))
    failed = {result.seed: result.failures for result in results if result.failures}
    assert not failed, f"{failed}; `make simulate ARGS='--first <seed>' SEEDS=1` shrinks one"
    assert len(results) == TOGETHER
    assert sum(result.strategy_orders > 0 for result in results) > 0.6 * TOGETHER
    assert sum(result.fills > 0 for result in results) > 0.6 * TOGETHER
    assert sum(result.kills for result in results) > 0
    assert sum(result.faults for result in results) > 3 * TOGETHER


@pytest.mark.slow
def test_a_trading_day_from_before_the_open_to_after_the_cut() -> None:
    result = simulate(DAY)
    assert result.failures == ()
    assert result.venue_minutes > 435
    assert result.events > 600_000
    assert result.strategy_orders >= 4
    assert result.fills >= 2
    print(f"{result.events} records in {result.wall_s:.1f} s")


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_failed_once_holds(path: Path) -> None:
    assert simulate(read(path)).failures == ()


def test_a_plan_that_fails_is_made_small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert simulate(NAKED).failures == ()
    monkeypatch.setattr(Watchdog, "look", lambda self, at: None)
    monkeypatch.setattr(Watchdog, "evidence", lambda self, at, opening: None)
    failures = simulate(NAKED).failures
    assert any(failure.startswith("unprotected:") for failure in failures)
    shrinker = Shrinker(simulate)
    small = shrinker.shrink(NAKED, failures)
    assert [step.do for step in small.script.steps] == ["children.missing"]
    assert [act.do for act in small.operator] == ["order"]
    assert small.minutes < NAKED.minutes
    assert small.size == 2
    path = keep(small, shrinker.failures, tmp_path)
    assert read(path) == small
    assert simulate(read(path)).failures == shrinker.failures
    monkeypatch.undo()
    assert simulate(small).failures == ()


def test_a_plan_survives_a_file() -> None:
    for seed in range(30):
        plan = random_plan(seed)
        assert plan_of(msgspec.json.decode(msgspec.json.encode(plan.data()))) == plan


def test_a_thread_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Process._storage

    def threaded(self: Process, *arguments: object) -> object:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop().run_in_executor(None, time.time)
        return plain(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Process, "_storage", threaded)
    assert "executor: 1 calls" in simulate(Plan(seed=1, minutes=0.5)).failures


def test_a_killed_process_runs_no_line_more() -> None:
    clock = VirtualClock(0)
    lines: list[str] = []

    async def process() -> None:
        try:
            lines.append("begun")
            await clock.sleep(10)
        finally:
            lines.append("cleaned up")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        context = copy_context()
        context.run(PROCESS.set, 1)
        task = loop.create_task(process(), context=context)
        await clock.sleep(5)
        loop.kill(1)
        await clock.sleep(20)
        assert lines == ["begun"]
        assert not task.done()

    run(clock, main())
