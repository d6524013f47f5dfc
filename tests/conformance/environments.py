"""One virtual environment for each foreign Python client, made from its lock file when that has changed."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CLIENTS = Path(__file__).parent / "python"
ENVIRONMENTS = Path(__file__).parents[2] / "build" / "conformance" / "python"


class NoEnvironment(Exception):
    """The packages of a lock file could not be installed."""


def lock_of(client: str, clients: Path = CLIENTS) -> Path:
    """The lock file: `name==version` for everything that the client needs."""
    return clients / client / "requirements.txt"


def environment(
    client: str, clients: Path = CLIENTS, environments: Path = ENVIRONMENTS, *pip_options: str
) -> Path:
    """The Python command of the client's environment. Raises NoEnvironment with what pip said."""
    wanted, folder = lock_of(client, clients), environments / client
    environments.mkdir(parents=True, exist_ok=True)
    stamp, made_of = folder / "made-of", _digest(wanted)
    with (environments / f"{client}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != made_of:
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, wanted, pip_options)
            stamp.write_text(made_of)
    return folder / "bin" / "python"


def _make(folder: Path, lock: Path, options: Sequence[str]) -> None:
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install"]
    for command in (
        [sys.executable, "-m", "venv", "--without-pip", str(folder)],
        [*pip, "--quiet", "--no-deps", *options, "--requirement", str(lock)],
    ):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise NoEnvironment(f"{lock.parent.name}: {ran.stderr[-2000:]}")


def _digest(lock: Path) -> str:
    return hashlib.sha256(f"{sys.version}\n{lock.read_text()}".encode()).hexdigest()
