"""A paper gateway as a process of its own, for benchmarks against it: pinned to one core, its CPU time read."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import psutil

ROOT = Path(__file__).parents[1]
API_KEY = "paper-key"
START = "2025-11-04T10:00:00"
PATIENCE_S = 60.0
USERS = 10
"""Locust users that share the orders."""


class Gateway:
    """A running one; `core` is where it is pinned."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, core: int) -> None:
        self._process, self.url, self.core = psutil.Process(process.pid), url, core

    def cpu_s(self) -> float:
        """CPU seconds it has used so far."""
        times = self._process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def gateway(*arguments: str) -> Iterator[Gateway]:
    """Run `bot paper` with these arguments until the end of the block."""
    core, _ = cores()
    with TemporaryDirectory() as folder:
        env = {**os.environ, "BOT_STATE__FOLDER": folder, "BOT_PAPER_API_KEY": API_KEY}
        command = [sys.executable, "-m", "bot", "paper", "--state", folder, "--start", START, *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
        try:
            os.sched_setaffinity(process.pid, {core})
            yield Gateway(process, _announced(process, Path(folder) / "paper.json"), core)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def client(*command: str) -> bytes:
    """Run a client program on the other core to its end; its standard output."""
    _, other = cores()
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE)
    os.sched_setaffinity(process.pid, {other})
    output, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{' '.join(command)}: expected exit code 0, got {process.returncode}")
    return output


def cores() -> tuple[int, int]:
    """The core of the gateway, which is the harness's own, and one for its clients."""
    own = max(os.sched_getaffinity(0))
    others: Sequence[int] = [core for core in range(os.cpu_count() or 1) if core != own]
    return own, others[-1] if others else own


def _announced(process: subprocess.Popen[bytes], path: Path) -> str:
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE_S:
        if path.exists():
            return str(msgspec.json.decode(path.read_bytes())["url"])
        if process.poll() is not None:
            break
        time.sleep(0.05)
    sys.exit("bot paper: expected an announcement, got none")
