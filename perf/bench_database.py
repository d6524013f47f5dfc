"""Bars into and out of PostgreSQL: the store against asyncpg used plainly.

The rows all end as the same bars, keyed and in decimals, in an embedded server on the same core; most of
each figure is the server's own work, so that the differences between the rows are what is ours.
"""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.legacy.database import PythonStore
from bot.legacy.database.orders import UPSERT_FILL, fill_columns
from bot.model.market import Bar
from bot.model.orders import Fill
from bot.model.quantities import Money, Ticks, TickSize, TsNs
from bot.model.times import MINUTE, parse_ts
from bot.postgres import EmbeddedPostgres, Pool, open_pool
from perf.work import Goal, Variant, Work, timed

CONTRACT = "CON.F.US.MNQ.Z25"
START = parse_ts("2025-11-03T14:30:00Z")
TICK = TickSize(1, 4)
BARS = [
    Bar(CONTRACT, "1m", TsNs(START + i * MINUTE), TsNs(START + (i + 1) * MINUTE), Ticks(80_000), Ticks(80_004),
        Ticks(79_990), Ticks(80_001), 12, 7, True, True)
    for i in range(20_000)
]  # fmt: skip
PLAIN = (
    'INSERT INTO historical_bars (symbol, contract_id, timeframe, "timestamp", open, high, low, close, volume, ticks, '
    "complete, source) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
    'ON CONFLICT (contract_id, timeframe, "timestamp") DO UPDATE SET open = excluded.open, high = excluded.high, '
    "low = excluded.low, close = excluded.close, volume = excluded.volume, ticks = excluded.ticks"
)
READ = 'SELECT * FROM historical_bars WHERE contract_id = $1 AND timeframe = $2 ORDER BY "timestamp"'


class Bench:
    """A server, a pool and a store that live as long as the process."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp())
        self._runner = asyncio.Runner()
        self._server = EmbeddedPostgres(self._folder / "postgres")
        self.run(self._server.start())
        self.pool: Pool = self.run(open_pool(self._server.dsn))
        self.store = PythonStore(self.pool)
        self.run(self.store.migrate())
        atexit.register(self._close)

    def run(self, work: Any) -> Any:
        return self._runner.run(work)

    async def execute(self, statement: str, *arguments: Any) -> None:
        async with self.pool.acquire() as connection:
            await connection.execute(statement, *arguments)

    def _close(self) -> None:
        self.run(self.pool.close())
        self.run(self._server.stop())
        self._runner.close()
        shutil.rmtree(self._server.cluster, ignore_errors=True)
        shutil.rmtree(self._folder, ignore_errors=True)


@lru_cache(maxsize=1)
def bench() -> Bench:
    return Bench()


def works() -> list[Work]:
    """The works of this component."""
    return [
        Work(
            "insert 20,000 new bars", "µs per bar", len(BARS),
            [contender("python", store_bars, empty=True), contender("asyncpg executemany", plain_bars, empty=True)],
            [Goal("python", "asyncpg executemany", 1.5)], "One transaction each; with the primary key's work.",
        ),
        Work(
            "merge 20,000 bars that exist", "µs per bar", len(BARS),
            [contender("python", store_bars), contender("asyncpg executemany", plain_bars)],
            [Goal("python", "asyncpg executemany", 1.5)],
        ),
        Work(
            "read 20,000 bars", "µs per bar", len(BARS),
            [contender("python", read_bars), contender("asyncpg fetch", plain_read)],
            [Goal("python", "asyncpg fetch", 1.2)], "Ends in Bar values with prices in ticks, checked against the grid.",
        ),
        Work(
            "store one fill", "µs", 50,
            [contender("python", store_fills, n=50), contender("asyncpg, one connection", plain_fills, n=50)],
            note="Waits for the disk; behind the trading path. The store checks its connection each time.",
        ),
    ]  # fmt: skip


def contender(
    impl: str, work: Callable[[Bench], Awaitable[Any]], *, empty: bool = False, n: int = len(BARS)
) -> Variant:
    """`work` on a table that is empty, or holds the bars already."""

    def prepare() -> Callable[[], object]:
        on = bench()
        if empty:
            on.run(on.execute("TRUNCATE historical_bars"))
        elif n == len(BARS):
            on.run(on.store.upsert_bars(CONTRACT, "1m", BARS))
        return lambda: on.run(work(on))

    return timed(impl, n, prepare, samples=2, scale=1e-3)


async def store_bars(on: Bench) -> None:
    await on.store.upsert_bars(CONTRACT, "1m", BARS)


async def plain_bars(on: Bench) -> None:
    rows = [
        ("MNQ", CONTRACT, "1m", b.start // 1000, *(Decimal(TICK.format(p)) for p in (b.open, b.high, b.low, b.close)),
         b.volume, b.ticks, b.complete, b.source)
        for b in BARS
    ]  # fmt: skip
    async with on.pool.acquire() as connection, connection.transaction():
        await connection.executemany(PLAIN, rows)


async def read_bars(on: Bench) -> None:
    assert len(await on.store.get_bars(CONTRACT, "1m")) == len(BARS)


async def plain_read(on: Bench) -> None:
    async with on.pool.acquire() as connection:
        rows = await connection.fetch(READ, CONTRACT, "1m")
    bars = []
    for row in rows:
        start = TsNs(row["timestamp"] * 1000)
        o, h, l, c = (TICK.parse(str(row[name]))[0] for name in ("open", "high", "low", "close"))  # noqa: E741
        bars.append(
            Bar(CONTRACT, "1m", start, TsNs(start + MINUTE), o, h, l, c, row["volume"], row["ticks"], True,
                row["complete"], row["source"])
        )  # fmt: skip
    assert len(bars) == len(BARS)


def fills() -> list[Fill]:
    return [
        Fill(n, 1, CONTRACT, n, 0, 1, Ticks(80_000), TsNs(START + n), Money(610_000), Money(0))
        for n in range(50)
    ]


async def store_fills(on: Bench) -> None:
    await on.execute("TRUNCATE fills")
    for fill in fills():
        await on.store.upsert_fills([fill])


async def plain_fills(on: Bench) -> None:
    await on.execute("TRUNCATE fills")
    async with on.pool.acquire() as connection:
        for fill in fills():
            await connection.fetch(UPSERT_FILL, *fill_columns([fill], lambda _: TICK))
