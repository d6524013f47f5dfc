"""The bot as one process: start in the order of bot.md §2.3, run, stop in the order of §2.4."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import structlog

from bot.app.early import EarlyRecords
from bot.app.feed_watch import FeedWatch
from bot.app.lag import LoopLag
from bot.app.migration import Migration, WorkerFactory
from bot.app.operations import BotOperations
from bot.app.venue import Venue, choose_account
from bot.app.wires import Keeping, Wires
from bot.calendar.sessions import SessionCalendar
from bot.clock import monotonic_ns
from bot.config.settings import Settings
from bot.freshness import Freshness
from bot.gateway.hubs import HubConnection, Topic, market_topics, user_topics
from bot.history import HistoryGaps, HistoryLoader
from bot.legacy.market_data import PythonBarConverter
from bot.legacy.order_execution import PythonOrderExecution
from bot.legacy.strategy_engine.engine import PythonStrategyEngine
from bot.legacy.websocket import PythonStreamProcessor
from bot.model.actions import Instance
from bot.model.contract import Contract
from bot.model.events import Hub
from bot.model.orders import Account, Fill
from bot.model.quantities import Money, TsNs
from bot.model.risk import RuleFigures
from bot.model.times import SECOND
from bot.pipeline import Pipeline
from bot.risk.gate import Gate
from bot.risk.rules import RuleAction
from bot.risk.subject import GateLimits
from bot.servers.announcement import Announcement, publish, withdraw
from bot.servers.api import ApiServer
from bot.strategies.overnight_parameters import NAME as OVERNIGHT
from bot.strategies.overnight_parameters import overnight_policy, resolve_overnight
from bot.strategies.overnight_range import OvernightRange
from bot.trading.account_rules import AccountRules, day_start
from bot.trading.desk import Desk, Notice
from bot.trading.intent_log import IntentLog
from bot.trading.lease import AccountLock, lock_folder
from bot.trading.reconcile import Round
from bot.trading.session_end import SessionEnd
from bot.trading.settings import TradingSettings

log = structlog.get_logger(__name__)
MAX_EARLY = 20_000
"""Records that may wait for the first reconciliation."""
T = TypeVar("T")


class Application:
    """`start`, then `wait`, then `stop`. `make_worker` hands the shadow in, None = no shadow; `secret` is told
    texts that no log may hold; `wires` lead outside."""

    def __init__(
        self, settings: Settings, make_worker: WorkerFactory | None = None, *, serve: bool = True,
        trade: bool = True,
        secret: Callable[[str], None] = lambda _: None, wires: Wires | None = None,
    ) -> None:  # fmt: skip
        self.settings, self.state = settings, settings.state_folder
        self._make_worker, self._serve, self._trade = make_worker, serve, trade
        self._secret = secret
        self._wires = wires or Wires()
        self.calendar = SessionCalendar.shipped()
        self.steps: list[tuple[str, float]] = []
        self.stopping = asyncio.Event()
        self.ready = self.trading = False
        self.started_at = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._once: set[asyncio.Task[Any]] = set()
        self._early: EarlyRecords | None = EarlyRecords(MAX_EARLY)
        self.hubs: dict[Hub, HubConnection] = {}
        self._closing = contextlib.AsyncExitStack()
        self.account: Account
        self.lag: LoopLag
        self.venue: Venue
        self.storage: Keeping
        self.migration: Migration
        self.engine: PythonStrategyEngine
        self.desk: Desk
        self.rules: AccountRules
        self.session_end: SessionEnd | None = None
        self._gaps: HistoryGaps | None = None
        self.pipeline: Pipeline
        self.freshness: Freshness
        self.feed_watch: FeedWatch
        self.contracts: list[Contract] = []

    # --- start

    async def start(self) -> None:
        """Everything up and reconciled, strategies running. What was started is stopped again on a failure,
        in the order of a stop: entries that were placed already do not stay behind.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def start_or_stop(self) -> bool:
        """`start`; False when a stop was asked for meanwhile, and then nothing runs any more."""
        starting = asyncio.create_task(self.start(), name="start")
        stop = asyncio.create_task(self.stopping.wait(), name="stop requested")
        await asyncio.wait([starting, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not starting.done():
            starting.cancel()
        try:
            await starting
        except asyncio.CancelledError:
            if not self.stopping.is_set():
                raise
            return False
        return True

    async def _start(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.venue = await self._step("login", self._wires.connect(self.settings))
        self._closing.push_async_callback(self.venue.close)
        self._secret((await self.venue.session.token()).text)
        self.venue.session.listeners.append(lambda token: self._secret(token.text))
        accounts = await self._step("accounts", self.venue.rest.accounts())
        self.account = choose_account(accounts, self.settings.accounts.default)
        lock = self._wires.lock(self.venue.user, self.account.id)
        self._closing.callback(lock.release)
        clock = self.venue.clock
        self.started_at = clock.now()
        self.lag = LoopLag(clock)
        self.storage = self._wires.storage(self.settings, clock, self.state, self._alarm)
        self._closing.push_async_callback(self.storage.close)
        await _both(
            self._step("database", self.storage.open()), self._step("contracts", self.venue.rest.contracts())
        )
        self.storage.outbox.keep("upsert_contracts", (list(self.venue.contracts.all().values()),))
        parameters = self._strategy_parameters()
        self.contracts = [self.venue.contracts.resolve(symbol) for symbol in parameters["symbols"]]
        intents, damage = self._wires.intents(self.state, clock, self.settings.orders.durability)
        self._closing.callback(intents.close)
        if damage is not None:
            self._alarm("INTENT_LOG_CUT", str(damage))
        lock.raise_to(intents.epochs.get(self.account.id, 0))
        self._build(intents)
        self._closing.push_async_callback(self._end_migration)
        await self._step("migration", self.migration.start())
        await self._step("hubs", self._connect_hubs())
        await self._step("reconciliation", self._take_account(lock))
        self.trading = True
        if self._trade:
            self._keep_session_end()
            await self._step("strategies", self._start_strategies(parameters))
        self._own(self.pipeline.run(), "timers")
        self._own(self._keep_rules(), "rules")
        self._own(self._follow_flags(), "flags")
        self._own(self.venue.session.keep_fresh(), "token")
        self._own(self.lag.run(), "loop lag")
        if self._serve:
            await self._step("api", self._start_api())
        self.ready = True

    def _build(self, intents: IntentLog) -> None:
        settings, clock = self.settings, self.venue.clock
        paper = self.venue.addresses.paper
        self.migration = Migration(
            self.state, clock, self.calendar, venue="paper" if paper else "projectx",
            ledger="rehearsed" if paper else "live", make_worker=self._make_worker,
            threaded=self._wires.threads,
        )  # fmt: skip
        self.engine = PythonStrategyEngine(
            self.calendar, {OVERNIGHT: OvernightRange}, {OVERNIGHT: settings.strategies.overnight_range},
            max_concurrent=settings.strategies.max_concurrent,
        )  # fmt: skip
        gate = Gate(
            self.calendar, {OVERNIGHT: overnight_policy(settings.strategies.overnight_range)},
            GateLimits(
                max_data_age_ms=int(settings.orders.max_quote_age * 1000), allow_flip=settings.orders.allow_flip,
                allow_resting_client_brackets=settings.orders.allow_resting_client_brackets,
                manual_protection_optional=settings.protection.manual_optional,
            ),
        )  # fmt: skip
        processor = PythonStreamProcessor()
        processor.set_contracts(dict(self.venue.contracts.all()))
        self.desk = Desk(
            rest=self.venue.rest, gate=gate, execution=PythonOrderExecution(), log=intents, clock=clock,
            contracts=self.venue.contracts.all(), risk_day=self.calendar.risk_day,
            settings=TradingSettings(
                bracket_mode=settings.orders.bracket_mode, unknown_settle_s=settings.orders.unknown_settle,
                wait_children_s=settings.protection.wait_children, deadline_s=settings.protection.deadline,
                foreign=settings.protection.foreign, default_stop_ticks=settings.orders.default_stop_ticks,
                flatten_rounds=settings.flatten.rounds, live=settings.trading.live,
                live_accounts=frozenset(settings.trading.live_accounts),
            ),
            store=self.storage.store, outbox=self.storage.outbox, listener=self.engine,
            halt_file=self.state / "HALT", on_notice=self._on_notice, on_round=self._on_round,
        )  # fmt: skip
        self.desk.picture.mismatched = frozenset(self.venue.contracts.mismatches())
        self.freshness = Freshness(self.calendar, self.venue.contracts.get, clock, self._history_judged)
        self.feed_watch = FeedWatch(
            clock, self.calendar, self.contracts, self.desk.picture.quotes, self._renew_market
        )
        self.pipeline = Pipeline(
            clock, processor, self.migration.bars, self.engine, self.desk,
            [contract.id for contract in self.contracts], int(settings.orders.max_quote_age * SECOND),
        )  # fmt: skip
        self.pipeline.bar_listeners.append(
            lambda bar: self.storage.outbox.keep("upsert_bars", (bar.contract_id, bar.timeframe, [bar]))
            if bar.timeframe == "1m" else None
        )  # fmt: skip

    async def _connect_hubs(self) -> None:
        addresses, venue = self.venue.addresses, self.venue
        market = market_topics([contract.id for contract in self.contracts])
        wanted: list[tuple[Hub, str, list[Topic]]] = [
            ("user", addresses.user_hub, user_topics([self.account.id])), ("market", addresses.market_hub, market),
        ]  # fmt: skip
        for hub, url, topics in wanted:
            connection = HubConnection(
                hub,
                url,
                venue.session,
                venue.clock,
                self._on_records,
                self._on_state,
                wire=self._wires.hub,
                tls=venue.tls,
            )
            self.hubs[hub] = connection
            connection.set_topics(topics)
            self._closing.push_async_callback(connection.stop)
            await connection.start()
        began = venue.clock.host_mono()
        while any(hub.state != "up" for hub in self.hubs.values()):
            if venue.clock.host_mono() - began > 10 * SECOND:
                log.warning("hubs.not_up_yet", states={name: hub.state for name, hub in self.hubs.items()})
                return
            await venue.clock.host_sleep(0.02)

    async def _take_account(self, lock: AccountLock) -> None:
        clock = self.venue.clock
        kept = await self.storage.store.get_rule_state(self.account.id)
        override = self.settings.risk.override
        limits = {"dll": override.dll, "mll": override.mll, "start": override.start_balance}
        self.rules = AccountRules(
            self.account, self.desk, self.calendar, clock, kept=kept,
            limits={name: value for name, value in limits.items() if value is not None} or None,
            keep=lambda id_, state: self.storage.outbox.keep("save_rule_state", (id_, state)),
            breached=self._breached, told=self._figures_changed,
        )  # fmt: skip
        self._closing.push_async_callback(self.desk.stop)
        await self.desk.start([self.account], [lock.mint()])
        self.rules.start(*await self._balance_and_fills())
        early, self._early = self._early, None
        if early is not None and not early.replay():
            self.desk.doubt("more records than can wait came before the first reconciliation")

    async def _balance_and_fills(self) -> tuple[Money, Sequence[Fill]]:
        """The balance and the risk day's fills of one instant: no balance changed while the fills were read."""
        rest, start = self.venue.rest, day_start(self.calendar, self.venue.clock.now())
        before = choose_account(await rest.accounts(), self.account.id).balance
        for _ in range(5):
            fills = await rest.fills(self.account.id, start)
            balance = choose_account(await rest.accounts(), self.account.id).balance
            if balance == before:
                break
            before = balance
        return before, fills

    def _keep_session_end(self) -> None:
        session = self.settings.session
        if session.flatten and session.eod_scope == "all":
            self.session_end = SessionEnd(
                self.desk,
                self.account.id,
                self.calendar,
                self.venue.clock,
                session.flatten_start,
                self._once_only,
                lambda: self.venue.rest.clock_skew_ns or 0,
            )

    def _once_only(self, task: asyncio.Task[Any]) -> None:
        self._once.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._once.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._alarm("TASK_FAILED", f"{task.get_name()}: {type(problem).__name__}: {problem}")

    async def _start_strategies(self, parameters: dict[str, Any]) -> None:
        if not parameters["enabled"]:
            return
        instance = Instance(self.account.id, OVERNIGHT)
        self.desk.set_active(instance, True)
        self.pipeline.act(self.engine.start(instance, self.contracts, self.venue.clock.now()))
        await self._load_history()
        self.desk.intake.tell_positions(self.account.id)

    async def _load_history(self) -> None:
        self._gaps = gaps = HistoryGaps(
            self.engine, HistoryLoader(
                self.venue.rest, PythonBarConverter(self.calendar), self.calendar, self.venue.clock,
                lambda contract, frame, bars: self.storage.outbox.keep("upsert_bars", (contract, frame, bars)),
                self.freshness,
            ),
            self.calendar, self.venue.clock, self.pipeline.act,
        )  # fmt: skip
        if self.hubs["market"].state != "up":
            gaps.feed_lost()
        await gaps.load()
        self._own(gaps.run(), "history gaps")

    async def _start_api(self) -> None:
        token = self.settings.server.token
        text = token.reveal() if token is not None else secrets.token_urlsafe(32)
        server = ApiServer(
            BotOperations(self), text, self.venue.clock, self.settings.server.host, self.settings.server.port
        )
        await server.start()
        self._closing.push_async_callback(server.stop)
        path = publish(
            lock_folder(),
            Announcement(
                server.url, text, os.getpid(), self.venue.addresses.rest, self.venue.user, (self.account.id,)
            ),
        )
        self._closing.callback(withdraw, path)

    # --- run

    async def wait(self) -> None:
        """Until somebody asks to stop, or an owned task ends with an error."""
        stop = asyncio.create_task(self.stopping.wait(), name="stop requested")
        done, _ = await asyncio.wait([stop, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        for task in done:
            if task is not stop:
                task.result()

    async def stop(self) -> None:
        """No new entries, entries cancelled, protection verified at the venue, everything flushed and closed."""
        self.ready = False
        try:
            if self.trading:
                await self._leave()
        finally:
            tasks = [*self._tasks, *self._once]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._closing.aclose()

    async def _leave(self) -> None:
        self.trading = False
        self.session_end = None
        shutdown = self.settings.shutdown
        names: set[str] = set()
        if self._trade:
            names.add(OVERNIGHT)
            instance = Instance(self.account.id, OVERNIGHT)
            self.desk.set_active(instance, False)
            self.pipeline.act(self.engine.stop(instance, self.venue.clock.now()))
        if shutdown.positions == "flatten":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(shutdown.timeout / 2):
                    await self.desk.flatten(self.account.id, reason="shutdown")
        await self.desk.depart(self.account.id, names, shutdown.timeout / 2)

    async def _end_migration(self) -> None:
        self.migration.close()
        await self.migration.stop_worker()

    async def _keep_rules(self) -> None:
        while True:
            await self.venue.clock.host_sleep(0.25)
            self.rules.tick()
            self.feed_watch.look(up=self.hubs["market"].state == "up")
            if self.session_end is not None:
                self.session_end.tick()
            for contract in self.contracts:
                self.desk.picture.labels[contract.id] = self.engine.condition(contract.id)

    async def _follow_flags(self) -> None:
        """Apart from what trades: a worker that starts or stops slowly holds up nothing."""
        while True:
            await self.venue.clock.host_sleep(0.25)
            await self.migration.poll()

    def _on_records(self, hub: Hub, generation: int, records: list[tuple[bytes, int, int]]) -> None:
        if self._early is None:
            self.pipeline.on_records(hub, generation, records)
        else:
            self._early.add(partial(self.pipeline.on_records, hub, generation, records), len(records))

    def _on_state(self, hub: Hub, state: str, generation: int, reason: str) -> None:
        self.desk.hub_state(hub, state, generation, reason)
        if hub == "market":
            up, now = state == "up", self.venue.clock.now()
            if self._early is None:
                self._feed(up=up, now=now)
            else:
                self._early.add(partial(self._feed, up=up, now=now), 1)

    def _feed(self, *, up: bool, now: TsNs) -> None:
        """In one row with the records: a gap lies between those before and those after it."""
        (self.pipeline.feed_up if up else self.pipeline.feed_down)(now)
        if self._gaps is not None:
            (self._gaps.feed_back if up else self._gaps.feed_lost)()

    def _renew_market(self, reason: str) -> None:
        self.hubs["market"].restart(reason)

    def _history_judged(self, old: Mapping[str, str]) -> None:
        self.desk.picture.old_history = old
        self.desk.picture.touch()

    def _on_round(self, result: Round) -> None:
        if result.colour != "red" and self._early is None:
            self.rules.confirm()

    def _breached(self, account_id: int, actions: Sequence[RuleAction]) -> None:
        log.warning("rules.actions", account_id=account_id, actions=list(actions))
        if "FLATTEN" in actions:
            self._once_only(
                asyncio.create_task(
                    self.desk.flatten(account_id, reason="a loss limit was reached"), name="loss limit"
                )
            )

    def _figures_changed(self, account_id: int, figures: RuleFigures) -> None:
        self.pipeline.act(self.engine.on_risk(account_id, figures, self.venue.clock.now()))

    def _on_notice(self, notice: Notice) -> None:
        say = {"info": log.info, "warning": log.warning, "error": log.error}[notice.level]
        say("desk.notice", code=notice.code, account_id=notice.account_id, contract=notice.contract_id,
                    detail=notice.detail)  # fmt: skip

    def _alarm(self, code: str, detail: str) -> None:
        log.error("alarm", code=code, detail=detail)

    def _strategy_parameters(self) -> dict[str, Any]:
        return resolve_overnight([("configuration", self.settings.strategies.overnight_range)]).values

    def _own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)

    async def _step(self, name: str, work: Awaitable[T]) -> T:
        began = monotonic_ns()
        result = await work
        self.steps.append((name, round((monotonic_ns() - began) / 1e6, 1)))
        return result


async def _both(*work: Coroutine[Any, Any, Any]) -> None:
    """All at once; when one fails the others still come to their end, so that what they hold can be let go."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
