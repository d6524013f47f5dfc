"""`bot paper`: the paper gateway as a process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import msgspec

from bot.calendar.windows import ET, wall_to_ns
from bot.model.errors import BadField, ConfigError, UsageError
from bot.model.instruments import instrument
from bot.paper.certificates import CertificateKind
from bot.paper.config import PaperConfig
from bot.paper.option_values import read_options, split_option
from bot.paper.scripting import plan_of
from bot.paper.server import build_market, run

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
    symbols = tuple(dict.fromkeys(root.strip().upper() for root in roots.split(",") if root.strip()))
    for root in symbols:
        instrument(root)
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
    await run(config, transcript, script)
    return 0


def start_of(text: str) -> int:
    """New York wall time such as 2025-11-04T09:28:00 to nanoseconds UTC. Raises BadField."""
    try:
        wall = datetime.fromisoformat(text)
    except ValueError as problem:
        raise BadField(
            "--start", expected="New York wall time such as 2025-11-04T09:28:00", seen=text
        ) from problem
    return wall_to_ns(wall.date(), wall.time(), ET)
