"""A start that fails and a stop at any moment leave nothing behind: no process, no lock, no resting entry."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bot.postgres import EmbeddedPostgres
from tests.integration.app.breakout import MES, MNQ, Session, until
from tests.integration.app.session import Bot, Gateway, spawn

pytestmark = pytest.mark.slow
ENABLED = "[strategies.overnight_range]\nenabled = true\n"


@pytest.fixture
def breakout(tmp_path: Path) -> Iterator[Session]:
    found = Session(tmp_path, 20, 5)
    try:
        yield found
    finally:
        found.end()


def left_of(bot: Bot) -> list[str]:
    """Command lines of processes that belong to the bot's folder."""
    cluster = str(EmbeddedPostgres(bot.folder / "state" / "postgres").cluster)
    lines = (" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
    return [line for line in lines if str(bot.folder) in line or cluster in line]


def launch(bot: Bot) -> subprocess.Popen[bytes]:
    bot.process = spawn(
        [*bot.runs, "--config", str(bot.config)], bot.folder / "bot.log", bot.environment,
    )  # fmt: skip
    return bot.process


@pytest.mark.parametrize("where", ["contracts", "reconciliation", "port"])
def test_f148_a_start_that_fails_lets_everything_go(own_gateway: Gateway, tmp_path: Path, where: str) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    own = Bot(tmp_path / "own", own_gateway, config=ENABLED)
    if where == "port":
        port = taken.getsockname()[1]
        own.config.write_text(own.config.read_text().replace("port = 0", f"port = {port}"))
    else:
        endpoint = {"contracts": "available", "reconciliation": "trades"}[where]
        fault = {"fault": "refuse", "endpoint": endpoint, "code": 1, "text": "not today", "count": 10_000}
        own_gateway.control("POST", "/paper/faults", fault)
    process = launch(own)
    assert process.wait(60) not in (0, -signal.SIGKILL)
    assert left_of(own) == []
    taken.close()
    own_gateway.control("DELETE", "/paper/faults")
    own.start()
    assert own.status()["reconciliation"]["colour"] == "green"
    assert own.stop() == 0
    assert left_of(own) == []


def test_f210_a_signal_during_the_start_ends_it_cleanly(own_gateway: Gateway, tmp_path: Path) -> None:
    own = Bot(tmp_path / "own", own_gateway, config=ENABLED)
    for delay in (0.1, 0.7, 1.0, 1.3, 1.6, 2.0, 2.4):
        process = launch(own)
        time.sleep(delay)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        # Before the handler is there nothing has been started yet.
        assert process.wait(20) in (130, 0, -signal.SIGTERM), delay
        assert time.monotonic() - began < 10, delay
        assert left_of(own) == [], delay
    own.start()
    assert own.stop() == 0


def test_f149_a_stop_cancels_entries_and_leaves_a_position_its_stop(breakout: Session) -> None:
    breakout.start()
    until(
        lambda: len(breakout.entries(MNQ, 1)) == 2 and len(breakout.entries(MES, 1)) == 2, 30, "the entries"
    )
    breakout.break_out(MNQ)
    until(lambda: breakout.held(MNQ) > 0, what="the fill")
    assert breakout.bot.stop() == 0
    assert breakout.entries(MES, 1, 6) == []
    assert breakout.entries(MNQ, 1, 6) == []
    assert len(breakout.stops(MNQ)) == 1
    assert "UNPROTECTED_AT_EXIT" not in breakout.bot.log()
    assert left_of(breakout.bot) == []
    breakout.start()
    until(breakout.settled, what="green after the restart")
    status = breakout.status()
    assert [position["shield"] for position in status["positions"]] == ["protected"]
    assert breakout.gateway.judge()["violations"] == []


def test_a_second_signal_ends_it_at_once(own_gateway: Gateway, tmp_path: Path) -> None:
    own = Bot(tmp_path / "own", own_gateway, config=ENABLED)
    own.start()
    assert own.process is not None
    own_gateway.control("POST", "/paper/faults", {"fault": "drop", "endpoint": "any", "count": 10_000})
    own.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    own.process.send_signal(signal.SIGTERM)
    assert own.process.wait(3) == 130


def test_f072_prices_that_come_after_the_start_leave_no_hole(own_gateway: Gateway, tmp_path: Path) -> None:
    def fetched() -> int:
        rows = own_gateway.control("GET", "/paper/ledger")["requests"]
        return sum(row["path"].endswith("retrieveBars") for row in rows)

    fault = {"fault": "hub.403", "hub": "market", "seconds": 150}
    own_gateway.control("POST", "/paper/faults", fault)
    own = Bot(tmp_path / "own", own_gateway, config=ENABLED)
    own.start()
    status = own.status()
    assert (status["hubs"]["market"]["state"], status["hubs"]["user"]["state"]) == ("down", "up")
    loaded = fetched()
    assert loaded >= 2
    until(lambda: own.status()["hubs"]["market"]["state"] == "up", 30, "the market hub")
    until(lambda: fetched() >= 2 * loaded, 15, "what was missed")
    assert own.stop() == 0
