"""The table of tradable products, their expiry rules and front months (gateway.md §17).

It adds what contract records lack (weight, trading-hours group, fees), is the offline fallback, and
is compared with the venue's records at start. Business days here are weekdays; roll dates are ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from bot.model.contract import MONTH_LETTERS, Contract
from bot.model.errors import UnknownSymbol
from bot.model.quantities import Money, TickSize

_ONE: Final = timedelta(days=1)
_SESSIONS_BEFORE_EXPIRY: Final = 3


class Instrument(msgspec.Struct, frozen=True):
    """One product. `tick_value` is micro-dollars per tick and contract, `weight` tenths of a mini,
    `months` the letters of its front-month cycle, `fee_rt` micro-dollars per contract and round turn."""

    root: str
    product: str
    tick: TickSize
    tick_value: int
    weight: int
    group: str
    months: str
    expiry: str
    fee_rt: Money
    description: str

    @property
    def symbol_id(self) -> str:
        """The venue's symbol id, e.g. `F.US.EP`."""
        return f"F.US.{self.product}"

    def contract_id(self, year: int, month: int) -> str:
        """The venue's contract id, e.g. `CON.F.US.EP.Z25`."""
        return f"CON.F.US.{self.product}.{MONTH_LETTERS[month - 1]}{year % 100:02d}"

    def contract_name(self, year: int, month: int) -> str:
        """The short name with one year digit, e.g. `ESZ5`."""
        return f"{self.root}{MONTH_LETTERS[month - 1]}{year % 10}"


def _load() -> Mapping[str, Instrument]:
    document = json.loads((Path(__file__).parent / "instruments.json").read_bytes())
    rows = [
        Instrument(root, product, TickSize.from_text(tick), *rest)
        for root, product, tick, *rest in document["rows"]
    ]
    return MappingProxyType({row.root: row for row in rows})


INSTRUMENTS: Final = _load()
BY_PRODUCT: Final[Mapping[str, Instrument]] = MappingProxyType(
    {row.product: row for row in INSTRUMENTS.values()}
)


def instrument(root: str) -> Instrument:
    """The row of one root symbol. Raises UnknownSymbol."""
    found = INSTRUMENTS.get(root)
    if found is None:
        raise UnknownSymbol("symbol", expected="a root such as MNQ or ES", seen=root)
    return found


def expiry_day(root: str, year: int, month: int) -> date:
    """Last trading day of one contract month, counting weekdays as business days."""
    rule = instrument(root).expiry
    first = date(year, month, 1)
    if rule == "third_friday":
        return _nth_weekday(first, 4, 3)
    if rule == "before_third_wednesday":
        return _business_days_before(_nth_weekday(first, 2, 3), 2)
    if rule == "crude":
        anchor = (first - _ONE).replace(day=25)
        return _business_days_before(anchor, 3 if anchor.weekday() < 5 else 4)
    if rule == "third_last_of_month_before":
        return _business_days_before(first, 3)
    next_month = (first + timedelta(days=31)).replace(day=1)
    back = {"month_end": 1, "seven_before_month_end": 8, "third_last": 3}[rule]
    return _business_days_before(next_month, back)


def roll_day(root: str, year: int, month: int) -> date:
    """The date on which this contract month stops being the front month."""
    expiry = expiry_day(root, year, month)
    if instrument(root).expiry == "third_friday":
        return expiry - timedelta(days=expiry.weekday())
    return _business_days_before(expiry, _SESSIONS_BEFORE_EXPIRY)


@lru_cache(maxsize=4096)
def front_month(root: str, day: date) -> tuple[int, int]:
    """`(year, month)` of the active contract on a date. Raises UnknownSymbol."""
    letters = instrument(root).months
    year, month = day.year, day.month
    while MONTH_LETTERS[month - 1] not in letters or roll_day(root, year, month) <= day:
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return year, month


def contract_for(root: str, year: int, month: int, now: int, *, active: bool = True) -> Contract:
    """The record of one contract month as the venue would list it; `now` becomes `seen_at`."""
    row = instrument(root)
    return Contract(
        id=row.contract_id(year, month),
        name=row.contract_name(year, month),
        description=f"{row.description}: {date(year, month, 1):%B %Y}",
        symbol_id=row.symbol_id,
        root=root,
        tick=row.tick,
        tick_value=row.tick_value,
        active=active,
        weight=row.weight,
        group=row.group,
        seen_at=now,
    )


def contract_of(root: str, day: date, now: int) -> Contract:
    """The front-month contract of a root on a date. Raises UnknownSymbol."""
    return contract_for(root, *front_month(root, day), now)


def _nth_weekday(first: date, weekday: int, n: int) -> date:
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def _business_days_before(day: date, count: int) -> date:
    while count:
        day -= _ONE
        if day.weekday() < 5:
            count -= 1
    return day
