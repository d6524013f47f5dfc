"""How long simulated days of the whole bot take: CPU seconds of one process, market and venue included."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from bot.clock import process_cpu_ns
from perf.work import Goal, Variant, Work
from tests.simulation.whole.plan import Plan, random_plan
from tests.simulation.whole.run import Result, simulate
from tests.simulation.whole.test_whole import DAY

SCHEDULES = 6


def works() -> list[Work]:
    """The works of this component."""
    return [schedules(), start(), day()]


def schedules() -> Work:
    """Twenty venue minutes with faults and an operator."""

    def sample() -> Sequence[float]:
        return [timed(random_plan(seed))[0] for seed in range(SCHEDULES)]

    note = "Light density, two contracts, from before a cash open; the start with its history included."
    return Work(
        "simulated schedule, 20 minutes", "s per run", SCHEDULES, [Variant("python", sample)],
        [Goal("python", at_most=2.4)], note,
    )  # fmt: skip


def start() -> Work:
    """What a run of six venue seconds costs: generating the past and loading it into the bot."""
    plan = Plan(seed=1, minutes=0.1)
    note = "The history behind the start is made, encoded, decoded and told to the strategy; half a minute follows."
    return Work(
        "simulated start", "s per run", 1, [Variant("python", lambda: [timed(plan)[0]])], note=note
    )  # fmt: skip


def day() -> Work:
    """A trading day, measured once: rounds of it would take a quarter of an hour."""
    note = "09:00 to 16:15 in New York, MNQ and MES, light density."
    return Work(
        "simulated trading day", "s per run", 1, [Variant("python", whole_day)],
        [Goal("python", at_most=20.0)], note,
    )  # fmt: skip


@cache
def whole_day() -> Sequence[float]:
    return [timed(DAY)[0]]


def timed(plan: Plan) -> tuple[float, Result]:
    """CPU seconds of one run and its result. Raises AssertionError when something did not hold."""
    began = process_cpu_ns()
    result = simulate(plan)
    seconds = (process_cpu_ns() - began) / 1e9
    assert not result.failures, result.failures
    return seconds, result
