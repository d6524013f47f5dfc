"""`bot paper` refuses what it cannot use before anything is bound, and says where it listens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.cli.paper import serve, start_of, symbols_of, tell
from bot.model.errors import ConfigError
from bot.model.times import format_ts
from bot.paper.config import PaperConfig
from bot.paper.market.tape_rows import TapeError
from bot.paper.option_values import read_option
from bot.paper.server import PaperGateway
from bot.paper.state_log import FILE, StateLog
from bot.paper.transcript import Transcript

USUAL: dict[str, Any] = {
    "port": 0, "control_port": 0, "start": "2025-11-04T09:28:00", "rate": 1.0, "seed": 1, "density": "light",
    "roots": "MNQ", "scenario": "breakout", "tapes": (), "tape_lead_s": 0, "profile": "fast", "username": "paper",
    "api_key": "key", "options": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("port", 99_999, "--port"),
        ("port", -1, "--port"),
        ("control_port", 65_536, "--control-port"),
        ("start", "yesterday", "--start"),
        ("start", "2025-11-04T09:28:00Z", "--start"),
        ("start", "1999-01-04T09:28:00", "--start"),
        ("roots", " , ", "--roots"),
        ("roots", "MNQ,ZZZ", "--roots"),
        ("tape_lead_s", -1, "--tape-lead"),
        ("username", " ", "--username"),
        ("options", {"fees": "ZZZ:5"}, "paper option fees"),
        ("options", {"commissions": {"ZZZ": 5}}, "paper option commissions"),
    ],
)
async def test_a_bad_option_is_refused_before_anything_is_bound(
    name: str, value: object, what: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as refusal:
        await serve(**{**USUAL, "folder": tmp_path / "state", name: value})
    assert (refusal.value.what, refusal.value.exit_code) == (what, 3)
    assert not (tmp_path / "state").exists()


async def test_a_tape_for_an_unknown_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match=r"one of the roots ES, MES, .* got 'ZZZ'") as refusal:
        await serve(**{**USUAL, "folder": tmp_path / "state", "tapes": (f"ZZZ={tmp_path / 'a.csv'}",)})
    assert refusal.value.exit_code == 3


def test_good_options_are_read() -> None:
    assert symbols_of("mnq, es,MNQ") == ("MNQ", "ES")
    assert format_ts(start_of("2025-11-04T09:28:00")).startswith("2025-11-04T14:28:00")
    assert read_option("fees", "mnq:740000") == {"MNQ": 740_000}


def test_a_state_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="a folder that can be written"):
        StateLog(tmp_path / "file")
    with pytest.raises(ConfigError, match="a file that can be written"):
        Transcript(tmp_path, lambda: 0)


def test_a_file_that_is_no_state_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("my notes\nmore of them\n")
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"line 1: expected a record .* got b'my notes"):
            StateLog(tmp_path)
    assert (tmp_path / FILE).read_text() == "my notes\nmore of them\n"


def test_it_says_where_it_listens_and_what_was_cut(capsys: pytest.CaptureFixture[str]) -> None:
    gateway = PaperGateway(PaperConfig(start_ns=0, username="me", state_dir="/state"))
    gateway.url, gateway.control_url, gateway.notice = "http://here", "http://there", "cut 5 bytes"
    tell(gateway)
    told = capsys.readouterr().err
    assert all(part in told for part in ("cut 5 bytes", "http://here", "user me", "http://there", "/state"))
    assert gateway.control_token not in told


def test_ctrl_c_while_the_program_loads_leaves_no_traceback() -> None:
    program = """
import sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == "bot.cli.main":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from bot.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
