"""Plays a recorded market: trades and quotes as they were, or one-minute bars walked through.

The book of a tape is its touch. A bar is walked open, nearer extreme, other extreme, close, its volume
spread over the prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, pairwise
from pathlib import Path
from typing import Final

from bot.model.contract import Contract
from bot.model.errors import ConfigError, UnknownSymbol
from bot.model.instruments import contract_of, instrument
from bot.model.market import MinuteBar
from bot.model.quantities import Ticks, TsNs
from bot.model.times import MINUTE, SECOND
from bot.paper.market.feed import ASK_LEVEL, BID_LEVEL, BUY, SELL, DepthLevel, MarketEvent, Print, QuoteTick
from bot.paper.market.tape_reader import Tape, TapeQuote, TapeTrade, read_tape

_LEG: Final = 12
"""Prints at most on each of the three ways through a bar."""

_BAR_SIZE: Final = 10
"""Lots shown on each side while bars are played."""


class TapeMarket:
    """One contract's recording, from `lead_ns` after its first row on.

    `start_ns` re-times it so that this point lies there; None keeps the recorded times. Rows before it
    are history. Raises TapeError for a file that is not a tape, ConfigError when nothing is left to play,
    UnknownSymbol for an unknown root.
    """

    def __init__(self, path: str | Path, root: str, start_ns: int | None = None, lead_ns: int = 0) -> None:
        tape = read_tape(Path(path), instrument(root).tick)
        first = _start_of(tape)
        self._shift = 0 if start_ns is None else start_ns - first - lead_ns
        self._start = first + lead_ns + self._shift
        day = datetime.fromtimestamp(self._start // SECOND, UTC).date()
        contract = contract_of(root, day, self._start)
        self._contracts = {contract.id: contract}
        self._id = contract.id
        recorded = first + lead_ns
        events = [row for row in tape.events if row.ts >= recorded]
        bars = [bar for bar in tape.bars if bar.start >= recorded]
        if not (events or bars):
            raise ConfigError(
                f"tape {path}",
                expected="rows after its lead",
                seen=f"none after {lead_ns} ns",
                do="shorten the lead",
            )
        self._history = [bar for bar in tape.bars if bar.start + MINUTE <= recorded] or _minutes(
            [row for row in tape.events if row.ts < recorded], recorded
        )
        self._last: int | None = self._history[-1].close if self._history else None
        self._touch = _first_touch(events or _walked(bars[0]))
        self._touched = self._start
        self._offset = 0
        self._now = self._start
        self._push: tuple[int, int, int, int] | None = None
        self._rows: Iterator[TapeTrade | TapeQuote] = chain(events, chain.from_iterable(map(_walked, bars)))
        self._next: TapeTrade | TapeQuote | None = next(self._rows, None)

    @property
    def contracts(self) -> Mapping[str, Contract]:
        return self._contracts

    @property
    def start_ns(self) -> int:
        """Where playing begins, ns UTC."""
        return self._start

    def advance(self, now: int) -> list[MarketEvent]:
        out: list[MarketEvent] = []
        while self._next is not None and self._next.ts + self._shift <= now:
            self._play(self._next, self._next.ts + self._shift, out)
            self._next = next(self._rows, None)
        self._now = max(self._now, now)
        return out

    def next_ts(self) -> int | None:
        return None if self._next is None else self._next.ts + self._shift

    def history(self, contract_id: str, start: int, end: int) -> list[MinuteBar]:
        self._check(contract_id)
        shift = self._shift
        return [
            MinuteBar(TsNs(bar.start + shift), bar.open, bar.high, bar.low, bar.close, bar.volume)
            for bar in self._history
            if start <= bar.start + shift < end
        ]

    def push(self, contract_id: str, target: Ticks, seconds: float) -> None:
        """Shift the recording so that it prints at `target` after `seconds`; the shift stays."""
        self._check(contract_id)
        self._push = (self._now, self._now + max(1, int(seconds * SECOND)), self._offset, int(target))

    def top(self, contract_id: str) -> QuoteTick:
        self._check(contract_id)
        return self._quote(self._touched)

    def last(self, contract_id: str) -> Ticks | None:
        self._check(contract_id)
        return None if self._last is None else Ticks(self._last)

    def depth(self, contract_id: str) -> list[DepthLevel]:
        top = self.top(contract_id)
        return [
            DepthLevel(self._id, top.ts, BID_LEVEL, top.bid, top.bid_size),
            DepthLevel(self._id, top.ts, ASK_LEVEL, top.ask, top.ask_size),
        ]

    def _play(self, row: TapeTrade | TapeQuote, ts: int, out: list[MarketEvent]) -> None:
        shifted = self._shifted(row, ts)
        if isinstance(row, TapeQuote):
            self._retouch(row, shifted, ts, out)
            return
        if shifted != self._offset:
            self._retouch(self._touch, shifted, ts, out)
        price = row.price + shifted
        aggressor = row.aggressor
        if aggressor is None:
            aggressor = BUY if row.price >= self._touch.ask else SELL
        out.append(Print(self._id, TsNs(ts), Ticks(price), row.size, aggressor))
        self._last = price

    def _retouch(self, touch: TapeQuote, offset: int, ts: int, out: list[MarketEvent]) -> None:
        before = self._quote(ts)
        self._touch, self._offset, self._touched = touch, offset, ts
        after = self._quote(ts)
        for kind, old, new, size, old_size in (
            (BID_LEVEL, before.bid, after.bid, after.bid_size, before.bid_size),
            (ASK_LEVEL, before.ask, after.ask, after.ask_size, before.ask_size),
        ):
            if old != new:
                out.append(DepthLevel(self._id, TsNs(ts), kind, old, 0))
            if old != new or size != old_size:
                out.append(DepthLevel(self._id, TsNs(ts), kind, new, size))
        out.append(after)

    def _shifted(self, row: TapeTrade | TapeQuote, ts: int) -> int:
        """The offset in ticks at `ts`, on its way while a push is under way."""
        if self._push is None:
            return self._offset
        begun, end, before, target = self._push
        price = row.price if isinstance(row, TapeTrade) else row.bid
        if ts < end:
            return before + (target - price - before) * (ts - begun) // (end - begun)
        if isinstance(row, TapeTrade):
            self._push = None
            return target - row.price
        return target - price

    def _quote(self, ts: int) -> QuoteTick:
        touch, offset = self._touch, self._offset
        return QuoteTick(
            self._id, TsNs(ts), Ticks(touch.bid + offset), touch.bid_size,
            Ticks(touch.ask + offset), touch.ask_size,
        )  # fmt: skip

    def _check(self, contract_id: str) -> None:
        if contract_id != self._id:
            raise UnknownSymbol(
                "contract", expected=self._id, seen=contract_id, do="use the contract that the tape holds"
            )


def _start_of(tape: Tape) -> int:
    return tape.events[0].ts if tape.events else tape.bars[0].start


def _first_touch(rows: Sequence[TapeTrade | TapeQuote]) -> TapeQuote:
    """The touch before the first row: the first recorded one, or one around the first trade."""
    quote = next((row for row in rows if isinstance(row, TapeQuote)), None)
    if quote is not None:
        return quote
    price = next(row.price for row in rows if isinstance(row, TapeTrade))
    return TapeQuote(rows[0].ts, Ticks(price - 1), _BAR_SIZE, price, _BAR_SIZE)


def _minutes(rows: Sequence[TapeTrade | TapeQuote], until: int) -> list[MinuteBar]:
    """Closed minute bars of the recorded trades."""
    bars: dict[int, MinuteBar] = {}
    for row in rows:
        start = row.ts // MINUTE * MINUTE
        if isinstance(row, TapeQuote) or start + MINUTE > until:
            continue
        bar = bars.get(start) or MinuteBar(TsNs(start), row.price, row.price, row.price, row.price, 0)
        bars[start] = MinuteBar(
            bar.start, bar.open, max(bar.high, row.price), min(bar.low, row.price), row.price, bar.volume + row.size
        )  # fmt: skip
    return list(bars.values())


def _walked(bar: MinuteBar) -> list[TapeTrade | TapeQuote]:
    """A bar as quotes and prints that make the same bar again."""
    up_first = bar.high - bar.open < bar.open - bar.low
    turns = (bar.open, *((bar.high, bar.low) if up_first else (bar.low, bar.high)), bar.close)
    prices = [bar.open]
    for begin, end in pairwise(turns):
        steps = min(_LEG, abs(end - begin))
        prices += [Ticks(begin + (end - begin) * i // steps) for i in range(1, steps + 1)]
    if bar.volume < len(prices):
        prices = [price for i, price in enumerate(turns) if i in (0, 3) or price != turns[i - 1]]
    share, rest = divmod(bar.volume, len(prices))
    rows: list[TapeTrade | TapeQuote] = []
    before = bar.open
    for i, price in enumerate(prices):
        ts = bar.start + i * (MINUTE - SECOND) // len(prices)
        rising = price > before
        bid = Ticks(price - 1) if rising else price
        rows.append(TapeQuote(ts, bid, _BAR_SIZE, Ticks(bid + 1), _BAR_SIZE))
        size = share + (1 if i < rest else 0)
        if size:
            rows.append(TapeTrade(ts, price, size, BUY if rising else SELL))
        before = price
    return rows
