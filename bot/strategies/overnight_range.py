"""Overnight range breakout: two stop entries just outside the overnight range (strategies.md §11).

One object trades one contract on one account. Per cash day it waits for the open, computes the levels once,
places both sides, and from then on follows its own orders. Nothing is placed before the account's orders
and position are known, so a restart finds its orders again by their keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time, timedelta
from typing import Any

from bot.calendar.windows import ET, wall_to_ns
from bot.legacy.strategy_engine.indicators import atr_window
from bot.legacy.strategy_engine.keys import StrategyKey, session_scope
from bot.legacy.strategy_engine.layout import Reader, Writer
from bot.legacy.strategy_engine.strategy import Seat
from bot.model.actions import (
    Action,
    Alert,
    CancelEntry,
    CancelSymbol,
    Enter,
    FlattenSymbol,
    MoveStop,
    Note,
)
from bot.model.market import Bar
from bot.model.orders import Fill, Order, OrderType, Position
from bot.model.quantities import Ticks, TsNs, round_away
from bot.model.risk import RuleFigures
from bot.model.times import MINUTE, SECOND
from bot.strategies.breakeven import Breakeven
from bot.strategies.breakout_state import SIDES, BreakoutState, Command, Side
from bot.strategies.overnight_levels import (
    FilterInputs,
    Level,
    RangeFound,
    current_atr,
    daily_atr,
    filter_refusal,
    is_near,
    level_of,
    overnight_range,
    zones_of,
)
from bot.strategies.overnight_parameters import NAME, OvernightParameters
from bot.strategies.overnight_session import Session, parse_leg

MINUTE_DEPTH = 3000
"""One-minute bars kept: the overnight window and the close before it, over a holiday."""
DAILY_EXTRA = 5
SPARE_BARS = 24
UNSEEN_READS = 2
_SIGN = {"long": 1, "short": -1}
_QUIET: tuple[Action, ...] = ()


class OvernightRange:
    """See bot.legacy.strategy_engine.strategy.Strategy."""

    evaluates: str | None = None

    def __init__(self, seat: Seat, parameters: Mapping[str, object], now: TsNs) -> None:
        self._seat = seat
        self._contract_id = seat.contract.id
        self._p = self._typed(parameters)
        self._next: OvernightParameters | None = None
        self._started = now
        self._known = False
        self._reconciled = False
        self._unseen = 0
        self._stopped = False
        self._figures: RuleFigures | None = None
        self._breakeven = Breakeven()
        self._session = self._new_session(now)

    @property
    def depths(self) -> dict[str, int]:
        """Bars to keep by timeframe."""
        needed = {
            "1m": MINUTE_DEPTH,
            "1d": self._p.daily_atr_period + 1 + DAILY_EXTRA,
        }
        own = atr_window(self._p.atr_period, self._p.smoothing) + SPARE_BARS
        needed[self._p.atr_timeframe] = max(own, needed.get(self._p.atr_timeframe, 0))
        return needed

    def configure(self, parameters: Mapping[str, object]) -> None:
        """New parameters from the next session on."""
        self._next = self._typed(parameters)

    # --- market

    def on_bars(self, timeframe: str, now: TsNs) -> Sequence[Action]:
        """History or a closed bar may be what the set-up waits for."""
        if timeframe == "1m" and self._session.open_price is None:
            opening = self._minutes().complete(self._session.open_at, self._session.open_at + MINUTE)
            if opening:
                self._session.open_price = opening[0].open
        if self._session.state.phase == "WAIT":
            return self._try_setup(now)
        self._rebuild_levels()
        return _QUIET

    def evaluate(self, bar: Bar, now: TsNs) -> Sequence[Action]:  # noqa: ARG002 - it goes by prices and time
        return _QUIET

    def on_forming(self, bar: Bar, now: TsNs) -> Sequence[Action]:
        """The open of the bar that starts at the market's open."""
        session = self._session
        if bar.timeframe == "1m" and bar.start == session.open_at and bar.complete:
            if session.open_price is None:
                session.open_price = bar.open
            return self._try_setup(now)
        return _QUIET

    def on_price(self, last: Ticks, now: TsNs) -> Sequence[Action]:
        """Breakeven of a held position; before the open nothing."""
        if self._breakeven.watching:
            return self._move_stop(last, now)
        session = self._session
        if session.state.phase == "WAIT" and now >= session.open_at:
            return self._try_setup(now)
        return _QUIET

    def on_clock(self, now: TsNs) -> Sequence[Action]:
        """The open, the monitor, the cut-off, the end of the day and the next session."""
        actions: list[Action] = []
        session, state = self._session, self._session.state
        if state.phase == "WAIT":
            actions += self._try_setup(now)
        if state.phase == "ARMED" and now >= session.monitor_at:
            session.monitor_at = now + self._p.monitor_s * SECOND
            actions += self._carry_out(state.monitor(self._known and not self._stopped, self._near()), now)
        if now >= session.cutoff and (not state.cut or state.working):
            actions += self._carry_out(state.cutoff(), now)
        if not session.flattened and session.flatten_at is not None and now >= session.flatten_at:
            session.flattened = True
            actions += self._carry_out(state.flatten_time(), now)
        if now >= session.over:
            self._p, self._next = self._next or self._p, None
            self._session = self._new_session(now)
        return actions

    # --- orders and position

    def on_order(self, leg: str, scope: str, order: Order, now: TsNs) -> Sequence[Action]:
        """An entry of this or an earlier session changed."""
        found = parse_leg(leg)
        if found is None:
            return _QUIET
        session = self._session
        if scope != session.scope:
            return [self._cancel(scope, leg, "entry of another session")] if order.working else _QUIET
        side, rearms = found
        session.state.adopt(side, rearms)
        if leg != session.state.leg_name(side):
            return _QUIET
        commands: list[Command] = []
        if session.count(leg, order.filled, from_order=True):
            commands += self._filled(side)
        if order.terminal and not order.filled:
            over = session.state.refused if order.status == 5 else session.state.ended
            commands += over(side)
        return self._carry_out(commands, now)

    def on_denied(self, leg: str, scope: str, code: str, now: TsNs) -> Sequence[Action]:
        """An entry will never exist."""
        found = parse_leg(leg)
        if found is None or scope != self._session.scope:
            return _QUIET
        side = found[0]
        self._session.refusals[side] = code
        note = self._note(code, f"{leg} denied")
        return [note, *self._carry_out(self._session.state.refused(side), now)]

    def on_fill(self, leg: str, scope: str, fill: Fill, now: TsNs) -> Sequence[Action]:
        """An entry was filled, in part or whole; repeated reports count once."""
        found = parse_leg(leg)
        if found is None or fill.voided:
            return _QUIET
        session = self._session
        if scope != session.scope:
            return [
                Alert(
                    instance=self._seat.instance,
                    contract_id=self._contract_id,
                    code="STRAY_FILL",
                    detail=f"{leg} of {scope}",
                ),
                CancelSymbol(
                    instance=self._seat.instance, contract_id=self._contract_id, reason="STRAY_FILL"
                ),
                FlattenSymbol(
                    instance=self._seat.instance, contract_id=self._contract_id, reason="STRAY_FILL"
                ),
            ]
        side, rearms = found
        session.state.adopt(side, rearms)
        if not session.count_fill(leg, fill.id, fill.size):
            return _QUIET
        return self._carry_out(self._filled(side), now)

    def on_position(self, position: Position | None, stop: Ticks | None, now: TsNs) -> Sequence[Action]:
        """The instance's position and its stop; None is proven flat."""
        if position is None or position.size == 0:
            self._breakeven.on_position(0, 0, 0, None)
            return self._carry_out(self._session.state.flat(), now)
        self._unseen = 0
        self._breakeven.on_position(position.side, position.size, position.cost_ticks, stop)
        return _QUIET

    def on_known(self, known: bool, now: TsNs) -> Sequence[Action]:
        """From the first proof on, orders of an earlier run have been reported by key."""
        self._known = known
        if not known:
            return _QUIET
        if self._reconciled:
            return self._gone_unseen(now) or self._try_setup(now)
        self._reconciled = True
        side = self._breakeven.side if self._breakeven.size else 0
        held: Side | None = None if side == 0 else ("long" if side > 0 else "short")
        actions = self._carry_out(self._session.state.adopted(held), now)
        return actions + self._try_setup(now)

    def on_risk(self, figures: RuleFigures, now: TsNs) -> Sequence[Action]:  # noqa: ARG002
        self._figures = figures
        return _QUIET

    def on_stop(self) -> Sequence[Action]:
        """Cancel working entries; `on_stop = flatten` closes the position too."""
        self._stopped = True
        actions = self._carry_out(self._session.state.stop(), self._started)
        if self._p.on_stop == "flatten":
            actions += self._carry_out([Command("CANCEL_SYMBOL"), Command("FLATTEN_SYMBOL")], self._started)
        return actions

    def quiet(self) -> bool:
        """No cancel and no stop move is under way."""
        state = self._session.state
        return not self._breakeven.under_way and all(state.side(side) != "cancelling" for side in SIDES)

    # --- status and state

    def status(self, now: TsNs) -> dict[str, Any]:
        """Phase, range, levels, sides and what happens next, in fixed types."""
        session, state = self._session, self._session.state
        return {
            "session": session.day.isoformat(),
            "phase": state.phase,
            "known": self._known,
            "range": None if session.found is None else _plain_range(session.found),
            "open_price": session.open_price,
            "atr": session.atr,
            "daily_atr": session.daily_atr,
            "levels": {side: _plain_level(session.levels.get(side)) for side in SIDES},
            "refusals": {side: session.refusals.get(side) for side in SIDES},
            "orders": {side: state.side(side) for side in SIDES},
            "entries": {side: state.entries(side) for side in SIDES},
            "positions": [] if not self._breakeven.size else [self._plain_position()],
            "cutoff": session.cutoff,
            "next_evaluation": self._next_evaluation(now),
        }

    def write(self, writer: Writer) -> None:
        for flag in (self._known, self._reconciled, self._stopped):
            writer.flag(flag)
        writer.i64(self._unseen)
        self._breakeven.write(writer)
        writer.i64(self._session.made)
        self._session.write(writer)

    def read(self, reader: Reader) -> None:
        self._known, self._reconciled, self._stopped = (reader.flag() for _ in range(3))
        self._unseen = reader.i64()
        self._breakeven.read(reader)
        self._session = self._new_session(TsNs(reader.i64()))
        self._session.read(reader)

    # --- inside

    def _typed(self, plain: Mapping[str, object]) -> OvernightParameters:
        return OvernightParameters.of(plain, self._seat.contract.root, self._seat.contract.tick)

    def _minutes(self) -> Any:
        return self._seat.market.window(self._contract_id, "1m")

    def _new_session(self, now: TsNs) -> Session:
        calendar, p = self._seat.calendar, self._p
        day = calendar.risk_day(now)
        if not calendar.is_cash_day(day):
            day = calendar.next_cash_day(day)
        group = self._seat.contract.group
        open_at = wall_to_ns(day, p.market_open, ET)
        stop = calendar.entry_stop(day, group)
        cutoff = wall_to_ns(day, p.entry_cutoff, ET)
        return Session(
            day=day,
            scope=session_scope(day),
            window=calendar.overnight_window(day, p.start_time, p.end_time),
            open_at=open_at,
            grace_end=TsNs(open_at + p.open_grace_s * SECOND),
            cutoff=open_at if stop is None else min(cutoff, stop),
            flatten_at=calendar.flatten_start(day, group),
            over=calendar.day_bounds(day)[1],
            made=now,
            state=BreakoutState(
                cancel_other=p.cancel_other,
                max_entries=p.max_entries_per_side,
                max_rearms=p.max_rearms,
            ),
        )

    def _gone_unseen(self, now: TsNs) -> list[Action]:
        """A position that two successful reads in a row did not show was closed before anybody saw it."""
        state = self._session.state
        if state.held is None or self._breakeven.size:
            return []
        self._unseen += 1
        if self._unseen < UNSEEN_READS:
            return []
        self._unseen = 0
        return self._carry_out(state.flat(), now)

    def _try_setup(self, now: TsNs) -> list[Action]:
        """Compute and place, or end the day, or go on waiting."""
        session = self._session
        if session.state.phase != "WAIT" or now < session.open_at or not self._known or self._stopped:
            return []
        if self._started >= session.grace_end:
            return self._give_up("MISSED_OPEN")
        if now >= session.grace_end:
            return self._give_up(session.waits_for or "NO_OPEN_PRICE")
        last = self._seat.market.last(self._contract_id)
        if session.open_price is None or last is None:
            return []
        if self._history_incomplete():
            session.waits_for = "INCOMPLETE_BARS"
            return []
        return self._setup(last, now)

    def _history_incomplete(self) -> bool:
        """Whether a bar that the levels depend on still waits for its replacement from history."""
        session, p = self._session, self._p
        if self._minutes().waiting(*session.window):
            return True
        bars = self._seat.market.window(self._contract_id, p.atr_timeframe)
        needed = bars.last_complete(atr_window(p.atr_period, p.smoothing), session.open_at)
        return bool(needed) and bool(bars.waiting(needed[0].start, session.open_at))

    def _setup(self, last: Ticks, now: TsNs) -> list[Action]:
        session, p = self._session, self._p
        found = overnight_range(
            self._minutes().complete(*session.window), *session.window, p.min_bars, p.edge_minutes
        )
        if isinstance(found, str):
            return self._give_up(found)
        refusal = self._measure(found)
        if refusal is not None:
            return self._give_up(refusal)
        for side in SIDES:
            level = level_of(_SIGN[side], found, session.zones, session.atr, last, p)
            if isinstance(level, str):
                session.refusals[side] = level
            else:
                session.levels[side] = level
        notes: list[Action] = [self._note("LEVELS", self._levels_text(found))]
        notes += [self._note(code, f"{side} entry") for side, code in session.refusals.items()]
        session.monitor_at = now + p.monitor_s * SECOND
        return notes + self._carry_out(session.state.levels(session.levels.keys()), now)

    def _rebuild_levels(self) -> None:
        """After a restart in a running session: the levels again from history, for re-arming and R."""
        session, p = self._session, self._p
        adopted = session.state.phase in ("ARMED", "LIVE") and session.found is None
        if not adopted or session.open_price is None or self._history_incomplete():
            return
        found = overnight_range(
            self._minutes().complete(*session.window), *session.window, p.min_bars, p.edge_minutes
        )
        if isinstance(found, str):
            return
        self._measure(found)
        for side in SIDES:
            inside = found.low if side == "long" else found.high
            level = level_of(_SIGN[side], found, session.zones, session.atr, inside, p)
            if isinstance(level, Level) and session.state.side(side) != "refused":
                session.levels[side] = level

    def _filled(self, side: Side) -> list[Command]:
        state = self._session.state
        if self._reconciled:
            return state.fill(side)
        state.adopt_fill(side)
        return []

    def _measure(self, found: RangeFound) -> str | None:
        """Volatility, zones and filters; the code of the filter that refuses the day."""
        session, p, market = self._session, self._p, self._seat.market
        window = atr_window(p.atr_period, p.smoothing)
        bars = market.window(self._contract_id, p.atr_timeframe).last_complete(window, session.open_at)
        session.found = found
        session.atr = current_atr(bars, p.atr_period, p.smoothing, window)
        start = self._seat.calendar.day_bounds(session.day)[0]
        days = market.window(self._contract_id, "1d").complete(None, start)
        session.daily_atr, _ = daily_atr(days, p.daily_atr_period, p.daily_atr_min_bars)
        assert session.open_price is not None
        session.zones = zones_of(session.open_price, session.daily_atr, p)
        figures = self._figures
        return filter_refusal(
            FilterInputs(
                range_size=found.size,
                open=session.open_price,
                prior_close=self._prior_close(),
                atr=session.atr,
                day_pnl=None if figures is None else figures.day_pnl,
                dll=None if figures is None else figures.dll,
                limits_known=figures is not None,
            ),
            p,
        )

    def _prior_close(self) -> Ticks | None:
        """Close of the last minute bar in the half hour before the previous cash day's close."""
        calendar = self._seat.calendar
        day = calendar.previous_cash_day(self._session.day)
        at = time(13, 15) if calendar.kind(day) == "half" else time(16)
        end = wall_to_ns(day, at, ET)
        bars = self._minutes().complete(end - 30 * MINUTE, end)
        return bars[-1].close if bars else None

    def _near(self) -> list[Side]:
        session, last = self._session, self._seat.market.last(self._contract_id)
        if last is None or session.found is None:
            return []
        size = session.found.size
        return [side for side, level in session.levels.items() if is_near(level, last, size, self._p)]

    def _move_stop(self, last: Ticks, now: TsNs) -> Sequence[Action]:
        if not self._p.breakeven:
            return _QUIET
        step, trigger = self._breakeven, self._trigger()
        if trigger is None:
            return _QUIET
        wanted = step.on_price(last, trigger, self._p.breakeven_offset_ticks, now)
        if wanted is not None:
            return [
                MoveStop(
                    instance=self._seat.instance,
                    contract_id=self._contract_id,
                    stop=wanted,
                    reason="breakeven",
                )
            ]
        if step.progress == "failed":
            detail = f"{step.failures} attempts were not confirmed; the stop stays at {step.stop} (ticks)"
            return [self._alert("BREAKEVEN_FAILED", detail)]
        return _QUIET

    def _trigger(self) -> int | None:
        """Ticks of profit that move the stop; a multiple of the risk needs the level it came from."""
        if self._p.breakeven_r is None:
            return self._p.breakeven_ticks
        level = self._session.levels.get("long" if self._breakeven.side > 0 else "short")
        return None if level is None else round_away(level.stop_ticks * self._p.breakeven_r)

    def _give_up(self, code: str) -> list[Action]:
        self._session.state.finish()
        for side in SIDES:
            self._session.refusals[side] = code
        return [self._note(code, f"no entries for {self._session.day}")]

    def _carry_out(self, commands: Sequence[Command], now: TsNs) -> list[Action]:
        actions: list[Action] = []
        for command in commands:
            where: dict[str, Any] = {
                "instance": self._seat.instance,
                "contract_id": self._contract_id,
            }
            if command.verb == "PLACE":
                actions.append(self._enter(command.leg))
            elif command.verb == "CANCEL":
                actions.append(self._cancel(self._session.scope, command.leg, "session rule"))
            elif command.verb == "CANCEL_SYMBOL":
                actions.append(CancelSymbol(**where, reason=self._why(now)))
            elif command.verb == "FLATTEN_SYMBOL":
                actions.append(FlattenSymbol(**where, reason=self._why(now)))
            else:
                actions.append(self._alert(command.leg, "both entries were filled; the position is closed"))
        return actions

    def _why(self, now: TsNs) -> str:
        flatten = self._session.flatten_at
        return "end of day" if flatten is not None and now >= flatten else "session rule"

    def _enter(self, leg: str) -> Enter:
        found = parse_leg(leg)
        assert found is not None
        level = self._session.levels[found[0]]
        return Enter(
            instance=self._seat.instance,
            contract_id=self._contract_id,
            key=self._key(self._session.scope, leg),
            leg=leg,
            side=level.side,
            type=int(OrderType.STOP),
            entry=level.entry,
            stop_ticks=level.stop_ticks,
            target_ticks=level.target_ticks,
            reason=f"overnight range {self._session.day}",
        )

    def _cancel(self, scope: str, leg: str, reason: str) -> CancelEntry:
        return CancelEntry(
            instance=self._seat.instance,
            contract_id=self._contract_id,
            key=self._key(scope, leg),
            reason=reason,
        )

    def _key(self, scope: str, leg: str) -> str:
        return StrategyKey(self._seat.instance.account_id, NAME, self._contract_id, scope, leg).text()

    def _note(self, code: str, detail: str) -> Note:
        return Note(instance=self._seat.instance, contract_id=self._contract_id, code=code, detail=detail)

    def _alert(self, code: str, detail: str) -> Alert:
        return Alert(instance=self._seat.instance, contract_id=self._contract_id, code=code, detail=detail)

    def _levels_text(self, found: RangeFound) -> str:
        tick = self._seat.contract.tick
        parts = [f"range {tick.format(found.low)} to {tick.format(found.high)}"]
        parts += [
            f"{side} {tick.format(level.entry)} stop {tick.format(level.stop)} "
            f"target {tick.format(level.target)} ({level.target_source})"
            for side, level in self._session.levels.items()
        ]
        return ", ".join(parts)

    def _plain_position(self) -> dict[str, Any]:
        step = self._breakeven
        return {
            "side": step.side,
            "size": step.size,
            "cost_ticks": step.cost_ticks,
            "stop": step.stop,
            "breakeven": step.progress,
        }

    def _next_evaluation(self, now: TsNs) -> int | None:
        """When a set-up or the monitor can happen next; of the next session when this one is over."""
        session, state = self._session, self._session.state
        if self._stopped:
            return None
        if state.phase == "WAIT":
            return max(session.open_at, now)
        if state.phase == "ARMED":
            return session.monitor_at
        day = self._seat.calendar.next_cash_day(session.day)
        return wall_to_ns(day, self._p.market_open, ET) if day - session.day < timedelta(30) else None


def _plain_range(found: RangeFound) -> dict[str, int]:
    return {
        "high": found.high,
        "low": found.low,
        "open": found.open,
        "close": found.close,
        "size": found.size,
        "bars": found.bars,
    }


def _plain_level(level: Level | None) -> dict[str, Any] | None:
    if level is None:
        return None
    return {
        "entry": level.entry,
        "stop": level.stop,
        "target": level.target,
        "stop_ticks": level.stop_ticks,
        "target_ticks": level.target_ticks,
        "target_source": level.target_source,
    }
