"""Paper gateways on a thread of their own, so that a test can wait for the process of a foreign client."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.model.times import parse_ts
from bot.paper.config import PaperConfig
from bot.paper.options import PaperOptions
from bot.paper.server import PaperGateway
from tests.conformance.conftest import ACCOUNT, CONTRACT, SINCE, START
from tests.conformance.environments import CLIENTS

LONGEST_S = 240.0
_NOTHING_TO_SAY = (
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
)


@dataclass(frozen=True)
class Drive:
    """A scenario of a client's driver against a gateway with these options."""

    client: str
    scenario: str
    options: PaperOptions = field(default_factory=PaperOptions)

    @property
    def name(self) -> str:
        """Unique among the drives."""
        return f"{self.client} {self.scenario}"


@dataclass(frozen=True)
class Seen:
    """What a driver printed, what crossed the wire, and what the gateway's ledger holds."""

    printed: dict[str, Any]
    transcript: Path
    ledger: dict[str, Any]


class Stage:
    """Plays drives; several at once. `close` ends what still runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: set[subprocess.Popen[str]] = set()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="paper gateways", daemon=True)
        self._thread.start()

    def play(self, drive: Drive, python: Path) -> Seen:
        """Run the driver to its end. AssertionError tells what it complained of."""
        folder = self._folder / drive.name.replace(" ", "-")
        folder.mkdir()
        transcript = folder / "wire.jsonl"
        config = PaperConfig(
            start_ns=parse_ts(START), seed=7, roots=("MNQ",), scenario="quiet", options=drive.options
        )
        gateway = PaperGateway(config, transcript=transcript)
        self._await(gateway.start())
        try:
            printed = self._run(drive, gateway, python, folder)
            ledger = self._await(_called(gateway.venue.records))
        finally:
            self._await(gateway.stop())
        return Seen(printed, transcript, ledger)

    def close(self) -> None:
        """End the drivers that still run, and the thread."""
        self._closed = True
        for process in tuple(self._running):
            process.kill()

    def end(self) -> None:
        """Stop the thread, once nothing is played any more."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, drive: Drive, gateway: PaperGateway, python: Path, folder: Path) -> dict[str, Any]:
        settings = {
            "url": gateway.url,
            "control": gateway.control_url,
            "controlToken": gateway.control_token,
            "userName": gateway.config.username,
            "apiKey": gateway.config.api_key,
            "accountId": ACCOUNT,
            "contractId": CONTRACT,
            "since": SINCE,
            "until": START,
        }
        script = CLIENTS / drive.client / "drive.py"
        surroundings = {name: value for name, value in os.environ.items() if name not in _NOTHING_TO_SAY}
        process = subprocess.Popen(
            [str(python), str(script), drive.scenario, json.dumps(settings)],
            cwd=folder,
            env=surroundings
            | {"HOME": str(folder), "PYTHONPATH": str(CLIENTS / "driver"), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._running.add(process)
        try:
            if self._closed:
                process.kill()
            printed, complaint = process.communicate(timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise AssertionError(f"{drive.name}: no end within {LONGEST_S} s") from None
        finally:
            self._running.discard(process)
        assert process.returncode == 0, f"{drive.name}: {complaint[-3000:]}"
        seen: dict[str, Any] = json.loads(printed.splitlines()[-1])
        return seen

    def _await(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)


async def _called(function: Callable[[], Any]) -> Any:
    return function()
