"""Moving a stop to the entry price once a position is far enough in profit (strategies.md §11.10, §16.3)."""

from __future__ import annotations

from typing import Literal

from bot.legacy.strategy_engine.layout import Reader, Writer
from bot.model.quantities import Ticks
from bot.model.times import SECOND

RETRY_NS = SECOND
CONFIRM_NS = 3 * SECOND
"""A move that the broker has not confirmed by then counts as failed."""
MAX_FAILURES = 5
Progress = Literal["watching", "fired", "done", "failed"]
_PROGRESS: tuple[Progress, ...] = ("watching", "fired", "done", "failed")


def fires(side: int, size: int, cost_ticks: int, trigger: int, price: int) -> bool:
    """Whether the open result per contract has reached `trigger` ticks, exactly."""
    return side * (price * size - cost_ticks) >= trigger * size


def breakeven_price(side: int, size: int, cost_ticks: int, offset: int) -> Ticks:
    """The tick at or beyond the average entry price, plus an offset in the position's favour."""
    if side > 0:
        return Ticks(-(-cost_ticks // size) + offset)
    return Ticks(cost_ticks // size - offset)


class Breakeven:
    """The step for one position: fires once, sends at most one move at a time, gives up after 5 failures."""

    def __init__(self) -> None:
        self.progress: Progress = "watching"
        self.failures = 0
        self.side = 0
        self.size = 0
        self.cost_ticks = 0
        self.stop: Ticks | None = None
        self._sent: Ticks | None = None
        self._sent_at = 0

    @property
    def watching(self) -> bool:
        """Whether prices matter at all."""
        return self.size > 0 and self.progress in ("watching", "fired")

    @property
    def under_way(self) -> bool:
        """Whether a move waits for the broker's confirmation."""
        return self._sent is not None

    def on_position(self, side: int, size: int, cost_ticks: int, stop: Ticks | None) -> None:
        """The position as it is now; size 0 ends the step, and the next position starts anew."""
        if size == 0:
            if self.size:
                self.__init__()  # type: ignore[misc]
            return
        if side != self.side and self.size:
            self.__init__()  # type: ignore[misc]
        self.side, self.size, self.cost_ticks, self.stop = side, size, cost_ticks, stop
        if self._sent is not None and stop is not None and side * (stop - self._sent) >= 0:
            self._sent, self.progress = None, "done"

    def on_price(self, price: int, trigger: int, offset: int, now: int) -> Ticks | None:
        """The new stop to send now, None when there is nothing to send."""
        if self.progress == "watching":
            if not fires(self.side, self.size, self.cost_ticks, trigger, price):
                return None
            self.progress = "fired"
        if self._sent is not None:
            if now - self._sent_at < CONFIRM_NS:
                return None
            self._fail()
        if self.progress != "fired" or self.stop is None or now - self._sent_at < RETRY_NS:
            return None
        wanted = breakeven_price(self.side, self.size, self.cost_ticks, offset)
        if self.side * (wanted - self.stop) < 1:
            self.progress = "done"
            return None
        if self.side * (price - wanted) <= 0:
            return None
        self._sent, self._sent_at = wanted, now
        return wanted

    def _fail(self) -> None:
        self._sent = None
        self.failures += 1
        if self.failures >= MAX_FAILURES:
            self.progress = "failed"

    def write(self, writer: Writer) -> None:
        writer.i64s(
            _PROGRESS.index(self.progress), self.failures, self.side, self.size, self.cost_ticks, self._sent_at
        )  # fmt: skip
        writer.optional(writer.i64, self.stop)
        writer.optional(writer.i64, self._sent)

    def read(self, reader: Reader) -> None:
        progress, self.failures, self.side, self.size, self.cost_ticks, self._sent_at = reader.i64s(6)
        self.progress = _PROGRESS[progress]
        stop, sent = reader.optional(reader.i64), reader.optional(reader.i64)
        self.stop = None if stop is None else Ticks(stop)
        self._sent = None if sent is None else Ticks(sent)
