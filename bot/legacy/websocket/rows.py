"""The market hub's records as they come in nearly always, for decoding in one pass.

Every member may be missing; `data` is set when the payload is wrapped, and such a record takes the
general way. Decimals are text, whole numbers ints.
"""

from __future__ import annotations

from typing import Any

import msgspec


class QuoteRow(msgspec.Struct, gc=False):
    """`GatewayQuote`: only what changed (gateway.md §12.2)."""

    bestBid: Any = None  # noqa: N815 - the wire's spelling
    bestAsk: Any = None  # noqa: N815
    lastPrice: Any = None  # noqa: N815
    timestamp: Any = None
    lastUpdated: Any = None  # noqa: N815
    open: Any = None
    high: Any = None
    low: Any = None
    volume: Any = None
    data: Any = None


class TradeRow(msgspec.Struct, gc=False):
    """One print of a `GatewayTrade`."""

    price: Any = None
    volume: Any = None
    timestamp: Any = None
    type: Any = None
    data: Any = None


class DepthRow(msgspec.Struct, gc=False):
    """One entry of a `GatewayDepth`."""

    type: Any = None
    price: Any = None
    volume: Any = None
    timestamp: Any = None
    data: Any = None


class QuoteRecord(msgspec.Struct, gc=False, tag_field="target", tag="GatewayQuote"):
    arguments: tuple[str, QuoteRow]
    type: int


class TradeRecord(msgspec.Struct, gc=False, tag_field="target", tag="GatewayTrade"):
    arguments: tuple[str, list[TradeRow]]
    type: int


class DepthRecord(msgspec.Struct, gc=False, tag_field="target", tag="GatewayDepth"):
    arguments: tuple[str, list[DepthRow]]
    type: int


MARKET_RECORD = msgspec.json.Decoder(QuoteRecord | TradeRecord | DepthRecord, float_hook=str)
