"""Measuring a session at the open: range, volatility, zones, filters and levels from the seat's bars."""

from __future__ import annotations

from datetime import time

from bot.calendar.windows import ET, wall_to_ns
from bot.legacy.strategy_engine.indicators import atr_window
from bot.legacy.strategy_engine.strategy import Seat
from bot.legacy.strategy_engine.windows import BarWindow
from bot.model.quantities import Ticks
from bot.model.risk import RuleFigures
from bot.model.times import MINUTE
from bot.strategies.breakout_state import SIDES
from bot.strategies.overnight_levels import (
    FilterInputs,
    Level,
    RangeFound,
    current_atr,
    daily_atr,
    filter_refusal,
    level_of,
    overnight_range,
    zones_of,
)
from bot.strategies.overnight_parameters import OvernightParameters
from bot.strategies.overnight_session import SIGN, Session

_REGULAR_CLOSE, _HALF_DAY_CLOSE = time(16), time(13, 15)


class OvernightSetup:
    """Reads closed bars and writes what it measured into the session."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    def see_open(self, session: Session) -> None:
        """Take the open price from the closed bar of the opening minute, if it is there."""
        if session.open_price is None:
            opening = self._window("1m").complete(session.open_at, session.open_at + MINUTE)
            if opening:
                session.open_price = opening[0].open

    def waits_for_history(self, session: Session, p: OvernightParameters) -> bool:
        """Whether a bar that the levels depend on is incomplete and history has not replaced it."""
        if self._window("1m").waiting(*session.window):
            return True
        bars = self._window(p.atr_timeframe)
        needed = bars.last_complete(atr_window(p.atr_period, p.smoothing), session.open_at)
        return bool(needed) and bars.waiting(needed[0].start, session.open_at)

    def measure(self, session: Session, p: OvernightParameters, figures: RuleFigures | None) -> str | None:
        """Range, ATRs and zones; the code that ends the day, None when entries may follow."""
        found = overnight_range(
            self._window("1m").complete(*session.window), *session.window, p.min_bars, p.edge_minutes
        )
        if isinstance(found, str):
            return found
        assert session.open_price is not None
        window = atr_window(p.atr_period, p.smoothing)
        bars = self._window(p.atr_timeframe).last_complete(window, session.open_at)
        days = self._window("1d").complete(None, self._seat.calendar.day_bounds(session.day)[0])
        session.found = found
        session.atr = current_atr(bars, p.atr_period, p.smoothing, window)
        session.daily_atr, _ = daily_atr(days, p.daily_atr_period, p.daily_atr_min_bars)
        session.zones = zones_of(session.open_price, session.daily_atr, p)
        return filter_refusal(
            FilterInputs(
                range_size=found.size,
                open=session.open_price,
                prior_close=self._prior_close(session),
                atr=session.atr,
                day_pnl=None if figures is None else figures.day_pnl,
                dll=None if figures is None else figures.dll,
                limits_known=figures is not None,
            ),
            p,
        )

    def find_levels(self, session: Session, p: OvernightParameters, last: Ticks) -> None:
        """Levels or refusals of both sides for a last price."""
        assert session.found is not None
        for side in SIDES:
            level = level_of(SIGN[side], session.found, session.zones, session.atr, last, p)
            if isinstance(level, str):
                session.refusals[side] = level
            else:
                session.levels[side] = level

    def rebuild(self, session: Session, p: OvernightParameters) -> None:
        """After a restart in a running session: the levels again, for re-arming and for multiples of R."""
        adopted = session.state.phase in ("ARMED", "LIVE") and session.found is None
        if not adopted or session.open_price is None or self.waits_for_history(session, p):
            return
        self.measure(session, p, None)
        found: RangeFound | None = session.found
        if found is None:
            return
        for side in SIDES:
            inside = found.low if side == "long" else found.high
            level = level_of(SIGN[side], found, session.zones, session.atr, inside, p)
            if isinstance(level, Level) and session.state.side(side) != "refused":
                session.levels[side] = level

    def text(self, session: Session) -> str:
        """Range and levels for people."""
        tick, found = self._seat.contract.tick, session.found
        assert found is not None
        parts = [f"range {tick.format(found.low)} to {tick.format(found.high)}"]
        parts += [
            f"{side} {tick.format(level.entry)} stop {tick.format(level.stop)} "
            f"target {tick.format(level.target)} ({level.target_source})"
            for side, level in session.levels.items()
        ]
        return ", ".join(parts)

    def _prior_close(self, session: Session) -> Ticks | None:
        """Close of the last minute bar in the half hour before the previous cash day's close."""
        calendar = self._seat.calendar
        day = calendar.previous_cash_day(session.day)
        at = _HALF_DAY_CLOSE if calendar.kind(day) == "half" else _REGULAR_CLOSE
        end = wall_to_ns(day, at, ET)
        bars = self._window("1m").complete(end - 30 * MINUTE, end)
        return bars[-1].close if bars else None

    def _window(self, timeframe: str) -> BarWindow:
        return self._seat.market.window(self._seat.contract.id, timeframe)
