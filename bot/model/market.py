"""Market values: trades, quotes, depth, bars."""

from __future__ import annotations

from typing import Literal

import msgspec

from bot.model.quantities import Ticks, TsNs

BarSource = Literal["trades", "quotes", "mixed"]
DEFAULT_TIMEFRAMES = ("5s", "15s", "30s", "1m", "2m", "5m", "15m", "30m", "1h")


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One print. `price` and `size` may be missing on the wire; such a print is counted as bad.

    `ts` is the venue's event time, `received` the venue-clock time of arrival; `aggressor` is
    0 buy, 1 sell or None.
    """

    contract_id: str
    price: Ticks | None
    size: int | None
    ts: TsNs | None
    received: TsNs
    aggressor: int | None = None


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The merged top of book of one contract, prices in ticks. Each field keeps its own time (ns, 0 = never)."""

    contract_id: str
    bid: Ticks | None = None
    ask: Ticks | None = None
    last: Ticks | None = None
    open: Ticks | None = None
    high: Ticks | None = None
    low: Ticks | None = None
    volume: int | None = None
    bid_ts: TsNs = TsNs(0)
    ask_ts: TsNs = TsNs(0)
    last_ts: TsNs = TsNs(0)
    ts: TsNs = TsNs(0)
    received: TsNs = TsNs(0)


class DepthChange(msgspec.Struct, frozen=True, gc=False):
    """One depth entry as the venue sent it; `kind` is the venue's DomType number."""

    kind: int
    price: Ticks
    volume: int
    ts: TsNs


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One bar of one contract; prices in ticks, `[start, end)` in ns UTC, `ticks` counts trades.

    `complete` is false when the feed or the subscription did not cover the whole bar.
    """

    contract_id: str
    timeframe: str
    start: TsNs
    end: TsNs
    open: Ticks
    high: Ticks
    low: Ticks
    close: Ticks
    volume: int
    ticks: int
    final: bool
    complete: bool
    source: BarSource = "trades"


class MinuteBar(msgspec.Struct, frozen=True, gc=False):
    """A closed one-minute bar as history delivers it, the input of batch conversion."""

    start: TsNs
    open: Ticks
    high: Ticks
    low: Ticks
    close: Ticks
    volume: int


class ConvertedBar(msgspec.Struct, frozen=True, gc=False):
    """A bar made from `source_bars` closed one-minute bars; `complete` = the window covered it."""

    start: TsNs
    end: TsNs
    open: Ticks
    high: Ticks
    low: Ticks
    close: Ticks
    volume: int
    source_bars: int
    complete: bool
