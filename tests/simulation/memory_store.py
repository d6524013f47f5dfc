"""A `Store` in memory for simulations; it passes the parity suite of the database component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bot.legacy.database import accounts, bars, contracts, intents, orders, schema
from bot.legacy.database.values import account_of, day_of, floored
from bot.model.contract import Contract
from bot.model.errors import StoreConflict, StoreUnavailable
from bot.model.market import Bar
from bot.model.orders import Fill, Order
from bot.model.quantities import TsNs


class MemoryStore:
    """Same rules as PostgreSQL, no I/O. `down` makes every operation fail, as a lost database does."""

    def __init__(self, now: int = 0) -> None:
        self.down = False
        self.now = TsNs(now)
        self._open = True
        self._bars: dict[tuple[str, str], dict[int, Bar]] = {}
        self._contracts: dict[str, Contract] = {}
        self._states: dict[str, dict[str, Any]] = {}
        self._accounts: dict[str, dict[str, Any]] = {}
        self._rules: dict[str, dict[str, Any]] = {}
        self._intents: dict[str, dict[str, Any]] = {}
        self._orders: dict[tuple[int, int], Order] = {}
        self._fills: dict[tuple[int, int], Fill] = {}
        self._protection: dict[tuple[str, str], dict[str, Any]] = {}
        self._reconciliations: list[tuple[str, TsNs | None, dict[str, Any]]] = []
        self._audit: list[tuple[TsNs | None, dict[str, Any]]] = []

    async def open(self) -> None:
        self._open = True
        self._reach()

    async def close(self) -> None:
        self._open = False

    async def ping(self) -> float:
        self._reach()
        return 0.0

    async def migrate(self) -> int:
        return await self.schema_version()

    async def schema_version(self) -> int:
        self._reach()
        return len(schema.shipped())

    async def upsert_bars(self, contract_id: str, timeframe: str, rows: Sequence[Bar]) -> int:
        self._reach()
        batch = bars.closed(contract_id, timeframe, rows)
        if batch:
            self._known(contract_id)
        kept = self._bars.setdefault((contract_id, timeframe), {})
        written = [bar for bar in batch if bar.start not in kept or bars.replaces(kept[bar.start], bar)]
        kept.update((bar.start, bar) for bar in written)
        return len(written)

    async def get_bars(
        self, contract_id: str, timeframe: str, start: TsNs | None = None, end: TsNs | None = None,
        limit: int | None = None,
    ) -> list[Bar]:  # fmt: skip
        self._reach()
        self._known(contract_id)
        kept = self._bars.get((contract_id, timeframe), {})
        found = [
            kept[at] for at in sorted(kept) if (start is None or at >= start) and (end is None or at < end)
        ]
        return found if limit is None else found[max(0, len(found) - limit) :]

    async def upsert_contracts(self, rows: Sequence[Contract]) -> None:
        self._reach()
        for row in rows:
            old = self._contracts.get(row.id)
            if old is None or row.seen_at >= old.seen_at:
                self._contracts[row.id] = msgspec.structs.replace(row, seen_at=floored(row.seen_at))

    async def list_contracts(self, root: str | None = None) -> list[Contract]:
        self._reach()
        return [row for _, row in sorted(self._contracts.items()) if root is None or row.root == root]

    async def get_trading_state(self, scope: str) -> dict[str, Any] | None:
        self._reach()
        found = self._states.get(scope)
        return None if found is None else dict(found)

    async def set_trading_state(
        self, scope: str, state: str, reason: str, actor: str, expected_version: int
    ) -> int:
        self._reach()
        accounts.checked_state(scope, state)
        before = self._states.get(scope)
        version = before["version"] if before else 0
        if version != expected_version:
            raise StoreConflict(
                f"trading state of {scope}", expected=f"version {expected_version}", seen=version,
                do="read it again and decide anew",
            )  # fmt: skip
        self._states[scope] = {
            "state": state, "reason": reason, "actor": actor, "version": version + 1, "changed_at": self.now,
        }  # fmt: skip
        self._log(
            None, actor, "trading_state", "set_state", None if scope == "global" else scope, "ok",
            None if before is None else {"state": before["state"], "version": before["version"]},
            {"state": state, "reason": reason, "version": version + 1},
        )  # fmt: skip
        return version + 1

    async def save_account_state(self, account_id: int, state: Mapping[str, Any]) -> None:
        self._reach()
        kept = self._accounts.setdefault(
            account_of(account_id), dict.fromkeys(accounts.ACCOUNT_COLUMNS, None)
        )
        kept.update(
            {key: day_of(key, value) if key == "trading_day" else value for key, value in state.items()}
        )

    async def get_account_state(self, account_id: int) -> dict[str, Any] | None:
        self._reach()
        found = self._accounts.get(account_of(account_id))
        return None if found is None else dict(found)

    async def save_rule_state(self, account_id: int, state: Mapping[str, Any]) -> None:
        self._reach()
        self._rules[account_of(account_id)] = accounts.portable(state)

    async def get_rule_state(self, account_id: int) -> dict[str, Any] | None:
        self._reach()
        found = self._rules.get(account_of(account_id))
        return None if found is None else dict(found)

    async def put_intent(self, row: Mapping[str, Any]) -> None:
        self._reach()
        full = intents.checked_intent(row)
        old = self._intents.get(full["intent_id"])
        for other in self._intents.values():
            if other is not old and other["account_id"] == full["account_id"]:
                for name in ("tag", "idempotency_key"):
                    if full[name] is not None and other[name] == full[name]:
                        raise StoreConflict(
                            f"intent {name}", expected="one that is not used", seen=full[name]
                        )
        if old is None:
            full["created_at"] = self.now if full["created_at"] is None else full["created_at"]
            self._intents[full["intent_id"]] = full
        elif intents.advances(old["state"], full["state"]):
            kept = {"created_at": old["created_at"]}
            self._intents[full["intent_id"]] = {
                name: old[name] if value is None else value for name, value in {**full, **kept}.items()
            }

    async def get_intent(self, intent_id: str) -> dict[str, Any] | None:
        self._reach()
        found = self._intents.get(intent_id)
        if found is None:
            return None
        times = {name: floored(found[name]) for name in intents.TIMES if found[name] is not None}
        return {**found, **times, "account_id": int(found["account_id"])}

    async def upsert_orders(self, rows: Sequence[Order]) -> None:
        self._reach()
        for row in rows:
            key = (row.account_id, row.id)
            self._orders[key] = orders.merged(self._orders[key], row) if key in self._orders else row

    async def get_orders(self, account_id: int, working_only: bool = False) -> list[Order]:
        self._reach()
        mine = [row for key, row in sorted(self._orders.items()) if key[0] == account_id]
        return [row for row in mine if row.working or not working_only]

    async def upsert_fills(self, rows: Sequence[Fill]) -> list[int]:
        self._reach()
        batch = orders.distinct(rows)
        for row in batch:
            self._known(row.contract_id)
        new = []
        for row in batch:
            key = (row.account_id, row.id)
            old = self._fills.get(key)
            if old is None:
                new.append(row.id)
            self._fills[key] = orders.merged_fill(old or row, row)
        return sorted(new)

    async def get_fills(self, account_id: int, start: TsNs, end: TsNs) -> list[Fill]:
        self._reach()
        mine = [row for row in self._fills.values() if row.account_id == account_id and start <= row.ts < end]
        return sorted(mine, key=lambda row: (row.ts, row.id))

    async def put_protection(self, row: Mapping[str, Any]) -> None:
        self._reach()
        values = dict(zip(intents.PROTECTION_COLUMNS, intents.protection_arguments(row), strict=True))
        self._protection[values["account_id"], values["contract_id"]] = values

    async def get_protection(self, account_id: int) -> list[dict[str, Any]]:
        self._reach()
        return [
            {**row, "account_id": account_id}
            for key, row in sorted(self._protection.items())
            if key[0] == account_of(account_id)
        ]

    async def add_reconciliation(
        self, account_id: int, colour: str, differences: Sequence[Any], actions: Sequence[Any],
        at: TsNs | None = None,
    ) -> None:  # fmt: skip
        self._reach()
        account = account_of(account_id)
        if at is not None and any(
            (row[0], row[1], row[2]["colour"]) == (account, at, colour) for row in self._reconciliations
        ):
            return
        row = {"colour": colour, "differences": list(differences), "actions": list(actions)}
        self._reconciliations.append((account, at, msgspec.to_builtins(row)))

    async def list_reconciliations(self, account_id: int, limit: int = 100) -> list[dict[str, Any]]:
        self._reach()
        mine = [row for account, _, row in self._reconciliations if account == account_of(account_id)]
        return mine[::-1][:limit]

    async def add_audit(
        self,
        actor: str,
        source: str,
        action: str,
        account_id: int | None,
        result: str,
        at: TsNs | None = None,
    ) -> None:
        self._reach()
        account = None if account_id is None else account_of(account_id)
        self._log(at, actor, source, action, account, result, None, None)

    async def list_audit(self, limit: int = 100) -> list[dict[str, Any]]:
        self._reach()
        return [intents.decode_audit(row) for _, row in self._audit[::-1][:limit]]

    def _log(
        self, at: TsNs | None, actor: str, source: str, action: str, account: str | None, result: str,
        before: Any, after: Any,
    ) -> None:  # fmt: skip
        row = {
            "actor": actor, "source": source, "action": action, "account_id": account, "before": before,
            "after": after, "result": result,
        }  # fmt: skip
        same = ("actor", "action", "account_id")
        if at is None or not any(
            when == at and all(old[name] == row[name] for name in same) for when, old in self._audit
        ):
            self._audit.append((at, row))

    def _known(self, contract_id: str) -> None:
        if contract_id not in self._contracts:
            contracts.fallback(contract_id)

    def _reach(self) -> None:
        if self.down or not self._open:
            raise StoreUnavailable("store", expected="an answer", seen="down" if self.down else "closed")
