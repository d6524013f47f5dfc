"""The third route to a fill: polls of positions, trades and orders (bot.md §8.2).

Every 2 s for 30 s after an entry was sent, while a bot entry rests (positions only), or while the user hub is
degraded; every 10 s with any other working order or position; at once when the watchdog asks. Never two polls
of one account at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bot.clock import Clock
from bot.model.errors import BotError
from bot.model.times import SECOND
from bot.ports import Lane
from bot.trading.picture import Picture
from bot.trading.reader import Reader
from bot.trading.wakeups import Wakeups

HOT_S = 2.0
WARM_S = 10.0
AFTER_ENTRY_S = 30.0


class Poller:
    """`urgent` says whether the watchdog has something open on the account; `polled` runs after each poll."""

    def __init__(
        self,
        picture: Picture,
        reader: Reader,
        clock: Clock,
        wakeups: Wakeups,
        urgent: Callable[[int], bool],
        polled: Callable[[int], None],
        failed: Callable[[str, BaseException], None],
    ) -> None:
        self._picture = picture
        self._reader = reader
        self._clock = clock
        self._wakeups = wakeups
        self._urgent = urgent
        self._polled = polled
        self._failed = failed
        self._entry_sent: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._again: set[int] = set()
        self.failures = 0

    def entry_sent(self, account_id: int) -> None:
        """An entry left just now."""
        self._entry_sent[account_id] = self._clock.mono()
        self.schedule(account_id)

    def soon(self, account_id: int, seconds: float) -> None:
        """Poll within `seconds`."""
        due = self._clock.mono() + round(seconds * SECOND)
        self._wakeups.at(("poll", account_id), due, lambda: self._poll(account_id))

    def schedule(self, account_id: int) -> None:
        """See to the next regular poll."""
        pause = self.cadence_s(account_id)
        if pause is not None:
            last = self._last.get(account_id, self._clock.mono())
            due = last + round(pause * SECOND)
            self._wakeups.at(("poll", account_id), due, lambda: self._poll(account_id))

    def cadence_s(self, account_id: int) -> float | None:
        """Seconds between polls now, None when the reconciliation is enough."""
        working = self._picture.orders.working(account_id)
        exposed = bool(
            working or self._picture.floating(account_id) or self._picture.positions.open(account_id)
        )
        recent = self._clock.mono() - self._entry_sent.get(account_id, -(1 << 62))
        if recent < AFTER_ENTRY_S * SECOND or self._resting(account_id):
            return HOT_S
        if exposed and not self._picture.hub_up:
            return HOT_S
        if self._urgent(account_id):
            return HOT_S
        return WARM_S if exposed else None

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _resting(self, account_id: int) -> bool:
        orders = self._picture.orders
        return any(orders.is_entry(order) for order in orders.working(account_id)) or any(
            orders.is_entry(order) for order in self._picture.floating(account_id)
        )

    def _poll(self, account_id: int) -> None:
        if account_id in self._tasks:
            self._again.add(account_id)
            return
        task = asyncio.get_running_loop().create_task(self._read(account_id), name=f"poll {account_id}")
        self._tasks[account_id] = task
        task.add_done_callback(lambda _: self._done(account_id))

    async def _read(self, account_id: int) -> None:
        lane: Lane = "safety" if self._urgent(account_id) else "read"
        only_resting = self._resting(account_id) and not self._urgent(account_id)
        recent = self._clock.mono() - self._entry_sent.get(account_id, -(1 << 62))
        reads = [self._reader.positions(account_id, lane)]
        if not only_resting or recent < AFTER_ENTRY_S * SECOND or not self._picture.hub_up:
            reads.append(self._reader.fills(account_id, lane))
        answers: list[object] = list(await asyncio.gather(*reads, return_exceptions=True))
        picture = self._picture
        # An order that was accepted and never shown is asked for as well: its event may be lost.
        unseen = picture.floating(account_id)
        if unseen or self._urgent(account_id) or picture.positions.open(account_id) or not picture.hub_up:
            answers += await asyncio.gather(self._reader.orders(account_id, lane), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BotError):
                self.failures += 1
            elif isinstance(answer, BaseException):
                raise answer

    def _done(self, account_id: int) -> None:
        task = self._tasks.pop(account_id)
        if task.cancelled():
            return
        if (problem := task.exception()) is not None:
            self._failed(f"poll of {account_id}", problem)
        self._last[account_id] = self._clock.mono()
        self._polled(account_id)
        if account_id in self._again:
            self._again.discard(account_id)
            self.soon(account_id, 0.1)
        self.schedule(account_id)
