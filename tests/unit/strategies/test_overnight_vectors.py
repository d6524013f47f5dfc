"""The golden vectors of the overnight range breakout through the code that trades."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from bot.calendar.sessions import SessionCalendar
from bot.legacy.strategy_engine.keys import StrategyKey
from bot.model.market import MinuteBar
from bot.model.quantities import Ticks, TickSize, TsNs
from bot.model.times import parse_ts
from bot.strategies.breakeven import Breakeven, breakeven_price, fires
from bot.strategies.breakout_state import BreakoutState
from bot.strategies.overnight_levels import (
    FilterInputs,
    Level,
    RangeFound,
    daily_atr,
    filter_refusal,
    level_of,
    overnight_range,
    zones_of,
)
from bot.strategies.overnight_parameters import TABLE, OvernightParameters
from tests.conftest import vector

VECTORS = vector("overnight_range")
QUARTER = TickSize(1, 4)
CALENDAR = SessionCalendar.shipped()


def parameters(**plain: object) -> OvernightParameters:
    return OvernightParameters.of(plain, "MNQ", QUARTER)


def test_defaults_are_those_of_the_vectors() -> None:
    p = parameters()
    for name, value in VECTORS["defaults"].items():
        if hasattr(p, name):
            assert getattr(p, name) == value, name


@pytest.mark.parametrize("case", VECTORS["range_cases"], ids=lambda case: case["name"])
def test_range(case: dict[str, Any]) -> None:
    p = parameters()
    window = CALENDAR.overnight_window(date.fromisoformat(case["session"]), p.start_time, p.end_time)
    assert window == (parse_ts(case["start"]), parse_ts(case["end"]))
    bars = [MinuteBar(parse_ts(row[0]), *row[1:]) for row in case["bars"]]
    found = overnight_range(bars, *window, p.min_bars, p.edge_minutes)
    if isinstance(found, str):
        assert {"reason": found} == case["expect"]
    else:
        names = ("high", "low", "open", "close", "size", "bars")
        assert {name: getattr(found, name) for name in names} == case["expect"]


@pytest.mark.parametrize(("n", "value", "source"), VECTORS["daily_atr_cases"])
def test_daily_atr(n: int, value: float | None, source: str) -> None:
    bars = [MinuteBar(TsNs(i), *row, 0) for i, row in enumerate(VECTORS["daily_bars"][:n])]
    assert daily_atr(bars, 14, 6) == (value, source)


@pytest.mark.parametrize("case", VECTORS["level_cases"], ids=lambda case: case["name"])
def test_levels(case: dict[str, Any]) -> None:
    p = parameters(**case["params"])
    found = RangeFound(case["high"], case["low"], case["open"], case["open"], 100)
    zones = zones_of(case["open"], case["daily_atr"], p)
    names = ("upper_near", "upper_far", "lower_near", "lower_far")
    plain = None if zones is None else {name: getattr(zones, name) for name in names}
    assert plain == case["expect"]["zones"]
    for side, sign in (("long", 1), ("short", -1)):
        level = level_of(sign, found, zones, case["atr"], case["last"], p)
        assert _plain(level) == case["expect"][side]


def _plain(level: Level | str) -> dict[str, Any]:
    if isinstance(level, str):
        return {"reason": level}
    names = ("entry", "stop", "target", "stop_ticks", "target_ticks", "target_source")
    return {name: getattr(level, name) for name in names}


@pytest.mark.parametrize("case", VECTORS["breakeven_cases"], ids=lambda case: case["name"])
def test_breakeven(case: dict[str, Any]) -> None:
    side = 1 if case["side"] == "long" else -1
    step = Breakeven()
    step.on_position(side, case["size"], case["cost_ticks"], Ticks(case["stop"]))
    result = None
    for index, price in enumerate(case["prices"]):
        wanted = step.on_price(price, case["trigger_ticks"], case["offset_ticks"], 10**18)
        if step.progress != "watching":
            result = {"index": index, "stop": wanted}
            break
    assert result == case["expect"]
    if result is not None:
        price = case["prices"][result["index"]]
        assert fires(side, case["size"], case["cost_ticks"], case["trigger_ticks"], price)
        if result["stop"] is not None:
            assert result["stop"] == breakeven_price(
                side, case["size"], case["cost_ticks"], case["offset_ticks"]
            )


@pytest.mark.parametrize(("changes", "expected"), VECTORS["filter_cases"])
def test_filters(changes: dict[str, Any], expected: str | None) -> None:
    base = {**VECTORS["filter_base"], **changes}
    p = parameters(
        filter_range=base["range_on"],
        range_min=base["range_min"] // 4,
        range_max=base["range_max"] // 4,
        filter_gap=base["gap_on"],
        gap_max=base["gap_max"] // 4,
        filter_atr=base["vol_on"],
        atr_min=base["atr_min"] // 4,
        atr_max=base["atr_max"] // 4,
        filter_dll=base["dll_on"],
        filter_dll_usage=str(base["dll_bp"] / 10_000),
    )
    names = ("range_size", "open", "prior_close", "atr", "day_pnl", "dll")
    assert filter_refusal(FilterInputs(**{name: base[name] for name in names}), p) == expected


@pytest.mark.parametrize("case", VECTORS["state_cases"], ids=lambda case: case["name"])
def test_state_machine(case: dict[str, Any]) -> None:
    config = case["config"]
    state = BreakoutState(
        cancel_other=config.get("cancel_other", True),
        max_entries=config.get("max_entries_per_side", TABLE["max_entries_per_side"].default),
        max_rearms=config.get("max_rearms", TABLE["max_rearms"].default),
    )
    for event, commands, phase, long, short in case["steps"]:
        got = _feed(state, event)
        assert [str(command) for command in got] == commands, event
        assert (state.phase, state.side("long"), state.side("short")) == (phase, long, short), event


def _feed(state: BreakoutState, event: dict[str, Any]) -> list[Any]:
    kind = event["e"]
    if kind == "levels":
        return state.levels([side for side in ("long", "short") if event[side] == "ok"])
    if kind in ("fill", "ended"):
        return list(getattr(state, kind)(event["side"]))
    if kind == "monitor":
        return state.monitor(event["known"], event["near"])
    return list(getattr(state, kind)())


@pytest.mark.parametrize(("parts", "text"), VECTORS["key_cases"])
def test_keys(parts: list[str], text: str) -> None:
    key = StrategyKey(int(parts[0]), *parts[1:])
    assert key.text() == text
    assert StrategyKey.parse(text) == key
