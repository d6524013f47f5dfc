"""The records of the intent log, and an intent as the log knows it."""

from __future__ import annotations

import msgspec

from bot.model.intents import Intent, IntentState, PlaceOrder
from bot.model.quantities import TsNs
from bot.model.risk import TradingState

OPEN_STATES = frozenset({"new", "sent", "unknown"})
"""States whose outcome at the venue is not settled."""
OVER_STATES = frozenset({"denied", "filled", "cancelled", "expired", "rejected", "not_accepted", "confirmed"})
"""States that nothing follows."""


class IntentRecord(msgspec.Struct, frozen=True, tag_field="r", tag="intent"):
    """An approved intent and the authority epoch under which it may be sent."""

    intent: Intent
    epoch: int
    at: TsNs


class StateRecord(msgspec.Struct, frozen=True, tag_field="r", tag="state"):
    """An intent's new state; `order_id` once the venue named it."""

    id: str
    state: IntentState
    at: TsNs
    order_id: int | None = None
    code: str = ""
    message: str = ""


class TradingRecord(msgspec.Struct, frozen=True, tag_field="r", tag="trading"):
    """A trading state; `scope` is `global` or an account id as text."""

    scope: str
    state: TradingState
    reason: str
    actor: str
    at: TsNs


class EpochRecord(msgspec.Struct, frozen=True, tag_field="r", tag="epoch"):
    """The authority epoch of an account as of `at`."""

    account_id: int
    epoch: int
    at: TsNs


class KeyRecord(msgspec.Struct, frozen=True, tag_field="r", tag="key"):
    """A settled intent's key, in the index."""

    account_id: int
    key: str
    tag: str | None
    at: TsNs


Record = IntentRecord | StateRecord | TradingRecord | EpochRecord | KeyRecord


class Entry(msgspec.Struct):
    """One intent as the log knows it."""

    intent: Intent
    epoch: int
    at: TsNs
    state: IntentState = "new"
    order_id: int | None = None
    code: str = ""
    message: str = ""
    sent_at: TsNs | None = None

    @property
    def id(self) -> str:
        return self.intent.id

    @property
    def tag(self) -> str | None:
        return self.intent.tag if isinstance(self.intent, PlaceOrder) else None

    @property
    def open(self) -> bool:
        """True while it is not known what the venue made of it."""
        return self.state in OPEN_STATES
