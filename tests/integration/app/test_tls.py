"""`bot paper --tls` and `bot run`: the whole bot over HTTPS and WSS, in processes of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.app.session import Bot, Gateway, wait_for


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Gateway]:
    """The state of the bot that will be run holds the gateway's, where it announces itself."""
    found = Gateway(tmp_path / "bot" / "state" / "paper", f"paper-tls-{os.getpid()}", **{"tls-fault": "good"})
    found.start()
    yield found
    found.stop()


def test_a_bot_runs_on_a_gateway_behind_tls(secured: Gateway, tmp_path: Path) -> None:
    announced = json.loads((secured.folder / "paper.json").read_text())
    assert announced["url"].startswith("https://")
    bot = Bot(tmp_path / "bot", secured)
    bot.config.write_text(bot.config.read_text().replace(f'rest_url = "{secured.url}"\n', ""))
    bot.start()
    wait_for(lambda: {hub["state"] for hub in bot.status()["hubs"].values()} == {"up"})
    assert bot.status()["reconciliation"]["colour"] == "green"
    assert bot.stop() == 0
    code, document = bot.command("positions")
    assert (code, document["data"]["items"]) == (0, [])
    code, document = bot.command("record", "--symbols", "MNQ", "--for", "2", "--out", str(tmp_path / "tape"))
    assert code == 0, document
    assert document["data"]["frames"]["market"] > 0


def test_a_bot_does_not_start_where_the_certificate_does_not_hold(tmp_path: Path) -> None:
    gateway = Gateway(
        tmp_path / "bot" / "state" / "paper", f"paper-bad-{os.getpid()}", **{"tls-fault": "expired"}
    )
    gateway.start()
    try:
        bot = Bot(tmp_path / "bot", gateway)
        bot.config.write_text(bot.config.read_text().replace(f'rest_url = "{gateway.url}"\n', ""))
        code, document = bot.command("positions")
        assert code == 4
        assert document["error"]["code"] == "UNTRUSTED_VENUE"
        assert "expired" in json.dumps(document["error"])
        assert gateway.control("GET", "/paper/ledger")["requests"] == []
    finally:
        gateway.stop()
