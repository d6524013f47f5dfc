"""Venue time after a stop without any request in between: it never goes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.paper.config import PaperConfig
from bot.paper.server import PaperGateway
from tests.integration.paper.conftest import START

MINUTE = 60 * 10**9


async def test_an_idle_gateway_goes_on_from_where_its_time_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.paper.server.BEAT_NS", 50_000_000)
    monkeypatch.setattr("bot.paper.epoch.LONGEST_CATCH_UP", 15 * MINUTE)
    config = PaperConfig(start_ns=START, rate=3_600.0, state_dir=str(tmp_path), roots=("MNQ",))
    gateway = PaperGateway(config)
    await gateway.start()
    await asyncio.sleep(1.0)
    seen = gateway.venue.state.now
    assert seen > START + 25 * MINUTE
    await gateway.stop()
    gateway = PaperGateway(config)
    await gateway.start()
    assert gateway.venue.state.now >= seen
    await gateway.stop()
