"""Latencies of both implementations in the worker: merged histograms, cold apart, order-statistic bounds."""

from __future__ import annotations

from math import ceil, floor, sqrt
from typing import Final

import msgspec

from bot.latency import SUB_BITS, Histogram

COLD_CALLS: Final = 1000
MIN_SAMPLES: Final = {0.5: 30, 0.99: 299, 0.999: 2995}
_Z: Final = 1.96
HOT: Final = frozenset({"on_trade", "on_trades"})


class Bounds(msgspec.Struct, frozen=True):
    """A quantile in ns with its 95 % bounds; None where there are too few samples."""

    value: int | None
    low: int | None
    high: int | None


def bounds(histogram: Histogram, fraction: float) -> Bounds:
    """Distribution-free bounds of a quantile from the ranks around it, widened to the edges of their buckets."""
    n = histogram.count
    value = histogram.quantile(fraction)
    if n < MIN_SAMPLES.get(fraction, 30):
        return Bounds(value, None, None)
    spread = _Z * sqrt(n * fraction * (1 - fraction))
    low = max(1, floor(n * fraction - spread))
    high = min(n, ceil(n * fraction + spread) + 1)
    lower = histogram.quantile(low / n) or 0
    return Bounds(value, lower - (lower >> SUB_BITS), histogram.quantile(high / n))


def faster(candidate: Histogram, authority: Histogram) -> bool:
    """Whether the candidate's upper bound lies below the authority's lower one at p50 and p99."""
    for fraction in (0.5, 0.99):
        ours, theirs = bounds(candidate, fraction), bounds(authority, fraction)
        if ours.high is None or theirs.low is None or ours.high >= theirs.low:
            return False
    return True


def curve(histogram: Histogram) -> list[tuple[float, int]]:
    """`(percentile, ns)` points for drawing, dense towards the tail."""
    marks = [
        1,
        5,
        10,
        20,
        30,
        40,
        50,
        60,
        70,
        80,
        85,
        90,
        92,
        94,
        95,
        96,
        97,
        98,
        98.5,
        99,
        99.5,
        99.9,
        99.95,
        99.99,
    ]
    wanted = [mark for mark in marks if histogram.count * (1 - mark / 100) >= 1]
    return [(mark, value) for mark in wanted if (value := histogram.quantile(mark / 100)) is not None]
