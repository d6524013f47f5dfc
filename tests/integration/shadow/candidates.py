"""Candidates with one fault each, loaded by the worker as `name=tests.integration.shadow.candidates:Class`."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence

import msgspec

from bot.legacy.market_data import PythonBarBuilder
from bot.model.market import Bar, Trade
from bot.model.quantities import TsNs
from bot.model.times import MINUTE
from tests.integration.shadow.tape import START

FAULTY_MINUTE = START + 4 * MINUTE
BAD_INSTANT = FAULTY_MINUTE + 20 * 1_000_000_000


class Twin(PythonBarBuilder):
    """The authority once more."""


class WrongHigh(PythonBarBuilder):
    """One line wrong: the high of one minute is a tick too high."""

    def on_timer(self, wall: TsNs) -> list[Bar]:
        return [_spoiled(bar) for bar in super().on_timer(wall)]

    def on_trades(self, trades: Sequence[Trade]) -> list[Bar]:
        return [_spoiled(bar) for bar in super().on_trades(trades)]


class LostPrint(PythonBarBuilder):
    """Loses one print: nothing shows until its bars close or the states are compared."""

    def on_trades(self, trades: Sequence[Trade]) -> list[Bar]:
        kept = [trade for trade in trades if not _bad(trade) or trade is not trades[0]]
        return super().on_trades(kept)


class PanicException(BaseException):
    """Named as PyO3 names its own."""


class Panicking(PythonBarBuilder):
    def on_trades(self, trades: Sequence[Trade]) -> list[Bar]:
        if any(map(_bad, trades)):
            raise PanicException("index out of bounds")
        return super().on_trades(trades)


class Crashing(PythonBarBuilder):
    """Takes its process down."""

    def on_trades(self, trades: Sequence[Trade]) -> list[Bar]:
        if any(map(_bad, trades)):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().on_trades(trades)


class Hanging(PythonBarBuilder):
    """Never comes back."""

    def on_trades(self, trades: Sequence[Trade]) -> list[Bar]:
        if any(map(_bad, trades)):
            threading.Event().wait()
        return super().on_trades(trades)


class Slow(PythonBarBuilder):
    """Gives a test the time to kill the worker in the middle."""

    def on_timer(self, wall: TsNs) -> list[Bar]:
        threading.Event().wait(0.0005)
        return super().on_timer(wall)


def _spoiled(bar: Bar) -> Bar:
    if bar.timeframe == "1m" and bar.start == FAULTY_MINUTE and "MNQ" in bar.contract_id:
        return msgspec.structs.replace(bar, high=bar.high + 1)
    return bar


def _bad(trade: Trade) -> bool:
    return "MNQ" in trade.contract_id and BAD_INSTANT <= trade.received < BAD_INSTANT + 2_000_000_000
