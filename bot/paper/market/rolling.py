"""Several expiries of a root side by side: the further ones follow the market's own contract at a carry.

The market below knows one expiry of each root. From the time when a later one is listed, its quotes,
prints and book are those of the first, shifted; a contract is silent from its expiry on.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Final

import msgspec

from bot.model.contract import Contract
from bot.model.errors import UnknownSymbol
from bot.model.instruments import contract_for, instrument
from bot.model.market import MinuteBar
from bot.model.quantities import Ticks
from bot.model.times import HOUR
from bot.paper.market.expiry import expiry_ns
from bot.paper.market.feed import RESET, DepthLevel, Market, MarketEvent, Print, QuoteTick
from bot.paper.market.symbols import following

CARRY_PER_MONTH: Final = 25
"""Ten-thousandths of the price by which an expiry lies above the one a month before it."""


_LONGEST_CLOSURE: Final = 5 * 24 * HOUR


class Expiry(msgspec.Struct, frozen=True):
    """One listed contract: whose prices it follows, how many ticks above them, and when it ends (ns UTC)."""

    contract: Contract
    base: str
    offset: int
    ends: int


class RollingMarket:
    """A market over `inner` in which `list_next` adds expiries."""

    def __init__(self, inner: Market) -> None:
        self._inner = inner
        self._contracts: dict[str, Contract] = dict(inner.contracts)
        self._expiries = {row.id: Expiry(row, row.id, 0, expiry_ns(row)) for row in inner.contracts.values()}
        self._chains = {base: [expiry] for base, expiry in self._expiries.items()}
        self._plain_until = min((each.ends for each in self._expiries.values()), default=0)

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """Everything listed so far, expired contracts too."""
        return self._contracts

    def expiries(self, root: str) -> list[Expiry]:
        """The listed contracts of a root, the nearest first."""
        found = [each for each in self._expiries.values() if each.contract.root == root]
        return sorted(found, key=lambda each: each.contract.month_key)

    def list_next(self, root: str, now: int) -> Expiry:
        """List the month after the last listed one. Raises UnknownSymbol for a root without a market."""
        listed = self.expiries(root)
        if not listed:
            raise UnknownSymbol(
                "root", expected="one of " + ", ".join(sorted({row.root for row in self._contracts.values()})),
                seen=root, do="add it to the paper settings",
            )  # fmt: skip
        last = listed[-1]
        month = following(instrument(root), last.contract.month_key, 1)
        carry = _carry(self._inner.top(last.base).bid, last.contract.month_key, month)
        contract = contract_for(root, *month, now, active=False)
        expiry = Expiry(contract, last.base, last.offset + carry, expiry_ns(contract))
        self._contracts[contract.id] = contract
        self._expiries[contract.id] = expiry
        self._chains[last.base].append(expiry)
        self._plain_until = 0
        return expiry

    def standing_for(self, expired: Contract) -> tuple[str, int] | None:
        """Whose prices, and how many ticks above them, tell those of a contract that ended before all listed.

        None for a root without a market. The carry is that of the price at the expiry.
        """
        listed = self.expiries(expired.root)
        if not listed:
            return None
        heir, end = listed[0].contract, expiry_ns(expired)
        start = end - _LONGEST_CLOSURE
        known = self.history(heir.id, start, end) or self.hours(heir.id, start, end)
        if not known:
            return heir.id, 0
        return heir.id, -_carry(known[-1].close, expired.month_key, heir.month_key)

    def advance(self, now: int) -> list[MarketEvent]:
        events = self._inner.advance(now)
        if now < self._plain_until:
            return events
        out: list[MarketEvent] = []
        for (base, ts), group in groupby(events, key=_moment):
            rows = list(group)
            for expiry in self._chains[base]:
                if ts < expiry.ends:
                    out += rows if expiry.contract.id == base else [_moved(row, expiry) for row in rows]
        return out

    def next_ts(self) -> int | None:
        return self._inner.next_ts()

    def history(self, contract_id: str, start: int, end: int) -> list[MinuteBar]:
        expiry = self._expiry(contract_id)
        bars = self._inner.history(expiry.base, start, end)
        return [raised(bar, expiry.offset) for bar in bars] if expiry.offset else bars

    def hours(self, contract_id: str, start: int, end: int) -> list[MinuteBar]:
        expiry = self._expiry(contract_id)
        bars = self._inner.hours(expiry.base, start, end)
        return [raised(bar, expiry.offset) for bar in bars] if expiry.offset else bars

    def push(self, contract_id: str, target: Ticks, seconds: float) -> None:
        expiry = self._expiry(contract_id)
        self._inner.push(expiry.base, Ticks(target - expiry.offset), seconds)

    def top(self, contract_id: str) -> QuoteTick:
        expiry = self._expiry(contract_id)
        top = _moved(self._inner.top(expiry.base), expiry)
        assert isinstance(top, QuoteTick)
        return top

    def last(self, contract_id: str) -> Ticks | None:
        expiry = self._expiry(contract_id)
        last = self._inner.last(expiry.base)
        return None if last is None else Ticks(last + expiry.offset)

    def depth(self, contract_id: str) -> list[DepthLevel]:
        expiry = self._expiry(contract_id)
        moved = [_moved(level, expiry) for level in self._inner.depth(expiry.base)]
        return [level for level in moved if isinstance(level, DepthLevel)]

    def _expiry(self, contract_id: str) -> Expiry:
        found = self._expiries.get(contract_id)
        if found is None:
            raise UnknownSymbol(
                "contract", expected="one of " + ", ".join(self._contracts), seen=contract_id,
                do="add its root to the paper settings",
            )  # fmt: skip
        return found


def raised(bar: MinuteBar, offset: int) -> MinuteBar:
    """The bar `offset` ticks higher."""
    return MinuteBar(
        bar.start, Ticks(bar.open + offset), Ticks(bar.high + offset), Ticks(bar.low + offset),
        Ticks(bar.close + offset), bar.volume,
    )  # fmt: skip


def _carry(price: int, near: tuple[int, int], far: tuple[int, int]) -> int:
    """Ticks by which the far month `(year, month)` lies above the near one."""
    months = (far[0] - near[0]) * 12 + far[1] - near[1]
    return max(1, price * CARRY_PER_MONTH * months // 10_000)


def _moment(event: MarketEvent) -> tuple[str, int]:
    return event.contract_id, event.ts


def _moved(event: MarketEvent, expiry: Expiry) -> MarketEvent:
    """The event as the expiry has it."""
    contract, by = expiry.contract.id, expiry.offset
    if isinstance(event, QuoteTick):
        return QuoteTick(
            contract, event.ts, Ticks(event.bid + by), event.bid_size, Ticks(event.ask + by), event.ask_size
        )
    if isinstance(event, Print):
        return Print(contract, event.ts, Ticks(event.price + by), event.size, event.aggressor)
    price = event.price if event.kind == RESET else Ticks(event.price + by)
    return DepthLevel(contract, event.ts, event.kind, price, event.volume)
