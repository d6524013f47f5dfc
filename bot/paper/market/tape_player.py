"""One contract of a tape on its way to the venue: its touch, its book, and the shift of a push.

A tape with depth keeps its levels; the book of one without is its touch. Where a tape has trades alone,
each of them is the touch's side that its aggressor took.
"""

from __future__ import annotations

from bot.model.market import MinuteBar
from bot.model.quantities import Ticks, TsNs
from bot.model.times import MINUTE, SECOND
from bot.paper.market.feed import (
    ASK_LEVEL,
    BID_LEVEL,
    BUY,
    RESET,
    SELL,
    DepthLevel,
    MarketEvent,
    Print,
    QuoteTick,
)  # fmt: skip
from bot.paper.market.tape_rows import TapeBar, TapeLevel, TapeQuote, TapeRow, TapeTrade

ASSUMED_SIZE = 10
"""Lots on each side where the tape does not tell them."""


class TapePlayer:
    """`learn` takes rows without playing them, `play` makes events of them. Prices in ticks, times in ns."""

    def __init__(self, recorded: str, contract_id: str) -> None:
        self.contract_id = self._id = contract_id
        self._touch: TapeQuote | None = None
        self._recorded = recorded
        self.last: int | None = None
        self._levels: dict[tuple[int, int], int] = {}
        self._deep = self._quoted = False
        self._minutes: list[MinuteBar] = []
        self._offset = 0
        self._push: tuple[int, int, int, int] | None = None
        self._touched = 0

    def learn(self, row: TapeRow, border: int) -> None:
        """A row from before `border`: touch, book and closed minutes as of there."""
        if isinstance(row, TapeQuote):
            self._touch, self._quoted = row, True
        elif isinstance(row, TapeLevel):
            self._deep = True
            self._keep(row)
        elif isinstance(row, TapeTrade):
            self.last = row.price
            self._extend(row)
        elif row.ts + MINUTE <= border:
            self.last = row.bar.close
            self._minutes.append(row.bar)

    def begin(self, border: int, start: int) -> None:
        """Playing begins at `start` with what was known at `border`; the minute under way is left out."""
        if self._minutes and self._minutes[-1].start + MINUTE > border:
            del self._minutes[-1]
        self._touched = start
        if self._touch is None:
            return
        if not self._deep:
            self._levels = {
                (BID_LEVEL, self._touch.bid): self._touch.bid_size,
                (ASK_LEVEL, self._touch.ask): self._touch.ask_size,
            }

    def look_ahead(self, row: TapeRow) -> None:
        """A row behind the border: what kinds there are, and the first touch where none came before."""
        if isinstance(row, TapeLevel):
            self._deep = True
        elif isinstance(row, TapeQuote):
            self._quoted = True
            self._touch = self._touch or row
        elif isinstance(row, TapeBar):
            self._quoted = True
            self._touch = self._touch or self._around(row.ts, row.bar.open, SELL)
        elif self._touch is None:
            self._touch = self._around(row.ts, row.price, BUY if row.aggressor is None else row.aggressor)

    @property
    def touched(self) -> bool:
        """Whether the tape holds a price of it."""
        return self._touch is not None

    def history(self, start: int, end: int, shift: int) -> list[MinuteBar]:
        """Closed minutes before the border, moved by `shift` ns, that open in `[start, end)`."""
        return [
            MinuteBar(TsNs(bar.start + shift), bar.open, bar.high, bar.low, bar.close, bar.volume)
            for bar in self._minutes
            if start <= bar.start + shift < end
        ]

    def push(self, target: int, now: int, seconds: float) -> None:
        """Shift the recording so that it prints at `target` after `seconds`; the shift stays."""
        self._push = (now, now + max(1, int(seconds * SECOND)), self._offset, target)

    def top(self) -> QuoteTick:
        """The touch as played."""
        return self._quote(self._touched)

    def depth(self) -> list[DepthLevel]:
        """The book as played: bids best first, then asks best first."""
        ts, offset = TsNs(self._touched), self._offset
        sides = ((BID_LEVEL, -1), (ASK_LEVEL, 1))
        return [
            DepthLevel(self._id, ts, kind, Ticks(price + offset), self._levels[kind, price])
            for kind, sign in sides
            for price in sorted((p for k, p in self._levels if k == kind), key=lambda p, s=sign: s * p)  # type: ignore[misc]
        ]

    def play(self, row: TapeRow, ts: int, out: list[MarketEvent]) -> None:
        """Append the events of one row at venue time `ts`."""
        shifted = self._shifted(row, ts)
        if shifted != self._offset:
            self._shift_book(shifted, ts, out)
        if isinstance(row, TapeTrade):
            self._print(row, ts, out)
        elif isinstance(row, TapeQuote):
            if not self._deep:
                self._retouch(row, ts, out)
            self._touch, self._touched = row, ts
            out.append(self._quote(ts))
        elif isinstance(row, TapeLevel):
            self._keep(row)
            price = row.price if row.kind == RESET else Ticks(row.price + self._offset)
            out.append(DepthLevel(self._id, TsNs(ts), row.kind, price, row.volume))

    def _print(self, row: TapeTrade, ts: int, out: list[MarketEvent]) -> None:
        touch, aggressor = self._touch, row.aggressor
        assert touch is not None
        if aggressor is None:
            aggressor = BUY if row.price >= touch.ask else SELL
        if not self._quoted and row.price != (touch.ask if aggressor == BUY else touch.bid):
            touch = self._around(ts, row.price, aggressor)
            if not self._deep:
                self._retouch(touch, ts, out)
            self._touch, self._touched = touch, ts
            out.append(self._quote(ts))
        price = row.price + self._offset
        out.append(Print(self._id, TsNs(ts), Ticks(price), row.size, aggressor))
        self.last = price

    def _retouch(self, new: TapeQuote, ts: int, out: list[MarketEvent]) -> None:
        """The levels of a book that is nothing but its touch."""
        levels: dict[tuple[int, int], int] = {
            (BID_LEVEL, new.bid): new.bid_size,
            (ASK_LEVEL, new.ask): new.ask_size,
        }
        for key in [*self._levels, *levels]:
            volume = levels.get(key, 0)
            if self._levels.get(key) != volume:
                out.append(DepthLevel(self._id, TsNs(ts), key[0], Ticks(key[1] + self._offset), volume))
        self._levels = levels

    def _shift_book(self, offset: int, ts: int, out: list[MarketEvent]) -> None:
        before = {(kind, price + self._offset): size for (kind, price), size in self._levels.items()}
        after = {(kind, price + offset): size for (kind, price), size in self._levels.items()}
        self._offset, self._touched = offset, ts
        for key in dict.fromkeys((*before, *after)):
            volume = after.get(key, 0)
            if before.get(key, 0) != volume:
                out.append(DepthLevel(self._id, TsNs(ts), key[0], Ticks(key[1]), volume))
        if self._touch is not None:
            out.append(self._quote(ts))

    def _shifted(self, row: TapeRow, ts: int) -> int:
        """The offset in ticks at `ts`, on its way while a push is under way."""
        if self._push is None or not isinstance(row, TapeTrade | TapeQuote):
            return self._offset
        begun, end, before, target = self._push
        price = row.price if isinstance(row, TapeTrade) else row.bid
        if ts < end:
            return before + (target - price - before) * (ts - begun) // (end - begun)
        if isinstance(row, TapeTrade):
            self._push = None
        return target - price

    def _keep(self, row: TapeLevel) -> None:
        if row.kind == RESET:
            self._levels.clear()
        elif row.kind in (BID_LEVEL, ASK_LEVEL):
            if row.volume > 0:
                self._levels[row.kind, row.price] = row.volume
            else:
                self._levels.pop((row.kind, row.price), None)

    def _extend(self, row: TapeTrade) -> None:
        start = row.ts // MINUTE * MINUTE
        if not self._minutes or self._minutes[-1].start != start:
            self._minutes.append(MinuteBar(TsNs(start), row.price, row.price, row.price, row.price, row.size))
            return
        bar = self._minutes[-1]
        self._minutes[-1] = MinuteBar(
            bar.start, bar.open, max(bar.high, row.price), min(bar.low, row.price), row.price, bar.volume + row.size
        )  # fmt: skip

    def _quote(self, ts: int) -> QuoteTick:
        touch, offset = self._touch, self._offset
        assert touch is not None
        return QuoteTick(
            self._id, TsNs(ts), Ticks(touch.bid + offset), touch.bid_size,
            Ticks(touch.ask + offset), touch.ask_size,
        )  # fmt: skip

    def _around(self, ts: int, price: int, aggressor: int) -> TapeQuote:
        bid = price - 1 if aggressor == BUY else price
        return TapeQuote(self._recorded, ts, Ticks(bid), ASSUMED_SIZE, Ticks(bid + 1), ASSUMED_SIZE)
