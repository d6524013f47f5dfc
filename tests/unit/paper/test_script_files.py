"""Scripts as files: the shipped examples, and the command that checks one."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli.main import app
from bot.paper import script
from bot.paper.market.synthetic import SyntheticMarket
from bot.paper.script.read import read
from tests.unit.paper.scripted import START, Bench

FILES = sorted((Path(script.__file__).parents[1] / "scripts").glob("*.yaml"))


def shown(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["paper", *words])
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_examples_run_on_a_venue(file: Path) -> None:
    found, source = read(file)
    bench = Bench(
        start=START - 3_600_000_000_000, market=SyntheticMarket(1, START - 3_600_000_000_000, ("MNQ",))
    )
    play = bench.venue.play(found, source)
    bench.pass_(20 * 60_000)
    assert found.name.replace(" ", "-") == file.stem
    assert len(play.status()) == len(found.steps) > 5


def test_there_are_examples() -> None:
    assert len(FILES) >= 4


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_command_prints_the_plan_and_starts_nothing(file: Path, tmp_path: Path) -> None:
    code, text = shown("--state", str(tmp_path / "paper"), "--check-script", str(file))
    assert code == 0
    assert text.startswith("step when what how often")
    assert not (tmp_path / "paper").exists()
    assert shown("--state", str(tmp_path / "paper"), "--script", str(file), "--dry-run") == (0, text)


def test_the_command_refuses_a_broken_script_and_a_dry_run_of_none(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("steps:\n- {at: 5s, do: hub.drp}\n")
    code, text = shown("--state", str(tmp_path / "paper"), "--script", str(file))
    assert code == 3
    assert "broken.yaml, line 2, column 16: do: expected a verb of docs/faults.md, got 'hub.drp'" in text
    code, text = shown("--state", str(tmp_path / "paper"), "--dry-run")
    assert (code, "--script FILE beside it" in text) == (2, True)
