"""The strategy engine's actions carried out: entries through the gate, exits in the safety lane."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import msgspec

from bot.clock import Clock
from bot.model.actions import Action, CancelEntry, CancelSymbol, Enter, FlattenSymbol, MoveStop, Note
from bot.model.intents import CancelOrder, Denial, Outcome, PlaceOrder
from bot.model.orders import Order
from bot.ports import RiskGate
from bot.trading.dispatch import Dispatcher
from bot.trading.flatten import Flattener
from bot.trading.intake import Intake
from bot.trading.intent_records import Entry
from bot.trading.picture import Picture
from bot.trading.positions import At
from bot.trading.stop_moves import StopMover

POSITION_BRACKETS = "position brackets"


class Actor:
    """One per desk; actions that follow from an action are taken in order, never inside it."""

    def __init__(
        self,
        picture: Picture,
        gate: RiskGate,
        dispatch: Dispatcher,
        clock: Clock,
        alarm: Callable[[str, At, str], None],
        note: Callable[[str, At, str], None],
    ) -> None:
        self._picture = picture
        self._gate = gate
        self._dispatch = dispatch
        self._clock = clock
        self._alarm = alarm
        self._note = note
        self._queue: deque[Action] = deque()
        self._acting = False
        self._cancel_wanted: dict[str, str] = {}
        self._cancelling: set[int] = set()
        self._intake: Intake
        self._mover: StopMover
        self._flattener: Flattener
        self._spawn: Callable[[Coroutine[Any, Any, Any], str], None]

    def wire(
        self,
        intake: Intake,
        mover: StopMover,
        flattener: Flattener,
        spawn: Callable[[Coroutine[Any, Any, Any], str], None],
    ) -> None:
        """The parts that know the desk's other half."""
        self._intake, self._mover, self._flattener, self._spawn = intake, mover, flattener, spawn

    def act_all(self, actions: Iterable[Action]) -> None:
        """Take actions in order; those they cause come after them."""
        self._queue.extend(actions)
        if self._acting:
            return
        self._acting = True
        try:
            while self._queue:
                self._act(self._queue.popleft())
        finally:
            self._acting = False

    def with_legs(self, intent: PlaceOrder) -> PlaceOrder:
        """The intent as the account's bracket mode wants it."""
        state = self._picture.accounts.get(intent.account_id)
        if (
            state is None
            or state.bracket_mode != "client"
            or intent.bracket is None
            or intent.legs == "client"
        ):
            return intent
        return msgspec.structs.replace(intent, legs="client")

    async def cancel_dependent_entries(self) -> None:
        """Cancel resting client-mode entries: nobody would place their stop."""
        for entry in list(self._picture.log.entries.values()):
            if isinstance(entry.intent, PlaceOrder) and entry.intent.legs == "client":
                order = self._picture.orders.by_tag(entry.intent.account_id, entry.tag)
                if order is not None and order.working:
                    await self._cancel(order, "shutdown")

    def cancel_entries(self, account_id: int, reason: str) -> None:
        """Cancel every working entry of ours that no cancel is under way for; legs stay."""
        book = self._picture.orders
        for order in book.working(account_id):
            if book.is_entry(order) and order.status != 7 and order.id not in self._cancelling:
                self._cancelling.add(order.id)
                self._spawn(self._cancel_once(order, reason), f"cancel {order.id}")

    async def _cancel_once(self, order: Order, reason: str) -> None:
        try:
            await self._cancel(order, reason)
        finally:
            self._cancelling.discard(order.id)

    def settled(self, entry: Entry) -> None:
        """An intent got its order: a cancel that waited for it goes now."""
        reason = self._cancel_wanted.pop(entry.id, None)
        if reason is not None:
            order = self._picture.orders.by_tag(entry.intent.account_id, entry.tag)
            if order is not None and order.working:
                self._spawn(self._cancel(order, reason), f"cancel {order.id}")

    def _act(self, action: Action) -> None:
        at = (action.instance.account_id, action.contract_id)
        if isinstance(action, Enter):
            self._enter(action)
        elif isinstance(action, CancelEntry):
            self._cancel_entry(action)
        elif isinstance(action, MoveStop):
            self._mover.move(action)
        elif isinstance(action, CancelSymbol):
            for order in self._own_orders(at, action.instance.strategy):
                self._spawn(self._cancel(order, action.reason), f"cancel {order.id}")
        elif isinstance(action, FlattenSymbol):
            self._spawn(
                self._flattener.run(*at, action.reason or "strategy", action.instance.strategy),
                f"flatten {at}",
            )
        elif isinstance(action, Note):
            self._note(action.code, at, action.detail)
        else:
            self._alarm(action.code, at, action.detail)

    def _enter(self, action: Enter) -> None:
        approved = self._gate.admit(action, self._picture.view(), self._clock.now())
        if not isinstance(approved, Denial) and isinstance(approved.intent, PlaceOrder):
            changed = self.with_legs(approved.intent)
            if (
                changed is not approved.intent
                or self._dispatch.flattening(changed)
                or self._dispatch.unanswered(changed)
            ):
                approved = self._dispatch.approve(changed)
        if isinstance(approved, Denial):
            self._alarm(
                "DENIED",
                (action.instance.account_id, action.contract_id),
                f"{action.key}: {approved.code} {approved.detail}".rstrip(),
            )
            self._intake.denied(action.key, approved.code)
            return
        sent = self._dispatch.send(approved, "entry")
        if isinstance(sent, Outcome):
            self._intake.denied(action.key, sent.code or "DENIED")
        else:
            sent.add_done_callback(lambda task: self._placed(action, task.result()))

    def _placed(self, action: Enter, outcome: Outcome) -> None:
        """A refusal that names the bracket mode is remembered for the account."""
        state = self._picture.accounts.get(action.instance.account_id)
        if outcome.kind == "refused" and POSITION_BRACKETS in outcome.message.lower() and state is not None:
            if self._picture.settings.bracket_mode == "auto":
                state.bracket_mode = "client"
            at = (action.instance.account_id, action.contract_id)
            self._alarm("BRACKET_MODE", at, "the account takes no brackets; the bot keeps them from now on")

    def _cancel_entry(self, action: CancelEntry) -> None:
        entry = self._picture.log.by_key(action.key)
        if entry is None:
            return
        order = self._picture.orders.by_tag(action.instance.account_id, entry.tag)
        if order is not None and order.working:
            self._spawn(self._cancel(order, action.reason), f"cancel {order.id}")
        elif order is None and (entry.open or entry.state == "pending"):
            self._cancel_wanted[entry.id] = action.reason

    def _own_orders(self, at: At, strategy: str) -> list[Order]:
        """Working orders of an instance; legs only when there is no position they protect."""
        exposed = self._picture.positions.net(*at) != 0
        book = self._picture.orders
        return [
            order
            for order in book.working(*at)
            if book.strategy(order) == strategy and order.status != 8 and not (exposed and book.is_leg(order))
        ]

    async def _cancel(self, order: Order, reason: str) -> Outcome:
        number = 1
        stem = f"{order.account_id}|cancel|{order.id}"
        while f"{stem}.{number}" in self._picture.log.keys:
            number += 1
        return await self._dispatch.execute(
            CancelOrder(
                key=f"{stem}.{number}", account_id=order.account_id, contract_id=order.contract_id,
                source="strategy", strategy=self._picture.orders.strategy(order) or "manual",
                order_id=order.id, reason=reason, created=self._clock.now(),
            ),
            "safety",
        )  # fmt: skip
