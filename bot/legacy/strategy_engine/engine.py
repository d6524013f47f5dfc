"""Hosts strategy instances: keeps their bars, routes events to them, isolates their errors.

Strategies are handed in by name. Everything that happens is an input with a time; the same inputs give
the same actions, here and in any other implementation. Actions of one event come in byte order of
(account, strategy), so nothing depends on the order in which instances were started.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.legacy.strategy_engine.condition import ConditionParameters
from bot.legacy.strategy_engine.heard import Heard, Holding
from bot.legacy.strategy_engine.keys import StrategyKey
from bot.legacy.strategy_engine.layout import Reader, Writer
from bot.legacy.strategy_engine.market import MarketMemory
from bot.legacy.strategy_engine.post import Hosted, Post
from bot.legacy.strategy_engine.roster import RUNNING, Roster
from bot.legacy.strategy_engine.strategy import Strategy, StrategyFactory
from bot.legacy.strategy_engine.windows import BarWindow
from bot.model.actions import Action, Alert, Enter, Instance, Note
from bot.model.contract import Contract
from bot.model.errors import BadField, BotError, ConfigError, StoreCorrupt
from bot.model.market import Bar
from bot.model.orders import Fill, Order, Position
from bot.model.quantities import Ticks, TsNs
from bot.model.risk import RuleFigures
from bot.model.times import SECOND

MAX_CONCURRENT = 3
LATE_NS = 30 * SECOND
_VERSION = 1
Work = Callable[[Strategy], Sequence[Action]]


class PythonStrategyEngine:
    """See bot.ports.StrategyEngine. `config` holds plain parameters by strategy name.

    Windows exist for what instances need (`windows_wanted`), so history comes after `start`. Orders,
    fills, positions and `on_known` may come before it.
    """

    def __init__(
        self,
        calendar: SessionCalendar,
        strategies: Mapping[str, StrategyFactory],
        config: Mapping[str, Mapping[str, object]] | None = None,
        condition: ConditionParameters | None = None,
        max_concurrent: int = MAX_CONCURRENT,
    ) -> None:
        self._config = {name: dict(parameters) for name, parameters in (config or {}).items()}
        self._condition = condition or ConditionParameters()
        self._make_roster = partial(Roster, calendar, dict(strategies), self._condition, max_concurrent)
        self._market = MarketMemory(self._condition)
        self._heard = Heard()
        self._roster = self._make_roster()

    def condition(self, contract_id: str) -> tuple[str, ...]:
        """Labels of the market condition at the newest closed bar of its timeframe."""
        return self._market.labels(contract_id)

    def windows_wanted(self) -> list[tuple[str, str, int]]:
        """`(contract id, timeframe, bars)`: the history that instances need."""
        return self._market.depths()

    def history_wanted(self) -> list[tuple[str, str, TsNs, TsNs]]:
        """`(contract id, timeframe, start, end)`: bars that stay unused until history replaces them."""
        return self._market.gaps()

    # --- life of instances

    def start(self, instance: Instance, contracts: Sequence[Contract], now: TsNs) -> list[Action]:
        """Make an instance active; a refusal is a Note with its code and leaves nothing behind.

        It is STARTING until each of its windows got history and its account is known.
        """
        refusal = self._roster.refusal(instance)
        if refusal is not None:
            return [_note(instance, *refusal)]
        parameters = dict(self._config.get(instance.strategy, {}))
        try:
            posts = self._roster.posts(instance, contracts, parameters, self._market, now)
        except ConfigError as problem:
            return [_note(instance, "BAD_CONFIG", str(problem))]
        missing = {(id_, timeframe) for id_, post in posts.items() for timeframe in post.strategy.depths}
        hosted = Hosted(instance, "STARTING", now, 0, parameters, posts, missing)
        self._roster.host(hosted, self._market)
        return self._recall(hosted, now) + self._each(
            hosted, "on_clock", lambda strategy: strategy.on_clock(now)
        )

    def stop(self, instance: Instance, now: TsNs) -> list[Action]:
        """Cancel its entries; it is IDLE once they are over."""
        hosted = self._roster.find(instance)
        if hosted is None or hosted.state not in ("STARTING", "ACTIVE"):
            return [_note(instance, "NOT_ACTIVE")]
        hosted.state, hosted.stopped = "STOPPING", now
        actions = self._each(hosted, "on_stop", lambda strategy: strategy.on_stop())
        self._settle(hosted)
        return actions

    def configure(self, instance: Instance, parameters: Mapping[str, object], now: TsNs) -> list[Action]:
        """Replace an instance's plain parameters, checked as a whole; strategies say when they apply."""
        hosted = self._roster.find(instance)
        if hosted is None:
            return [_note(instance, "NOT_ACTIVE")]
        contracts = [post.contract for post in hosted.posts.values()]
        try:
            self._roster.posts(instance, contracts, parameters, self._market, now)
        except ConfigError as problem:
            return [_note(instance, "BAD_CONFIG", str(problem))]
        for post in hosted.posts.values():
            post.strategy.configure(parameters)
        hosted.parameters = dict(parameters)
        return self._each(hosted, "on_clock", lambda strategy: strategy.on_clock(now))

    def state(self, instance: Instance) -> str:
        """IDLE, STARTING, ACTIVE, STOPPING or ERROR."""
        hosted = self._roster.find(instance)
        return "IDLE" if hosted is None else hosted.state

    # --- market events

    def on_history(self, contract_id: str, timeframe: str, bars: Sequence[Bar], now: TsNs) -> list[Action]:
        """Closed bars from history; they replace bars of the same start."""
        window = self._market.find(contract_id, timeframe)
        if window is None:
            return []
        changed = window.extend(bar for bar in bars if bar.end <= now)
        actions = self._window_changed(window, now) if changed else []
        for hosted, _ in self._roster.at(contract_id):
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
        for hosted, post in self._roster.at(contract_id):
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
        for hosted in self._roster.all():
            actions += self._each(hosted, "on_clock", lambda strategy: strategy.on_clock(now))
        return actions

    # --- orders, fills, positions

    def on_order(self, key: str, order: Order, now: TsNs) -> list[Action]:
        """An order that was placed under `key` changed."""
        parsed = _parsed(key)
        if parsed is None:
            return []
        self._heard.order(key, order)
        return self._at_key(
            parsed, "on_order", lambda strategy: strategy.on_order(parsed.leg, parsed.scope, order, now)
        )

    def on_denied(self, key: str, code: str, now: TsNs) -> list[Action]:
        """The entry of `key` will never exist."""
        parsed = _parsed(key)
        if parsed is None:
            return []
        return self._at_key(
            parsed, "on_denied", lambda strategy: strategy.on_denied(parsed.leg, parsed.scope, code, now)
        )

    def on_fill(self, key: str, fill: Fill, now: TsNs) -> list[Action]:
        """The entry of `key` was filled, in part or whole."""
        parsed = _parsed(key)
        if parsed is None:
            return []
        self._heard.fill(key, fill)
        return self._at_key(
            parsed, "on_fill", lambda strategy: strategy.on_fill(parsed.leg, parsed.scope, fill, now)
        )

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
        hosted = self._roster.find(instance)
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
        for hosted in self._roster.of_account(account_id):
            if hosted.state == "STARTING":
                actions += self._begin(hosted, now)
            else:
                actions += self._each(hosted, "on_known", lambda strategy: strategy.on_known(known, now))
        return actions

    def on_risk(self, account_id: int, figures: RuleFigures, now: TsNs) -> list[Action]:
        """The account's day result and limits."""
        self._heard.figures[account_id] = figures
        actions: list[Action] = []
        for hosted in self._roster.of_account(account_id):
            actions += self._each(hosted, "on_risk", lambda strategy: strategy.on_risk(figures, now))
        return actions

    # --- status and state

    def status(self, now: TsNs) -> list[dict[str, Any]]:
        """One row per instance and contract, in byte order."""
        return self._roster.status(self._market, now)

    def quiet(self) -> bool:
        """True when no instance waits for a cancel or a stop move."""
        return self._roster.quiet()

    def snapshot(self) -> bytes:
        """Prices, windows, what was heard, instances; see layout.py for the encoding."""
        writer = Writer()
        writer.count(_VERSION)
        self._market.write(writer)
        self._heard.write(writer)
        self._roster.write(writer)
        return writer.done()

    def restore(self, state: bytes) -> None:
        """Become the state of `snapshot`. Raises StoreCorrupt; the old state stays then."""
        market, heard, roster = MarketMemory(self._condition), Heard(), self._make_roster()
        try:
            reader = Reader(state)
            if (version := reader.count()) != _VERSION:
                raise StoreCorrupt("snapshot", expected=f"version {_VERSION}", seen=version)
            market.read(reader)
            heard.read(reader)
            roster.read(reader, market)
            reader.end()
        except (ValueError, LookupError, OverflowError, msgspec.MsgspecError, BotError) as problem:
            raise StoreCorrupt("snapshot", expected="what snapshot() gave", seen=str(problem)) from problem
        for hosted in roster.all():
            for post in hosted.posts.values():
                if (figures := heard.figures.get(hosted.instance.account_id)) is not None:
                    post.strategy.on_risk(figures, TsNs(hosted.started))
        self._market, self._heard, self._roster = market, heard, roster

    def digest(self) -> int:
        """BLAKE2b-64 of the snapshot, little-endian."""
        return int.from_bytes(hashlib.blake2b(self.snapshot(), digest_size=8).digest(), "little")

    # --- inside

    def _recall(self, hosted: Hosted, now: TsNs) -> list[Action]:
        """Tell a new instance what was heard before it started."""
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
        figures = self._heard.figures.get(hosted.instance.account_id)
        if figures is not None:
            actions += self._each(hosted, "on_risk", lambda strategy: strategy.on_risk(figures, now))
        return actions

    def _begin(self, hosted: Hosted, now: TsNs) -> list[Action]:
        """Active from now on, if history and account are there."""
        known = self._heard.known.get(hosted.instance.account_id, False)
        if hosted.state != "STARTING" or hosted.missing or not known:
            return []
        hosted.state = "ACTIVE"
        return self._each(hosted, "on_known", lambda strategy: strategy.on_known(True, now))

    def _window_changed(self, window: BarWindow, now: TsNs) -> list[Action]:
        self._market.classify(window)
        actions = self._in_contract(
            window.contract_id, "on_bars", lambda strategy: strategy.on_bars(window.timeframe, now)
        )
        for hosted, post in self._roster.at(window.contract_id):
            if post.strategy.evaluates == window.timeframe:
                actions += self._evaluate(hosted, post, window, now)
        return actions

    def _evaluate(self, hosted: Hosted, post: Post, window: BarWindow, now: TsNs) -> list[Action]:
        """Each closed bar once, ascending; an incomplete one holds up those after it (§12.1)."""
        actions: list[Action] = []
        for bar in window.since(post.evaluated):
            if not bar.complete or hosted.state != "ACTIVE":
                break
            post.evaluated = bar.start
            wanted = post.call("evaluate", partial(_evaluated, bar, now))
            if bar.end <= hosted.started:
                wanted = ()
            elif now - bar.end > LATE_NS and any(isinstance(each, Enter) for each in wanted):
                late = f"{(now - bar.end) // SECOND} s after the bar's end"
                wanted = [each for each in wanted if not isinstance(each, Enter)]
                wanted.append(_note(hosted.instance, "LATE_BAR", late, window.contract_id))
            actions += self._done(hosted, post, wanted)
        return actions

    def _in_contract(self, contract_id: str, handler: str, work: Work) -> list[Action]:
        actions: list[Action] = []
        for hosted, post in self._roster.at(contract_id):
            actions += self._call(hosted, post, handler, work)
        return actions

    def _each(self, hosted: Hosted, handler: str, work: Work) -> list[Action]:
        actions: list[Action] = []
        for post in hosted.posts.values():
            actions += self._call(hosted, post, handler, work)
        return actions

    def _at_key(self, key: StrategyKey, handler: str, work: Work) -> list[Action]:
        hosted = self._roster.find(key.instance)
        post = hosted.posts.get(key.contract_id) if hosted is not None else None
        return [] if hosted is None or post is None else self._call(hosted, post, handler, work)

    def _call(self, hosted: Hosted, post: Post, handler: str, work: Work) -> list[Action]:
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


def _parsed(key: str) -> StrategyKey | None:
    try:
        return StrategyKey.parse(key)
    except BadField:
        return None


def _evaluated(bar: Bar, now: TsNs, strategy: Strategy) -> Sequence[Action]:
    return strategy.evaluate(bar, now)


def _note(instance: Instance, code: str, detail: str = "", contract_id: str = "") -> Note:
    return Note(instance=instance, contract_id=contract_id, code=code, detail=detail)
