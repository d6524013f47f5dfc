"""Records of the SignalR JSON protocol, each ending in 0x1E (gateway.md 14)."""

from __future__ import annotations

from typing import Any

import msgspec

from bot.paper import wire

END = b"\x1e"
HANDSHAKE_OK = b"{}" + END
PING = b'{"type":6}' + END
INVOCATION, STREAM_ITEM, COMPLETION, STREAM, CANCEL, PING_TYPE, CLOSE = 1, 2, 3, 4, 5, 6, 7


class Malformed(Exception):
    """A record that is not JSON or not an object."""


def decode(record: bytes) -> dict[str, Any]:
    """One record without its end. Raises Malformed."""
    try:
        value = msgspec.json.decode(record)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        raise Malformed(str(problem)) from problem
    if not isinstance(value, dict):
        raise Malformed("a record is an object")
    return value


def event(target: str, arguments: list[Any]) -> bytes:
    """An invocation by the server, which wants no answer."""
    return wire.to_json({"type": INVOCATION, "target": target, "arguments": arguments}) + END


def completion(invocation_id: str, *, result: object = msgspec.UNSET, error: str | None = None) -> bytes:
    """The answer to an invocation."""
    body: dict[str, object] = {"type": COMPLETION, "invocationId": invocation_id}
    if error is not None:
        body["error"] = error
    elif result is not msgspec.UNSET:
        body["result"] = result
    return wire.to_json(body) + END


def close(error: str | None, *, allow_reconnect: bool) -> bytes:
    """The record that ends a connection."""
    body: dict[str, object] = {"type": CLOSE}
    if error is not None:
        body["error"] = error
    if allow_reconnect:
        body["allowReconnect"] = True
    return wire.to_json(body) + END


def handshake_error(error: str) -> bytes:
    """The refusing answer to a handshake."""
    return wire.to_json({"error": error}) + END


def unknown(type_: int) -> bytes:
    """A record of a type that no client knows (gateway.md 14.2)."""
    return wire.to_json({"type": type_, "note": "unknown"}) + END
