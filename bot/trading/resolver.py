"""Unknown outcomes are looked up until they are settled; nothing is ever sent again (bot.md §7.6).

An order is looked for by its tag, after 0.25, 0.5, 1, 2, 4, 8 s and then every 15 s of venue time. Absence
proves something only after `unknown_settle` and three complete, successful queries. Cancels and modifications
are settled by reading their order anew, closes by a complete position query asked after the send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bot.clock import Clock
from bot.model.errors import BotError
from bot.model.intents import CancelOrder, ClosePosition, IntentState, ModifyOrder, PlaceOrder
from bot.model.orders import Order
from bot.model.quantities import TsNs
from bot.model.times import SECOND
from bot.trading.intake import Intake
from bot.trading.intent_log import IntentLogFailed
from bot.trading.intent_records import Entry
from bot.trading.picture import Picture
from bot.trading.positions import At
from bot.trading.reader import Reader

DELAYS_S = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
THEN_EVERY_S = 15.0
COMPLETE_QUERIES = 3
CLOSE_SETTLE_S = 2.0
"""A close call acts within milliseconds; reads of it may lag this long."""


class Resolver:
    """One task per unknown intent; `resolved` is called when one is settled."""

    def __init__(
        self,
        picture: Picture,
        reader: Reader,
        intake: Intake,
        clock: Clock,
        alarm: Callable[[str, At, str], None],
        resolved: Callable[[Entry], None],
    ) -> None:
        self._picture = picture
        self._reader = reader
        self._intake = intake
        self._clock = clock
        self._alarm = alarm
        self._resolved = resolved
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, entry: Entry) -> None:
        """Begin to look for an intent; a second call changes nothing."""
        if entry.id not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._pursue(entry), name=f"resolve {entry.id}")
            self._tasks[entry.id] = task
            task.add_done_callback(lambda _: self._tasks.pop(entry.id, None))

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    async def stop(self) -> None:
        """Cancel and await the searches; the log keeps what is open."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pursue(self, entry: Entry) -> None:
        began = self._clock.mono()
        clean = attempt = 0
        while entry.open:
            delay = DELAYS_S[attempt] if attempt < len(DELAYS_S) else THEN_EVERY_S
            attempt += 1
            await self._clock.sleep(delay)
            try:
                clean += await self._look(entry)
                self._conclude(entry, clean, (self._clock.mono() - began) / SECOND)
            except BotError:
                continue
            except Exception as problem:
                at = (entry.intent.account_id, entry.intent.contract_id)
                self._alarm("TASK_FAILED", at, f"search for {entry.id}: {type(problem).__name__}: {problem}")
        self._picture.touch()
        self._resolved(entry)

    async def _look(self, entry: Entry) -> bool:
        """Read what can show the intent; True when the answer was complete. Raises when a read failed."""
        account_id = entry.intent.account_id
        if isinstance(entry.intent, ClosePosition):
            await self._reader.positions(account_id, "safety")
            return True
        start = TsNs((entry.sent_at or entry.at) - 5 * SECOND)
        known = self._target(entry)
        if known is not None:
            start = TsNs(min(start, known.created - SECOND))
        complete = await self._reader.orders(account_id, "safety")
        await self._reader.orders_since(account_id, start, "safety")
        return complete

    def _target(self, entry: Entry) -> Order | None:
        if isinstance(entry.intent, CancelOrder | ModifyOrder):
            return self._picture.orders.get(entry.intent.order_id)
        return None

    def _conclude(self, entry: Entry, clean: int, age_s: float) -> None:
        """Settle what the last look has shown; an order found by tag has been settled by the intake."""
        intent = entry.intent
        settled = clean >= COMPLETE_QUERIES and age_s >= self._picture.settings.unknown_settle_s
        state: IntentState | None = None
        if isinstance(intent, PlaceOrder):
            found = self._picture.orders.by_tag(intent.account_id, intent.tag)
            if found is not None:
                self._intake.adopt(entry, found)
                return
            if settled:
                state = "not_accepted"
        elif isinstance(intent, CancelOrder):
            order = self._target(entry)
            if order is not None and order.terminal:
                state = "confirmed"
            elif settled:
                state = "not_accepted"
        elif isinstance(intent, ModifyOrder):
            order = self._target(entry)
            if order is not None and _shows(order, intent):
                state = "confirmed"
            elif settled or (order is not None and order.terminal):
                state = "not_accepted"
        elif clean and age_s >= CLOSE_SETTLE_S:
            flat = self._picture.positions.net(intent.account_id, intent.contract_id) == 0
            state = "confirmed" if flat else "not_accepted"
        if state is not None and entry.open:
            self._settle(entry, state)

    def _settle(self, entry: Entry, state: IntentState) -> None:
        try:
            self._picture.log.mark(entry.id, state, message="settled by looking")
        except IntentLogFailed:
            self._picture.touch()
        self._picture.sink(entry.id)
        if state != "not_accepted":
            return
        at = (entry.intent.account_id, entry.intent.contract_id)
        self._alarm("NOT_ACCEPTED", at, f"intent {entry.id} never reached the venue")
        if isinstance(entry.intent, PlaceOrder) and not entry.intent.reduce:
            self._intake.denied(entry.intent.key, "NOT_ACCEPTED")


def _shows(order: Order, intent: ModifyOrder) -> bool:
    return (
        (intent.stop is None or order.stop == intent.stop)
        and (intent.limit is None or order.limit == intent.limit)
        and (intent.size is None or order.size == intent.size)
    )
