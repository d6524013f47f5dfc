"""Statements and row codecs of `contracts`, and which tick a contract has."""

from __future__ import annotations

from typing import Any

from bot.legacy.database.values import corrupt, dollars_of, micros_of, money_of, ns_of, price_of, required
from bot.model.contract import Contract, split_contract_id
from bot.model.errors import BadField, UnknownSymbol
from bot.model.instruments import BY_PRODUCT, INSTRUMENTS, expiry_day
from bot.model.quantities import TickSize

UPSERT = """
INSERT INTO contracts AS c (contract_id, symbol, product, name, description, symbol_id, trading_group,
    tick_size, tick_value, tick_num, tick_den, weight, active, expiry, seen_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (contract_id) DO UPDATE SET symbol = excluded.symbol, product = excluded.product, name = excluded.name,
    description = excluded.description, symbol_id = excluded.symbol_id, trading_group = excluded.trading_group,
    tick_size = excluded.tick_size, tick_value = excluded.tick_value, tick_num = excluded.tick_num,
    tick_den = excluded.tick_den, weight = excluded.weight, active = excluded.active, expiry = excluded.expiry,
    seen_at = excluded.seen_at
WHERE excluded.seen_at >= c.seen_at
"""
SELECT = """
SELECT contract_id, symbol, name, description, symbol_id, trading_group, tick_value, tick_num, tick_den, weight,
    active, seen_at
FROM contracts WHERE $1::text IS NULL OR symbol = $1 ORDER BY contract_id COLLATE "C"
"""


def encode(contract: Contract) -> tuple[Any, ...]:
    """Arguments of UPSERT. Raises BadField for a contract id of another form."""
    expiry = expiry_day(contract.root, *contract.month_key) if contract.root in INSTRUMENTS else None
    return (
        contract.id, contract.root, contract.product, contract.name, contract.description, contract.symbol_id,
        contract.group, price_of(contract.tick, 1), dollars_of(contract.tick_value), contract.tick.num,
        contract.tick.den, contract.weight, contract.active, expiry, micros_of(contract.seen_at),
    )  # fmt: skip


def decode(row: Any) -> Contract:
    """A row of SELECT. Raises StoreCorrupt."""
    required("contracts", row, *row.keys())
    if row["tick_num"] <= 0 or row["tick_den"] <= 0:
        raise corrupt("contracts.tick_num", "a positive tick size", f"{row['tick_num']}/{row['tick_den']}")
    return Contract(
        id=row["contract_id"], name=row["name"], description=row["description"], symbol_id=row["symbol_id"],
        root=row["symbol"], tick=TickSize(row["tick_num"], row["tick_den"]),
        tick_value=money_of("contracts.tick_value", row["tick_value"]) or 0, active=row["active"],
        weight=row["weight"], group=row["trading_group"], seen_at=ns_of(row["seen_at"]),
    )  # fmt: skip


def fallback(contract_id: str) -> tuple[str, TickSize]:
    """Root and tick from the table of instruments. Raises UnknownSymbol."""
    try:
        found = BY_PRODUCT.get(split_contract_id(contract_id)[0])
    except BadField:
        found = None
    if found is None:
        raise UnknownSymbol(
            "contract", expected="a contract of the database or a product of the instrument table",
            seen=contract_id, do="store the venue's contract record first",
        )  # fmt: skip
    return found.root, found.tick
