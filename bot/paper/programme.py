"""The rules of the programme by account size (gateway.md 19.2): data with a source and a date.

`programme.json` is the shipped copy; an account of the paper user may carry a tier of its own. Amounts in
the file are whole dollars.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

DOLLAR: Final = 1_000_000


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"at_least": "from"}):
    """From this end-of-day profit in dollars on (or above it), so many minis."""

    minis: int
    at_least: int | None = None
    above: int | None = None

    def reached(self, profit: int) -> bool:
        """Whether a profit in micro-dollars takes the step."""
        if self.above is not None:
            return profit > self.above * DOLLAR
        return profit >= (self.at_least or 0) * DOLLAR


class Tier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account size; `winning_day` is the least profit of a day that counts for a payout."""

    start: int
    profit_target: int
    max_loss: int
    daily_loss: int
    max_minis: int
    max_micros: int
    winning_day: int
    scaling: tuple[Step, ...]

    def scaled_minis(self, profit: int) -> int:
        """The scaling plan's size of a funded account by its end-of-day profit in micro-dollars."""
        minis = self.scaling[0].minis
        for step in self.scaling[1:]:
            if step.reached(profit):
                minis = step.minis
        return minis


class Programme(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All sizes; `winning_days` are the days that a payout wants."""

    source: str
    date: str
    winning_days: int
    tiers: dict[str, Tier]


PROGRAMME: Final = msgspec.json.decode(
    (Path(__file__).parent / "programme.json").read_bytes(), type=Programme
)
