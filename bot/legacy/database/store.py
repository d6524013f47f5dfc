"""The authoritative `Store`: asyncpg statements over connections that are handed in (bot.md §20.6)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from bot.clock import SECOND, Clock, SystemClock
from bot.legacy.database import accounts, bars, contracts, intents, orders, schema
from bot.legacy.database.connection import Connection, Connections
from bot.legacy.database.values import account_of, micros_of
from bot.model.contract import Contract
from bot.model.errors import StoreConflict, StoreCorrupt, StoreUnavailable
from bot.model.market import Bar
from bot.model.orders import Fill, Order
from bot.model.quantities import TickSize, TsNs


class PythonStore:
    """Every operation is one transaction; failures are StoreUnavailable, StoreConflict, StoreCorrupt.

    Times come back floored to whole microseconds, except those of orders, which come back exactly.
    """

    def __init__(self, connections: Connections, clock: Clock | None = None) -> None:
        self._connections = connections
        self._clock = clock or SystemClock()
        self._contracts: dict[str, tuple[str, TickSize]] = {}
        self._closed = False

    async def open(self) -> None:
        """See that the database answers and is not of a newer version. Raises StoreUnavailable, StoreCorrupt."""
        self._closed = False
        async with self._connection() as connection:
            schema.pending(schema.shipped(), await _applied(connection))

    async def close(self) -> None:
        """Refuse further work; the connections belong to whoever handed them in."""
        self._closed = True

    async def ping(self) -> float:
        began = self._clock.host_mono()
        async with self._connection() as connection:
            await connection.fetchval("SELECT 1")
        return (self._clock.host_mono() - began) / SECOND

    async def migrate(self) -> int:
        """Apply what is missing, each step in its own transaction, one process at a time."""
        steps = schema.shipped()
        for _ in range(len(steps) + 1):
            async with self._connection() as connection, connection.transaction():
                await connection.execute(schema.LOCK)
                await connection.execute(schema.CREATE)
                missing = schema.pending(steps, await _applied(connection))
                if not missing:
                    break
                step = missing[0]
                await connection.execute(step.sql)
                await connection.execute(schema.RECORD, step.version, step.name, step.checksum)
        return await self.schema_version()

    async def schema_version(self) -> int:
        """The newest applied migration, 0 for an empty database."""
        async with self._connection() as connection:
            return max(await _applied(connection), default=0)

    async def upsert_bars(self, contract_id: str, timeframe: str, rows: Sequence[Bar]) -> int:
        """Write closed bars of one contract and timeframe at once; returns how many rows were written.

        A complete bar is not replaced by an incomplete one. Raises BadField, BadTimeframe, UnknownSymbol.
        """
        batch = bars.closed(contract_id, timeframe, rows)
        if not batch:
            return 0
        symbol, tick = await self._known(contract_id)
        written = 0
        async with self._connection() as connection, connection.transaction():
            for at in range(0, len(batch), bars.BATCH):
                part = batch[at : at + bars.BATCH]
                answer = await connection.execute(
                    bars.UPSERT, *bars.upsert_arguments(symbol, contract_id, timeframe, tick, part)
                )
                written += int(answer.rsplit(" ", 1)[1])
        return written

    async def get_bars(
        self, contract_id: str, timeframe: str, start: TsNs | None = None, end: TsNs | None = None,
        limit: int | None = None,
    ) -> list[Bar]:  # fmt: skip
        """Bars that start in `[start, end)`, ascending; with `limit` the newest of them."""
        _, tick = await self._known(contract_id)
        arguments = bars.select_arguments(contract_id, timeframe, tick, start, end, limit)
        async with self._connection() as connection:
            return bars.decode(contract_id, timeframe, await connection.fetch(bars.SELECT, *arguments))

    async def upsert_contracts(self, rows: Sequence[Contract]) -> None:
        """Store the venue's records; an older record does not replace a newer one."""
        async with self._connection() as connection, connection.transaction():
            for contract in rows:
                await connection.execute(contracts.UPSERT, *contracts.encode(contract))
        self._contracts.update({row.id: (row.root, row.tick) for row in rows})

    async def list_contracts(self, root: str | None = None) -> list[Contract]:
        """Contracts in byte order of their ids."""
        async with self._connection() as connection:
            return [contracts.decode(row) for row in await connection.fetch(contracts.SELECT, root)]

    async def get_trading_state(self, scope: str) -> dict[str, Any] | None:
        """`{state, reason, actor, version, changed_at}` of `global` or an account id."""
        async with self._connection() as connection:
            row = await connection.fetchrow(accounts.SELECT_STATE, scope)
        return None if row is None else accounts.decode_state(row)

    async def set_trading_state(
        self, scope: str, state: str, reason: str, actor: str, expected_version: int
    ) -> int:
        """Compare and set; `expected_version` 0 means that none is stored yet. Raises StoreConflict, BadField."""
        accounts.checked_state(scope, state)
        async with self._connection() as connection, connection.transaction():
            before = await connection.fetchrow(accounts.SELECT_STATE, scope)
            if expected_version == 0:
                version = await connection.fetchval(accounts.INSERT_STATE, scope, state, reason, actor)
            else:
                version = await connection.fetchval(
                    accounts.UPDATE_STATE, scope, state, reason, actor, expected_version
                )
            if version is None:
                raise StoreConflict(
                    f"trading state of {scope}", expected=f"version {expected_version}",
                    seen=before["version"] if before else 0, do="read it again and decide anew",
                )  # fmt: skip
            await connection.execute(
                accounts.AUDIT_STATE, actor, None if scope == "global" else scope,
                None if before is None else {"state": before["state"], "version": before["version"]},
                {"state": state, "reason": reason, "version": version},
            )  # fmt: skip
        return int(version)

    async def save_account_state(self, account_id: int, state: Mapping[str, Any]) -> None:
        """Set the given keys, leave the others. Money in micro-dollars; unknown keys are kept beside."""
        statement, arguments = accounts.upsert_account(account_id, state)
        async with self._connection() as connection:
            await connection.execute(statement, *arguments)

    async def get_account_state(self, account_id: int) -> dict[str, Any] | None:
        async with self._connection() as connection:
            row = await connection.fetchrow(accounts.SELECT_ACCOUNT, account_of(account_id))
        return None if row is None else accounts.decode_account(row)

    async def save_rule_state(self, account_id: int, state: Mapping[str, Any]) -> None:
        """Replace the rule machine's state; JSON types and dates."""
        async with self._connection() as connection:
            await connection.execute(accounts.UPSERT_RULE, *accounts.rule_arguments(account_id, state))

    async def get_rule_state(self, account_id: int) -> dict[str, Any] | None:
        """The state as it was saved, dates as ISO text."""
        async with self._connection() as connection:
            row = await connection.fetchrow(accounts.SELECT_RULE, account_of(account_id))
        return None if row is None else accounts.decode_rule(row)

    async def put_intent(self, row: Mapping[str, Any]) -> None:
        """Insert or move forward. Raises StoreConflict when another intent has the key or the tag."""
        arguments = intents.intent_arguments(intents.checked_intent(row))
        async with self._connection() as connection:
            await connection.execute(intents.UPSERT_INTENT, *arguments)

    async def get_intent(self, intent_id: str) -> dict[str, Any] | None:
        async with self._connection() as connection:
            row = await connection.fetchrow(intents.SELECT_INTENT, intent_id)
        return None if row is None else intents.decode_intent(row)

    async def upsert_orders(self, rows: Sequence[Order]) -> None:
        """The newer report of each order wins; a terminal status stays."""
        batch = orders.newest(rows)
        if batch:
            async with self._connection() as connection:
                await connection.execute(orders.UPSERT_ORDER, *orders.order_columns(batch))

    async def get_orders(self, account_id: int, working_only: bool = False) -> list[Order]:
        """Orders of one account by id."""
        async with self._connection() as connection:
            rows = await connection.fetch(orders.SELECT_ORDERS, account_of(account_id), working_only)
        return [orders.decode_order(row) for row in rows]

    async def upsert_fills(self, rows: Sequence[Fill]) -> list[int]:
        """Returns the ids that were new, ascending. A fill once voided stays voided."""
        batch = orders.distinct(rows)
        if not batch:
            return []
        ticks = {fill.contract_id: (await self._known(fill.contract_id))[1] for fill in batch}
        async with self._connection() as connection:
            answer = await connection.fetch(
                orders.UPSERT_FILL, *orders.fill_columns(batch, ticks.__getitem__)
            )
        return sorted(row["trade_id"] for row in answer if row["new"])

    async def get_fills(self, account_id: int, start: TsNs, end: TsNs) -> list[Fill]:
        """Fills in `[start, end)` by time, then id; voided ones included."""
        bounds = [-(-bound // 1000) for bound in (start, end)]
        async with self._connection() as connection:
            rows = await connection.fetch(orders.SELECT_FILLS, account_of(account_id), *bounds)
        return [orders.decode_fill(row, (await self._known(row["contract_id"]))[1]) for row in rows]

    async def put_protection(self, row: Mapping[str, Any]) -> None:
        """Replace the protection row of (account, contract)."""
        arguments = intents.protection_arguments(row)
        async with self._connection() as connection:
            await connection.execute(intents.UPSERT_PROTECTION, *arguments)

    async def get_protection(self, account_id: int) -> list[dict[str, Any]]:
        """Protection rows of one account by contract id."""
        async with self._connection() as connection:
            rows = await connection.fetch(intents.SELECT_PROTECTION, account_of(account_id))
        return [intents.decode_protection(row) for row in rows]

    async def add_reconciliation(
        self, account_id: int, colour: str, differences: Sequence[Any], actions: Sequence[Any],
        at: TsNs | None = None,
    ) -> None:  # fmt: skip
        """Log one reconciliation; the same one at the same `at` is written once."""
        async with self._connection() as connection:
            await connection.execute(
                intents.INSERT_RECONCILIATION, account_of(account_id), colour, list(differences), list(actions),
                None if at is None else micros_of(at),
            )  # fmt: skip

    async def list_reconciliations(self, account_id: int, limit: int = 100) -> list[dict[str, Any]]:
        """`{colour, differences, actions}`, newest first."""
        async with self._connection() as connection:
            rows = await connection.fetch(intents.SELECT_RECONCILIATIONS, account_of(account_id), limit)
        return [dict(row) for row in rows]

    async def add_audit(
        self,
        actor: str,
        source: str,
        action: str,
        account_id: int | None,
        result: str,
        at: TsNs | None = None,
    ) -> None:
        """Log who did what; the same entry at the same `at` is written once."""
        async with self._connection() as connection:
            await connection.execute(
                intents.INSERT_AUDIT, actor, source, action,
                None if account_id is None else account_of(account_id), result,
                None if at is None else micros_of(at),
            )  # fmt: skip

    async def list_audit(self, limit: int = 100) -> list[dict[str, Any]]:
        """`{actor, source, action, account_id, before, after, result}`, newest first."""
        async with self._connection() as connection:
            return [intents.decode_audit(row) for row in await connection.fetch(intents.SELECT_AUDIT, limit)]

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        if self._closed:
            raise StoreUnavailable("store", expected="an open store", seen="closed", do="open it first")
        async with self._connections.acquire() as connection:
            yield connection

    async def _known(self, contract_id: str) -> tuple[str, TickSize]:
        """Root and tick: what the venue's record says, else the table of instruments."""
        found = self._contracts.get(contract_id)
        if found is None:
            self._contracts.update({row.id: (row.root, row.tick) for row in await self.list_contracts()})
            found = self._contracts.get(contract_id)
            if found is None:
                found = self._contracts[contract_id] = contracts.fallback(contract_id)
        return found


async def _applied(connection: Connection) -> dict[int, str]:
    if not await connection.fetchval(schema.EXISTS):
        return {}
    found = {row["version"]: row["checksum"] for row in await connection.fetch(schema.APPLIED)}
    if sorted(found) != list(range(1, len(found) + 1)):
        raise StoreCorrupt(
            "schema_migrations", expected="versions without gaps", seen=sorted(found), do="restore a backup"
        )
    return found
