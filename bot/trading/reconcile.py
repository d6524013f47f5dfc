"""Reconciliation: the venue's answer beside our picture, with a colour per account (bot.md §9.3).

Runs at start, after a reconnect, a gap, an overflow and every unknown, every 15 s with exposure, else every
ten minutes. Corrections change our picture, never the account. Green = equal; amber = differing within limits
or something is unresolved; red = a read failed. Five red rounds in a row halt the account.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from bot.clock import Clock
from bot.model.errors import BotError
from bot.model.risk import Colour
from bot.model.times import SECOND
from bot.ports import Lane
from bot.trading.intake import Intake
from bot.trading.picture import Picture
from bot.trading.reader import Reader
from bot.trading.wakeups import Wakeups

EXPOSED_S = 15.0
QUIET_S = 600.0
FAILED_ROUNDS = 5


class Round(msgspec.Struct, frozen=True):
    """One reconciliation's result."""

    account_id: int
    why: str
    colour: Colour
    reason: str
    differences: tuple[str, ...] = ()


class Reconciler:
    """`done` hears of each round; `halt` is called with account and reason after five failed ones."""

    def __init__(
        self,
        picture: Picture,
        reader: Reader,
        intake: Intake,
        clock: Clock,
        wakeups: Wakeups,
        halt: Callable[[int, str], None],
        done: Callable[[Round], None],
        keep: Callable[[str, Any], None],
        failed: Callable[[str, BaseException], None],
    ) -> None:
        self._picture = picture
        self._reader = reader
        self._intake = intake
        self._clock = clock
        self._wakeups = wakeups
        self._halt = halt
        self._done = done
        self._keep = keep
        self._failed = failed
        self._tasks: dict[int, asyncio.Task[Round]] = {}
        self._again: dict[int, str] = {}
        self._sweeps = 0

    def doubt(self, account_id: int, why: str) -> None:
        """Something was missed: not green until a round says so, and that round starts now."""
        state = self._picture.accounts.get(account_id)
        if state is None:
            return
        if state.colour == "green":
            state.colour, state.reason = "amber", why
            self._picture.touch()
        if account_id in self._tasks:
            self._again[account_id] = why
        else:
            self._start(account_id, why)

    async def run(self, account_id: int, why: str, lane: Lane = "read") -> Round:
        """One round, waited for; joins the one under way."""
        running = self._tasks.get(account_id) or self._start(account_id, why, lane)
        return await asyncio.shield(running)

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, account_id: int, why: str, lane: Lane = "read") -> asyncio.Task[Round]:
        task = asyncio.get_running_loop().create_task(
            self._round(account_id, why, lane), name=f"reconcile {account_id}"
        )
        self._tasks[account_id] = task
        task.add_done_callback(lambda _: self._after(account_id))
        return task

    async def _round(self, account_id: int, why: str, lane: Lane) -> Round:
        first = why == "start"
        before = self._fingerprint(account_id)
        reads = [
            self._reader.accounts(lane),
            self._reader.orders(account_id, lane),
            self._reader.positions(account_id, lane),
            self._reader.fills(account_id, lane),
            self._reader.orders_since(account_id, self._reader.first(account_id), lane)
            if first or self._again or self._picture.unresolved(account_id) or why != "regular"
            else _nothing(),
        ]
        answers = await asyncio.gather(*reads, return_exceptions=True)
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        for problem in failed:
            if not isinstance(problem, BotError):
                raise problem
        known = not any(isinstance(answer, BaseException) for answer in (*answers[1:3], answers[4]))
        complete = answers[1] is True
        return self._judge(account_id, why, failed, known=known, complete=complete, before=before)

    def _judge(
        self,
        account_id: int,
        why: str,
        failed: list[BaseException],
        *,
        known: bool,
        complete: bool,
        before: tuple[Any, ...],
    ) -> Round:
        colour: Colour = "green"
        reason = ""
        disputed = self._picture.positions.disputed(account_id, self._clock.mono())
        if failed:
            colour, reason = "red", str(failed[0])
        elif not complete:
            colour, reason = "amber", "suspended orders could not be asked for"
        elif disputed:
            colour, reason = "amber", f"events and reads differ in {disputed[0][1]}"
        elif self._picture.unresolved(account_id):
            colour, reason = "amber", "an intent is unresolved"
        elif account_id in self._again:
            colour, reason = "amber", self._again[account_id]
        # What an open question may still place or remove is not known to a strategy either.
        known = known and not self._picture.unresolved(account_id)
        differences = () if before == self._fingerprint(account_id) else (f"picture changed by {why}",)
        state = self._picture.accounts.get(account_id)
        if state is not None:
            state.failed_rounds = state.failed_rounds + 1 if failed else 0
            state.colour, state.reason = colour, reason
            state.last_round = self._clock.mono()
            state.known = known
            if state.failed_rounds and state.failed_rounds % FAILED_ROUNDS == 0:
                self._halt(account_id, f"{state.failed_rounds} reconciliations failed: {reason}")
        self._picture.touch()
        self._intake.known(account_id, known)
        return Round(account_id, why, colour, reason, differences)

    def _after(self, account_id: int) -> None:
        task = self._tasks.pop(account_id)
        if task.cancelled():
            return
        problem = task.exception()
        if problem is not None:
            self._failed(f"reconciliation of {account_id}", problem)
            result = self._judge(account_id, "failure", [problem], known=False, complete=False, before=())
        else:
            result = task.result()
        if result.differences or result.colour != "green":
            self._keep("add_reconciliation", (account_id, result.colour, list(result.differences), []))
        self._done(result)
        why = self._again.pop(account_id, None)
        if why is not None:
            self._start(account_id, why)
            return
        self._schedule(account_id, result.colour)

    def _schedule(self, account_id: int, colour: Colour) -> None:
        picture = self._picture
        exposed = (
            picture.orders.working(account_id)
            or picture.floating(account_id)
            or picture.positions.open(account_id)
        )
        pause = EXPOSED_S if exposed or colour != "green" else QUIET_S
        # The accounts of one user take turns: a tenth of a second apart.
        turn = 0.1 * self._picture.accounts.ids().index(account_id)
        due = self._clock.mono() + round((pause + turn) * SECOND)
        self._wakeups.at(("reconcile", account_id), due, lambda: self._regular(account_id))

    def exposed(self, account_id: int) -> None:
        """Exposure began: the next regular round comes within 15 s."""
        due = self._clock.mono() + round(EXPOSED_S * SECOND)
        self._wakeups.at(("reconcile", account_id), due, lambda: self._regular(account_id))

    def _regular(self, account_id: int) -> None:
        if account_id not in self._tasks:
            self._start(account_id, "regular", "background")

    def _fingerprint(self, account_id: int) -> tuple[Any, ...]:
        return (
            tuple(self._picture.orders.working(account_id)),
            tuple(position.net for position in self._picture.positions.open(account_id)),
        )


async def _nothing() -> None:
    return None
