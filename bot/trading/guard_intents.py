"""The intents of the watchdog: keys that a restart goes on counting, and orders that only reduce."""

from __future__ import annotations

from bot.clock import Clock
from bot.model.intents import CancelOrder, ClosePosition, ModifyOrder, PlaceOrder
from bot.model.orders import Order, OrderType, Position
from bot.model.quantities import Ticks
from bot.trading.picture import Picture
from bot.trading.positions import At


class GuardIntents:
    """Keys follow from the place, its position and what is in the log already; none is used twice."""

    def __init__(self, picture: Picture, clock: Clock) -> None:
        self._picture = picture
        self._clock = clock

    def stop(self, at: At, position: Position, price: Ticks, size: int, what: str = "stop") -> PlaceOrder:
        """A stop order against the position."""
        return PlaceOrder(
            key=self.key(at, what), account_id=at[0], contract_id=at[1], source="guard",
            strategy=self._strategy(at), kind="SL", side=_against(position), type=OrderType.STOP, size=size,
            stop=price, reduce=True, reason="protect", created=self._clock.now(),
        )  # fmt: skip

    def target(self, at: At, position: Position, price: Ticks, key: str, size: int) -> PlaceOrder:
        """A limit order against the position."""
        return PlaceOrder(
            key=key, account_id=at[0], contract_id=at[1], source="guard", strategy=self._strategy(at),
            kind="TP", side=_against(position), type=OrderType.LIMIT, size=size, limit=price,
            reduce=True, reason="target", created=self._clock.now(),
        )  # fmt: skip

    def close(self, at: At) -> ClosePosition:
        """The whole position at market."""
        return ClosePosition(
            key=self.key(at, "close"), account_id=at[0], contract_id=at[1], source="guard",
            strategy=self._strategy(at), reason="unprotected", created=self._clock.now(),
        )  # fmt: skip

    def cancel(self, at: At, order: Order, what: str) -> CancelOrder:
        return CancelOrder(
            key=self.key(at, f"{what}.{order.id}"), account_id=at[0], contract_id=at[1], source="guard",
            order_id=order.id, reason=what, created=self._clock.now(),
        )  # fmt: skip

    def resize(self, at: At, order: Order, size: int) -> ModifyOrder:
        return ModifyOrder(
            key=self.key(at, f"resize.{order.id}"), account_id=at[0], contract_id=at[1], source="guard",
            order_id=order.id, size=size, reason="resize", created=self._clock.now(),
        )  # fmt: skip

    def key(self, at: At, what: str) -> str:
        """The next unused key for `what` at this place."""
        position = self._picture.positions.get(*at)
        scope = f"{position.id}@{position.created}" if position is not None else "flat"
        stem = f"{at[0]}|guard|{at[1]}|{scope}|{what}"
        number = 1
        while f"{stem}.{number}" in self._picture.log.keys:
            number += 1
        return f"{stem}.{number}"

    def _strategy(self, at: At) -> str:
        return self._picture.owner(at) or "guard"


def _against(position: Position) -> int:
    return 1 if position.net > 0 else 0
