"""The one way of data through the bot: record → events → bars → engine → desk. Nothing flows back.

Everything here runs on the event loop's thread, in arrival order. The pipeline owns no socket and no
state of trading; it counts what passes and stamps how long each record took.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import structlog

from bot.clock import Clock
from bot.depth import DepthBooks
from bot.latency import Histogram
from bot.model.actions import Action
from bot.model.events import (
    AccountChanged,
    Closed,
    Completed,
    DepthChanged,
    FillReported,
    Hub,
    OrderChanged,
    PositionChanged,
    QuoteChanged,
    StreamEvent,
    Traded,
    Undecodable,
)
from bot.model.market import Bar
from bot.model.quantities import TsNs
from bot.model.times import MINUTE, SECOND
from bot.ports import BarBuilder, StrategyEngine, StreamProcessor

log = structlog.get_logger(__name__)
TIMER_S = 0.25
QUOTE_FALLBACK_NS = 30 * SECOND
MAX_PRICE_AGE_NS = 5 * SECOND
_EVENT_NAMES: dict[type, str] = {
    QuoteChanged: "quotes", Traded: "trades", DepthChanged: "depth", OrderChanged: "orders",
    FillReported: "fills", PositionChanged: "positions", AccountChanged: "accounts",
    Completed: "completions", Closed: "closes", Undecodable: "undecodable",
}  # fmt: skip


class Desk(Protocol):
    """What the pipeline hands on to trading."""

    def on_event(self, event: StreamEvent) -> None: ...

    def act(self, action: Action) -> None: ...

    def doubt(self, why: str) -> None: ...


class Pipeline:
    """Feeds the components in order. A print older than `max_price_age_ns` makes bars, but is no price to act on."""

    def __init__(
        self, clock: Clock, processor: StreamProcessor, bars: BarBuilder, engine: StrategyEngine, desk: Desk,
        contracts: Iterable[str], max_price_age_ns: int = MAX_PRICE_AGE_NS,
    ) -> None:  # fmt: skip
        self._max_price_age = max_price_age_ns
        self._clock, self._processor, self._bars = clock, processor, bars
        self._engine, self._desk = engine, desk
        self._contracts = sorted(contracts, key=str.encode)
        self.depth = DepthBooks()
        self.closed_bars: Counter[str] = Counter()
        self.events: Counter[str] = Counter(dict.fromkeys(_EVENT_NAMES.values(), 0))
        self.records = self.failures = 0
        self.frame_ns = Histogram()
        self.bar_listeners: list[Callable[[Bar], None]] = []
        self._minute: dict[str, int] = {}
        self._last_trade: dict[str, int] = {}
        self._last_second = 0

    def on_records(self, hub: Hub, _generation: int, records: Sequence[tuple[bytes, int, int]]) -> None:
        """Records of one wake-up, each with its arrival in venue time and on the host's monotonic clock.

        A record that fails is counted and told, and the ones behind it are handled; what it held is asked for,
        and bars that are open then wait for history.
        """
        for record, received, arrived in records:
            self.records += 1
            try:
                for event in self._processor.feed(hub, record, TsNs(received)):
                    self._on_event(event, TsNs(received))
            except Exception as problem:
                self._failed(f"a record of the {hub} hub could not be handled", problem)
                if hub == "market":
                    self._mark_open_bars(TsNs(received))
            self.frame_ns.add(self._clock.host_mono() - arrived)

    def _mark_open_bars(self, now: TsNs) -> None:
        with self._counted("open bars could not be marked"):
            for contract_id in self._contracts:
                self._bars.feed_down(contract_id, now)
                self._bars.feed_up(contract_id, now)

    def feed_up(self, now: TsNs) -> None:
        """The market hub is connected and subscribed since `now`."""
        for contract_id in self._contracts:
            self._last_trade[contract_id] = now
            self._bars.feed_up(contract_id, now)

    def feed_down(self, now: TsNs) -> None:
        """The market hub is lost at `now`; open bars become incomplete, and no order book is known."""
        self.depth.forget()
        for contract_id in self._contracts:
            self._bars.feed_down(contract_id, now)

    async def run(self) -> None:
        """Timers, until cancelled: the bars' clock every 250 ms, the engine's every second of venue time."""
        while True:
            await self._clock.sleep(TIMER_S)
            self.tick()

    def tick(self) -> None:
        """One timer event."""
        now = self._clock.now()
        with self._counted("the bars' clock failed"):
            self._finish(self._bars.on_timer(now), now)
        if now - self._last_second >= SECOND:
            self._last_second = now
            with self._counted("the engine's clock failed"):
                self.act(self._engine.on_clock(now))

    def act(self, actions: Sequence[Action]) -> None:
        """Hand what the engine asks for to the desk, in order."""
        for action in actions:
            self._desk.act(action)

    def _on_event(self, event: StreamEvent, received: TsNs) -> None:
        self.events[_EVENT_NAMES[type(event)]] += 1
        if isinstance(event, Traded):
            self._on_trades(event)
        elif isinstance(event, QuoteChanged):
            self._on_quote(event, received)
        elif isinstance(event, DepthChanged):
            self.depth.take(event)
        else:
            self._desk.on_event(event)

    def _on_trades(self, event: Traded) -> None:
        self._finish(self._bars.on_trades(event.trades), event.trades[-1].received)
        for trade in event.trades:
            if trade.price is None:
                continue
            contract_id, now = trade.contract_id, trade.received
            self._last_trade[contract_id] = now
            minute = (trade.ts or now) // MINUTE
            if minute > self._minute.get(contract_id, 0):
                self._minute[contract_id] = minute
                self._show_forming(contract_id, now)
            if self._clock.now() - (trade.ts or now) <= self._max_price_age:
                self.act(self._engine.on_price(contract_id, trade.price, now))

    def _show_forming(self, contract_id: str, now: TsNs) -> None:
        for bar in self._bars.forming(contract_id):
            if bar.timeframe == "1m":
                self.act(self._engine.on_forming(bar, now))

    def _on_quote(self, event: QuoteChanged, received: TsNs) -> None:
        self._desk.on_event(event)
        quote = event.quote
        if not event.last_changed:
            return
        if received - self._last_trade.get(quote.contract_id, received) >= QUOTE_FALLBACK_NS:
            self._bars.set_mode(quote.contract_id, "quotes")
            self._finish(
                self._bars.on_quote(quote.contract_id, quote.last, quote.last_ts, received), received
            )

    def _finish(self, bars: Sequence[Bar], now: TsNs) -> None:
        for bar in bars:
            self.closed_bars[bar.timeframe] += 1
            for listener in self.bar_listeners:
                with self._counted("a closed bar could not be told"):
                    listener(bar)
            with self._counted("a closed bar could not be evaluated"):
                self.act(self._engine.on_bar(bar, now))

    @contextlib.contextmanager
    def _counted(self, what: str) -> Iterator[None]:
        """A failure inside is counted, told and doubted, and what follows goes on."""
        try:
            yield
        except Exception as problem:
            self._failed(what, problem)

    def _failed(self, what: str, problem: Exception) -> None:
        self.failures += 1
        log.exception("pipeline.failed", what=what, problem=str(problem))
        self._desk.doubt(what)
