"""The session calendar: trading days, open hours and flat times (strategies.md §5).

A calendar is a table of dated rows over a covered range of dates; `calendar.json` is the shipped copy.
Days and hours are resolved once per CT session and cached, because every event of the bot asks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from bot.calendar.windows import CT, DAY_NS, ET, HOUR_NS, offset_at_hour, time_ns, wall_to_ns
from bot.model.errors import BadField, CalendarUnknown, ConfigError
from bot.model.quantities import TsNs

MINUTE_NS: Final = 60_000_000_000
ROLL: Final = time(17)
WARN_DAYS: Final = 60
GROUPS: Final = ("globex", "grains", "livestock")
_REGULAR_CLOSE: Final = {"globex": time(16), "grains": time(13, 20), "livestock": time(13, 5)}
_HOURS: Final[dict[str, tuple[tuple[time, time], ...]]] = {
    "globex": ((ROLL, time(16)),),
    "grains": ((time(19), time(7, 45)), (time(8, 30), time(13, 20))),
    "livestock": ((time(8, 30), time(13, 5)),),
}
_LATEST_FLAT: Final = time(15, 10)
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_ONE: Final = timedelta(days=1)
_CACHED_SESSIONS: Final = 4096


class CalendarRow(msgspec.Struct, frozen=True):
    """One dated row. `kind` is closed, holiday or half; `close` is CT, None on a closed date."""

    day: date
    kind: str
    close: time | None
    confirmed: bool


class _Session:
    """What is true from 17:00 CT to 17:00 CT of the next date, at whose end the raw day changes."""

    __slots__ = ("end", "open", "raw", "risk_day", "start", "trade_date")

    def __init__(self, start: int, end: int, raw: date) -> None:
        self.start, self.end, self.raw = start, end, raw
        self.risk_day = raw
        self.trade_date: date | None = None
        self.open: dict[str, tuple[tuple[int, int], ...]] = {}


class SessionCalendar:
    """Answers about sessions; immutable. Outside its covered range only weekdays are known."""

    def __init__(self, covers: tuple[date, date], rows: Iterable[CalendarRow]) -> None:
        self.covers = covers
        self.rows: Mapping[date, CalendarRow] = {row.day: row for row in rows}
        self._sessions: dict[int, _Session] = {}
        self._last = _Session(0, 0, covers[0])

    @classmethod
    @lru_cache(maxsize=1)
    def shipped(cls) -> SessionCalendar:
        """The calendar that comes with the bot."""
        return cls.from_json((Path(__file__).parent / "calendar.json").read_bytes())

    @classmethod
    def from_json(cls, text: bytes) -> SessionCalendar:
        """Read `{covers: [first, last], rows: [[date, kind, close, confirmed]]}`. Raises ConfigError."""
        try:
            document = json.loads(text)
            first, last = (date.fromisoformat(day) for day in document["covers"])
            rows = [
                CalendarRow(
                    date.fromisoformat(day), kind, time.fromisoformat(close) if close else None, confirmed
                )
                for day, kind, close, confirmed in document["rows"]
            ]
        except (KeyError, TypeError, ValueError) as problem:
            raise ConfigError("calendar", expected="covers and dated rows", seen=str(problem)) from problem
        for row in rows:
            legal = row.close is None if row.kind == "closed" else row.close is not None
            if row.kind not in ("closed", "holiday", "half") or not legal or not first <= row.day <= last:
                raise ConfigError(
                    "calendar row", expected="closed, or holiday or half with a close", seen=row
                )
        return cls((first, last), rows)

    def covers_day(self, day: date) -> bool:
        """Whether the calendar knows this date; entries are refused on others."""
        return self.covers[0] <= day <= self.covers[1]

    def ends_soon(self, day: date) -> bool:
        """Whether `day` lies in the last 60 days of coverage or beyond."""
        return self.covers[1] - day < timedelta(days=WARN_DAYS)

    def kind(self, day: date) -> str | None:
        """`closed`, `holiday`, `half`, or None for an ordinary date."""
        row = self.rows.get(day)
        return row.kind if row is not None else None

    def risk_day(self, t: int) -> date:
        """The CT day that changes at 17:00, moved over weekends; loss limits and trade counts use it."""
        last = self._last
        return last.risk_day if last.start <= t < last.end else self._session(t).risk_day

    def trade_date(self, t: int) -> date:
        """The trading day of `t` for daily and weekly bars. Raises CalendarUnknown outside coverage."""
        last = self._last
        session = last if last.start <= t < last.end else self._session(t)
        if session.trade_date is None:
            trade_date = self._forward(session.raw)
            if not (self.covers_day(session.raw) and self.covers_day(trade_date)):
                raise CalendarUnknown(
                    "trade date",
                    expected=f"a time between {self.covers[0]} and {self.covers[1]}",
                    seen=str(session.raw),
                    do="extend the calendar",
                )
            session.trade_date = trade_date
        return session.trade_date

    def opened(self, t: int, group: str = "globex") -> TsNs | None:
        """Since when the market of `group` has been open at `t`, None when it is closed."""
        if not self.is_open(t, group):
            return None
        return next(TsNs(start) for start, end in self._session(t).open[group] if start <= t < end)

    def is_open(self, t: int, group: str = "globex") -> bool:
        """Whether the market of `group` trades at `t`."""
        last = self._last
        session = last if last.start <= t < last.end else self._session(t)
        spans = session.open.get(group)
        if spans is None:
            spans = session.open[group] = tuple(self._open_spans(session.raw, group))
        for start, end in spans:  # noqa: SIM110 - a generator here costs more than the whole call
            if start <= t < end:
                return True
        return False

    @lru_cache(maxsize=_CACHED_SESSIONS)  # noqa: B019 - calendars live as long as the process
    def day_bounds(self, day: date) -> tuple[TsNs, TsNs]:
        """`[start, end)` of the trade date `day`; a date without its own belongs to the next one that has."""
        day = self._forward(day)
        first = self._trade_date_before(day) + _ONE
        while first.weekday() >= 5 or self.kind(first) == "closed":
            first += _ONE
        return wall_to_ns(first - _ONE, ROLL, CT), wall_to_ns(day, ROLL, CT)

    @lru_cache(maxsize=_CACHED_SESSIONS)  # noqa: B019
    def week_bounds(self, day: date) -> tuple[TsNs, TsNs]:
        """From the start of the first to the end of the last trade date in the week of trade date `day`."""
        day = self._forward(day)
        monday = day - timedelta(days=day.weekday())
        days = [monday + timedelta(days=i) for i in range(5)]
        trading = [each for each in days if self.is_cash_day(each)]
        return self.day_bounds(trading[0])[0], self.day_bounds(trading[-1])[1]

    def session_bounds(self, t: int) -> tuple[TsNs, TsNs]:
        """Day bounds of the trade date of `t`, also outside coverage, where only weekdays are known."""
        return self.day_bounds(self._session(t).raw)

    def session_week(self, t: int) -> tuple[TsNs, TsNs]:
        """Week bounds of the trade date of `t`, also outside coverage."""
        return self.week_bounds(self._session(t).raw)

    @lru_cache(maxsize=_CACHED_SESSIONS)  # noqa: B019
    def close_of(self, day: date, group: str = "globex") -> TsNs | None:
        """Regular or early close, None when the group does not trade on that date."""
        row = self.rows.get(day)
        if day.weekday() >= 5 or (row is not None and (row.close is None or group != "globex")):
            return None
        regular = _REGULAR_CLOSE[_known(group)]
        return wall_to_ns(day, regular if row is None or row.close is None else min(regular, row.close), CT)

    @lru_cache(maxsize=_CACHED_SESSIONS)  # noqa: B019
    def flat_deadline(self, day: date, group: str = "globex") -> TsNs | None:
        """When everything must be flat: 15:10 CT or ten minutes before the close. None: no deadline exists."""
        close = self.close_of(day, group)
        return None if close is None else TsNs(min(wall_to_ns(day, _LATEST_FLAT, CT), close - 10 * MINUTE_NS))

    def flatten_start(self, day: date, group: str = "globex") -> TsNs | None:
        """Five minutes before the flat deadline."""
        deadline = self.flat_deadline(day, group)
        return None if deadline is None else TsNs(deadline - 5 * MINUTE_NS)

    def entry_stop(self, day: date, group: str = "globex") -> TsNs | None:
        """Ten minutes before the flat deadline; no entry from then on."""
        deadline = self.flat_deadline(day, group)
        return None if deadline is None else TsNs(deadline - 10 * MINUTE_NS)

    def is_cash_day(self, day: date) -> bool:
        """A weekday that is neither closed nor a holiday."""
        return day.weekday() < 5 and self.kind(day) not in ("closed", "holiday")

    def previous_cash_day(self, day: date) -> date:
        """The last cash day before `day`."""
        return self._trade_date_before(day)

    def next_cash_day(self, day: date) -> date:
        """The first cash day after `day`."""
        return self._forward(day + _ONE)

    def overnight_window(
        self, day: date, start: time = time(18), end: time = time(9, 30)
    ) -> tuple[TsNs, TsNs]:
        """`[start on the evening before, end on day)` in ET; both on `day` when `start < end`."""
        return wall_to_ns(day if start < end else day - _ONE, start, ET), wall_to_ns(day, end, ET)

    def _session(self, t: int) -> _Session:
        hour = t // HOUR_NS
        wall = t + offset_at_hour(hour, CT)
        number = (wall - time_ns(ROLL)) // DAY_NS + 1
        session = self._sessions.get(number)
        if session is None:
            if len(self._sessions) >= _CACHED_SESSIONS:
                self._sessions.clear()
            session = self._sessions[number] = self._new_session(date.fromordinal(number + _EPOCH_ORDINAL))
        self._last = session
        return session

    def _new_session(self, raw: date) -> _Session:
        session = _Session(wall_to_ns(raw - _ONE, ROLL, CT), wall_to_ns(raw, ROLL, CT), raw)
        while session.risk_day.weekday() >= 5:
            session.risk_day += _ONE
        return session

    def _open_spans(self, raw: date, group: str) -> Iterable[tuple[int, int]]:
        close = self.close_of(raw, group)
        if close is None:
            return
        for start, end in _HOURS[_known(group)]:
            opens = wall_to_ns(raw - _ONE if start >= ROLL else raw, start, CT)
            closes = min(wall_to_ns(raw, end, CT), close)
            if opens < closes:
                yield opens, closes

    def _forward(self, day: date) -> date:
        while not self.is_cash_day(day):
            day += _ONE
        return day

    def _trade_date_before(self, day: date) -> date:
        day -= _ONE
        while not self.is_cash_day(day):
            day -= _ONE
        return day


def _known(group: str) -> str:
    if group not in GROUPS:
        raise BadField("trading-hours group", expected=" or ".join(GROUPS), seen=group)
    return group
