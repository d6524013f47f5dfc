"""Profiles from configuration, and what the rule machine keeps over restarts."""

from __future__ import annotations

from typing import Any

import pytest

from bot.calendar.sessions import SessionCalendar
from bot.model.errors import BadField, ConfigError
from bot.model.quantities import Money, parse_money
from bot.model.times import parse_ts
from bot.risk.profile import profile_of, unverified
from bot.risk.rules import ClockTick, Init, Mark, RuleFill, RuleMachine

CALENDAR = SessionCalendar.shipped()
T = parse_ts("2025-11-03T15:00:00Z")


def dollars(text: str) -> Money:
    return parse_money(text)


@pytest.mark.parametrize(
    ("name", "program", "start", "lock", "dll", "mll"),
    [
        ("50KTC-V2-1", "combine", "50000", "50000", "1000", "2000"),
        ("EXPRESS-100K-1", "xfa", "0", "0", "2000", "3000"),
        ("PRAC-V2-1", "practice", None, None, "1000", "2500"),
    ],
)
def test_programmes(name: str, program: str, start: Any, lock: Any, dll: str, mll: str) -> None:
    profile = profile_of(name)
    assert profile is not None
    wanted = tuple(None if text is None else dollars(text) for text in (start, lock, dll, mll))
    assert (profile.program, profile.start, profile.lock, profile.dll, profile.mll) == (program, *wanted)


def test_configuration_decides_and_may_only_tighten() -> None:
    assert profile_of("MINE-1") is None
    profile = profile_of("MINE-1", {"program": "combine", "size": "50K", "dll": "400", "trail": "intraday"})
    assert profile is not None
    assert (profile.dll, profile.mll, profile.trail) == (dollars("400"), dollars("2000"), "intraday")
    without = profile_of("50K-1", {"dll": None})
    assert without is not None
    assert without.dll is None
    for settings in ({"dll": "1000.01"}, {"mll": "2500"}, {"mll": None}, {"dll": "0"}, {"trail": "weekly"}):
        with pytest.raises(ConfigError):
            profile_of("50K-1", settings)
    in_micros = profile_of("50K-1", {"dll": 400_000_000, "start": 51_000_000_000})
    assert in_micros is not None
    assert (in_micros.dll, in_micros.start, in_micros.lock) == (
        dollars("400"),
        dollars("51000"),
        dollars("51000"),
    )
    with pytest.raises(ConfigError, match="daily"):
        profile_of("50K-1", {"daily": "400"})
    loose = profile_of("PRAC-1", {"dll": "5000", "mll": "9000"})
    assert loose is not None
    assert loose.dll == dollars("5000")


def test_numbers_without_the_firms_own_text_are_marked() -> None:
    assert unverified() == ["sizes.100K.steps", "sizes.150K.steps", "trail", "early_close_flat"]


def test_f119_twenty_restarts_keep_floor_start_and_lock_of_a_practice_account() -> None:
    profile = profile_of("PRAC-1")
    assert profile is not None
    machine = RuleMachine(profile, CALENDAR)
    machine.apply(Init(t=T, balance=dollars("150000"), day_net=Money(0)))
    machine.apply(RuleFill(t=T, pnl=dollars("800"), costs=Money(0), unrealised=Money(0)))
    machine.apply(ClockTick(t=parse_ts("2025-11-03T23:00:00Z")))
    floor = machine.floor
    assert floor == dollars("148300")
    for hour in range(20):
        state = machine.state()
        machine = RuleMachine.restored(profile, CALENDAR, state)
        t = parse_ts(f"2025-11-04T{hour:02d}:30:00Z")
        balance = dollars("149000")
        machine.apply(Init(t=t, balance=balance, day_net=Money(0), high_water=machine.high))
        assert machine.floor == floor
    assert machine.figures().status == "OK"


def test_f120_a_breach_stays_until_the_operator_resets_the_account() -> None:
    profile = profile_of("50K-1")
    assert profile is not None
    machine = RuleMachine(profile, CALENDAR)
    machine.apply(Init(t=T, balance=dollars("50000"), day_net=Money(0)))
    assert machine.apply(Mark(t=T, unrealised=dollars("-2000"))) == ["BLOCK_ENTRIES", "CANCEL_ALL", "FLATTEN"]
    assert machine.apply(Mark(t=T, unrealised=Money(0))) == []
    assert machine.status == "MLL_BREACHED"
    machine.reset(T, dollars("50000"))
    assert (machine.status, machine.floor) == ("OK", dollars("48000"))


def test_a_stored_state_of_another_shape_is_refused() -> None:
    profile = profile_of("50K-1")
    assert profile is not None
    with pytest.raises(BadField, match=r"RuleMachine\.state"):
        RuleMachine.restored(profile, CALENDAR, {"balance": "50000.0"})
