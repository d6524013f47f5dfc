"""From an intent to the venue and back: approve, record, send once, settle.

The result of a key is kept by the intent log: whoever repeats a key gets the first result. A reply that has
not come after a second counts as unknown already; it is still used when it comes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from bot.clock import Clock
from bot.model.codes import Code
from bot.model.errors import BotError
from bot.model.intents import (
    ApprovedIntent,
    ClosePosition,
    Denial,
    Intent,
    Outcome,
    PlaceOrder,
)
from bot.model.times import SECOND
from bot.ports import Lane, RiskGate
from bot.trading.egress import Egress
from bot.trading.intake import Intake, intent_row
from bot.trading.intent_log import IntentLog, IntentLogFailed, KeyUsed
from bot.trading.intent_records import Entry
from bot.trading.picture import Picture
from bot.trading.positions import At

SILENCE_S = 1.0
CLOSE_AGAIN_NS = 2 * SECOND
"""A second close of a place within that time is the same one; the bot's own rounds are a second apart."""
ROUND_AGAIN_NS = 9 * SECOND // 10
TAG_USED = "tag already in use"


class Dispatcher:
    """Shared by strategies, operators, watchdog and flatten."""

    def __init__(
        self,
        picture: Picture,
        gate: RiskGate,
        log: IntentLog,
        egress: Egress,
        clock: Clock,
        keep: Callable[[str, Any], None],
    ) -> None:
        self._picture = picture
        self._gate = gate
        self._log = log
        self._egress = egress
        self._clock = clock
        self._keep = keep
        self._running: dict[str, asyncio.Task[Outcome]] = {}
        self._closes: dict[At, tuple[int, Entry]] = {}
        self.intake: Intake
        self.on_unknown: Callable[[Entry], None]
        self.on_sent: Callable[[Intent], None]
        self.flattening: Callable[[Intent], bool] = lambda _: False

    def approve(self, intent: Intent) -> ApprovedIntent | Denial:
        """All checks of the gate; entries also wait while a flatten of their scope is under way."""
        if isinstance(intent, PlaceOrder) and not intent.reduce and self.flattening(intent):
            return Denial(Code.REDUCING, "a flatten of this scope is under way")
        if isinstance(intent, PlaceOrder) and self.unanswered(intent):
            return Denial(Code.UNRESOLVED_INTENT, "the last order of this side has no answer yet")
        if isinstance(intent, ClosePosition) and self._closing(intent):
            return Denial(Code.DUPLICATE_INTENT, "a close of this position was sent just now")
        return self._gate.approve(intent, self._picture.view(), self._clock.now())

    def unanswered(self, intent: PlaceOrder) -> bool:
        """An entry of the same account, contract and side was sent and nothing was heard of it."""
        return not intent.reduce and any(
            entry.state == "sent"
            and isinstance(entry.intent, PlaceOrder)
            and not entry.intent.reduce
            and entry.intent.account_id == intent.account_id
            and entry.intent.contract_id == intent.contract_id
            and entry.intent.side == intent.side
            and entry.intent.key != intent.key
            for entry in self._log.open_entries()
        )

    def _closing(self, intent: ClosePosition) -> bool:
        """A close carries no tag at the venue: two at once, of a flatten, the watchdog, a hand, could both act."""
        sent = self._closes.get((intent.account_id, intent.contract_id))
        if sent is None or sent[1].state in ("rejected", "denied", "not_accepted"):
            return False
        pause = ROUND_AGAIN_NS if intent.source == "guard" else CLOSE_AGAIN_NS
        return self._clock.mono() - sent[0] < pause

    async def execute(self, intent: Intent, lane: Lane) -> Outcome:
        """Approve, send and wait. A repeated key returns the first result, also while it is under way."""
        first = self._log.by_key(intent.key)
        if first is not None:
            return await self.result(first)
        answer = self.approve(intent)
        if isinstance(answer, Denial):
            return Outcome("denied", intent.id, code=answer.code, message=answer.detail)
        return await self.wait(self.send(answer, lane))

    async def execute_within(self, intent: Intent, lane: Lane, seconds: float) -> Outcome:
        """The same, waiting for so many seconds of venue time at most; a slower outcome is `unknown` here.

        The request goes on, and so does its settling.
        """
        work = asyncio.ensure_future(self.execute(intent, lane))
        patience = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait((work, patience), return_when=asyncio.FIRST_COMPLETED)
        finally:
            patience.cancel()
            if not work.done():
                work.cancel()
        return work.result() if work.done() else Outcome("unknown", intent.id, message="no reply yet")

    def send(self, approved: ApprovedIntent, lane: Lane) -> asyncio.Task[Outcome] | Outcome:
        """Record and transmit at once; a denial when it cannot be recorded or the lease is not valid."""
        intent = approved.intent
        contract = self._picture.contracts.get(intent.contract_id)
        if contract is None:
            return Outcome("denied", intent.id, code=Code.UNKNOWN_SYMBOL, message=intent.contract_id)
        try:
            epoch = self._egress.lease(intent.account_id).epoch
            try:
                entry = self._log.record(intent, epoch)
            except IntentLogFailed:
                self._picture.touch()
                if lane != "safety":
                    raise
                entry = self._log.remember(intent, epoch)
            sending = self._egress.submit(approved, contract, lane)
        except KeyUsed as problem:
            return Outcome("denied", intent.id, code=Code.DUPLICATE_INTENT, message=str(problem))
        except BotError as problem:
            return self._stillborn(intent, problem)
        if isinstance(intent, ClosePosition):
            self._closes[intent.account_id, intent.contract_id] = self._clock.mono(), entry
        self._picture.float_entry(entry)
        self._keep("put_intent", intent_row(entry))
        self.on_sent(intent)
        task = asyncio.get_running_loop().create_task(
            self._follow(entry, sending), name=f"follow {intent.account_id} {intent.id}"
        )
        self._running[entry.id] = task
        task.add_done_callback(lambda _: self._running.pop(entry.id, None))
        return task

    async def wait(self, sent: asyncio.Task[Outcome] | Outcome) -> Outcome:
        """The outcome; the caller may give up without cancelling anything."""
        return sent if isinstance(sent, Outcome) else await asyncio.shield(sent)

    async def result(self, entry: Entry) -> Outcome:
        """What became of an intent that exists."""
        running = self._running.get(entry.id)
        if running is not None:
            return await asyncio.shield(running)
        return outcome_of(entry)

    def _stillborn(self, intent: Intent, problem: BotError) -> Outcome:
        code = Code(problem.code) if problem.code in Code.__members__ else Code.STORE_UNAVAILABLE
        entry = self._log.entries.get(intent.id)
        if entry is not None and entry.state in {"new", "sent"}:
            self._mark(entry, "denied", code=code, message=str(problem))
        return Outcome("denied", intent.id, code=code, message=str(problem))

    async def _follow(self, entry: Entry, sending: asyncio.Task[Outcome]) -> Outcome:
        patience = asyncio.get_running_loop().create_task(self._lose_patience(entry))
        try:
            outcome = await sending
        except Exception as problem:  # nothing after "sent" may look like "not sent"
            outcome = Outcome("unknown", entry.id, message=f"{type(problem).__name__}: {problem}")
        finally:
            patience.cancel()
        self._settle(entry, outcome)
        return outcome

    async def _lose_patience(self, entry: Entry) -> None:
        await self._clock.host_sleep(SILENCE_S)
        if entry.state == "sent":
            self._mark(entry, "unknown", message="no reply yet")
            self.on_unknown(entry)

    def _settle(self, entry: Entry, outcome: Outcome) -> None:
        place = isinstance(entry.intent, PlaceOrder)
        if not entry.open:
            # An event was faster than the reply; the reply adds the order's id at most.
            if entry.order_id is None and outcome.order_id is not None:
                self._mark(entry, entry.state, order_id=outcome.order_id)
        elif outcome.kind == "confirmed":
            self._mark(entry, "pending" if place else "confirmed", order_id=outcome.order_id)
        elif outcome.kind == "unknown" or (place and TAG_USED in outcome.message.lower()):
            if entry.state != "unknown":
                self._mark(entry, "unknown", message=outcome.message)
            self.on_unknown(entry)
        else:
            state = "rejected" if outcome.kind == "refused" else "denied"
            code = outcome.code or ("REFUSED" if outcome.kind == "refused" else Code.LOCALLY_RATE_LIMITED)
            self._picture.sink(entry.id)
            self._mark(entry, state, order_id=outcome.order_id, code=code, message=outcome.message)
            if place and not self._is_exit(entry):
                self.intake.denied(entry.intent.key, code)
        self._keep("put_intent", intent_row(entry))

    @staticmethod
    def _is_exit(entry: Entry) -> bool:
        return isinstance(entry.intent, PlaceOrder) and entry.intent.reduce

    def _mark(self, entry: Entry, state: Any, **more: Any) -> None:
        # On a failure the state in memory has moved; entries are denied until the log can be written.
        with contextlib.suppress(IntentLogFailed):
            self._log.mark(entry.id, state, **more)
        self._picture.touch()


def outcome_of(entry: Entry) -> Outcome:
    """The stored result of an intent as an outcome."""
    if entry.open:
        return Outcome("unknown", entry.id, order_id=entry.order_id, message=entry.message)
    if entry.state == "denied":
        code = Code(entry.code) if entry.code in Code.__members__ else None
        return Outcome("denied", entry.id, code=code, message=entry.message)
    if entry.state in {"rejected", "not_accepted"}:
        return Outcome("refused", entry.id, order_id=entry.order_id, message=entry.message or entry.state)
    return Outcome("confirmed", entry.id, order_id=entry.order_id)
