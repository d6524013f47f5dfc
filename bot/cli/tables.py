"""How people see what commands answer."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from bot.cli.document import table

_SHIELDS = {"protected": "green", "protecting": "yellow", "unprotected": "red", "foreign": "magenta"}


def status(console: Console, data: dict[str, Any]) -> None:
    """State, reconciliation, hubs, budgets, strategies and shields in about ten lines."""
    account, state, reconciliation = data["account"], data["state"], data["reconciliation"]
    kind = "PAPER" if data["paper"] else "LIVE" if account["live"] else "PRACTICE"
    console.print(f"{kind}  account {account['id']} {account['name']}  balance {account['balance']} USD")
    console.print(f"state {state['state']} {state['reason']}".rstrip() + f"  venue time {data['venue_time']}")
    console.print(f"reconciliation {reconciliation['colour']} {reconciliation['reason']}".rstrip())
    console.print(
        "hubs "
        + ", ".join(f"{name} {hub['state']} (#{hub['generation']})" for name, hub in data["hubs"].items())
    )
    budget = data["budgets"]["general"]
    console.print(f"budget {budget['remaining']} of {budget['limit']} requests, {budget['waiting']} waiting")
    database = data["database"]
    console.print(f"database {'up' if database['available'] else 'DOWN'}, {database['waiting']} writes wait")
    for strategy in data["strategies"]:
        console.print(f"strategy {strategy['name']} {strategy['status']}")
    console.print(
        f"unknown intents {data['unknown_intents']}, longest unprotected {data['unprotected_longest_s']:.3f} s"
    )
    shadow = data["shadow"]
    console.print(f"shadow {shadow['component']} {shadow['stage']} {' '.join(shadow['candidates'])}".rstrip())
    for reason in data["health"]["reasons"]:
        console.print(f"[yellow]{reason}[/]")


def positions(console: Console, data: dict[str, Any]) -> None:
    rows = [
        (row["id"], row["symbol"], row["side"], row["quantity"], row["entry_price"], row["stop_loss"], row["take_profit"],
         row["unrealized_pnl"], _shield(row["shield"]), row["strategy"])
        for row in data["items"]
    ]  # fmt: skip
    columns = ("ID", "Symbol", "Side", "Quantity", "Price", "Stop", "TP", "P&L", "Shield", "Strategy")
    console.print(table(columns, rows) if rows else "no open position")
    _unreconciled(console, reconciled=data["reconciled"])


def orders(console: Console, data: dict[str, Any]) -> None:
    rows = [
        (row["id"], row["symbol"], row["side"], row["type"], f"{row['quantity']} ({row['filled']})",
         row["limit_price"] or row["stop_price"], row["status"], row["parent_id"], row["tag"])
        for row in data["items"]
    ]  # fmt: skip
    columns = ("ID", "Symbol", "Side", "Type", "Quantity", "Price", "Status", "Parent", "Tag")
    console.print(table(columns, rows) if rows else "no working order")
    _unreconciled(console, reconciled=data["complete"])


def flatten(console: Console, data: dict[str, Any]) -> None:
    word = (
        "[green]flat, verified at the venue[/]"
        if data["verified"]
        else "[red]NOT verified flat; it is being tried on[/]"
    )
    console.print(f"{data['scope']}: {word}")
    console.print(
        f"{len(data['cancelled'])} orders cancelled, {len(data['closed'])} positions closed, {data['attempts']} rounds"
    )
    for name in ("remaining_orders", "remaining_positions", "errors"):
        if data[name]:
            console.print(f"{name.replace('_', ' ')}: {', '.join(map(str, data[name]))}")


def flags(console: Console, data: dict[str, Any]) -> None:
    rows = [
        (row["component"], row["stage"], row["authority"], " ".join(row["candidates"]) or None, row["since"],
         row["evidence"], row["verdict"], row["next"])
        for row in data["components"]
    ]  # fmt: skip
    console.print(
        table(
            ("Component", "Stage", "Authority", "Candidates", "Since", "Evidence", "Verdict", "Next step"),
            rows,
        )
    )
    if data["alarm"]:
        console.print(f"[red]{data['alarm']}[/]")


def checks(console: Console, data: dict[str, Any]) -> None:
    marks = {"ok": "[green]ok[/]", "warning": "[yellow]note[/]", "failed": "[red]FAILED[/]"}
    console.print(table(("Check", "Result", "Seen", "What to do"),
                        [(row["check"], marks[row["result"]], row["seen"], row["do"] or None) for row in data["checks"]]))  # fmt: skip


def settings(console: Console, data: list[dict[str, Any]]) -> None:
    console.print(
        table(("Key", "Value", "From"), [(row["name"], row["value"], row["origin"]) for row in data])
    )


def _shield(state: str) -> str:
    return f"[{_SHIELDS.get(state, 'white')}]{state}[/]"


def _unreconciled(console: Console, *, reconciled: bool) -> None:
    if not reconciled:
        console.print("[yellow]not reconciled with the venue: this may be incomplete[/]")


def recording(console: Console, data: dict[str, Any]) -> None:
    """What was recorded, and the gaps in it."""
    frames = ", ".join(f"{count} of the {hub} hub" for hub, count in data["frames"].items())
    console.print(f"{data['seconds']:.1f} s recorded in {data['folder']}: {frames}")
    console.print(f"{data['bytes']} bytes of frames, {data['stored_bytes']} stored in {data['files']} files")
    console.print(f"{len(data['gaps'])} gaps; ended: {data['ended']}")
    for gap in data["gaps"]:
        console.print(f"[yellow]{gap['hub']} hub down at {gap['at']}: {gap['reason']}[/]")
