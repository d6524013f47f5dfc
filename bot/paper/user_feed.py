"""Events of the user hub: `{action, data}` with nulls left out (gateway.md 12.1)."""

from __future__ import annotations

from typing import Any

from bot.paper import records, wire
from bot.paper.hub import HubCore
from bot.paper.models import (
    account_model,
    order_event,
    position_model,
    trade_model,
    without_nulls,
)  # fmt: skip
from bot.paper.state import State

METHODS: dict[str, tuple[str, type | None]] = {
    "accounts": ("account", None),
    "orders": ("order", int),
    "positions": ("position", int),
    "trades": ("trade", int),
}
TARGETS = {
    "account": "GatewayUserAccount",
    "order": "GatewayUserOrder",
    "position": "GatewayUserPosition",
    "trade": "GatewayUserTrade",
}


class UserFeed:
    """Turns rows into events when somebody listens."""

    def __init__(self, state: State, hub: HubCore) -> None:
        self._state, self._hub = state, hub
        hub.snapshot, hub.known = self._snapshot, state.accounts.__contains__

    def emit(self, topic: str, account: int, action: int, row: Any) -> None:
        """Tell of one row as it is now."""
        argument = None if topic == "account" else account
        if self._hub.wanted(topic, argument):
            target = TARGETS[topic]
            self._hub.publish(topic, argument, target, self._event(topic, action, row))

    def _snapshot(self, topic: str, _argument: Any) -> list[bytes]:
        if topic != "account":
            return []
        return [self._event("account", 1, row) for row in self._state.accounts.values()]

    def _event(self, topic: str, action: int, row: Any) -> bytes:
        if topic == "account":
            data = account_model(row)
        else:
            contract = self._state.contract(row.contract)
            if topic == "order":
                data = order_event(row, contract, self._state.options)
            elif topic == "position":
                data = without_nulls(position_model(row, contract, wire.hub_time(row.created)))
            else:
                data = without_nulls(trade_model(row, contract, wire.hub_time(row.created)))
        return records.event(TARGETS[topic], [{"action": action, "data": data}])
