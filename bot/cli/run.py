"""`bot run`: the application in the foreground, with a prompt when there is a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console

from bot.app.application import Application
from bot.app.operations import BotOperations
from bot.cli import tables
from bot.cli.shadowing import make_worker
from bot.config.settings import Settings
from bot.logs import Logging, Redactor
from bot.model.errors import BotError

COMMANDS = ("status", "positions", "orders", "flatten", "help", "quit")


async def run(settings: Settings, *, verbose: bool) -> int:
    """Start, serve until a signal or `quit`, stop in order."""
    redactor = Redactor(settings.secrets())
    Logging(
        settings.state_folder / settings.log.file, redactor, level=settings.log.level,
        console_level="INFO" if verbose else "WARNING",
    )  # fmt: skip
    console = Console(stderr=True)
    application = Application(settings, make_worker, secret=redactor.add)
    _signals(application)
    if not await application.start_or_stop():
        return 130
    account = application.account
    console.print(f"account {account.id} {account.name}, balance {account.balance / 1e6:,.2f}")
    for warning in settings.warnings:
        console.print(f"[yellow]{warning}[/]")
    console.print("contracts " + ", ".join(contract.id for contract in application.contracts))
    console.print("start " + ", ".join(f"{name} {ms:.0f} ms" for name, ms in application.steps))
    prompt = asyncio.create_task(_prompt(application)) if sys.stdin.isatty() else None
    try:
        await application.wait()
    finally:
        if prompt is not None:
            prompt.cancel()
        await application.stop()
    return 0


def _signals(application: Application) -> None:
    def stop() -> None:
        if application.stopping.is_set():
            os._exit(130)
        application.stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)


async def _prompt(application: Application) -> None:
    operations, console = BotOperations(application), Console()
    session: PromptSession[str] = PromptSession("bot> ", completer=WordCompleter(COMMANDS))
    with patch_stdout():
        while not application.stopping.is_set():
            try:
                words = (await session.prompt_async()).split()
            except (EOFError, KeyboardInterrupt):
                words = ["quit"]
            with contextlib.suppress(BotError):
                await _obey(application, operations, console, session, words)


async def _obey(
    application: Application,
    operations: BotOperations,
    console: Console,
    session: PromptSession[str],
    words: list[str],
) -> None:
    match [word.lower() for word in words]:
        case []:
            return
        case ["status"]:
            tables.status(console, operations.status())
        case ["positions"]:
            tables.positions(console, operations.positions(None))
        case ["orders"]:
            tables.orders(console, operations.orders(None, everything=False))
        case ["flatten", *rest]:
            account = application.account
            if (
                await session.prompt_async(f"flatten account {account.id} {account.name}? [y/N] ")
            ).lower() == "y":
                tables.flatten(console, await operations.flatten(None, rest[0] if rest else None, halt=False))
        case ["quit" | "q" | "exit"]:
            application.stopping.set()
        case _:
            console.print("commands: " + ", ".join(COMMANDS))
