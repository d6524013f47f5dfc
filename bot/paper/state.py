"""All that the venue knows: accounts, orders, positions, trades, touches; every change goes to the ledger.

The parts of the engine share this object and nothing else. Rows change in place and are saved by the
`save_*` methods, which write the ledger; reading a ledger back through `restore` gives the same state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.model.contract import Contract
from bot.model.instruments import INSTRUMENTS
from bot.model.quantities import Money
from bot.paper import interruptions
from bot.paper.catalogue import Catalogue
from bot.paper.config import LATENCY, PaperAccount, PaperConfig
from bot.paper.faults import Faults
from bot.paper.flat_times import FlatTimes
from bot.paper.ledger import Ledger
from bot.paper.market.feed import QuoteTick
from bot.paper.rows import LIVE, OPEN, AccountRow, OrderRow, PositionRow, TradeRow
from bot.paper.timers import Timers

FIRST_ORDER, FIRST_TRADE, FIRST_POSITION = 3_400_000_001, 3_000_000_001, 800_000_001
_MINI_COMMISSION, _MICRO_COMMISSION = 500_000, 250_000

Emit = Callable[[str, int, int, Any], None]


class State:
    """The registries. `working` holds orders of status 1 by contract in order of their opening."""

    def __init__(
        self, config: PaperConfig, calendar: SessionCalendar, catalogue: Catalogue, ledger: Ledger
    ) -> None:
        self.config, self.options, self.latency = config, config.options, LATENCY[config.profile]
        self.calendar, self.catalogue, self.ledger = calendar, catalogue, ledger
        self.timers, self.faults = Timers(), Faults()
        self.interruptions = interruptions.Interruptions()
        FlatTimes(calendar, config.options)
        self.now = self.faults.now = config.start_ns
        self.accounts: dict[int, AccountRow] = {}
        self.settings = {account.id: account for account in config.accounts}
        self.orders: dict[int, OrderRow] = {}
        self.live: dict[int, OrderRow] = {}
        self.working: dict[str, dict[int, OrderRow]] = defaultdict(dict)
        self.children: dict[int, list[OrderRow]] = defaultdict(list)
        self.tags: set[tuple[int, str]] = set()
        self.positions: dict[tuple[int, str], PositionRow] = {}
        self.trades: list[TradeRow] = []
        self.touch: dict[str, QuoteTick] = {}
        self.last: dict[str, int] = {}
        self.next_order, self.next_trade, self.next_position = FIRST_ORDER, FIRST_TRADE, FIRST_POSITION
        self.emit: Emit = lambda _target, _account, _action, _row: None
        self._contracts: dict[str, Contract] = {}

    def contract(self, contract_id: str) -> Contract:
        """A contract that an order or a position names."""
        found = self._contracts.get(contract_id) or self.catalogue.find(contract_id, self.now)
        if found is None:
            raise KeyError(contract_id)
        self._contracts[contract_id] = found
        return found

    def costs(self, contract: Contract, size: int) -> tuple[int, int]:
        """`(fees, commissions)` of a half-turn in micro-dollars."""
        round_turn = self.options.fees.get(contract.root, INSTRUMENTS[contract.root].fee_rt)
        default = _MINI_COMMISSION if contract.weight >= 10 else _MICRO_COMMISSION
        return round_turn * size // 2, self.options.commissions.get(contract.root, default) * size

    def tradable(self, contract: Contract, ts: int) -> bool:
        """Whether the contract's session is open, before its flat time, and not halted."""
        if not self.calendar.is_open(ts, contract.group) or self.interruptions.halted(contract.id, ts):
            return False
        if self.interruptions.is_cut(contract.group, ts):
            return False
        start = self.flat_times.start(self.calendar.risk_day(ts), contract.group)
        return start is not None and ts < start

    @property
    def flat_times(self) -> FlatTimes:
        """The flat times under the options and the calendar that are in force."""
        return FlatTimes(self.calendar, self.options)

    def take_order_ids(self, count: int) -> int:
        """Reserve `count` ids in a row; returns the first."""
        first, self.next_order = self.next_order, self.next_order + count
        return first

    def save_order(self, row: OrderRow, ts: int, *, event: bool = True) -> None:
        """Index a new or changed order, write it, and tell the user hub."""
        self._index(row)
        self.ledger.write(ts, "order", row)
        if event:
            terminal = row.status not in LIVE
            self.emit("order", row.account, self.options.order_terminal_action if terminal else 1, row)

    def save_position(self, row: PositionRow, ts: int) -> None:
        """Write a position and tell the user hub; flat rows leave the registry."""
        self._index_position(row)
        self.ledger.write(ts, "position", row)
        self.emit("position", row.account, 1 if row.net else 2, row)

    def save_trade(self, row: TradeRow, ts: int) -> None:
        """Write a half-turn and tell the user hub."""
        self.trades.append(row)
        self.ledger.write(ts, "trade", row)
        self.emit("trade", row.account, 0, row)

    def save_account(self, row: AccountRow, ts: int, *, event: bool = True) -> None:
        """Write an account and tell the user hub."""
        self.accounts[row.id] = row
        self.ledger.write(ts, "account", row)
        if event:
            self.emit("account", row.id, 1, row)

    def interrupt(self, kind: str, row: Any, ts: int) -> None:
        """Bring a halt, a pause, a band or a cut into force, and write it."""
        self.interruptions.take(kind, row)
        self.ledger.write(ts, kind, row)

    def as_of(self, until: int) -> State:
        """The same venue as it was at `until`, read back from the kept ledger lines; for look-ups only."""
        past = State(self.config, self.calendar, self.catalogue, Ledger())
        for line in self.ledger.lines:
            ts, kind, row = msgspec.json.decode(line)
            if ts > until:
                break
            past.restore(kind, row)
        for account_id, account in self.accounts.items():
            past.accounts.setdefault(account_id, account)
        past.now, past.options = self.now, self.options
        return past

    def restore(self, kind: str, row: Any) -> None:
        """Take in one record of an earlier run; no event, no writing."""
        if kind == "order":
            order = msgspec.convert(row, OrderRow)
            self._index(order)
            self.next_order = max(self.next_order, order.id + 1)
        elif kind == "position":
            position = msgspec.convert(row, PositionRow)
            self._index_position(position)
            self.next_position = max(self.next_position, position.id + 1)
        elif kind == "trade":
            trade = msgspec.convert(row, TradeRow)
            if trade.voided:
                self.trades = [trade if known.id == trade.id else known for known in self.trades]
            else:
                self.trades.append(trade)
                self.next_trade = max(self.next_trade, trade.id + 1)
        elif kind == "account":
            account = msgspec.convert(row, AccountRow)
            self.accounts[account.id] = account
            setting = PaperAccount(id=account.id, name=account.name, balance=Money(account.balance))
            self.settings.setdefault(account.id, setting)
        elif kind in interruptions.KINDS:
            self.interruptions.take(kind, row)

    def _index(self, row: OrderRow) -> None:
        before = self.orders.get(row.id)
        if before is None:
            if row.parent is not None:
                self.children[row.parent].append(row)
            if row.tag is not None:
                self.tags.add((row.account, row.tag))
        elif before is not row and row.parent is not None:
            family = self.children[row.parent]
            family[family.index(before)] = row
        self.orders[row.id] = row
        if row.status in LIVE:
            self.live[row.id] = row
        else:
            self.live.pop(row.id, None)
        if row.status == OPEN:
            self.working[row.contract][row.id] = row
        else:
            self.working[row.contract].pop(row.id, None)

    def _index_position(self, row: PositionRow) -> None:
        if row.net:
            self.positions[row.account, row.contract] = row
        else:
            self.positions.pop((row.account, row.contract), None)
