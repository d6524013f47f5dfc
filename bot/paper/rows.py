"""The venue's own state as rows: orders, positions, trades, accounts. These are what the ledger holds."""

from __future__ import annotations

from math import gcd

import msgspec

OPEN, FILLED, CANCELLED, REJECTED, PENDING, SUSPENDED = 1, 2, 3, 5, 6, 8
LIVE = frozenset({OPEN, PENDING, SUSPENDED})
LIMIT, MARKET, STOP_LIMIT, STOP, TRAILING, JOIN_BID, JOIN_ASK = 1, 2, 3, 4, 5, 6, 7
STOPS = frozenset({STOP, TRAILING})
LIMITS = frozenset({LIMIT, JOIN_BID, JOIN_ASK})
BUY, SELL = 0, 1


class OrderRow(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One order. Prices in ticks; `cost` is the sum of fill price x lots, `offset` is a child's distance from the entry, `trail` the distance a
    trailing stop keeps, `triggered` that a stop-limit order has become a limit; `origin` tells who made it: api, close, partial, cut, limit (a loss limit), bracket.
    `hidden` rows only keep a tag burnt.
    """

    id: int
    account: int
    contract: str
    created: int
    updated: int
    status: int
    type: int
    side: int
    size: int
    limit: int | None = None
    stop: int | None = None
    filled: int = 0
    cost: int = 0
    filled_at: int = 0
    tag: str | None = None
    offset: int | None = None
    trail: int | None = None
    parent: int | None = None
    linked: int | None = None
    origin: str = "api"
    hidden: bool = False
    triggered: bool = False

    @property
    def is_limit(self) -> bool:
        """Whether it fills at its limit price or better."""
        return self.type in LIMITS or (self.type == STOP_LIMIT and self.triggered)

    @property
    def is_stop(self) -> bool:
        """Whether it waits for its stop price."""
        return self.type in STOPS or (self.type == STOP_LIMIT and not self.triggered)

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self.side == BUY else -1

    @property
    def left(self) -> int:
        """Lots that are not filled yet."""
        return self.size - self.filled


class PositionRow(msgspec.Struct, kw_only=True):
    """A netted position: `net` signed lots, mean price `num/den` ticks. `net` 0 is the flat end."""

    id: int
    account: int
    contract: str
    created: int
    net: int
    num: int
    den: int

    def add(self, lots: int, price: int) -> None:
        """Take in `lots` (same sign as `net`) at `price` ticks."""
        held, more = abs(self.net), abs(lots)
        num = self.num * held + price * more * self.den
        den = self.den * (held + more)
        divisor = gcd(num, den) or 1
        self.num, self.den, self.net = num // divisor, den // divisor, self.net + lots


class TradeRow(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A half-turn; money in micro-dollars, `pnl` None on an opening fill; `voided` gave its money back."""

    id: int
    account: int
    contract: str
    created: int
    price: int
    pnl: int | None
    fees: int
    commissions: int
    side: int
    size: int
    order: int
    voided: bool = False


class AccountRow(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An account and its loss limits: `high` the highest end-of-day balance, `day_start` the balance at
    the start of trade date `day` (ordinal); `locked` until the next one, `breached` for good. `paid_out`
    tells of a first payout, `traded` of a fill on this day; `days` (with a fill), `winning_days` and
    `best_day` count the days that ended.
    """

    id: int
    name: str
    balance: int
    bracket_mode: str
    dll: int | None
    live_routing: bool
    high: int
    day_start: int
    day: int = 0
    locked: bool = False
    breached: bool = False
    closed: bool = False
    follower: bool = False
    paid_out: bool = False
    traded: bool = False
    days: int = 0
    winning_days: int = 0
    best_day: int = 0

    @property
    def can_trade(self) -> bool:
        return not (self.locked or self.breached or self.closed)


class RequestRow(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One request as it was received; `code` is the envelope's error code, -1 without an envelope.

    `body` holds the members of a mutation, credentials never. `fault` names a fault that struck it.
    """

    id: int
    ts: int
    method: str
    path: str
    status: int
    code: int = -1
    body: str = ""
    order: int | None = None
    fault: str = ""
