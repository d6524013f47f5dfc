"""What stops trading beside the clock: halts, Velocity Logic pauses, price bands, a cut before its time.

In a halt nothing of a contract trades or is shown. A pause holds the matching while quotes go on;
aggressive orders are refused or cancelled meanwhile. A band lets nothing trade outside two prices.
Prices are in ticks, times in venue ns.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from bot.paper.market.feed import DepthLevel, MarketEvent, Print, QuoteTick

How = Literal["refuse", "cancel"]
KINDS = ("stop", "resume", "band", "cut")
"""Kinds of ledger records that belong here."""


class Stop(msgspec.Struct, frozen=True):
    """A halt or a pause of one contract; `until` None = until it is resumed."""

    contract: str
    kind: Literal["halt", "pause"]
    until: int | None
    how: How = "refuse"


class Band(msgspec.Struct, frozen=True):
    """The lowest and the highest price at which a contract trades; None = no bound."""

    contract: str
    low: int | None
    high: int | None


class Cut(msgspec.Struct, frozen=True):
    """A trading-hours group that takes no orders before `until`."""

    group: str
    until: int


class Interruptions:
    """What is in force. Rows come in by `take`, live and from the ledger of an earlier run."""

    def __init__(self) -> None:
        self.stops: dict[str, Stop] = {}
        self.bands: dict[str, Band] = {}
        self.cuts: dict[str, Cut] = {}

    def take(self, kind: str, row: Any) -> None:
        """Bring one ledger row into force; `row` is a Stop, Band, Cut, their plain form, or a contract id."""
        if kind == "stop":
            stop = msgspec.convert(row, Stop)
            self.stops[stop.contract] = stop
        elif kind == "resume":
            self.stops.pop(row, None)
        elif kind == "band":
            band = msgspec.convert(row, Band)
            self.bands[band.contract] = band
        elif kind == "cut":
            cut = msgspec.convert(row, Cut)
            self.cuts[cut.group] = cut

    def halted(self, contract_id: str, ts: int) -> bool:
        """Whether the contract is out of trading."""
        stop = self._stop(contract_id, ts)
        return stop is not None and stop.kind == "halt"

    def pause(self, contract_id: str, ts: int) -> Stop | None:
        """The pause that holds the contract's matching."""
        stop = self._stop(contract_id, ts)
        return stop if stop is not None and stop.kind == "pause" else None

    def holds(self, contract_id: str, ts: int) -> bool:
        """Whether nothing may fill now, for a halt or a pause."""
        return self._stop(contract_id, ts) is not None

    def is_cut(self, group: str, ts: int) -> bool:
        """Whether the group was cut before its time and the day is not over."""
        cut = self.cuts.get(group)
        return cut is not None and ts < cut.until

    def inside(self, contract_id: str, price: int) -> bool:
        """Whether a price lies in the contract's band."""
        return self.clamp(contract_id, price) == price

    def clamp(self, contract_id: str, price: int) -> int:
        """The price nearest to `price` within the contract's band."""
        band = self.bands.get(contract_id)
        if band is None:
            return price
        if band.low is not None:
            price = max(price, band.low)
        return price if band.high is None else min(price, band.high)

    def confine(self, event: MarketEvent) -> MarketEvent | None:
        """What of a market event stands: None in a halt, for prints in a pause and beyond a band.

        A touch beyond the band is locked at it: the other side lies one tick outside, with no size.
        """
        if not self.stops and not self.bands:
            return event
        stop = self._stop(event.contract_id, event.ts)
        if stop is not None and (stop.kind == "halt" or isinstance(event, Print)):
            return None
        band = self.bands.get(event.contract_id)
        if band is None:
            return event
        if isinstance(event, QuoteTick):
            return _locked(event, band)
        gone = isinstance(event, DepthLevel) and event.volume == 0
        return event if gone or self.inside(event.contract_id, event.price) else None

    def _stop(self, contract_id: str, ts: int) -> Stop | None:
        stop = self.stops.get(contract_id)
        return stop if stop is not None and (stop.until is None or ts < stop.until) else None


def _locked(quote: QuoteTick, band: Band) -> QuoteTick:
    if band.high is not None and quote.bid > band.high:
        return msgspec.structs.replace(quote, bid=band.high, ask=band.high + 1, ask_size=0)
    if band.low is not None and quote.ask < band.low:
        return msgspec.structs.replace(quote, ask=band.low, bid=band.low - 1, bid_size=0)
    return quote
