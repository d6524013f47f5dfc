"""A row of the `protection` table for each change of a shield."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.model.times import MILLISECOND
from bot.trading.cover import targets
from bot.trading.picture import Picture
from bot.trading.positions import At
from bot.trading.protection import Shield, Watchdog


class ShieldRows:
    """`keep` takes the rows behind the order path."""

    def __init__(self, picture: Picture, watchdog: Watchdog, keep: Callable[[str, Any], None]) -> None:
        self._picture = picture
        self._watchdog = watchdog
        self._keep = keep
        self._told: dict[At, Shield] = {}

    def look(self, at: At) -> None:
        """Record the shield of a place when it is another one than before."""
        shield = self._watchdog.shield(at)
        if self._told.get(at, "flat") == shield:
            return
        self._told[at] = shield
        position = self._picture.positions.get(*at)
        stop = self._picture.working_stop(position) if position is not None else None
        row = {
            "account_id": str(at[0]), "contract_id": at[1], "state": shield,
            "stop_order_id": stop.id if stop is not None else None,
            "target_order_ids": [order.id for order in targets(self._picture, at)] if position else [],
            "breakeven": None, "trailing": None,
            "unprotected_ms": self._watchdog.longest_unprotected_ns // MILLISECOND,
        }  # fmt: skip
        self._keep("put_protection", row)
