"""A seeded market: the same seed and start give the same events, bars and book, whoever asks and when."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from datetime import time
from typing import Final

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import in_window
from bot.model.contract import Contract
from bot.model.errors import CalendarUnknown, ConfigError, UnknownSymbol
from bot.model.instruments import contract_of
from bot.model.market import MinuteBar
from bot.model.quantities import Ticks
from bot.paper.market.feed import DepthLevel, MarketEvent, QuoteTick
from bot.paper.market.history import MinuteHistory
from bot.paper.market.hourly import HourHistory
from bot.paper.market.profile import profile
from bot.paper.market.scenario import checked, side
from bot.paper.market.walk import MEAN_PRINT, Density, Walk

DENSITIES: Final[Mapping[str, Density]] = {
    "light": Density(quotes=8, prints=4, depth=10),
    "full": Density(quotes=42, prints=20, depth=62),
}


class SyntheticMarket:
    """Walks for the front months of `roots`, live from `start_ns` (ns UTC) on.

    `density` is light or full, `scenario` quiet, breakout, reversal or fast; a scenario acts at each cash
    open of which the feed lives through the last half hour or a part of it. Raises ConfigError for other
    names or a start outside the calendar, UnknownSymbol for an unknown root.
    """

    def __init__(
        self,
        seed: int,
        start_ns: int,
        roots: Sequence[str],
        density: str = "light",
        scenario: str = "breakout",
        calendar: SessionCalendar | None = None,
    ) -> None:
        calendar = calendar or SessionCalendar.shipped()
        checked(scenario)
        if density not in DENSITIES:
            raise ConfigError(
                "paper density",
                expected=" or ".join(DENSITIES),
                seen=density,
                do="correct the paper settings",
            )
        try:
            day = calendar.trade_date(start_ns)
        except CalendarUnknown as problem:
            raise ConfigError(
                "paper start", expected=f"a time from {calendar.covers[0]} to {calendar.covers[1]}",
                seen=start_ns, do="choose a start that the calendar covers",
            ) from problem  # fmt: skip
        prepared = scenario in ("breakout", "reversal") and in_window(start_ns, time(4), time(9, 30))
        self._now = start_ns
        self._contracts: dict[str, Contract] = {}
        self._histories: dict[str, MinuteHistory] = {}
        self._hours: dict[str, HourHistory] = {}
        self._walks: dict[str, Walk] = {}
        rate = DENSITIES[density]
        for rank, root in enumerate(dict.fromkeys(roots)):
            contract = contract_of(root, day, start_ns)
            measures = profile(root, contract.tick, seed)
            volume = 60 * rate.prints * MEAN_PRINT
            history = MinuteHistory(
                seed, root, contract.group, calendar, start_ns, measures.price, measures,
                volume, side(seed, day) if prepared else None,
            )  # fmt: skip
            self._hours[contract.id] = HourHistory(
                seed, root, contract.group, calendar, start_ns, measures, volume, history
            )
            self._contracts[contract.id] = contract
            self._histories[contract.id] = history
            self._walks[contract.id] = Walk(
                seed, rank, root, contract.id, contract.group, calendar, start_ns, measures, rate, scenario, history
            )  # fmt: skip
        self._order = list(self._walks.values())
        self._queue = [(walk.due, i) for i, walk in enumerate(self._order) if walk.due is not None]
        heapq.heapify(self._queue)

    @property
    def contracts(self) -> Mapping[str, Contract]:
        return self._contracts

    def advance(self, now: int) -> list[MarketEvent]:
        out: list[MarketEvent] = []
        queue, order = self._queue, self._order
        while queue and queue[0][0] <= now:
            number = queue[0][1]
            walk = order[number]
            walk.beat(out)
            if walk.due is None:
                heapq.heappop(queue)
            else:
                heapq.heapreplace(queue, (walk.due, number))
        self._now = max(self._now, now)
        return out

    def next_ts(self) -> int | None:
        return self._queue[0][0] if self._queue else None

    def history(self, contract_id: str, start: int, end: int) -> list[MinuteBar]:
        self._walk(contract_id)
        return self._histories[contract_id].bars(start, end)

    def hours(self, contract_id: str, start: int, end: int) -> list[MinuteBar]:
        self._walk(contract_id)
        return self._hours[contract_id].bars(start, end)

    def push(self, contract_id: str, target: Ticks, seconds: float) -> None:
        self._walk(contract_id).push(target, self._now, seconds)

    def top(self, contract_id: str) -> QuoteTick:
        return self._walk(contract_id).top()

    def last(self, contract_id: str) -> Ticks | None:
        return self._walk(contract_id).last

    def depth(self, contract_id: str) -> list[DepthLevel]:
        return self._walk(contract_id).depth()

    def _walk(self, contract_id: str) -> Walk:
        walk = self._walks.get(contract_id)
        if walk is None:
            raise UnknownSymbol(
                "contract", expected="one of " + ", ".join(self._walks), seen=contract_id,
                do="add its root to the paper settings",
            )  # fmt: skip
        return walk
