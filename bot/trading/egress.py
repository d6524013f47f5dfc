"""The only way to `VenueRest.send`.

A request leaves when it has an approved intent, that intent's record in the log, a valid lease of the epoch
under which the intent was recorded, and was not sent before. The log says `sent` before the first byte
leaves. Requests of one account leave in the order in which they were handed in; a slow reply holds up
nothing, and a caller that stops waiting cancels nothing.
"""

from __future__ import annotations

import asyncio

from bot.model.contract import Contract
from bot.model.errors import BotError, StaleEpoch
from bot.model.intents import ApprovedIntent, Outcome, PlannedRequest, WireResponse
from bot.ports import Lane, Lease, OrderExecution, VenueRest
from bot.trading.intent_log import IntentLog, IntentLogFailed

MAX_IN_FLIGHT = 64
"""Requests of one account that may wait for their replies at the same time; the safety lane is exempt."""


class NotSendable(BotError):
    """The egress refused: nothing was sent."""

    code = "NOT_SENDABLE"


class Egress:
    """One per process; `leases` are those of the accounts this process holds."""

    def __init__(self, rest: VenueRest, log: IntentLog, execution: OrderExecution) -> None:
        self._rest = rest
        self._log = log
        self._execution = execution
        self._leases: dict[int, Lease] = {}
        self._in_flight: dict[int, set[asyncio.Task[Outcome]]] = {}

    def grant(self, lease: Lease) -> None:
        """Send for the lease's account under its epoch from now on."""
        self._leases[lease.account_id] = lease

    def lease(self, account_id: int) -> Lease:
        """Raises StaleEpoch when this process holds no valid lease of the account."""
        lease = self._leases.get(account_id)
        if lease is None or not lease.valid():
            raise StaleEpoch(
                f"lease of account {account_id}",
                expected="the newest epoch and a held lock",
                seen="none" if lease is None else f"epoch {lease.epoch}",
                do="reconcile, then take the account again",
            )
        return lease

    def submit(self, approved: ApprovedIntent, contract: Contract, lane: Lane) -> asyncio.Task[Outcome]:
        """Send once and interpret the answer. Raises NotSendable, StaleEpoch, IntentLogFailed before sending.

        The returned task is owned here; await it shielded.
        """
        if type(approved) is not ApprovedIntent:
            raise NotSendable("request", expected="an approved intent", seen=type(approved).__name__)
        intent = approved.intent
        lease = self.lease(intent.account_id)
        entry = self._log.entries.get(intent.id)
        if entry is None or entry.intent != intent:
            raise NotSendable(f"intent {intent.id}", expected="its record in the intent log", seen="none")
        if entry.epoch != lease.epoch:
            raise StaleEpoch(f"intent {intent.id}", expected=f"epoch {lease.epoch}", seen=entry.epoch)
        if entry.state != "new":
            raise NotSendable(f"intent {intent.id}", expected="never sent", seen=entry.state)
        waiting = self._in_flight.setdefault(intent.account_id, set())
        if lane != "safety" and len(waiting) >= MAX_IN_FLIGHT:
            raise NotSendable("order queue", expected=f"at most {MAX_IN_FLIGHT} in flight", seen=len(waiting))
        request = self._execution.plan(approved, contract)
        self._mark_sent(intent.id, lane)
        task = asyncio.get_running_loop().create_task(
            self._transmit(request, lane), name=f"send {intent.account_id} {intent.id}"
        )
        waiting.add(task)
        task.add_done_callback(waiting.discard)
        return task

    async def drain(self, timeout_s: float) -> None:
        """Wait for replies under way."""
        tasks = [task for tasks in self._in_flight.values() for task in tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    def _mark_sent(self, id_: str, lane: Lane) -> None:
        try:
            self._log.mark(id_, "sent")
        except IntentLogFailed:
            if lane != "safety":
                raise

    async def _transmit(self, request: PlannedRequest, lane: Lane) -> Outcome:
        response: WireResponse = await self._rest.send(request, lane)
        return self._execution.interpret(request, response)
