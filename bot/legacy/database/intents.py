"""Statements and row codecs of `intents`, `protection`, `reconciliation_log` and `audit_log`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.legacy.database.values import account_of, micros_of, ns_of
from bot.model.errors import BadField

INTENT_COLUMNS = (
    "intent_id", "tag", "account_id", "contract_id", "kind", "side", "type", "quantity", "limit_ticks", "stop_ticks",
    "plan", "source", "strategy", "idempotency_key", "state", "outcome", "code", "order_id", "epoch", "created_at",
    "sent_at", "resolved_at",
)  # fmt: skip
TIMES = ("created_at", "sent_at", "resolved_at")
FINAL = (
    "denied", "filled", "cancelled", "expired", "rejected", "not_accepted", "confirmed",
)  # fmt: skip
RANKS = {
    "new": 0, "sent": 1, "unknown": 2, "pending": 3, "open": 3, "suspended": 3, "partially_filled": 3,
    "pending_cancel": 3, **dict.fromkeys(FINAL, 4),
}  # fmt: skip
"""How far an intent has come; a replay never moves it back, and a final state never changes."""
_RANK = "CASE {0} " + " ".join(f"WHEN '{state}' THEN {rank}" for state, rank in RANKS.items()) + " END"
_KEEP = [name for name in INTENT_COLUMNS if name not in {"intent_id", "account_id", "state", "created_at"}]
UPSERT_INTENT = (
    f"INSERT INTO intents AS i ({', '.join(INTENT_COLUMNS)}) "  # noqa: S608
    f"VALUES ({', '.join(f'${i}' for i in range(1, len(INTENT_COLUMNS) + 1))}) "
    "ON CONFLICT (intent_id) DO UPDATE SET state = excluded.state, "
    + ", ".join(f"{name} = coalesce(excluded.{name}, i.{name})" for name in _KEEP)
    + f" WHERE {_RANK.format('i.state')} < 4 AND {_RANK.format('excluded.state')} >= {_RANK.format('i.state')}"
)
SELECT_INTENT = f"SELECT {', '.join(INTENT_COLUMNS)} FROM intents WHERE intent_id = $1"  # noqa: S608
PROTECTION_COLUMNS = (
    "account_id", "contract_id", "state", "stop_order_id", "target_order_ids", "breakeven", "trailing",
    "unprotected_ms",
)  # fmt: skip
_PROTECTION = ", ".join(f'"{name}"' for name in PROTECTION_COLUMNS)
UPSERT_PROTECTION = (
    f"INSERT INTO protection ({_PROTECTION}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "  # noqa: S608
    "ON CONFLICT (account_id, contract_id) DO UPDATE SET "
    + ", ".join(f'"{name}" = excluded."{name}"' for name in PROTECTION_COLUMNS[2:])
    + ", updated_at = now()"
)
SELECT_PROTECTION = f"SELECT {_PROTECTION} FROM protection WHERE account_id = $1 ORDER BY contract_id"  # noqa: S608
INSERT_RECONCILIATION = (
    "INSERT INTO reconciliation_log (account_id, colour, differences, actions, at) "
    "VALUES ($1, $2, $3, $4, coalesce($5, now())) ON CONFLICT DO NOTHING"
)
SELECT_RECONCILIATIONS = (
    "SELECT colour, differences, actions FROM reconciliation_log WHERE account_id = $1 "
    "ORDER BY at DESC, id DESC LIMIT $2"
)
INSERT_AUDIT = (
    "INSERT INTO audit_log (actor, source, action, account_id, result, at) "
    "VALUES ($1, $2, $3, $4, $5, coalesce($6, now())) ON CONFLICT DO NOTHING"
)
SELECT_AUDIT = "SELECT actor, source, action, account_id, before, after, result FROM audit_log ORDER BY at DESC, id DESC LIMIT $1"


def checked_intent(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with every column, null when not given. Raises BadField."""
    known("intents", row, INTENT_COLUMNS)
    if not row.get("intent_id") or row.get("account_id") is None or row.get("state") not in RANKS:
        raise BadField(
            "intent row", expected="intent_id, account_id and a state of bot.md 7.1",
            seen={name: row.get(name) for name in ("intent_id", "account_id", "state")},
        )  # fmt: skip
    full: dict[str, Any] = {name: row.get(name) for name in INTENT_COLUMNS}
    full["account_id"] = account_of(row["account_id"])
    return full


def advances(old: str, new: str) -> bool:
    """Whether a row in state `old` takes a row in state `new`."""
    return old not in FINAL and RANKS[new] >= RANKS[old]


def intent_arguments(full: Mapping[str, Any]) -> list[Any]:
    """Arguments of UPSERT_INTENT; times cross as microseconds."""
    return [
        micros_of(full[name]) if name in TIMES and full[name] is not None else full[name]
        for name in INTENT_COLUMNS
    ]


def decode_intent(row: Any) -> dict[str, Any]:
    """All columns, the account id as an integer, times in nanoseconds."""
    intent = dict(row)
    intent["account_id"] = int(intent["account_id"])
    for name in TIMES:
        if intent[name] is not None:
            intent[name] = ns_of(intent[name])
    return intent


def protection_arguments(row: Mapping[str, Any]) -> list[Any]:
    """Arguments of UPSERT_PROTECTION; the row replaces the former one. Raises BadField."""
    known("protection", row, PROTECTION_COLUMNS)
    if row.get("account_id") is None or not row.get("contract_id"):
        raise BadField("protection row", expected="account_id and contract_id", seen=dict(row))
    return [account_of(row["account_id"]), *(row.get(name) for name in PROTECTION_COLUMNS[1:])]


def decode_protection(row: Any) -> dict[str, Any]:
    return {**dict(row), "account_id": int(row["account_id"])}


def decode_audit(row: Any) -> dict[str, Any]:
    account = row["account_id"]
    return {**dict(row), "account_id": None if account is None else int(account)}


def known(table: str, row: Mapping[str, Any], columns: Sequence[str]) -> None:
    """Raises BadField when the row names a column that does not exist."""
    unknown = sorted(set(row) - set(columns))
    if unknown:
        raise BadField(f"{table} row", expected=f"only {', '.join(columns)}", seen=unknown)
