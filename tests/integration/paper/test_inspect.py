"""`bot paper --inspect` against a real gateway: one frame, the live screen, and what it says when there is none."""

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from bot.cli.inspect import NoRunningGateway, inspect
from bot.model.errors import ProtocolError
from bot.paper.server import ANNOUNCEMENT, PaperGateway, announce
from tests.integration.paper.conftest import Client

ROOT = Path(__file__).parents[3]
MNQ = "CON.F.US.MNQ.Z25"


@pytest.fixture
def folder(gateway: PaperGateway, tmp_path: Path) -> Path:
    announce(gateway, tmp_path / ANNOUNCEMENT)
    return tmp_path


async def busy(client: Client) -> int:
    """A bracketed position, a bare one, a resting order, an armed fault, a halt of nothing."""
    order = {"accountId": 1001, "contractId": MNQ, "type": 2, "side": 0, "size": 1}
    placed = await client.call("Order/place", **order, stopLossBracket={"ticks": -400, "type": 4})
    await client.call("Order/place", **{**order, "accountId": 1002, "size": 2})
    await client.call("Order/place", **{**order, "type": 1, "limitPrice": 15000, "customTag": "far"})
    await client.control("POST", "faults", {"fault": "http", "endpoint": "bars", "status": 503})
    client.gateway.venue.band(MNQ, 40_000, 120_000)
    return int(placed["orderId"])


async def frame(folder: Path) -> str:
    out = io.StringIO()
    assert await inspect(folder, Console(file=out), once=True) == 0
    return out.getvalue()


async def test_one_frame_shows_the_whole_venue(client: Client, folder: Path) -> None:
    stop = await busy(client) + 1
    text = await frame(folder)
    assert client.gateway.control_token not in text
    assert "2025-10-01T14:30:" in text
    assert "10000.00 to 30000.00" in text
    positions = text.partition("Positions")[2].partition("Working orders")[0]
    first, second = (line for line in positions.splitlines() if MNQ in line)
    assert ("1001" in first, "long" in first, "protected" in first) == (True, True, True)
    assert ("1002" in second, "UNPROTECTED for" in second) == (True, True)
    orders = text.partition("Working orders")[2].partition("Faults")[0]
    assert any(str(stop) in line and "stop" in line and "open" in line for line in orders.splitlines())
    assert any("15000.00" in line and "far" in line for line in orders.splitlines())
    faults = text.partition("Faults")[2].partition("Judge")[0]
    assert "http" in faults
    assert "status=503" in faults
    assert "4 requests" in text
    assert "/api/Order/place" in text.partition("Last requests")[2]
    accounts = text.partition("Accounts")[2].partition("Positions")[0]
    assert "48,000.00" in accounts
    assert "50KTC-V2-4711-1002" in accounts


async def test_a_flat_venue_has_a_frame_too(client: Client, folder: Path) -> None:
    text = await frame(folder)
    for words in ("flat", "none armed", "no violation", "/api/Auth/loginKey"):
        assert words in text


async def test_violations_are_shown(client: Client, folder: Path) -> None:
    client.gateway.venue.state.accounts[1001].balance += 1
    await busy(client)
    assert "balance: account 1001: expected" in await frame(folder)


async def test_a_stopped_contract_is_shown_as_such(client: Client, folder: Path) -> None:
    client.gateway.venue.halt(MNQ)
    line = next(line for line in (await frame(folder)).splitlines() if MNQ in line)
    assert "halt" in line


async def test_the_live_screen_goes_on_until_the_gateway_ends(
    gateway: PaperGateway, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.cli.inspect.REFRESH_S", 0.02)
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=180, height=80)
    shown = asyncio.create_task(inspect(folder, console, once=False))
    async with asyncio.timeout(20):
        while out.getvalue().count("venue time") < 3:
            await asyncio.sleep(0.01)
        await gateway.stop()
        with pytest.raises(NoRunningGateway, match="expected an answer at http://127"):
            await shown


async def test_no_gateway_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(NoRunningGateway, match="start one with `bot paper`") as refused:
        await inspect(tmp_path, Console(file=io.StringIO()), once=True)
    assert (refused.value.exit_code, refused.value.expected) == (13, "a running paper gateway")
    (tmp_path / ANNOUNCEMENT).write_text("{}")
    with pytest.raises(ProtocolError, match="control_url"):
        await inspect(tmp_path, Console(file=io.StringIO()), once=True)


async def test_the_command(client: Client, folder: Path, tmp_path: Path) -> None:
    async def run(*more: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "paper", "--inspect", "--once", *more, cwd=ROOT,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    (tmp_path / "empty").mkdir()
    shown, missing = await asyncio.gather(
        run("--state", str(folder)), run("--state", str(tmp_path / "empty"))
    )
    assert (shown[0], "Working orders" in shown[1], shown[2]) == (0, True, "")
    assert missing[0] == 13
    assert missing[2].startswith("NO_RUNNING_GATEWAY bot paper --inspect: expected a running paper gateway")
