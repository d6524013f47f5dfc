"""A listener in the strategy engine's place that remembers what it was told and asks for nothing."""

from __future__ import annotations

from typing import Any

from bot.model.actions import Action, Instance
from bot.model.orders import Fill, Order, Position
from bot.model.quantities import Ticks, TsNs


class Witness:
    """`positions` is what a strategy believes: `(strategy, contract) -> (net, stop)`."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, Order]] = []
        self.denied: list[tuple[str, str]] = []
        self.fills: list[tuple[str, Fill]] = []
        self.positions: dict[tuple[str, str], tuple[int, Ticks | None]] = {}
        self.known: list[bool] = []

    def on_order(self, key: str, order: Order, now: TsNs) -> list[Action]:
        self.orders.append((key, order))
        return []

    def on_denied(self, key: str, code: str, now: TsNs) -> list[Action]:
        self.denied.append((key, str(code)))
        return []

    def on_fill(self, key: str, fill: Fill, now: TsNs) -> list[Action]:
        self.fills.append((key, fill))
        return []

    def on_position(
        self, instance: Instance, contract_id: str, position: Position | None, stop: Ticks | None, now: TsNs
    ) -> list[Action]:
        place = (instance.strategy, contract_id)
        if position is None:
            self.positions.pop(place, None)
        else:
            self.positions[place] = (position.net, stop)
        return []

    def on_known(self, account_id: int, known: bool, now: TsNs) -> list[Action]:
        self.known.append(known)
        return []

    def codes(self) -> list[Any]:
        return [code for _, code in self.denied]
