"""One-second bars of a closed minute of which only the minute bar is known.

They depend on nothing but the bar, and not on its level: contracts that follow each other have the same
seconds. Together they make the minute again, price for price and lot for lot.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from bot.model.market import MinuteBar
from bot.model.quantities import Ticks, TsNs
from bot.model.times import SECOND
from bot.paper.market.seeds import stream

_MOST_TRADES = 240
"""Trades at most that a minute's volume is dealt out to; a second without one has no bar."""


def seconds(minute: MinuteBar) -> list[MinuteBar]:
    """The minute's seconds that traded, ascending."""
    low, high, open_ = minute.low, minute.high, minute.open
    rng = stream(minute.start, high - open_, low - open_, minute.close - open_, minute.volume)
    draw = rng.random
    trades = [0] * 60
    count = max(1, min(minute.volume, _MOST_TRADES))
    for _ in range(count):
        trades[int(60 * draw())] += 1
    active = [second for second, number in enumerate(trades) if number]
    share, rest = divmod(minute.volume, count)
    top, bottom = rng.randrange(len(active)), rng.randrange(len(active))
    path = _path(minute, len(active), top, bottom, draw)
    bars: list[MinuteBar] = []
    for i, second in enumerate(active):
        first, last = path[i], path[i + 1]
        odd = min(rest, trades[second])
        rest -= odd
        bars.append(
            MinuteBar(
                TsNs(minute.start + second * SECOND), Ticks(first),
                Ticks(high if i == top else max(first, last)),
                Ticks(low if i == bottom else min(first, last)), Ticks(last), share * trades[second] + odd,
            )
        )  # fmt: skip
    return bars


def _path(minute: MinuteBar, count: int, top: int, bottom: int, draw: Callable[[], float]) -> list[int]:
    """Where each second begins and, in the end, the last one closes: by way of the extremes' seconds."""
    knots = {bottom: int(minute.low), top: int(minute.high), 0: int(minute.open), count: int(minute.close)}
    path = [int(minute.open)]
    turns = sorted(knots)
    for begin, end in pairwise(turns):
        here, there = knots[begin], knots[end]
        for i in range(1, end - begin):
            price = round(here + (there - here) * i / (end - begin) + 3.0 * (draw() - 0.5))
            path.append(max(minute.low, min(minute.high, price)))
        path.append(there)
    return path
