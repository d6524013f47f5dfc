"""Before the process ends: no entry of ours waits for a watchdog that is gone, no position is left naked (bot.md §2.4)."""

from __future__ import annotations

from collections.abc import Callable, Collection

from bot.clock import Clock
from bot.model.errors import BotError
from bot.model.times import SECOND
from bot.trading.picture import Picture
from bot.trading.positions import At
from bot.trading.protection import Shield
from bot.trading.reader import Reader

LOOK_S = 0.02


class Departure:
    """Waits and asks; what is to be done, watchdog and strategies do meanwhile."""

    def __init__(
        self, picture: Picture, reader: Reader, clock: Clock, shield: Callable[[int, str], Shield],
        alarm: Callable[[str, At, str], None],
    ) -> None:  # fmt: skip
        self._picture, self._reader, self._clock = picture, reader, clock
        self._shield, self._alarm = shield, alarm

    async def run(self, account_id: int, strategies: Collection[str], timeout_s: float) -> list[str]:
        """Wait until the entries of these strategies are gone, then ask the venue whether every position of the
        bot has its stop. Returns what is not as it should be after `timeout_s` of host time, alarmed already.
        """
        deadline = self._clock.host_mono() + round(timeout_s * SECOND)
        sure, left = False, self._left(account_id, strategies)
        while (left or not sure) and self._clock.host_mono() < deadline:
            sure = not left and await self._asked(account_id)
            await self._clock.host_sleep(LOOK_S)
            left = self._left(account_id, strategies)
        if not sure:
            left.append("the venue did not confirm it")
        for what in left:
            self._alarm("UNPROTECTED_AT_EXIT", (account_id, ""), what)
        return left

    async def _asked(self, account_id: int) -> bool:
        try:
            complete = await self._reader.orders(account_id, "safety")
            await self._reader.positions(account_id, "safety")
        except BotError:
            return False
        return complete

    def _left(self, account_id: int, strategies: Collection[str]) -> list[str]:
        orders, positions = self._picture.orders, self._picture.positions
        entries = [
            order for order in [*orders.working(account_id), *self._picture.floating(account_id)]
            if orders.is_entry(order) and orders.strategy(order) in strategies
        ]  # fmt: skip
        naked = [
            position.contract_id for position in positions.open(account_id)
            if self._shield(account_id, position.contract_id) not in ("protected", "foreign")
        ]  # fmt: skip
        return [f"entry {order.tag} still works" for order in entries] + [
            f"position in {contract_id} without a full stop" for contract_id in naked
        ]
