"""A foreign client as a process that takes commands and tells what it sees, one JSON object per line."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

from bot.model.times import parse_ts
from bot.paper.config import PaperConfig
from bot.paper.options import PaperOptions
from bot.paper.server import PaperGateway

ACCOUNT, CONTRACT = 1001, "CON.F.US.MNQ.Z25"
SINCE, START = "2025-11-05T13:00:00Z", "2025-11-05T15:00:00Z"
PATIENCE_S = 30.0
LONGEST_LINE = 1024 * 1024


@asynccontextmanager
async def paper(wire: Path, options: PaperOptions | None = None, **more: Any) -> AsyncIterator[PaperGateway]:
    """A calm cash session at real speed, with its transcript."""
    config = PaperConfig(
        start_ns=parse_ts(START), seed=7, roots=("MNQ",), scenario="quiet", options=options or PaperOptions(), **more
    )  # fmt: skip
    gateway = PaperGateway(config, transcript=wire)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


def settings_of(gateway: PaperGateway, **more: Any) -> str:
    """What a client is told, as JSON."""
    told = {
        "url": gateway.url,
        "userName": "paper",
        "apiKey": "paper-key",
        "accountId": ACCOUNT,
        "contractId": CONTRACT,
        "since": SINCE,
        "until": START,
    }
    return json.dumps(told | more)


class Foreign:
    """One client process. Each wait takes up the lines behind the one that it found."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[dict[str, Any]] = []

    @classmethod
    @asynccontextmanager
    async def started(cls, *command: str, env: dict[str, str] | None = None) -> AsyncIterator[Self]:
        """The process, killed at the end if it still runs."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            limit=LONGEST_LINE,
            env={**os.environ, **(env or {})},
        )
        try:
            yield cls(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def told(self, within: float = PATIENCE_S, **members: Any) -> dict[str, Any]:
        """The next line that has these members; the lines before it are passed over."""
        try:
            async with asyncio.timeout(within):
                while True:
                    line = await self._line()
                    if all(line.get(name) == value for name, value in members.items()):
                        return line
        except TimeoutError:
            raise AssertionError(f"{members}: not told within {within} s, only {self.lines[-5:]}") from None

    async def all_told(self, *wanted: dict[str, Any], within: float = PATIENCE_S) -> None:
        """Wait until each of these lines came, in whatever order."""
        left = list(wanted)
        try:
            async with asyncio.timeout(within):
                while left:
                    line = await self._line()
                    left = [each for each in left if any(line.get(name) != each[name] for name in each)]
        except TimeoutError:
            raise AssertionError(f"{left}: not told within {within} s, only {self.lines[-5:]}") from None

    async def ask(self, command: str) -> str:
        """The outcome of one command."""
        self.say(command)
        outcome: str = (await self.told(answer=command))["outcome"]
        return outcome

    def say(self, command: str) -> None:
        """Send a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(command.encode() + b"\n")

    async def end(self) -> dict[str, Any]:
        """No more commands: the last line, once the process ended well."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(PATIENCE_S):
            with suppress(EOFError):
                while True:
                    await self._line()
        return self.lines[-1]

    async def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        text = await self._process.stdout.readline()
        if not text:
            await self._succeeded()
            raise EOFError("the client ended early")
        self.lines.append(json.loads(text))
        return self.lines[-1]

    async def _succeeded(self) -> None:
        assert self._process.stderr is not None
        complaint = await self._process.stderr.read()
        code = await self._process.wait()
        assert code == 0, f"{complaint.decode()[-2000:]} after {self.lines[-5:]}"
