"""The day's fixed hours: the cut that cancels and flattens, and the roll of the loss limits at 17:00 CT."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from bot.calendar.sessions import GROUPS, ROLL
from bot.calendar.windows import CT, wall_to_ns
from bot.model.times import SECOND
from bot.paper.interruptions import Cut
from bot.paper.matching import Matching
from bot.paper.state import State

_LOOK_AHEAD_DAYS = 12


class Sessions:
    """Sets the timers of the next cut of each trading-hours group, of the next close and the next roll.

    `drop_hubs` is called at the close when the option says that connections do not outlive it.
    """

    def __init__(self, state: State, matching: Matching, drop_hubs: Callable[[], None]) -> None:
        self._state, self._matching, self._drop_hubs = state, matching, drop_hubs

    def schedule(self) -> None:
        """Set all timers from the venue's present time."""
        for group in GROUPS:
            self._set_cut(group, self._state.now)
        self._set_roll(self._state.now)
        if self._state.options.hub_drop_at_close:
            self._set_close(self._state.now)

    def _set_cut(self, group: str, now: int) -> None:
        calendar, lead = self._state.calendar, self._state.options.flatten_start_s * SECOND
        day = calendar.risk_day(now)
        for _ in range(_LOOK_AHEAD_DAYS):
            deadline = calendar.flat_deadline(day, group)
            if deadline is not None and deadline - lead > now:
                self._state.timers.at(deadline - lead, lambda due: self._cut(group, due))
                return
            day += timedelta(days=1)

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
        for _ in range(_LOOK_AHEAD_DAYS):
            close = calendar.close_of(day)
            if close is not None and close > now:
                self._state.timers.at(close, self._close)
                return
            day += timedelta(days=1)

    def _close(self, ts: int) -> None:
        self._drop_hubs()
        self._set_close(ts)

    def _set_roll(self, now: int) -> None:
        end = wall_to_ns(self._state.calendar.risk_day(now), ROLL, CT)
        self._state.timers.at(end, self._roll)

    def _roll(self, ts: int) -> None:
        self._matching.limits.roll(ts, self._state.calendar.risk_day(ts).toordinal())
        self._set_roll(ts)
