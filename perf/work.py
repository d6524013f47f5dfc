"""What a benchmark is: a work, its variants (implementations and peers) and the goals it must meet.

A file `perf/bench_<component>.py` exposes `works() -> list[Work]`. The harness interleaves the variants
of a work in rounds in one pinned process and compares medians per round, so a slow phase of the
machine falls on all of them. Lower figures are better; a goal says how much.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from time import perf_counter_ns

import msgspec

Sampler = Callable[[], Sequence[float]]


class Variant(msgspec.Struct, frozen=True):
    """One contender. `sample` runs one round and returns its figures in the work's unit, e.g. ns per tick.

    `build` is "release", or what else it is; a debug build is refused. `missing` says why the variant
    cannot run; the row is then shown as missing and its goals as not met.
    """

    impl: str
    sample: Sampler | None
    build: str = "release"
    missing: str | None = None


class Goal(msgspec.Struct, frozen=True):
    """`impl` must be at least `factor` times faster than `against`, or its median `at_most` units."""

    impl: str
    against: str | None = None
    factor: float | None = None
    at_most: float | None = None


class Work(msgspec.Struct, frozen=True):
    """One thing to be done, `n` items per sample, measured in `unit` (per item unless it says otherwise)."""

    name: str
    unit: str
    n: int
    variants: Sequence[Variant]
    goals: Sequence[Goal] = ()
    note: str = ""


def timed(
    impl: str,
    n: int,
    prepare: Callable[[], Callable[[], object]],
    *,
    samples: int = 5,
    scale: float = 1.0,
    build: str = "release",
) -> Variant:
    """A variant timed from Python: `prepare()` makes fresh state outside the clock, its result is timed.

    The figure is ns per item times `scale` (1e-3 for µs, 1e-6 for ms). The collector is off while timing.
    """

    def sample() -> list[float]:
        figures = []
        gc.collect()
        gc.disable()
        try:
            for _ in range(samples):
                run = prepare()
                start = perf_counter_ns()
                run()
                figures.append((perf_counter_ns() - start) / n * scale)
        finally:
            gc.enable()
        return figures

    return Variant(impl, sample, build=build)


def missing(impl: str, reason: str) -> Variant:
    """A variant that cannot run here, and why."""
    return Variant(impl, None, missing=reason)
