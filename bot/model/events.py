"""Typed events that come out of a hub frame."""

from __future__ import annotations

from typing import Literal

import msgspec

from bot.model.market import DepthChange, Quote, Trade
from bot.model.orders import Account, Fill, Order, Position

Hub = Literal["user", "market"]


class QuoteChanged(msgspec.Struct, frozen=True, gc=False):
    """The merged quote after one partial update; `last_changed` = this update carried a last price."""

    quote: Quote
    last_changed: bool


class Traded(msgspec.Struct, frozen=True):
    """Prints of one frame, in its order."""

    trades: tuple[Trade, ...]


class DepthChanged(msgspec.Struct, frozen=True):
    """Depth entries of one frame, in its order."""

    contract_id: str
    changes: tuple[DepthChange, ...]
    received: int


class OrderChanged(msgspec.Struct, frozen=True):
    """A user-hub order event."""

    order: Order


class FillReported(msgspec.Struct, frozen=True):
    """A user-hub trade event; the same fill may be reported again."""

    fill: Fill


class PositionChanged(msgspec.Struct, frozen=True):
    """A user-hub position event; size 0 is flat."""

    position: Position


class AccountChanged(msgspec.Struct, frozen=True):
    """A user-hub account event."""

    account: Account


class Completed(msgspec.Struct, frozen=True):
    """The answer to an invocation; `error` is empty on success."""

    invocation_id: str
    error: str = ""


class Closed(msgspec.Struct, frozen=True):
    """A close record or a logout event: the connection must be made anew."""

    hub: Hub
    reason: str = ""


class Undecodable(msgspec.Struct, frozen=True):
    """A record or item that could not be read; counted, never dropped silently."""

    hub: Hub
    reason: str


StreamEvent = (
    QuoteChanged | Traded | DepthChanged | OrderChanged | FillReported | PositionChanged
    | AccountChanged | Completed | Closed | Undecodable
)  # fmt: skip
