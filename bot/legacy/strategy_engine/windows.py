"""Closed bars of one contract and timeframe, ascending by start, bounded in number.

Live bars come in order; history replaces bars of the same start. A complete bar is never replaced by an
incomplete one. Strategies read complete bars and may ask which are still waiting for history.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from itertools import islice

from bot.legacy.strategy_engine.layout import Reader, Writer
from bot.model.market import Bar, BarSource
from bot.model.quantities import Ticks, TsNs

_SOURCES: tuple[BarSource, ...] = ("trades", "quotes", "mixed")


class BarWindow:
    """At most `depth` bars; the oldest leave first."""

    def __init__(self, contract_id: str, timeframe: str, depth: int) -> None:
        self.contract_id, self.timeframe = contract_id, timeframe
        self._bars: deque[Bar] = deque(maxlen=depth)
        self.incomplete = 0
        """How many bars wait for their replacement from history."""

    @property
    def depth(self) -> int:
        assert self._bars.maxlen is not None
        return self._bars.maxlen

    def deepen(self, depth: int) -> None:
        """Keep at least `depth` bars from now on."""
        if depth > self.depth:
            self._bars = deque(self._bars, maxlen=depth)

    def add(self, bar: Bar) -> bool:
        """Take one closed bar; false when it changes nothing."""
        bars = self._bars
        if not bars or bar.start > bars[-1].start:
            if len(bars) == bars.maxlen and not bars[0].complete:
                self.incomplete -= 1
            bars.append(bar)
            self.incomplete += not bar.complete
            return True
        return self._merge({bar.start: bar})

    def extend(self, bars: Iterable[Bar]) -> bool:
        """Take closed bars of history in any order; false when they change nothing."""
        return self._merge({bar.start: bar for bar in bars})

    def complete(self, start: int | None = None, end: int | None = None) -> list[Bar]:
        """Complete bars with `start <= bar.start < end`, oldest first."""
        return [bar for bar in self._between(start, end) if bar.complete]

    def last_complete(self, number: int, ended_by: int) -> list[Bar]:
        """The newest `number` complete bars with `end <= ended_by`, oldest first; maybe fewer."""
        found: list[Bar] = []
        for bar in reversed(self._bars):
            if bar.end <= ended_by and bar.complete:
                found.append(bar)
                if len(found) == number:
                    break
        found.reverse()
        return found

    def waiting(self, start: int | None = None, end: int | None = None) -> bool:
        """Whether a bar with its start in `[start, end)` still waits for history."""
        return self.incomplete > 0 and any(not bar.complete for bar in self._between(start, end))

    def since(self, start: int) -> list[Bar]:
        """Bars that start later than `start`, incomplete ones too, oldest first."""
        return [bar for bar in self._between(start, None) if bar.start > start]

    def gaps(self) -> tuple[TsNs, TsNs] | None:
        """The span of the bars that wait for history, None when none does."""
        waiting = [bar for bar in self._bars if not bar.complete] if self.incomplete else []
        return (waiting[0].start, waiting[-1].end) if waiting else None

    def __len__(self) -> int:
        return len(self._bars)

    def write(self, writer: Writer) -> None:
        writer.count(self.depth)
        writer.count(len(self._bars))
        for bar in self._bars:
            writer.i64s(
                bar.start, bar.end, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.ticks,
                int(bar.complete), _SOURCES.index(bar.source),
            )  # fmt: skip

    def read(self, reader: Reader) -> None:
        self._bars = deque(maxlen=reader.count())
        for _ in range(reader.count()):
            start, end, open_, high, low, close, volume, ticks, complete, source = reader.i64s(10)
            self._bars.append(
                Bar(
                    self.contract_id, self.timeframe, TsNs(start), TsNs(end), Ticks(open_), Ticks(high),
                    Ticks(low), Ticks(close), volume, ticks, True, complete == 1, _SOURCES[source],
                )
            )  # fmt: skip
        self.incomplete = sum(not bar.complete for bar in self._bars)

    def _between(self, start: int | None, end: int | None) -> Iterable[Bar]:
        bars = self._bars
        first = 0 if start is None else bisect_left(bars, start, key=_start)
        last = len(bars) if end is None else bisect_left(bars, end, key=_start)
        return islice(bars, first, last)

    def _merge(self, incoming: dict[TsNs, Bar]) -> bool:
        held = {bar.start: bar for bar in self._bars}
        changed = False
        for start, bar in incoming.items():
            old = held.get(start)
            if old == bar or (old is not None and old.complete and not bar.complete):
                continue
            held[start] = bar
            changed = True
        if changed:
            self._bars = deque((held[start] for start in sorted(held)), maxlen=self.depth)
            self.incomplete = sum(not bar.complete for bar in self._bars)
        return changed


def _start(bar: Bar) -> int:
    return bar.start
