"""Many seeds on several cores: one process each, results as they come."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from functools import partial

from tests.simulation.whole.plan import Plan, random_plan
from tests.simulation.whole.run import Result, simulate


def run_seeds(seeds: Sequence[int], minutes: float, jobs: int) -> Iterator[Result]:
    """The result of each seed, in any order. A run that raises is a result with that failure."""
    work = partial(run_seed, minutes=minutes)
    if jobs == 1:
        yield from map(work, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(work, seeds)


def run_seed(seed: int, minutes: float) -> Result:
    """One random day."""
    return attempt(random_plan(seed, minutes))


def attempt(plan: Plan) -> Result:
    """`simulate`, with an error of the run itself as a failure."""
    try:
        return simulate(plan)
    except Exception as problem:
        return Result(seed=plan.seed, digest="", failures=(f"error: {type(problem).__name__}: {problem}",))
