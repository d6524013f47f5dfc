"""What breaks beside a running bot: gateway, worker, database, candidates. Nothing is lost, all comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import install
from tests.integration.app.session import Bot, Gateway, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def own_bot(own_gateway: Gateway, tmp_path: Path) -> Iterator[Bot]:
    found = Bot(tmp_path / "own", own_gateway, config="[strategies.overnight_range]\nenabled = true\n")
    assert found.command("flags", "set", "market_data", "shadow")[0] == 0
    found.start()
    yield found
    assert found.stop() == 0


def test_a_gateway_that_dies_and_returns_is_reconciled_before_entries_go_on(
    own_bot: Bot, own_gateway: Gateway
) -> None:
    wait_for(lambda: own_bot.status()["health"]["status"] == "ok")
    port = own_gateway.port
    own_gateway.kill()
    wait_for(lambda: own_bot.status()["health"]["status"] == "degraded")
    status = own_bot.status()
    assert status["hubs"]["user"]["state"] == "down"
    assert status["state"]["state"] == "ACTIVE"
    own_gateway.start(port)
    wait_for(lambda: own_bot.status()["health"]["status"] == "ok", seconds=90)
    status = own_bot.status()
    assert status["reconciliation"]["colour"] == "green"
    assert status["hubs"]["market"]["generation"] > 1
    assert own_gateway.judge()["violations"] == []


def test_a_killed_worker_comes_back_and_goes_on_counting(own_bot: Bot) -> None:
    def matches() -> int:
        worker = own_bot.status()["shadow"]["worker"]
        return min(
            (c["outcomes"]["MATCH"] for n, c in worker["candidates"].items() if n != "control"), default=0
        )

    wait_for(lambda: matches() > 50)
    before = matches()
    assert own_bot.process is not None
    for child in psutil.Process(own_bot.process.pid).children():
        if "shadow.worker" in " ".join(child.cmdline()):
            child.kill()
    wait_for(lambda: own_bot.status()["shadow"]["worker"]["restarts"] >= 1)
    wait_for(lambda: matches() > before + 50)
    worker = own_bot.status()["shadow"]["worker"]
    for candidate in worker["candidates"].values():
        faults = {
            name: candidate["outcomes"][name] for name in ("MISMATCH", "PANIC", "TIMEOUT", "ERROR_DIFF")
        }
        assert set(faults.values()) == {0}, faults


def test_a_killed_database_is_restarted_and_every_write_arrives(own_bot: Bot) -> None:
    wait_for(lambda: own_bot.status()["database"]["written"] > 0)
    before = own_bot.status()["database"]
    os.kill(before["pid"], signal.SIGKILL)
    wait_for(lambda: own_bot.status()["database"]["pid"] not in (None, before["pid"]))
    wait_for(lambda: own_bot.status()["database"]["written"] > before["written"])
    after = own_bot.status()
    assert after["database"]["refused"] == 0
    assert after["database"]["rejected"] == 0
    assert after["state"]["state"] == "ACTIVE"


def test_a_halt_file_halts_and_keeps_halted_over_a_restart(own_bot: Bot) -> None:
    (own_bot.folder / "state" / "HALT").write_text("the owner said so")
    wait_for(lambda: own_bot.status()["state"]["state"] == "HALTED")
    assert "the owner said so" in own_bot.status()["state"]["reason"]
    assert own_bot.stop() == 0
    own_bot.start()
    assert own_bot.status()["state"]["state"] == "HALTED"


def test_a_torn_journal_tail_is_cut_and_the_rest_compared(own_bot: Bot) -> None:
    wait_for(lambda: own_bot.status()["shadow"]["journal"]["calls"] > 200)
    assert own_bot.stop() == 0
    segment = max((own_bot.folder / "state" / "journal").iterdir())
    with segment.open("ab") as file:
        file.write(b"\x40\x00\x00\x00torn")
    evidence = own_bot.folder / "again.sqlite"
    done = subprocess.run(
        [sys.executable, "-m", "shadow.worker", "--journal", str(segment.parent), "--evidence", str(evidence), "--once"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    code, document = own_bot.command("shadow", "report", "--evidence", str(evidence))
    assert code == 0
    component = next(c for c in document["data"]["components"] if c["component"] == "market_data")
    assert all(
        c["outcomes"]["MATCH"] > 200 and c["outcomes"]["MISMATCH"] == 0 for c in component["candidates"]
    )
    own_bot.start()


def test_without_compiled_candidates_the_bot_runs_on_python_and_says_so(
    own_gateway: Gateway, tmp_path: Path
) -> None:
    hiding = tmp_path / "hiding"
    hiding.mkdir()
    (hiding / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('trading_bot_core', 'bot.accelerated._market_data'):\n"
        "            raise ModuleNotFoundError(f'no module named {name}', name=name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
    )
    own = Bot(tmp_path / "own", own_gateway, path=str(hiding))
    own.start()
    try:
        status = own.status()
        assert status["implementations"]["market_data"]["authority"] == "python"
        assert "maturin" in status["implementations"]["market_data"]["available"]["rust"]
        assert "compiler" in status["implementations"]["market_data"]["available"]["cython"]
        code, document = own.command("flags", "set", "market_data", "shadow")
        assert code == 2, document
    finally:
        assert own.stop() == 0


def test_set_up_without_cargo_compiler_or_npm_says_what_follows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("nothing is built without its tool")

    for tool, name in (
        ("cargo", "Rust core"),
        ("C compiler", "Cython extension"),
        ("npm", "JavaScript client"),
    ):
        install.optional_part(never, name, None, tool, "where it is found", "key", lambda: None)
        said = capsys.readouterr().out
        assert f"no {tool} found" in said
        assert "on Python alone" in said
    monkeypatch.setenv("CI", "true")
    with pytest.raises(SystemExit):
        install.optional_part(never, "Rust core", None, "cargo", "somewhere", "key", lambda: None)
