"""Whether the venue's books balance: checked after every record of the ledger, in constant time.

The records of one fill (order, half-turn, position, account) belong together; what they touched is
compared when its account record comes, or at the latest with the first record of another instant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import msgspec

from bot.paper.rows import FILLED, OPEN, AccountRow, OrderRow, PositionRow, TradeRow

Key = tuple[int, str]


class Breach(msgspec.Struct, frozen=True):
    """One broken invariant: the record that shows it, what was expected of it and what it said."""

    rule: str
    event: str
    expected: str
    seen: str
    ts: int

    @property
    def text(self) -> str:
        """In one line."""
        return f"{self.rule}: {self.event}: expected {self.expected}, seen {self.seen}"


class Books:
    """Reads records by `read` and tells every breach to `found`."""

    def __init__(self, found: Callable[[Breach], None]) -> None:
        self._found = found
        self._at = 0
        self._lots: defaultdict[Key, int] = defaultdict(int)
        self._net: defaultdict[Key, int] = defaultdict(int)
        self._traded: defaultdict[int, int] = defaultdict(int)
        self._orders: dict[int, tuple[int, int, int]] = {}
        self._balances: dict[int, int] = {}
        self._counted: dict[int, int] = {}
        self._moved: dict[Key, str] = {}
        self._filled: dict[int, str] = {}

    def read(self, ts: int, kind: str, row: Any) -> None:
        """Take in one record."""
        if ts != self._at:
            self.settle()
            self._at = ts
        if kind == "order":
            self._order(row)
        elif kind == "trade":
            self._trade(row)
        elif kind == "position":
            self._position(row)
        elif kind == "account":
            self.settle()
            self._account(row)
        elif kind == "adjust":
            account, amount = row
            self._balances[account] = self._balances.get(account, 0) + amount

    def settle(self) -> None:
        """Compare what the records since the last time have touched."""
        for key, event in self._moved.items():
            if self._net[key] != self._lots[key]:
                self._tell("position", event, f"{self._lots[key]} lots of {key[1]} in account {key[0]} by the fills",
                           f"{self._net[key]} lots")  # fmt: skip
        for order, event in self._filled.items():
            filled, size, status = self._orders.get(order, (0, 0, 0))
            traded = self._traded[order]
            if filled != traded:
                self._tell("filled volume", event, f"{traded} lots by its half-turns", f"{filled} lots")
            elif status == FILLED and filled != size:
                self._tell("filled volume", event, f"{size} lots of a filled order", f"{filled} lots")
        self._moved.clear()
        self._filled.clear()

    def _order(self, row: OrderRow) -> None:
        event = f"order {row.id} with status {row.status}"
        self._orders[row.id] = (row.filled, row.size, row.status)
        if row.filled or row.status == FILLED:
            self._filled[row.id] = event
        if row.parent is not None and row.status == OPEN:
            filled, _, _ = self._orders.get(row.parent, (0, 0, 0))
            if not filled:
                self._tell("child", event, f"a fill of its parent {row.parent} before it works", "no fill")

    def _trade(self, row: TradeRow) -> None:
        amount = 0 if row.voided else (row.pnl or 0) - row.fees - row.commissions
        known = self._counted.get(row.id)
        if row.account in self._balances:
            self._balances[row.account] += amount - (known or 0)
        self._counted[row.id] = amount
        if known is not None:
            return
        key, event = (row.account, row.contract), f"trade {row.id} of order {row.order}"
        self._lots[key] += row.size if row.side == 0 else -row.size
        self._traded[row.order] += row.size
        self._moved[key] = self._filled[row.order] = event

    def _position(self, row: PositionRow) -> None:
        key = (row.account, row.contract)
        self._net[key] = row.net
        self._moved[key] = f"position {row.id}"

    def _account(self, row: AccountRow) -> None:
        expected = self._balances.setdefault(row.id, row.balance)
        if row.balance != expected:
            self._tell("balance", f"account {row.id}", f"{expected} micro-dollars by start and half-turns",
                       f"{row.balance}")  # fmt: skip
            self._balances[row.id] = row.balance

    def _tell(self, rule: str, event: str, expected: str, seen: str) -> None:
        self._found(Breach(rule, event, expected, seen, self._at))
