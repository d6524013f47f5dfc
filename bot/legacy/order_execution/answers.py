"""What an answer to a mutation means (gateway.md §3.2, §7; bot.md §4.3 to §4.5, §7.6).

Only the venue's own, listed refusal proves that nothing happened. Whatever leaves that open is
`unknown`: it is looked up, never sent again.
"""

from __future__ import annotations

from typing import Any, Final

from bot.legacy.order_execution.requests import CANCEL, CLOSE, MODIFY, PARTIAL_CLOSE, PLACE
from bot.model.codes import Code
from bot.model.errors import BadField, ProtocolError
from bot.model.intents import Outcome, PlannedRequest, WireResponse
from bot.model.venue_rows import decode_json, whole

_DUPLICATE_TAG: Final = "custom tag already in use"
_MESSAGE_BOUND: Final = 300

# Error numbers that prove a refusal; pending and unknown errors are absent, because they prove nothing.
_REFUSALS: Final[dict[str, dict[int, str]]] = {
    PLACE: {
        1: "AccountNotFound",
        2: "OrderRejected",
        3: "InsufficientFunds",
        4: "AccountViolation",
        5: "OutsideTradingHours",
        8: "ContractNotFound",
        9: "ContractNotActive",
        10: "AccountRejected",
    },
    MODIFY: {
        1: "AccountNotFound",
        2: "OrderNotFound",
        3: "Rejected",
        6: "AccountRejected",
        7: "ContractNotFound",
    },
    CANCEL: {1: "AccountNotFound", 2: "OrderNotFound", 3: "Rejected", 6: "AccountRejected"},
    CLOSE: {
        1: "AccountNotFound",
        2: "PositionNotFound",
        3: "ContractNotFound",
        4: "ContractNotActive",
        5: "OrderRejected",
        8: "AccountRejected",
    },
    PARTIAL_CLOSE: {
        1: "AccountNotFound",
        2: "PositionNotFound",
        3: "ContractNotFound",
        4: "ContractNotActive",
        5: "InvalidCloseSize",
        6: "OrderRejected",
        9: "AccountRejected",
    },
}

# HTTP statuses that a request meets before the venue's business code runs.
_NOT_EXECUTED: Final = {
    400: "the venue could not read the request",
    401: "the venue refused the token twice",
    403: "the venue's edge refused the request",
    404: "the venue does not know this path",
    405: "the venue does not know this method",
    413: "the request is too large",
    415: "the venue does not read this content type",
    429: "the venue's rate limit was met; nothing was executed",
}


def interpret(request: PlannedRequest, response: WireResponse) -> Outcome:
    """The outcome of one transmission. Never raises for anything that a network can deliver."""
    if response.failure == "budget":
        return Outcome(
            "denied",
            request.intent_id,
            code=Code.LOCALLY_RATE_LIMITED,
            message="no request budget left; nothing was sent",
        )
    if response.failure == "connect":
        return Outcome("refused", request.intent_id, message="no connection to the venue; nothing was sent")
    if response.status is None or response.failure:
        return _unknown(request, f"no answer ({response.failure or 'nothing received'})")
    if response.status in _NOT_EXECUTED:
        return Outcome(
            "refused",
            request.intent_id,
            message=f"HTTP {response.status}: {_NOT_EXECUTED[response.status]}",
            retry_after_auth=response.status == 401,
        )
    if not 200 <= response.status < 300:
        return _unknown(request, f"HTTP {response.status}")
    try:
        answer = decode_json(response.body)
    except ProtocolError:
        return _unknown(request, f"an answer of {len(response.body)} bytes that is not JSON")
    if not isinstance(answer, dict):
        return _unknown(request, "an answer that is not an object")
    return _business(request, answer)


def _business(request: PlannedRequest, answer: dict[str, Any]) -> Outcome:
    success, order_id = answer.get("success"), _order_id(answer)
    try:
        code = whole(answer.get("errorCode"), "errorCode")
    except BadField:
        return _unknown(request, "an answer without errorCode", order_id=order_id)
    message = answer.get("errorMessage")
    text = message[:_MESSAGE_BOUND] if isinstance(message, str) else ""
    if success is True and code == 0:
        if request.op == "place" and order_id is None:
            return _unknown(request, "accepted without an order id")
        return Outcome("confirmed", request.intent_id, order_id or request.order_id, message=text)
    if success is not False or code == 0:
        return _unknown(request, "an answer that contradicts itself", code, order_id)
    name = _REFUSALS.get(request.path, {}).get(code)
    if name is None:
        return _unknown(request, text or f"error {code} does not say what happened", code, order_id)
    if request.path == PLACE and _DUPLICATE_TAG in text.lower():
        return _unknown(request, text, code)
    return Outcome("refused", request.intent_id, order_id, venue_code=code, message=text or name)


def _order_id(answer: dict[str, Any]) -> int | None:
    """The order id of an answer; 0 and what cannot be read are none."""
    value = answer.get("orderId")
    try:
        return None if value is None else whole(value, "orderId") or None
    except BadField:
        return None


def _unknown(
    request: PlannedRequest, message: str, code: int | None = None, order_id: int | None = None
) -> Outcome:
    return Outcome("unknown", request.intent_id, order_id, venue_code=code, message=message)
