"""The exact bytes of each mutation (gateway.md §8.6 to §8.16).

Members stand in the order of the wire reference, absent ones are left out at every depth, prices are
decimal text of the contract's grid with exactly its number of decimals, and no white space is written.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from bot.model.contract import Contract
from bot.model.errors import BadField
from bot.model.intents import (
    ApprovedIntent,
    CancelOrder,
    ClosePosition,
    ModifyOrder,
    PlaceOrder,
    PlannedRequest,
)
from bot.model.orders import OrderType, Side
from bot.model.quantities import Ticks

PLACE: Final = "/api/Order/place"
MODIFY: Final = "/api/Order/modify"
CANCEL: Final = "/api/Order/cancel"
CLOSE: Final = "/api/Position/closeContract"
PARTIAL_CLOSE: Final = "/api/Position/partialCloseContract"

_PLACEABLE: Final = frozenset(
    {OrderType.LIMIT, OrderType.MARKET, OrderType.STOP, OrderType.JOIN_BID, OrderType.JOIN_ASK}
)
_BRACKET_STOP: Final = OrderType.STOP.value
_BRACKET_TARGET: Final = OrderType.LIMIT.value

Member = tuple[str, bytes | None]


def plan(approved: ApprovedIntent, contract: Contract) -> PlannedRequest:
    """The request of an approved intent. Raises BadField for an intent that has no wire form."""
    intent = approved.intent
    if intent.contract_id != contract.id:
        raise BadField("contract", expected=intent.contract_id, seen=contract.id, do="plan with its own")
    if isinstance(intent, PlaceOrder):
        return _request(approved, "place", PLACE, _place(intent, contract), tag=intent.tag)
    if isinstance(intent, ModifyOrder):
        members = _modify(intent, contract)
        return _request(approved, "modify", MODIFY, members, order_id=intent.order_id)
    if isinstance(intent, CancelOrder):
        members = [("accountId", _int(intent.account_id)), ("orderId", _int(intent.order_id))]
        return _request(approved, "cancel", CANCEL, members, order_id=intent.order_id)
    return _close(approved, intent)


def _place(intent: PlaceOrder, contract: Contract) -> list[Member]:
    if intent.type not in _PLACEABLE:
        raise BadField("order type", expected="limit, market, stop, join bid or join ask", seen=intent.type)
    if intent.side not in (Side.BUY, Side.SELL):
        raise BadField("side", expected="0 (buy) or 1 (sell)", seen=intent.side)
    _positive("size", intent.size)
    return [
        ("accountId", _int(intent.account_id)),
        ("contractId", _text(intent.contract_id)),
        ("type", _int(intent.type)),
        ("side", _int(intent.side)),
        ("size", _int(intent.size)),
        ("limitPrice", _price(contract, intent, OrderType.LIMIT, intent.limit)),
        ("stopPrice", _price(contract, intent, OrderType.STOP, intent.stop)),
        ("customTag", _text(intent.tag)),
        *_bracket(intent),
    ]


def _bracket(intent: PlaceOrder) -> list[Member]:
    """Signed distances from the fill: a long entry has its stop below and its target above."""
    if intent.bracket is None or intent.legs == "client":
        return []
    stop, target = intent.bracket.stop_ticks, intent.bracket.target_ticks
    _positive("bracket stop", stop)
    sign = 1 if intent.side == Side.BUY else -1
    members: list[Member] = [("stopLossBracket", _leg(-sign * stop, _BRACKET_STOP))]
    if target is not None:
        _positive("bracket target", target)
        members.append(("takeProfitBracket", _leg(sign * target, _BRACKET_TARGET)))
    return members


def _leg(ticks: int, kind: int) -> bytes:
    return _object([("ticks", _int(ticks)), ("type", _int(kind))])


def _modify(intent: ModifyOrder, contract: Contract) -> list[Member]:
    if intent.size is None and intent.limit is None and intent.stop is None:
        raise BadField("modify", expected="a new size, limit or stop price", seen="nothing")
    if intent.size is not None:
        _positive("size", intent.size)
    tick = contract.tick
    return [
        ("accountId", _int(intent.account_id)),
        ("orderId", _int(intent.order_id)),
        ("size", None if intent.size is None else _int(intent.size)),
        ("limitPrice", None if intent.limit is None else tick.format(intent.limit).encode()),
        ("stopPrice", None if intent.stop is None else tick.format(intent.stop).encode()),
    ]


def _close(approved: ApprovedIntent, intent: ClosePosition) -> PlannedRequest:
    members: list[Member] = [
        ("accountId", _int(intent.account_id)),
        ("contractId", _text(intent.contract_id)),
    ]
    if intent.size is None:
        return _request(approved, "close", CLOSE, members)
    _positive("size", intent.size)
    return _request(approved, "close", PARTIAL_CLOSE, [*members, ("size", _int(intent.size))])


def _request(
    approved: ApprovedIntent,
    op: Literal["place", "modify", "cancel", "close"],
    path: str,
    members: list[Member],
    *,
    tag: str | None = None,
    order_id: int | None = None,
) -> PlannedRequest:
    intent = approved.intent
    return PlannedRequest(
        intent.id, intent.account_id, intent.contract_id, op, path, _object(members), tag, order_id
    )


def _price(contract: Contract, intent: PlaceOrder, needed_by: OrderType, ticks: Ticks | None) -> bytes | None:
    if (ticks is not None) != (intent.type == needed_by):
        raise BadField(
            f"{needed_by.name.lower()} price",
            expected="one for this order type and for no other",
            seen=f"type {intent.type} with {ticks}",
        )
    return None if ticks is None else contract.tick.format(ticks).encode()


def _positive(what: str, value: int) -> None:
    if value < 1:
        raise BadField(what, expected="at least 1", seen=value)


def _object(members: list[Member]) -> bytes:
    return b"{" + b",".join(b'"%b":%b' % (name.encode(), value) for name, value in members if value) + b"}"


def _int(value: int) -> bytes:
    return b"%d" % value


def _text(value: str) -> bytes:
    return msgspec.json.encode(value)
