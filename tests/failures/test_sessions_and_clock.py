"""Rows F105 to F114: sessions, holidays, the cut, and clocks that sleep or step."""

from __future__ import annotations

from datetime import date, time

import pytest

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import ET, to_wall, wall_to_ns
from bot.model.codes import Code
from bot.model.intents import Denial
from bot.model.quantities import TsNs
from bot.model.risk import StrategyPolicy
from bot.risk.gate import Gate
from tests.unit.risk.picture import Picture

CALENDAR = SessionCalendar.shipped()


@pytest.mark.parametrize("half_hour", range(48))
def test_f106_a_window_over_midnight_holds_its_start_and_not_its_end(half_hour: int) -> None:
    """18:00 to 09:30 New York time, asked at each half hour and at the last nanosecond before it."""
    at = time(half_hour // 2, 30 * (half_hour % 2))
    for now in (wall_to_ns(date(2025, 11, 5), at, ET), TsNs(wall_to_ns(date(2025, 11, 5), at, ET) - 1)):
        picture = Picture(now)
        picture.policy = StrategyPolicy(trading_start=time(18), trading_end=time(9, 30))
        got = Gate(CALENDAR).approve(picture.entry(), picture.view(), now)
        code = got.code if isinstance(got, Denial) else None
        wall = to_wall(now, ET).time()
        if time(17) <= wall < time(18):
            assert code == Code.MARKET_CLOSED, wall
        else:
            assert (code == Code.OUTSIDE_WINDOW) is (time(9, 30) <= wall < time(17)), wall
