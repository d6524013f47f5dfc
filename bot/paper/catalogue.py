"""The contracts the venue lists: those with a market, and the front month of every other product."""

from __future__ import annotations

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.model.contract import MONTH_LETTERS, Contract, split_contract_id
from bot.model.errors import BadField
from bot.model.instruments import BY_PRODUCT, INSTRUMENTS, contract_for
from bot.paper.market.expiry import active_month, expiry_ns
from bot.paper.market.feed import Market

SEARCH_LIMIT = 20
LISTED_TOO = {"GC": "V", "MGC": "V"}
"""Months that are listed but never become the front month."""


class Catalogue:
    """Look-ups as of a venue time, because the active month changes with it."""

    def __init__(self, market: Market, calendar: SessionCalendar) -> None:
        self._traded = market.contracts
        self._calendar = calendar
        self._rolled: dict[str, tuple[int, int]] = {}

    def active(self, root: str, now: int) -> tuple[int, int]:
        """`(year, month)` of a root's active contract. Raises UnknownSymbol."""
        month = active_month(root, now, self._calendar)
        return max(month, self._rolled.get(root, month))

    def roll(self, root: str, month: tuple[int, int]) -> None:
        """Let a month be the active one before its date."""
        self._rolled[root] = month

    def find(self, contract_id: str, now: int) -> Contract | None:
        """The contract with its `active` flag as of `now`, None when there is no such contract."""
        traded = self._traded.get(contract_id)
        if traded is not None:
            active = traded.month_key == self.active(traded.root, now)
            return traded if active == traded.active else msgspec.structs.replace(traded, active=active)
        try:
            product, letter, year = split_contract_id(contract_id)
        except BadField:
            return None
        row = BY_PRODUCT.get(product)
        if row is None or letter not in row.months + LISTED_TOO.get(row.root, ""):
            return None
        month = (year, MONTH_LETTERS.index(letter) + 1)
        return contract_for(row.root, *month, now, active=month == self.active(row.root, now))

    def expired(self, contract: Contract, now: int) -> bool:
        """Whether it has traded for the last time."""
        return now >= expiry_ns(contract)

    def available(self, now: int) -> list[Contract]:
        """One active expiry per product, sorted by id."""
        rows = {row.root: row for row in self._traded.values() if (self.find(row.id, now) or row).active}
        for root in INSTRUMENTS:
            if root not in rows:
                rows[root] = contract_for(root, *self.active(root, now), now)
        return sorted(rows.values(), key=lambda row: row.id)

    def search(self, text: str, now: int) -> list[Contract]:
        """The first 20 whose name or description contains `text`, whatever the case."""
        wanted = text.casefold()
        rows = self.available(now)
        found = [row for row in rows if wanted in row.name.casefold() or wanted in row.description.casefold()]
        return found[:SEARCH_LIMIT]


def display_name(contract_id: str) -> str:
    """The name with two year digits that positions show, e.g. `MNQZ25`."""
    product, letter, year = split_contract_id(contract_id)
    row = BY_PRODUCT.get(product)
    return f"{row.root if row else product}{letter}{year % 100:02d}"
