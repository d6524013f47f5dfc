"""What the desk tells and where its rows go."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import msgspec

MAX_NOTICES = 1_000
"""Notices kept for whoever looks later."""


Level = Literal["info", "warning", "error"]
_ERRORS = frozenset({
    "HALTED", "UNPROTECTED_CLOSE", "CLOSE_NOT_VERIFIED", "FLATTEN_NOT_VERIFIED", "STOP_REFUSED", "UNPROTECTED_AT_EXIT",
    "WATCHDOG_ERROR", "LISTENER_FAILED", "TASK_FAILED", "STRATEGY_ERROR",
})  # fmt: skip


class Notice(msgspec.Struct, frozen=True):
    """Something the operator should know; `code` is stable.

    info = a decision or a figure, warning = something is not as it should be, error = act now.
    """

    code: str
    account_id: int
    contract_id: str
    detail: str
    at: int
    level: Level = "warning"


def level_of(code: str) -> Level:
    """The level of an alarm by its code."""
    return "error" if code in _ERRORS else "warning"


class Outbox(Protocol):
    """Writes to the store behind the order path; `store_ok` False denies entries."""

    @property
    def store_ok(self) -> bool: ...

    def keep(self, operation: str, argument: Any) -> None: ...
