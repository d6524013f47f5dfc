"""How each product trades: its price level, its volatility, and the shape of its day.

Levels and volatilities are of the order seen in 2025. `minute_ppm` is the standard deviation of one
minute before the cash open in millionths of the price; `curve` scales it over the day.
"""

from __future__ import annotations

from math import sqrt

import msgspec

from bot.model.instruments import instrument
from bot.model.quantities import TickSize
from bot.paper.market.seeds import stream

FIVE_MINUTE_RANGE = 1.6 * sqrt(5)
"""Mean range of five minutes of a random walk, in deviations of one minute."""

_LEVELS: dict[str, tuple[str, int]] = {
    "ES": ("6300", 228), "MES": ("6300", 228), "NQ": ("22500", 240), "MNQ": ("22500", 240),
    "YM": ("44000", 200), "MYM": ("44000", 200), "RTY": ("2250", 270), "M2K": ("2250", 270),
    "EMD": ("3150", 250), "NKD": ("39000", 260), "CL": ("68", 420), "MCL": ("68", 420), "QM": ("68", 420),
    "NG": ("3.2", 700), "MNG": ("3.2", 700), "QG": ("3.2", 700), "HO": ("2.3", 420), "RB": ("2.1", 420),
    "GC": ("3300", 220), "MGC": ("3300", 220), "SI": ("36", 400), "SIL": ("36", 400), "HG": ("4.8", 330),
    "MHG": ("4.8", 330), "PL": ("1300", 380), "MBT": ("110000", 500), "6E": ("1.16", 90), "E7": ("1.16", 90),
    "M6E": ("1.16", 90), "6B": ("1.35", 95), "M6B": ("1.35", 95), "6J": ("0.0068", 110), "6A": ("0.65", 120),
    "M6A": ("0.65", 120), "6C": ("0.73", 80), "6S": ("1.24", 100), "6N": ("0.6", 125), "6M": ("0.053", 130),
    "ZT": ("103.5", 25), "ZF": ("108", 50), "ZN": ("111", 75), "TN": ("114", 95), "ZB": ("115", 130),
    "UB": ("118", 160), "ZC": ("430", 300), "ZW": ("550", 330), "ZS": ("1030", 250), "ZM": ("290", 320),
    "ZL": ("52", 350), "LE": ("210", 200), "HE": ("100", 260), "MET": ("3800", 650),
}  # fmt: skip

_DAY = (
    (0, 120, 0.45), (120, 240, 0.75), (240, 480, 0.6), (480, 510, 0.8), (510, 570, 1.0), (570, 630, 1.5),
    (630, 720, 1.15), (720, 840, 0.85), (840, 930, 1.0), (930, 960, 1.3), (960, 1080, 0.5),
    (1080, 1200, 0.5), (1200, 1440, 0.42),
)  # fmt: skip

CURVE: tuple[float, ...] = tuple(level for first, last, level in _DAY for _ in range(first, last))
"""Volatility by minute of the New York day, 1.0 in the hour before the cash open."""


class Profile(msgspec.Struct, frozen=True):
    """One contract's measures, in ticks: price at the feed's start, minute deviation, 5m and day range."""

    price: int
    minute: float
    five_minutes: float
    day: float


def profile(root: str, tick: TickSize, seed: int) -> Profile:
    """The measures of `root` under `seed`; the index family drifts together. Raises UnknownSymbol."""
    instrument(root)
    text, ppm = _LEVELS[root]
    middle = tick.parse(text)[0]
    shared = stream(seed, "level").uniform(-0.07, 0.07)
    price = max(200, round(middle * (1.0 + shared + stream(seed, root, "level").uniform(-0.01, 0.01))))
    minute = max(0.8, middle * ppm * 1e-6)
    variance = sum(level * level for level in CURVE)
    return Profile(price, minute, minute * FIVE_MINUTE_RANGE, minute * 1.6 * sqrt(variance))
