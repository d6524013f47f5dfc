"""Connected minutes of open venue time, of which live sessions are made."""

from __future__ import annotations

from bot.calendar.sessions import SessionCalendar
from bot.migration.records import Call
from bot.model.bar_state import NEVER, decode
from bot.model.errors import BotError
from bot.model.times import MINUTE


class ConnectedMinutes:
    """Collects `(trading day, minute)` in which a feed was up and the venue open."""

    def __init__(self, calendar: SessionCalendar) -> None:
        self._calendar = calendar
        self._up: set[str] = set()
        self.minutes: set[tuple[str, int]] = set()

    def restore(self, state: bytes) -> None:
        """Which feeds are up, from a snapshot of the authority."""
        self._up = {symbol.contract_id for symbol in decode(state).symbols if symbol.up_since != NEVER}

    def lost(self) -> None:
        """Another run begins; nothing is known to be up."""
        self._up.clear()

    def feed(self, call: Call) -> None:
        """Follow one recorded call."""
        if call.op == "feed_up":
            self._up.add(call.args[0])
        elif call.op == "feed_down":
            self._up.discard(call.args[0])
        elif call.op == "on_timer" and self._up:
            wall = call.args[0]
            try:
                if self._calendar.is_open(wall):
                    self.minutes.add((self._calendar.risk_day(wall).isoformat(), wall // MINUTE))
            except BotError:
                return  # a day that the calendar does not cover makes no session
