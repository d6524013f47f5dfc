"""The clock of one simulated machine: its wall time can be set, its monotonic time cannot."""

from __future__ import annotations

from bot.clock import VirtualClock
from bot.model.quantities import TsNs
from bot.model.times import SECOND


class MachineClock:
    """Over the world's clock; `jump` sets the wall clock, on which the bot of a live venue depends."""

    rate = 1.0

    def __init__(self, world: VirtualClock) -> None:
        self._world = world
        self._ahead = 0
        self.mono = self.host_mono = world.mono
        self.sleep = self.host_sleep = world.sleep

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back."""
        self._ahead += int(seconds * SECOND)

    def now(self) -> TsNs:
        return TsNs(self._world.now() + self._ahead)

    def host_now(self) -> int:
        return self._world.now() + self._ahead
