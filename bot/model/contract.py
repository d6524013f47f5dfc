"""Contracts as the venue lists them, with exact tick data."""

from __future__ import annotations

import msgspec

from bot.model.errors import BadField
from bot.model.quantities import TickSize

MONTH_LETTERS = "FGHJKMNQUVXZ"


class Contract(msgspec.Struct, frozen=True):
    """One tradable month. `tick_value` is micro-dollars per tick and contract, `weight` tenths of a mini."""

    id: str
    name: str
    description: str
    symbol_id: str
    root: str
    tick: TickSize
    tick_value: int
    active: bool
    weight: int
    group: str
    seen_at: int = 0

    @property
    def product(self) -> str:
        """The venue's product code, e.g. `EP` for ES."""
        return split_contract_id(self.id)[0]

    @property
    def month_key(self) -> tuple[int, int]:
        """`(year, month)` for ordering expiries; text order of ids is wrong."""
        _, letter, year = split_contract_id(self.id)
        return year, MONTH_LETTERS.index(letter) + 1


def split_contract_id(contract_id: str) -> tuple[str, str, int]:
    """`CON.F.US.MNQ.Z25` to `("MNQ", "Z", 2025)`. Raises BadField for another form."""
    parts = contract_id.split(".")
    if (
        len(parts) != 5
        or parts[:3] != ["CON", "F", "US"]
        or len(parts[4]) != 3
        or parts[4][0] not in MONTH_LETTERS
        or not parts[4][1:].isdigit()
    ):
        raise BadField("contract id", expected="CON.F.US.<product>.<month><yy>", seen=contract_id)
    return parts[3], parts[4][0], 2000 + int(parts[4][1:])
