"""A killed gateway comes back with everything that it answered, on a clock that never went back."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parents[3]
MNQ = "CON.F.US.MNQ.Z25"


class Running:
    """A gateway process and its announcement."""

    def __init__(self, process: asyncio.subprocess.Process, where: dict[str, Any]) -> None:
        self.process, self.where = process, where
        self.token = ""

    async def call(self, session: aiohttp.ClientSession, path: str, **body: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with session.post(f"{self.where['url']}/api/{path}", json=body, headers=headers) as answer:
            assert answer.status == 200
            return await answer.json()

    async def control(self, session: aiohttp.ClientSession, path: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.where['control_token']}"}
        async with session.get(f"{self.where['control_url']}/paper/{path}", headers=headers) as answer:
            return await answer.json()


@asynccontextmanager
async def serving(folder: Path, rate: float = 5.0) -> AsyncIterator[Running]:
    announcement = folder / "paper.json"
    announcement.unlink(missing_ok=True)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.paper.serve", str(folder), "0", str(rate), cwd=ROOT
    )
    try:
        async with asyncio.timeout(20):
            while not announcement.exists():
                assert process.returncode is None
                await asyncio.sleep(0.02)
        assert stat.S_IMODE(announcement.stat().st_mode) == 0o600
        yield Running(process, json.loads(announcement.read_bytes()))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_nothing_that_was_answered_is_lost(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        answered: list[int] = []
        token, last_now = "", 0
        for round_ in range(3):
            async with serving(tmp_path) as gateway:
                if not token:
                    login = await gateway.call(session, "Auth/loginKey", userName="paper", apiKey="paper-key")
                    token = login["token"]
                gateway.token = token
                clock = await gateway.control(session, "clock")
                assert clock["now_ns"] >= last_now
                where = {"accountId": 1001, "statuses": [1, 2, 6]}
                rows = (await gateway.call(session, "Order/v2/query", filter=where))["orders"]
                assert [row["id"] for row in rows] == answered
                for number in range(5):
                    placed = await gateway.call(
                        session, "Order/place", accountId=1001, contractId=MNQ, type=1 if number else 2, side=0,
                        size=1, limitPrice=10_000, customTag=f"k-{round_}-{number}",
                    )  # fmt: skip
                    answered.append(placed["orderId"])
                last_now = (await gateway.control(session, "clock"))["now_ns"]
                gateway.process.send_signal(signal.SIGKILL)
                await gateway.process.wait()
        async with serving(tmp_path) as gateway:
            verdict = await gateway.control(session, "judge")
            assert verdict["placed_orders"] == 15
            assert verdict["fills"] == 3
            assert verdict["duplicate_orders"] == 0


async def test_an_orderly_end_takes_the_announcement_away(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        gateway.process.send_signal(signal.SIGINT)
        await gateway.process.wait()
        assert not (tmp_path / "paper.json").exists()


async def test_terminated_it_takes_its_announcement_away_and_exits_with_0(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        "paper",
        "--state",
        str(tmp_path),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            line = await process.stderr.readline()
            assert json.loads((tmp_path / "paper.json").read_bytes())["url"].encode() in line
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        assert await process.stderr.read() == b""
        assert not (tmp_path / "paper.json").exists()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
