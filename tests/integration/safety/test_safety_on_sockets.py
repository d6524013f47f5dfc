"""The same failures over real sockets, with a process that is really killed; the gateway's judge decides."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bot.clock import PaperClock
from bot.model.instruments import contract_of
from bot.model.times import parse_ts
from bot.paper.config import PaperConfig
from bot.paper.server import PaperGateway
from tests.simulation.scripted import ScriptedMarket

START = parse_ts("2025-11-04T15:00:00Z")
ROOT = Path(__file__).parents[3]


class Bot:
    """A child process that runs the desk; whatever a test does, none outlives its gateway."""

    launched: ClassVar[list[asyncio.subprocess.Process]] = []

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def launch(cls, url: str, folder: Path, legs: str = "native") -> Bot:
        with (folder / "log").open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.integration.safety.bot_process", url, str(folder / "state"),
                str(folder / "locks"), legs, cwd=ROOT, stdin=-1, stdout=-1, stderr=errors,
            )  # fmt: skip
        cls.launched.append(process)
        bot = cls(process)
        assert await bot.line() == "ready", (folder / "log").read_text()[-4000:]
        return bot

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), 20)).decode().strip()

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())

    async def ask(self, command: str = "report") -> dict[str, Any]:
        self.tell(command)
        answer: dict[str, Any] = json.loads(await self.line())
        return answer

    async def until(self, seconds: float, **wanted: Any) -> dict[str, Any]:
        """Ask until the report shows what is wanted."""
        report: dict[str, Any] = {}
        for _ in range(int(seconds / 0.1)):
            report = await self.ask()
            if all(report[name] == value for name, value in wanted.items()):
                return report
            await asyncio.sleep(0.1)
        raise AssertionError(f"wanted {wanted}, last seen {report}")

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def quit(self) -> None:
        self.tell("quit")
        await asyncio.wait_for(self.process.wait(), 20)
        assert self.process.returncode == 0


@pytest.fixture
async def paper() -> AsyncIterator[PaperGateway]:
    market = ScriptedMarket([contract_of("MNQ", date(2025, 11, 4), START)], START)
    gateway = PaperGateway(PaperConfig(start_ns=START, roots=("MNQ",)), PaperClock(START, 1.0), market)
    await gateway.start()
    yield gateway
    while Bot.launched:
        process = Bot.launched.pop()
        if process.returncode is None:
            process.kill()
            await process.wait()
    await gateway.stop()


def verdict(paper: PaperGateway) -> dict[str, Any]:
    return paper.venue.verdict()


def net(paper: PaperGateway) -> int:
    return sum(row.net for row in paper.venue.judge.positions.values())


@pytest.mark.parametrize("how", [502, "reset"])
async def test_f001_accepted_and_answered_with_an_error(
    paper: PaperGateway, tmp_path: Path, how: Any
) -> None:
    bot = await Bot.launch(paper.url, tmp_path)
    paper.venue.inject({"fault": "accept_then", "endpoint": "place", "how": how, "count": 1})
    await bot.ask("enter F1 limit 1")
    report = await bot.until(2.0, unsettled=[])
    assert len(report["working"]) == 3
    assert verdict(paper)["placed_orders"] == 1
    assert verdict(paper)["duplicate_orders"] == 0
    await bot.quit()


async def test_f002_a_dropped_answer_freezes_the_contract(paper: PaperGateway, tmp_path: Path) -> None:
    bot = await Bot.launch(paper.url, tmp_path)
    paper.venue.inject({"fault": "drop", "endpoint": "place", "count": 1})
    paper.venue.inject({"fault": "hub.lose", "hub": "user", "seconds": 3})
    for endpoint in ("query", "orders", "open_orders"):
        paper.venue.inject({"fault": "http", "endpoint": endpoint, "status": 500, "count": 6})
    for number in range(8):
        report = await bot.ask(f"enter F2.{number} limit 1")
        await asyncio.sleep(0.3)
    assert any("UNRESOLVED_INTENT" in detail for code, detail in report["notices"] if code == "DENIED")
    await bot.until(20.0, unsettled=[])
    assert verdict(paper)["placed_orders"] == 1
    await bot.quit()


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.02, 0.05, 0.3])
@pytest.mark.parametrize("kind", ["limit", "market"])
async def test_f012_kill_9_and_restart(paper: PaperGateway, tmp_path: Path, delay: float, kind: str) -> None:
    bot = await Bot.launch(paper.url, tmp_path)
    bot.tell(f"enter F12 {kind} 1")
    await asyncio.sleep(delay)
    await bot.kill()
    bot = await Bot.launch(paper.url, tmp_path)
    await bot.ask("enter F12 market 1")
    await asyncio.sleep(1.5)
    await bot.ask("enter F12 market 1")
    report = await bot.until(45.0, unsettled=[])
    judged = verdict(paper)
    assert judged["duplicate_orders"] == 0
    assert judged["tags_reused"] == 0
    assert judged["placed_orders"] <= 1
    assert judged["unprotected_longest_s"] <= 5.0
    assert report["net"] == net(paper)
    await bot.quit()


@pytest.mark.parametrize("legs", ["native", "client"])
async def test_f023_the_user_hub_tells_nothing(paper: PaperGateway, tmp_path: Path, legs: str) -> None:
    bot = await Bot.launch(paper.url, tmp_path, legs)
    paper.venue.inject({"fault": "hub.lose", "hub": "user", "seconds": 30})
    await bot.ask("enter F23 market 1")
    await bot.until(5.0, shield="protected", net=2)
    assert verdict(paper)["unprotected_longest_s"] <= 5.0
    assert verdict(paper)["duplicate_orders"] == 0
    await bot.quit()


async def test_f033_children_that_never_come(paper: PaperGateway, tmp_path: Path) -> None:
    bot = await Bot.launch(paper.url, tmp_path)
    paper.venue.inject({"fault": "children.missing", "count": 1})
    await bot.ask("enter F33 market -1")
    await bot.until(3.0, shield="protected", net=-2)
    assert verdict(paper)["unprotected_longest_s"] <= 2.0
    await bot.quit()


async def test_f052_kill_9_with_an_open_position(paper: PaperGateway, tmp_path: Path) -> None:
    for side in (1, -1):
        folder = tmp_path / str(side)
        folder.mkdir()
        bot = await Bot.launch(paper.url, folder)
        await bot.ask(f"enter F52.{side} market {side}")
        await bot.until(3.0, shield="protected", net=2 * side)
        await bot.kill()
        bot = await Bot.launch(paper.url, folder)
        report = await bot.until(3.0, shield="protected", net=2 * side, owner="mean_reversion")
        assert report["unsettled"] == []
        assert net(paper) == 2 * side
        paper.venue.inject({"fault": "liquidate"})
        await bot.until(8.0, net=0, working=[])
        await bot.quit()
    assert verdict(paper)["duplicate_orders"] == 0
