"""The golden vectors of rules, profiles, size, exposure and gates through the real code."""

from __future__ import annotations

from datetime import time
from typing import Any

import msgspec
import pytest

from bot.calendar.sessions import SessionCalendar
from bot.model.intents import ApprovedIntent, Denial
from bot.model.quantities import Money
from bot.model.times import parse_ts
from bot.risk.gate import Gate
from bot.risk.profile import Profile, program_and_size
from bot.risk.rules import RuleEvent, RuleMachine
from bot.risk.size import (
    ContractExposure,
    SizeInputs,
    consistency,
    exposure_tenths,
    max_minis,
    order_size,
)
from tests.conftest import vector
from tests.unit.risk.picture import Picture

RULES = vector("risk_rules")
CALENDAR = SessionCalendar.shipped()


@pytest.mark.parametrize("case", RULES["cases"], ids=lambda case: case["name"])
def test_rule_machine(case: dict[str, Any]) -> None:
    machine = RuleMachine(Profile(**case["profile"]), CALENDAR)
    for event, expected in case["steps"]:
        fields = {**event, "t": parse_ts(event["t"])}
        actions = machine.apply(msgspec.convert(fields, RuleEvent))
        figures = machine.figures()
        assert [figures.status, figures.equity, figures.day_pnl, figures.floor, actions] == expected


@pytest.mark.parametrize("case", RULES["cases"], ids=lambda case: case["name"])
def test_rule_machine_survives_a_restart_before_every_event(case: dict[str, Any]) -> None:
    profile = Profile(**case["profile"])
    state = RuleMachine(profile, CALENDAR).state()
    for event, expected in case["steps"]:
        machine = RuleMachine.restored(profile, CALENDAR, msgspec.json.decode(msgspec.json.encode(state)))
        actions = machine.apply(msgspec.convert({**event, "t": parse_ts(event["t"])}, RuleEvent))
        figures = machine.figures()
        assert [figures.status, figures.equity, figures.day_pnl, figures.floor, actions] == expected
        state = machine.state()


@pytest.mark.parametrize(("name", "expected"), RULES["profile_by_name"])
def test_profile_by_name(name: str, expected: list[str] | None) -> None:
    found = program_and_size(name)
    assert (list(found) if found else None) == expected


@pytest.mark.parametrize(("program", "size", "profit", "minis"), RULES["max_minis"])
def test_max_minis(program: str, size: str, profit: int, minis: int) -> None:
    assert max_minis(program, size, profit) == minis


@pytest.mark.parametrize(("contracts", "tenths"), RULES["exposure"])
def test_exposure(contracts: list[dict[str, int]], tenths: int) -> None:
    assert exposure_tenths(ContractExposure(**each) for each in contracts) == tenths


@pytest.mark.parametrize(("days", "expected"), RULES["consistency"])
def test_consistency(days: list[int], expected: dict[str, Any]) -> None:
    assert msgspec.to_builtins(consistency(days)) == expected


@pytest.mark.parametrize(("note", "changes", "expected"), RULES["sizing"])
def test_sizing(note: str, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    sizing = order_size(SizeInputs(**{**RULES["sizing_base"], **changes}))
    assert msgspec.to_builtins(sizing) == expected, note


@pytest.mark.parametrize(("changes", "expected"), RULES["gates"])
def test_gates(changes: dict[str, Any], expected: str | None) -> None:
    base = {**RULES["gate_base"], **changes}
    now = parse_ts(base["now"])
    picture = Picture(now)
    window, no_trade = base["window"], base["no_trade"] or [None, None]
    picture.policy = msgspec.structs.replace(
        picture.policy,
        enabled=base["enabled"],
        trading_start=time.fromisoformat(window[0]),
        trading_end=time.fromisoformat(window[1]),
        no_trade_start=time.fromisoformat(no_trade[0]) if no_trade[0] else None,
        no_trade_end=time.fromisoformat(no_trade[1]) if no_trade[1] else None,
        respect_dll=base["respect_dll"],
        respect_mll=base["respect_mll"],
        max_dll_usage_bp=base["max_dll_usage_bp"],
        max_daily_trades=base["max_daily_trades"],
        max_positions=base["max_positions"],
        preferred_conditions=tuple(base["preferred"]),
        avoid_conditions=tuple(base["avoid"]),
    )
    picture.rules = msgspec.structs.replace(
        picture.rules,
        status=base["risk_status"],
        day_pnl=Money(base["day_pnl"]),
        dll=Money(base["dll"]),
        equity=Money(base["equity"]),
        floor=Money(base["floor"]),
        mll=Money(base["mll"]),
        profit_target=Money(base["profit_target"]),
        consistency_stop=base["consistency_stop"],
    )
    picture.state = "HALTED" if base["halted"] else "ACTIVE"
    picture.name = "PRAC-V2-1" if base["account_allowed"] else "50KTC-V2-1"
    picture.price_age_ms = base["data_age_ms"]
    picture.labels = tuple(base["labels"])
    picture.busy(entries=base["daily_trades"], others=base["other_symbols_busy"], here=base["position_open"])
    calendar = CALENDAR
    if not base["calendar_covers"]:
        calendar = SessionCalendar((CALENDAR.covers[0], CALENDAR.covers[0]), [])
    answer = Gate(calendar).approve(picture.entry(), picture.view(), now)
    if expected is None:
        assert isinstance(answer, ApprovedIntent), answer
    else:
        assert isinstance(answer, Denial)
        assert answer.code == expected


def test_gates_stand_in_the_order_of_the_table() -> None:
    from bot.model.codes import Code
    from bot.risk.entry_gates import ACCOUNT_GATE, FIRST_GATES, GATES

    ordered = [*FIRST_GATES, ACCOUNT_GATE, *GATES]
    assert [str(code) for code, _ in ordered] == RULES["gate_order"]
    assert [code for code in Code if code in RULES["gate_order"]] == RULES["gate_order"]
