"""A PostgreSQL of our own that is killed, stopped and lied to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from bot.clock import SystemClock
from bot.legacy.database import Outbox, PythonStore
from bot.model.errors import StoreUnavailable
from bot.model.quantities import TsNs
from bot.postgres import EmbeddedPostgres, Pool, open_pool
from tests.integration.database.rows import T0, Alarms, fill, order


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server that a test may kill."""
    made = EmbeddedPostgres(tmp_path / "postgres")
    await made.start()
    yield made
    await made.stop()
    shutil.rmtree(made.cluster)


@pytest.fixture
async def pool(server: EmbeddedPostgres) -> AsyncIterator[Pool]:
    made = await open_pool(server.dsn)
    yield made
    await made.close()


@pytest.fixture
async def store(pool: Pool) -> PythonStore:
    made = PythonStore(pool)
    await made.open()
    await made.migrate()
    return made


async def test_a_killed_server_is_back_within_five_seconds_and_loses_nothing(
    server: EmbeddedPostgres, pool: Pool, store: PythonStore
) -> None:
    alarms = Alarms()
    outbox = Outbox(store, SystemClock(), alarms)
    changes: list[bool] = []
    tasks = [asyncio.create_task(outbox.run()), asyncio.create_task(server.watch(changes.append))]
    longest_stall = 0.0
    stop = False

    async def readers() -> None:
        while not stop:
            with contextlib.suppress(StoreUnavailable):
                await store.get_fills(1, TsNs(T0), TsNs(T0 + 20_000))
            await asyncio.sleep(0.01)

    async def heartbeat() -> None:
        nonlocal longest_stall
        while not stop:
            began = time.monotonic()
            await asyncio.sleep(0.005)
            longest_stall = max(longest_stall, time.monotonic() - began)

    load = [asyncio.create_task(readers()) for _ in range(8)] + [asyncio.create_task(heartbeat())]
    killed = 0.0
    back = 0.0
    for number in range(1, 301):
        outbox.keep("upsert_fills", [fill(number)])
        outbox.keep("upsert_orders", [order(number, 1, 1)])
        outbox.keep("upsert_orders", [order(number, 2, 2)])
        if number % 10 == 0:
            outbox.keep("add_audit", ("test", "load", f"step_{number}", 1, "ok"))
        if number == 100:
            pid = server.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            killed = time.monotonic()
        await asyncio.sleep(0.003)
    while not back:
        try:
            await store.ping()
            back = time.monotonic()
        except StoreUnavailable:
            await asyncio.sleep(0.02)
    assert back - killed < 5.0
    assert await outbox.flush(60)
    stop = True
    await asyncio.gather(*load)
    for task in tasks:
        task.cancel()
    assert changes == [False, True]
    assert {"STORE_LOST", "STORE_BACK"} == set(alarms.codes)
    assert (outbox.refused, outbox.rejected_count) == (0, 0)
    assert [row.id for row in await store.get_fills(1, TsNs(T0), TsNs(T0 * 2))] == list(range(1, 301))
    assert {row.status for row in await store.get_orders(1)} == {2}
    actions = [row["action"] for row in await store.list_audit()]
    assert actions[::-1] == [f"step_{number}" for number in range(10, 301, 10)]
    size, idle = pool.size
    assert 2 <= size == idle <= 10
    assert longest_stall < 2.0


async def test_the_outbox_never_waits_while_the_database_hangs(
    server: EmbeddedPostgres, store: PythonStore
) -> None:
    outbox = Outbox(store, SystemClock(), Alarms())
    task = asyncio.create_task(outbox.run())
    pid = server.pid
    assert pid is not None
    frozen = [psutil.Process(pid), *psutil.Process(pid).children()]
    for process in frozen:
        process.suspend()
    try:
        began = time.monotonic()
        for number in range(1000):
            outbox.keep("upsert_orders", [order(number)])
        assert time.monotonic() - began < 0.1
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.ping()
        assert time.monotonic() - began < 3.0
        assert outbox.depth == 1000
    finally:
        for process in frozen:
            process.resume()
    assert await outbox.flush(10)
    task.cancel()
    assert len(await store.get_orders(1)) == 1000


async def test_every_connection_that_died_is_replaced_and_no_slot_is_lost(
    server: EmbeddedPostgres, pool: Pool, store: PythonStore
) -> None:
    for _ in range(3):
        await asyncio.gather(*(store.ping() for _ in range(30)))
        admin = await asyncpg.connect(server.dsn)
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        await admin.close()
        await asyncio.gather(*(store.ping() for _ in range(30)))
    async with pool.acquire() as one:
        assert await one.fetchval("SELECT 1") == 1


async def test_an_exhausted_pool_refuses_in_time_and_recovers(pool: Pool, store: PythonStore) -> None:
    held = [pool.acquire() for _ in range(10)]
    for connection in held:
        await connection.__aenter__()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.ping()
    assert 1.5 < time.monotonic() - began < 3.0
    for connection in held:
        await connection.__aexit__(None, None, None)
    assert await store.ping() < 1.0


async def test_start_survives_a_crash_with_its_stale_pid_file_and_socket(tmp_path: Path) -> None:
    first = EmbeddedPostgres(tmp_path / "postgres")
    await first.start()
    pool = await open_pool(first.dsn)
    await PythonStore(pool).migrate()
    await pool.close()
    pid = first.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert first._process is not None
    await first._process.wait()
    await first.stop()
    # The number in the file may belong to another program by now.
    file = first.cluster / "postmaster.pid"
    file.write_text("\n".join([str(os.getpid()), *file.read_text().split("\n")[1:]]))
    second = EmbeddedPostgres(tmp_path / "postgres")
    began = time.monotonic()
    await second.start()
    assert time.monotonic() - began < 15.0
    pool = await open_pool(second.dsn)
    assert await PythonStore(pool).schema_version() == 2
    await pool.close()
    await second.stop()
    assert second.pid is None
    assert not file.exists()
    shutil.rmtree(second.cluster)


async def test_a_second_process_is_a_guest_and_leaves_the_server_running(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path; from bot.postgres import EmbeddedPostgres\n"
        "async def main():\n"
        "    guest = EmbeddedPostgres(Path(sys.argv[1])); dsn = await guest.start()\n"
        "    print(guest.owner, dsn, guest.pid); await guest.stop()\n"
        "asyncio.run(main())\n"
    )
    answer = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, str(tmp_path / "postgres")], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert answer.stdout.split() == ["False", server.dsn, str(server.pid)]
    assert server.owner


async def test_a_server_whose_starter_was_killed_is_taken_over(tmp_path: Path) -> None:
    script = (
        "import asyncio, os, signal, sys; from pathlib import Path; from bot.postgres import EmbeddedPostgres\n"
        "async def main():\n"
        "    await EmbeddedPostgres(Path(sys.argv[1])).start(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, str(tmp_path / "postgres")], check=False
    )
    assert ended.returncode == -signal.SIGKILL
    heir = EmbeddedPostgres(tmp_path / "postgres")
    running = heir.pid
    assert running is not None
    await heir.start()
    assert (heir.pid, heir.owner) == (running, True)
    await heir.stop()
    assert heir.pid is None
    shutil.rmtree(heir.cluster)


async def test_the_server_runs_without_root_and_keeps_its_files_private(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    pid = server.pid
    assert pid is not None
    process = psutil.Process(pid)
    assert process.uids().real != 0
    assert stat.S_IMODE(server.cluster.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "postgres").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "postgres" / "postgres.log").stat().st_mode) == 0o600
    assert [c for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN] == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody else")
def test_a_normal_user_starts_it_too() -> None:
    folder = Path("/tmp") / f"trading-bot-test-{os.getpid()}"
    folder.mkdir(mode=0o700)
    shutil.chown(folder, 65534, 65534)
    script = (
        "import asyncio, fcntl, os, pwd, subprocess, sys; from pathlib import Path\n"
        "from bot.postgres import EmbeddedPostgres\n"
        "async def main():\n"
        "    server = EmbeddedPostgres(Path(sys.argv[1])); await server.start()\n"
        "    print(os.geteuid(), server.pid is not None, server.cluster); await server.stop()\n"
        "async def nothing(): await (await asyncio.create_subprocess_exec('true')).wait()\n"
        "asyncio.run(nothing())\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "asyncio.run(main())\n"
    )
    try:
        answer = subprocess.run(
            [sys.executable, "-c", script, str(folder / "postgres")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.stdout.split() == ["65534", "True", str(folder / "postgres" / "cluster")], answer.stderr
    finally:
        shutil.rmtree(folder)


async def test_no_password_shows_when_a_server_cannot_be_reached() -> None:
    for dsn in (
        "postgresql://bot:hunter2pw@127.0.0.1:1/bot", "nonsense://bot:hunter2pw@host", "postgresql://bot:hunter2pw@[::1",
        "postgresql://bot:hunter2pw@127.0.0.1:notaport/bot",
    ):  # fmt: skip
        with pytest.raises(StoreUnavailable) as caught:
            await open_pool(dsn, acquire_timeout_s=1)
        assert "hunter2pw" not in str(caught.value)
        assert caught.value.__cause__ is None
