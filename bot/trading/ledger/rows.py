"""What goes into the ledger and what comes out. Prices in ticks, money in micro-dollars, wire sides."""

from __future__ import annotations

import msgspec

from bot.model.orders import Fill
from bot.model.quantities import Money, Ticks, TsNs


class LedgerFill(msgspec.Struct, frozen=True):
    """A half-turn; `costs` = fees + commissions, `strategy` that of its order."""

    id: int
    ts: TsNs
    contract_id: str
    side: int
    size: int
    price: Ticks
    costs: Money
    order_id: int
    strategy: str | None = None
    voided: bool = False
    account_id: int = 0

    @classmethod
    def of(cls, fill: Fill, strategy: str | None = None) -> LedgerFill:
        """A venue fill and the strategy of its order."""
        return cls(
            fill.id, fill.ts, fill.contract_id, fill.side, fill.size, fill.price,
            Money(fill.fees + fill.commissions), fill.order_id, strategy, fill.voided, fill.account_id,
        )  # fmt: skip


class OpeningLot(msgspec.Struct, frozen=True):
    """A position carried into the window; `approximate` when its price came from an average."""

    contract_id: str
    side: int
    size: int
    price: Ticks
    ts: TsNs
    order_id: int
    approximate: bool = False
    strategy: str | None = None
    account_id: int = 0


class RoundTrip(msgspec.Struct, frozen=True):
    """All matches of one entry order with one exit order. `side` +1 long, -1 short; sums of price x size."""

    account_id: int
    contract_id: str
    side: int
    size: int
    entry_ticks: int
    exit_ticks: int
    gross: Money
    costs: Money
    entry_ts: TsNs
    exit_ts: TsNs
    entry_order: int
    exit_order: int
    strategy: str | None
    approximate: bool

    @property
    def net(self) -> Money:
        return Money(self.gross - self.costs)


class OpenLot(msgspec.Struct, frozen=True):
    """What is still open of one entry; `costs` not yet borne by a trade."""

    account_id: int
    contract_id: str
    side: int
    size: int
    price: Ticks
    order_id: int
    costs: Money


class Flat(msgspec.Struct, frozen=True):
    """The sum of gross of a contract from one flat instant to the next, for comparison with the venue's."""

    account_id: int
    contract_id: str
    ts: TsNs
    gross: Money
    fills: tuple[int, ...]


class Books(msgspec.Struct, frozen=True):
    """The outcome: trades by exit time, exit order, entry order; lots by contract; flat stretches in order."""

    trades: tuple[RoundTrip, ...]
    open_lots: tuple[OpenLot, ...]
    flats: tuple[Flat, ...]
