"""Whether an intent is well formed, before anything else is looked at (bot.md §7.4, group Form)."""

from __future__ import annotations

import re

from bot.model.codes import Code
from bot.model.intents import CancelOrder, ClosePosition, Denial, Intent, ModifyOrder, PlaceOrder
from bot.model.orders import OrderType, Side
from bot.model.risk import RiskView
from bot.risk.subject import GateLimits

_STRATEGY = re.compile(r"[a-z0-9_]{1,24}", re.ASCII)
_KIND = re.compile(r"[A-Z]{2}", re.ASCII)
_PLACED_TYPES = frozenset(OrderType) - {OrderType.STOP_LIMIT}
_INT64 = 1 << 63


def form_refusal(intent: Intent, view: RiskView, limits: GateLimits) -> Denial | None:
    """The first thing wrong with the fields themselves, None when they are fine."""
    if not intent.key:
        return Denial(Code.BAD_FIELD, "key: expected an idempotency key, got an empty text")
    if not _STRATEGY.fullmatch(intent.strategy):
        return Denial(
            Code.BAD_FIELD, f"strategy: expected 1 to 24 of a-z, 0-9 and _, got {intent.strategy!r}"
        )
    if isinstance(intent, PlaceOrder):
        problem = _place(intent, limits)
        if problem is not None:
            return problem
        if intent.contract_id not in view.contracts:
            return Denial(Code.UNKNOWN_SYMBOL, f"no contract record of {intent.contract_id}")
        return None
    if isinstance(intent, ModifyOrder):
        return _modify(intent, view, limits)
    if isinstance(intent, ClosePosition) and intent.size is not None and intent.size < 1:
        return Denial(Code.BAD_CLOSE_SIZE, f"size: expected 1 or more, got {intent.size}")
    if isinstance(intent, CancelOrder) and intent.order_id == 0:
        return Denial(Code.BAD_FIELD, "order_id: expected a venue id, got 0")
    return None


def _place(intent: PlaceOrder, limits: GateLimits) -> Denial | None:
    if intent.side not in tuple(Side):
        return Denial(Code.UNKNOWN_SIDE, f"side: expected 0 buy or 1 sell, got {intent.side}")
    if intent.type not in _PLACED_TYPES:
        return Denial(Code.UNKNOWN_TYPE, f"type: expected 1, 2, 4, 5, 6 or 7, got {intent.type}")
    if not _KIND.fullmatch(intent.kind):
        return Denial(Code.BAD_FIELD, f"kind: expected two capital letters, got {intent.kind!r}")
    sized = _quantity(intent.size, limits)
    if sized is not None:
        return sized
    needs = {OrderType.LIMIT: ("limit",), OrderType.STOP: ("stop",)}.get(OrderType(intent.type), ())
    for name, value in (("limit", intent.limit), ("stop", intent.stop)):
        if (value is not None) != (name in needs) and intent.type != OrderType.TRAILING_STOP:
            wanted = "a price" if name in needs else "no price"
            return Denial(Code.BAD_FIELD, f"{name}: expected {wanted} for type {intent.type}, got {value}")
        if value is not None and not -_INT64 <= value < _INT64:
            return Denial(Code.BAD_NUMBER, f"{name}: expected 64 bits of ticks, got {value}")
    return None


def _modify(intent: ModifyOrder, view: RiskView, limits: GateLimits) -> Denial | None:
    if intent.size is None and intent.limit is None and intent.stop is None:
        return Denial(Code.BAD_FIELD, "modify: expected at least one of size, limit, stop, got none")
    sized = None if intent.size is None else _quantity(intent.size, limits)
    if sized is not None:
        return sized
    account = view.accounts.get(intent.account_id)
    order = account.orders.get(intent.order_id) if account is not None else None
    if order is None:
        return None
    if order.contract_id not in view.contracts:
        return Denial(Code.UNKNOWN_SYMBOL, f"no contract record of {order.contract_id}")
    legal = {OrderType.LIMIT: "limit", OrderType.STOP: "stop", OrderType.TRAILING_STOP: "stop"}
    for name, value in (("limit", intent.limit), ("stop", intent.stop)):
        if value is not None and legal.get(order.type) != name:  # type: ignore[call-overload]
            return Denial(Code.BAD_FIELD, f"{name}: an order of type {order.type} has none, got {value}")
    return None


def _quantity(size: int, limits: GateLimits) -> Denial | None:
    if 1 <= size <= limits.max_quantity:
        return None
    return Denial(Code.BAD_QUANTITY, f"size: expected 1 to {limits.max_quantity} lots, got {size}")
