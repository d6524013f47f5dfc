"""Bearer tokens: three-part JWTs signed with HS256, living 24 h of venue time (gateway.md 4)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Literal

import msgspec

from bot.model.times import SECOND
from bot.paper.ledger import Ledger

CACHED = 1_024
"""Verified tokens kept; the cache is emptied when full."""


class Claims(msgspec.Struct, frozen=True):
    """What a token says: user, serial number, times in seconds since the epoch."""

    sub: str
    jti: int
    iat: int
    exp: int


Verdict = tuple[Literal["ok", "expired", "bad"], Claims | None]


class Tokens:
    """Issues and checks. The signing key follows from the seed, so tokens outlive a restart."""

    def __init__(self, seed: int, life_s: int, ledger: Ledger) -> None:
        self._key = hashlib.sha256(f"paper token key {seed}".encode()).digest()
        self._life, self._ledger = life_s, ledger
        self._issued = 0
        self._expired_up_to = 0
        self._revoked: set[int] = set()
        self._revoked_up_to = 0
        self._known: dict[str, Claims] = {}

    def issue(self, user: str, now: int) -> str:
        """A new token for `user`."""
        self._issued += 1
        claims = Claims(user, self._issued, now // SECOND, now // SECOND + self._life)
        self._ledger.write(now, "token", ["issued", self._issued])
        signed = f"{_encode(_HEADER)}.{_encode(msgspec.json.encode(claims))}"
        return f"{signed}.{_encode(self._sign(signed))}"

    def check(self, text: str, now: int) -> Verdict:
        """Whether a token is good now; an expired one still tells its claims."""
        claims = self._known.get(text) or self._verify(text)
        if claims is None or claims.jti in self._revoked or claims.jti <= self._revoked_up_to:
            return "bad", None
        return ("expired" if self.expired(claims, now) else "ok"), claims

    def expired(self, claims: Claims, now: int) -> bool:
        """Whether a token's life is over."""
        return now >= claims.exp * SECOND or claims.jti <= self._expired_up_to

    def revoke(self, claims: Claims, now: int, *, whole_user: bool = False) -> None:
        """End one token, or all that were issued so far."""
        if whole_user:
            self._revoked_up_to = self._issued
            self._ledger.write(now, "token", ["revoked_up_to", self._issued])
        else:
            self._revoked.add(claims.jti)
            self._ledger.write(now, "token", ["revoked", claims.jti])

    def expire_all(self, now: int) -> None:
        """Let all tokens issued so far count as expired."""
        self._expired_up_to = self._issued
        self._ledger.write(now, "token", ["expired_up_to", self._issued])

    def restore(self, what: str, serial: int) -> None:
        """Take in a record of an earlier run."""
        if what == "issued":
            self._issued = max(self._issued, serial)
        elif what == "revoked":
            self._revoked.add(serial)
        elif what == "revoked_up_to":
            self._revoked_up_to = serial
        else:
            self._expired_up_to = serial

    def _verify(self, text: str) -> Claims | None:
        signed, _, signature = text.rpartition(".")
        if (
            not signed
            or not text.isascii()
            or not hmac.compare_digest(_encode(self._sign(signed)).encode(), signature.encode())
        ):
            return None
        try:
            claims = msgspec.json.decode(_decode(signed.split(".")[1]), type=Claims)
        except (ValueError, IndexError):
            return None
        if len(self._known) >= CACHED:
            self._known.clear()
        self._known[text] = claims
        return claims

    def _sign(self, signed: str) -> bytes:
        return hmac.digest(self._key, signed.encode(), "sha256")


_HEADER = b'{"alg":"HS256","typ":"JWT"}'


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
