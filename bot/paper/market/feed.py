"""What a market hands to the venue: quotes, prints and depth entries in order of venue time.

A market is deterministic: the events up to an instant do not depend on how often `advance` was called.
Events of one contract with one time belong together: after the last of them `bid < ask` and the depth
agrees with the touch. A print of a synthetic market lies at the touch before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from bot.model.contract import Contract
from bot.model.market import MinuteBar
from bot.model.quantities import Ticks, TsNs

BUY, SELL = 0, 1
"""Aggressor of a print."""

ASK_LEVEL, BID_LEVEL = 1, 2
"""The DomType numbers of a book level; a volume of 0 removes it (gateway.md 12.2)."""

RESET = 6
"""The DomType number that clears the book; price and volume are 0."""


class QuoteTick(msgspec.Struct, frozen=True, gc=False):
    """The touch after a change; prices in ticks, sizes in lots, `ts` in ns UTC."""

    contract_id: str
    ts: TsNs
    bid: Ticks
    bid_size: int
    ask: Ticks
    ask_size: int


class Print(msgspec.Struct, frozen=True, gc=False):
    """One trade; `aggressor` is 0 buy (at the ask), 1 sell (at the bid)."""

    contract_id: str
    ts: TsNs
    price: Ticks
    size: int
    aggressor: int


class DepthLevel(msgspec.Struct, frozen=True, gc=False):
    """The new total `volume` at a price of the book; `kind` is 1 ask or 2 bid, another DomType on tapes."""

    contract_id: str
    ts: TsNs
    kind: int
    price: Ticks
    volume: int


MarketEvent = QuoteTick | Print | DepthLevel


class Market(Protocol):
    """One source of prices for all contracts of the gateway."""

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """The contracts that have prices, by id."""
        ...

    def advance(self, now: int) -> list[MarketEvent]:
        """All events with `ts <= now` since the last call, ascending by time."""
        ...

    def next_ts(self) -> int | None:
        """The time of the next event, None when the market has ended."""
        ...

    def history(self, contract_id: str, start: int, end: int) -> list[MinuteBar]:
        """Closed 1m bars with `start <= bar.start < end` from before the feed's start, ascending.

        The close of the last one joins the first live price. Raises UnknownSymbol.
        """
        ...

    def hours(self, contract_id: str, start: int, end: int) -> list[MinuteBar]:
        """One-hour bars (UTC) with `start <= bar.start < end` from before the first bar of `history`, ascending.

        Empty where nothing is known of that time. Raises UnknownSymbol.
        """
        ...

    def push(self, contract_id: str, target: Ticks, seconds: float) -> None:
        """Let the price walk to `target` within `seconds` of venue time. Raises UnknownSymbol."""
        ...

    def top(self, contract_id: str) -> QuoteTick:
        """The touch as of the last `advance`."""
        ...

    def last(self, contract_id: str) -> Ticks | None:
        """The price of the last print, None before the first."""
        ...

    def depth(self, contract_id: str) -> list[DepthLevel]:
        """The whole book as of the last `advance`: bids best first, then asks best first."""
        ...
