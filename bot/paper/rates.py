"""Rate limits in venue time: 50 bars requests in 30 s, 200 of all others in 60 s (gateway.md 5)."""

from __future__ import annotations

from collections import deque

from bot.model.times import SECOND
from bot.paper.options import PaperOptions

BARS, GENERAL, ORDERS = "bars", "general", "orders"


KEPT_KEYS = 1_024
"""Windows kept; beyond it the one that is longest untouched is forgotten."""


class Rates:
    """Windows per bucket and key; the key is the user, the token or the address, as the option says."""

    def __init__(self, options: PaperOptions) -> None:
        self._taken: dict[tuple[str, str], deque[int]] = {}
        self.take_options(options)

    def take_options(self, options: PaperOptions) -> None:
        """Count by these limits from now on; what was counted stays."""
        self._limits = {BARS: options.rate_bars, GENERAL: options.rate_general}
        if options.rate_orders_per_s is not None:
            self._limits[ORDERS] = (options.rate_orders_per_s, 1)
        self._fixed = options.rate_window == "fixed"

    def take(self, buckets: tuple[str, ...], key: str, now: int) -> bool:
        """Count one request in all `buckets`, or in none when one of them is full."""
        windows = []
        for bucket in buckets:
            if bucket not in self._limits:
                continue
            limit, seconds = self._limits[bucket]
            window = self._taken.pop((bucket, key), None) or deque()
            self._taken[bucket, key] = window
            if len(self._taken) > KEPT_KEYS:
                del self._taken[next(iter(self._taken))]
            start = (
                now // (seconds * SECOND) * seconds * SECOND if self._fixed else now - seconds * SECOND + 1
            )
            while window and window[0] < start:
                window.popleft()
            if len(window) >= limit:
                return False
            windows.append(window)
        for window in windows:
            window.append(now)
        return True
