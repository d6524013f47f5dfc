"""A bar builder that is watched: the same port, and every call goes to the journal in order.

The caller pays for two readings of a counter, one tuple and one append; blocks of 256 calls are handed to
the writer, at least one a second. Snapshots of the state are taken at the start, when a feed comes up or
goes down, and at the first timer after `snapshot_every` calls or a minute, so that a reader can begin at
any of them. After lost calls recording resumes with a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from bot.clock import monotonic_ns
from bot.migration.builds import source_hash
from bot.migration.journal import BLOCK_CALLS, JournalWriter
from bot.migration.records import (
    COLUMNS,
    DOWN,
    FIELDS,
    MODE,
    QUOTE,
    SUBSCRIBE,
    TIMER,
    TRADE,
    TRADES,
    UP,
    Failure,
    Record,
    Snapshot,
    bar_block,
)
from bot.migration.register import Unit
from bot.model.market import Bar, Trade
from bot.model.quantities import Ticks, TsNs
from bot.model.times import MINUTE, SECOND
from bot.ports import BarBuilder

COMPONENT: Final = "market_data"
_BLOCK_ENTRIES: Final = BLOCK_CALLS * FIELDS
HAND_OVER_NS: Final = SECOND  # a block a second keeps the writer below 2 µs of CPU per call at a quiet market


class RecordedBarBuilder:
    """Wraps the authority of market_data. `settings` are its constructor's values, so that twins can be built:
    `{"timeframes": [...], "close_grace_ms": 500, "max_future_ms": 5000}`. `tax_ns` is what recording costs the
    caller per call; None measures it when recording begins, in about 2 ms.
    """

    def __init__(
        self, builder: BarBuilder, journal: JournalWriter, settings: Mapping[str, Any], *,
        authority: str = "python", snapshot_every: int = 2000, mono: Callable[[], int] = monotonic_ns,
        tax_ns: int | None = None,
    ) -> None:  # fmt: skip
        self._builder, self._journal = builder, journal
        self._settings = dict(settings)
        self._authority = authority
        self._build = source_hash(type(builder))
        self._every = snapshot_every
        self._mono = mono
        self._tax_ns = tax_ns
        self._inner_trade, self._inner_trades = builder.on_trade, builder.on_trades
        self._calls: list[
            Any
        ] = []  # four entries per call: containers that live would make the collector run
        self._recording = False
        self._wanted: Unit | None = None
        self._seq = self._missed = self._snapshot_seq = self._snapshot_at = 0
        self._losses = self._handed_at = 0
        self.snapshot_failures = 0

    @property
    def recording(self) -> bool:
        """Whether calls reach the journal at present."""
        return self._recording

    def record(self, unit: Unit) -> None:
        """Follow the stage of one unit: record at replay and beyond, pass calls through at off."""
        if self._recording:
            self._hand_over()
        if self._wanted is None:
            self._missed = 0  # nothing was to be recorded
        self._wanted = unit if unit.recorded else None
        self._recording = False
        if self._wanted is not None:
            if self._tax_ns is None:
                from bot.migration.tax import caller_tax_ns  # it measures this class

                self._tax_ns = caller_tax_ns()
            self._resume("start")

    def stop(self) -> None:
        """Write a last snapshot and record no more; call it before the journal stops."""
        if self._recording:
            self._snapshot("stop")
        self._recording, self._wanted = False, None

    # --- the port ---

    def on_trade(self, trade: Trade) -> list[Bar]:
        if not self._recording:
            self._missed += 1
            return self._inner_trade(trade)
        started = self._mono()
        try:
            bars = self._inner_trade(trade)
        except Exception as problem:
            self._put(TRADE, (trade,), Failure.of(problem), self._mono() - started)
            raise
        ns = self._mono() - started
        calls = self._calls
        calls += (TRADE, (trade,), tuple(bars) if bars else (), ns)
        if len(calls) >= _BLOCK_ENTRIES:
            self._hand_over()
        return bars

    def on_trades(self, trades: Sequence[Trade]) -> list[Bar]:
        if not self._recording:
            self._missed += 1
            return self._inner_trades(trades)
        started = self._mono()
        try:
            bars = self._inner_trades(trades)
        except Exception as problem:
            self._put(TRADES, tuple(trades), Failure.of(problem), self._mono() - started)
            raise
        ns = self._mono() - started
        calls = self._calls
        calls += (TRADES, tuple(trades), tuple(bars) if bars else (), ns)
        if len(calls) >= _BLOCK_ENTRIES:
            self._hand_over()
        return bars

    def on_columns(
        self, contract_id: str, prices: object, sizes: object, ts: object, received: object
    ) -> list[Bar]:
        """Int64 buffers of equal length, one trade each; recorded as their bytes."""
        columns = (contract_id, _raw(prices), _raw(sizes), _raw(ts), _raw(received))
        return self._bars(
            COLUMNS, columns, self._builder.on_columns, contract_id, prices, sizes, ts, received
        )

    def on_quote(self, contract_id: str, last: Ticks | None, ts: TsNs | None, received: TsNs) -> list[Bar]:
        args = (contract_id, last, ts, received)
        return self._bars(QUOTE, args, self._builder.on_quote, *args)

    def on_timer(self, wall: TsNs) -> list[Bar]:
        bars = self._bars(TIMER, (wall,), self._builder.on_timer, wall)
        self._at_timer(wall)
        return bars

    def set_mode(self, contract_id: str, mode: str) -> None:
        self._call(MODE, (contract_id, mode), self._builder.set_mode, contract_id, mode)

    def feed_up(self, contract_id: str, ts: TsNs) -> None:
        self._call(UP, (contract_id, ts), self._builder.feed_up, contract_id, ts)
        self._boundary("feed_up")

    def feed_down(self, contract_id: str, ts: TsNs) -> None:
        self._call(DOWN, (contract_id, ts), self._builder.feed_down, contract_id, ts)
        self._boundary("feed_down")

    def subscribe(self, contract_id: str, timeframe: str, ts: TsNs) -> None:
        args = (contract_id, timeframe, ts)
        self._call(SUBSCRIBE, args, self._builder.subscribe, *args)

    def forming(self, contract_id: str) -> list[Bar]:
        return self._builder.forming(contract_id)

    def counters(self) -> dict[str, dict[str, Any]]:
        return self._builder.counters()

    def snapshot(self) -> bytes:
        return self._builder.snapshot()

    def restore(self, state: bytes) -> None:
        self._builder.restore(state)
        self._boundary("restore")

    def digest(self) -> int:
        return self._builder.digest()

    def quiet(self) -> bool:
        return self._builder.quiet()

    # --- recording ---

    def _call(self, op: int, args: tuple[Any, ...], inner: Callable[..., Any], *given: Any) -> Any:
        if not self._recording:
            self._missed += 1
            return inner(*given)
        started = self._mono()
        try:
            output = inner(*given)
        except Exception as problem:
            self._put(op, args, Failure.of(problem), self._mono() - started)
            raise
        self._put(op, args, tuple(output) if output else (), self._mono() - started)
        return output

    def _bars(
        self, op: int, args: tuple[Any, ...], inner: Callable[..., list[Bar]], *given: Any
    ) -> list[Bar]:
        bars: list[Bar] = self._call(op, args, inner, *given)
        return bars

    def _put(self, op: int, args: tuple[Any, ...], output: Any, ns: int) -> None:
        self._calls += (op, args, output, ns)
        if len(self._calls) >= _BLOCK_ENTRIES:
            self._hand_over()

    def _hand_over(self) -> None:
        calls, seq = self._calls, self._seq
        count = len(calls) // FIELDS
        if not count:
            return
        self._calls = []
        self._seq += count
        common = self._common()

        def block() -> Record:
            return bar_block(common, seq, calls)

        if not self._journal.submit(block, count):
            self._recording = False

    def _at_timer(self, wall: int) -> None:
        if not self._recording:
            if self._wanted is not None and self._journal.has_room():
                self._resume("resume")
            return
        now = self._mono()
        if now - self._handed_at >= HAND_OVER_NS:
            self._handed_at = now
            self._hand_over()
        due = (
            self._seq + len(self._calls) - self._snapshot_seq >= self._every
            or wall - self._snapshot_at >= MINUTE
        )
        if due or self._journal.losses != self._losses:
            self._snapshot("interval")
            self._snapshot_at = wall

    def _boundary(self, reason: str) -> None:
        if self._recording:
            self._snapshot(reason)

    def _resume(self, reason: str) -> None:
        self._journal.dropped += self._missed
        self._seq += self._missed
        self._missed = 0
        self._calls = []
        self._recording = True
        self._snapshot(reason)

    def _snapshot(self, reason: str) -> None:
        self._hand_over()
        if not self._recording:
            return
        self._losses = self._journal.losses
        stats = {**self._journal.counters(), "tax_ns": self._tax_ns or 0}
        try:
            state = self._builder.snapshot()
        except Exception:  # a state that cannot be written down ends the recording, never the bot
            self.snapshot_failures += 1
            self._recording = False
            return
        record = Snapshot(
            **self._common(), seq=self._seq, authority=self._authority, reason=reason, state=state,
            settings=self._settings, stats=stats,
        )  # fmt: skip
        if self._journal.submit(lambda: record, 1):
            self._snapshot_seq = self._seq
        else:
            self._recording = False
        self._seq += 1

    def _common(self) -> dict[str, Any]:
        unit = self._wanted
        return {
            "component": COMPONENT,
            "epoch": unit.epoch if unit else 0,
            "stage": unit.stage if unit else "off",
            "build": self._build,
        }


def _raw(column: Any) -> bytes:
    try:
        return bytes(memoryview(column).cast("B"))
    except (TypeError, ValueError):
        return b""  # no buffer: the builder refuses it, and so the failure is what is recorded
