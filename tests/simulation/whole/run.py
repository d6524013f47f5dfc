"""One plan from its start to its verdict."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import msgspec

from bot.clock import Clock, VirtualClock
from bot.logs import Logging, Redactor
from bot.model.times import SECOND, parse_ts
from tests.simulation.loop import VirtualLoop, run
from tests.simulation.whole.machine import Machine
from tests.simulation.whole.plan import Plan
from tests.simulation.whole.stage import Stage
from tests.simulation.whole.witness import Witness
from tests.simulation.whole.world import API_KEY, World

SETTLE_S, SETTLE_AT_MOST_S = 30, 180
_ERRORS = (
    "TASK_FAILED", "WATCHDOG_ERROR", "LISTENER_FAILED", "STRATEGY_ERROR", "record.failed", "hub.failed",
    "hub.handler_failed",
)  # fmt: skip
_REFUSALS = ("VenueUnreachable", "VenueRefused", "ProtocolError", "AuthError")
"""What the venue does to a part of the bot that says so and tries again is no error of the bot."""


class Result(msgspec.Struct, frozen=True):
    """What came of a plan; `failures` is empty when everything held. `events` are those of the market hub."""

    seed: int
    digest: str
    failures: tuple[str, ...]
    venue_minutes: float = 0.0
    wall_s: float = 0.0
    orders: int = 0
    strategy_orders: int = 0
    fills: int = 0
    faults: int = 0
    kills: int = 0
    longest_unprotected_s: float = 0.0
    duplicates: int = 0
    events: int = 0


def simulate(plan: Plan) -> Result:
    """Run it. Nothing is left when this returns: no task, timer, thread, file or changed log setting."""
    began, threads = time.perf_counter(), threading.active_count()
    clock = VirtualClock(parse_ts(plan.start))
    with tempfile.TemporaryDirectory(prefix="simulation-") as folder, _captured(clock) as (text, redactor):
        result = run(clock, _day(plan, clock, Path(folder), text, redactor))
    failures = list(result.failures)
    if threading.active_count() != threads:
        failures.append(f"threads: {threading.active_count()} instead of {threads}")
    return msgspec.structs.replace(
        result, wall_s=round(time.perf_counter() - began, 3), failures=tuple(failures)
    )


async def _day(plan: Plan, clock: VirtualClock, folder: Path, text: StringIO, redactor: Redactor) -> Result:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    world = World(plan, clock, loop)
    witness = Witness(world)
    secrets: list[str] = [API_KEY]

    def secret(value: str) -> None:
        secrets.append(value)
        redactor.add(value)

    redactor.add(API_KEY)
    machine = Machine(world, folder, witness, secret)
    stage = Stage(plan, world, machine)
    world.turn()
    stage.begin()
    keeper = loop.create_task(machine.run(), name="machine")
    await clock.sleep(plan.minutes * 60)
    stage.clear()
    for waited in range(SETTLE_AT_MOST_S):
        await clock.sleep(1.0)
        if waited >= SETTLE_S and not witness.unsettled(machine):
            break
    failures = witness.verdict(machine)
    machine.ending = True
    process = machine.process
    if process is not None and not process.dead:
        await process.stop()
    await keeper
    for one in machine.processes:
        if one.problem is not None and (one.up or one is process):
            failures.append(f"crash: process {one.number}: {one.problem!r}")
    await clock.sleep(0.1)
    if process is not None and not process.dead:
        failures += [f"left behind: {what}" for what in loop.left(process.number)]
    for name in ("user", "market"):
        if count := len(world.venue.hub(name).sessions):  # type: ignore[arg-type]
            failures.append(f"left behind: {count} connections of the {name} hub")
    if loop.executor_calls:
        failures.append(f"executor: {loop.executor_calls} calls")
    world.rest()
    lines = text.getvalue()
    failures += ["secret: a planted one is in the log" for value in secrets if value in lines][:1]
    failures += _errors(lines)
    judge = world.venue.judge
    return Result(
        seed=plan.seed, digest=world.venue.ledger.digest(), failures=tuple(failures),
        venue_minutes=round((clock.now() - world.config.start_ns) / SECOND / 60, 3),
        orders=judge.accepted, strategy_orders=sum("-SE-" in (row.tag or "") for row in judge.orders.values()),
        fills=judge.fills, faults=stage.struck, kills=witness.kills,
        longest_unprotected_s=witness.longest_ns() / SECOND, duplicates=judge.duplicate_count,
        events=sum(one.app.pipeline.records for one in machine.processes if hasattr(one.app, "pipeline")),
    )  # fmt: skip


def _errors(lines: str) -> list[str]:
    """Errors of the bot's own code that its log tells of."""
    found = [
        line for line in lines.splitlines()
        if any(sign in line for sign in _ERRORS) and not any(f"detail={name}" in line for name in _REFUSALS)
    ]  # fmt: skip
    return [f"error: {line[:300]}" for line in found[:3]]


@contextmanager
def _captured(clock: Clock) -> Iterator[tuple[StringIO, Redactor]]:
    """The bot's own log set-up, written into memory."""
    text, redactor = StringIO(), Redactor()
    logs = Logging(None, redactor, clock=clock, console_level="INFO", console=text)
    try:
        yield text, redactor
    finally:
        logs.close()
        logging.getLogger().setLevel(logging.WARNING)
