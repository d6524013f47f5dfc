"""The contracts of the five components, and of what they are handed.

Each implementation (python, cython, rust) satisfies the same Protocol and the same parity suite.
A component is a deterministic function of its inputs: it opens no socket and reads no clock.
`snapshot`, `restore` and `digest` share one canonical little-endian layout across languages;
`digest` is BLAKE2b with an 8-byte digest over the snapshot, read as a little-endian integer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from bot.model.actions import Action, Instance
from bot.model.contract import Contract
from bot.model.events import Hub, StreamEvent
from bot.model.intents import (
    ApprovedIntent,
    Denial,
    Intent,
    Outcome,
    PlannedRequest,
    WireResponse,
)
from bot.model.market import Bar, ConvertedBar, MinuteBar, Quote, Trade
from bot.model.orders import Account, Fill, Order, Position
from bot.model.quantities import Ticks, TsNs
from bot.model.risk import RiskView, RuleFigures

Lane = Literal["safety", "entry", "read", "background"]


class Component(Protocol):
    """What every stateful component offers to the migration."""

    def snapshot(self) -> bytes:
        """The whole state in the canonical layout."""
        ...

    def restore(self, state: bytes) -> None:
        """Become the state of `snapshot`. Raises StoreCorrupt when it cannot be read."""
        ...

    def digest(self) -> int:
        """BLAKE2b-64 of the snapshot."""
        ...

    def quiet(self) -> bool:
        """True when no unit of work is half done."""
        ...


class OrderExecution(Component, Protocol):
    """Approved intent to wire request; response and events to outcome and order state."""

    def plan(self, approved: ApprovedIntent, contract: Contract) -> PlannedRequest:
        """The exact request; pure. Prices become decimal text of the contract's grid."""
        ...

    def interpret(self, request: PlannedRequest, response: WireResponse) -> Outcome:
        """What the answer means (gateway.md §7, bot.md §4.5)."""
        ...

    def on_order(self, order: Order) -> Order | None:
        """Feed an order event or row; returns the order when its state moved, None when it is old news.

        A terminal status never goes back to working.
        """
        ...

    def order(self, order_id: int) -> Order | None:
        """The newest known state of one order."""
        ...


class StreamProcessor(Component, Protocol):
    """Hub records to typed events, with quote state merged."""

    def set_contracts(self, contracts: Mapping[str, Contract]) -> None:
        """The contracts whose prices can be read; replaces the former set."""
        ...

    def feed(self, hub: Hub, record: bytes, received: TsNs) -> list[StreamEvent]:
        """One SignalR record without its separator, and its arrival in venue time."""
        ...

    def quote(self, contract_id: str) -> Quote | None:
        """The merged quote, None before the first update."""
        ...


class BarBuilder(Component, Protocol):
    """Trade prints to bars in all timeframes (strategies.md §6)."""

    def on_trade(self, trade: Trade, /) -> list[Bar]:
        """Bars that became final, in order of end, then of length."""
        ...

    def on_trades(self, trades: Sequence[Trade]) -> list[Bar]:
        """The same for several trades in order; one crossing of the border."""
        ...

    def on_columns(
        self, contract_id: str, prices: object, sizes: object, ts: object, received: object
    ) -> list[Bar]:
        """Trades of one contract in four int64 buffers of equal length. Raises BadField for other buffers."""
        ...

    def on_quote(self, contract_id: str, last: Ticks | None, ts: TsNs | None, received: TsNs) -> list[Bar]:
        """A quote's last price; counts as a tick of size 0 in quote mode only."""
        ...

    def on_timer(self, wall: TsNs) -> list[Bar]:
        """Move all clocks to `wall - close_grace`; contracts in byte order."""
        ...

    def set_mode(self, contract_id: str, mode: str) -> None:
        """`trades` or `quotes`."""
        ...

    def feed_up(self, contract_id: str, ts: TsNs) -> None:
        """The feed is connected and subscribed as of `ts`."""
        ...

    def feed_down(self, contract_id: str, ts: TsNs) -> None:
        """The feed is lost as of `ts`."""
        ...

    def subscribe(self, contract_id: str, timeframe: str, ts: TsNs) -> None:
        """Add a timeframe to one contract. Raises BadTimeframe."""
        ...

    def forming(self, contract_id: str) -> list[Bar]:
        """The open bars, shortest timeframe first, `final` false."""
        ...

    def counters(self) -> dict[str, dict[str, Any]]:
        """Per contract `{late: {timeframe: n}, future: n, bad: n}` in byte order."""
        ...


class BarConverter(Protocol):
    """Batch conversion of closed one-minute bars (strategies.md §6.6)."""

    def __call__(
        self,
        bars: Sequence[MinuteBar],
        timeframe: str,
        start: TsNs,
        end: TsNs,
        keep_partial: bool = False,
    ) -> list[ConvertedBar]:
        """Raises Unsorted, BadTimeframe."""
        ...


class StrategyEngine(Component, Protocol):
    """Bars, prices, orders, fills and the clock to actions. Same inputs, same actions."""

    def start(self, instance: Instance, contracts: Sequence[Contract], now: TsNs) -> list[Action]:
        """Make an instance active on these contracts."""
        ...

    def stop(self, instance: Instance, now: TsNs) -> list[Action]:
        """Cancel its entries; positions keep their protection."""
        ...

    def on_history(self, contract_id: str, timeframe: str, bars: Sequence[Bar], now: TsNs) -> list[Action]:
        """Closed bars from history, ascending; they replace bars of the same start."""
        ...

    def on_bar(self, bar: Bar, now: TsNs) -> list[Action]:
        """A final live bar."""
        ...

    def on_price(self, contract_id: str, last: Ticks, now: TsNs) -> list[Action]:
        """A trade price."""
        ...

    def on_forming(self, bar: Bar, now: TsNs) -> list[Action]:
        """The open one-minute bar; only its open price is used (§11.4)."""
        ...

    def on_order(self, key: str, order: Order, now: TsNs) -> list[Action]:
        """An order of this engine changed; `key` is the idempotency key it was placed under."""
        ...

    def on_denied(self, key: str, code: str, now: TsNs) -> list[Action]:
        """An entry was denied or refused and will never exist."""
        ...

    def on_fill(self, key: str, fill: Fill, now: TsNs) -> list[Action]:
        """An entry order of this engine was filled, in part or whole."""
        ...

    def on_position(
        self, instance: Instance, contract_id: str, position: Position | None,
        stop: Ticks | None, now: TsNs,
    ) -> list[Action]:  # fmt: skip
        """The instance's position (None = proven flat) and the price of its working stop."""
        ...

    def on_known(self, account_id: int, known: bool, now: TsNs) -> list[Action]:
        """Whether the open-order query and the position query both succeeded."""
        ...

    def on_risk(self, account_id: int, figures: RuleFigures, now: TsNs) -> list[Action]:
        """The account's day result and loss limit changed; only filters read them (§11.7)."""
        ...

    def on_clock(self, now: TsNs) -> list[Action]:
        """Time passed; called at least once a second."""
        ...

    def condition(self, contract_id: str) -> tuple[str, ...]:
        """The labels of the market condition (§9), `("unknown",)` without enough bars."""
        ...

    def status(self, now: TsNs) -> list[dict[str, Any]]:
        """Per instance and contract: phase, range, levels, orders, next evaluation, last note."""
        ...


class RiskGate(Protocol):
    """The only maker of ApprovedIntent."""

    def approve(self, intent: Intent, view: RiskView, now: TsNs) -> ApprovedIntent | Denial:
        """All checks of bot.md §7.4 and strategies.md §10 in order; the first failure is the answer."""
        ...

    def admit(self, action: Action, view: RiskView, now: TsNs) -> ApprovedIntent | Denial:
        """Size an `Enter` (§8.3) and approve it."""
        ...


class Store(Protocol):
    """The bot's reads and writes of PostgreSQL (bot.md §20.6).

    Raises StoreUnavailable, StoreConflict, StoreCorrupt; never an empty value for a failure.
    """

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def ping(self) -> float:
        """Seconds of one round trip."""
        ...

    async def migrate(self) -> int:
        """Bring the schema up to date; returns its version."""
        ...

    async def upsert_bars(self, contract_id: str, timeframe: str, bars: Sequence[Bar]) -> int: ...

    async def get_bars(
        self,
        contract_id: str,
        timeframe: str,
        start: TsNs | None = None,
        end: TsNs | None = None,
        limit: int | None = None,
    ) -> list[Bar]: ...

    async def upsert_contracts(self, contracts: Sequence[Contract]) -> None: ...

    async def list_contracts(self, root: str | None = None) -> list[Contract]: ...

    async def get_trading_state(self, scope: str) -> dict[str, Any] | None: ...

    async def set_trading_state(
        self, scope: str, state: str, reason: str, actor: str, expected_version: int
    ) -> int: ...

    async def save_account_state(self, account_id: int, state: Mapping[str, Any]) -> None: ...

    async def get_account_state(self, account_id: int) -> dict[str, Any] | None: ...

    async def save_rule_state(self, account_id: int, state: Mapping[str, Any]) -> None: ...

    async def get_rule_state(self, account_id: int) -> dict[str, Any] | None: ...

    async def put_intent(self, row: Mapping[str, Any]) -> None:
        """Insert or move forward one intent row, keyed by its id; replay is idempotent."""
        ...

    async def get_intent(self, intent_id: str) -> dict[str, Any] | None: ...

    async def upsert_orders(self, orders: Sequence[Order]) -> None: ...

    async def get_orders(self, account_id: int, working_only: bool = False) -> list[Order]: ...

    async def upsert_fills(self, fills: Sequence[Fill]) -> list[int]:
        """Returns the ids that were new."""
        ...

    async def get_fills(self, account_id: int, start: TsNs, end: TsNs) -> list[Fill]: ...

    async def put_protection(self, row: Mapping[str, Any]) -> None: ...

    async def add_reconciliation(
        self,
        account_id: int,
        colour: str,
        differences: Sequence[Any],
        actions: Sequence[Any],
    ) -> None: ...

    async def add_audit(
        self, actor: str, source: str, action: str, account_id: int | None, result: str
    ) -> None: ...


class JournalSink(Protocol):
    """Where the seams of the components are recorded; never blocks, never raises."""

    def append(self, component: str, op: str, unit: str, args: Any, output: Any, ns: int) -> None:
        """One call: its inputs, its output and the nanoseconds the authority took."""
        ...


class OpenOrders(msgspec.Struct, frozen=True):
    """Working orders; `complete` is false when suspended children could not be asked for."""

    orders: tuple[Order, ...]
    complete: bool


class VenueRest(Protocol):
    """The venue's REST side as the bot's own code sees it; implemented by bot/gateway.

    A read returns data or raises VenueUnreachable, VenueRefused, ProtocolError or AuthError; never an
    empty value for a failure. Reads retry inside their deadline, `send` transmits once (and once more
    after a 401, with a refreshed token).
    """

    @property
    def clock_skew_ns(self) -> int | None:
        """By how much this machine's wall clock is ahead of the venue's; None while unknown."""
        ...

    async def send(self, request: PlannedRequest, lane: Lane) -> WireResponse:
        """Transmit one mutation. `failure="budget"` means that nothing was sent."""
        ...

    async def accounts(self, lane: Lane = "read") -> list[Account]: ...

    async def contracts(self) -> list[Contract]:
        """The active contracts (`Contract/available`)."""
        ...

    async def contract(self, contract_id: str) -> Contract: ...

    async def open_orders(self, account_id: int, lane: Lane = "read") -> OpenOrders:
        """Statuses 1, 6, 7, 8 through `Order/v2/query`, paged; else `searchOpen`, incomplete."""
        ...

    async def orders_since(self, account_id: int, start: TsNs, lane: Lane = "read") -> list[Order]:
        """`Order/search` from `start`."""
        ...

    async def positions(self, account_id: int, lane: Lane = "read") -> list[Position]: ...

    async def fills(self, account_id: int, start: TsNs, lane: Lane = "read") -> list[Fill]:
        """`Trade/search` from `start`, oldest first, voided ones included."""
        ...

    async def bars(
        self,
        contract_id: str,
        timeframe: str,
        start: TsNs,
        end: TsNs,
        limit: int,
        partial: bool = False,
    ) -> list[MinuteBar]:
        """`History/retrieveBars` for `1s`-style, `1m`, `1h` and `1d` units; ascending, deduplicated."""
        ...


class Lease(Protocol):
    """The right to send for one account: an operating-system lock and the authority epoch in it."""

    @property
    def account_id(self) -> int: ...

    @property
    def epoch(self) -> int: ...

    def valid(self) -> bool:
        """True while this process holds the lock and its epoch is the newest."""
        ...
