"""The actions that the overnight breakout asks for, made from its seat."""

from __future__ import annotations

from bot.legacy.strategy_engine.keys import StrategyKey
from bot.legacy.strategy_engine.strategy import Seat
from bot.model.actions import (
    Action,
    Alert,
    CancelEntry,
    CancelSymbol,
    Enter,
    FlattenSymbol,
    MoveStop,
    Note,
)
from bot.model.orders import OrderType
from bot.model.quantities import Ticks
from bot.strategies.overnight_levels import Level
from bot.strategies.overnight_parameters import NAME


class OvernightOrders:
    """Makes actions; every one carries the instance and the contract of the seat."""

    def __init__(self, seat: Seat) -> None:
        self._instance, self._contract_id = seat.instance, seat.contract.id

    def enter(self, scope: str, leg: str, level: Level, reason: str) -> Enter:
        """A stop entry with both bracket legs."""
        return Enter(
            instance=self._instance,
            contract_id=self._contract_id,
            key=self._key(scope, leg),
            leg=leg,
            side=level.side,
            type=int(OrderType.STOP),
            entry=level.entry,
            stop_ticks=level.stop_ticks,
            target_ticks=level.target_ticks,
            reason=reason,
        )

    def cancel(self, scope: str, leg: str, reason: str) -> CancelEntry:
        """Cancel one working entry."""
        return CancelEntry(
            instance=self._instance,
            contract_id=self._contract_id,
            key=self._key(scope, leg),
            reason=reason,
        )

    def sweep(self, reason: str) -> list[Action]:
        """Cancel the instance's orders in the contract and close its position."""
        instance, contract_id = self._instance, self._contract_id
        return [
            CancelSymbol(instance=instance, contract_id=contract_id, reason=reason),
            FlattenSymbol(instance=instance, contract_id=contract_id, reason=reason),
        ]

    def move_stop(self, stop: Ticks, reason: str) -> MoveStop:
        """Modify the stop of the position."""
        return MoveStop(instance=self._instance, contract_id=self._contract_id, stop=stop, reason=reason)

    def note(self, code: str, detail: str) -> Note:
        """A decision that places nothing."""
        return Note(instance=self._instance, contract_id=self._contract_id, code=code, detail=detail)

    def alert(self, code: str, detail: str) -> Alert:
        """Something that the operator must know."""
        return Alert(instance=self._instance, contract_id=self._contract_id, code=code, detail=detail)

    def _key(self, scope: str, leg: str) -> str:
        return StrategyKey(self._instance.account_id, NAME, self._contract_id, scope, leg).text()
