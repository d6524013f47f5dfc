"""One virtual environment for each foreign Python client, made from its lock file when that has changed."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

CLIENTS = Path(__file__).parent / "python"
ENVIRONMENTS = Path(__file__).parents[2] / "build" / "conformance" / "python"


class NoEnvironment(Exception):
    """The packages of a lock file could not be installed."""


def lock_of(client: str) -> Path:
    """The lock file: `name==version` for everything that the client needs."""
    return CLIENTS / client / "requirements.txt"


def environment(client: str) -> Path:
    """The Python command of the client's environment. Raises NoEnvironment with what pip said."""
    folder = ENVIRONMENTS / client
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    stamp, made_of = folder / "made-of", _digest(client)
    with (ENVIRONMENTS / f"{client}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != made_of:
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, lock_of(client))
            stamp.write_text(made_of)
    return folder / "bin" / "python"


def _make(folder: Path, lock: Path) -> None:
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install"]
    for command in (
        [sys.executable, "-m", "venv", "--without-pip", str(folder)],
        [*pip, "--quiet", "--no-deps", "--requirement", str(lock)],
    ):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise NoEnvironment(f"{lock.parent.name}: {ran.stderr[-2000:]}")


def _digest(client: str) -> str:
    return hashlib.sha256(f"{sys.version}\n{lock_of(client).read_text()}".encode()).hexdigest()
