"""Plays a recorded market: one or several tapes, each of one or several contracts, in one order of time.

Bars are walked open, nearer extreme, other extreme, close, their volume spread over the prints.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Final

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.model.contract import MONTH_LETTERS, Contract, split_contract_id
from bot.model.errors import ConfigError, UnknownSymbol
from bot.model.instruments import BY_PRODUCT, contract_for, front_month
from bot.model.market import MinuteBar
from bot.model.quantities import Ticks
from bot.model.times import MINUTE, SECOND
from bot.paper.market.feed import BUY, SELL, DepthLevel, MarketEvent, QuoteTick
from bot.paper.market.symbols import shifted
from bot.paper.market.tape_frames import FramesTape
from bot.paper.market.tape_player import ASSUMED_SIZE, TapePlayer
from bot.paper.market.tape_reader import open_tape
from bot.paper.market.tape_rows import Tape, TapeBar, TapeQuote, TapeRow, TapeTrade

_LEG: Final = 12
"""Prints at most on each of the three ways through a bar."""


class _Span(msgspec.Struct):
    """Where the rows of a tape lie."""

    first: int
    last: int = 0


class TapeMarket:
    """Recordings of one time, from `lead_ns` after their first row on.

    `start_ns` re-times them so that this point lies there, and each contract becomes the one that stands
    there in its place; None keeps times and contracts. Rows before it are history. All rows are looked
    through first: raises TapeError for a wrong one, ConfigError for tapes that do not go together or when
    nothing is left to play; `notices` tell what was cut from torn ends.
    """

    def __init__(
        self, tapes: Sequence[Tape], start_ns: int | None = None, lead_ns: int = 0,
        calendar: SessionCalendar | None = None,
    ) -> None:  # fmt: skip
        calendar = calendar or SessionCalendar.shipped()
        self._players: dict[str, TapePlayer] = {}
        self._contracts: dict[str, Contract] = {}
        spans = [_Span(next(_expanded(tape.rows())).ts) for tape in tapes]
        first = min(span.first for span in spans)
        self._border = border = first + lead_ns
        self._shift = 0 if start_ns is None else start_ns - border
        self._start = border + self._shift
        self._recorded_day, self._played_day = calendar.risk_day(border), calendar.risk_day(self._start)
        self._learn(tapes, spans)
        _check_together(tapes, spans)
        self.notices = [
            f"tape {path}: its end was torn, {cut} bytes are left out"
            for tape in tapes
            if isinstance(tape, FramesTape)
            for path, cut in tape.torn.items()
        ]
        for player in self._players.values():
            player.begin(border, self._start)
        rows = heapq.merge(*map(self._ahead, tapes), key=_time_of)
        self._rows = iter(rows)
        self._next = next(self._rows, None)
        if self._next is None:
            raise ConfigError(
                f"tape {tapes[0].path}", expected="rows after its lead", seen=f"none after {lead_ns} ns",
                do="shorten the lead",
            )  # fmt: skip
        self._now = self._start

    @property
    def contracts(self) -> Mapping[str, Contract]:
        return self._contracts

    @property
    def start_ns(self) -> int:
        """Where playing begins, ns UTC."""
        return self._start

    def advance(self, now: int) -> list[MarketEvent]:
        out: list[MarketEvent] = []
        shift, row = self._shift, self._next
        while row is not None and row.ts + shift <= now:
            self._players[row.contract].play(row, row.ts + shift, out)
            row = next(self._rows, None)
        self._next = row
        self._now = max(self._now, now)
        return out

    def next_ts(self) -> int | None:
        return None if self._next is None else self._next.ts + self._shift

    def history(self, contract_id: str, start: int, end: int) -> list[MinuteBar]:
        return self._player(contract_id).history(start, end, self._shift)

    def hours(self, contract_id: str, start: int, end: int) -> list[MinuteBar]:  # noqa: ARG002 - empty at all times
        """None: a tape knows nothing of the time before it."""
        self._player(contract_id)
        return []

    def push(self, contract_id: str, target: Ticks, seconds: float) -> None:
        """Shift the recording so that it prints at `target` after `seconds`; the shift stays."""
        self._player(contract_id).push(int(target), self._now, seconds)

    def top(self, contract_id: str) -> QuoteTick:
        return self._player(contract_id).top()

    def last(self, contract_id: str) -> Ticks | None:
        last = self._player(contract_id).last
        return None if last is None else Ticks(last)

    def depth(self, contract_id: str) -> list[DepthLevel]:
        return self._player(contract_id).depth()

    def _learn(self, tapes: Sequence[Tape], spans: Sequence[_Span]) -> None:
        """Look through all rows: what was before the border, and what each contract begins with."""
        owners: dict[str, Tape] = {}
        for tape, span in zip(tapes, spans, strict=True):
            for row in tape.rows():
                player = self._players.get(row.contract) or self._admit(row.contract)
                if owners.setdefault(row.contract, tape) is not tape:
                    raise ConfigError(
                        f"tape {tape.path}", expected="each contract on one tape",
                        seen=f"{row.contract}, which {owners[row.contract].path} holds too", do="leave one of them out",
                    )  # fmt: skip
                span.last = row.ts
                if row.ts < self._border:
                    player.learn(row, self._border)
                else:
                    player.look_ahead(row)
        silent = [recorded for recorded, player in self._players.items() if not player.touched]
        for recorded in silent:
            del self._contracts[self._played(recorded)]
        self._silent = frozenset(silent)
        self._by_id = {player.contract_id: player for player in self._players.values() if player.touched}

    def _admit(self, recorded: str) -> TapePlayer:
        played = self._played(recorded)
        product, letter, year = split_contract_id(played)
        root, month = BY_PRODUCT[product].root, (year, MONTH_LETTERS.index(letter) + 1)
        active = month == front_month(root, self._played_day)
        self._contracts[played] = contract_for(root, *month, self._start, active=active)
        player = self._players[recorded] = TapePlayer(recorded, played)
        return player

    def _played(self, recorded: str) -> str:
        return shifted(recorded, self._recorded_day, self._played_day)

    def _ahead(self, tape: Tape) -> Iterator[TapeRow]:
        return (
            row
            for row in _expanded(tape.rows())
            if row.ts >= self._border and row.contract not in self._silent
        )

    def _player(self, contract_id: str) -> TapePlayer:
        player = self._by_id.get(contract_id)
        if player is None:
            raise UnknownSymbol(
                "contract", expected=" or ".join(self._contracts), seen=contract_id,
                do="use a contract that the tape holds",
            )  # fmt: skip
        return player


def tape_market(
    named: Iterable[tuple[str | None, Path]], start_ns: int | None = None, lead_ns: int = 0
) -> TapeMarket:
    """The market of tapes given as root (None: all that the tape names) and path."""
    return TapeMarket([open_tape(path, root) for root, path in named], start_ns, lead_ns)


def _check_together(tapes: Sequence[Tape], spans: Sequence[_Span]) -> None:
    earliest = min(zip(spans, tapes, strict=True), key=lambda each: each[0].last)
    for tape, span in zip(tapes, spans, strict=True):
        if span.first > earliest[0].last:
            raise ConfigError(
                f"tape {tape.path}", expected="tapes of one time",
                seen=f"one that begins after the end of {earliest[1].path}", do="play tapes of the same hours",
            )  # fmt: skip


def _time_of(row: TapeRow) -> int:
    return row.ts


def _expanded(rows: Iterator[TapeRow]) -> Iterator[TapeRow]:
    """The rows with each bar walked through; bars of several contracts side by side."""
    for opens, group in groupby(rows, key=_minute_of):
        if opens is None:
            yield from group
            continue
        walked = [part for row in group if isinstance(row, TapeBar) for part in _walked(row)]
        yield from sorted(walked, key=_time_of)


def _minute_of(row: TapeRow) -> int | None:
    return row.ts if isinstance(row, TapeBar) else None


def _walked(row: TapeBar) -> list[TapeTrade | TapeQuote]:
    """A bar as quotes and prints that make the same bar again."""
    bar, contract = row.bar, row.contract
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
        rows.append(TapeQuote(contract, ts, bid, ASSUMED_SIZE, Ticks(bid + 1), ASSUMED_SIZE))
        size = share + (1 if i < rest else 0)
        if size:
            rows.append(TapeTrade(contract, ts, price, size, BUY if rising else SELL))
        before = price
    return rows
