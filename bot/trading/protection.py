"""The protection watchdog: a filled entry has its stop within two seconds, or it is closed (bot.md §8).

What to do is derived from the picture at each look, for one place (account, contract) at a time; what matters
is never kept in memory alone. Looks happen on every event, on every poll and at the next deadline. It works in
every trading state and uses the safety lane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import msgspec

from bot.clock import Clock
from bot.model.intents import Intent, Outcome
from bot.model.orders import Order, Position
from bot.model.quantities import Ticks
from bot.model.times import SECOND
from bot.trading.cover import Cover, intended_stop, left, missing_target, passed, surplus_of, targets
from bot.trading.dispatch import Dispatcher
from bot.trading.guard_intents import GuardIntents
from bot.trading.picture import Picture
from bot.trading.positions import GRACE_NS, At
from bot.trading.reader import Reader

Shield = Literal["protected", "protecting", "unprotected", "foreign", "flat"]
RETRY_S = 0.25
REPLY_S = 0.7
CONFIRM_S = 0.2
CLOSE_EVERY_S = 1.0
ORPHAN_S = 1.0
"""A leg without a position lives at most this long after its place was seen flat, then two reads decide."""
SURPLUS_S = 0.3


class Guard(msgspec.Struct):
    """What is under way at one place. Instants are venue monotonic ns."""

    since: int | None = None
    surplus_since: int | None = None
    orphan_since: int | None = None
    closing_since: int | None = None
    last_close: int | None = None
    unreported_since: int | None = None
    stop_refused: bool = False
    halted: bool = False
    told_foreign: bool = False
    task: asyncio.Task[None] | None = None


class Watchdog:
    """`wake_at` asks for a look at a monotonic instant; `poll` asks the poller for reads now."""

    def __init__(
        self,
        picture: Picture,
        reader: Reader,
        dispatch: Dispatcher,
        clock: Clock,
        alarm: Callable[[str, At, str], None],
        halt: Callable[[str, str], None],
        wake_at: Callable[[At, int], None],
        poll: Callable[[int, float], None],
    ) -> None:
        self._picture = picture
        self._reader = reader
        self._dispatch = dispatch
        self._clock = clock
        self._alarm = alarm
        self._halt = halt
        self._wake_at = wake_at
        self._intents = GuardIntents(picture, clock)
        self._poll = poll
        self._guards: dict[At, Guard] = {}
        self.longest_unprotected_ns = 0

    def evidence(self, at: At, opening: bool) -> None:
        """A fill, or a position, was heard of there: the clock of §8.3 starts if nothing covers it."""
        guard = self._guards.setdefault(at, Guard())
        if self._picture.positions.net(*at) == 0:
            # A fill without a position report: the report is fetched instead of awaited.
            if opening and guard.unreported_since is None:
                guard.unreported_since = self._clock.mono()
            self._poll(at[0], CONFIRM_S)
        elif guard.since is None and Cover.of(self._picture, at).working < self._to_cover(at):
            guard.since = self._clock.mono()

    def look(self, at: At) -> None:
        """Judge one place and start what it needs."""
        guard = self._guards.setdefault(at, Guard())
        position = self._picture.positions.get(*at)
        if position is None:
            self._flat(at, guard)
            return
        guard.unreported_since = None
        if at[1] not in self._picture.contracts:
            self._tell_foreign(at, guard, position, "in a contract that the venue does not list")
            return
        self._orphans(at, guard)
        now = self._clock.mono()
        cover = Cover.of(self._picture, at)
        size = self._to_cover(at)
        if guard.closing_since is not None:
            self._start(at, guard, self._close(at, guard))
            return
        if size == 0:
            # Exits filled all of it: the report that says so is fetched, nothing else is sent.
            self._covered(guard, now)
            self._poll(at[0], CONFIRM_S)
            return
        if cover.working >= size:
            self._covered(guard, now)
            if cover.working + cover.confirmed > size or sum(map(left, targets(self._picture, at))) > size:
                self._surplus(at, guard, now)
                return
            guard.surplus_since = None
            wanted = missing_target(self._picture, at)
            if wanted is not None:
                self._start(at, guard, self._place_target(at, position, *wanted))
            return
        guard.surplus_since = None
        if guard.since is None:
            guard.since = now
        if self._picture.owner(at) is None and self._picture.settings.foreign != "protect":
            if self._picture.settings.foreign == "alert":
                self._tell_foreign(at, guard, position, "without a stop, not the bot's")
            return
        self._uncovered(at, guard, position, cover, now - guard.since)

    def shield(self, at: At) -> Shield:
        """What stands between a position and the market."""
        position = self._picture.positions.get(*at)
        if position is None:
            return "flat"
        if Cover.of(self._picture, at).working >= self._to_cover(at):
            return "protected"
        if self._picture.owner(at) is None:
            return "foreign"
        guard = self._guards.get(at, Guard())
        age = self._clock.mono() - guard.since if guard.since is not None else 0
        return "protecting" if age < self._picture.settings.deadline_s * SECOND else "unprotected"

    def urgent(self, account_id: int) -> bool:
        """Something is uncovered, closing or surplus on the account."""
        return any(
            at[0] == account_id
            and any(x is not None for x in (guard.since, guard.closing_since, guard.surplus_since))
            and self._picture.positions.net(*at) != 0
            for at, guard in self._guards.items()
        )

    async def stop(self) -> None:
        """Cancel and await what is under way; requests that were sent stay sent."""
        tasks = [guard.task for guard in self._guards.values() if guard.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tell_foreign(self, at: At, guard: Guard, position: Position, what: str) -> None:
        if not guard.told_foreign:
            guard.told_foreign = True
            self._alarm("FOREIGN_POSITION", at, f"{position.net} lots {what}")

    def _to_cover(self, at: At) -> int:
        return self._picture.positions.to_cover(at, self._clock.mono())

    def _covered(self, guard: Guard, now: int) -> None:
        if guard.since is not None:
            self.longest_unprotected_ns = max(self.longest_unprotected_ns, now - guard.since)
        guard.since = None
        guard.stop_refused = guard.halted = False

    def _uncovered(self, at: At, guard: Guard, position: Position, cover: Cover, age: int) -> None:
        settings = self._picture.settings
        deadline = round(settings.deadline_s * SECOND)
        wait = round(settings.wait_children_s * SECOND) if cover.children_expected else 0
        since = guard.since or 0
        stop = intended_stop(self._picture, at, position)
        if age >= deadline or guard.stop_refused or passed(self._picture, position, stop):
            why = "no working stop in time" if age >= deadline else "the market is beyond the stop"
            guard.closing_since = self._clock.mono()
            self._alarm("UNPROTECTED_CLOSE", at, why)
            self._start(at, guard, self._close(at, guard))
        elif age < wait:
            self._wake_at(at, since + wait)
        elif cover.working + cover.confirmed < self._to_cover(at):
            missing = self._to_cover(at) - cover.working - cover.confirmed
            self._start(at, guard, self._place_stop(at, guard, position, stop, missing))
            self._wake_at(at, since + deadline)
        else:
            # The venue accepted a stop that no report has shown: ask until the deadline.
            self._poll(at[0], CONFIRM_S)
            self._wake_at(at, min(since + deadline, self._clock.mono() + round(RETRY_S * SECOND)))

    async def _place_stop(self, at: At, guard: Guard, position: Position, stop: Ticks, size: int) -> None:
        outcome = await self._send(self._intents.stop(at, position, stop, size))
        if outcome.kind in {"refused", "denied"}:
            guard.stop_refused = True
            self._alarm("STOP_REFUSED", at, outcome.message or str(outcome.code))
        self._poll(at[0], CONFIRM_S)

    async def _close(self, at: At, guard: Guard) -> None:
        """One close, sized by a position read that was asked after the former one."""
        now = self._clock.mono()
        if self._picture.positions.net(*at) == 0:
            return
        if guard.last_close is not None:
            pause = guard.last_close + round(CLOSE_EVERY_S * SECOND) - now
            if pause > 0:
                self._wake_at(at, now + pause)
                return
            if not guard.halted and now - (guard.closing_since or now) > round(2 * SECOND):
                guard.halted = True
                self._alarm("CLOSE_NOT_VERIFIED", at, "the position is still there after a close")
                self._halt("a protective close could not be verified", "watchdog")
            await self._reader.positions(at[0], "safety")
            if self._picture.positions.net(*at) == 0:
                return
        guard.last_close = self._clock.mono()
        await self._send(self._intents.close(at))
        self._poll(at[0], CONFIRM_S)
        self._wake_at(at, self._clock.mono() + round(CLOSE_EVERY_S * SECOND))

    def _surplus(self, at: At, guard: Guard, now: int) -> None:
        if guard.surplus_since is None:
            guard.surplus_since = now
        due = guard.surplus_since + round(SURPLUS_S * SECOND)
        if now < due:
            self._wake_at(at, due)
            self._poll(at[0], CONFIRM_S)
            return
        found = surplus_of(self._picture, at)
        if found is not None:
            self._start(at, guard, self._shrink(at, *found))
            return
        size = abs(self._picture.positions.net(*at))
        found_targets = targets(self._picture, at)
        too_much = sum(map(left, found_targets)) - size
        for order in found_targets:
            if 0 < left(order) <= too_much:
                self._start(at, guard, self._shrink(at, order, 0))
                return
        if too_much > 0:
            order = found_targets[0]
            self._start(at, guard, self._shrink_target(at, order, left(order) - too_much))

    async def _shrink(self, at: At, order: Order, size: int) -> None:
        """Cancel a stop that is too many, or make it smaller; a child that cannot change is replaced."""
        position = self._picture.positions.get(*at)
        if size == 0:
            await self._send(self._intents.cancel(at, order, "surplus"))
        elif order.parent_id is None:
            await self._send(self._intents.resize(at, order, size))
        elif position is not None and order.stop is not None:
            # The venue refuses another size for a child: the new stop works before the old one goes.
            what = f"replace.{order.id}"
            await self._send(self._intents.stop(at, position, order.stop, size, what))
        self._look_again(at)

    async def _shrink_target(self, at: At, order: Order, size: int) -> None:
        """A target larger than the position would reverse it; a child is replaced, as its size is fixed."""
        if order.parent_id is None:
            await self._send(self._intents.resize(at, order, size))
        else:
            outcome = await self._send(self._intents.cancel(at, order, "surplus"))
            position = self._picture.positions.get(*at)
            if outcome.kind == "confirmed" and position is not None and order.limit is not None:
                key = self._intents.key(at, f"target.{order.id}")
                await self._place_target(at, position, key, order.limit, size)
        self._look_again(at)

    async def _place_target(
        self, at: At, position: Position, key: str, price: Ticks, size: int | None = None
    ) -> None:
        outcome = await self._send(self._intents.target(at, position, price, key, size or position.size))
        if outcome.kind in {"refused", "denied"}:
            self._alarm("TARGET_REFUSED", at, outcome.message or str(outcome.code))

    def _look_again(self, at: At) -> None:
        self._poll(at[0], CONFIRM_S)
        self._wake_at(at, self._clock.mono() + round(CONFIRM_S * 2 * SECOND))

    def _flat(self, at: At, guard: Guard) -> None:
        if guard.since is not None:
            self.longest_unprotected_ns = max(self.longest_unprotected_ns, self._clock.mono() - guard.since)
        guard.since = guard.surplus_since = guard.closing_since = guard.last_close = None
        guard.stop_refused = guard.halted = guard.told_foreign = False
        self._orphans(at, guard)

    def _orphans(self, at: At, guard: Guard) -> None:
        """Legs that protect nothing go after a grace in which a position report may still explain them."""
        orphans = Cover.orphans(self._picture, at)
        if not orphans:
            guard.orphan_since = None
            return
        now = self._clock.mono()
        if guard.orphan_since is None:
            guard.orphan_since = now
            self._poll(at[0], CONFIRM_S)
        # The venue cancels the sibling of its own bracket; ours are nobody's task but ours.
        own = all(order.parent_id is None for order in orphans) and not self._picture.positions.net(*at)
        due = guard.orphan_since + (0 if own else round(ORPHAN_S * SECOND))
        if guard.unreported_since is not None:
            # A read may lag behind the fill that makes these legs right.
            due = max(due, guard.unreported_since + GRACE_NS)
        if now < due:
            self._wake_at(at, due)
            return
        self._start(at, guard, self._sweep(at))

    async def _sweep(self, at: At) -> None:
        """Cancel legs of ours that a fresh, complete position read does not explain."""
        await self._reader.positions(at[0], "safety")
        self._guards[at].unreported_since = None
        orphans = Cover.orphans(self._picture, at)
        outcomes = [await self._send(self._intents.cancel(at, order, "orphan")) for order in orphans]
        if any(outcome.kind == "refused" for outcome in outcomes):
            # Their end was missed: asking again and again would use up the requests that could tell of it.
            await self._reader.orders(at[0], "safety")
        self._poll(at[0], CONFIRM_S)
        self._wake_at(at, self._clock.mono() + SECOND)

    async def _send(self, intent: Intent) -> Outcome:
        """A reply that does not come must not hold up the next look: the deadline goes on."""
        return await self._dispatch.execute_within(intent, "safety", REPLY_S)

    def _start(self, at: At, guard: Guard, work: Coroutine[Any, Any, None]) -> None:
        """One piece of work per place at a time; the next look comes when it is done."""
        if guard.task is not None and not guard.task.done():
            work.close()
            return
        guard.task = asyncio.get_running_loop().create_task(self._guarded(at, work), name=f"guard {at}")

    async def _guarded(self, at: At, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as problem:
            self._alarm("WATCHDOG_ERROR", at, f"{type(problem).__name__}: {problem}")
        finally:
            self._wake_at(at, self._clock.mono() + round(RETRY_S * SECOND))
