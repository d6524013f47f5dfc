"""The desk: what the application and the strategies see of trading, per process.

It wires picture, intake, dispatcher, resolver, watchdog, reconciliation, flatten and trading state, takes the
hub's events and the engine's actions, and hands out the RiskView.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.clock import Clock
from bot.model.actions import Action, Instance
from bot.model.contract import Contract
from bot.model.errors import StoreConflict, StoreUnavailable
from bot.model.events import (
    AccountChanged,
    FillReported,
    Hub,
    OrderChanged,
    PositionChanged,
    QuoteChanged,
    StreamEvent,
    Undecodable,
)
from bot.model.intents import Intent, Outcome, PlaceOrder
from bot.model.orders import Account
from bot.model.risk import Colour, RiskView, RuleFigures, TradingState
from bot.model.times import SECOND
from bot.ports import Lane, Lease, OrderExecution, RiskGate, Store, VenueRest
from bot.trading.actions import Actor
from bot.trading.departure import Departure
from bot.trading.dispatch import Dispatcher
from bot.trading.egress import Egress
from bot.trading.flatten import Flattener, FlattenResult
from bot.trading.halt import GLOBAL, HaltBoard
from bot.trading.intake import DeskListener, Intake
from bot.trading.intent_log import IntentLog, IntentLogFailed
from bot.trading.intent_records import Entry
from bot.trading.notices import MAX_NOTICES, Notice, Outbox, level_of
from bot.trading.orders import OrderBook
from bot.trading.picture import Picture
from bot.trading.polls import Poller
from bot.trading.positions import At
from bot.trading.protection import Shield, Watchdog
from bot.trading.reader import Reader
from bot.trading.reconcile import Reconciler, Round
from bot.trading.resolver import Resolver
from bot.trading.settings import TradingSettings
from bot.trading.shields import ShieldRows
from bot.trading.stop_moves import StopMover
from bot.trading.wakeups import Wakeups

__all__ = ["Desk", "Notice"]

GAP_NS = 5 * SECOND
SKEW_TOLD_NS = 2 * SECOND


class Desk:
    """Make it, `start` it, feed it, `stop` it. Everything runs on one event loop."""

    def __init__(
        self,
        *,
        rest: VenueRest,
        gate: RiskGate,
        execution: OrderExecution,
        log: IntentLog,
        clock: Clock,
        contracts: Mapping[str, Contract],
        risk_day: Callable[[int], object],
        settings: TradingSettings | None = None,
        store: Store | None = None,
        outbox: Outbox | None = None,
        listener: DeskListener | None = None,
        halt_file: Path | None = None,
        on_notice: Callable[[Notice], None] | None = None,
        on_round: Callable[[Round], None] | None = None,
    ) -> None:
        self.settings = settings or TradingSettings()
        self.clock = clock
        self.log = log
        self.notices: deque[Notice] = deque(maxlen=MAX_NOTICES)
        self._on_notice, self._on_round = on_notice, on_round
        self._ended = False
        self._repairing = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._drift: int | None = None
        self._looked: int | None = None
        self.halts = HaltBoard(log, store, halt_file)
        self._outbox = outbox
        self.picture = Picture(
            log, OrderBook(execution), clock, self.settings, contracts, risk_day, self.halts.effective
        )
        self._rest = rest
        self.egress = Egress(rest, log, execution)
        self._wakeups = Wakeups(clock, self._failed)
        self.dispatch = Dispatcher(self.picture, gate, log, self.egress, clock, self._keep)
        self.actor = Actor(self.picture, gate, self.dispatch, clock, self.notice, self._note)
        self.intake = Intake(
            self.picture, listener, self.actor.act_all, self._look, self._evidence, self._keep,
            self.notice, self._settled,
        )  # fmt: skip
        self.reader = Reader(rest, self.picture, self.intake, clock)
        self.resolver = Resolver(self.picture, self.reader, self.intake, clock, self.notice, self._resolved)
        self.watchdog = Watchdog(
            self.picture, self.reader, self.dispatch, clock, self.notice, self._halt_all, self._wake_at,
            self._poll_soon,
        )  # fmt: skip
        self._shields = ShieldRows(self.picture, self.watchdog, self._keep)
        self.poller = Poller(
            self.picture, self.reader, clock, self._wakeups, self.watchdog.urgent, self._look_account,
            self._failed,
        )  # fmt: skip
        self.reconciler = Reconciler(
            self.picture, self.reader, self.intake, clock, self._wakeups, self._halt_account,
            self._reconciled, self._keep, self._failed,
        )  # fmt: skip
        self.flattener = Flattener(self.picture, self.reader, self.dispatch, clock, self.notice)
        self.mover = StopMover(self.picture, self.dispatch, clock, self.notice, self._poll_soon)
        self.actor.wire(self.intake, self.mover, self.flattener, self._spawn)
        self.dispatch.intake = self.intake
        self.dispatch.on_unknown = self._unknown
        self.dispatch.on_sent = self._sent
        self.dispatch.flattening = self.flattener.covers

    async def start(self, accounts: Sequence[Account], leases: Iterable[Lease]) -> list[Round]:
        """Take the accounts: state, epochs, log, then the venue's picture. Returns the first rounds.

        The log has been replayed. Strategies start after this has returned.
        """
        for account in accounts:
            self.picture.accounts.add(account, self.clock.now(), self.settings.bracket_mode)
        for lease in leases:
            self.egress.grant(lease)
            self.log.set_epoch(lease.account_id, lease.epoch)
        await self.halts.load([account.id for account in accounts])
        self._wakeups.start()
        self._spawn(self.log.run(), "intent log")
        left = self.log.unsettled()
        for entry in left:
            self.picture.float_entry(entry)
            if entry.state == "sent":
                self.log.mark(entry.id, "unknown", message="the process ended before the reply")
        rounds = [await self.reconciler.run(account.id, "start") for account in accounts]
        for entry in left:
            if entry.state == "new":
                self.log.mark(entry.id, "denied", message="the process ended before sending")
                self.picture.sink(entry.id)
            elif entry.open:
                self.resolver.start(entry)
        for account in accounts:
            self.intake.tell_positions(account.id)
            self._look_account(account.id)
        self._tick()
        return rounds

    async def stop(self) -> None:
        """End every task and flush the log. Positions keep their stops; entries whose stop only this
        process would place are cancelled first.
        """
        await self.actor.cancel_dependent_entries()
        await self.egress.drain(2.0)
        self._ended = True
        await self._wakeups.stop()
        for part in (self.resolver, self.poller, self.reconciler, self.watchdog, self.flattener, self.mover):
            await part.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.log.flush()

    def view(self) -> RiskView:
        """The immutable picture for an approval."""
        return self.picture.view()

    def on_event(self, event: StreamEvent) -> None:
        """One event of a hub, in any order and as often as it comes; after `stop` nothing is done any more."""
        if self._ended:
            return
        if isinstance(event, QuoteChanged):
            self.picture.quotes[event.quote.contract_id] = event.quote
            self.picture.touch()
        elif isinstance(event, OrderChanged):
            self.intake.order(event.order)
        elif isinstance(event, FillReported):
            self.intake.fill(event.fill)
        elif isinstance(event, PositionChanged):
            self.intake.position(event.position)
        elif isinstance(event, AccountChanged):
            self.intake.account(event.account)
        elif isinstance(event, Undecodable) and event.hub == "user":
            self.doubt(f"a user event could not be read: {event.reason}")

    def hub_state(self, hub: Hub, state: str, generation: int, reason: str = "") -> None:
        """`up`, `down` or `overflow` of one connection."""
        if self._ended:
            return
        if hub == "market":
            self.picture.feed_up = state == "up"
            self.picture.touch()
            return
        self.picture.hub_up = state == "up"
        self.picture.touch()
        self.doubt(f"user hub {state}, generation {generation} {reason}".strip())
        for account_id in self.picture.accounts.ids():
            self.poller.schedule(account_id)

    def doubt(self, why: str) -> None:
        """Something was missed: every account is reconciled before entries go on."""
        if self._ended:
            return
        for account_id in self.picture.accounts.ids():
            self.reconciler.doubt(account_id, why)

    def act(self, action: Action) -> None:
        """Carry out one action of a strategy engine; denials come back through `on_denied`."""
        self.actor.act_all([action])

    async def submit(self, intent: Intent, lane: Lane | None = None) -> Outcome:
        """An operator's intent. The same key returns the first result; nothing is sent twice."""
        if isinstance(intent, PlaceOrder) and not intent.reduce:
            intent = self.actor.with_legs(intent)
            return await self.dispatch.execute(intent, lane or "entry")
        return await self.dispatch.execute(intent, lane or "safety")

    async def flatten(
        self,
        account_id: int,
        contract_id: str | None = None,
        reason: str = "operator",
        *,
        allow_live: bool = False,
    ) -> FlattenResult:
        """Allowed in every trading state; `allow_live` opens exits of an account not enabled for trading."""
        state = self.picture.accounts.get(account_id)
        if state is not None and allow_live:
            state.exits_allowed = True
            self.picture.touch()
        return await self.flattener.run(account_id, contract_id, reason)

    async def reconcile(self, account_id: int, why: str = "operator") -> Round:
        return await self.reconciler.run(account_id, why)

    async def set_state(
        self, state: TradingState, reason: str, actor: str, account_id: int | None = None
    ) -> None:
        """Set the trading state globally or of one account. Raises StateRefused."""
        worst: Colour = "green"
        for one in self.picture.accounts.all():
            if account_id in (None, one.account.id) and one.colour != "green":
                worst = one.colour
        scope = GLOBAL if account_id is None else str(account_id)
        await self.halts.set(scope, state, reason, actor, colour=worst)
        self.picture.touch()

    def set_rules(self, account_id: int, rules: RuleFigures) -> None:
        """New figures of the rule machine."""
        state = self.picture.accounts.get(account_id)
        if state is not None:
            state.rules = rules
            self.picture.touch()

    def set_active(self, instance: Instance, active: bool) -> None:
        """An instance was started or stopped."""
        state = self.picture.accounts.get(instance.account_id)
        if state is not None:
            (state.active.add if active else state.active.discard)(instance.strategy)
            self.picture.touch()

    def shield(self, account_id: int, contract_id: str) -> Shield:
        return self.watchdog.shield((account_id, contract_id))

    async def depart(self, account_id: int, strategies: Collection[str], timeout_s: float) -> list[str]:
        """See `Departure.run`."""
        departure = Departure(self.picture, self.reader, self.clock, self.shield, self.notice)
        return await departure.run(account_id, strategies, timeout_s)

    def notice(self, code: str, at: At, detail: str) -> None:
        """Tell the operator that something is not as it should be."""
        self._tell(Notice(code, at[0], at[1], detail, self.clock.now(), level_of(code)))

    def _note(self, code: str, at: At, detail: str) -> None:
        self._tell(Notice(code, at[0], at[1], detail, self.clock.now(), "info"))

    def _failed(self, what: str, problem: BaseException) -> None:
        self.notice("TASK_FAILED", (0, ""), f"{what}: {type(problem).__name__}: {problem}")

    def _tell(self, notice: Notice) -> None:
        self.notices.append(notice)
        if self._on_notice is not None:
            self._on_notice(notice)

    def _tick(self) -> None:
        """Once a second: gaps of time, HALT file, log, entries that may not rest, and a look at every position."""
        self._wakeups.at("tick", self.clock.mono() + SECOND, self._tick)
        self._notice_gap()
        if self.halts.look():
            self.picture.touch()
        if self.halts.unsaved and not self._repairing:
            self._repairing = True
            self._spawn(self._repair(), "trading state")
        if not self.log.writable:
            self._probe_log()
        if self._outbox is not None and self.picture.store_ok != self._outbox.store_ok:
            self.picture.store_ok = self._outbox.store_ok
            self.picture.touch()
        self._notice_skew()
        for account_id in self.picture.accounts.ids():
            state, _ = self.halts.effective(account_id)
            if state != "ACTIVE":
                self.actor.cancel_entries(account_id, f"trading state {state}")
            self._look_account(account_id)

    async def _repair(self) -> None:
        """Bring the database up to the trading state, at most every five seconds."""
        try:
            await self.halts.repair()
        except (StoreUnavailable, StoreConflict):
            await self.clock.host_sleep(5.0)
        finally:
            self._repairing = False

    def _notice_gap(self) -> None:
        """The machine or the process stood still, or the wall clock was set: nothing is taken for known (bot.md §2.5)."""
        mono = self.clock.host_mono()
        drift = self.clock.host_now() - mono
        apart = 0 if self._drift is None else drift - self._drift
        silent = 0 if self._looked is None else mono - self._looked
        if max(abs(apart), silent) > GAP_NS:
            seen = f"wall and monotonic clock moved apart by {apart} ns, {silent} ns since the last look"
            self.notice("TIME_GAP", (0, ""), seen)
            self.doubt("the machine slept or its clock was set")
        self._drift, self._looked = drift, mono

    def _notice_skew(self) -> None:
        """The machine's clock against the venue's: told of beyond two seconds, entries denied beyond ten."""
        skew = self._rest.clock_skew_ns
        if skew == self.picture.clock_skew_ns:
            return
        was, self.picture.clock_skew_ns = self.picture.clock_skew_ns, skew
        self.picture.touch()
        if abs(skew or 0) > SKEW_TOLD_NS >= abs(was or 0):
            seconds = (skew or 0) / SECOND
            self.notice("CLOCK_SKEW", (0, ""), f"this machine's clock is {seconds:+.1f} s from the venue's")

    def _keep(self, operation: str, argument: Any) -> None:
        if self._outbox is not None:
            self._outbox.keep(operation, argument)

    def _probe_log(self) -> None:
        for account_id in self.picture.accounts.ids():
            try:
                self.log.set_epoch(account_id, self.log.epochs.get(account_id, 0))
            except IntentLogFailed:
                return
        self.picture.touch()

    def _look(self, at: At) -> None:
        self.watchdog.look(at)
        self._shields.look(at)
        self.poller.schedule(at[0])
        self.reconciler.exposed(at[0])

    def _look_account(self, account_id: int) -> None:
        places = {position.contract_id for position in self.picture.positions.open(account_id)}
        places |= {order.contract_id for order in self.picture.orders.working(account_id)}
        for contract_id in sorted(places):
            self.watchdog.look((account_id, contract_id))
            self._shields.look((account_id, contract_id))

    def _evidence(self, at: At, opening: bool) -> None:
        self.watchdog.evidence(at, opening)

    def _wake_at(self, at: At, mono: int) -> None:
        self._wakeups.at(("look", at), mono, lambda: self.watchdog.look(at))

    def _poll_soon(self, account_id: int, seconds: float) -> None:
        self.poller.soon(account_id, seconds)

    def _sent(self, intent: Intent) -> None:
        if isinstance(intent, PlaceOrder) and not intent.reduce:
            self.poller.entry_sent(intent.account_id)
            self.reconciler.exposed(intent.account_id)
            if intent.type == 2:
                self.poller.soon(intent.account_id, 0.5)

    def _unknown(self, entry: Entry) -> None:
        self.picture.touch()
        at = (entry.intent.account_id, entry.intent.contract_id)
        self.notice("UNKNOWN_OUTCOME", at, f"intent {entry.id}: {entry.message}")
        self.resolver.start(entry)

    def _settled(self, entry: Entry) -> None:
        self.picture.touch()
        self.actor.settled(entry)

    def _resolved(self, entry: Entry) -> None:
        self.actor.settled(entry)
        self.reconciler.doubt(entry.intent.account_id, "an unknown outcome was settled")
        self._look((entry.intent.account_id, entry.intent.contract_id))

    def _reconciled(self, result: Round) -> None:
        self._look_account(result.account_id)
        self.poller.schedule(result.account_id)
        if self._on_round is not None:
            self._on_round(result)

    def _halt_all(self, reason: str, actor: str) -> None:
        self._spawn(self.halts.set(GLOBAL, "HALTED", reason, actor, automatic=True), "halt")
        self.picture.touch()

    def _halt_account(self, account_id: int, reason: str) -> None:
        self.notice("HALTED", (account_id, ""), reason)
        self._spawn(
            self.halts.set(str(account_id), "HALTED", reason, "reconciliation", automatic=True), "halt"
        )
        self.picture.touch()

    def _spawn(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._failed(task.get_name(), problem)
