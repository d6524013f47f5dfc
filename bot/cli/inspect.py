"""`bot paper --inspect`: what a running paper gateway knows, live on a screen or once (`--once`)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from bot.cli.document import table
from bot.model.errors import BotError, ProtocolError
from bot.paper.server import ANNOUNCEMENT

REFRESH_S = 1.0
TIMEOUT_S = 5.0
PIPE_WIDTH = 180
"""Columns where no terminal says how many there are."""

STATUSES = {1: "open", 6: "pending", 7: "cancelling", 8: "suspended"}
TYPES = {1: "limit", 2: "market", 3: "stop limit", 4: "stop", 5: "trailing", 6: "join bid", 7: "join ask"}


class NoRunningGateway(BotError):
    """There is no paper gateway to look at."""

    code = "NO_RUNNING_GATEWAY"
    exit_code = 13


class _Announced(msgspec.Struct):
    control_url: str
    control_token: str
    pid: int


async def inspect(folder: Path, console: Console, *, once: bool) -> int:
    """Show the gateway of a state folder until interrupted, or one frame.

    Raises NoRunningGateway when none runs or the shown one ends, ProtocolError for an answer that is no overview.
    """
    found = announced(folder)
    if not console.is_terminal:
        console = Console(file=console.file, width=PIPE_WIDTH)
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {found.control_token}"},
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        trust_env=False,
    ) as session:
        frame = screen(await _overview(session, found))
        if once:
            console.print(frame)
            return 0
        with Live(frame, console=console, auto_refresh=False, screen=console.is_terminal) as live:
            while True:
                await asyncio.sleep(REFRESH_S)
                live.update(screen(await _overview(session, found)), refresh=True)


def announced(folder: Path) -> _Announced:
    """The addresses that the gateway of a state folder wrote. Raises NoRunningGateway, ProtocolError."""
    path = folder / ANNOUNCEMENT
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Announced)
    except FileNotFoundError as problem:
        raise NoRunningGateway(
            "bot paper --inspect", expected="a running paper gateway", seen=f"no {path}",
            do="start one with `bot paper`, or name its folder with --state",
        ) from problem  # fmt: skip
    except msgspec.MsgspecError as problem:
        raise ProtocolError(
            f"announcement {path}",
            expected="control_url, control_token and pid",
            seen=str(problem),
            do="start the gateway again",
        ) from problem


async def _overview(session: aiohttp.ClientSession, found: _Announced) -> dict[str, Any]:
    try:
        async with session.get(f"{found.control_url}/paper/overview", allow_redirects=False) as answer:
            status, body = answer.status, await answer.read()
    except (aiohttp.ClientError, TimeoutError) as problem:
        raise NoRunningGateway(
            f"paper gateway (process {found.pid})", expected=f"an answer at {found.control_url}",
            seen=type(problem).__name__, do="start it again; its announcement is left from an earlier run",
        ) from problem  # fmt: skip
    if status != 200:
        raise ProtocolError(
            "paper gateway",
            expected="its overview",
            seen=f"HTTP {status}",
            do="use the bot of the same version",
        )
    overview: dict[str, Any] = msgspec.json.decode(body)
    return overview


def screen(found: Mapping[str, Any]) -> Group:
    """One frame."""
    return Group(
        Text(f"{found['venue_time']}   venue time"),
        Panel(_prices(found["prices"]), title="Prices", title_align="left"),
        Panel(_accounts(found["accounts"]), title="Accounts", title_align="left"),
        Panel(_positions(found["positions"]), title="Positions", title_align="left"),
        Panel(_orders(found["orders"]), title="Working orders", title_align="left"),
        Panel(_faults(found["faults"]), title="Faults", title_align="left"),
        Panel(_judge(found["judge"]), title="Judge", title_align="left"),
        Panel(_requests(found["requests"]), title="Last requests", title_align="left"),
    )


def _prices(rows: list[Mapping[str, Any]]) -> Any:
    return table(
        ("Contract", "Bid", "Ask", "Last", "Trading", "Band"),
        [
            (row["contract_id"], row["bid"], row["ask"], row["last"],
             row["stopped"] or ("open" if row["open"] else "closed"),
             None if row["band"] is None else " to ".join(str(bound or "-") for bound in row["band"]))
            for row in rows
        ],
    )  # fmt: skip


def _accounts(rows: list[Mapping[str, Any]]) -> Any:
    return table(
        ("Account", "Name", "Balance", "Equity", "Floor", "Day", "DLL", "Minis", "Profit/target", "Best day", "Days",
         "Winning", "State"),
        [
            (row["id"], row["name"], _money(row["balance"]), _money(row["equity"]), _money(row["floor"]),
             _money(row["day_result"]), _money(row["dll"]), row["max_tenths"] / 10,
             f"{_money(row['profit'])}/{_money(row['profit_target']) or '-'}",
             None if row["consistency"] is None else f"{row['consistency']} %", row["days_traded"],
             row["winning_days"], _state(row))
            for row in rows
        ],
    )  # fmt: skip


def _state(row: Mapping[str, Any]) -> str:
    for name in ("breached", "closed", "locked", "passed"):
        if row[name]:
            return name
    return "open"


def _positions(rows: list[Mapping[str, Any]]) -> Any:
    if not rows:
        return Text("flat")
    return table(
        ("Account", "Contract", "Side", "Size", "Average", "Open result", "Stop"),
        [
            (row["account"], row["contract_id"], row["side"], row["size"], row["average"], _money(row["open_result"]),
             "protected" if row["protected"] else f"UNPROTECTED for {row['unprotected_s']:.1f} s")
            for row in rows
        ],
    )  # fmt: skip


def _orders(rows: list[Mapping[str, Any]]) -> Any:
    if not rows:
        return Text("none")
    return table(
        ("Order", "Account", "Contract", "Side", "Type", "Size", "Limit", "Stop", "Status", "Parent", "Tag"),
        [
            (row["id"], row["account"], row["contract_id"], row["side"], TYPES.get(row["type"], row["type"]),
             f"{row['size']} ({row['filled']})", row["limit"], row["stop"],
             STATUSES.get(row["status"], row["status"]), row["parent"], row["tag"])
            for row in rows
        ],
    )  # fmt: skip


def _faults(rows: list[Mapping[str, Any]]) -> Any:
    if not rows:
        return Text("none armed")
    return table(
        ("Id", "Fault", "What it needs"),
        [
            (row["id"], row["fault"],
             " ".join(f"{name}={value}" for name, value in row.items() if name not in ("id", "fault", "armed_at")))
            for row in rows
        ],
    )  # fmt: skip


def _judge(found: Mapping[str, Any]) -> Any:
    figures = Text(
        f"{found['requests']} requests ({found['rate_limited']} above the limit), {found['orders']} orders, "
        f"{found['refused_orders']} refused, {found['fills']} fills, {found['trades']} round turns, "
        f"net {_money(found['net_pnl'])} USD, {found['duplicate_orders']} duplicates, "
        f"longest unprotected {found['unprotected_longest_s']:.3f} s"
    )
    broken = [Text(text, style="red") for text in found["violations"][-8:]]
    return Group(figures, *(broken or [Text("no violation")]))


def _requests(rows: list[Mapping[str, Any]]) -> Any:
    if not rows:
        return Text("none")
    return table(
        ("Request", "Path", "HTTP", "Code", "Order", "Fault"),
        [
            (row["id"], row["path"], row["status"], row.get("code", -1) if row.get("code", -1) >= 0 else None,
             row.get("order"), row.get("fault") or None)
            for row in rows
        ],
    )  # fmt: skip


def _money(micros: int | None) -> str | None:
    """Dollars with cents."""
    return None if micros is None else f"{micros / 1e6:,.2f}"
