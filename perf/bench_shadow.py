"""What the shadow costs the bot: per journaled call, and in the tail of a frame's way to bars.

The journal is real: a writer thread, files in a temporary folder. Blocks with and without it alternate.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Self

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.clock import SystemClock, monotonic_ns, process_cpu_ns
from bot.legacy.market_data import PythonBarBuilder
from bot.legacy.websocket import PythonStreamProcessor
from bot.migration.journal import JournalWriter
from bot.migration.recorded import RecordedBarBuilder
from bot.migration.register import Unit
from bot.migration.tax import caller_tax_ns
from bot.model.contract import Contract
from bot.model.events import Traded
from bot.model.instruments import contract_of
from bot.model.market import DEFAULT_TIMEFRAMES, Trade
from bot.model.times import SECOND, format_ts, parse_ts
from bot.ports import BarBuilder
from perf.work import Goal, Variant, Work
from shadow.gate import FRAME_TAIL

START = parse_ts("2025-11-03T14:30:00Z")
CALLS = 20_000
FRAMES = 4_000
STEP_NS = 40_000_000
UNIT = Unit("market_data", "shadow", "python", ("rust",), 1)
SETTINGS = {"timeframes": list(DEFAULT_TIMEFRAMES), "close_grace_ms": 500, "max_future_ms": 5000}
CONTRACT = contract_of("MNQ", date(2025, 11, 3), START)


def works() -> list[Work]:
    """The works of this component."""
    return [caller(), processor_time(), frame_tail()]


def caller() -> Work:
    """Median of what recording adds to one call in the caller's thread."""
    variant = Variant("python", lambda: [float(caller_tax_ns(CALLS)) for _ in range(3)])
    note = "Wrapper around a builder that does nothing, less that builder called by itself; enqueue included."
    return Work("shadow tax, caller", "ns per call", CALLS, [variant], [Goal("python", at_most=600.0)], note)


def processor_time() -> Work:
    """CPU of the whole process that recording adds to one call: caller, encoding, checksum, write."""
    trades = _trades(CALLS)

    def sample() -> Sequence[float]:
        figures = []
        for _ in range(3):
            started = process_cpu_ns()
            _feed(_builder(), trades)
            between = process_cpu_ns()
            with _Recorded() as recorded:
                _feed(recorded.bars, trades)
            figures.append((process_cpu_ns() - 2 * between + started) / recorded.journal.calls)
        return figures

    note = "CPU of all threads over the same calls with the journal less without it, per call in the journal; files and snapshots included."
    return Work(
        "shadow tax, CPU",
        "ns per call",
        CALLS,
        [Variant("python", sample)],
        [Goal("python", at_most=2000.0)],
        note,
    )


def frame_tail() -> Work:
    """p99 of frame bytes to bars, journal off and on in alternating blocks of the same frames."""
    frames = _frames(FRAMES)

    def off() -> Sequence[float]:
        return [_p99(_way(_builder(), frames)) / 1e3]

    def on() -> Sequence[float]:
        with _Recorded() as recorded:
            return [_p99(_way(recorded.bars, frames)) / 1e3]

    def added() -> Sequence[float]:
        figures = []
        for first, second, sign in ((off, on, 1), (on, off, -1), (on, off, -1), (off, on, 1)):
            one, two = first()[0], second()[0]
            figures.append(sign * (two - one))
        return figures

    variants = [
        Variant("journal off", off),
        Variant("journal on", on),
        Variant("added by the journal", added),
    ]
    note = "One frame with one to three prints: PythonStreamProcessor.feed, then PythonBarBuilder.on_trades; timers between."
    goal = Goal("added by the journal", at_most=100.0)
    return Work(FRAME_TAIL, "µs", FRAMES, variants, [goal], note)


class _Recorded:
    """A recorded builder over a journal of its own, for one block."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self.journal = JournalWriter(Path(self._folder.name) / "journal", SystemClock())
        self.journal.start()
        self.bars = RecordedBarBuilder(_builder(), self.journal, SETTINGS)
        self.bars.record(UNIT)
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()
        self.journal.stop()
        lost = self.journal.dropped
        self._folder.cleanup()
        if lost:
            raise RuntimeError(f"the journal dropped {lost} calls: the figures would flatter it")


def _builder() -> PythonBarBuilder:
    return PythonBarBuilder(DEFAULT_TIMEFRAMES, SessionCalendar.shipped())


def _trades(count: int) -> list[tuple[Trade, ...]]:
    stream, now, price, calls = random.Random(7), START, 80_000, []
    for _ in range(count):
        now += stream.randrange(0, 2 * STEP_NS)
        price += stream.randrange(-1, 2)
        calls.append((Trade(CONTRACT.id, price, stream.randrange(1, 5), now, now + 2_000_000, 0),))
    return calls


def _frames(count: int) -> list[tuple[bytes, int]]:
    """Records of the market hub as the venue sends them, with their arrival in venue time."""
    frames = []
    for (trade,) in _trades(count):
        row = {
            "symbolId": CONTRACT.symbol_id, "price": msgspec.Raw(CONTRACT.tick.format(trade.price).encode()),
            "timestamp": format_ts(trade.ts, "+00:00"), "type": trade.aggressor, "volume": trade.size,
        }  # fmt: skip
        rows = [row] * (1 + trade.size % 3)
        record = {"type": 1, "target": "GatewayTrade", "arguments": [CONTRACT.id, rows]}
        frames.append((msgspec.json.encode(record), trade.received))
    return frames


def _feed(bars: BarBuilder, calls: Sequence[tuple[Trade, ...]]) -> None:
    next_timer = START
    for trades in calls:
        bars.on_trades(trades)
        if trades[0].received >= next_timer:
            bars.on_timer(trades[0].received)
            next_timer = trades[0].received + SECOND // 4


def _way(bars: BarBuilder, frames: Sequence[tuple[bytes, int]]) -> list[int]:
    processor = PythonStreamProcessor()
    contracts: dict[str, Contract] = {CONTRACT.id: CONTRACT}
    processor.set_contracts(contracts)
    feed: Callable[..., Any] = processor.feed
    taken, next_timer = [], START
    for frame, received in frames:
        started = monotonic_ns()
        for event in feed("market", frame, received):
            if isinstance(event, Traded):
                bars.on_trades(event.trades)
        taken.append(monotonic_ns() - started)
        if received >= next_timer:
            bars.on_timer(received)
            next_timer = received + SECOND // 4
    if processor.undecodable:
        raise RuntimeError(f"frames: expected all to be read, got {processor.last_problem}")
    return taken


def _p99(taken: Sequence[int]) -> float:
    ordered = sorted(taken)
    return float(ordered[int(len(ordered) * 0.99)])
