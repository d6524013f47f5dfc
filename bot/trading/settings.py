"""What the owner can set about orders and protection (bot.md §3.9); times in seconds of venue time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

BracketMode = Literal["native", "client", "auto"]


class TradingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults of the specification."""

    bracket_mode: BracketMode = "auto"
    unknown_settle_s: float = 30.0
    wait_children_s: float = 0.5
    deadline_s: float = 2.0
    foreign: Literal["alert", "protect", "ignore"] = "alert"
    default_stop_ticks: Mapping[str, int] = {}
    flatten_rounds: int = 10
    look_back_s: float = 24 * 3600.0
    live: bool = False
    live_accounts: frozenset[int] = frozenset()

    def stop_ticks(self, root: str) -> int:
        """The default stop distance of a root."""
        return self.default_stop_ticks.get(root, 40)
