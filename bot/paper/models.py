"""The venue's JSON objects, for REST (nulls written) and for the hubs (nulls left out)."""

from __future__ import annotations

from typing import Any

from bot.model.contract import Contract
from bot.paper import wire
from bot.paper.catalogue import display_name
from bot.paper.options import PaperOptions
from bot.paper.rows import TRAILING, AccountRow, OrderRow, PositionRow, TradeRow

Model = dict[str, Any]
NEW_MEMBERS = (
    "parentOrderId", "linkedOrderId", "trailDistance", "trailPrice", "contractDisplayName", "commissions",
)  # fmt: skip


def account_model(row: AccountRow) -> Model:
    """TradingAccount (gateway.md 8.1)."""
    return {
        "id": row.id,
        "name": row.name,
        "balance": wire.balance(row.balance),
        "canTrade": row.can_trade,
        "isVisible": True,
        "simulated": not row.live_routing,
    }


def contract_model(row: Contract) -> Model:
    """Contract (8.4)."""
    return {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "tickSize": wire.price(1, row.tick),
        "tickValue": wire.money(row.tick_value),
        "activeContract": row.active,
        "symbolId": row.symbol_id,
    }


def order_model(row: OrderRow, contract: Contract, options: PaperOptions) -> Model:
    """Order (8.13) with REST times; `updateTimestamp` does not move at a fill."""
    trail = _trail(row, options)
    return {
        "id": row.id,
        "accountId": row.account,
        "contractId": row.contract,
        "symbolId": contract.symbol_id,
        "creationTimestamp": wire.rest_time(row.created),
        "updateTimestamp": wire.rest_time(row.updated),
        "status": row.status,
        "type": row.type,
        "side": row.side,
        "size": row.size,
        "limitPrice": wire.price(row.limit, contract.tick),
        "stopPrice": wire.price(row.stop, contract.tick),
        "fillVolume": row.filled,
        "filledPrice": wire.average(row.cost, row.filled, contract.tick) if row.filled else None,
        "customTag": row.tag,
        "parentOrderId": row.parent,
        "linkedOrderId": row.linked,
        "trailDistance": trail,
        "trailPrice": wire.price(trail, contract.tick),
    }


def order_event(row: OrderRow, contract: Contract, options: PaperOptions) -> Model:
    """The same on the hub: the event of a fill carries the fill's time (8.9)."""
    model = order_model(row, contract, options)
    model["creationTimestamp"] = wire.hub_time(row.created)
    model["updateTimestamp"] = wire.hub_time(max(row.updated, row.filled_at))
    return without_nulls(model)


def position_model(row: PositionRow, contract: Contract, stamp: str) -> Model:
    """Position (8.14); flat has type 0 and size 0."""
    return {
        "id": row.id,
        "accountId": row.account,
        "contractId": row.contract,
        "contractDisplayName": display_name(row.contract),
        "creationTimestamp": stamp,
        "type": 1 if row.net > 0 else 2 if row.net < 0 else 0,
        "size": abs(row.net),
        "averagePrice": wire.average(row.num, row.den, contract.tick),
    }


def trade_model(row: TradeRow, contract: Contract, stamp: str) -> Model:
    """Trade, a half-turn (8.17)."""
    return {
        "id": row.id,
        "accountId": row.account,
        "contractId": row.contract,
        "creationTimestamp": stamp,
        "price": wire.price(row.price, contract.tick),
        "profitAndLoss": wire.money(row.pnl),
        "fees": wire.money(row.fees),
        "commissions": wire.money(row.commissions),
        "side": row.side,
        "size": row.size,
        "voided": row.voided,
        "orderId": row.order,
    }


def without_nulls(model: Model) -> Model:
    """Hub events leave out every null."""
    return {name: value for name, value in model.items() if value is not None}


def without_new_nulls(model: Model) -> Model:
    """For `rest_new_fields = absent`: the newer members are left out when null."""
    return {name: value for name, value in model.items() if value is not None or name not in NEW_MEMBERS}


def _trail(row: OrderRow, options: PaperOptions) -> int | None:
    if row.offset is not None:
        return row.offset
    if row.type != TRAILING or row.trail is None:
        return None
    return row.trail * row.sign if options.trail_sign == "signed" else row.trail
