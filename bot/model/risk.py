"""The immutable picture on which an approval is decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
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
    profit_target: Money | None = None
    consistency_stop: bool = False


class StrategyPolicy(msgspec.Struct, frozen=True):
    """The base parameters of a strategy that gates and sizing read (strategies.md §10.2).

    Windows are daily `[start, end)` in ET, None = no window; `risk_ppm` is parts per million of the risk
    base, `max_dll_usage_bp` basis points.
    """

    enabled: bool = True
    max_positions: int = 2
    position_size: int = 1
    max_daily_trades: int = 10
    risk_ppm: int = 5000
    preferred_conditions: tuple[str, ...] = ()
    avoid_conditions: tuple[str, ...] = ()
    trading_start: time | None = time(9, 30)
    trading_end: time | None = time(15, 45)
    no_trade_start: time | None = time(15, 30)
    no_trade_end: time | None = time(16)
    respect_dll: bool = True
    respect_mll: bool = True
    max_dll_usage_bp: int = 7500
    max_order_size: int = 10
    force_min_one: bool = False
    max_drift_ticks: int = 8


class InstanceFigures(msgspec.Struct, frozen=True):
    """What the gates need of one strategy instance; `policy` None = the gate's own for that strategy.

    `positions` and `working_entries` are the contract ids in which the instance has one.
    """

    active: bool
    entries_today: int = 0
    positions: frozenset[str] = frozenset()
    working_entries: frozenset[str] = frozenset()
    policy: StrategyPolicy | None = None


class AccountView(msgspec.Struct, frozen=True):
    """One account as the risk gate sees it. `orders` are the working ones by id.

    `unresolved` are the contract ids with an intent of unknown outcome, `instances` go by strategy name,
    `legs` says who keeps the brackets of strategy entries, `exits_allowed` that the operator or the
    watchdog may reduce on an account that is not enabled for trading (bot.md §5.2).
    """

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
    legs: Literal["native", "client"] = "native"
    exits_allowed: bool = False


class RiskView(msgspec.Struct, frozen=True):
    """Everything an approval reads, with a version; swapped as a whole on each change.

    `used_keys` answers whether an idempotency key exists; `quotes` are the merged quotes by contract;
    `labels` the market condition by contract (absent = unknown); `mismatched` the contracts whose
    record differs from the table of instruments; `feed_up` whether prices arrive at all, and `old_history`
    says by contract why its closed bars end too early for a strategy. `clock_skew_ns` is by how much the
    machine's wall clock is ahead of the venue's, None while unknown.
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
    labels: Mapping[str, tuple[str, ...]] = {}
    mismatched: frozenset[str] = frozenset()
    feed_up: bool = True
    old_history: Mapping[str, str] = {}
    clock_skew_ns: int | None = None
