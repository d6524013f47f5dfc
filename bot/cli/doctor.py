"""`bot doctor`: each thing that running needs, tried for real, with what to do about it. Exit 14 on a failure."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Awaitable, Callable

import msgspec

from bot.accelerated import registry
from bot.app.storage import Storage
from bot.app.venue import Venue, choose_account, connect
from bot.cli import tables
from bot.cli.commands import running
from bot.cli.document import Printer
from bot.cli.shadowing import flags_file
from bot.clock import SystemClock
from bot.config.settings import Settings
from bot.gateway.hubs import HubConnection
from bot.migration.stages import CANDIDATES, EFFECTS
from bot.model.errors import BotError
from bot.model.events import Hub
from bot.model.times import SECOND
from bot.risk.profile import is_practice

FAILED = 14
LEAST_DISK = 1 << 30


class Check(msgspec.Struct):
    """One line: `result` is ok, warning or failed."""

    check: str
    result: str
    seen: str
    do: str = ""


async def doctor(settings: Settings, printer: Printer) -> int:
    """All checks; the venue's ones are left out after a login that failed."""
    checks = [_python(), _disk(settings), *_builds(), _flags(settings)]
    checks.append(await _tried("database", lambda: _database(settings)))
    checks += await _venue(settings)
    failed = any(check.result == "failed" for check in checks)
    data = {"checks": [msgspec.to_builtins(check) for check in checks], "healthy": not failed}
    return printer.result(data, tables.checks, warnings=settings.warnings, exit_code=FAILED if failed else 0)


def _python() -> Check:
    loop = "with uvloop" if importlib.util.find_spec("uvloop") else "with asyncio's own loop"
    return Check("python", "ok", f"{sys.version.split()[0]}, {loop}")


def _disk(settings: Settings) -> Check:
    folder = settings.state_folder
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < LEAST_DISK:
        return Check(
            "disk", "failed", f"{free >> 20} MiB free for {settings.state_folder}", "free at least 1 GiB"
        )
    return Check("disk", "ok", f"{free >> 30} GiB free")


def _builds() -> list[Check]:
    found = []
    for component in EFFECTS:
        for name, reason in registry.available(component).items():
            if name in CANDIDATES.get(component, ()):
                found.append(Check(f"{component} {name}", "ok", "usable") if reason is None else
                             Check(f"{component} {name}", "warning", reason, "the bot runs on Python alone"))  # fmt: skip
    if registry.cython_is_current("market_data") is False:
        found.append(
            Check(
                "cython extension",
                "failed",
                "built from other sources than those on disk",
                "run `make install`",
            )
        )
    build = registry.core_build()
    if build.up_to_date is False:
        found.append(Check("rust core", "failed", build.reason or "stale", "run `make install`"))
    elif build.info:
        found.append(
            Check("rust core", "ok", f"{build.info.get('profile')} build, {build.info.get('compiler')}")
        )
    return found


def _flags(settings: Settings) -> Check:
    file = flags_file(settings)
    if file.alarm:
        return Check("flags", "failed", file.alarm, "run `bot flags set <component> <stage>`")
    stages = ", ".join(f"{name} {file.current.flag(name).stage}" for name in EFFECTS)
    return Check("flags", "ok", stages)


async def _tried(name: str, work: Callable[[], Awaitable[str]]) -> Check:
    try:
        return Check(name, "ok", await work())
    except BotError as problem:
        return Check(name, "failed", str(problem), problem.do)


async def _database(settings: Settings) -> str:
    storage = Storage(settings, SystemClock(), settings.state_folder, _quiet)
    try:
        await storage.open()
        took = await storage.store.ping()
        return f"{settings.database.mode}, schema {storage.schema}, round trip {took * 1e3:.2f} ms"
    finally:
        await storage.close()


async def _venue(settings: Settings) -> list[Check]:
    try:
        venue = await connect(settings)
    except BotError as problem:
        return [Check("login", "failed", str(problem), problem.do)]
    try:
        checks = [Check("login", "ok", f"{venue.user} at {venue.addresses.rest}")]
        checks.append(await _tried("account", lambda: _account(settings, venue)))
        checks.append(await _tried("contracts", lambda: _contracts(venue)))
        if running(settings) is None:
            checks.append(await _tried("user hub", lambda: _hub(venue, "user")))
            checks.append(await _tried("market hub", lambda: _hub(venue, "market")))
        else:
            checks.append(Check("hubs", "ok", "a bot is running and holds them; see `bot status`"))
        return checks
    finally:
        await venue.close()


async def _account(settings: Settings, venue: Venue) -> str:
    account = choose_account(await venue.rest.accounts(), settings.accounts.default)
    kind = "practice" if is_practice(account.name) else "NOT practice"
    return f"{account.id} {account.name}, {kind}, {'can trade' if account.can_trade else 'CANNOT trade'}"


async def _contracts(venue: Venue) -> str:
    found = await venue.rest.contracts()
    differing = venue.contracts.mismatches()
    if differing:
        raise BotError("contracts", expected="the table of products", seen="; ".join(differing.values()),
                       do="no entries are taken in them; compare with the exchange")  # fmt: skip
    return f"{len(found)} active, all as in the table of products"


async def _hub(venue: Venue, hub: Hub) -> str:
    url = venue.addresses.user_hub if hub == "user" else venue.addresses.market_hub
    connection = HubConnection(
        hub, url, venue.session, venue.clock, lambda *_: None, lambda *_: None, tls=venue.tls
    )
    began = venue.clock.host_mono()
    await connection.start()
    try:
        while connection.state != "up":
            if venue.clock.host_mono() - began > 10 * SECOND:
                raise BotError(f"{hub} hub", expected="a connection within 10 s", seen=connection.state,
                               do="check the hub address and the network")  # fmt: skip
            await venue.clock.host_sleep(0.02)
        return f"connected in {(venue.clock.host_mono() - began) / 1e6:.0f} ms"
    finally:
        await connection.stop()


def _quiet(code: str, detail: str) -> None:
    """A self-check prints its own result; alarms of what it tried are part of it."""
    del code, detail
