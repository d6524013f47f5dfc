"""What a strategy engine asks for; the risk gate and the order service turn it into intents."""

from __future__ import annotations

import msgspec

from bot.model.quantities import Ticks


class Instance(msgspec.Struct, frozen=True):
    """A strategy instance: it trades on one account only."""

    account_id: int
    strategy: str


class Enter(msgspec.Struct, frozen=True, kw_only=True, tag_field="act", tag="enter"):
    """Place a protected entry. Sizing is the risk gate's; `key` is the idempotency key (§16.1)."""

    instance: Instance
    contract_id: str
    key: str
    leg: str
    side: int
    type: int
    entry: Ticks | None
    stop_ticks: int
    target_ticks: int | None
    reference: Ticks | None = None
    reason: str = ""


class CancelEntry(msgspec.Struct, frozen=True, kw_only=True, tag_field="act", tag="cancel_entry"):
    """Cancel the working entry that was placed under `key`."""

    instance: Instance
    contract_id: str
    key: str
    reason: str = ""


class MoveStop(msgspec.Struct, frozen=True, kw_only=True, tag_field="act", tag="move_stop"):
    """Modify the protective stop of the instance's position to `stop` (ticks)."""

    instance: Instance
    contract_id: str
    stop: Ticks
    reason: str = ""


class CancelSymbol(msgspec.Struct, frozen=True, kw_only=True, tag_field="act", tag="cancel_symbol"):
    """Cancel all working orders of the instance in the contract."""

    instance: Instance
    contract_id: str
    reason: str = ""


class FlattenSymbol(msgspec.Struct, frozen=True, kw_only=True, tag_field="act", tag="flatten_symbol"):
    """Close the instance's position in the contract."""

    instance: Instance
    contract_id: str
    reason: str = ""


class Alert(msgspec.Struct, frozen=True, kw_only=True, tag_field="act", tag="alert"):
    """Tell the operator; `code` is stable."""

    instance: Instance
    contract_id: str
    code: str
    detail: str = ""


class Note(msgspec.Struct, frozen=True, kw_only=True, tag_field="act", tag="note"):
    """A decision not to trade, with its code (e.g. RANGE_TOO_FEW_BARS), and levels computed."""

    instance: Instance
    contract_id: str
    code: str
    detail: str = ""


Action = Enter | CancelEntry | MoveStop | CancelSymbol | FlattenSymbol | Alert | Note
