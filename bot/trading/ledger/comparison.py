"""The ledger against the venue's own results (strategies.md §14.7)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from bot.model.orders import Fill
from bot.model.quantities import Money, TsNs
from bot.trading.ledger.rows import Books


class Difference(msgspec.Struct, frozen=True):
    """A flat stretch whose gross is not what the venue says."""

    account_id: int
    contract_id: str
    ts: TsNs
    ours: Money
    venue: Money


def differences(books: Books, fills: Iterable[Fill]) -> list[Difference]:
    """Flat stretches whose gross differs from the venue's own sum of profit over its non-voided rows.

    A fill that closes one stretch and opens the next is in both, with its profit in the first.
    """
    results = {(fill.account_id, fill.id): fill.pnl or 0 for fill in fills if not fill.voided}
    counted: set[tuple[int, int]] = set()
    found = []
    for flat in books.flats:
        keys = {(flat.account_id, id_) for id_ in flat.fills} - counted
        counted |= keys
        venue = Money(sum(results.get(key, 0) for key in keys))
        if venue != flat.gross:
            found.append(Difference(flat.account_id, flat.contract_id, flat.ts, flat.gross, venue))
    return found
