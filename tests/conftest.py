"""Shared fixtures: golden vectors and the optional real market data."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bot.postgres import EmbeddedPostgres

VECTORS = Path(__file__).parent / "vectors"
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def vector(name: str) -> dict[str, Any]:
    """One golden vector file, e.g. `vector("rounding")`."""
    return json.loads((VECTORS / f"{name}.json").read_text())


@pytest.fixture
def market_files() -> Path:
    """The folder of recorded market data; tests over it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no recorded market data beside the project")
    return SHARED_DATA


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One embedded PostgreSQL for all tests of a run; do not stop it, start another one for that."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="postgres of the tests")
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(30)
    yield server
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    shutil.rmtree(server.cluster)


_numbers = itertools.count(1)


@pytest.fixture
def database_dsn(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """The DSN of an empty database of its own."""
    name = f"test_{next(_numbers)}"

    async def administer(statement: str) -> None:
        connection = await asyncpg.connect(postgres_server.dsn_of("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as apart:  # the asking test's event loop may be running
        apart.submit(asyncio.run, administer(f"CREATE DATABASE {name}")).result()
        yield postgres_server.dsn_of(name)
        apart.submit(asyncio.run, administer(f"DROP DATABASE {name} WITH (FORCE)")).result()
