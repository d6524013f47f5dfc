"""Our picture of the venue: accounts, orders, positions, fills and quotes, and the RiskView made of it.

The picture is changed by the intake only. The view is an immutable snapshot with a version; it is built when
somebody asks and something has changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bot.clock import Clock
from bot.model.actions import Instance
from bot.model.contract import Contract
from bot.model.intents import PlaceOrder
from bot.model.market import Quote
from bot.model.orders import Order, Position
from bot.model.risk import AccountView, InstanceFigures, RiskView, TradingState
from bot.model.times import SECOND
from bot.trading.accounts import AccountBook, AccountState
from bot.trading.intent_log import IntentLog
from bot.trading.intent_records import Entry
from bot.trading.orders import OrderBook
from bot.trading.positions import At, FillBook, PositionBook
from bot.trading.settings import TradingSettings

REFRESH_NS = SECOND // 2


class Picture:
    """Everything known, by one writer."""

    def __init__(
        self,
        log: IntentLog,
        orders: OrderBook,
        clock: Clock,
        settings: TradingSettings,
        contracts: Mapping[str, Contract],
        risk_day: Callable[[int], object],
        trading_state: Callable[[int], tuple[TradingState, str]],
    ) -> None:
        self.log = log
        self.orders = orders
        self.clock = clock
        self.settings = settings
        self.contracts = contracts
        self.accounts = AccountBook()
        self.positions = PositionBook()
        self.fills = FillBook()
        self.quotes: dict[str, Quote] = {}
        self.hub_up = self.feed_up = False
        self.old_history: Mapping[str, str] = {}
        self.store_ok = True
        self.clock_skew_ns: int | None = None
        self.labels: dict[str, tuple[str, ...]] = {}
        self.mismatched: frozenset[str] = frozenset()
        self._floating: dict[str, Order] = {}
        self._owners: dict[At, str] = {}
        self._today: dict[int, tuple[tuple[object, int, int], dict[str, int]]] = {}
        self._risk_day = risk_day
        self._trading_state = trading_state
        self._version = 0
        self._view: RiskView | None = None

    def touch(self) -> None:
        """Something changed: the next view is a new one."""
        self._view = None

    def view(self) -> RiskView:
        """The snapshot of now, at most half a second old."""
        if self._view is None or self.clock.now() - self._view.as_of > REFRESH_NS:
            self._version += 1
            self._view = RiskView(
                version=self._version,
                as_of=self.clock.now(),
                accounts={state.account.id: self._account(state) for state in self.accounts.all()},
                contracts=self.contracts,
                quotes=dict(self.quotes),
                used_keys=self.log.keys,
                live_accounts=self.settings.live_accounts,
                live=self.settings.live,
                store_ok=self.store_ok and self.log.writable,
                labels=dict(self.labels),
                mismatched=self.mismatched,
                feed_up=self.feed_up,
                old_history=dict(self.old_history),
                clock_skew_ns=self.clock_skew_ns,
            )
        return self._view

    def float_entry(self, entry: Entry) -> None:
        """Count an order that was recorded and not yet seen at the venue as working."""
        intent = entry.intent
        if isinstance(intent, PlaceOrder):
            self._floating[entry.id] = Order(
                -1 - len(self._floating), intent.account_id, intent.contract_id, 6, intent.type, intent.side,
                intent.size, entry.at, entry.at, limit=intent.limit, stop=intent.stop, tag=intent.tag,
            )  # fmt: skip
            self.touch()

    def sink(self, intent_id: str) -> None:
        """The order was seen, or will never exist."""
        if self._floating.pop(intent_id, None) is not None:
            self.touch()

    def floating(self, account_id: int, contract_id: str | None = None) -> list[Order]:
        """Orders under way that no report has shown yet; their ids are negative."""
        return [
            order
            for order in self._floating.values()
            if order.account_id == account_id and contract_id in (None, order.contract_id)
        ]

    def unresolved(self, account_id: int) -> frozenset[str]:
        """Contracts with an order or a close of unknown outcome."""
        return frozenset(
            entry.intent.contract_id
            for entry in self.log.open_entries()
            if entry.state == "unknown" and entry.intent.account_id == account_id
        )

    def own(self, at: At, strategy: str) -> None:
        """An entry of `strategy` was filled there."""
        self._owners[at] = strategy

    def disown(self, at: At) -> None:
        """The place is proven flat."""
        self._owners.pop(at, None)

    def owner(self, at: At) -> str | None:
        """Whose position it is: of any tagged order that opened one of its lots. None = foreign."""
        net = self.positions.net(*at)
        open_lots = abs(net)
        if not open_lots:
            return self._owners.get(at)
        for fill in self.fills.newest_first(at):
            if fill.pnl is not None:
                continue
            if (fill.side == 0) != (net > 0):
                break
            order = self.orders.get(fill.order_id)
            strategy = self.orders.strategy(order) if order is not None else None
            if strategy is not None:
                return strategy
            open_lots -= fill.size
            if open_lots <= 0:
                if order is not None:
                    return None
                break
        if at in self._owners:
            return self._owners[at]
        for leg in self.orders.working(*at):
            if self.orders.is_leg(leg):
                return self.orders.strategy(leg)
        # An entry of ours that was sent and not reported yet explains a position of its direction.
        for order in self.floating(*at):
            if self.orders.is_entry(order) and (order.side == 0) == (net > 0):
                return self.orders.strategy(order)
        return None

    def entry_of(self, at: At) -> tuple[Order | None, Entry | None]:
        """The newest filled entry order of ours in the place, and its intent if the log has it."""
        best = self.orders.filled_entry(*at)
        return best, (self.log.by_tag(best.account_id, best.tag) if best is not None else None)

    def working_stop(self, position: Position) -> Order | None:
        """The protective stop of a position that is nearest to the market."""
        side = 1 if position.net > 0 else 0
        stops = [
            order
            for order in self.orders.stops(position.account_id, position.contract_id, side)
            if order.status == 1 and order.stop is not None and not self.orders.is_entry(order)
        ]
        if not stops:
            return None
        return max(stops, key=_stop_price) if side == 1 else min(stops, key=_stop_price)

    def instances(self, account_id: int) -> Iterator[Instance]:
        """Active instances and those that own a position or an entry."""
        state = self.accounts.get(account_id)
        for name in sorted({*(state.active if state else ()), *self._figures(account_id)}):
            yield Instance(account_id, name)

    def _account(self, state: AccountState) -> AccountView:
        account_id = state.account.id
        trading, reason = self._trading_state(account_id)
        orders = {order.id: order for order in self.orders.working(account_id)}
        orders.update((order.id, order) for order in self.floating(account_id))
        return AccountView(
            account=state.account,
            trading_state=trading,
            state_reason=reason,
            colour=state.colour,
            rules=state.rules,
            positions={position.contract_id: position for position in self.positions.open(account_id)},
            orders=orders,
            unresolved=self.unresolved(account_id),
            instances=self._figures(account_id),
            hub_ok=self.hub_up,
            legs="client" if state.bracket_mode == "client" else "native",
            exits_allowed=state.exits_allowed or self._holds_own(account_id),
        )

    def _holds_own(self, account_id: int) -> bool:
        """A position of the bot is protected and closed even where trading was switched off since."""
        return any(
            self.owner((account_id, position.contract_id)) is not None
            for position in self.positions.open(account_id)
        )

    def _figures(self, account_id: int) -> dict[str, InstanceFigures]:
        state = self.accounts.get(account_id)
        active = state.active if state is not None else set()
        positions: dict[str, set[str]] = {}
        entries: dict[str, set[str]] = {}
        for position in self.positions.open(account_id):
            owner = self.owner((account_id, position.contract_id))
            if owner is not None:
                positions.setdefault(owner, set()).add(position.contract_id)
        for order in [*self.orders.working(account_id), *self.floating(account_id)]:
            owner = self.orders.strategy(order)
            if owner is not None and self.orders.is_entry(order):
                entries.setdefault(owner, set()).add(order.contract_id)
        today = self._entries_today(account_id)
        return {
            name: InstanceFigures(
                active=name in active,
                entries_today=today.get(name, 0),
                positions=frozenset(positions.get(name, ())),
                working_entries=frozenset(entries.get(name, ())),
            )
            for name in sorted({*active, *positions, *entries, *today})
        }

    def _entries_today(self, account_id: int) -> dict[str, int]:
        day = self._risk_day(self.clock.now())
        basis = (day, self.fills.version, self.orders.version)
        known = self._today.get(account_id)
        if known is not None and known[0] == basis:
            return known[1]
        counted: dict[str, set[int]] = {}
        for fill in self.fills.all():
            if fill.account_id != account_id or self._risk_day(fill.ts) != day:
                continue
            order = self.orders.get(fill.order_id)
            owner = self.orders.strategy(order) if order is not None else None
            if owner is not None and order is not None and self.orders.is_entry(order):
                counted.setdefault(owner, set()).add(order.id)
        result = {name: len(ids) for name, ids in counted.items()}
        self._today[account_id] = (basis, result)
        return result


def _stop_price(order: Order) -> int:
    assert order.stop is not None
    return order.stop
