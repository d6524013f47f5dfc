"""The rule machine of one account: day roll, trailing floor, loss limits (strategies.md §7.2 to 7.5).

Every event carries a time. The state is a plain dict that the caller stores after each change and gives
back at start; it is never made anew from a present balance.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.model.errors import BadField
from bot.model.quantities import Money, TsNs
from bot.model.risk import RuleFigures, RuleStatus
from bot.risk.profile import Profile
from bot.risk.size import max_minis

RuleAction = Literal["DAY_ROLL", "BLOCK_ENTRIES", "CANCEL_ALL", "FLATTEN"]
_BREACH: tuple[RuleAction, ...] = ("BLOCK_ENTRIES", "CANCEL_ALL", "FLATTEN")


class Init(msgspec.Struct, frozen=True, kw_only=True, tag_field="e", tag="init"):
    """Start of the bot: balances, the risk day's net so far and the stored high."""

    t: TsNs
    balance: Money
    unrealised: Money = Money(0)
    day_net: Money | None = None
    high_water: Money | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="e", tag="snapshot"):
    """The broker's figures after a reconciliation in which every query succeeded."""

    t: TsNs
    balance: Money
    unrealised: Money


class RuleFill(msgspec.Struct, frozen=True, kw_only=True, tag_field="e", tag="fill"):
    """A fill's realised profit and costs, with the open result that remains."""

    t: TsNs
    pnl: Money
    costs: Money
    unrealised: Money


class Mark(msgspec.Struct, frozen=True, kw_only=True, tag_field="e", tag="mark"):
    """A new open result."""

    t: TsNs
    unrealised: Money


class Lost(msgspec.Struct, frozen=True, kw_only=True, tag_field="e", tag="lost"):
    """User feed down, a query failed, or an open position without a price."""

    t: TsNs


class ClockTick(msgspec.Struct, frozen=True, kw_only=True, tag_field="e", tag="clock"):
    """Nothing but time."""

    t: TsNs


RuleEvent = Init | Snapshot | RuleFill | Mark | Lost | ClockTick


class RuleState(msgspec.Struct, kw_only=True):
    """What is stored; money in micro-dollars, None = not known."""

    start: Money | None = None
    lock: Money | None = None
    balance: Money | None = None
    unrealised: Money = Money(0)
    day_base: Money | None = None
    high: Money | None = None
    risk_day: date | None = None
    known: bool = False
    dll_locked: bool = False
    mll_breached: bool = False
    day_end_profit: Money = Money(0)

    @property
    def equity(self) -> Money | None:
        return None if self.balance is None else Money(self.balance + self.unrealised)

    @property
    def day_pnl(self) -> Money | None:
        equity = self.equity
        return None if equity is None or self.day_base is None else Money(equity - self.day_base)


class RuleMachine:
    """Applies events in order; `apply` gives the actions, each breach once."""

    def __init__(self, profile: Profile, calendar: SessionCalendar) -> None:
        self.profile = profile
        self._calendar = calendar
        self._state = RuleState(start=profile.start, lock=profile.lock)

    @classmethod
    def restored(cls, profile: Profile, calendar: SessionCalendar, state: dict[str, Any]) -> RuleMachine:
        """Go on from `state()`. Raises BadField when it does not fit."""
        machine = cls(profile, calendar)
        try:
            machine._state = msgspec.convert(state, RuleState, strict=True)
        except msgspec.ValidationError as problem:
            raise BadField(
                "rule state", expected="what RuleMachine.state() gave", seen=str(problem)
            ) from problem
        return machine

    def state(self) -> dict[str, Any]:
        """The whole state as JSON types."""
        built: dict[str, Any] = msgspec.to_builtins(self._state)
        return built

    @property
    def high(self) -> Money | None:
        """The high the floor trails."""
        return self._state.high

    @property
    def floor(self) -> Money | None:
        """The maximum loss floor, None while it is unknown or no MLL exists."""
        state = self._state
        if self.profile.mll is None or state.high is None:
            return None
        trailing = Money(state.high - self.profile.mll)
        return trailing if state.lock is None else min(state.lock, trailing)

    @property
    def status(self) -> RuleStatus:
        state = self._state
        if state.mll_breached:
            return "MLL_BREACHED"
        if state.dll_locked:
            return "DLL_LOCKED"
        complete = state.known and state.balance is not None and state.day_base is not None
        if complete and (self.profile.mll is None or state.high is not None):
            return "OK"
        return "UNKNOWN"

    def apply(self, event: RuleEvent) -> list[RuleAction]:
        """Day roll, the event, peak, MLL, DLL, in this order."""
        actions: list[RuleAction] = ["DAY_ROLL"] if self._roll(event.t) else []
        self._take(event)
        state, equity = self._state, self._state.equity
        if (
            self.profile.trail == "intraday"
            and not state.mll_breached
            and state.high is not None
            and equity is not None
        ):
            state.high = max(state.high, equity)
        return actions + self._check_limits()

    def reset(self, t: TsNs, balance: Money) -> None:
        """The operator's reset of a breached account: a new start from `balance`, the day kept."""
        self._state = RuleState(
            start=self.profile.start,
            lock=self.profile.lock,
            risk_day=self._calendar.risk_day(t),
        )
        self.apply(Init(t=t, balance=balance, day_net=Money(0), high_water=balance))

    def figures(self) -> RuleFigures:
        """What the risk view carries of this account."""
        state, profile = self._state, self.profile
        return RuleFigures(
            status=self.status,
            program=profile.program,
            size=profile.size,
            balance=state.balance,
            equity=state.equity,
            day_pnl=state.day_pnl,
            floor=self.floor,
            dll=profile.dll,
            mll=profile.mll,
            max_minis_tenths=10 * max_minis(profile.program, profile.size, state.day_end_profit),
            nominal=profile.nominal,
            profit_target=profile.profit_target,
            consistency_stop=profile.consistency_stop,
        )

    def _roll(self, t: TsNs) -> bool:
        state, day = self._state, self._calendar.risk_day(t)
        if state.risk_day is None:
            state.risk_day = day
            return False
        if day <= state.risk_day:
            return False
        state.risk_day = day
        state.dll_locked = False
        if state.balance is not None:
            if state.high is not None and not state.mll_breached:
                state.high = max(state.high, state.balance)
            state.day_base = state.equity
            if state.start is not None:
                state.day_end_profit = Money(state.balance - state.start)
        return True

    def _take(self, event: RuleEvent) -> None:
        state = self._state
        if isinstance(event, Init):
            self._start(event)
        elif isinstance(event, Snapshot):
            state.balance, state.unrealised, state.known = event.balance, event.unrealised, True
        elif isinstance(event, RuleFill):
            if state.balance is not None:
                state.balance = Money(state.balance + event.pnl - event.costs)
            state.unrealised = event.unrealised
        elif isinstance(event, Mark):
            state.unrealised = event.unrealised
        elif isinstance(event, Lost):
            state.known = False

    def _start(self, event: Init) -> None:
        state = self._state
        state.balance, state.unrealised, state.known = event.balance, event.unrealised, True
        if state.start is None:
            state.start = event.balance
            if self.profile.locks_at_start:
                state.lock = event.balance
        if event.day_net is not None:
            state.day_base = Money(event.balance - event.day_net)
            state.day_end_profit = Money(event.balance - event.day_net - state.start)
        if event.high_water is not None:
            state.high = max(event.high_water, state.start)
        elif state.high is None and event.balance == state.start:
            state.high = state.start

    def _check_limits(self) -> list[RuleAction]:
        state, equity, floor, day_pnl = self._state, self._state.equity, self.floor, self._state.day_pnl
        fresh = False
        if floor is not None and not state.mll_breached and equity is not None and equity <= floor:
            state.mll_breached = fresh = True
        if (
            self.profile.dll is not None
            and day_pnl is not None
            and not state.dll_locked
            and day_pnl <= -self.profile.dll
        ):
            fresh = fresh or not state.mll_breached
            state.dll_locked = True
        return list(_BREACH) if fresh else []
