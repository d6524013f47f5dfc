"""The answers to reads: payload, refusal or protocol error; never an empty value for a failure."""

from __future__ import annotations

from typing import Any, Final

from bot.model.errors import BadField, ProtocolError, VenueRefused
from bot.model.venue_rows import decode_json, whole

_NAMES: Final = {
    "/api/Order/searchById": {1: "OrderNotFound"},
    "/api/Contract/searchById": {1: "ContractNotFound"},
    "/api/History/retrieveBars": {
        1: "ContractNotFound",
        2: "UnitInvalid",
        3: "UnitNumberInvalid",
        4: "LimitInvalid",
    },
}


def payload(path: str, body: bytes) -> dict[str, Any]:
    """The members of a successful answer. Raises ProtocolError, VenueRefused."""
    if not body:
        raise ProtocolError(path, expected="an envelope", seen="an empty answer", do="the state is unknown")
    answer = decode_json(body)
    if not isinstance(answer, dict):
        raise ProtocolError(path, expected="an object", seen=type(answer).__name__)
    success = answer.get("success")
    try:
        code = whole(answer.get("errorCode"), "errorCode")
    except BadField:
        raise ProtocolError(path, expected="an errorCode", seen=answer.get("errorCode")) from None
    if success is True and code == 0:
        return answer
    if success is False and code != 0:
        name = _NAMES.get(path, {}).get(code) or ("AccountNotFound" if code == 1 else f"error {code}")
        message = answer.get("errorMessage")
        raise VenueRefused(
            path, expected="success", seen=f"{name} ({code})", do=message if isinstance(message, str) else ""
        )
    raise ProtocolError(path, expected="success and errorCode that agree", seen=(success, code))


def rows(path: str, answer: dict[str, Any], member: str) -> list[Any]:
    """A list member. Raises ProtocolError for null, absent or another shape: that is no empty list."""
    found = answer.get(member)
    if not isinstance(found, list):
        raise ProtocolError(
            path, expected=f"a list of {member}", seen=type(found).__name__, do="the state is unknown"
        )
    return found
