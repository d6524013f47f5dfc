"""Accounts, orders, fills and positions as the venue reports them.

Enum numbers that are not listed stay as they are: a status of 42 is neither terminal nor working.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from bot.model.quantities import Money, Ticks, TsNs


class Side(IntEnum):
    """Order side on the wire."""

    BUY = 0
    SELL = 1


class OrderType(IntEnum):
    """Order type on the wire; 3 is never placed."""

    LIMIT = 1
    MARKET = 2
    STOP_LIMIT = 3
    STOP = 4
    TRAILING_STOP = 5
    JOIN_BID = 6
    JOIN_ASK = 7


class OrderStatus(IntEnum):
    """Order status on the wire; 8 is a bracket child waiting for its parent."""

    NONE = 0
    OPEN = 1
    FILLED = 2
    CANCELLED = 3
    EXPIRED = 4
    REJECTED = 5
    PENDING = 6
    PENDING_CANCEL = 7
    SUSPENDED = 8


TERMINAL = frozenset({2, 3, 4, 5})
WORKING = frozenset({1, 6, 7, 8})
STOP_FAMILY = frozenset({4, 5})


class Account(msgspec.Struct, frozen=True):
    """A trading account; `balance` in micro-dollars."""

    id: int
    name: str
    balance: Money
    can_trade: bool
    visible: bool
    simulated: bool


class Order(msgspec.Struct, frozen=True):
    """An order of the venue; prices in ticks, `average` is the exact text of the filled price."""

    id: int
    account_id: int
    contract_id: str
    status: int
    type: int
    side: int
    size: int
    created: TsNs
    updated: TsNs
    limit: Ticks | None = None
    stop: Ticks | None = None
    trail_ticks: int | None = None
    filled: int = 0
    average: str | None = None
    tag: str | None = None
    parent_id: int | None = None
    linked_id: int | None = None

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def working(self) -> bool:
        return self.status in WORKING


class Fill(msgspec.Struct, frozen=True):
    """One half-turn. `pnl` is None on an opening fill; money in micro-dollars."""

    id: int
    account_id: int
    contract_id: str
    order_id: int
    side: int
    size: int
    price: Ticks
    ts: TsNs
    fees: Money
    commissions: Money
    pnl: Money | None = None
    voided: bool = False


class Position(msgspec.Struct, frozen=True):
    """A netted position. `side` +1 long, -1 short, 0 flat; `cost_ticks` = sum of fill price x size."""

    id: int
    account_id: int
    contract_id: str
    side: int
    size: int
    cost_ticks: int
    average: str
    created: TsNs

    @property
    def net(self) -> int:
        return self.side * self.size
