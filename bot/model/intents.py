"""Intents: what somebody wants the venue to do, before and after approval.

An intent's id and its tag follow from its idempotency key alone, so any implementation computes the
same ones and a restart finds them again. `ApprovedIntent` can be made by `bot.risk` only.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Literal

import msgspec

from bot.model.codes import Code
from bot.model.quantities import Ticks, TsNs

OutcomeKind = Literal["confirmed", "refused", "denied", "unknown", "simulated"]
IntentState = Literal[
    "new", "denied", "sent", "unknown", "pending", "open", "suspended", "partially_filled",
    "pending_cancel", "filled", "cancelled", "expired", "rejected", "not_accepted", "confirmed",
]  # fmt: skip


def intent_id(key: str) -> str:
    """The first 100 bits of SHA-256 of the idempotency key in base 32 (20 characters)."""
    return base64.b32encode(hashlib.sha256(key.encode()).digest()[:13])[:20].decode()


def tag_of(strategy: str, kind: str, id_: str) -> str:
    """The venue's customTag `TB2-<strategy>-<kind>-<id>`, at most 55 characters."""
    return f"TB2-{strategy}-{kind}-{id_}"


class Bracket(msgspec.Struct, frozen=True):
    """Protection in ticks from the entry, both magnitudes > 0; a target is optional."""

    stop_ticks: int
    target_ticks: int | None = None


class IntentBase(msgspec.Struct, frozen=True, kw_only=True):
    """What every intent carries. `source` names the asking part: strategy, manual, guard, webhook."""

    key: str
    account_id: int
    contract_id: str
    source: str
    strategy: str = "manual"
    reason: str = ""
    created: TsNs = TsNs(0)

    @property
    def id(self) -> str:
        return intent_id(self.key)


class PlaceOrder(IntentBase, frozen=True, kw_only=True, tag_field="op", tag="place"):
    """A new order. `kind` is the tag's two letters (bot.md §7.2); `reference` the signal's price.

    `legs` says who keeps the bracket: `native` sends it with the order, `client` leaves it out of the
    request and the bot places the stop when the entry fills (bot.md §7.5).
    """

    kind: str
    side: int
    type: int
    size: int
    limit: Ticks | None = None
    stop: Ticks | None = None
    bracket: Bracket | None = None
    reference: Ticks | None = None
    reduce: bool = False
    legs: Literal["native", "client"] = "native"

    @property
    def tag(self) -> str:
        return tag_of(self.strategy, self.kind, self.id)


class ModifyOrder(IntentBase, frozen=True, kw_only=True, tag_field="op", tag="modify"):
    """New values for a working order; None leaves a field as it is."""

    order_id: int
    size: int | None = None
    limit: Ticks | None = None
    stop: Ticks | None = None


class CancelOrder(IntentBase, frozen=True, kw_only=True, tag_field="op", tag="cancel"):
    """Cancel one working order."""

    order_id: int


class ClosePosition(IntentBase, frozen=True, kw_only=True, tag_field="op", tag="close"):
    """Close a position at market, whole when `size` is None."""

    size: int | None = None


Intent = PlaceOrder | ModifyOrder | CancelOrder | ClosePosition


class Denial(msgspec.Struct, frozen=True):
    """An intent stopped before sending: why, and what would let it pass."""

    code: Code
    detail: str = ""


class _Seal:
    """Proof of having passed the risk gate; the only instance belongs to bot.risk."""

    __slots__ = ()


_seal = _Seal()
_claimed = False


def claim_seal() -> _Seal:
    """Hand out the seal once, to the risk gate; a second claim is a programming error."""
    global _claimed
    if _claimed:
        raise RuntimeError("the approval seal belongs to bot.risk and has been claimed already")
    _claimed = True
    return _seal


class ApprovedIntent:
    """An intent that passed the risk gate. Everything that sends accepts nothing else.

    `intent` carries the approved size; `view_version` names the RiskView that was used.
    """

    __slots__ = ("approved_at", "intent", "view_version")

    def __init__(self, seal: _Seal, intent: Intent, view_version: int, approved_at: TsNs) -> None:
        if seal is not _seal:
            raise RuntimeError("only bot.risk can approve an intent")
        self.intent = intent
        self.view_version = view_version
        self.approved_at = approved_at

    @property
    def id(self) -> str:
        return self.intent.id


class PlannedRequest(msgspec.Struct, frozen=True):
    """The exact bytes that would go to the venue. `path` begins with /api/."""

    intent_id: str
    account_id: int
    contract_id: str
    op: Literal["place", "modify", "cancel", "close"]
    path: str
    body: bytes
    tag: str | None = None
    order_id: int | None = None


class WireResponse(msgspec.Struct, frozen=True):
    """What came back. `status` is None when no HTTP answer came (`failure` says how)."""

    status: int | None
    body: bytes = b""
    failure: Literal["", "timeout", "reset", "connect", "budget"] = ""


class Outcome(msgspec.Struct, frozen=True):
    """How a mutation ended; there is no sixth kind."""

    kind: OutcomeKind
    intent_id: str
    order_id: int | None = None
    code: Code | None = None
    venue_code: int | None = None
    message: str = ""
    retry_after_auth: bool = False
