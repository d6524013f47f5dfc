"""What the desk tells and where its rows go."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

MAX_NOTICES = 1_000
"""Notices kept for whoever looks later."""


class Notice(msgspec.Struct, frozen=True):
    """Something the operator should know; `code` is stable."""

    code: str
    account_id: int
    contract_id: str
    detail: str
    at: int


class Outbox(Protocol):
    """Writes to the store behind the order path; `store_ok` False denies entries."""

    @property
    def store_ok(self) -> bool: ...

    def keep(self, operation: str, argument: Any) -> None: ...
