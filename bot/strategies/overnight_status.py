"""What the overnight breakout shows of a session, in fixed types; prices in ticks, times in ns UTC."""

from __future__ import annotations

from typing import Any

from bot.strategies.breakeven import Breakeven
from bot.strategies.breakout_state import SIDES
from bot.strategies.overnight_levels import Level, RangeFound, Zones
from bot.strategies.overnight_session import Session


def session_status(session: Session, step: Breakeven) -> dict[str, Any]:
    """Phase, range, levels, sides and position."""
    state = session.state
    return {
        "session": session.day.isoformat(),
        "phase": state.phase,
        "waits_for": session.waits_for,
        "range": None if session.found is None else _range(session.found),
        "open_price": session.open_price,
        "atr": session.atr,
        "daily_atr": session.daily_atr,
        "zones": None if session.zones is None else _zones(session.zones),
        "levels": {side: _level(session.levels.get(side)) for side in SIDES},
        "refusals": {side: session.refusals.get(side) for side in SIDES},
        "orders": {side: state.side(side) for side in SIDES},
        "entries": {side: state.entries(side) for side in SIDES},
        "positions": [_position(step)] if step.size else [],
        "cutoff": session.cutoff,
        "flatten_at": session.flatten_at,
    }


def _range(found: RangeFound) -> dict[str, int]:
    names = ("high", "low", "open", "close", "size", "bars")
    return {name: getattr(found, name) for name in names}


def _zones(zones: Zones) -> dict[str, int]:
    return {name: getattr(zones, name) for name in Zones.__struct_fields__}


def _level(level: Level | None) -> dict[str, Any] | None:
    names = ("entry", "stop", "target", "stop_ticks", "target_ticks", "target_source")
    return None if level is None else {name: getattr(level, name) for name in names}


def _position(step: Breakeven) -> dict[str, Any]:
    names = ("side", "size", "cost_ticks", "stop")
    return {**{name: getattr(step, name) for name in names}, "breakeven": step.progress}
