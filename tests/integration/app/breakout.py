"""A gateway shortly before a cash open with a breakout ahead, and a bot that is killed and started at will."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.servers.announcement import Announcement
from tests.integration.app.session import Bot, Gateway

MNQ, MES = "CON.F.US.MNQ.Z25", "CON.F.US.MES.Z25"
CONFIG = """[strategies.overnight_range]
enabled = true
symbols = ["MNQ", "MES"]
breakeven_points_by_symbol = "MNQ:10,MES:5"
"""


class Session:
    """A gateway before the cash open and a bot that is killed and started at will."""

    def __init__(self, folder: Path, rate: float, seed: int) -> None:
        self.gateway = Gateway(
            folder / "paper", f"paper-chaos-{os.getpid()}-{seed}", rate=rate, seed=seed, scenario="breakout",
            start="2025-11-04T09:28:00", roots="MNQ,MES", density="light",
        )  # fmt: skip
        self.gateway.start()
        self.bot = Bot(folder / "bot", self.gateway, config=CONFIG)
        self.found: Announcement

    def start(self) -> None:
        self.found = self.bot.start()

    def kill(self) -> None:
        """`kill -9` of the bot alone."""
        assert self.bot.process is not None
        self.bot.process.kill()
        self.bot.process.wait()

    def status(self) -> dict[str, Any]:
        request = urllib.request.Request(
            self.found.url + "/api/status", headers={"Authorization": f"Bearer {self.found.token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            found: dict[str, Any] = json.loads(response.read())
        return found

    def fault(self, **shape: object) -> None:
        self.gateway.control("POST", "/paper/faults", shape)

    def ledger(self) -> dict[str, Any]:
        return self.gateway.control("GET", "/paper/ledger")

    def entries(self, contract: str, *statuses: int) -> list[dict[str, Any]]:
        """Entries of the strategy by the venue's own rows."""
        return [
            row for row in self.ledger()["orders"]
            if row["contract"] == contract and not row.get("parent") and row["status"] in statuses
            and "-SE-" in str(row.get("tag"))
        ]  # fmt: skip

    def held(self, contract: str) -> int:
        held: int = sum(row["net"] for row in self.ledger()["positions"] if row["contract"] == contract)
        return held

    def stops(self, contract: str) -> list[int]:
        """Prices of working stops that are no entries."""
        return [
            row["stop"] for row in self.ledger()["orders"]
            if row["contract"] == contract and row["status"] == 1 and row["type"] == 4
            and (row.get("parent") or "-SE-" not in str(row.get("tag")))
        ]  # fmt: skip

    def break_out(self, contract: str) -> None:
        """Lead the price through the long entry."""
        entry = next(row for row in self.entries(contract, 1) if row["side"] == 0)
        self.push(contract, entry["stop"] + 1, 20)

    def bought_at(self, contract: str) -> int:
        (entry,) = self.entries(contract, 2)
        price: int = entry["cost"] // entry["filled"]
        return price

    def stop_of(self, contract: str) -> int:
        """The working stop, 0 for none."""
        return max(self.stops(contract), default=0)

    def push(self, contract: str, ticks: int, seconds: int = 10) -> None:
        self.gateway.control(
            "POST", "/paper/market", {"contract_id": contract, "ticks": ticks, "seconds": seconds}
        )

    def strategy(self, contract: str) -> dict[str, Any]:
        return next(row for row in self.status()["strategies"] if row["contract_id"] == contract)

    def settled(self) -> bool:
        status = self.status()
        return status["unknown_intents"] == 0 and status["reconciliation"]["colour"] == "green"

    def end(self) -> None:
        try:
            assert self.bot.stop() == 0
        finally:
            self.gateway.stop()


def until(condition: Callable[[], object], seconds: float = 30.0, what: str = "") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited too long for {what or condition}"
        time.sleep(0.02)
