"""One intent together with everything the checks read about it, looked up once."""

from __future__ import annotations

from typing import Literal

import msgspec

from bot.model.contract import Contract
from bot.model.intents import ModifyOrder, PlaceOrder
from bot.model.market import Quote
from bot.model.orders import Order, OrderType, Side
from bot.model.quantities import Ticks, TsNs
from bot.model.risk import AccountView, InstanceFigures, RiskView, StrategyPolicy
from bot.risk.size import ContractExposure, exposure_tenths

Effect = Literal["open", "reduce", "flip"]
EXIT_KINDS = frozenset({"SL", "TP", "CL"})
MANUAL_POLICY = StrategyPolicy()


class GateLimits(msgspec.Struct, frozen=True):
    """Limits of the gate that are not a strategy's; money shares in basis points, ages in ms."""

    max_data_age_ms: int = 5000
    max_view_age_ms: int = 2000
    max_contract_age_h: int = 24
    min_bracket_ticks: int = 4
    max_bracket_ticks: int = 1000
    price_band_ticks: int = 1000
    max_risk_bp: int = 2500
    orders_per_minute: int = 20
    max_quantity: int = 1000
    consistency_bp: int = 5000
    allow_flip: bool = False
    allow_resting_client_brackets: bool = False
    manual_protection_optional: bool = False


class EntrySubject(msgspec.Struct, frozen=True):
    """An order that may open exposure. `instance` is None for manual and external entries."""

    intent: PlaceOrder
    view: RiskView
    account: AccountView
    contract: Contract
    quote: Quote | None
    instance: InstanceFigures | None
    is_strategy: bool
    policy: StrategyPolicy
    limits: GateLimits
    now: TsNs

    @property
    def side(self) -> int:
        """+1 buy, -1 sell."""
        return sign(self.intent.side)

    @property
    def last(self) -> Ticks | None:
        """The last price, else the side of the book that the order would meet."""
        quote = self.quote
        if quote is None:
            return None
        return quote.last if quote.last is not None else self.opposite

    @property
    def opposite(self) -> Ticks | None:
        """Best ask for a buy, best bid for a sell."""
        if self.quote is None:
            return None
        return self.quote.ask if self.intent.side == Side.BUY else self.quote.bid

    @property
    def data_age_ms(self) -> int | None:
        """Age of the newest price, None before the first."""
        quote = self.quote
        if quote is None or self.last is None:
            return None
        newest = max(quote.last_ts, quote.bid_ts, quote.ask_ts) or quote.received
        return max(0, (self.now - newest) // 1_000_000)

    @property
    def exposure_tenths(self) -> int:
        """The account's exposure before this order."""
        return account_exposure(self.account, self.view)


def sign(side: int) -> int:
    """Wire side to +1 buy, -1 sell."""
    return 1 if side == Side.BUY else -1


def effect_of(intent: PlaceOrder, account: AccountView) -> Effect:
    """What the order does to the net position; a bracketed order always counts as an entry.

    A guard's reducing order is one even if the view does not show the position yet: the watchdog acts
    on the first evidence of a fill.
    """
    if intent.reduce and intent.source == "guard":
        return "reduce"
    position = account.positions.get(intent.contract_id)
    net = position.net if position is not None else 0
    if net * sign(intent.side) >= 0:
        return "open"
    if intent.size > abs(net):
        return "flip"
    return "open" if intent.bracket is not None else "reduce"


def is_exit(order: Order, account: AccountView) -> bool:
    """Whether a working order protects or closes: a bracket leg, an exit tag, or bounded by the position."""
    if order.parent_id is not None or order.status == 8:
        return True
    tag = order.tag or ""
    if tag.endswith(("-SL", "-TP")):
        return True
    if tag.startswith("TB2-"):
        return tag.split("-")[-2] in EXIT_KINDS
    position = account.positions.get(order.contract_id)
    net = position.net if position is not None else 0
    return net * sign(order.side) < 0 and order.size <= abs(net)


def account_exposure(account: AccountView, view: RiskView) -> int:
    """Exposure in tenths of a mini over positions and working entries (§8.1)."""
    rows: dict[str, list[int]] = {}
    for contract_id, position in account.positions.items():
        rows.setdefault(contract_id, [0, 0, 0])[0] += position.net
    for order in account.orders.values():
        if order.working and not is_exit(order, account):
            row = rows.setdefault(order.contract_id, [0, 0, 0])
            row[1 if order.side == Side.BUY else 2] += order.size - order.filled
    return exposure_tenths(
        ContractExposure(net, buys, sells, _weight(contract_id, view))
        for contract_id, (net, buys, sells) in rows.items()
    )


def entry_price(intent: PlaceOrder) -> Ticks | None:
    """The price a resting order waits for, None for one that goes to the market."""
    if intent.type == OrderType.STOP:
        return intent.stop
    return intent.limit if intent.type == OrderType.LIMIT else None


def new_price(intent: ModifyOrder, order: Order) -> Ticks | None:
    """The price an order would have after the change."""
    if order.type == OrderType.LIMIT:
        return intent.limit if intent.limit is not None else order.limit
    return intent.stop if intent.stop is not None else order.stop


def _weight(contract_id: str, view: RiskView) -> int:
    contract = view.contracts.get(contract_id)
    return 10 if contract is None else contract.weight
