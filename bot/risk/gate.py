"""The risk gate: the one place where an intent becomes an ApprovedIntent (bot.md §7.4, strategies.md §10).

Form, then account and state, then the entry gates, then the order service; the first failure is the answer.
Nothing is clamped, mirrored or defaulted. Orders that reduce meet form, contract, account, halt and
duplicates only; cancels and closes pass in every trading state. The gate is a state machine of what it was
asked and the times it was given; its only memory is the pace of entries.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.model.actions import Action, Enter
from bot.model.codes import Code
from bot.model.contract import Contract
from bot.model.intents import (
    ApprovedIntent,
    Bracket,
    CancelOrder,
    ClosePosition,
    Denial,
    Intent,
    ModifyOrder,
    PlaceOrder,
    claim_seal,
)
from bot.model.orders import Order, OrderType, Side
from bot.model.quantities import Money, Ticks, TsNs
from bot.model.risk import AccountView, RiskView, StrategyPolicy
from bot.model.times import HOUR, MILLISECOND, MINUTE, SECOND
from bot.risk.entry_gates import (
    ACCOUNT_GATE,
    FIRST_GATES,
    GATES,
    ORDER_SERVICE,
    live_refusal,
    mll_room,
)
from bot.risk.form import form_refusal
from bot.risk.size import SizeInputs, Sizing, order_size
from bot.risk.subject import (
    MANUAL_POLICY,
    Effect,
    EntrySubject,
    GateLimits,
    effect_of,
    is_exit,
    new_price,
    sign,
)

_seal = claim_seal()
_NO_PACE: deque[int] = deque()
MAX_SKEW_NS = 10 * SECOND
_BEFORE_SIZE = frozenset(list(Code)[: list(Code).index(Code.SIZE_ZERO)])


class Gate:
    """Approves intents over a RiskView.

    `policies` are the base parameters by strategy name, used for instances whose figures carry none.
    """

    def __init__(
        self,
        calendar: SessionCalendar,
        policies: Mapping[str, StrategyPolicy] | None = None,
        limits: GateLimits | None = None,
    ) -> None:
        self._calendar = calendar
        self._policies = dict(policies or {})
        self._limits = limits or GateLimits()
        self._pace: dict[int, deque[int]] = {}

    def approve(self, intent: Intent, view: RiskView, now: TsNs) -> ApprovedIntent | Denial:
        """The approval, or the first failure."""
        denial = next(self._failures(intent, view, now), None)
        if denial is not None:
            return denial
        if isinstance(intent, PlaceOrder) and effect_of(intent, view.accounts[intent.account_id]) != "reduce":
            self._pace.setdefault(intent.account_id, deque(maxlen=self._limits.orders_per_minute)).append(now)
        return ApprovedIntent(_seal, intent, view.version, now)

    def preview(self, intent: Intent, view: RiskView, now: TsNs) -> list[Denial]:
        """Every failure in order; nothing is approved and no pace is used."""
        return list(self._failures(intent, view, now))

    def admit(self, action: Action, view: RiskView, now: TsNs) -> ApprovedIntent | Denial:
        """Size an `Enter` (§8.3) and approve it."""
        if not isinstance(action, Enter):
            return Denial(Code.BAD_FIELD, f"only an entry can be admitted, got {type(action).__name__}")
        intent = self.entry_intent(action, view, now)
        if isinstance(intent, Denial):
            return intent
        subject = self._subject(intent, view, now)
        if subject is None:
            return self.approve(intent, view, now)
        sizing = self.size(subject)
        if sizing.size > 0:
            return self.approve(msgspec.structs.replace(intent, size=sizing.size), view, now)
        earlier = next(self._failures(intent, view, now), None)
        if earlier is not None and earlier.code in _BEFORE_SIZE:
            return earlier
        assert sizing.reason is not None
        return Denial(
            Code(sizing.reason),
            f"budget {sizing.budget}, {sizing.per_contract} a contract (micro-dollars)",
        )

    def entry_intent(self, action: Enter, view: RiskView, now: TsNs) -> PlaceOrder | Denial:
        """The order an `Enter` asks for, with one contract; `admit` replaces the size."""
        if action.side not in (1, -1):
            return Denial(Code.UNKNOWN_SIDE, f"side: expected 1 or -1, got {action.side}")
        account = view.accounts.get(action.instance.account_id)
        limit = action.entry if action.type == OrderType.LIMIT else None
        stop = action.entry if action.type == OrderType.STOP else None
        return PlaceOrder(
            key=action.key,
            account_id=action.instance.account_id,
            contract_id=action.contract_id,
            source="strategy",
            strategy=action.instance.strategy,
            reason=action.reason,
            created=now,
            kind="SE" if action.type == OrderType.STOP else "BR",
            side=int(Side.BUY if action.side == 1 else Side.SELL),
            type=action.type,
            size=1,
            limit=limit,
            stop=stop,
            bracket=Bracket(action.stop_ticks, action.target_ticks),
            reference=action.reference,
            legs=account.legs if account is not None else "native",
        )

    def size(self, subject: EntrySubject) -> Sizing:
        """The size of a protected entry by §8.3."""
        rules, policy, bracket = subject.account.rules, subject.policy, subject.intent.bracket
        assert bracket is not None
        return order_size(
            SizeInputs(
                risk_base=Money((rules.balance or 0) + rules.nominal),
                risk_ppm=policy.risk_ppm,
                stop_ticks=bracket.stop_ticks,
                tick_value=subject.contract.tick_value,
                position_size=policy.position_size,
                max_order_size=policy.max_order_size,
                weight=subject.contract.weight,
                limit_tenths=rules.max_minis_tenths,
                exposure_tenths=subject.exposure_tenths,
                dll=rules.dll,
                day_pnl=rules.day_pnl or Money(0),
                mll_room=None if (room := mll_room(subject)) is None else Money(room),
                force_min_one=policy.force_min_one,
            )
        )

    def _failures(self, intent: Intent, view: RiskView, now: TsNs) -> Iterator[Denial]:
        malformed = form_refusal(intent, view, self._limits)
        if malformed is not None:
            yield malformed
            return
        account = view.accounts.get(intent.account_id)
        if account is None:
            yield Denial(Code.ACCOUNT_NOT_ALLOWED, f"account {intent.account_id} is not bound here")
            return
        if isinstance(intent, PlaceOrder):
            effect = effect_of(intent, account)
            if effect == "reduce":
                yield from self._reduce_failures(intent, account, view)
            else:
                yield from self._entry_failures(intent, effect, view, now)
        elif isinstance(intent, ModifyOrder):
            yield from self._modify_failures(intent, account, view, now)
        elif isinstance(intent, CancelOrder):
            yield from self._cancel_failures(intent, account, view)
        else:
            yield from self._close_failures(intent, account, view)

    def _entry_failures(
        self, intent: PlaceOrder, effect: Effect, view: RiskView, now: TsNs
    ) -> Iterator[Denial]:
        subject = self._subject(intent, view, now)
        assert subject is not None
        calendar = self._calendar
        if intent.reduce:
            yield _not_reducing(intent, subject.account)
        for code, check in FIRST_GATES:
            detail = check(subject, calendar)
            if detail is not None:
                yield Denial(code, detail)
        yield from self._state_failures(subject)
        yield from self._contract_failures(subject.contract, view, now)
        for code, check in GATES:
            detail = check(subject, calendar)
            if detail is not None:
                yield Denial(code, detail)
        for code, check in ORDER_SERVICE:
            detail = check(subject, calendar)
            if detail is not None:
                yield Denial(code, detail)
        if effect == "flip" and not self._limits.allow_flip:
            yield Denial(Code.WOULD_FLIP, "the order is larger than the position it closes; close it first")
        yield from self._pace_failures(intent.account_id, now)

    def _state_failures(self, subject: EntrySubject) -> Iterator[Denial]:
        account, view = subject.account, subject.view
        if account.trading_state == "REDUCING":
            yield Denial(Code.REDUCING, account.state_reason or "only reducing orders are allowed")
        code, check = ACCOUNT_GATE
        detail = check(subject, self._calendar)
        if detail is not None:
            yield Denial(code, detail)
        if account.colour != "green":
            yield Denial(Code.NOT_RECONCILED, f"the account is {account.colour}, entries need green")
        if subject.contract.id in account.unresolved:
            yield Denial(Code.UNRESOLVED_INTENT, "an earlier order in this contract has an unknown outcome")
        if not account.hub_ok:
            yield Denial(Code.HUB_DEGRADED, "the user hub is not connected and subscribed")
        if view.clock_skew_ns is not None and abs(view.clock_skew_ns) > MAX_SKEW_NS:
            yield Denial(
                Code.CLOCK_SKEW,
                f"this machine's clock is {view.clock_skew_ns / SECOND:+.0f} s from the venue's, at most 10 s; set it",
            )
        if not view.store_ok:
            yield Denial(Code.STORE_UNAVAILABLE, "orders cannot be recorded")
        age_ms = (subject.now - view.as_of) // MILLISECOND
        if age_ms > self._limits.max_view_age_ms:
            yield Denial(
                Code.RISK_VIEW_STALE,
                f"the risk view is {age_ms} ms old, at most {self._limits.max_view_age_ms} ms",
            )

    def _contract_failures(self, contract: Contract, view: RiskView, now: TsNs) -> Iterator[Denial]:
        if not contract.active:
            yield Denial(Code.CONTRACT_NOT_ACTIVE, f"{contract.name} is not the active month")
        hours = self._limits.max_contract_age_h
        if now - contract.seen_at > hours * HOUR:
            yield Denial(
                Code.CONTRACT_DATA_STALE, f"the contract record is older than {hours} h; list contracts"
            )
        if contract.id in view.mismatched:
            yield Denial(Code.SPEC_MISMATCH, "the venue's record differs from the table; confirm one of them")

    def _pace_failures(self, account_id: int, now: TsNs) -> Iterator[Denial]:
        pace = self._pace.get(account_id, _NO_PACE)
        if len(pace) >= self._limits.orders_per_minute and now - pace[0] < MINUTE:
            yield Denial(Code.ORDER_RATE, f"{len(pace)} entries within a minute; the next one may go later")

    def _reduce_failures(self, intent: PlaceOrder, account: AccountView, view: RiskView) -> Iterator[Denial]:
        yield from _exit_account_failures(account, view)
        if account.trading_state == "HALTED" and intent.source not in ("manual", "guard"):
            yield Denial(Code.HALTED, account.state_reason or "only the operator and the watchdog may act")
        yield from _duplicate(intent, view)

    def _modify_failures(
        self, intent: ModifyOrder, account: AccountView, view: RiskView, now: TsNs
    ) -> Iterator[Denial]:
        yield from _exit_account_failures(account, view)
        if account.trading_state == "HALTED" and intent.source not in ("manual", "guard"):
            yield Denial(Code.HALTED, account.state_reason or "only the operator and the watchdog may act")
        order = account.orders.get(intent.order_id)
        if order is None:
            yield Denial(Code.ORDER_NOT_FOUND, f"no working order {intent.order_id} on this account")
            return
        if order.terminal:
            yield Denial(Code.ORDER_TERMINAL, f"order {order.id} is over (status {order.status})")
        if is_exit(order, account):
            yield from _exit_edit_failures(intent, order, view)
        else:
            yield from self._entry_edit_failures(intent, order, account, view, now)
        yield from _duplicate(intent, view)

    def _entry_edit_failures(
        self, intent: ModifyOrder, order: Order, account: AccountView, view: RiskView, now: TsNs
    ) -> Iterator[Denial]:
        """A working entry that changes keeps to the state, the contract limit and the live price."""
        grown = PlaceOrder(
            key=intent.key,
            account_id=intent.account_id,
            contract_id=order.contract_id,
            source=intent.source,
            strategy=intent.strategy,
            kind="MD",
            side=order.side,
            type=order.type,
            size=intent.size if intent.size is not None else order.size,
            limit=intent.limit if intent.limit is not None else order.limit,
            stop=intent.stop if intent.stop is not None else order.stop,
        )
        others = {id_: each for id_, each in account.orders.items() if id_ != order.id}
        without = msgspec.structs.replace(account, orders=others)
        accounts = {**view.accounts, account.account.id: without}
        subject = self._subject(grown, msgspec.structs.replace(view, accounts=accounts), now)
        assert subject is not None
        if account.trading_state == "HALTED":
            yield Denial(Code.HALTED, account.state_reason or "trading is halted")
        yield from self._state_failures(subject)
        yield from self._contract_failures(subject.contract, view, now)
        wanted = {Code.PAST_CUTOFF, Code.DATA_STALE, Code.ENTRY_PASSED, Code.MAX_CONTRACTS}
        if intent.size is None or intent.size <= order.size:
            wanted.discard(Code.MAX_CONTRACTS)
        for code, check in (*GATES, *ORDER_SERVICE):
            detail = check(subject, self._calendar) if code in wanted else None
            if detail is not None:
                yield Denial(code, detail)

    def _cancel_failures(self, intent: CancelOrder, account: AccountView, view: RiskView) -> Iterator[Denial]:
        yield from _exit_account_failures(account, view)
        order = account.orders.get(intent.order_id)
        if order is not None and order.terminal:
            yield Denial(Code.ORDER_TERMINAL, f"order {order.id} is over (status {order.status})")
        yield from _duplicate(intent, view)

    def _close_failures(
        self, intent: ClosePosition, account: AccountView, view: RiskView
    ) -> Iterator[Denial]:
        yield from _exit_account_failures(account, view)
        position = account.positions.get(intent.contract_id)
        held = 0 if position is None else position.size
        if intent.size is not None:
            if held == 0:
                yield Denial(Code.POSITION_NOT_FOUND, f"no position in {intent.contract_id}")
            elif intent.size > held:
                yield Denial(Code.BAD_CLOSE_SIZE, f"size: expected 1 to {held}, got {intent.size}")
        yield from _duplicate(intent, view)

    def _subject(self, intent: PlaceOrder, view: RiskView, now: TsNs) -> EntrySubject | None:
        account, contract = view.accounts.get(intent.account_id), view.contracts.get(intent.contract_id)
        if account is None or contract is None:
            return None
        is_strategy = intent.source == "strategy"
        instance = account.instances.get(intent.strategy) if is_strategy else None
        policy = instance.policy if instance is not None else None
        if policy is None:
            policy = self._policies.get(intent.strategy, MANUAL_POLICY) if is_strategy else MANUAL_POLICY
        return EntrySubject(
            intent,
            view,
            account,
            contract,
            view.quotes.get(intent.contract_id),
            instance,
            is_strategy,
            policy,
            self._limits,
            now,
        )


def _exit_account_failures(account: AccountView, view: RiskView) -> Iterator[Denial]:
    if account.exits_allowed:
        return
    detail = live_refusal(
        account.account.id, account.account.name, live=view.live, enabled=view.live_accounts
    )
    if detail is not None:
        yield Denial(Code.ACCOUNT_NOT_ALLOWED, detail)


def _exit_edit_failures(intent: ModifyOrder, order: Order, view: RiskView) -> Iterator[Denial]:
    """A stop must stay on its own side of the last price (§16.3)."""
    quote = view.quotes.get(order.contract_id)
    last: Ticks | None = quote.last if quote is not None else None
    price = new_price(intent, order)
    if order.type != OrderType.STOP or intent.stop is None or last is None or price is None:
        return
    if sign(order.side) * (price - last) <= 0:
        yield Denial(Code.BAD_BRACKET, f"stop {price} is on the wrong side of the last price {last} (ticks)")


def _not_reducing(intent: PlaceOrder, account: AccountView) -> Denial:
    position = account.positions.get(intent.contract_id)
    if position is None or position.size == 0:
        return Denial(Code.POSITION_NOT_FOUND, f"no position in {intent.contract_id} to reduce")
    return Denial(
        Code.BAD_CLOSE_SIZE,
        f"a reducing order must oppose the position and be at most {position.size}, got {intent.size}",
    )


def _duplicate(intent: Intent, view: RiskView) -> Iterator[Denial]:
    if intent.key in view.used_keys:
        yield Denial(Code.DUPLICATE_INTENT, f"the key {intent.key} exists")
