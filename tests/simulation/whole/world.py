"""The world of one run: virtual time, the synthetic market, the venue and the hand that moves it."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from bot.calendar.sessions import SessionCalendar
from bot.clock import VirtualClock
from bot.model.quantities import Money
from bot.model.times import MILLISECOND, parse_ts
from bot.paper.config import PaperAccount, PaperConfig
from bot.paper.market.synthetic import SyntheticMarket
from bot.paper.venue import PaperVenue
from tests.simulation.loop import Call, VirtualLoop
from tests.simulation.whole.plan import Plan

CALENDAR = SessionCalendar.shipped()
API_KEY = "planted-api-key-4711"
ACCOUNT = PaperAccount(id=1001, name="PRAC-V2-4711-1001", balance=Money(150_000_000_000))
TURN_NS = 2 * MILLISECOND
"""The venue is seen to at most once in this span, as over real sockets."""

NEAR_NS, FAR_NS = MILLISECOND // 3, 6 * MILLISECOND
"""One way through a wire; one message in fifty takes up to ten times as long."""


class World:
    """Made inside its loop. `later` and `at` run work of the world, which outlives every process."""

    def __init__(self, plan: Plan, clock: VirtualClock, loop: VirtualLoop) -> None:
        self.plan, self.clock, self.loop = plan, clock, loop
        start = parse_ts(plan.start)
        roots = plan.roots
        self.config = PaperConfig(
            start_ns=start, seed=plan.seed, roots=roots, scenario=plan.scenario, username=f"sim-{plan.seed}",
            api_key=API_KEY, accounts=(ACCOUNT,),
        )  # fmt: skip
        self.market = SyntheticMarket(plan.seed, start, roots, "light", plan.scenario, CALENDAR)
        self.venue = PaperVenue(self.config, clock, self.market, calendar=CALENDAR)
        self.context = copy_context()
        self._random = random.Random(f"wire {plan.seed}").random
        self._turn: Call | None = None
        self._due = 0

    def delay(self) -> int:
        """Nanoseconds of one way through a wire."""
        span = NEAR_NS + int(self._random() * (FAR_NS - NEAR_NS))
        return span * 10 if self._random() < 0.02 else span

    def at(self, mono: int, work: Callable[..., Any], *arguments: Any) -> None:
        """Call at this instant of monotonic time."""
        self.loop.call_at_ns(mono, work, *arguments, context=self.context)

    def later(self, ns: int, work: Callable[..., Any], *arguments: Any) -> None:
        """Call after so many nanoseconds."""
        self.loop.call_at_ns(self.clock.mono() + ns, work, *arguments, context=self.context)

    def turn(self) -> None:
        """Bring the venue up to now and come back when something is due."""
        self._turn = None
        self.venue.advance(self.clock.now())
        self.hurry()

    def hurry(self) -> None:
        """The venue may have something to do sooner than it had."""
        due = self.venue.next_due()
        if due is None:
            return
        now = self.clock.now()
        mono = self.clock.mono() + max(due - now, TURN_NS)
        if self._turn is not None:
            if self._due <= mono:
                return
            self._turn.cancel()
        self._due = mono
        self._turn = self.loop.call_at_ns(mono, self.turn, context=self.context)

    def rest(self) -> None:
        """The venue moves no more."""
        if self._turn is not None:
            self._turn.cancel()
