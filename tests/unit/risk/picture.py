"""A small, healthy picture of one practice account that tests change piece by piece."""

from __future__ import annotations

from datetime import date
from typing import Any

from bot.model.actions import Enter, Instance
from bot.model.contract import Contract
from bot.model.instruments import contract_of
from bot.model.intents import Bracket, PlaceOrder
from bot.model.market import Quote
from bot.model.orders import Account, Order, Position
from bot.model.quantities import Money, Ticks, TsNs
from bot.model.risk import (
    AccountView,
    InstanceFigures,
    RiskView,
    RuleFigures,
    StrategyPolicy,
    TradingState,
)
from bot.model.times import MILLISECOND

ACCOUNT = 1001
LAST = Ticks(80_000)


class Picture:
    """Builds a RiskView; every attribute may be changed before `view`."""

    def __init__(self, now: TsNs) -> None:
        self.now = now
        self.contract: Contract = contract_of("MNQ", date(2025, 11, 3), now)
        self.policy = StrategyPolicy()
        self.rules = RuleFigures(
            status="OK",
            program="practice",
            size="150K",
            balance=Money(50_000_000_000),
            equity=Money(50_000_000_000),
            day_pnl=Money(0),
            floor=Money(48_000_000_000),
            dll=Money(1_000_000_000),
            mll=Money(2_000_000_000),
            max_minis_tenths=50,
            nominal=Money(0),
            profit_target=Money(3_000_000_000),
        )
        self.state: TradingState = "ACTIVE"
        self.name = "PRAC-V2-1"
        self.price_age_ms: int | None = 100
        self.labels: tuple[str, ...] = ("trending_up",)
        self.figures: dict[str, Any] = {"active": True}
        self.account_fields: dict[str, Any] = {"colour": "green", "hub_ok": True}
        self.view_fields: dict[str, Any] = {}
        self.positions: dict[str, Position] = {}
        self.orders: dict[int, Order] = {}
        self.can_trade = True

    def busy(self, *, entries: int, others: int, here: bool) -> None:
        """What the instance has done and holds."""
        positions = {f"CON.F.US.X{i}.Z25" for i in range(others)} | ({self.contract.id} if here else set())
        self.figures |= {"entries_today": entries, "positions": frozenset(positions)}

    def hold(self, net: int) -> None:
        """A position in the contract."""
        side = 1 if net > 0 else -1
        self.positions[self.contract.id] = Position(
            7, ACCOUNT, self.contract.id, side, abs(net), LAST * abs(net), "20000", self.now
        )

    def work(self, id_: int, side: int, size: int, **fields: Any) -> None:
        """A working order in the contract."""
        order = {"status": 1, "type": 4, "created": self.now, "updated": self.now, **fields}
        self.orders[id_] = Order(
            id=id_, account_id=ACCOUNT, contract_id=self.contract.id, side=side, size=size, **order
        )

    def view(self) -> RiskView:
        """The picture as the gate reads it."""
        account = AccountView(
            account=Account(ACCOUNT, self.name, Money(50_000_000_000), self.can_trade, True, True),
            trading_state=self.state,
            state_reason="",
            rules=self.rules,
            positions=self.positions,
            orders=self.orders,
            instances={"overnight_range": InstanceFigures(**self.figures, policy=self.policy)},
            **self.account_fields,
        )
        quotes = {}
        if self.price_age_ms is not None:
            ts = TsNs(self.now - self.price_age_ms * MILLISECOND)
            quotes[self.contract.id] = Quote(
                self.contract.id, bid=Ticks(LAST - 1), ask=Ticks(LAST + 1), last=LAST,
                bid_ts=ts, ask_ts=ts, last_ts=ts, ts=ts, received=ts,
            )  # fmt: skip
        return RiskView(
            version=3,
            as_of=self.now,
            accounts={ACCOUNT: account},
            contracts={self.contract.id: self.contract},
            quotes=quotes,
            labels={self.contract.id: self.labels},
            **self.view_fields,
        )

    def entry(self, **changes: Any) -> PlaceOrder:
        """A stop entry of the strategy, 100 ticks above the last price."""
        fields: dict[str, Any] = {
            "key": "1001|overnight_range|CON.F.US.MNQ.Z25|S:2025-11-03|entry_long",
            "account_id": ACCOUNT,
            "contract_id": self.contract.id,
            "source": "strategy",
            "strategy": "overnight_range",
            "kind": "SE",
            "side": 0,
            "type": 4,
            "size": 1,
            "stop": Ticks(LAST + 100),
            "bracket": Bracket(100, 160),
            **changes,
        }
        return PlaceOrder(**fields)

    def enter(self, **changes: Any) -> Enter:
        """The same as a request of the engine."""
        fields: dict[str, Any] = {
            "instance": Instance(ACCOUNT, "overnight_range"),
            "contract_id": self.contract.id,
            "key": "1001|overnight_range|CON.F.US.MNQ.Z25|S:2025-11-03|entry_long",
            "leg": "entry_long",
            "side": 1,
            "type": 4,
            "entry": Ticks(LAST + 100),
            "stop_ticks": 100,
            "target_ticks": 160,
            **changes,
        }
        return Enter(**fields)
