"""How far the machine's wall clock is from the venue's, by the `Date` of the venue's answers."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from bot.clock import SECOND, Clock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HALF = SECOND // 2


class ClockSkew:
    """`ns` is positive where the machine is ahead; None before the first dated answer.

    A date has whole seconds, so an answer's own second counts as no skew at all.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.ns: int | None = None

    def see(self, date: str | None) -> None:
        """Take the `Date` header of an answer that has just arrived."""
        if date is None:
            return
        try:
            told = parsedate_to_datetime(date)
        except ValueError:
            return
        if told.tzinfo is None:
            told = told.replace(tzinfo=UTC)
        seconds = round((told - _EPOCH).total_seconds())
        ahead = self._clock.host_now() - seconds * SECOND - _HALF
        self.ns = 0 if abs(ahead) <= SECOND else ahead
