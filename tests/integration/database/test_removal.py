"""Throw-away clusters: removed whole, also in the middle of a start, never from under an owner."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bot.model.errors import StoreUnavailable
from bot.postgres import EmbeddedPostgres


def servers(cluster: Path) -> list[int]:
    return [
        process.pid for process in psutil.process_iter(["cmdline"])
        if str(cluster) in " ".join(process.info["cmdline"] or ())
    ]  # fmt: skip


async def test_a_running_server_is_stopped_and_its_files_go(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    await server.start()
    assert server.cluster.exists()
    await server.remove()
    assert not server.cluster.exists()
    assert servers(server.cluster) == []
    await server.remove()


async def test_the_server_of_a_killed_process_is_removed_too(tmp_path: Path) -> None:
    script = (
        "import asyncio, os, signal, sys; from pathlib import Path; from bot.postgres import EmbeddedPostgres\n"
        "async def main():\n"
        "    await EmbeddedPostgres(Path(sys.argv[1])).start(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, str(tmp_path / "postgres")], check=False
    )
    server = EmbeddedPostgres(tmp_path / "postgres")
    assert server.pid is not None
    await server.remove()
    assert not server.cluster.exists()
    assert servers(server.cluster) == []


async def test_a_server_that_somebody_uses_is_not_removed(tmp_path: Path) -> None:
    owner = EmbeddedPostgres(tmp_path / "postgres")
    await owner.start()
    with pytest.raises(StoreUnavailable, match="running owner"):
        await EmbeddedPostgres(tmp_path / "postgres").remove()
    assert owner.pid is not None
    await owner.remove()


@pytest.mark.parametrize("after_s", [0.05, 0.6, 0.9, 1.0, 1.1, 1.2, 1.4])
async def test_a_start_that_is_cancelled_can_be_stopped_and_removed(tmp_path: Path, after_s: float) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    starting = asyncio.create_task(server.start())
    await asyncio.sleep(after_s)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await asyncio.wait_for(server.stop(), 15)
    await asyncio.wait_for(server.remove(), 15)
    assert servers(server.cluster) == []
    assert not server.cluster.exists()
