"""The supervisor keeps a real worker running beside a growing journal."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.clock import SystemClock
from shadow.supervisor import Worker
from tests.integration.shadow.tape import record

TWIN = "twin=tests.integration.shadow.candidates:Twin"


@pytest.fixture
async def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Worker]:
    monkeypatch.chdir(Path(__file__).parents[3])
    monkeypatch.setenv("PROJECT_X_API_KEY", "planted")
    record(tmp_path / "journal", minutes=2)
    worker = Worker(tmp_path / "journal", tmp_path / "evidence.sqlite", SystemClock(), [TWIN])
    yield worker
    await worker.stop()


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    pytest.fail("did not happen in time")


def matches(worker: Worker) -> int:
    found: int = worker.counters()["candidates"].get("twin", {}).get("outcomes", {}).get("MATCH", 0)
    return found


async def test_it_follows_pauses_restarts_and_stops(worker: Worker, tmp_path: Path) -> None:
    assert worker.counters()["candidates"] == {}
    await worker.start()
    await worker.start()
    await until(lambda: matches(worker) > 480 and worker.counters()["behind_bytes"] == 0)
    first = matches(worker)
    worker.pause()
    await asyncio.sleep(0.6)
    record(tmp_path / "journal", minutes=2, seed=2, seconds_in=300)
    await asyncio.sleep(0.6)
    assert matches(worker) == first
    worker.resume()
    await until(lambda: matches(worker) > first + 480 and worker.counters()["behind_bytes"] == 0)
    second = matches(
        worker
    )  # its status may be a moment old: then it is killed in the middle of the second run
    assert worker._process is not None
    os.kill(worker._process.pid, signal.SIGKILL)
    await until(lambda: worker.restarts == 1 and worker.running)
    record(tmp_path / "journal", minutes=2, seed=3, seconds_in=600)
    await until(lambda: worker.counters()["candidates"]["twin"]["episodes"] == 6)
    assert matches(worker) > second
    counters = worker.counters()["candidates"]["twin"]
    assert counters["outcomes"]["MATCH"] == sum(counters["outcomes"].values())
    await worker.stop()
    assert not worker.running
    assert worker.last_exit == 0
