"""The names that recordings use for contracts, as the venue's contract ids."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from bot.calendar.sessions import SessionCalendar
from bot.model.contract import MONTH_LETTERS, split_contract_id
from bot.model.errors import BadField
from bot.model.instruments import BY_PRODUCT, INSTRUMENTS, Instrument, front_month

_DATED: Final = re.compile(rf"(?P<root>[A-Z0-9]+)(?P<letter>[{MONTH_LETTERS}])(?P<year>\d{{1,2}})")
_CONTINUOUS: Final = re.compile(r"(?P<root>[A-Z0-9]+)\.[cnv]\.(?P<rank>\d)")


class Symbols:
    """Contract ids of names such as ESZ5, MNQZ25, ES.c.0 or CON.F.US.EP.Z25; the rest is not ours.

    With a `root` only its contracts are, and a name may be missing: then the front month is meant.
    """

    def __init__(self, root: str | None, calendar: SessionCalendar) -> None:
        self.root, self._calendar = root, calendar
        self._known: dict[str, str | None] = {}
        self.foreign: dict[str, None] = {}

    def find(self, name: str, ts: int) -> str | None:
        """The contract id, None for a product that the venue does not list or that is not wanted."""
        if name not in self._known:
            found = self._resolve(name, self._calendar.risk_day(ts))
            self._known[name] = found
            if found is None:
                self.foreign[name] = None
        return self._known[name]

    def instrument(self, contract_id: str) -> Instrument:
        """The product of a contract id that `find` gave."""
        return BY_PRODUCT[split_contract_id(contract_id)[0]]

    def _resolve(self, name: str, day: date) -> str | None:
        if not name and self.root is not None:
            return INSTRUMENTS[self.root].contract_id(*front_month(self.root, day))
        found = _of_id(name) or _of_dated(name, day) or _of_continuous(name, day)
        if found is None or (self.root is not None and found[0].root != self.root):
            return None
        row, year, month = found
        return row.contract_id(year, month)


def shifted(contract_id: str, recorded: date, played: date) -> str:
    """The contract that stands on `played` where this one stood on `recorded`: front for front, next for next."""
    product, letter, year = split_contract_id(contract_id)
    row = BY_PRODUCT[product]
    behind = _rank(row, (year, MONTH_LETTERS.index(letter) + 1), front_month(row.root, recorded))
    return row.contract_id(*following(row, front_month(row.root, played), behind))


def following(row: Instrument, month: tuple[int, int], count: int) -> tuple[int, int]:
    """The `count`th month of the product's cycle after (or before, when negative) `month`."""
    year, number = month
    step = 1 if count > 0 else -1
    while count:
        index = year * 12 + number - 1 + step
        year, number = index // 12, index % 12 + 1
        if MONTH_LETTERS[number - 1] in row.months:
            count -= step
    return year, number


def _rank(row: Instrument, month: tuple[int, int], front: tuple[int, int]) -> int:
    """How many months of the cycle `month` lies behind `front`."""
    rank, step = 0, 1 if month > front else -1
    while month != front:
        front = following(row, front, step)
        rank += step
    return rank


def _of_id(name: str) -> tuple[Instrument, int, int] | None:
    try:
        product, letter, year = split_contract_id(name)
    except BadField:
        return None
    row = BY_PRODUCT.get(product)
    return None if row is None or letter not in row.months else (row, year, MONTH_LETTERS.index(letter) + 1)


def _of_dated(name: str, day: date) -> tuple[Instrument, int, int] | None:
    match = _DATED.fullmatch(name)
    row = None if match is None else INSTRUMENTS.get(match["root"])
    if match is None or row is None or match["letter"] not in row.months:
        return None
    month, digits = MONTH_LETTERS.index(match["letter"]) + 1, match["year"]
    period = 10 ** len(digits)
    year = day.year - day.year % period + int(digits)
    while (year, month) < (day.year, day.month):
        year += period
    return row, year, month


def _of_continuous(name: str, day: date) -> tuple[Instrument, int, int] | None:
    match = _CONTINUOUS.fullmatch(name)
    row = None if match is None else INSTRUMENTS.get(match["root"])
    if match is None or row is None:
        return None
    return row, *following(row, front_month(row.root, day), int(match["rank"]))
