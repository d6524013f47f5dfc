"""Overnight range breakout: two stop entries just outside the overnight range (strategies.md §11).

One object trades one contract on one account. Per cash day it waits for the open, computes the levels once,
places both sides, and from then on follows its own orders. Nothing is placed before the account's orders
and position are known, so a restart finds its orders again by their keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.calendar.windows import ET, wall_to_ns
from bot.legacy.strategy_engine.indicators import atr_window
from bot.legacy.strategy_engine.keys import session_scope
from bot.legacy.strategy_engine.layout import Reader, Writer
from bot.legacy.strategy_engine.strategy import Seat
from bot.model.actions import Action
from bot.model.market import Bar
from bot.model.orders import Fill, Order, Position
from bot.model.quantities import Ticks, TsNs, round_away
from bot.model.risk import RuleFigures
from bot.model.times import SECOND
from bot.strategies.breakeven import Breakeven
from bot.strategies.breakout_state import SIDES, BreakoutState, Command, Side
from bot.strategies.overnight_levels import is_near
from bot.strategies.overnight_orders import OvernightOrders
from bot.strategies.overnight_parameters import OvernightParameters
from bot.strategies.overnight_session import Session, parse_leg
from bot.strategies.overnight_setup import OvernightSetup
from bot.strategies.overnight_status import session_status

MINUTE_DEPTH = 3000
"""One-minute bars kept: the overnight window and the close before it, over a holiday."""
DAILY_EXTRA = 5
SPARE_BARS = 24
UNSEEN_READS = 2
_QUIET: tuple[Action, ...] = ()


class OvernightRange:
    """See bot.legacy.strategy_engine.strategy.Strategy."""

    evaluates: str | None = None

    def __init__(self, seat: Seat, parameters: Mapping[str, object], now: TsNs) -> None:
        self._seat = seat
        self._setup = OvernightSetup(seat)
        self._orders = OvernightOrders(seat)
        self._plain, self._next = dict(parameters), dict(parameters)
        self._p = self._typed(parameters)
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
        """New parameters: from now on while the open lies ahead, else from the next session on."""
        self._typed(parameters)
        self._next = dict(parameters)

    # --- market

    def on_bars(self, timeframe: str, now: TsNs) -> Sequence[Action]:
        """History or a closed bar may be what the set-up waits for."""
        if timeframe == "1m":
            self._setup.see_open(self._session)
        if self._session.state.phase == "WAIT":
            return self._try_setup(now)
        self._setup.rebuild(self._session, self._p)
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
        if self._session.state.phase == "WAIT":
            self._replan(now)
            actions += self._try_setup(now)
        session, state = self._session, self._session.state
        if state.phase == "ARMED" and now >= session.monitor_at:
            session.monitor_at = now + self._p.monitor_s * SECOND
            actions += self._carry_out(state.monitor(self._known and not self._stopped, self._near()), now)
        if now >= session.cutoff and (not state.cut or state.working):
            actions += self._carry_out(state.cutoff(), now)
        if not session.flattened and session.flatten_at is not None and now >= session.flatten_at:
            session.flattened = True
            actions += self._carry_out(state.flatten_time(), now)
        if now >= session.over:
            self._plain, self._p = self._next, self._typed(self._next)
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
            return [self._orders.cancel(scope, leg, "entry of another session")] if order.working else _QUIET
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
        note = self._orders.note(code, f"{leg} denied")
        return [note, *self._carry_out(self._session.state.refused(side), now)]

    def on_fill(self, leg: str, scope: str, fill: Fill, now: TsNs) -> Sequence[Action]:
        """An entry was filled, in part or whole; repeated reports count once."""
        found = parse_leg(leg)
        if found is None or fill.voided:
            return _QUIET
        session = self._session
        if scope != session.scope:
            stray = self._orders.alert("STRAY_FILL", f"{leg} of {scope} was filled; the position is closed")
            return [*self._orders.sweep("stray fill"), stray]
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
            actions += self._orders.sweep("strategy stopped")
        return actions

    def quiet(self) -> bool:
        """No cancel and no stop move is under way."""
        state = self._session.state
        return not self._breakeven.under_way and all(state.side(side) != "cancelling" for side in SIDES)

    # --- status and state

    def status(self, now: TsNs) -> dict[str, Any]:
        """Phase, range, levels, sides and what happens next, in fixed types."""
        return {
            "known": self._known,
            **session_status(self._session, self._breakeven),
            "next_evaluation": self._next_evaluation(now),
        }

    def write(self, writer: Writer) -> None:
        for plain in (self._plain, self._next):
            writer.text(json.dumps(plain, sort_keys=True, default=str))
        for flag in (self._known, self._reconciled, self._stopped):
            writer.flag(flag)
        writer.i64(self._unseen)
        self._breakeven.write(writer)
        writer.i64(self._session.made)
        self._session.write(writer)

    def read(self, reader: Reader) -> None:
        self._plain, self._next = json.loads(reader.text()), json.loads(reader.text())
        self._p = self._typed(self._plain)
        self._known, self._reconciled, self._stopped = (reader.flag() for _ in range(3))
        self._unseen = reader.i64()
        self._breakeven.read(reader)
        self._session = self._new_session(TsNs(reader.i64()))
        self._session.read(reader)

    # --- inside

    def _typed(self, plain: Mapping[str, object]) -> OvernightParameters:
        return OvernightParameters.of(plain, self._seat.contract.root, self._seat.contract.tick)

    def _replan(self, now: TsNs) -> None:
        """Changed parameters count at once while the old and the new open lie ahead and nothing is placed."""
        if self._next == self._plain or now >= self._session.open_at or self._session.state.working:
            return
        kept = self._plain, self._p
        self._plain, self._p = self._next, self._typed(self._next)
        session = self._new_session(now)
        if now < session.open_at:
            self._session = session
        else:
            self._plain, self._p = kept

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
        last = self._seat.market.last(self._seat.contract.id)
        if session.open_price is None or last is None:
            return []
        if self._setup.waits_for_history(session, self._p):
            session.waits_for = "INCOMPLETE_BARS"
            return []
        session.waits_for = ""
        return self._place(last, now)

    def _place(self, last: Ticks, now: TsNs) -> list[Action]:
        session = self._session
        refusal = self._setup.measure(session, self._p, self._figures)
        if refusal is not None:
            return self._give_up(refusal)
        self._setup.find_levels(session, self._p, last)
        notes: list[Action] = [self._orders.note("LEVELS", self._setup.text(session))]
        notes += [self._orders.note(code, f"{side} entry") for side, code in session.refusals.items()]
        session.monitor_at = now + self._p.monitor_s * SECOND
        return notes + self._carry_out(session.state.levels(session.levels.keys()), now)

    def _filled(self, side: Side) -> list[Command]:
        state = self._session.state
        if self._reconciled:
            return state.fill(side)
        state.adopt_fill(side)
        return []

    def _near(self) -> list[Side]:
        session, last = self._session, self._seat.market.last(self._seat.contract.id)
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
            return [self._orders.move_stop(wanted, "breakeven")]
        if step.progress == "failed":
            detail = f"{step.failures} attempts were not confirmed; the stop stays at {step.stop} (ticks)"
            return [self._orders.alert("BREAKEVEN_FAILED", detail)]
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
        return [self._orders.note(code, f"no entries for {self._session.day}")]

    def _carry_out(self, commands: Sequence[Command], now: TsNs) -> list[Action]:
        session, actions = self._session, list[Action]()
        for command in commands:
            if command.verb == "PLACE":
                found = parse_leg(command.leg)
                assert found is not None
                level, reason = session.levels[found[0]], f"overnight range {session.day}"
                actions.append(self._orders.enter(session.scope, command.leg, level, reason))
            elif command.verb == "CANCEL":
                actions.append(self._orders.cancel(session.scope, command.leg, "session rule"))
            elif command.verb == "CANCEL_SYMBOL":  # FLATTEN_SYMBOL always follows: a sweep is both
                over = session.flatten_at is not None and now >= session.flatten_at
                actions += self._orders.sweep("end of day" if over else "session rule")
            elif command.verb == "ALERT":
                detail = "both entries were filled; the position is closed"
                actions.append(self._orders.alert(command.leg, detail))
        return actions

    def _next_evaluation(self, now: TsNs) -> int | None:
        """When a set-up or the monitor can happen next; the next session's open when this one is over."""
        session, state = self._session, self._session.state
        if self._stopped:
            return None
        if state.phase == "WAIT":
            return max(session.open_at, now)
        if state.phase == "ARMED":
            return session.monitor_at
        day = self._seat.calendar.next_cash_day(session.day)
        return wall_to_ns(day, self._p.market_open, ET)
