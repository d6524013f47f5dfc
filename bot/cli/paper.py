"""`bot paper`: the paper gateway as a process."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import msgspec
from rich.console import Console

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import ET, wall_to_ns
from bot.model.errors import ConfigError, UsageError
from bot.model.instruments import INSTRUMENTS
from bot.paper.certificates import CertificateKind
from bot.paper.config import PaperConfig
from bot.paper.option_values import read_options, split_option
from bot.paper.scripting import plan_of
from bot.paper.server import ANNOUNCEMENT, PaperGateway, build_market, run

CERTIFICATES = get_args(CertificateKind)
DEFAULT_KEY = "paper-key"
DEFAULT_START = "2025-11-04T09:28:00"


async def serve(
    *, port: int, control_port: int, start: str, rate: float, seed: int, density: str, roots: str, scenario: str,
    tapes: Sequence[str], tape_lead_s: int, profile: str, username: str, api_key: str, folder: Path,
    transcript: Path | None = None, tls: str | None = None, options: Mapping[str, Any],
    given: Sequence[str] = (), script: Path | None = None, dry_run: bool = False,
) -> int:  # fmt: skip
    """Serve until interrupted; `given` are `name=value` texts that go before `options`.

    With `dry_run` only the plan of `script` is printed.

    Raises ConfigError for options that make no sense.
    """
    if not 1.0 <= rate <= 60.0:
        raise ConfigError("--rate", expected="1 to 60 venue seconds per real second", seen=rate)
    if tls is not None and tls not in CERTIFICATES:
        raise ConfigError(
            "--tls-fault",
            expected=" or ".join(CERTIFICATES),
            seen=tls,
            do="correct it, or give --tls alone",
        )
    for name, number in (("--port", port), ("--control-port", control_port)):
        if not 0 <= number <= 65_535:
            raise ConfigError(name, expected="0 to 65535, 0 for any free port", seen=number)
    if tape_lead_s < 0:
        raise ConfigError("--tape-lead", expected="0 or more seconds", seen=tape_lead_s)
    if not username.strip():
        raise ConfigError("--username", expected="the name that clients log in with", seen=username)
    symbols = symbols_of(roots)
    plain = {
        "start_ns": start_of(start), "rate": rate, "seed": seed, "density": density, "roots": symbols,
        "scenario": scenario, "tapes": tapes, "tape_lead_s": tape_lead_s, "profile": profile, "username": username, "api_key": api_key,
        "state_dir": str(folder), "port": port, "control_port": control_port, "tls": tls,
    }  # fmt: skip
    try:
        config = msgspec.structs.replace(
            msgspec.convert(plain, PaperConfig),
            options=read_options({**options, **dict(map(split_option, given))}),
        )
    except msgspec.ValidationError as problem:
        raise ConfigError(
            "paper gateway", expected="options as `bot paper --help` lists them", seen=str(problem)
        ) from problem
    if dry_run:
        if script is None:
            raise UsageError("--dry-run", expected="--script FILE beside it", seen="none")
        print(plan_of(script, config, build_market(config)).text())
        return 0
    return await _until_stopped(run(config, transcript, script, ready=tell))


async def _until_stopped(serving: Coroutine[Any, Any, None]) -> int:
    """Let it serve until it fails, or a signal to terminate ends it in order."""
    task = asyncio.ensure_future(serving)
    with contextlib.suppress(NotImplementedError, RuntimeError):  # not on this platform, or not this thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        if (current := asyncio.current_task()) is not None and current.cancelling():
            raise
    return 0


def tell(gateway: PaperGateway) -> None:
    """Say on standard error where the gateway listens, and what was cut from its state."""
    console, config = Console(stderr=True, soft_wrap=True, highlight=False), gateway.config
    if gateway.notice:
        console.print(gateway.notice, style="yellow", markup=False)
    console.print(
        f"paper gateway at {gateway.url}, user {config.username}; control at {gateway.control_url}, its token in "
        f"{config.state_dir}/{ANNOUNCEMENT}; Ctrl-C ends it",
        markup=False,
    )


def symbols_of(roots: str) -> tuple[str, ...]:
    """Roots between commas, each once. Raises ConfigError."""
    symbols = tuple(dict.fromkeys(root.strip().upper() for root in roots.split(",") if root.strip()))
    unknown = [root for root in symbols if root not in INSTRUMENTS]
    if unknown or not symbols:
        raise ConfigError(
            "--roots", expected=f"some of {', '.join(INSTRUMENTS)}", seen=roots, do="separate them by commas"
        )
    return symbols


def start_of(text: str) -> int:
    """New York wall time such as 2025-11-04T09:28:00 to nanoseconds UTC. Raises ConfigError."""
    first, last = SessionCalendar.shipped().covers
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        wall = None
    if wall is None or wall.tzinfo is not None or not first <= wall.date() <= last:
        raise ConfigError(
            "--start", seen=text, do="choose a start that the calendar covers, without a zone",
            expected=f"New York wall time such as 2025-11-04T09:28:00, from {first} to {last}",
        )  # fmt: skip
    return wall_to_ns(wall.date(), wall.time(), ET)
