"""What every tape is read into: trades, touches, book levels and bars of recorded contracts, in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, Protocol

import msgspec

from bot.model.errors import BotError
from bot.model.market import MinuteBar
from bot.model.quantities import Ticks


class TapeError(BotError):
    """A tape that cannot be played; nothing of it was used."""

    code = "BAD_TAPE"
    exit_code = 3


class TapeTrade(msgspec.Struct, frozen=True, gc=False):
    """One recorded trade; `aggressor` is 0 buy, 1 sell or None."""

    contract: str
    ts: int
    price: Ticks
    size: int
    aggressor: int | None


class TapeQuote(msgspec.Struct, frozen=True, gc=False):
    """One recorded touch."""

    contract: str
    ts: int
    bid: Ticks
    bid_size: int
    ask: Ticks
    ask_size: int


class TapeLevel(msgspec.Struct, frozen=True, gc=False):
    """One recorded depth entry; `kind` is a DomType: 1 ask and 2 bid are totals at a price, 6 clears the book."""

    contract: str
    ts: int
    kind: int
    price: Ticks
    volume: int


class TapeBar(msgspec.Struct, frozen=True, gc=False):
    """One recorded minute; `ts` is its open."""

    contract: str
    ts: int
    bar: MinuteBar


TapeRow = TapeTrade | TapeQuote | TapeLevel | TapeBar


class Tape(Protocol):
    """A recording that can be read as often as wanted, from its beginning."""

    @property
    def path(self) -> Path:
        """The file or folder."""
        ...

    def rows(self) -> Iterator[TapeRow]:
        """All rows, ascending by time; `contract` is the id as it was recorded.

        Raises TapeError at the first wrong row.
        """
        ...


def refuse(
    path: Path, where: str, expected: str, seen: object, do: str = "correct or replace the tape"
) -> NoReturn:
    """Raise the TapeError of one row."""
    raise TapeError(f"tape {path}, {where}", expected=expected, seen=seen, do=do)
