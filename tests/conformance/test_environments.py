"""The environments of the foreign Python clients: made from their lock, kept while it stands, missed loudly."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conformance.builds import without
from tests.conformance.environments import NoEnvironment, environment, lock_of

pytestmark = pytest.mark.slow


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """The lock file of a client in a world of its own."""
    path = lock_of("somebody", tmp_path / "clients")
    path.parent.mkdir(parents=True)
    path.write_text("")
    return path


def made(lock: Path) -> Path:
    """Somebody's environment, without a package index."""
    return environment("somebody", lock.parents[1], lock.parents[2] / "made", "--no-index")


def test_an_environment_is_kept_until_its_lock_changes(lock: Path) -> None:
    python = made(lock)
    asked = subprocess.run(
        [python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    )
    assert Path(asked.stdout.strip()) == python.parents[1]
    mark = python.parents[1] / "mark"
    mark.touch()
    assert made(lock) == python
    assert mark.exists()
    lock.write_text("# changed\n")
    made(lock)
    assert not mark.exists()


def test_missing_packages_are_an_error_in_ci_and_a_skip_elsewhere(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock.write_text("signalrcore==1.0.2\n")
    with pytest.raises(NoEnvironment, match=r"somebody: .*signalrcore"):
        made(lock)
    with pytest.raises(NoEnvironment) as problem:
        made(lock)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="signalrcore"):
        without(str(problem.value))
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="signalrcore"):
        without(str(problem.value))
