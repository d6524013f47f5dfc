"""When contract months expire and when the platform's active contract changes (gateway.md 17)."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Final

from bot.calendar.sessions import ROLL, SessionCalendar
from bot.calendar.windows import CT, wall_to_ns
from bot.model.contract import Contract
from bot.model.errors import CalendarUnknown
from bot.model.instruments import expiry_day, front_month, instrument, roll_day

_TIMES: Final = {"third_friday": time(8, 30), "before_third_wednesday": time(9, 16)}
_CLOSE: Final = time(16)


def expiry_ns(contract: Contract) -> int:
    """When the contract trades for the last time: its rule's hour, else the day's close, ns UTC."""
    day = expiry_day(contract.root, *contract.month_key)
    return wall_to_ns(day, _TIMES.get(instrument(contract.root).expiry, _CLOSE), CT)


def roll_ns(contract: Contract, calendar: SessionCalendar) -> int:
    """The start of the session in which the contract is no longer the active one, ns UTC."""
    return session_start(roll_day(contract.root, *contract.month_key), calendar)


def active_month(root: str, now: int, calendar: SessionCalendar) -> tuple[int, int]:
    """`(year, month)` of the active contract: the front month of the session that `now` lies in or behind."""
    day = calendar.risk_day(now)
    if now < session_start(day, calendar):
        day -= timedelta(days=1)
    return front_month(root, day)


def session_start(day: date, calendar: SessionCalendar) -> int:
    """The start of the trade date's session; outside the calendar that of a plain week."""
    try:
        return calendar.day_bounds(day)[0]
    except CalendarUnknown:
        return wall_to_ns(day - timedelta(days=1), ROLL, CT)
