"""Flatten: entries cancelled, positions closed, legs cancelled, and all of it verified (bot.md §7.10).

Rounds of at least a second, ten of them, then an alarm that repeats while it keeps trying. It runs also when no
position is reported, and a failed read means "not verified", never "flat".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from bot.clock import Clock
from bot.model.errors import BotError
from bot.model.intents import CancelOrder, ClosePosition, Intent
from bot.model.orders import Order, Position
from bot.model.times import MILLISECOND, SECOND
from bot.trading.dispatch import Dispatcher
from bot.trading.picture import Picture
from bot.trading.positions import At
from bot.trading.reader import Reader

ROUND_S = 1.0
REPLY_S = 2.0
"""A round does not wait longer for one reply; the next read shows what became of it."""


class FlattenResult(msgspec.Struct):
    """The answer of `flatten`; ids are the venue's."""

    scope: str
    verified: bool = False
    attempts: int = 0
    cancelled: list[int] = []
    closed: list[str] = []
    remaining_orders: list[int] = []
    remaining_positions: list[str] = []
    errors: list[str] = []
    duration_ms: int = 0


class Flattener:
    """`alarm` is told when ten rounds were not enough and with each ten more."""

    def __init__(
        self,
        picture: Picture,
        reader: Reader,
        dispatch: Dispatcher,
        clock: Clock,
        alarm: Callable[[str, At, str], None],
    ) -> None:
        self._picture = picture
        self._reader = reader
        self._dispatch = dispatch
        self._clock = clock
        self._alarm = alarm
        self._scopes: list[tuple[int, str | None, str | None]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def covers(self, intent: Intent) -> bool:
        """True while a flatten of the intent's scope is under way."""
        return any(
            account == intent.account_id
            and contract in (None, intent.contract_id)
            and only in (None, intent.strategy)
            for account, contract, only in self._scopes
        )

    async def run(
        self,
        account_id: int,
        contract_id: str | None = None,
        reason: str = "flatten",
        only: str | None = None,
    ) -> FlattenResult:
        """Ten rounds at most; when they were not enough it goes on behind the answer.

        `only` limits the orders to those of one strategy; without it foreign ones go too.
        """
        result = FlattenResult(f"{account_id}/{contract_id or 'all'}")
        began = self._clock.mono()
        scope = (account_id, contract_id, only)
        self._scopes.append(scope)
        rounds = self._picture.settings.flatten_rounds
        try:
            await self._rounds(result, scope, reason, rounds)
        finally:
            self._scopes.remove(scope)
        result.duration_ms = (self._clock.mono() - began) // MILLISECOND
        if not result.verified:
            self._alarm(
                "FLATTEN_NOT_VERIFIED", (account_id, contract_id or ""), "; ".join(result.errors[-3:])
            )
            task = asyncio.get_running_loop().create_task(self._persist(scope, reason))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return result

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _persist(self, scope: tuple[int, str | None, str | None], reason: str) -> None:
        self._scopes.append(scope)
        try:
            while True:
                result = FlattenResult("again")
                await self._rounds(result, scope, reason, self._picture.settings.flatten_rounds)
                if result.verified:
                    self._alarm("FLATTEN_VERIFIED", (scope[0], scope[1] or ""), "flat at last")
                    return
                self._alarm("FLATTEN_NOT_VERIFIED", (scope[0], scope[1] or ""), "; ".join(result.errors[-3:]))
        finally:
            self._scopes.remove(scope)

    async def _rounds(
        self, result: FlattenResult, scope: tuple[int, str | None, str | None], reason: str, rounds: int
    ) -> None:
        for _ in range(rounds):
            began = self._clock.mono()
            result.attempts += 1
            result.verified = await self._round(result, scope, reason)
            if result.verified:
                return
            await self._clock.sleep(max(0.0, ROUND_S - (self._clock.mono() - began) / SECOND))

    async def _round(
        self, result: FlattenResult, scope: tuple[int, str | None, str | None], reason: str
    ) -> bool:
        await self._read(result, scope[0])
        entries = [order for order in self._orders(scope) if not self._picture.orders.is_leg(order)]
        await self._cancel(result, entries, reason)
        for position in self._positions(scope):
            await self._close(result, position, reason)
        await self._clock.sleep(0.05)
        await self._read(result, scope[0])
        open_places = {position.contract_id for position in self._positions(scope)}
        legs = [order for order in self._orders(scope) if order.contract_id not in open_places]
        await self._cancel(result, legs, reason)
        if legs:
            await self._clock.sleep(0.05)
        sure = await self._read(result, scope[0])
        result.remaining_orders = [order.id for order in self._orders(scope)]
        result.remaining_positions = [position.contract_id for position in self._positions(scope)]
        return sure and not result.remaining_orders and not result.remaining_positions

    async def _read(self, result: FlattenResult, account_id: int) -> bool:
        """True when both queries succeeded and the orders are complete."""
        complete = True
        try:
            complete = await self._reader.orders(account_id, "safety")
            await self._reader.positions(account_id, "safety")
        except BotError as problem:
            result.errors.append(str(problem))
            return False
        return complete

    async def _cancel(self, result: FlattenResult, orders: Iterable[Order], reason: str) -> None:
        for order in orders:
            if order.status == 8 and order.parent_id is not None:
                continue  # a suspended child ends with its parent
            outcome = await self._dispatch.execute_within(
                CancelOrder(
                    key=self._key(order.account_id, f"cancel.{order.id}"), account_id=order.account_id,
                    contract_id=order.contract_id, source="guard", order_id=order.id, reason=reason,
                    created=self._clock.now(),
                ),
                "safety",
                REPLY_S,
            )  # fmt: skip
            if outcome.kind == "confirmed":
                result.cancelled.append(order.id)
            else:
                result.errors.append(f"cancel {order.id}: {outcome.message or outcome.code}")

    async def _close(self, result: FlattenResult, position: Position, reason: str) -> None:
        place = f"{position.contract_id}.{position.id}@{position.created}"
        outcome = await self._dispatch.execute_within(
            ClosePosition(
                key=self._key(position.account_id, f"close.{place}"), account_id=position.account_id,
                contract_id=position.contract_id, source="guard", reason=reason, created=self._clock.now(),
            ),
            "safety",
            REPLY_S,
        )  # fmt: skip
        if outcome.kind == "confirmed":
            result.closed.append(position.contract_id)
        else:
            result.errors.append(f"close {position.contract_id}: {outcome.message or outcome.code}")

    def _key(self, account_id: int, what: str) -> str:
        number = 1
        while f"{account_id}|flatten|{what}.{number}" in self._picture.log.keys:
            number += 1
        return f"{account_id}|flatten|{what}.{number}"

    def _orders(self, scope: tuple[int, str | None, str | None]) -> list[Order]:
        account_id, contract_id, only = scope
        return [
            order
            for order in self._picture.orders.working(account_id, contract_id)
            if only in (None, self._picture.orders.strategy(order))
        ]

    def _positions(self, scope: tuple[int, str | None, str | None]) -> list[Position]:
        return [
            position
            for position in self._picture.positions.open(scope[0])
            if scope[1] in (None, position.contract_id)
        ]
