"""How late the event loop turns: what blocks it shows here before it costs an order."""

from __future__ import annotations

from bot.clock import Clock
from bot.latency import Histogram
from bot.model.times import MILLISECOND, SECOND

BEAT_S = 0.25


class LoopLag:
    """Sleeps `beat_s` of host time again and again and counts by how much each sleep was too long."""

    def __init__(self, clock: Clock, beat_s: float = BEAT_S) -> None:
        self._clock, self._beat = clock, beat_s
        self.histogram = Histogram()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            began = self._clock.host_mono()
            await self._clock.host_sleep(self._beat)
            self.histogram.add(self._clock.host_mono() - began - int(self._beat * SECOND))

    def view(self) -> dict[str, float | int | None]:
        """`{p50_ms, p99_ms, max_ms, samples}`; None without samples."""
        found = {f"p{share}_ms": self.histogram.quantile(share / 100) for share in (50, 99)}
        seen = {name: None if value is None else value / MILLISECOND for name, value in found.items()}
        return {
            **seen,
            "max_ms": self.histogram.maximum / MILLISECOND,
            "samples": self.histogram.count,
        }
