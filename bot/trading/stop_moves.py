"""Moves of protective stops: breakeven and trailing (strategies.md §16.3).

One request per order under way, attempts at least a second apart, an alert after five failures in a row. A
price on the wrong side of the market is not sent, and a move that does not improve the stop is not one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from bot.clock import Clock
from bot.model.actions import MoveStop
from bot.model.intents import ModifyOrder
from bot.model.orders import Order
from bot.model.times import SECOND
from bot.trading.cover import passed
from bot.trading.dispatch import Dispatcher
from bot.trading.picture import Picture
from bot.trading.positions import At

APART_NS = SECOND
FAILURES = 5


class _Attempts(msgspec.Struct):
    last: int | None = None
    failed: int = 0
    alerted: bool = False
    task: asyncio.Task[None] | None = None


class StopMover:
    """The stop counts as moved when the venue shows the new price; `poll` asks for that."""

    def __init__(
        self,
        picture: Picture,
        dispatch: Dispatcher,
        clock: Clock,
        alarm: Callable[[str, At, str], None],
        poll: Callable[[int, float], None],
    ) -> None:
        self._picture = picture
        self._dispatch = dispatch
        self._clock = clock
        self._alarm = alarm
        self._poll = poll
        self._attempts: dict[int, _Attempts] = {}

    def move(self, action: MoveStop) -> str:
        """Begin to move the stop; returns why not, or nothing. The strategy asks again when it still wants to."""
        at = (action.instance.account_id, action.contract_id)
        position = self._picture.positions.get(*at)
        if position is None:
            return "no position"
        if self._picture.owner(at) != action.instance.strategy:
            return "not the instance's position"
        order = self._picture.working_stop(position)
        if order is None or order.stop is None:
            return "no working stop"
        better = action.stop - order.stop if position.net > 0 else order.stop - action.stop
        if better < 1:
            return "not an improvement"
        if passed(self._picture, position, action.stop):
            return "on the wrong side of the market"
        attempts = self._attempts.setdefault(order.id, _Attempts())
        if attempts.task is not None and not attempts.task.done():
            return "a move is under way"
        now = self._clock.mono()
        if attempts.last is not None and now - attempts.last < APART_NS:
            return "less than a second after the last attempt"
        attempts.last = now
        attempts.task = asyncio.get_running_loop().create_task(
            self._send(action, order, attempts), name=f"move stop {order.id}"
        )
        return ""

    async def stop(self) -> None:
        tasks = [one.task for one in self._attempts.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, action: MoveStop, order: Order, attempts: _Attempts) -> None:
        number = 1
        stem = f"{order.account_id}|{action.instance.strategy}|{order.id}|move"
        while f"{stem}.{number}" in self._picture.log.keys:
            number += 1
        outcome = await self._dispatch.execute(
            ModifyOrder(
                key=f"{stem}.{number}", account_id=order.account_id, contract_id=order.contract_id,
                source="strategy", strategy=action.instance.strategy, order_id=order.id, stop=action.stop,
                reason=action.reason, created=self._clock.now(),
            ),
            "safety",
        )  # fmt: skip
        if outcome.kind == "confirmed":
            attempts.failed = 0
            self._poll(order.account_id, 0.5)
            return
        attempts.failed += 1
        if attempts.failed >= FAILURES and not attempts.alerted:
            attempts.alerted = True
            at = (order.account_id, order.contract_id)
            self._alarm(
                "STOP_NOT_MOVED", at, f"{attempts.failed} failures: {outcome.message or outcome.code}"
            )
