"""What recording costs the caller on this machine: measured once, shown as the shadow tax."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from bot.clock import SystemClock, monotonic_ns
from bot.migration.journal import Block, JournalWriter
from bot.migration.recorded import RecordedBarBuilder
from bot.migration.register import Unit
from bot.model.market import Bar, Trade
from bot.model.quantities import Ticks, TsNs
from bot.ports import BarBuilder


class _Idle:
    """A builder that does nothing, so that only the wrapper is timed."""

    def on_trade(self, _trade: Trade) -> list[Bar]:
        return []

    def on_trades(self, _trades: Sequence[Trade]) -> list[Bar]:
        return []

    def snapshot(self) -> bytes:
        return b""


class _Unwritten(JournalWriter):
    """Takes every block and writes none."""

    def submit(self, _block: Block, _calls: int) -> bool:
        return True


def caller_tax_ns(calls: int = 2000) -> int:
    """Median nanoseconds that recording adds to one `on_trades` in the caller, about 2 ms of work."""
    idle = _Idle()
    recorded = RecordedBarBuilder(cast("BarBuilder", idle), _Unwritten(Path(), SystemClock()), {}, tax_ns=0)
    recorded.record(Unit("market_data", "shadow", "python", (), 0))
    trades = (Trade("tax", Ticks(1), 1, TsNs(1), TsNs(1)),)
    plain = _median(idle.on_trades, trades, calls)
    return max(0, _median(recorded.on_trades, trades, calls) - plain)


def _median(call: Callable[[Any], Any], argument: Any, calls: int) -> int:
    taken = []
    for _ in range(calls):
        started = monotonic_ns()
        call(argument)
        taken.append(monotonic_ns() - started)
    return sorted(taken)[calls // 2]
