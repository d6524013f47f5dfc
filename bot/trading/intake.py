"""The one writer of the picture: events and rows go in here, in any order and as often as they like.

What changed is told on: the intent behind an order is settled, the strategy engine hears of orders, fills and
positions under the key it used, the watchdog looks at the place, the store gets its rows behind the order path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from bot.model.actions import Action, Instance
from bot.model.intents import IntentState, PlaceOrder
from bot.model.orders import Account, Fill, Order, Position
from bot.model.quantities import Ticks, TsNs
from bot.trading.intent_log import IntentLogFailed
from bot.trading.intent_records import Entry
from bot.trading.orders import base_tag, strategy_of
from bot.trading.picture import Picture
from bot.trading.positions import At

STATE_OF_STATUS: dict[int, IntentState] = {
    1: "open", 2: "filled", 3: "cancelled", 4: "expired",
    5: "rejected", 6: "pending", 7: "pending_cancel", 8: "suspended",
}  # fmt: skip
MAX_ORPHAN_FILLS = 1_000
"""Fills kept whose order has not been seen yet."""


class DeskListener(Protocol):
    """Who acts on what happened; the strategy engine fits."""

    def on_order(self, key: str, order: Order, now: TsNs) -> list[Action]: ...

    def on_denied(self, key: str, code: str, now: TsNs) -> list[Action]: ...

    def on_fill(self, key: str, fill: Fill, now: TsNs) -> list[Action]: ...

    def on_position(
        self, instance: Instance, contract_id: str, position: Position | None, stop: Ticks | None, now: TsNs
    ) -> list[Action]: ...

    def on_known(self, account_id: int, known: bool, now: TsNs) -> list[Action]: ...


class Intake:
    """`act` carries out what the listener asks for, `look` wakes the watchdog at a place, `keep` records."""

    def __init__(
        self,
        picture: Picture,
        listener: DeskListener | None,
        act: Callable[[Iterable[Action]], None],
        look: Callable[[At], None],
        evidence: Callable[[At, bool], None],
        keep: Callable[[str, Any], None],
        alarm: Callable[[str, At, str], None],
        settled: Callable[[Entry], None],
    ) -> None:
        self._picture = picture
        self._listener = listener
        self._act = act
        self._look = look
        self._evidence = evidence
        self._keep = keep
        self._alarm = alarm
        self._settled = settled
        self._early_fills: dict[int, list[Fill]] = {}
        self._told_stop: dict[At, tuple[str, Position | None, Ticks | None]] = {}

    def order(self, order: Order) -> None:
        """An order event or row."""
        picture = self._picture
        if picture.accounts.get(order.account_id) is None:
            return
        before = picture.orders.get(order.id)
        moved = picture.orders.apply(order, picture.clock.mono())
        if moved is None:
            return
        picture.touch()
        at = (moved.account_id, moved.contract_id)
        self._keep("upsert_orders", [moved])
        entry = picture.log.by_tag(moved.account_id, moved.tag)
        if entry is not None:
            self._settle(entry, moved)
        elif strategy_of(moved.tag) is not None and base_tag(moved.tag) == moved.tag:
            self._adopt_tag(moved)
        if moved.filled > (before.filled if before else 0):
            if picture.orders.is_entry(moved):
                strategy = picture.orders.strategy(moved)
                if strategy is not None:
                    picture.own(at, strategy)
            elif before is not None and (moved.side == 1) == (picture.positions.net(*at) > 0):
                picture.positions.exited(at, moved.filled - before.filled, picture.clock.mono())
            self._evidence(at, picture.orders.is_entry(moved))
        for fill in self._early_fills.pop(moved.id, ()):
            self._tell_fill(moved, fill)
        if entry is not None and picture.orders.is_entry(moved):
            key = entry.intent.key
            self._tell(at, lambda listener, now: listener.on_order(key, moved, now))
        self._tell_position(at)
        self._look(at)

    def fill(self, fill: Fill) -> None:
        """A trade event or row."""
        picture = self._picture
        if picture.accounts.get(fill.account_id) is None or not picture.fills.add(fill):
            return
        picture.touch()
        self._keep("upsert_fills", [fill])
        order = picture.orders.get(fill.order_id)
        at = (fill.account_id, fill.contract_id)
        if order is not None:
            if picture.orders.is_entry(order):
                strategy = picture.orders.strategy(order)
                if strategy is not None and fill.pnl is None:
                    picture.own(at, strategy)
            self._tell_fill(order, fill)
        else:
            self._early_fills.setdefault(fill.order_id, []).append(fill)
            if len(self._early_fills) > MAX_ORPHAN_FILLS:
                del self._early_fills[next(iter(self._early_fills))]
        self._evidence(at, fill.pnl is None)

    def position(self, position: Position) -> None:
        """A position event."""
        picture = self._picture
        if picture.accounts.get(position.account_id) is None:
            return
        if picture.positions.on_event(position, picture.clock.mono()):
            self._position_moved((position.account_id, position.contract_id))

    def positions(self, account_id: int, rows: Iterable[Position], asked: int) -> None:
        """A complete answer to a position query that was asked at monotonic time `asked`."""
        picture = self._picture
        changed, overruled = picture.positions.on_poll(account_id, rows, asked, picture.clock.mono())
        for at in overruled:
            self._alarm("POSITION_CORRECTED", at, "events and reads disagreed; the read was taken")
        for at in changed:
            self._position_moved(at)

    def account(self, account: Account, asked: TsNs | None = None) -> None:
        """An account event, or a row that was asked for at `asked`."""
        picture = self._picture
        if picture.accounts.apply(account, picture.clock.now() if asked is None else asked):
            picture.touch()
            self._keep(
                "save_account_state",
                (account.id, {"account_name": account.name, "balance": account.balance}),
            )

    def denied(self, key: str, code: str) -> None:
        """An entry that will never exist."""
        self._tell((0, ""), lambda listener, now: listener.on_denied(key, code, now))

    def known(self, account_id: int, known: bool) -> None:
        """Both the order and the position query succeeded, or not."""
        self._tell((account_id, ""), lambda listener, now: listener.on_known(account_id, known, now))

    def tell_positions(self, account_id: int) -> None:
        """Tell the engine of every position once more, also when nothing changed: it has just started."""
        for position in self._picture.positions.open(account_id):
            at = (account_id, position.contract_id)
            self._told_stop.pop(at, None)
            self._tell_position(at)

    def _position_moved(self, at: At) -> None:
        picture = self._picture
        picture.touch()
        if picture.positions.net(*at):
            self._evidence(at, True)
        self._tell_position(at)
        if not picture.positions.net(*at):
            picture.disown(at)
        self._look(at)

    def _adopt_tag(self, order: Order) -> None:
        """Ours by its tag, unknown to the log: a power cut or a lost state folder (bot.md §20.2)."""
        picture = self._picture
        if order.tag is None or (order.account_id, order.tag) in picture.log.tags:
            return
        try:
            picture.log.adopt_tag(order.account_id, order.tag)
        except IntentLogFailed:
            picture.touch()
        self._alarm("ADOPTED", (order.account_id, order.contract_id), f"order {order.id}, tag {order.tag}")

    def _settle(self, entry: Entry, order: Order) -> None:
        picture = self._picture
        picture.sink(entry.id)
        state: IntentState = STATE_OF_STATUS.get(order.status, "pending")
        if order.status == 1 and order.filled:
            state = "partially_filled"
        if entry.state == state and entry.order_id == order.id:
            return
        late = entry.state == "not_accepted" and state != "rejected"
        was_open = entry.open
        try:
            picture.log.mark(entry.id, state, order.id)
        except IntentLogFailed:
            picture.touch()
        if late:
            self._alarm(
                "LATE_ORDER", (order.account_id, order.contract_id), f"order {order.id} appeared late"
            )
        if was_open:
            self._settled(entry)
        self._keep("put_intent", intent_row(entry))

    def _tell_fill(self, order: Order, fill: Fill) -> None:
        entry = self._picture.log.by_tag(order.account_id, order.tag)
        if entry is None or fill.voided or not self._picture.orders.is_entry(order):
            return
        key, at = entry.intent.key, (fill.account_id, fill.contract_id)
        self._tell(at, lambda listener, now: listener.on_fill(key, fill, now))

    def _tell_position(self, at: At) -> None:
        """Tell the owning instance when position or stop changed; a flat position ends what was told."""
        picture = self._picture
        position = picture.positions.get(*at)
        told = self._told_stop.get(at)
        if position is None:
            if told is not None:
                del self._told_stop[at]
                self._notify(at, told[0], None, None)
            return
        owner = picture.owner(at)
        if owner is None:
            return
        stop = picture.working_stop(position)
        news = (owner, position, stop.stop if stop is not None else None)
        if news != told:
            self._told_stop[at] = news
            self._notify(at, *news)

    def _notify(self, at: At, owner: str, position: Position | None, stop: Ticks | None) -> None:
        instance = Instance(at[0], owner)
        self._tell(at, lambda listener, now: listener.on_position(instance, at[1], position, stop, now))

    def _tell(self, at: At, what: Callable[[DeskListener, TsNs], list[Action]]) -> None:
        """Tell the listener and do what it asks; its failure is reported and ends nothing else."""
        if self._listener is None:
            return
        try:
            actions = what(self._listener, self._picture.clock.now())
        except Exception as problem:
            self._alarm("LISTENER_FAILED", at, f"{type(problem).__name__}: {problem}")
            return
        self._act(actions)

    def adopt(self, entry: Entry, order: Order) -> None:
        """An order with the tag of an unknown intent was found."""
        self._settle(entry, order)


def intent_row(entry: Entry) -> dict[str, Any]:
    """One row of the `intents` table."""
    intent = entry.intent
    place = intent if isinstance(intent, PlaceOrder) else None
    return {
        "intent_id": entry.id,
        "tag": entry.tag,
        "account_id": str(intent.account_id),
        "contract_id": intent.contract_id,
        "kind": place.kind if place else type(intent).__name__,
        "side": place.side if place else None,
        "type": place.type if place else None,
        "quantity": getattr(intent, "size", None),
        "limit_ticks": getattr(intent, "limit", None),
        "stop_ticks": getattr(intent, "stop", None),
        "plan": {
            "stop_ticks": place.bracket.stop_ticks,
            "target_ticks": place.bracket.target_ticks,
            "legs": place.legs,
        }
        if place and place.bracket
        else None,
        "source": intent.source,
        "strategy": intent.strategy,
        "idempotency_key": intent.key,
        "state": entry.state,
        "outcome": None if entry.open else entry.state,
        "code": entry.code or None,
        "order_id": entry.order_id,
        "epoch": entry.epoch,
        "created_at": entry.at,
        "sent_at": entry.sent_at,
    }
