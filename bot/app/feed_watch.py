"""The market hub judged by the age of its quotes, in open hours only (bot.md §4.8, §21.3).

A hub that sends pings and nothing else looks alive. It is made anew after a minute without a quote, then
after two, four … minutes while none comes: a market may really be that quiet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bot.calendar.sessions import SessionCalendar
from bot.clock import Clock
from bot.model.contract import Contract
from bot.model.market import Quote
from bot.model.times import MINUTE, SECOND

TELL_NS: Final = 30 * SECOND
RENEW_NS: Final = MINUTE
_LONGEST_NS: Final = 16 * MINUTE
_SNAPSHOT_NS: Final = 10 * SECOND
"""A quote this soon after the subscription may be its snapshot, and proves nothing."""


class FeedWatch:
    """`renew` ends the present connection for the reason given. Ages are venue time."""

    def __init__(
        self, clock: Clock, calendar: SessionCalendar, contracts: Sequence[Contract], quotes: Mapping[str, Quote],
        renew: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._clock, self._calendar, self._contracts, self._quotes = clock, calendar, contracts, quotes
        self._renew = renew
        self._began = self._tried = clock.now()
        self._patience: int = RENEW_NS

    def age_ns(self) -> int | None:
        """Since the newest quote of an open market, at most since it opened or this began; None when all are closed."""
        now = self._clock.now()
        opened = [
            since for contract in self._contracts
            if (since := self._calendar.opened(now, contract.group)) is not None
        ]  # fmt: skip
        if not opened:
            return None
        return max(0, now - max(self._newest(), *opened))

    def reason(self) -> str | None:
        """What health says of it."""
        age = self.age_ns()
        if age is None or age <= TELL_NS:
            return None
        return _silence(age)

    def look(self, *, up: bool) -> None:
        """Renew an `up` connection without quotes; called a few times a second."""
        now = self._clock.now()
        if not up:
            self._tried = now
            return
        if self._newest() > self._tried + _SNAPSHOT_NS:
            self._patience = RENEW_NS
        if now - self._tried < self._patience:
            return
        age = self.age_ns()
        if age is not None and age >= RENEW_NS:
            self._tried = now
            self._patience = min(2 * self._patience, _LONGEST_NS)
            self._renew(_silence(age))

    def _newest(self) -> int:
        return max((quote.received for quote in self._quotes.values()), default=self._began)


def _silence(age_ns: int) -> str:
    return f"no quote for {age_ns // SECOND} s while the market is open"
