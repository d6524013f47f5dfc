"""The moments and markets that the tests of this folder share."""

from __future__ import annotations

from datetime import date, time

import pytest

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import ET, wall_to_ns

DAY = date(2025, 11, 5)


@pytest.fixture(scope="session")
def calendar() -> SessionCalendar:
    return SessionCalendar.shipped()


def eastern(hour: int, minute: int, day: date = DAY) -> int:
    """ns UTC of a New York wall time."""
    return wall_to_ns(day, time(hour, minute), ET)
