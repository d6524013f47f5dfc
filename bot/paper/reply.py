"""The answer to one REST request, before a transport gives it away."""

from __future__ import annotations

from typing import Literal

import msgspec

JSON = {"Content-Type": "application/json; charset=utf-8"}


class Reply(msgspec.Struct, kw_only=True):
    """`mode` says what the transport does: answer after `after` ns of venue time, never answer
    (`hang`), or cut the connection (`reset`), both also after `after`.
    """

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""
    after: int = 0
    mode: Literal["answer", "hang", "reset"] = "answer"


def problem(status: int, title: str, errors: dict[str, list[str]] | None = None) -> Reply:
    """An RFC 7807 answer, which is not the envelope (gateway.md 3.3)."""
    body = {
        "type": f"https://tools.ietf.org/html/rfc9110#section-15.5.{status - 399}",
        "title": title,
        "status": status,
        "errors": errors or {},
    }
    headers = {"Content-Type": "application/problem+json; charset=utf-8"}
    return Reply(status=status, headers=headers, body=msgspec.json.encode(body))
