"""The contracts the venue lists: those with a market, and the front month of every other product."""

from __future__ import annotations

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.model.contract import MONTH_LETTERS, Contract, split_contract_id
from bot.model.errors import BadField
from bot.model.instruments import BY_PRODUCT, INSTRUMENTS, contract_for, front_month
from bot.paper.market.feed import Market

SEARCH_LIMIT = 20
LISTED_TOO = {"GC": "V", "MGC": "V"}
"""Months that are listed but never become the front month."""


class Catalogue:
    """Look-ups as of a venue time, because the active month changes with it."""

    def __init__(self, market: Market, calendar: SessionCalendar) -> None:
        self._traded = market.contracts
        self._calendar = calendar

    def find(self, contract_id: str, now: int) -> Contract | None:
        """The contract with its `active` flag as of `now`, None when there is no such contract."""
        traded = self._traded.get(contract_id)
        if traded is not None:
            active = traded.month_key >= front_month(traded.root, self._calendar.risk_day(now))
            return traded if active == traded.active else msgspec.structs.replace(traded, active=active)
        try:
            product, letter, year = split_contract_id(contract_id)
        except BadField:
            return None
        row = BY_PRODUCT.get(product)
        if row is None or letter not in row.months + LISTED_TOO.get(row.root, ""):
            return None
        month = (year, MONTH_LETTERS.index(letter) + 1)
        front = front_month(row.root, self._calendar.risk_day(now))
        return contract_for(row.root, *month, now, active=month == front)

    def expired(self, contract: Contract, now: int) -> bool:
        """Whether its month lies before the front month."""
        return contract.month_key < front_month(contract.root, self._calendar.risk_day(now))

    def available(self, now: int) -> list[Contract]:
        """One active expiry per product, sorted by id."""
        day = self._calendar.risk_day(now)
        rows = {row.root: row for row in self._traded.values() if (self.find(row.id, now) or row).active}
        for root in INSTRUMENTS:
            if root not in rows:
                rows[root] = contract_for(root, *front_month(root, day), now)
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
