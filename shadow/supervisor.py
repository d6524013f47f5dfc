"""Keeps the shadow worker running beside the bot: start, stop, restart with backoff, pause, counters."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from bot.clock import Clock
from bot.model.errors import StoreCorrupt
from shadow.evidence import Evidence

BACKOFF_S: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
STEADY_S: Final = 60
_PASSED_ON: Final = frozenset(
    {
        "PATH",
        "PYTHONPATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TMPDIR",
        "TEMP",
        "TMP",
        "SYSTEMROOT",
        "VIRTUAL_ENV",
        "TZ",
    }
)


class Worker:
    """One worker process over `journal` and `evidence`; all its methods are called on the event loop.

    `candidates` are names or `name=module:Class`. The process gets a clean environment, its output goes to
    `<evidence>.log`, and it is restarted when it ends by itself.
    """

    def __init__(self, journal: Path, evidence: Path, clock: Clock, candidates: Sequence[str] = ()) -> None:
        self._journal, self._evidence, self._clock = journal, evidence, clock
        self._candidates = list(candidates)
        self._pause_file = evidence.with_name(evidence.name + ".pause")
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.restarts = 0
        self.last_exit: int | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there at present."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process and keep it running; a second call does nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name="shadow-worker")

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Let the worker finish its block and end; kill it after `timeout_s` of host time."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), timeout_s)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self.last_exit = process.returncode

    def pause(self) -> None:
        """Compare nothing until `resume`; the journal goes on and nothing is lost."""
        self._pause_file.parent.mkdir(parents=True, exist_ok=True)
        self._pause_file.touch()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._pause_file.unlink(missing_ok=True)

    def counters(self) -> dict[str, Any]:
        """For the live view: the worker's state, restarts, and per candidate outcomes and episodes."""
        view: dict[str, Any] = {
            "running": self.running, "paused": self._pause_file.exists(), "restarts": self.restarts,
            "last_exit": self.last_exit, "behind_bytes": None, "missing": [], "candidates": {},
        }  # fmt: skip
        if not self._evidence.exists():
            return view
        try:
            evidence = Evidence(self._evidence, read_only=True)
        except StoreCorrupt:
            return view  # the worker is just making it
        try:
            status = msgspec.json.decode(evidence.meta("worker") or b"{}")
            view.update(
                {key: status[key] for key in ("behind_bytes", "missing", "candidates") if key in status}
            )
        except sqlite3.OperationalError:
            return view  # locked for a moment; the next look sees it
        finally:
            evidence.close()
        return view

    async def _keep(self) -> None:
        failures = 0
        while True:
            started = self._clock.host_mono()
            await self._spawn()
            assert self._process is not None
            self.last_exit = await self._process.wait()
            lived_s = (self._clock.host_mono() - started) / 1e9
            failures = 0 if lived_s > STEADY_S else min(failures + 1, len(BACKOFF_S))
            await self._clock.host_sleep(BACKOFF_S[max(failures - 1, 0)])
            self.restarts += 1

    async def _spawn(self) -> None:
        command = [sys.executable, "-m", "shadow.worker", "--journal", str(self._journal), "--evidence",
                   str(self._evidence), "--follow"]  # fmt: skip
        for name in self._candidates:
            command += ["--candidate", name]
        self._evidence.parent.mkdir(parents=True, exist_ok=True)
        with self._evidence.with_name(self._evidence.name + ".log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment(os.environ),
            )  # fmt: skip


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the worker may see of the bot's environment."""
    return {name: value for name, value in environ.items() if name in _PASSED_ON}
