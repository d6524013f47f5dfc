"""Idempotency keys of strategies: they follow from the identity of a signal alone (strategies.md §16.1)."""

from __future__ import annotations

from datetime import date

import msgspec

from bot.model.actions import Instance
from bot.model.errors import BadField
from bot.model.times import format_ts


class StrategyKey(msgspec.Struct, frozen=True):
    """`account|strategy|contract id|scope|leg`."""

    account_id: int
    strategy: str
    contract_id: str
    scope: str
    leg: str

    @property
    def instance(self) -> Instance:
        return Instance(self.account_id, self.strategy)

    def text(self) -> str:
        """The key as it is stored."""
        return "|".join((str(self.account_id), self.strategy, self.contract_id, self.scope, self.leg))

    @classmethod
    def parse(cls, text: str) -> StrategyKey:
        """Read a key. Raises BadField when it is not one of a strategy."""
        parts = text.split("|")
        if len(parts) != 5 or not parts[0].isdigit() or not all(parts):
            raise BadField("key", expected="account|strategy|contract|scope|leg", seen=text)
        return cls(int(parts[0]), *parts[1:])


def session_scope(day: date) -> str:
    """Scope of everything that belongs to the session of a cash day."""
    return f"S:{day.isoformat()}"


def bar_scope(timeframe: str, start: int) -> str:
    """Scope of a signal at a closed bar."""
    return f"B:{timeframe}:{format_ts(start)}"
