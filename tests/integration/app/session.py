"""Real processes for the tests of the application: a paper gateway, a bot, and one-shot commands."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from bot.postgres import EmbeddedPostgres
from bot.servers.announcement import Announcement, find
from bot.trading.lease import forget, lock_folder

API_KEY = "paper-key"
PATIENCE_S = 60.0


class Gateway:
    """`bot paper` in a process; its state folder survives `kill`."""

    def __init__(self, folder: Path, user: str, **options: object) -> None:
        self.folder, self.user = folder, user
        self._options = {"rate": 10, "scenario": "quiet", "start": "2025-11-04T10:05:00", **options}
        self.process: subprocess.Popen[bytes] | None = None
        self.url = self.control_url = self.token = ""

    def start(self, port: int = 0) -> None:
        announcement = self.folder / "paper.json"
        announcement.unlink(missing_ok=True)
        command = [
            sys.executable,
            "-m",
            "bot",
            "paper",
            "--username",
            self.user,
            "--state",
            str(self.folder),
            "--port",
            str(port),
        ]
        for name, value in self._options.items():
            command += [f"--{name}", str(value)]
        self.process = spawn(command, self.folder.with_suffix(".log"))
        wait_for(announcement.exists, self.process)
        found = json.loads(announcement.read_text())
        self.url, self.control_url, self.token = found["url"], found["control_url"], found["control_token"]

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None:
            end(self.process)

    def judge(self) -> dict[str, Any]:
        return self.control("GET", "/paper/judge")

    def control(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        request = urllib.request.Request(
            self.control_url + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read() or b"{}")


class Bot:
    """`bot run` in a process, and commands with the same configuration. `remove` takes its database away."""

    made: ClassVar[list[Bot]] = []
    runs: ClassVar[list[str]] = [sys.executable, "-m", "bot", "run"]

    def __init__(self, folder: Path, gateway: Gateway, *, config: str = "", path: str = "") -> None:
        self.folder, self.gateway = folder, gateway
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "bot.toml"
        self.config.write_text(
            f'[state]\nfolder = "{folder / "state"}"\n[gateway]\nprofile = "paper"\nrest_url = "{gateway.url}"\n'
            f"[server]\nport = 0\n{config}"
        )
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PROJECT_X", "BOT_"))},
            "PROJECT_X_USERNAME": gateway.user, "PROJECT_X_API_KEY": API_KEY,
            **({"PYTHONPATH": path} if path else {}),
        }  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None
        Bot.made.append(self)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def remove(self) -> None:
        """Delete what lies outside the state folder: lock files, and the database when root runs the tests."""
        forget(self.gateway.user)
        if (self.folder / "state" / "postgres").exists():
            asyncio.run(EmbeddedPostgres(self.folder / "state" / "postgres").remove())

    def start(self) -> Announcement:
        self.process = spawn(
            [*self.runs, "--config", str(self.config)],
            self.folder / "bot.log",
            self.environment,
        )
        wait_for(lambda: self.found() is not None, self.process)
        found = self.found()
        assert found is not None
        return found

    def found(self) -> Announcement | None:
        found = find(lock_folder(), self.gateway.url, self.gateway.user)
        return (
            found
            if found is not None and self.process is not None and found.pid == self.process.pid
            else None
        )

    def stop(self) -> int:
        return 0 if self.process is None else end(self.process)

    def command(self, *words: str, **environment: str) -> tuple[int, dict[str, Any]]:
        """Exit code and the JSON document of a command."""
        done = self.raw(*words, "--json", **environment)
        return done.returncode, json.loads(done.stdout)

    def raw(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bot", *words, "--config", str(self.config)], env={**self.environment, **environment},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        code, document = self.command("status")
        assert code == 0, document
        found: dict[str, Any] = document["data"]
        return found

    def log(self) -> str:
        return (self.folder / "state" / "trading_bot.log").read_text() + (self.folder / "bot.log").read_text()


def spawn(
    command: list[str], log: Path, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment)


def end(process: subprocess.Popen[bytes]) -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
    return process.returncode


def wait_for(
    condition: Callable[[], object],
    process: subprocess.Popen[bytes] | None = None,
    seconds: float = PATIENCE_S,
) -> None:
    """Poll until the condition holds; a process that ends meanwhile is a failure."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, f"the process ended with {process.returncode}"
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)
