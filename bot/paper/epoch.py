"""The venue's clock over restarts: the affine map of the first start is kept, so time never jumps back."""

from __future__ import annotations

from typing import Any

import msgspec

from bot.clock import PaperClock, SystemClock
from bot.model.times import MINUTE, SECOND
from bot.paper.config import PaperConfig

LONGEST_CATCH_UP = 60 * MINUTE
"""Venue time that a restart lives through at most; a longer stop resumes this far behind its end."""

_SAME_BOOT_NS = 2 * SECOND


class Epoch(msgspec.Struct, frozen=True):
    """Venue time `venue_ns` at host wall time `host_ns` and host monotonic time `mono_ns`."""

    venue_ns: int
    host_ns: int
    mono_ns: int
    rate: float
    start_ns: int


def first(config: PaperConfig) -> Epoch:
    """The epoch of a new state."""
    host = SystemClock()
    return Epoch(config.start_ns, host.host_now(), host.host_mono(), config.rate, config.start_ns)


def resumed(past: list[bytes], config: PaperConfig) -> Epoch:
    """The epoch of a restart: the old map while it holds, else a new one that goes on from it."""
    old: Epoch | None = None
    last_ts = config.start_ns
    for line in past:
        ts, kind, row = _head(line)
        last_ts = max(last_ts, ts)
        if kind == "epoch":
            old = msgspec.convert(row, Epoch)
    if old is None:
        return first(config)
    host = SystemClock()
    wall, mono = host.host_now(), host.host_mono()
    same_boot = abs((wall - old.host_ns) - (mono - old.mono_ns)) < _SAME_BOOT_NS
    passed = mono - old.mono_ns if same_boot else max(0, wall - old.host_ns)
    venue = old.venue_ns + int(passed * old.rate)
    if same_boot and old.rate == config.rate and last_ts <= venue <= last_ts + LONGEST_CATCH_UP:
        return old
    venue = max(last_ts, min(venue, last_ts + LONGEST_CATCH_UP))
    return Epoch(venue, wall, mono, config.rate, old.start_ns)


def clock_of(epoch: Epoch) -> PaperClock:
    """The running clock of an epoch."""
    return PaperClock(epoch.venue_ns, epoch.rate, epoch.mono_ns)


def _head(line: bytes) -> tuple[int, str, Any]:
    ts, kind, row = msgspec.json.decode(line)
    return ts, kind, row
