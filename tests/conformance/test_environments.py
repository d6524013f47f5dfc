"""The environments of the foreign Python clients: made from their lock, kept while it stands, missed loudly."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conformance import environments
from tests.conformance.environments import NoEnvironment, environment
from tests.conformance.python_clients import without

pytestmark = pytest.mark.slow


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lock file of a client in a world of its own, without a package index; the real ones are made before."""
    for folder in sorted(environments.CLIENTS.glob("*/requirements.txt")):
        with suppress(NoEnvironment):
            environment(folder.parent.name)
    monkeypatch.setattr(environments, "CLIENTS", tmp_path / "clients")
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / "made")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    path = tmp_path / "clients" / "somebody" / "requirements.txt"
    path.parent.mkdir(parents=True)
    path.write_text("")
    return path


def test_an_environment_is_kept_until_its_lock_changes(lock: Path) -> None:
    python = environment("somebody")
    asked = subprocess.run(
        [python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    )
    assert Path(asked.stdout.strip()) == python.parents[1]
    mark = python.parents[1] / "mark"
    mark.touch()
    assert environment("somebody") == python
    assert mark.exists()
    lock.write_text("# changed\n")
    environment("somebody")
    assert not mark.exists()


def test_missing_packages_are_an_error_in_ci_and_a_skip_elsewhere(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock.write_text("signalrcore==1.0.2\n")
    with pytest.raises(NoEnvironment, match=r"somebody: .*signalrcore"):
        environment("somebody")
    with pytest.raises(NoEnvironment) as problem:
        environment("somebody")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="signalrcore"):
        without(problem.value)
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="signalrcore"):
        without(problem.value)
