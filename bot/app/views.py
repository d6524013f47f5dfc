"""JSON shapes of what the bot sees (bot.md §14.2): ids and prices as decimal text, money as exact dollars."""

from __future__ import annotations

from typing import Any

from bot.depth import Depth
from bot.model.contract import Contract
from bot.model.market import Quote
from bot.model.orders import STOP_FAMILY, Account, Order, Position
from bot.model.quantities import exact_money, unrealised
from bot.model.times import MILLISECOND, format_ts
from bot.risk.profile import is_practice, program_and_size
from bot.trading.desk import Desk
from bot.trading.ledger import RoundTrip
from bot.trading.orders import kind_of, strategy_of

_TYPES = {1: "limit", 2: "market", 3: "stop_limit", 4: "stop", 5: "trailing", 6: "join", 7: "join"}
_STATUS = {
    0: "none", 1: "open", 2: "filled", 3: "cancelled", 4: "expired", 5: "rejected", 6: "pending", 7: "pending_cancel",
    8: "suspended",
}  # fmt: skip
_SIDES = {0: "buy", 1: "sell"}


def account_view(account: Account, as_of: int, *, live: bool = False) -> dict[str, Any]:
    """`live` = enabled for real orders by both keys."""
    known = program_and_size(account.name)
    practice = is_practice(account.name)
    return {
        "id": str(account.id), "name": account.name, "type": known[0] if known else "unknown",
        "size": known[1] if known else None, "status": "active" if account.can_trade else "locked",
        "balance": exact_money(account.balance), "currency": "USD", "can_trade": account.can_trade,
        "live": not practice, "tradable": account.can_trade and (practice or live), "as_of": stamp(as_of),
    }  # fmt: skip


def position_view(desk: Desk, position: Position, now: int) -> dict[str, Any]:
    """A position with its stop, target, mark and shield."""
    contract = desk.picture.contracts.get(position.contract_id)
    quote = desk.picture.quotes.get(position.contract_id)
    mark, source = mark_of(quote)
    orders = desk.picture.orders.working(position.account_id, position.contract_id)
    exits = [order for order in orders if order.side == (1 if position.net > 0 else 0)]
    stops = [order for order in exits if order.type in STOP_FAMILY and order.status == 1]
    targets = [order for order in exits if order.type == 1 and order.status == 1]
    result = None
    if mark is not None and contract is not None:
        result = exact_money(
            unrealised(position.side, position.size, position.cost_ticks, mark, contract.tick_value)
        )
    return {
        "id": str(position.id), "account_id": str(position.account_id), "contract_id": position.contract_id,
        "symbol": contract.root if contract else None, "side": "LONG" if position.net > 0 else "SHORT",
        "quantity": position.size, "entry_price": position.average, "current_price": price(contract, mark),
        "mark_source": source, "mark_age_ms": age_ms(quote, now), "unrealized_pnl": result,
        "stop_loss": price(contract, stops[0].stop) if stops else None,
        "take_profit": price(contract, targets[0].limit) if targets else None,
        "shield": desk.shield(position.account_id, position.contract_id),
        "strategy": desk.picture.owner((position.account_id, position.contract_id)),
        "legs": [str(order.id) for order in exits], "opened_at": stamp(position.created),
    }  # fmt: skip


def venue_position_view(position: Position, contract: Contract | None) -> dict[str, Any]:
    """A position as the venue alone tells it: no mark, no shield, no owner."""
    return {
        "id": str(position.id), "account_id": str(position.account_id), "contract_id": position.contract_id,
        "symbol": contract.root if contract else None, "side": "LONG" if position.net > 0 else "SHORT",
        "quantity": position.size, "entry_price": position.average, "current_price": None, "mark_source": None,
        "mark_age_ms": None, "unrealized_pnl": None, "stop_loss": None, "take_profit": None, "shield": "unknown",
        "strategy": None, "legs": [], "opened_at": stamp(position.created),
    }  # fmt: skip


def order_view(order: Order, contract: Contract | None) -> dict[str, Any]:
    ours = strategy_of(order.tag)
    return {
        "id": str(order.id), "account_id": str(order.account_id), "contract_id": order.contract_id,
        "symbol": contract.root if contract else None, "side": _SIDES.get(order.side, f"unknown({order.side})"),
        "type": _TYPES.get(order.type, f"unknown({order.type})"), "quantity": order.size, "filled": order.filled,
        "limit_price": price(contract, order.limit), "stop_price": price(contract, order.stop),
        "trail_ticks": order.trail_ticks, "status": _STATUS.get(order.status, f"unknown({order.status})"),
        "tag": order.tag, "kind": kind_of(order.tag), "strategy": ours, "owner": "bot" if ours else "foreign",
        "parent_id": None if order.parent_id is None else str(order.parent_id), "filled_price": order.average,
        "created_at": stamp(order.created), "updated_at": stamp(order.updated),
    }  # fmt: skip


def trade_view(trade: RoundTrip, contract: Contract | None) -> dict[str, Any]:
    """A round trip; prices are averages in exact decimals of the grid where they fall on it."""
    entry, exit_ = (sum_ticks // trade.size for sum_ticks in (trade.entry_ticks, trade.exit_ticks))
    return {
        "id": f"{trade.entry_order}-{trade.exit_order}", "account_id": str(trade.account_id),
        "contract_id": trade.contract_id, "symbol": contract.root if contract else None,
        "side": "LONG" if trade.side > 0 else "SHORT", "quantity": trade.size, "entry_price": price(contract, entry),
        "exit_price": price(contract, exit_), "entry_time": stamp(trade.entry_ts), "exit_time": stamp(trade.exit_ts),
        "gross_pnl": exact_money(trade.gross), "costs": exact_money(trade.costs), "net_pnl": exact_money(trade.net),
        "strategy": trade.strategy, "entry_order_id": str(trade.entry_order), "exit_order_id": str(trade.exit_order),
        "approximate": trade.approximate,
    }  # fmt: skip


def quote_view(
    contract: Contract, quote: Quote | None, now: int, *, max_age_ms: int, up: bool
) -> dict[str, Any]:
    """The newest quote with its age; `stale` without a feed that is `up`, beyond `max_age_ms`, and before the first."""
    seen, age = quote or Quote(contract.id), age_ms(quote, now)
    return {
        "symbol": contract.root, "contract_id": contract.id,
        "bid": price(contract, seen.bid), "ask": price(contract, seen.ask), "last": price(contract, seen.last),
        "volume": seen.volume, "open": price(contract, seen.open), "high": price(contract, seen.high),
        "low": price(contract, seen.low), "ts_exchange": stamp(seen.ts) if seen.ts else None,
        "ts_received": stamp(seen.received) if quote else None, "age_ms": age, "source": "live" if quote else None,
        "stale": not up or age is None or age > max_age_ms,
    }  # fmt: skip


def depth_view(contract: Contract, depth: Depth | None, quote: Quote | None, now: int) -> dict[str, Any]:
    """The book; without one the quote as one level, whose size nobody knows."""
    if depth is None:
        ends = (quote.bid, quote.ask) if quote else (None, None)
        sides: list[list[dict[str, Any]]] = [
            [] if ticks is None else [{"price": price(contract, ticks), "size": None}] for ticks in ends
        ]
    else:
        sides = [
            [{"price": price(contract, each.price), "size": each.size} for each in side]
            for side in (depth.bids, depth.asks)
        ]
    newest = quote if depth is None else depth
    return {
        "symbol": contract.root, "bids": sides[0], "asks": sides[1],
        "ts": None if newest is None else stamp(newest.received), "age_ms": age_ms(newest, now),
        "source": "depth" if depth is not None else "quote" if quote is not None else None,
    }  # fmt: skip


def mark_of(quote: Quote | None) -> tuple[int | None, str | None]:
    """The mark for display and its source: the last price, else the middle rounded down."""
    if quote is None:
        return None, None
    if quote.last is not None:
        return quote.last, "last"
    if quote.bid is not None and quote.ask is not None:
        return (quote.bid + quote.ask) // 2, "mid"
    return None, None


def price(contract: Contract | None, ticks: int | None) -> str | None:
    """Ticks as decimal text of the contract's grid; None stays None."""
    return None if ticks is None or contract is None else contract.tick.format(ticks)


def age_ms(seen: Quote | Depth | None, now: int) -> int | None:
    return None if seen is None else max(0, (now - seen.received) // MILLISECOND)


def stamp(ts: int) -> str:
    return format_ts(ts, max_digits=3)
