"""One-shot commands: through the running bot when there is one, else straight to the venue (bot.md §2.2)."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from bot.app.application import Application
from bot.app.operations import BotOperations
from bot.app.venue import Venue, addresses_of, choose_account, connect
from bot.app.views import order_view, stamp, venue_position_view
from bot.cli import tables
from bot.cli.document import Printer
from bot.cli.remote import RemoteBot
from bot.config.settings import Settings
from bot.config.show import show
from bot.model.errors import AccountLocked, BotError, UsageError
from bot.model.orders import Account
from bot.paper.option_values import read_options
from bot.servers.announcement import Announcement, find
from bot.trading.lease import lock_folder

NOT_VERIFIED = 11


class NoRunningBot(BotError):
    """The command asks a running bot and there is none."""

    code = "NO_RUNNING_BOT"
    exit_code = 13


def running(settings: Settings) -> Announcement | None:
    """The running bot of the configured venue user."""
    if not settings.auth.username:
        return None
    return find(lock_folder(), addresses_of(settings).rest, settings.auth.username)


async def status(settings: Settings, printer: Printer) -> int:
    found = running(settings)
    if found is None:
        raise NoRunningBot(
            "status", expected="a running bot of this venue user", seen="none", do="start it with `bot run`"
        )
    data = await RemoteBot(found).call("GET", "/api/status")
    return printer.result(data, tables.status, account_id=int(data["account"]["id"]))


async def positions(settings: Settings, printer: Printer) -> int:
    found = running(settings)
    if found is not None:
        data = await RemoteBot(found).call("GET", f"/api/positions?{_query(settings)}")
        return printer.result(data, tables.positions, account_id=_account_id(settings, found))
    async with _venue(settings) as (venue, account):
        await venue.rest.contracts()
        rows = await venue.rest.positions(account.id)
        items = [venue_position_view(row, venue.contracts.get(row.contract_id)) for row in rows]
        data = {"items": items, "as_of": stamp(venue.clock.now()), "reconciled": True}
    return printer.result(data, tables.positions, account_id=account.id, warnings=[_DIRECT])


async def orders(settings: Settings, printer: Printer, *, everything: bool) -> int:
    found = running(settings)
    if found is not None:
        data = await RemoteBot(found).call(
            "GET", f"/api/orders?{_query(settings, all='1' if everything else '0')}"
        )
        return printer.result(data, tables.orders, account_id=_account_id(settings, found))
    async with _venue(settings) as (venue, account):
        await venue.rest.contracts()
        working = await venue.rest.open_orders(account.id)
        rows = list(working.orders)
        items = [order_view(order, venue.contracts.get(order.contract_id)) for order in rows]
        data = {"items": items, "complete": working.complete, "as_of": stamp(venue.clock.now())}
    return printer.result(data, tables.orders, account_id=account.id, warnings=[_DIRECT])


async def flatten(
    settings: Settings, printer: Printer, symbol: str | None, *, yes: bool, halt: bool, allow_live: bool
) -> int:
    """Exit 0 only if verified, else 11."""
    found = running(settings)
    target = f"account {_account_id(settings, found) or 'by default'}" + (
        f", {symbol} only" if symbol else ""
    )
    if not yes and not _agreed(f"flatten {target}? [y/N] "):
        raise UsageError(
            "flatten", expected="y, or --yes where nobody can be asked", seen="no", do="nothing was done"
        )
    if found is not None:
        body = {"account_id": settings.accounts.default, "symbol": symbol, "halt": halt}
        data = await RemoteBot(found, 180).call("POST", "/api/positions/flatten", body)
        return printer.result(data, tables.flatten, exit_code=0 if data["verified"] else NOT_VERIFIED)
    application = Application(settings, serve=False, trade=False)
    try:
        await application.start()
    except AccountLocked as problem:
        raise AccountLocked(
            str(problem), expected="its API", seen="none that answers", do="look at that process, or stop it"
        ) from problem
    try:
        data = await BotOperations(application).flatten(None, symbol, halt=halt, allow_live=allow_live)
    finally:
        await application.stop()
    return printer.result(data, tables.flatten, exit_code=0 if data["verified"] else NOT_VERIFIED)


async def config_show(settings: Settings, printer: Printer) -> int:
    return printer.result(show(settings), tables.settings, warnings=settings.warnings)


async def config_check(settings: Settings, printer: Printer) -> int:
    read_options(settings.paper.options)
    return printer.result(
        {"valid": True, "warnings": list(settings.warnings)}, lambda console, _: console.print("configuration is valid"),
        warnings=settings.warnings,
    )  # fmt: skip


_DIRECT = "no bot is running: read from the venue directly"


@asynccontextmanager
async def _venue(settings: Settings) -> AsyncIterator[tuple[Venue, Account]]:
    venue = await connect(settings)
    try:
        yield venue, choose_account(await venue.rest.accounts(), settings.accounts.default)
    finally:
        await venue.close()


def _account_id(settings: Settings, found: Announcement | None) -> int | None:
    if settings.accounts.default is not None or found is None:
        return settings.accounts.default
    return found.accounts[0]


def _query(settings: Settings, **more: Any) -> str:
    account = settings.accounts.default
    return urlencode({**({} if account is None else {"account_id": account}), **more})


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    return input(question).strip().lower() in {"y", "yes"}
