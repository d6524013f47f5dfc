"""Loss limits of the accounts: the trailing maximum loss, the daily limit, the size limit (19.2)."""

from __future__ import annotations

from collections.abc import Callable

from bot.model.contract import Contract
from bot.model.quantities import divide_round
from bot.paper import progress
from bot.paper.rows import OPEN, PENDING, AccountRow, OrderRow
from bot.paper.state import State

Shut = Callable[[int, int, str], None]


class Limits:
    """Checked in real time on balance and open result, marked at the last trade."""

    def __init__(self, state: State, shut: Shut) -> None:
        self._state, self._shut = state, shut

    def equity(self, account: AccountRow) -> int:
        """Balance and open result in micro-dollars."""
        total = account.balance
        for (owner, contract_id), row in self._state.positions.items():
            mark = self._state.last.get(contract_id)
            if owner == account.id and mark is not None:
                value = self._state.contract(contract_id).tick_value
                total += divide_round((mark * row.den - row.num) * row.net * value, row.den)
        return total

    def floor(self, account: AccountRow) -> int | None:
        """The balance at which the account is lost; it rises at day ends and stops at the start balance."""
        setting = self._state.settings[account.id]
        if setting.max_loss is None:
            return None
        if account.paid_out and setting.program == "express":
            return 0
        return min(setting.start_balance, account.high - setting.max_loss)

    def max_tenths(self, account: AccountRow) -> int:
        """The greatest position in force, in tenths of a mini: a funded account's grows at day ends."""
        return self._state.settings[account.id].max_tenths(account.day_start)

    def on_print(self, contract_id: str, ts: int) -> None:
        """Check the accounts that hold the contract."""
        for owner, held in tuple(self._state.positions):
            if held == contract_id:
                self._check(self._state.accounts[owner], ts)

    def after_fill(self, account: AccountRow, ts: int) -> None:
        """Check an account whose balance moved."""
        self._check(account, ts)

    def roll(self, ts: int, day: int) -> None:
        """The day ends: the highest end-of-day balance rises, the daily lock opens."""
        for account in self._state.accounts.values():
            if account.day >= day:
                continue
            progress.end_day(account, self._state.settings[account.id])
            account.high = max(account.high, account.balance)
            account.day_start, account.day, account.locked = account.balance, day, False
            self._state.save_account(account, ts)

    def too_large(self, row: OrderRow, contract: Contract) -> bool:
        """Whether the order would take the account over its size, in tenths of a mini (19.2).

        Open positions count, and working entries on the same side; bracket children do not, and an
        order that only reduces is never too large.
        """
        state = self._state
        held = state.positions.get((row.account, row.contract))
        net = held.net if held is not None else 0
        if net * row.sign < 0 and row.size <= abs(net):
            return False
        total = max(0, net * row.sign) + row.size if net * row.sign >= 0 else row.size - abs(net)
        tenths = total * contract.weight
        for (owner, contract_id), position in state.positions.items():
            if owner == row.account and contract_id != row.contract:
                tenths += abs(position.net) * state.contract(contract_id).weight
        for order in state.live.values():
            if (
                order.account == row.account
                and order.side == row.side
                and order.parent is None
                and order.id != row.id
                and order.status in (OPEN, PENDING)
                and not self._reduces(order)
            ):
                tenths += order.left * state.contract(order.contract).weight
        return tenths > self.max_tenths(state.accounts[row.account])

    def _reduces(self, order: OrderRow) -> bool:
        held = self._state.positions.get((order.account, order.contract))
        return held is not None and held.net * order.sign < 0 and order.left <= abs(held.net)

    def _check(self, account: AccountRow, ts: int) -> None:
        if account.breached:
            return
        equity, floor = self.equity(account), self.floor(account)
        if self._state.options.mll_trail == "intraday" and equity > account.high:
            account.high = equity
            self._state.save_account(account, ts, event=False)
        if floor is not None and equity <= floor:
            self.lock(account, ts, for_good=True)
        elif account.dll is not None and not account.locked and equity - account.day_start <= -account.dll:
            self.lock(account, ts, for_good=False)

    def lock(self, account: AccountRow, ts: int, *, for_good: bool) -> None:
        """No more trading until the next day or for good; orders are cancelled, positions closed."""
        if for_good:
            account.breached = True
        else:
            account.locked = True
        self._state.save_account(account, ts)
        self._shut(account.id, ts, "limit")
