"""Orders meet the market: activation, triggers, fills, and what a fill brings with it.

A buy meets the ask, a sell the bid. Market orders fill at the touch, resting limits at their own
price, stops at the touch worsened by the slip (gateway.md 9.1).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bot.paper.brackets import Brackets
from bot.paper.limits import Limits
from bot.paper.liquidity import Liquidity
from bot.paper.market.feed import Print, QuoteTick
from bot.paper.netting import settle
from bot.paper.rows import (
    BUY,
    CANCELLED,
    FILLED,
    JOIN_ASK,
    JOIN_BID,
    LIVE,
    MARKET,
    OPEN,
    PENDING,
    REJECTED,
    STOP_LIMIT,
    TRAILING,
    OrderRow,
    TradeRow,
)  # fmt: skip
from bot.paper.state import State


class Matching:
    """Moves orders of one venue. Every method takes the venue time of its cause."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._waiting: dict[int, OrderRow] = {}
        self.brackets = Brackets(state, self.open, self.cancel)
        self.limits = Limits(state, self.shut)
        self.liquidity = Liquidity(state)

    def accept(self, row: OrderRow, ts: int, *, bracketed: bool = False) -> None:
        """Send a new order (status 6, already saved) on its way."""
        delay = self._state.latency.fill_bracket if bracketed else self._state.latency.fill
        late = self._state.faults.strike("engine.late", "any", row.account, row.contract)
        if late is not None:
            delay += late.wait
        self._state.timers.at(ts + delay, lambda due: self.work(row.id, due))

    def work(self, order_id: int, ts: int) -> None:
        """The engine's answer to a pending order: a market order fills, others rest or fill."""
        row = self._state.orders[order_id]
        self._waiting.pop(order_id, None)
        if row.status != PENDING:
            return
        if row.origin == "api" and self._state.faults.strike("reject", "any", row.account, row.contract):
            self.cancel(row, ts, REJECTED)
            return
        if row.type == MARKET:
            if not self._state.interruptions.holds(row.contract, ts) and self.liquidity.can_take(row):
                self._sweep(row, self.liquidity.price(row), ts)
            elif row.origin in ("cut", "limit"):
                self._waiting[order_id] = row
            else:
                self.cancel(row, ts)
        elif self._state.interruptions.pause(row.contract, ts) is not None and self.liquidity.is_aggressive(
            row
        ):
            self.cancel(row, ts)
        else:
            self.open(row, ts)

    def open(self, row: OrderRow, ts: int) -> None:
        """Let an order rest, or fill at once where the market is already there."""
        row.status, row.updated = OPEN, ts
        self._state.save_order(row, ts)
        self.meet(row, ts)

    def meet(self, row: OrderRow, ts: int) -> None:
        """Fill a resting order that the market has already reached."""
        if self._state.interruptions.holds(row.contract, ts):
            return
        touch = self._state.touch.get(row.contract)
        last = self._state.last.get(row.contract)
        if row.is_limit and touch is not None:
            here = self.liquidity.price(row)
            if row.limit is not None and (here - row.limit) * row.sign <= 0:
                self.fill(row, here, ts, self.liquidity.shown(row))
        elif row.is_stop and last is not None and row.stop is not None and (last - row.stop) * row.sign >= 0:
            self._trigger(row, ts)

    def on_quote(self, quote: QuoteTick) -> None:
        """A new touch: resting limits fill when the opposite best quote reaches them."""
        self._state.touch[quote.contract_id] = quote
        if self._state.interruptions.holds(quote.contract_id, quote.ts):
            return
        if self._waiting:
            self._work_waiting(quote.contract_id, quote.ts)
        working = self._state.working.get(quote.contract_id)
        if not working:
            return
        margin = 1 if self._state.options.limit_fill == "through" else 0
        for row in tuple(working.values()):
            if row.status != OPEN or not row.is_limit or row.limit is None:
                continue
            here = quote.ask if row.side == BUY else quote.bid
            if (row.limit - here) * row.sign >= margin:
                self.fill(row, row.limit, quote.ts, self.liquidity.shown(row))
            elif self._state.options.join_repeg:
                self._repeg(row, quote)

    def on_print(self, trade: Print) -> None:
        """A print: stops trigger, trailing stops follow, limits fill when it goes through them."""
        self._state.last[trade.contract_id] = trade.price
        working = self._state.working.get(trade.contract_id)
        if working:
            margin = 0 if self._state.options.limit_fill == "touch" else 1
            for row in tuple(working.values()):
                if row.status != OPEN:
                    continue
                if row.is_limit and row.limit is not None:
                    if (row.limit - trade.price) * row.sign >= margin:
                        self.fill(row, row.limit, trade.ts)
                elif row.is_stop and row.stop is not None:
                    if (trade.price - row.stop) * row.sign >= 0:
                        self._trigger(row, trade.ts)
                    elif row.type == TRAILING and row.trail is not None:
                        self._follow(row, trade)
        self.limits.on_print(trade.contract_id, trade.ts)

    def reopen(self, contract_id: str, ts: int) -> None:
        """Trading goes on after a halt, a pause or a change of the band: what is due by now fills."""
        self._work_waiting(contract_id, ts)
        for row in tuple(self._state.working.get(contract_id, {}).values()):
            if row.status == OPEN:
                self.meet(row, ts)

    def fill(self, row: OrderRow, price: int, ts: int, lots: int | None = None) -> None:
        """Fill an order at `price` ticks, whole or `lots` of it: half-turn, position, balance, family."""
        state = self._state
        working_before = row.status == OPEN
        lots = row.left if lots is None else min(lots, row.left)
        row.filled, row.cost, row.filled_at = row.filled + lots, row.cost + price * lots, ts
        row.status = OPEN if row.left else FILLED
        is_leg, has_legs = row.parent is not None, bool(state.children.get(row.id))
        trade_first = (
            row.origin == "api" and not (is_leg or has_legs) and (working_before or row.type == MARKET)
        )
        contract = state.contract(row.contract)
        opening = state.positions.get((row.account, row.contract))
        steps, pnl = settle(state, row, lots, price, ts)
        fees, commissions = state.costs(contract, lots)
        trade = TradeRow(
            id=state.next_trade, account=row.account, contract=row.contract, created=ts, price=price,
            pnl=pnl, fees=fees, commissions=commissions, side=row.side, size=lots, order=row.id,
        )  # fmt: skip
        state.next_trade += 1
        if not trade_first:
            state.save_order(row, ts)
        if (
            pnl is not None
            and opening is not None
            and state.faults.strike("reemit_open_trade", "any", row.account, row.contract)
        ):
            self._reemit(row)
        state.save_trade(trade, ts)
        if trade_first:
            state.save_order(row, ts)
        for position in steps:
            state.save_position(position, ts)
        account = state.accounts[row.account]
        account.balance += (pnl or 0) - fees - commissions
        account.traded = True
        ends_family = row.status == FILLED and self.brackets.has_sibling(row)
        state.save_account(account, ts, event=not ends_family)
        if row.status == FILLED:
            self.brackets.after_fill(row, ts)
        if ends_family:
            state.timers.at(
                ts + state.latency.sibling, lambda _: state.emit("account", account.id, 1, account)
            )
        if state.faults.strike("dup_account", "any", row.account, row.contract):
            state.emit("account", account.id, 1, account)
        if state.options.cancel_children_on_flat and (row.account, row.contract) not in state.positions:
            self._cancel_where(lambda o: o.account == row.account and o.contract == row.contract
                               and o.parent is not None and o.status == OPEN, ts)  # fmt: skip
        self.limits.after_fill(account, ts)

    def cancel(self, row: OrderRow, ts: int, status: int = CANCELLED) -> None:
        """End a live order with status 3 (or 5), and the children of an unfilled parent with it."""
        if row.status not in LIVE:
            return
        if self._state.options.emit_status7 and status == CANCELLED:
            row.status = 7
            self._state.emit("order", row.account, 1, row)
        row.status, row.updated = status, ts
        self._state.save_order(row, ts)
        for child in self._state.children.get(row.id, ()):
            self.cancel(child, ts)

    def reject(self, row: OrderRow, ts: int, *, engine: bool) -> None:
        """Keep a refused order as a row of status 5; `engine` failures are those that the stream shows (13.1)."""
        state, told = self._state, self._state.options.reject_events
        row.id = state.take_order_ids(1)
        row.status, row.updated = REJECTED, ts + state.latency.reject
        state.save_order(row, ts, event=False)
        if not row.hidden and (told == "all" or (engine and told == "engine")):
            state.emit("order", row.account, 1, msgspec.structs.replace(row, status=PENDING, updated=ts))
            action = state.options.order_terminal_action
            state.timers.at(row.updated, lambda _: state.emit("order", row.account, action, row))

    def market(self, account: int, contract: str, lots: int, origin: str, ts: int) -> OrderRow:
        """An untagged market order of `lots` (signed) that the venue makes itself."""
        row = OrderRow(
            id=self._state.take_order_ids(1), account=account, contract=contract, created=ts, updated=ts,
            status=PENDING, type=MARKET, side=0 if lots > 0 else 1, size=abs(lots), origin=origin,
        )  # fmt: skip
        self._state.save_order(row, ts)
        self.accept(row, ts)
        return row

    def shut(
        self, account: int, ts: int, origin: str, group: str | None = None, *, cancel: bool = True
    ) -> None:
        """Cancel the account's orders and flatten it, all or the contracts of one trading-hours group."""
        state = self._state
        if cancel:
            self._cancel_where(
                lambda o: (
                    o.account == account
                    and (group is None or state.contract(o.contract).group == group)
                    and not (o.type == MARKET and o.origin in ("cut", "limit"))
                ),
                ts,
            )
        closing = {
            o.contract for o in state.live.values() if o.account == account and o.origin in ("cut", "limit")
        }
        for (owner, contract), position in tuple(state.positions.items()):
            in_group = group is None or state.contract(contract).group == group
            if owner == account and in_group and contract not in closing:
                self.market(account, contract, -position.net, origin, ts)

    def _cancel_where(self, wanted: Callable[[OrderRow], bool], ts: int) -> None:
        for row in tuple(self._state.live.values()):
            if wanted(row):
                self.cancel(row, ts)

    def _work_waiting(self, contract_id: str, ts: int) -> None:
        for row in tuple(self._waiting.values()):
            if row.contract == contract_id:
                self.work(row.id, ts)

    def _trigger(self, row: OrderRow, ts: int) -> None:
        if row.type == STOP_LIMIT:
            row.triggered = True
            self.open(row, ts)
            return
        if self.liquidity.can_take(row):
            self._sweep(row, self.liquidity.price(row) + row.sign * self._state.options.stop_slip_ticks, ts)

    def _sweep(self, row: OrderRow, price: int, ts: int) -> None:
        """Take liquidity at `price`, and with `partial_fills` what it lacks one tick farther."""
        within = self._state.interruptions.clamp
        slip = self._state.faults.strike("slip", "any", row.account, row.contract)
        if slip is not None:
            price += row.sign * (slip.ticks or 0)
        self.fill(row, within(row.contract, price), ts, self.liquidity.shown(row))
        if row.left:
            self.fill(row, within(row.contract, price + row.sign), ts)

    def _follow(self, row: OrderRow, trade: Print) -> None:
        if row.stop is None or row.trail is None:
            return
        level = trade.price + row.sign * row.trail
        if (row.stop - level) * row.sign > 0:
            row.stop, row.updated = level, trade.ts
            self._state.save_order(row, trade.ts, event=self._state.options.trail_events)

    def _repeg(self, row: OrderRow, quote: QuoteTick) -> None:
        best = {JOIN_BID: quote.bid, JOIN_ASK: quote.ask}.get(row.type, row.limit)
        if best != row.limit:
            row.limit, row.updated = best, quote.ts
            self._state.save_order(row, quote.ts)

    def _reemit(self, row: OrderRow) -> None:
        for trade in reversed(self._state.trades):
            if trade.account == row.account and trade.contract == row.contract and trade.pnl is None:
                self._state.emit("trade", trade.account, 0, trade)
                return
