"""One drive: a foreign Python client against a paper gateway of its own."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.paper.options import PaperOptions
from tests.conformance.environments import CLIENTS
from tests.conformance.foreign import paper, settings_of

LONGEST_S = 240.0


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


async def play(drive: Drive, python: Path, folder: Path) -> Seen:
    """Run the driver to its end in an empty folder. AssertionError tells what it complained of."""
    wire = folder / "wire.jsonl"
    async with paper(wire, drive.options) as gateway:
        told = settings_of(gateway, control=gateway.control_url, controlToken=gateway.control_token)
        script = CLIENTS / drive.client / "drive.py"
        process = await asyncio.create_subprocess_exec(
            python, script, drive.scenario, told, cwd=folder, env=surroundings(folder),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            printed, complaint = await asyncio.wait_for(process.communicate(), LONGEST_S)
        except TimeoutError:
            raise AssertionError(f"{drive.name}: no end within {LONGEST_S} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, f"{drive.name}: {complaint.decode()[-3000:]}"
        ledger: dict[str, Any] = gateway.venue.records()
    return Seen(json.loads(printed.splitlines()[-1]), wire, ledger)


def surroundings(home: Path) -> dict[str, str]:
    """The environment of a driver: a home of its own, no proxy, and nothing of the Python that runs the tests."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIRTUAL_ENV")) and not name.lower().endswith("_proxy")
    }
    return kept | {"HOME": str(home), "PYTHONPATH": str(CLIENTS / "driver"), "PYTHONDONTWRITEBYTECODE": "1"}
