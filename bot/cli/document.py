"""What a command prints: one JSON document, or tables for people (bot.md §13.2)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from bot.model.errors import BotError
from bot.model.times import format_ts


class Document(msgspec.Struct, kw_only=True):
    """`{ok, command, account_id, as_of, data, warnings[], error{code,message,details}, elapsed_ms}`."""

    ok: bool
    command: str
    account_id: str | None = None
    as_of: str
    data: Any = None
    warnings: list[str] = []
    error: dict[str, Any] | None = None
    elapsed_ms: float = 0.0


class Printer:
    """Prints the outcome of one command, as JSON on stdout or as text; logs never come here."""

    def __init__(self, command: str, *, as_json: bool) -> None:
        self._command, self._as_json = command, as_json
        self._began = time.perf_counter()
        self.console = Console(soft_wrap=True)

    def result(
        self, data: Any, show: Callable[[Console, Any], None], *, account_id: int | None = None,
        warnings: Sequence[str] = (), exit_code: int = 0,
    ) -> int:  # fmt: skip
        """Print `data`, with `show` drawing it for people; returns the exit code."""
        if self._as_json:
            self._write(ok=exit_code == 0, data=data, account_id=account_id, warnings=list(warnings))
        else:
            show(self.console, data)
            for warning in warnings:
                self.console.print(f"[yellow]{warning}[/]")
        return exit_code

    def failure(self, problem: BotError) -> int:
        """Print an error that ends the command; returns its exit code."""
        if self._as_json:
            self._write(ok=False, error={"code": problem.code, "message": str(problem), "details": None})
        else:
            Console(stderr=True, soft_wrap=True).print(f"[red]{problem.code}[/] {problem}", highlight=False)
        return problem.exit_code

    def _write(
        self, *, ok: bool, data: Any = None, account_id: int | None = None,
        warnings: Sequence[str] = (), error: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        document = Document(
            ok=ok, command=self._command, account_id=None if account_id is None else str(account_id),
            as_of=format_ts(time.time_ns(), max_digits=3), data=data, warnings=list(warnings), error=error,
            elapsed_ms=round((time.perf_counter() - self._began) * 1e3, 3),
        )  # fmt: skip
        sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")
        sys.stdout.buffer.flush()


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> Table:
    """A plain table; None is shown as a dash, never as 0. What is too long for its column goes on below."""
    drawn = Table(title=title or None, box=None, header_style="bold", title_justify="left", pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*("-" if value is None else str(value) for value in row))
    return drawn
