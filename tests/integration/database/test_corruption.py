"""A database of another version, and rows that cannot be true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.legacy.database import PythonStore
from bot.legacy.database import schema as schema_files
from bot.model.errors import StoreCorrupt
from bot.model.quantities import TsNs
from bot.postgres import Pool, open_pool
from tests.integration.database.rows import T0, fill, order


@pytest.fixture
async def pool(database_dsn: str) -> AsyncIterator[Pool]:
    made = await open_pool(database_dsn)
    yield made
    await made.close()


@pytest.fixture
async def store(pool: Pool) -> PythonStore:
    made = PythonStore(pool)
    await made.open()
    await made.migrate()
    return made


async def test_a_newer_or_changed_schema_is_refused_and_left_as_it_is(pool: Pool, store: PythonStore) -> None:
    async with pool.acquire() as connection:
        await connection.execute("INSERT INTO schema_migrations VALUES (3, 'future', 'x')")
    for attempt in (store.open, store.migrate):
        with pytest.raises(StoreCorrupt, match="version 2 or older, got 3") as caught:
            await attempt()
        assert caught.value.exit_code == 12
    async with pool.acquire() as connection:
        await connection.execute("DELETE FROM schema_migrations WHERE version = 3")
        await connection.execute("UPDATE schema_migrations SET checksum = 'other' WHERE version = 1")
    with pytest.raises(StoreCorrupt, match="migration 1"):
        await store.migrate()


async def test_a_database_of_each_older_version_is_brought_up_to_date_with_its_rows(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, steps = PythonStore(pool), schema_files.shipped()
    for version in range(1, len(steps) + 1):
        monkeypatch.setattr(schema_files, "shipped", lambda until=version: steps[:until])
        assert await store.migrate() == version
        await store.upsert_orders([order(version)])
    assert [row.id for row in await store.get_orders(1)] == list(range(1, len(steps) + 1))


async def test_a_failing_migration_leaves_nothing_behind(
    pool: Pool, store: PythonStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (
        *schema_files.shipped(),
        schema_files.Migration(3, "bad", "CREATE TABLE half (a int); SELECT 1/0"),
    )
    monkeypatch.setattr(schema_files, "shipped", lambda: steps)
    with pytest.raises(StoreCorrupt):
        await store.migrate()
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT to_regclass('half')") is None
    assert await store.schema_version() == 2


async def test_two_processes_migrate_at_once_and_each_step_runs_once(database_dsn: str) -> None:
    pools = [await open_pool(database_dsn) for _ in range(3)]
    versions = await asyncio.gather(*(PythonStore(pool).migrate() for pool in pools))
    assert versions == [2, 2, 2]
    for pool in pools:
        await pool.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE fills SET price = 20000.1", "UPDATE fills SET price = NULL", "UPDATE fills SET fees = NULL",
        "UPDATE fills SET price = 'NaN'",
    ],
)  # fmt: skip
async def test_a_corrupt_fill_is_an_error_not_a_guess(pool: Pool, store: PythonStore, damage: str) -> None:
    await store.upsert_fills([fill(1)])
    async with pool.acquire() as connection:
        await connection.execute(damage)
    with pytest.raises(StoreCorrupt, match="fills"):
        await store.get_fills(1, TsNs(T0), TsNs(T0 * 2))


@pytest.mark.parametrize(
    ("damage", "read"),
    [
        ("UPDATE orders SET raw = NULL", "get_orders"),
        ("UPDATE orders SET raw = '{}'", "get_orders"),
        ("UPDATE orders SET quantity = NULL", "get_orders"),
        ("ALTER TABLE orders DROP COLUMN tag", "get_orders"),
        ("UPDATE rule_state SET metadata = NULL", "get_rule_state"),
    ],
)
async def test_corrupt_rows_and_tables_are_errors(
    pool: Pool, store: PythonStore, damage: str, read: str
) -> None:
    await store.upsert_orders([order(1)])
    await store.save_rule_state(1, {"balance": 1})
    async with pool.acquire() as connection:
        await connection.execute(damage)
    with pytest.raises(StoreCorrupt):
        await getattr(store, read)(1)
