"""Statements and row codecs of `account_state`, `rule_state` and `trading_state`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from bot.legacy.database.values import account_of, corrupt, day_of, dollars_of, money_of, ns_of
from bot.model.errors import BadField

MONEY = (
    "balance", "starting_balance", "highest_eod_balance", "daily_pnl", "dll_remaining", "mll_remaining", "mll_floor",
)  # fmt: skip
COUNTS = ("total_trades_today", "winning_trades_today", "losing_trades_today")
ACCOUNT_COLUMNS = ("account_name", *MONEY, *COUNTS, "trading_day")
SELECT_ACCOUNT = f"SELECT {', '.join(ACCOUNT_COLUMNS)}, metadata FROM account_state WHERE account_id = $1"  # noqa: S608
RULE_COLUMNS = {
    "risk_day": "risk_day", "balance": "balance", "unrealised": "open_result", "day_base": "day_base", "high": "high",
    "floor": "floor", "day_end_profit": "end_of_day_profit", "known": "known", "dll_locked": "dll_locked",
    "mll_breached": "mll_breached",
}  # fmt: skip
UPSERT_RULE = """
INSERT INTO rule_state (account_id, risk_day, balance, open_result, day_base, high, floor, end_of_day_profit, known,
    dll_locked, mll_breached, metadata)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (account_id) DO UPDATE SET risk_day = excluded.risk_day, balance = excluded.balance,
    open_result = excluded.open_result, day_base = excluded.day_base, high = excluded.high, floor = excluded.floor,
    end_of_day_profit = excluded.end_of_day_profit, known = excluded.known, dll_locked = excluded.dll_locked,
    mll_breached = excluded.mll_breached, metadata = excluded.metadata, updated_at = now()
"""
SELECT_RULE = "SELECT metadata FROM rule_state WHERE account_id = $1"
STATES = frozenset({"ACTIVE", "REDUCING", "HALTED"})
SELECT_STATE = "SELECT state, reason, actor, version, changed_at FROM trading_state WHERE scope = $1"
INSERT_STATE = (
    "INSERT INTO trading_state (scope, state, reason, actor, version) VALUES ($1, $2, $3, $4, 1) "
    "ON CONFLICT (scope) DO NOTHING RETURNING version"
)
UPDATE_STATE = (
    "UPDATE trading_state SET state = $2, reason = $3, actor = $4, version = version + 1, changed_at = now() "
    "WHERE scope = $1 AND version = $5 RETURNING version"
)
AUDIT_STATE = (
    "INSERT INTO audit_log (actor, source, action, account_id, before, after, result) "
    "VALUES ($1, 'trading_state', 'set_state', $2, $3, $4, 'ok')"
)


def upsert_account(account_id: int, state: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """Statement and arguments that set the given keys only; keys that are no column go to `metadata`."""
    values: dict[str, Any] = {"account_id": account_of(account_id)}
    rest: dict[str, Any] = {}
    for key, value in state.items():
        if key in MONEY:
            values[key] = dollars_of(value)
        elif key == "trading_day":
            values[key] = day_of(key, value)
        elif key in ACCOUNT_COLUMNS:
            values[key] = value
        else:
            rest[key] = value
    values["metadata"] = rest
    names = list(values)
    updates = [f"{name} = excluded.{name}" for name in names[1:-1]]
    updates.append("metadata = coalesce(a.metadata, '{}') || excluded.metadata")
    statement = (
        f"INSERT INTO account_state AS a ({', '.join(names)}) "  # noqa: S608
        f"VALUES ({', '.join(f'${i}' for i in range(1, len(names) + 1))}) "
        f"ON CONFLICT (account_id) DO UPDATE SET {', '.join(updates)}, last_updated = now()"
    )
    return statement, tuple(values.values())


def decode_account(row: Any) -> dict[str, Any]:
    """All columns (null is None, never 0), money in micro-dollars, and what else was stored."""
    state = dict(row["metadata"] or {})
    for name in ACCOUNT_COLUMNS:
        state[name] = money_of(f"account_state.{name}", row[name]) if name in MONEY else row[name]
    return state


def rule_arguments(account_id: int, state: Mapping[str, Any]) -> tuple[Any, ...]:
    """Arguments of UPSERT_RULE; the columns are for people, the document is what comes back."""
    columns = [day_of(key, state.get(key)) if key == "risk_day" else state.get(key) for key in RULE_COLUMNS]
    return account_of(account_id), *columns, portable(state)


def decode_rule(row: Any) -> dict[str, Any]:
    """The state as it was saved. Raises StoreCorrupt when the columns say otherwise."""
    if not isinstance(row["metadata"], dict):
        raise corrupt("rule_state.metadata", "the state as it was saved", row["metadata"])
    return row["metadata"]


def portable(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state with dates as ISO text."""
    return {key: value.isoformat() if isinstance(value, date) else value for key, value in state.items()}


def checked_state(scope: str, state: str) -> None:
    """Raises BadField for a state or a scope that does not exist."""
    if state not in STATES:
        raise BadField("trading state", expected="ACTIVE, REDUCING or HALTED", seen=state)
    if scope != "global":
        account_of(scope)


def decode_state(row: Any) -> dict[str, Any]:
    """`{state, reason, actor, version, changed_at}`. Raises StoreCorrupt."""
    if row["state"] not in STATES:
        raise corrupt("trading_state.state", "ACTIVE, REDUCING or HALTED", row["state"])
    return {**dict(row), "changed_at": ns_of(row["changed_at"])}
