"""The immutable picture on which an approval is decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from bot.model.contract import Contract
from bot.model.market import Quote
from bot.model.orders import Account, Order, Position
from bot.model.quantities import Money, TsNs

TradingState = Literal["ACTIVE", "REDUCING", "HALTED"]
Colour = Literal["green", "amber", "red"]
RuleStatus = Literal["OK", "UNKNOWN", "DLL_LOCKED", "MLL_BREACHED"]


class RuleFigures(msgspec.Struct, frozen=True):
    """What the rule machine knows of one account; money in micro-dollars, None = not known."""

    status: RuleStatus = "UNKNOWN"
    program: str = ""
    size: str = ""
    balance: Money | None = None
    equity: Money | None = None
    day_pnl: Money | None = None
    floor: Money | None = None
    dll: Money | None = None
    mll: Money | None = None
    max_minis_tenths: int = 0
    nominal: Money = Money(0)


class InstanceFigures(msgspec.Struct, frozen=True):
    """What the gates need of one strategy instance."""

    active: bool
    entries_today: int = 0
    positions: frozenset[str] = frozenset()
    working_entries: frozenset[str] = frozenset()


class AccountView(msgspec.Struct, frozen=True):
    """One account as the risk gate sees it. `orders` are the working ones by id."""

    account: Account
    trading_state: TradingState
    state_reason: str
    colour: Colour
    rules: RuleFigures
    positions: Mapping[str, Position] = {}
    orders: Mapping[int, Order] = {}
    unresolved: frozenset[str] = frozenset()
    instances: Mapping[str, InstanceFigures] = {}
    hub_ok: bool = False


class RiskView(msgspec.Struct, frozen=True):
    """Everything an approval reads, with a version; swapped as a whole on each change.

    `used_keys` answers whether an idempotency key exists; `quotes` are the merged quotes by contract.
    """

    version: int
    as_of: TsNs
    accounts: Mapping[int, AccountView]
    contracts: Mapping[str, Contract]
    quotes: Mapping[str, Quote]
    used_keys: frozenset[str] | Mapping[str, object] | set[str] = frozenset()
    live_accounts: frozenset[int] = frozenset()
    live: bool = False
    store_ok: bool = True
