"""When the venue flattens and stops taking orders (gateway.md 19.1): 15:10 CT, or ahead of an earlier close."""

from __future__ import annotations

from datetime import date, time

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import CT, time_ns, wall_to_ns
from bot.model.errors import ConfigError
from bot.model.times import MINUTE
from bot.paper.options import PaperOptions

_REGULAR_CLOSE = time(16)


class FlatTimes:
    """Both times of a day and trading-hours group. Raises ConfigError when the start lies behind the end."""

    def __init__(self, calendar: SessionCalendar, options: PaperOptions) -> None:
        self._calendar = calendar
        self._at = time.fromisoformat(options.flatten_at)
        start = time.fromisoformat(options.flatten_start or options.flatten_at)
        self._ahead = time_ns(self._at) - time_ns(start)
        self._lead = options.holiday_flat_lead_min * MINUTE
        if self._ahead < 0:
            raise ConfigError(
                "flatten_start", expected=f"at or before flatten_at, {options.flatten_at}",
                seen=options.flatten_start, do="set an earlier flatten_start",
            )  # fmt: skip

    def cut(self, day: date, group: str) -> int | None:
        """When everything must be flat; None on days without a session of the group."""
        close = self._calendar.close_of(day, group)
        if close is None:
            return None
        at = wall_to_ns(day, self._at, CT)
        if close < wall_to_ns(day, _REGULAR_CLOSE, CT):
            return min(at, close - self._lead)
        return min(at, close)

    def start(self, day: date, group: str) -> int | None:
        """When the flattening begins and orders are refused."""
        cut = self.cut(day, group)
        return None if cut is None else cut - self._ahead
