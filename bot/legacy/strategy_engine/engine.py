"""Hosts strategy instances: keeps their bars, routes events to them, isolates their errors.

Strategies are handed in by name. Everything that happens is an input with a time; the same inputs give
the same actions, here and in any other implementation. Actions of one event come in byte order of
(account, strategy), so nothing depends on the order in which instances were started.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from bot.calendar.sessions import SessionCalendar
from bot.legacy.strategy_engine.condition import ConditionParameters
from bot.legacy.strategy_engine.heard import Heard, Holding
from bot.legacy.strategy_engine.keys import StrategyKey
from bot.legacy.strategy_engine.layout import Reader, Writer
from bot.legacy.strategy_engine.market import MarketMemory
from bot.legacy.strategy_engine.post import (
    STATES,
    Hosted,
    Post,
    read_contract,
    write_contract,
)
from bot.legacy.strategy_engine.strategy import Seat, Strategy, StrategyFactory
from bot.legacy.strategy_engine.windows import BarWindow
from bot.model.actions import Action, Alert, Enter, Instance, Note
from bot.model.contract import Contract
from bot.model.errors import BadField, ConfigError, StoreCorrupt
from bot.model.market import Bar
from bot.model.orders import Fill, Order, Position
from bot.model.quantities import Ticks, TsNs
from bot.model.risk import RuleFigures
from bot.model.times import SECOND

MAX_CONCURRENT = 3
LATE_NS = 30 * SECOND
_VERSION = 1
RUNNING = ("STARTING", "ACTIVE", "STOPPING")


class PythonStrategyEngine:
    """See bot.ports.StrategyEngine. `config` holds plain parameters by strategy name.

    `start` first, then history: windows exist for what running instances need (`windows_wanted`).
    """

    def __init__(
        self,
        calendar: SessionCalendar,
        strategies: Mapping[str, StrategyFactory],
        config: Mapping[str, Mapping[str, object]] | None = None,
        condition: ConditionParameters | None = None,
        max_concurrent: int = MAX_CONCURRENT,
    ) -> None:
        self._calendar = calendar
        self._strategies = dict(strategies)
        self._config = {name: dict(parameters) for name, parameters in (config or {}).items()}
        self._condition = condition or ConditionParameters()
        self._max_concurrent = max_concurrent
        self._market = MarketMemory(self._condition)
        self._heard = Heard()
        self._hosted: dict[Instance, Hosted] = {}
        self._at: dict[str, list[tuple[Hosted, Post]]] = {}

    def condition(self, contract_id: str) -> tuple[str, ...]:
        """Labels of the market condition at the newest closed bar of its timeframe."""
        return self._market.labels(contract_id)

    def windows_wanted(self) -> list[tuple[str, str, int]]:
        """`(contract id, timeframe, bars)`: the history that running instances need."""
        return self._market.depths()

    def history_wanted(self) -> list[tuple[str, str, TsNs, TsNs]]:
        """`(contract id, timeframe, start, end)`: bars that stay unused until history replaces them."""
        return self._market.gaps()

    # --- life of instances

    def start(self, instance: Instance, contracts: Sequence[Contract], now: TsNs) -> list[Action]:
        """Make an instance active; a refusal is a Note with its code and leaves nothing behind.

        It is STARTING until each of its windows got history and its account is known.
        """
        refusal = self._start_refusal(instance)
        if refusal is not None:
            return [Note(instance=instance, contract_id="", code=refusal[0], detail=refusal[1])]
        parameters = dict(self._config.get(instance.strategy, {}))
        factory = self._strategies[instance.strategy]
        try:
            posts = {
                contract.id: Post(
                    contract, factory(Seat(instance, contract, self._calendar, self._market), parameters, now)
                )
                for contract in sorted(contracts, key=lambda each: each.id.encode())
            }
        except ConfigError as problem:
            return [Note(instance=instance, contract_id="", code="BAD_CONFIG", detail=str(problem))]
        missing = {(id_, timeframe) for id_, post in posts.items() for timeframe in post.strategy.depths}
        hosted = Hosted(instance, "STARTING", now, 0, parameters, posts, missing)
        self._hosted[instance] = hosted
        self._seat(hosted)
        return self._recall(hosted, now) + self._each(
            hosted, "on_clock", lambda strategy: strategy.on_clock(now)
        )

    def stop(self, instance: Instance, now: TsNs) -> list[Action]:
        """Cancel its entries; it is IDLE once they are over."""
        hosted = self._hosted.get(instance)
        if hosted is None or hosted.state not in ("STARTING", "ACTIVE"):
            return [Note(instance=instance, contract_id="", code="NOT_ACTIVE")]
        hosted.state, hosted.stopped = "STOPPING", now
        actions = self._each(hosted, "on_stop", lambda strategy: strategy.on_stop())
        self._settle(hosted)
        return actions

    def configure(self, instance: Instance, parameters: Mapping[str, object], now: TsNs) -> list[Action]:
        """Replace an instance's plain parameters, checked as a whole; strategies say when they apply."""
        hosted = self._hosted.get(instance)
        if hosted is None:
            return [Note(instance=instance, contract_id="", code="NOT_ACTIVE")]
        factory = self._strategies[instance.strategy]
        try:
            for post in hosted.posts.values():
                factory(Seat(instance, post.contract, self._calendar, self._market), parameters, now)
        except ConfigError as problem:
            return [Note(instance=instance, contract_id="", code="BAD_CONFIG", detail=str(problem))]
        for post in hosted.posts.values():
            post.strategy.configure(parameters)
        hosted.parameters = dict(parameters)
        return []

    def state(self, instance: Instance) -> str:
        """IDLE, STARTING, ACTIVE, STOPPING or ERROR."""
        hosted = self._hosted.get(instance)
        return "IDLE" if hosted is None else hosted.state

    # --- market events

    def on_history(self, contract_id: str, timeframe: str, bars: Sequence[Bar], now: TsNs) -> list[Action]:
        """Closed bars from history; they replace bars of the same start."""
        window = self._market.find(contract_id, timeframe)
        if window is None:
            return []
        changed = window.extend(bar for bar in bars if bar.end <= now)
        actions = self._window_changed(window, now) if changed else []
        for hosted, _ in self._at.get(contract_id, ()):
            hosted.missing.discard((contract_id, timeframe))
            actions += self._begin(hosted, now)
        return actions

    def on_bar(self, bar: Bar, now: TsNs) -> list[Action]:
        """A final live bar."""
        window = self._market.find(bar.contract_id, bar.timeframe)
        if window is None or not bar.final or not window.add(bar):
            return []
        return self._window_changed(window, now)

    def on_price(self, contract_id: str, last: Ticks, now: TsNs) -> list[Action]:
        """A trade price."""
        self._market.prices[contract_id] = last
        actions: list[Action] = []
        for hosted, post in self._at.get(contract_id, ()):
            if hosted.state == "ACTIVE":
                wanted = post.call("on_price", lambda strategy: strategy.on_price(last, now))
                if wanted or post.errors:
                    actions += self._done(hosted, post, wanted)
        return actions

    def on_forming(self, bar: Bar, now: TsNs) -> list[Action]:
        """The open one-minute bar."""
        return self._in_contract(
            bar.contract_id, "on_forming", lambda strategy: strategy.on_forming(bar, now)
        )

    def on_clock(self, now: TsNs) -> list[Action]:
        """Time passed."""
        actions: list[Action] = []
        for instance in sorted(self._hosted, key=_instance_bytes):
            actions += self._each(self._hosted[instance], "on_clock", lambda strategy: strategy.on_clock(now))
        return actions

    # --- orders, fills, positions

    def on_order(self, key: str, order: Order, now: TsNs) -> list[Action]:
        """An order that was placed under `key` changed."""
        if _is_key(key):
            self._heard.order(key, order)
        return self._by_key(
            key, "on_order", lambda strategy, k: strategy.on_order(k.leg, k.scope, order, now)
        )

    def on_denied(self, key: str, code: str, now: TsNs) -> list[Action]:
        """The entry of `key` will never exist."""
        return self._by_key(
            key, "on_denied", lambda strategy, k: strategy.on_denied(k.leg, k.scope, code, now)
        )

    def on_fill(self, key: str, fill: Fill, now: TsNs) -> list[Action]:
        """The entry of `key` was filled, in part or whole."""
        if _is_key(key):
            self._heard.fill(key, fill)
        return self._by_key(key, "on_fill", lambda strategy, k: strategy.on_fill(k.leg, k.scope, fill, now))

    def on_position(
        self,
        instance: Instance,
        contract_id: str,
        position: Position | None,
        stop: Ticks | None,
        now: TsNs,
    ) -> list[Action]:
        """The instance's position, None when it is proven flat, and its stop."""
        self._heard.position(instance, contract_id, Holding(position, stop))
        hosted = self._hosted.get(instance)
        post = hosted.posts.get(contract_id) if hosted is not None else None
        if hosted is None or post is None:
            return []
        return self._call(
            hosted, post, "on_position", lambda strategy: strategy.on_position(position, stop, now)
        )

    def on_known(self, account_id: int, known: bool, now: TsNs) -> list[Action]:
        """Whether the account's orders and positions are known."""
        self._heard.known[account_id] = known
        actions: list[Action] = []
        for instance in sorted(self._hosted, key=_instance_bytes):
            hosted = self._hosted[instance]
            if instance.account_id != account_id:
                continue
            if hosted.state == "STARTING":
                actions += self._begin(hosted, now)
            else:
                actions += self._each(hosted, "on_known", lambda strategy: strategy.on_known(known, now))
        return actions

    def on_risk(self, account_id: int, figures: RuleFigures, now: TsNs) -> list[Action]:
        """The account's day result and limits."""
        return self._in_account(account_id, "on_risk", lambda strategy: strategy.on_risk(figures, now))

    # --- status and state

    def status(self, now: TsNs) -> list[dict[str, Any]]:
        """One row per instance and contract, in byte order."""
        rows = []
        for instance in sorted(self._hosted, key=_instance_bytes):
            hosted = self._hosted[instance]
            for contract_id, post in hosted.posts.items():
                note = post.last_note
                rows.append(
                    {
                        "account_id": instance.account_id,
                        "strategy": instance.strategy,
                        "contract_id": contract_id,
                        "symbol": post.contract.root,
                        "status": hosted.state,
                        "started": hosted.started,
                        "stopped": hosted.stopped or None,
                        "errors_in_row": max(post.errors.values(), default=0),
                        "last_error": post.last_error,
                        "last_note": None if note is None else {"code": note.code, "detail": note.detail},
                        "condition": list(self.condition(contract_id)),
                        **post.strategy.status(now),
                    }
                )
        return rows

    def quiet(self) -> bool:
        """True when no instance waits for a cancel or a stop move."""
        return all(
            post.strategy.quiet() for hosted in self._hosted.values() for post in hosted.posts.values()
        )

    def snapshot(self) -> bytes:
        """Prices, windows and instances; see layout.py for the encoding."""
        writer = Writer()
        writer.count(_VERSION)
        self._market.write(writer)
        self._heard.write(writer)
        writer.count(len(self._hosted))
        for instance in sorted(self._hosted, key=_instance_bytes):
            hosted = self._hosted[instance]
            writer.i64(instance.account_id)
            writer.text(instance.strategy)
            writer.i64s(STATES.index(hosted.state), hosted.started, hosted.stopped)
            writer.text(json.dumps(hosted.parameters, sort_keys=True, default=str))
            writer.count(len(hosted.missing))
            for at in sorted(hosted.missing):
                writer.text(at[0])
                writer.text(at[1])
            writer.count(len(hosted.posts))
            for post in hosted.posts.values():
                write_contract(writer, post.contract)
                post.write(writer)
        return writer.done()

    def restore(self, state: bytes) -> None:
        """Become the state of `snapshot`. Raises StoreCorrupt; the old state stays then."""
        fresh = PythonStrategyEngine(
            self._calendar, self._strategies, self._config, self._condition, self._max_concurrent
        )
        fresh._read(Reader(state))
        self._market, self._heard = fresh._market, fresh._heard
        self._hosted, self._at = fresh._hosted, fresh._at

    def digest(self) -> int:
        """BLAKE2b-64 of the snapshot, little-endian."""
        return int.from_bytes(hashlib.blake2b(self.snapshot(), digest_size=8).digest(), "little")

    # --- inside

    def _start_refusal(self, instance: Instance) -> tuple[str, str] | None:
        if instance.strategy not in self._strategies:
            return "UNKNOWN_STRATEGY", f"known are {', '.join(sorted(self._strategies))}"
        hosted = self._hosted.get(instance)
        if hosted is not None and hosted.state in RUNNING:
            return "ALREADY_ACTIVE", f"the instance is {hosted.state}"
        active = sum(each.state in RUNNING for each in self._hosted.values())
        if active >= self._max_concurrent:
            return "LIMIT_REACHED", f"{active} instances run, at most {self._max_concurrent}"
        return None

    def _recall(self, hosted: Hosted, now: TsNs) -> list[Action]:
        """Tell a new instance what was heard under its keys before it started."""
        actions: list[Action] = []
        for key, report in self._heard.reports(hosted.instance):
            text = key.text()
            if report.order is not None:
                actions += self.on_order(text, report.order, now)
            for fill in list(report.fills.values()):
                actions += self.on_fill(text, fill, now)
        for contract_id in hosted.posts:
            held = self._heard.holding(hosted.instance, contract_id)
            if held is not None and held.position is not None:
                actions += self.on_position(hosted.instance, contract_id, held.position, held.stop, now)
        return actions

    def _begin(self, hosted: Hosted, now: TsNs) -> list[Action]:
        """Active from now on, if history and account are there."""
        known = self._heard.known.get(hosted.instance.account_id, False)
        if hosted.state != "STARTING" or hosted.missing or not known:
            return []
        hosted.state = "ACTIVE"
        return self._each(hosted, "on_known", lambda strategy: strategy.on_known(True, now))

    def _seat(self, hosted: Hosted) -> None:
        for contract_id, post in hosted.posts.items():
            self._market.need(contract_id, self._condition.timeframe, self._condition.window)
            for timeframe, depth in post.strategy.depths.items():
                self._market.need(contract_id, timeframe, depth)
        self._route()

    def _route(self) -> None:
        self._at = {}
        for instance in sorted(self._hosted, key=_instance_bytes):
            hosted = self._hosted[instance]
            for contract_id, post in hosted.posts.items():
                self._at.setdefault(contract_id, []).append((hosted, post))

    def _window_changed(self, window: BarWindow, now: TsNs) -> list[Action]:
        self._market.classify(window)
        actions = self._in_contract(
            window.contract_id, "on_bars", lambda strategy: strategy.on_bars(window.timeframe, now)
        )
        for hosted, post in self._at.get(window.contract_id, ()):
            if post.strategy.evaluates == window.timeframe:
                actions += self._evaluate(hosted, post, window, now)
        return actions

    def _evaluate(self, hosted: Hosted, post: Post, window: BarWindow, now: TsNs) -> list[Action]:
        """Each closed bar once, ascending; an incomplete one holds up those after it."""
        actions: list[Action] = []
        for bar in window.since(post.evaluated):
            if not bar.complete or hosted.state != "ACTIVE":
                break
            post.evaluated = bar.start
            wanted = post.call("evaluate", partial(_evaluated, bar, now))
            if bar.end <= hosted.started:
                wanted = ()
            elif now - bar.end > LATE_NS and any(isinstance(each, Enter) for each in wanted):
                wanted = [each for each in wanted if not isinstance(each, Enter)]
                wanted.append(
                    Note(
                        instance=hosted.instance,
                        contract_id=window.contract_id,
                        code="LATE_BAR",
                        detail=f"{(now - bar.end) // SECOND} s after the bar's end",
                    )
                )
            actions += self._done(hosted, post, wanted)
        return actions

    def _in_contract(
        self, contract_id: str, handler: str, work: Callable[[Strategy], Sequence[Action]]
    ) -> list[Action]:
        actions: list[Action] = []
        for hosted, post in self._at.get(contract_id, ()):
            actions += self._call(hosted, post, handler, work)
        return actions

    def _in_account(
        self, account_id: int, handler: str, work: Callable[[Strategy], Sequence[Action]]
    ) -> list[Action]:
        actions: list[Action] = []
        for instance in sorted(self._hosted, key=_instance_bytes):
            if instance.account_id == account_id:
                actions += self._each(self._hosted[instance], handler, work)
        return actions

    def _each(
        self, hosted: Hosted, handler: str, work: Callable[[Strategy], Sequence[Action]]
    ) -> list[Action]:
        actions: list[Action] = []
        for post in hosted.posts.values():
            actions += self._call(hosted, post, handler, work)
        return actions

    def _by_key(
        self, key: str, handler: str, work: Callable[[Strategy, StrategyKey], Sequence[Action]]
    ) -> list[Action]:
        try:
            parsed = StrategyKey.parse(key)
        except BadField:
            return []
        hosted = self._hosted.get(parsed.instance)
        post = hosted.posts.get(parsed.contract_id) if hosted is not None else None
        if hosted is None or post is None:
            return []
        return self._call(hosted, post, handler, lambda strategy: work(strategy, parsed))

    def _call(
        self,
        hosted: Hosted,
        post: Post,
        handler: str,
        work: Callable[[Strategy], Sequence[Action]],
    ) -> list[Action]:
        if hosted.state not in RUNNING:
            return []
        return self._done(hosted, post, post.call(handler, work))

    def _done(self, hosted: Hosted, post: Post, wanted: Iterable[Action]) -> list[Action]:
        actions = list(wanted)
        if hosted.state in ("STARTING", "ACTIVE") and post.failed:
            hosted.state = "ERROR"
            for each in hosted.posts.values():
                actions += each.call("on_stop", lambda strategy: strategy.on_stop())
            actions.append(
                Alert(
                    instance=hosted.instance,
                    contract_id=post.contract.id,
                    code="STRATEGY_ERROR",
                    detail=post.last_error,
                )
            )
        self._settle(hosted)
        return actions

    def _settle(self, hosted: Hosted) -> None:
        if hosted.state == "STOPPING" and all(post.strategy.quiet() for post in hosted.posts.values()):
            hosted.state = "IDLE"

    def _read(self, reader: Reader) -> None:
        if (version := reader.count()) != _VERSION:
            raise StoreCorrupt("snapshot", expected=f"version {_VERSION}", seen=version)
        self._market.read(reader)
        self._heard.read(reader)
        for _ in range(reader.count()):
            self._read_hosted(reader)
        reader.end()

    def _read_hosted(self, reader: Reader) -> None:
        instance = Instance(reader.i64(), reader.text())
        state, started, stopped = reader.i64s(3)
        parameters = json.loads(reader.text())
        if instance.strategy not in self._strategies or not 0 <= state < len(STATES):
            raise StoreCorrupt("snapshot", expected="a known strategy and state", seen=str(instance))
        hosted = Hosted(instance, STATES[state], started, stopped, parameters, {}, set())
        for _ in range(reader.count()):
            hosted.missing.add((reader.text(), reader.text()))
        for _ in range(reader.count()):
            contract = read_contract(reader)
            seat = Seat(instance, contract, self._calendar, self._market)
            post = Post(contract, self._strategies[instance.strategy](seat, parameters, TsNs(started)))
            post.read(reader, instance)
            hosted.posts[contract.id] = post
        self._hosted[instance] = hosted
        self._route()


def _is_key(key: str) -> bool:
    return key.count("|") == 4 and key.partition("|")[0].isdigit()


def _evaluated(bar: Bar, now: TsNs, strategy: Strategy) -> Sequence[Action]:
    return strategy.evaluate(bar, now)


def _instance_bytes(instance: Instance) -> tuple[int, bytes]:
    return instance.account_id, instance.strategy.encode()
