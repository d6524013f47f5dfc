"""Statements and row codecs of `orders` and `fills`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from bot.legacy.database.values import (
    account_of,
    corrupt,
    dollars_of,
    floored,
    micros_of,
    money_of,
    ns_of,
    price_of,
    required,
    ticks_of,
)
from bot.model.orders import Fill, Order
from bot.model.quantities import Money, TickSize, TsNs

_COLUMNS = (
    "account_id, order_id, contract_id, side, type, status, quantity, filled, limit_ticks, stop_ticks, trail_ticks, "
    "filled_price, tag, parent_id, linked_id, intent_id, owner, created_at, updated_at, raw"
)
_NEWER = (
    "(excluded.status IN (2, 3, 4, 5), (excluded.raw ->> 'updated')::bigint) >= "
    "(o.status IN (2, 3, 4, 5), (o.raw ->> 'updated')::bigint)"
)
_REPORTED = (
    "contract_id", "side", "type", "status", "quantity", "filled", "limit_ticks", "stop_ticks", "trail_ticks",
    "filled_price", "updated_at",
)  # fmt: skip
_IDENTITY = ("tag", "parent_id", "linked_id", "intent_id")
UPSERT_ORDER = (
    f"INSERT INTO orders AS o ({_COLUMNS}) SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::smallint[], "  # noqa: S608
    "$5::smallint[], $6::smallint[], $7::int[], $8::int[], $9::bigint[], $10::bigint[], $11::bigint[], "
    "$12::numeric[], $13::text[], $14::bigint[], $15::bigint[], $16::text[], $17::text[], $18::timestamptz[], "
    "$19::timestamptz[], $20::jsonb[]) ON CONFLICT (account_id, order_id) DO UPDATE SET "
    + ", ".join(f"{name} = CASE WHEN {_NEWER} THEN excluded.{name} ELSE o.{name} END" for name in _REPORTED)
    + ", "
    + ", ".join(f"{name} = coalesce(o.{name}, excluded.{name})" for name in _IDENTITY)
    + ", owner = CASE WHEN excluded.owner = 'bot' THEN 'bot' ELSE o.owner END, raw = CASE WHEN "
    + _NEWER
    + " THEN excluded.raw || jsonb_build_object('created', o.raw -> 'created') ELSE o.raw END"
)
SELECT_ORDERS = """
SELECT account_id, order_id, contract_id, side, type, status, quantity, filled, limit_ticks, stop_ticks, trail_ticks,
    tag, parent_id, linked_id, raw
FROM orders WHERE account_id = $1 AND (NOT $2 OR status IN (1, 6, 7, 8)) ORDER BY order_id
"""
UPSERT_FILL = """
INSERT INTO fills AS f (account_id, trade_id, order_id, contract_id, side, quantity, price, pnl, fees, commissions,
    voided, ts)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::smallint[], $6::int[], $7::numeric[],
    $8::numeric[], $9::numeric[], $10::numeric[], $11::bool[], $12::timestamptz[])
ON CONFLICT (account_id, trade_id) DO UPDATE SET pnl = coalesce(excluded.pnl, f.pnl), fees = excluded.fees,
    commissions = excluded.commissions, voided = f.voided OR excluded.voided
RETURNING trade_id, (xmax = 0) AS new
"""
SELECT_FILLS = """
SELECT account_id, trade_id, order_id, contract_id, side, quantity, price, pnl, fees, commissions, voided, ts
FROM fills WHERE account_id = $1 AND ts >= $2 AND ts < $3 ORDER BY ts, trade_id
"""


def merged(old: Order, new: Order) -> Order:
    """Two reports of one order: an ended one beats a working one, then the newer one wins.

    What an order is born with (time, tag, parent, link) stays as it was first told. So the result does not
    depend on how reports are split into batches.
    """
    winner = new if (new.terminal, new.updated) >= (old.terminal, old.updated) else old
    return msgspec.structs.replace(
        winner,
        created=old.created,
        tag=new.tag if old.tag is None else old.tag,
        parent_id=new.parent_id if old.parent_id is None else old.parent_id,
        linked_id=new.linked_id if old.linked_id is None else old.linked_id,
    )


def newest(orders: Iterable[Order]) -> list[Order]:
    """The batch without repeats, each order at its newest."""
    kept: dict[tuple[int, int], Order] = {}
    for order in orders:
        key = (order.account_id, order.id)
        kept[key] = merged(kept[key], order) if key in kept else order
    return list(kept.values())


def intent_of(tag: str | None) -> tuple[str | None, str]:
    """Intent id and owner from a tag `TB2-<strategy>-<kind>-<id>[-SL|-TP]`."""
    if tag is None or not tag.startswith("TB2-"):
        return None, "foreign"
    parts = tag.split("-")
    return (parts[3] if len(parts) > 3 else None), "bot"


def order_columns(orders: Sequence[Order]) -> list[list[Any]]:
    """Arguments of UPSERT_ORDER. `raw` keeps what its columns would round: average text and times."""
    rows = [
        (
            account_of(o.account_id), o.id, o.contract_id, o.side, o.type, o.status, o.size, o.filled, o.limit, o.stop,
            o.trail_ticks, _rounded(o.average), o.tag, o.parent_id, o.linked_id, *intent_of(o.tag),
            micros_of(o.created), micros_of(o.updated),
            {"average": o.average, "created": o.created, "updated": o.updated},
        )
        for o in orders
    ]  # fmt: skip
    return [list(column) for column in zip(*rows, strict=True)]


def decode_order(row: Any) -> Order:
    """A row of SELECT_ORDERS. Raises StoreCorrupt."""
    required("orders", row, "contract_id", "side", "type", "status", "quantity", "filled", "raw")
    raw = row["raw"]
    if not isinstance(raw, dict) or not all(isinstance(raw.get(key), int) for key in ("created", "updated")):
        raise corrupt("orders.raw", "an object with created and updated", raw)
    return Order(
        id=row["order_id"], account_id=int(row["account_id"]), contract_id=row["contract_id"], status=row["status"],
        type=row["type"], side=row["side"], size=row["quantity"], created=TsNs(raw["created"]),
        updated=TsNs(raw["updated"]), limit=row["limit_ticks"], stop=row["stop_ticks"],
        trail_ticks=row["trail_ticks"], filled=row["filled"], average=raw.get("average"), tag=row["tag"],
        parent_id=row["parent_id"], linked_id=row["linked_id"],
    )  # fmt: skip


def merged_fill(old: Fill, new: Fill) -> Fill:
    """A fill reported again: once voided it stays voided, and a known result is kept."""
    return Fill(
        id=old.id, account_id=old.account_id, contract_id=old.contract_id, order_id=old.order_id, side=old.side,
        size=old.size, price=old.price, ts=floored(old.ts), fees=new.fees, commissions=new.commissions,
        pnl=old.pnl if new.pnl is None else new.pnl, voided=old.voided or new.voided,
    )  # fmt: skip


def distinct(fills: Iterable[Fill]) -> list[Fill]:
    """The batch without repeats."""
    kept: dict[tuple[int, int], Fill] = {}
    for fill in fills:
        key = (fill.account_id, fill.id)
        kept[key] = merged_fill(kept[key], fill) if key in kept else fill
    return list(kept.values())


def fill_columns(fills: Sequence[Fill], tick_of: Callable[[str], TickSize]) -> list[list[Any]]:
    """Arguments of UPSERT_FILL."""
    rows = [
        (
            account_of(f.account_id), f.id, f.order_id, f.contract_id, f.side, f.size,
            price_of(tick_of(f.contract_id), f.price), dollars_of(f.pnl), dollars_of(f.fees),
            dollars_of(f.commissions), f.voided, micros_of(f.ts),
        )
        for f in fills
    ]  # fmt: skip
    return [list(column) for column in zip(*rows, strict=True)]


def decode_fill(row: Any, tick: TickSize) -> Fill:
    """A row of SELECT_FILLS. Raises StoreCorrupt."""
    required(
        "fills", row, "order_id", "contract_id", "side", "quantity", "price", "fees", "commissions", "voided"
    )
    return Fill(
        id=row["trade_id"], account_id=int(row["account_id"]), contract_id=row["contract_id"],
        order_id=row["order_id"], side=row["side"], size=row["quantity"],
        price=ticks_of("fills.price", tick, row["price"]), ts=ns_of(row["ts"]),
        fees=money_of("fills.fees", row["fees"]) or Money(0),
        commissions=money_of("fills.commissions", row["commissions"]) or Money(0),
        pnl=money_of("fills.pnl", row["pnl"]), voided=row["voided"],
    )  # fmt: skip


def _rounded(average: str | None) -> Decimal | None:
    return None if average is None else round(Decimal(average), 9)
