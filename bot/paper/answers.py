"""What an endpoint decides: a payload with an error code, before it becomes an envelope."""

from __future__ import annotations

from typing import Any

import msgspec

from bot.paper import wire
from bot.paper.reply import JSON, Reply


class Answer(msgspec.Struct, kw_only=True):
    """`payload` members come first on the wire; `order` is the order that the call made or met."""

    payload: dict[str, Any] = {}
    code: int = 0
    message: str | None = None
    order: int | None = None

    def reply(self) -> Reply:
        """The envelope (gateway.md 3.2)."""
        body = {
            **self.payload,
            "success": self.code == 0,
            "errorCode": self.code,
            "errorMessage": self.message,
        }
        return Reply(headers=JSON, body=wire.to_json(body))


def refused(code: int, message: str | None = None, **payload: Any) -> Answer:
    """A business failure."""
    return Answer(payload=payload, code=code, message=message)
