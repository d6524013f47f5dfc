"""Parameters: defaults, layers, units, and errors that name key, layer and what was expected."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest

from bot.model.errors import ConfigError
from bot.model.quantities import TickSize
from bot.strategies.overnight_parameters import (
    TABLE,
    OvernightParameters,
    overnight_policy,
    resolve_overnight,
)

QUARTER = TickSize(1, 4)


def of(**plain: object) -> OvernightParameters:
    return OvernightParameters.of(plain, "MNQ", QUARTER)


def test_defaults_in_ticks_of_the_instrument() -> None:
    p = of()
    assert (p.breakeven_ticks, p.proximity_ticks, p.range_min, p.atr_max) == (60, 20, 200, 800)
    assert (p.start_time, p.end_time, p.entry_cutoff) == (time(18), time(9, 30), time(15, 30))
    mes_tenths = OvernightParameters.of({}, "MGC", TickSize(1, 10))
    assert mes_tenths.breakeven_ticks == 150


def test_the_later_layer_wins_key_by_key_and_origins_are_kept() -> None:
    layers: list[tuple[str, dict[str, object]]] = [
        ("file", {"stop_atr": 1.5, "tp_atr": "3"}),
        ("environment", {"stop_atr": "2.5", "cancel_other": "NO"}),
        ("call", {"max_rearms": 0}),
    ]
    resolved = resolve_overnight(layers)
    assert [resolved.values[key] for key in ("stop_atr", "tp_atr", "cancel_other", "max_rearms")] == [
        2.5, 3.0, False, 0,
    ]  # fmt: skip
    assert [resolved.origins[key] for key in ("stop_atr", "tp_atr", "max_rearms", "zone_day")] == [
        "environment", "file", "call", "default",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("stop_art", "1", "stop_atr"),
        ("cancel_other", "maybe", "true, 1, yes"),
        ("max_rearms", "1.5", "whole number"),
        ("max_rearms", -1, "from 0 to 100"),
        ("min_bars", True, "whole number"),
        ("stop_atr", "nan", "from 0.01 to 100.0"),
        ("stop_atr", "0", "from 0.01"),
        ("smoothing", "Simple", "simple or wilder"),
        ("target_mode", "both", "zone or atr"),
        ("entry_cutoff", "3:30", "09:30"),
        ("entry_cutoff", "24:00", "00:00 to 23:59"),
        ("entry_cutoff", None, "09:30"),
        ("atr_timeframe", "7m", "divides a day"),
        ("risk_percent", "0.00001", "steps of 0.0001"),
        ("max_dll_usage", "1.1", "from 0 to 1"),
        ("breakeven_points", "-1", "0 or more"),
        ("breakeven_points_by_symbol", "MES=5", "MES:5"),
        ("preferred_conditions", "bullish", "trending_up"),
        ("symbols", 5, "MNQ,MES"),
    ],
)
def test_f147_a_bad_value_says_what_was_expected_and_where(key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_overnight([("environment", {key: value})])
    assert message in str(caught.value)
    assert f"overnight_range.{key} (environment)" in str(caught.value)


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes", "On", True, 1])
def test_f147_a_boolean_means_the_same_in_every_form(text: object) -> None:
    assert of(cancel_other=text).cancel_other is True


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "OFF", False, 0])
def test_f147_the_text_false_is_false(text: object) -> None:
    assert of(cancel_other=text).cancel_other is False


def test_points_that_vanish_on_the_grid_are_refused() -> None:
    with pytest.raises(ConfigError, match="half a tick"):
        of(breakeven_points="0.1")
    assert of(breakeven_points="0.125").breakeven_ticks == 1
    assert of(breakeven_points="0").breakeven_ticks == 0


def test_the_symbols_own_breakeven_wins() -> None:
    assert of(breakeven_points_by_symbol="MES:5, mnq:10").breakeven_ticks == 40
    assert of(breakeven_points_by_symbol={"MES": 5}).breakeven_ticks == 60


def test_crossed_filter_bounds_are_refused() -> None:
    with pytest.raises(ConfigError, match="at most range_max"):
        of(range_min="600")


def test_the_policy_of_an_instance() -> None:
    policy = overnight_policy(
        {"enabled": "yes", "risk_percent": 0.25, "no_trade_start": "none", "avoid_conditions": "Ranging"}
    )
    assert (policy.enabled, policy.risk_ppm, policy.max_dll_usage_bp) == (True, 2500, 7500)
    assert (policy.no_trade_start, policy.avoid_conditions) == (None, ("ranging",))
    assert overnight_policy({}).enabled is False


def test_every_default_is_legal_by_its_own_rule() -> None:
    for key, parameter in TABLE.items():
        again = resolve_overnight([("again", {key: parameter.default})])
        assert again.values[key] == resolve_overnight([]).values[key]
