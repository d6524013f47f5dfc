"""What is known of each account beside its orders and positions."""

from __future__ import annotations

import msgspec

from bot.model.orders import Account
from bot.model.quantities import TsNs
from bot.model.risk import Colour, RuleFigures
from bot.trading.settings import BracketMode


class AccountState(msgspec.Struct):
    """One account; `colour` is the last reconciliation's, red before the first one."""

    account: Account
    as_of: TsNs
    colour: Colour = "red"
    reason: str = "not reconciled yet"
    failed_rounds: int = 0
    known: bool = False
    last_round: int = 0
    bracket_mode: BracketMode = "native"
    rules: RuleFigures = RuleFigures()
    exits_allowed: bool = False
    active: set[str] = msgspec.field(default_factory=set)


class AccountBook:
    """The accounts this process trades; all others of the user are left alone."""

    def __init__(self) -> None:
        self._states: dict[int, AccountState] = {}

    def apply(self, account: Account, as_of: TsNs) -> bool:
        """An event, or a row asked for at `as_of`; True when something changed. An older one changes nothing."""
        state = self._states.get(account.id)
        if state is None or as_of < state.as_of:
            return False
        changed = state.account != account
        state.account, state.as_of = account, as_of
        return changed

    def add(self, account: Account, now: TsNs, mode: BracketMode) -> None:
        first: BracketMode = "native" if mode == "auto" else mode
        self._states[account.id] = AccountState(account, now, bracket_mode=first)

    def get(self, account_id: int) -> AccountState | None:
        return self._states.get(account_id)

    def ids(self) -> list[int]:
        return sorted(self._states)

    def all(self) -> list[AccountState]:
        return [self._states[id_] for id_ in self.ids()]
