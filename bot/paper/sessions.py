"""The day's fixed hours: the cut that cancels and flattens, and the roll of the loss limits at 17:00 CT."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from bot.calendar.sessions import GROUPS, ROLL
from bot.calendar.windows import CT, wall_to_ns
from bot.paper.interruptions import Cut
from bot.paper.matching import Matching
from bot.paper.state import State
from bot.paper.timers import Action

_DAYS = 12
"""How far the next cut or close can lie away."""


class Sessions:
    """Sets the timers of the next cut of each trading-hours group, of the next close and the next roll.

    `drop_hubs` is called at the close when the option says that connections do not outlive it.
    """

    def __init__(self, state: State, matching: Matching, drop_hubs: Callable[[], None]) -> None:
        self._state, self._matching, self._drop_hubs = state, matching, drop_hubs
        self._plan = 0

    def schedule(self) -> None:
        """Set all timers from the venue's present time, in place of those that were set before."""
        self._plan += 1
        self._matching.limits.roll(
            self._state.now, self._state.calendar.risk_day(self._state.now).toordinal()
        )
        for group in GROUPS:
            self._catch_up(group, self._state.now)
            self._set_cut(group, self._state.now)
        self._set_roll(self._state.now)
        if self._state.options.hub_drop_at_close:
            self._set_close(self._state.now)

    def _at(self, due: int, action: Action) -> None:
        plan = self._plan

        def act(ts: int) -> None:
            if plan == self._plan:
                action(ts)

        self._state.timers.at(due, act)

    def _set_cut(self, group: str, now: int) -> None:
        day = self._state.calendar.risk_day(now)
        for _ in range(_DAYS):
            for due in self._flat_times(day, group):
                if due > now:
                    self._at(due, lambda ts: self._cut(group, ts))
                    return
            day += timedelta(days=1)

    def _flat_times(self, day: date, group: str) -> list[int]:
        """When a day's flattening begins and when it must be done, if the group trades."""
        times = (self._state.flat_times.start(day, group), self._state.flat_times.cut(day, group))
        return [due for due in times if due is not None]

    def _catch_up(self, group: str, now: int) -> None:
        """Do the cut that fell into a time in which the gateway did not run."""
        day = self._state.calendar.risk_day(now)
        for _ in range(_DAYS):
            missed = [due for due in self._flat_times(day, group) if due <= now]
            if missed:
                if self._older_than(missed[-1], group):
                    self._sweep(group, now)
                return
            day -= timedelta(days=1)

    def _older_than(self, cut: int, group: str) -> bool:
        held = ((row.created, row.contract) for row in self._state.positions.values())
        working = ((row.created, row.contract) for row in self._state.live.values())
        return any(
            created < cut and self._state.contract(contract).group == group
            for created, contract in (*held, *working)
        )

    def _cut(self, group: str, ts: int) -> None:
        self._sweep(group, ts)
        self._set_cut(group, ts)

    def cut_now(self, group: str, ts: int) -> None:
        """The day's cut of one group before its time: no order is taken until the roll."""
        end = wall_to_ns(self._state.calendar.risk_day(ts), ROLL, CT)
        self._state.interrupt("cut", Cut(group, end), ts)
        self._sweep(group, ts)

    def _sweep(self, group: str, ts: int) -> None:
        for account_id in self._state.accounts:
            self._matching.shut(account_id, ts, "cut", group, cancel=self._state.options.cancel_at_cutoff)

    def _set_close(self, now: int) -> None:
        calendar = self._state.calendar
        day = calendar.risk_day(now)
        for _ in range(_DAYS):
            close = calendar.close_of(day)
            if close is not None and close > now:
                self._at(close, self._close)
                return
            day += timedelta(days=1)

    def _close(self, ts: int) -> None:
        self._drop_hubs()
        self._set_close(ts)

    def _set_roll(self, now: int) -> None:
        end = wall_to_ns(self._state.calendar.risk_day(now), ROLL, CT)
        self._at(end, self._roll)

    def _roll(self, ts: int) -> None:
        self._matching.limits.roll(ts, self._state.calendar.risk_day(ts).toordinal())
        self._set_roll(ts)
