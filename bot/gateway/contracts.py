"""The contracts of this venue user: symbols to records, roll order, and the cross-check of their data.

Matching is exact after normalising (bot.md §6.2); product codes differ from roots, so the table of
products decides and the record's name confirms. A record that differs from the table refuses entries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from bot.clock import Clock
from bot.model.contract import MONTH_LETTERS, Contract
from bot.model.errors import UnknownSymbol
from bot.model.instruments import BY_PRODUCT, INSTRUMENTS, expiry_day
from bot.model.times import HOUR, format_ts

ORDER_AGE: Final = 24 * HOUR
_BOUND: Final = 2000
_DATED: Final = re.compile(rf"(.+)([{MONTH_LETTERS}])(\d\d?)", re.ASCII)


class ContractRegistry:
    """Records by contract id, the newest seen; at most 2000, the longest unseen go first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[str, Contract] = {}

    def put(self, contracts: Iterable[Contract]) -> None:
        """Take records as the venue gave them."""
        for contract in contracts:
            self._records.pop(contract.id, None)
            self._records[contract.id] = contract
        while len(self._records) > _BOUND:
            del self._records[next(iter(self._records))]

    def get(self, contract_id: str) -> Contract | None:
        """The record of an id, whatever its age."""
        return self._records.get(contract_id)

    def all(self) -> Mapping[str, Contract]:
        """A view of all records by id."""
        return MappingProxyType(self._records)

    def active(self, root: str) -> Contract:
        """The nearest unexpired active contract of a root, by year and month. Raises UnknownSymbol."""
        today = date.fromisoformat(format_ts(self._clock.now())[:10])
        found = [
            contract
            for contract in self._records.values()
            if contract.root == root and contract.active and not _expired(contract, today)
        ]
        if not found:
            raise self._unknown(root)
        return min(found, key=lambda contract: contract.month_key)

    def resolve(self, symbol: str) -> Contract:
        """A record by root, `MNQ1!`, `@MNQ`, `MNQZ5`, `MNQZ25`, contract id or symbol id, in any case.

        Roots and symbol ids mean the active contract. Raises UnknownSymbol with near names.
        """
        text = symbol.strip().upper()
        record = self._records.get(text)
        if record is not None:
            return record
        if text.startswith("F.US.") and text[5:] in BY_PRODUCT:
            return self.active(BY_PRODUCT[text[5:]].root)
        root = text.removeprefix("@").removesuffix("1!")
        if root in INSTRUMENTS or any(record.root == root for record in self._records.values()):
            return self.active(root)
        dated = _DATED.fullmatch(text)
        if dated is None:
            raise self._unknown(symbol)
        return self._dated(symbol, *dated.groups())

    def fit_for_orders(self, contract: Contract) -> bool:
        """Whether the record is younger than 24 h of venue time."""
        return self._clock.now() - contract.seen_at < ORDER_AGE

    def mismatches(self) -> dict[str, str]:
        """What differs from the table of products, by contract id; such contracts take no entries."""
        found = {contract_id: spec_mismatch(contract) for contract_id, contract in self._records.items()}
        return {contract_id: text for contract_id, text in found.items() if text}

    def _dated(self, symbol: str, root: str, letter: str, year: str) -> Contract:
        month = MONTH_LETTERS.index(letter) + 1
        modulus = 10 ** len(year)
        found = [
            record
            for record in self._records.values()
            if record.root == root
            and record.month_key[1] == month
            and record.month_key[0] % modulus == int(year)
        ]
        if not found:
            raise self._unknown(symbol)
        return max(found, key=lambda record: (record.active, record.month_key))

    def _unknown(self, symbol: str) -> UnknownSymbol:
        names = sorted({record.root for record in self._records.values()} | set(INSTRUMENTS))
        near = get_close_matches(symbol.strip().upper(), names, n=3, cutoff=0.4)
        return UnknownSymbol(
            "symbol",
            expected="an active contract of the venue",
            seen=symbol,
            do=f"did you mean {' or '.join(near)}?" if near else "use a root such as MNQ",
        )


def spec_mismatch(contract: Contract) -> str:
    """How a record differs from the table of products; empty when it does not."""
    row = BY_PRODUCT.get(contract.product)
    if row is None:
        return f"product {contract.product} is not in the table"
    differences = [
        f"{what} {seen}, table {expected}"
        for what, seen, expected in (
            ("tick size", f"{contract.tick.num}/{contract.tick.den}", f"{row.tick.num}/{row.tick.den}"),
            ("tick value", contract.tick_value, row.tick_value),
            ("symbol id", contract.symbol_id, row.symbol_id),
            ("name", contract.name.rstrip("0123456789")[:-1], row.root),
        )
        if seen != expected
    ]
    return "; ".join(differences)


def _expired(contract: Contract, today: date) -> bool:
    year, month = contract.month_key
    if contract.root in INSTRUMENTS:
        return expiry_day(contract.root, year, month) < today
    return (year, month) < (today.year, today.month)
