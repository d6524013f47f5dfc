"""A paper gateway on real sockets, and the way to run a foreign client against it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.paper.server import PaperGateway
from tests.conformance.builds import HERE
from tests.conformance.foreign import ACCOUNT, CONTRACT, SINCE, START, paper, settings_of
from tests.conformance.idling import Idling
from tests.conformance.python_clients import drives

__all__ = ["ACCOUNT", "CONTRACT", "HERE", "SINCE", "START", "Run", "drives"]
Run = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def wire(tmp_path: Path) -> Path:
    """The file with everything that crosses the gateway's public listener."""
    return tmp_path / "wire.jsonl"


@pytest.fixture
async def gateway(wire: Path) -> AsyncIterator[PaperGateway]:
    """A calm cash session at real speed."""
    async with paper(wire) as served:
        yield served


@pytest.fixture(scope="session", autouse=True)
def early(request: pytest.FixtureRequest) -> None:
    """Lets what runs beside the tests begin with the first one, if a later one asks what became of it."""
    for beside in ("idling", "drives"):
        if any(beside in getattr(item, "fixturenames", ()) for item in request.session.items):
            request.getfixturevalue(beside)


@pytest.fixture(scope="session")
def idling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Idling]:
    """Clients that stay connected without a word while the other tests run."""
    clients = Idling(tmp_path_factory.mktemp("idle"))
    yield clients
    clients.end()


@pytest.fixture
def run(gateway: PaperGateway) -> Run:
    """Run a client with the gateway's settings as its argument; returns the JSON that it prints."""

    async def run_client(*command: str, timeout_s: float = 90.0) -> dict[str, Any]:
        settings = settings_of(gateway, control=gateway.control_url, controlToken=gateway.control_token)
        printed = await output(*command, settings, timeout_s=timeout_s)
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
