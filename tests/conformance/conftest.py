"""A paper gateway on real sockets, and the way to run a foreign client against it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.model.times import parse_ts
from bot.paper.config import PaperConfig
from bot.paper.server import PaperGateway

HERE = Path(__file__).parent
ACCOUNT, CONTRACT = 1001, "CON.F.US.MNQ.Z25"
SINCE, START = "2025-11-05T13:00:00Z", "2025-11-05T15:00:00Z"
Run = Callable[..., Awaitable[dict[str, Any]]]


def need(tool: str) -> str:
    """The path of a command. Without it the test is skipped on a workstation and fails in CI."""
    path = shutil.which(tool)
    if path is None:
        reason = f"{tool} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture
def wire(tmp_path: Path) -> Path:
    """The file with everything that crosses the gateway's public listener."""
    return tmp_path / "wire.jsonl"


@pytest.fixture
async def gateway(wire: Path) -> AsyncIterator[PaperGateway]:
    """A calm cash session at real speed."""
    config = PaperConfig(start_ns=parse_ts(START), seed=7, roots=("MNQ",), scenario="quiet")
    served = PaperGateway(config, transcript=wire)
    await served.start()
    yield served
    await served.stop()


@pytest.fixture
def run(gateway: PaperGateway) -> Run:
    """Run a client with the gateway's settings as its argument; returns the JSON that it prints."""

    async def run_client(*command: str, timeout_s: float = 90.0) -> dict[str, Any]:
        settings = {
            "url": gateway.url,
            "control": gateway.control_url,
            "controlToken": gateway.control_token,
            "userName": "paper",
            "apiKey": "paper-key",
            "accountId": ACCOUNT,
            "contractId": CONTRACT,
            "since": SINCE,
            "until": START,
        }
        printed = await output(*command, json.dumps(settings), timeout_s=timeout_s)
        return json.loads(printed.splitlines()[-1])

    return run_client


async def output(*command: str, timeout_s: float, cwd: Path = HERE, env: dict[str, str] | None = None) -> str:
    """The standard output of a command that must succeed."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        printed, complaint = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError:
        process.kill()
        await process.wait()
        pytest.fail(f"{command[0]}: no end within {timeout_s} s")
    assert process.returncode == 0, complaint.decode()[-2000:]
    return printed.decode()
