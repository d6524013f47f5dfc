"""The venue user's credentials, and the token with its end of life."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec

from bot.model.quantities import TsNs
from bot.model.secret import Secret
from bot.model.times import HOUR, SECOND

UNREADABLE_LIFE: Final = 12 * HOUR
_LATEST: Final = 1 << 33


class Credentials(msgspec.Struct, frozen=True):
    """The platform's login name and an API key (gateway.md §4.1)."""

    username: str
    api_key: Secret


class Token(msgspec.Struct, frozen=True):
    """A bearer token; `revision` grows with each new one, `exp_ns` is its end in venue time."""

    secret: Secret
    revision: int
    issued_ns: TsNs
    exp_ns: TsNs

    @property
    def text(self) -> str:
        """The token itself."""
        return self.secret.reveal()


def token_end(text: str, now: int) -> TsNs:
    """The `exp` of a JWT; 12 h from now when it cannot be read or has passed already (a 401 decides)."""
    try:
        payload = text.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        seconds = int(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error, OverflowError):
        seconds = 0
    if not now // SECOND < seconds < _LATEST:
        return TsNs(now + UNREADABLE_LIFE)
    return TsNs(seconds * SECOND)
