"""`bot rehearse`: gateway, bot and shadow worker as real processes, watched from outside, judged at the end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from bot.calendar.windows import ET, to_wall, wall_to_ns
from bot.cli import summary
from bot.cli.document import Printer
from bot.cli.live import LiveView
from bot.cli.paper import start_of
from bot.cli.remote import RemoteBot
from bot.cli.shadowing import built
from bot.clock import SystemClock, monotonic_ns
from bot.migration.flags import FlagsFile
from bot.migration.places import flags_path
from bot.migration.stages import Flag
from bot.model.errors import BotError, StoreUnavailable, VenueUnreachable
from bot.model.times import MINUTE, SECOND
from bot.postgres import EmbeddedPostgres
from bot.servers.announcement import Announcement, find
from bot.trading.lease import forget, lock_folder

API_KEY = "paper-key"
START_LIMIT_S = 60.0
STOP_LIMIT_S = 40.0


class Plan(msgspec.Struct, frozen=True):
    """What to rehearse; `seconds` of real trading at `rate`."""

    seed: int
    rate: float
    seconds: float
    start: str
    roots: str
    density: str
    scenario: str
    folder: Path

    @property
    def breakout_due(self) -> bool:
        """Whether the scenario's breakout lies inside the session: begun before the cash open, 13 minutes into it."""
        begin = start_of(self.start)
        opened = wall_to_ns(to_wall(begin, ET).date(), time(9, 30), ET)
        return (
            self.scenario == "breakout"
            and begin < opened
            and begin + self.seconds * self.rate * SECOND > opened + 13 * MINUTE
        )


class ProcessFailed(BotError):
    """One of the session's processes ended by itself."""

    code = "PROCESS_FAILED"
    exit_code = 1


async def rehearse(plan: Plan, printer: Printer) -> int:
    """Run the session and write `<folder>/<start>/summary.json`. 0 = the judge found nothing, else 11."""
    folder = plan.folder.absolute() / datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True)
    user = f"paper-{os.getpid()}"
    began = monotonic_ns()
    async with (
        _thrown_away(folder, user),
        _child("gateway", folder, _gateway_command(plan, folder, user)) as gateway,
    ):
        paper = await _announced_gateway(gateway, folder)
        _write_configuration(plan, folder, paper)
        _write_flags(folder)
        async with _child("bot", folder, _bot_command(folder), _bot_environment(user)) as bot:
            found = await _announced_bot(bot, paper["url"], user)
            ready_s = (monotonic_ns() - began) / 1e9
            await _watch(plan, found, paper, (gateway, bot), printer)
            last = await RemoteBot(found).call("GET", "/api/status")
            await _stop(bot)
            if bot.returncode != 0:
                raise _died(bot, "bot", folder)
        verdict, ledger = await _control(paper, "/paper/judge"), await _control(paper, "/paper/ledger")
    result = summary.build(folder, plan.seed, verdict, ledger, last, ready_s, breakout_due=plan.breakout_due)
    summary.write(folder, result)
    return printer.result(result, summary.show, exit_code=0 if result["ok"] else summary.FOUND)


async def _watch(
    plan: Plan, found: Announcement, paper: dict[str, Any], processes: tuple[asyncio.subprocess.Process, ...],
    printer: Printer,
) -> None:  # fmt: skip
    remote, ends = RemoteBot(found), monotonic_ns() + int(plan.seconds * 1e9)
    with LiveView(printer.console, plan.seconds) as view:
        while monotonic_ns() < ends:
            for process in processes:
                if process.returncode is not None:
                    raise ProcessFailed(
                        "rehearsal", expected="gateway and bot to run until the end",
                        seen=f"process {process.pid} ended with {process.returncode}", do="read the logs beside the summary",
                    )  # fmt: skip
            status = await remote.call("GET", "/api/status")
            view.update(
                status, await _control(paper, "/paper/judge"), max(0.0, (ends - monotonic_ns()) / 1e9)
            )
            await asyncio.sleep(0.5)


@asynccontextmanager
async def _thrown_away(folder: Path, user: str) -> AsyncIterator[None]:
    """Database and lock files go at the end, however that comes; logs, ledger and evidence stay."""
    try:
        yield
    finally:
        with suppress(StoreUnavailable):
            await EmbeddedPostgres(folder / "state" / "postgres").remove()
        forget(user)


@asynccontextmanager
async def _child(
    name: str, folder: Path, command: list[str], environment: dict[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    with (folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **(environment or {})},
        )
        try:
            yield process
        finally:
            await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_LIMIT_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _gateway_command(plan: Plan, folder: Path, user: str) -> list[str]:
    return [
        sys.executable, "-m", "bot", "paper", "--start", plan.start, "--rate", str(plan.rate), "--seed", str(plan.seed),
        "--density", plan.density, "--roots", plan.roots, "--scenario", plan.scenario, "--username", user,
        "--state", str(folder / "paper"),
    ]  # fmt: skip


def _bot_command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "bot", "run", "--config", str(folder / "bot.toml")]


def _bot_environment(user: str) -> dict[str, str]:
    return {"PROJECT_X_USERNAME": user, "PROJECT_X_API_KEY": API_KEY}


def _write_configuration(plan: Plan, folder: Path, paper: dict[str, Any]) -> None:
    symbols = ", ".join(f'"{root.strip()}"' for root in plan.roots.split(","))
    (folder / "bot.toml").write_text(
        f'[state]\nfolder = "{folder / "state"}"\n\n'
        f'[gateway]\nprofile = "paper"\nrest_url = "{paper["url"]}"\n\n'
        "[server]\nport = 0\n\n"
        f"[strategies.overnight_range]\nenabled = true\nsymbols = [{symbols}]\n"
        'breakeven_points_by_symbol = "MES:5"\n'
    )


def _write_flags(folder: Path) -> None:
    candidates = built("market_data")
    if candidates:
        (folder / "state").mkdir(mode=0o700)
        FlagsFile(flags_path(folder / "state"), SystemClock()).set(
            "market_data",
            Flag("shadow", candidates),
            who="rehearsal",
            reason="a rehearsal shadows what is built",
        )


async def _announced_gateway(process: asyncio.subprocess.Process, folder: Path) -> dict[str, Any]:
    path = folder / "paper" / "paper.json"
    async for _ in _patience(process, "gateway", folder):
        if path.exists():
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    raise AssertionError("patience raises")


async def _announced_bot(process: asyncio.subprocess.Process, venue: str, user: str) -> Announcement:
    async for _ in _patience(process, "bot", None):
        found = find(lock_folder(), venue, user)
        if found is not None and found.pid == process.pid:
            return found
    raise AssertionError("patience raises")


async def _patience(
    process: asyncio.subprocess.Process, name: str, folder: Path | None
) -> AsyncIterator[None]:
    deadline = monotonic_ns() + int(START_LIMIT_S * 1e9)
    while monotonic_ns() < deadline:
        yield None
        if process.returncode is not None:
            raise _died(process, name, folder)
        await asyncio.sleep(0.02)
    raise ProcessFailed(
        name, expected=f"ready within {START_LIMIT_S:.0f} s", seen="not yet", do="read its log"
    )


def _died(process: asyncio.subprocess.Process, name: str, folder: Path | None) -> ProcessFailed:
    tail = ""
    if folder is not None:
        tail = "\n" + "\n".join((folder / f"{name}.log").read_text(errors="replace").splitlines()[-15:])
    return ProcessFailed(
        name, expected="a process that ends well", seen=f"exit code {process.returncode}{tail}"
    )


async def _control(paper: dict[str, Any], path: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {paper['control_token']}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10), trust_env=False) as session,
            session.get(paper["control_url"] + path, headers=headers) as response,
        ):
            return msgspec.json.decode(await response.read(), type=dict[str, Any])
    except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError) as problem:
        raise VenueUnreachable(
            "paper gateway's control side", expected="an answer", seen=type(problem).__name__
        ) from problem
