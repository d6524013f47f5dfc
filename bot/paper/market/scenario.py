"""What the price does around a cash open: legs that a walk is led along.

Distances are measured from the edge of the overnight range on the scenario's side, in units of a usual
five-minute range: `-0.5` is half a unit inside, `+1.0` one unit beyond. The side depends on the seed and
the day and is the same for all contracts, as in a real market.
"""

from __future__ import annotations

import random
from datetime import date
from math import inf
from typing import Final, Literal, get_args

import msgspec

from bot.model.errors import ConfigError
from bot.model.times import MINUTE, SECOND
from bot.paper.market.seeds import stream

Scenario = Literal["quiet", "breakout", "reversal", "fast"]
Ending = Literal["target", "return", "stopped", "running"]
SCENARIOS: Final[tuple[str, ...]] = get_args(Scenario)

VOLATILITY: Final[dict[str, float]] = {"quiet": 0.45, "breakout": 1.0, "reversal": 1.0, "fast": 2.0}
"""Multiplier of the live walk's deviation."""

HOLD_OFF: Final = 0.2
"""How far inside the edge the price stays before the scenario lets it out, but never under `NEAREST`."""

NEAREST: Final = 4
"""Ticks that a stop order just beyond the edge is away at least when the market opens."""


class Leg(msgspec.Struct, frozen=True):
    """Walk so as to be at `target` at `end`, within `[low, high]`; `noise` scales the deviation.

    `exact` makes the last price of the leg the target itself.
    """

    end: int
    target: float
    low: float = -inf
    high: float = inf
    noise: float = 1.0
    exact: bool = False


class Range(msgspec.Struct, frozen=True):
    """The overnight range of one contract in ticks, with its measures and the side that gives way."""

    low: float
    high: float
    unit: float
    day: float
    side: int

    @property
    def edge(self) -> float:
        return self.high if self.side > 0 else self.low

    def at(self, distance: float) -> float:
        """The price `distance` units beyond the edge."""
        return self.edge + self.side * distance * self.unit

    @property
    def hold_off(self) -> float:
        """The nearest distance to the edge, in units, while it still holds."""
        return -max(HOLD_OFF, NEAREST / self.unit)

    def leg(self, end: int, target: float, near: float = -inf, far: float = inf, noise: float = 1.0) -> Leg:
        """A leg whose target and bounds are distances from the edge in units."""
        low, high = sorted((self.at(near), self.at(far)))
        return Leg(end, self.at(target), low, high, noise)


def checked(name: str) -> str:
    """`name` if it is a scenario. Raises ConfigError."""
    if name not in SCENARIOS:
        raise ConfigError(
            "paper scenario", expected=" or ".join(SCENARIOS), seen=name, do="correct the paper settings"
        )
    return name


def side(seed: int, day: date) -> int:
    """+1 when the high gives way on `day`, -1 when the low does."""
    return stream(seed, "side", day).choice((1, -1))


def ending(seed: int, day: date, rank: int) -> Ending:
    """How a breakout ends for the contract of this rank; the first one always completes its round."""
    choices: tuple[Ending, ...] = ("target", "return")
    if rank:
        choices = ("target", "return", "target", "return", "stopped", "running")
    return stream(seed, "ending", day, rank).choice(choices)


def approach(overnight: Range, price: float, open_ns: int) -> list[Leg]:
    """Lead the price to within reach of the edge by the cash open, without leaving the range."""
    floor, ceiling = sorted((overnight.at(overnight.hold_off - 0.1), _opposite(overnight)))
    target = min(max(overnight.at(-0.7), floor), ceiling)
    return [Leg(open_ns, target, min(floor, price), max(ceiling, price))]


def opening(
    scenario: str, overnight: Range, price: float, open_ns: int, end: Ending, rng: random.Random
) -> list[Leg]:
    """The legs from the cash open on; none for a quiet market."""
    if scenario == "quiet":
        return []
    if scenario == "fast":
        return _fast(overnight, open_ns, rng)
    crossed = open_ns + _between(rng, 160, 195)
    way = [
        overnight.leg(open_ns + _between(rng, 85, 100), -0.5, -1.6, overnight.hold_off, 0.8),
        overnight.leg(crossed, 0.35, -0.75, 0.6),
    ]
    if scenario == "reversal":
        way += _reversal(overnight, open_ns, rng)
    else:
        way += _breakout(overnight, price, open_ns, end, rng)
    return way


def _breakout(overnight: Range, price: float, open_ns: int, end: Ending, rng: random.Random) -> list[Leg]:
    leg = overnight.leg
    peak = open_ns + _between(rng, 300, 345)
    if end == "stopped":
        return [
            leg(open_ns + _between(rng, 240, 270), 0.3, -0.4, 0.55),
            leg(open_ns + _between(rng, 540, 590), -1.8, -2.1, 0.55),
        ]
    if end == "return":
        return [
            leg(peak, 1.55, -0.5, 1.85),
            leg(open_ns + _between(rng, 570, 610), -0.6, -1.0, 1.85),
        ]
    if end == "running":
        return [
            leg(peak, 1.6, -0.5, 1.9),
            leg(open_ns + 20 * MINUTE, 1.5, 1.0, 2.1),
        ]
    travelled = abs(overnight.edge - price) / overnight.unit
    beyond = max(0.34 * overnight.day / overnight.unit - travelled, 2.6) + 0.2
    return [
        leg(peak, 1.6, -0.5),
        leg(open_ns + _between(rng, 600, 655), beyond, 0.6),
        leg(open_ns + 16 * MINUTE, beyond - 0.4, beyond - 1.2, beyond + 0.9),
    ]


def _reversal(overnight: Range, open_ns: int, rng: random.Random) -> list[Leg]:
    across = (overnight.high - overnight.low) / overnight.unit
    return [
        overnight.leg(open_ns + _between(rng, 250, 300), 0.5, -0.6, 0.7),
        overnight.leg(open_ns + _between(rng, 660, 780), -1.5, -2.0, 0.7),
        overnight.leg(open_ns + _between(rng, 2400, 3300), -across - 0.8),
    ]


def _fast(overnight: Range, open_ns: int, rng: random.Random) -> list[Leg]:
    return [
        overnight.leg(open_ns + 80 * SECOND, -0.5, -2.2, overnight.hold_off),
        overnight.leg(open_ns + _between(rng, 95, 115), 0.8),
        overnight.leg(open_ns + _between(rng, 240, 300), 3.2),
        overnight.leg(open_ns + _between(rng, 420, 520), 1.2),
    ]


def _opposite(overnight: Range) -> float:
    inside = max(0.4 * overnight.unit, NEAREST)
    other = overnight.low + inside if overnight.side > 0 else overnight.high - inside
    middle = (overnight.low + overnight.high) / 2
    return min(other, middle) if overnight.side > 0 else max(other, middle)


def _between(rng: random.Random, first: float, last: float) -> int:
    return int(rng.uniform(first, last) * SECOND)
