"""The report on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from shadow.outcomes import FAULTS


def show(report: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the report."""
    (console or Console()).print(render(report))


def render(report: Mapping[str, Any]) -> RenderableType:
    """The report as one renderable: the verdict first."""
    parts: list[RenderableType] = [_verdict(report)]
    parts += [Text(f"! {alarm}", style="bold red") for alarm in report["alarms"]]
    for component in report["components"]:
        for candidate in component["candidates"]:
            parts += _candidate(component, candidate)
    parts.append(_targets(report))
    if report["audit"]:
        parts.append(_audit(report))
    parts.append(Text(_footer(report), style="dim"))
    return Group(*parts)


def _verdict(report: Mapping[str, Any]) -> Panel:
    lines = Text()
    for component in report["components"]:
        passed = any(c["gate"]["passed"] for c in component["candidates"])
        style = "bold green" if passed else "bold" if component["candidates"] else "dim"
        lines.append(component["sentence"] + "\n", style=style)
    lines.rstrip()
    return Panel(lines, title="Shadow report", subtitle=report["generated"], border_style="cyan")


def _candidate(component: Mapping[str, Any], candidate: Mapping[str, Any]) -> list[RenderableType]:
    gate = candidate["gate"]
    head = f"{component['component']} / {candidate['candidate']}  build {candidate['build']} (number {candidate['ordinal']})"
    outcomes = Text(f"\n{head}\n", style="bold cyan")
    for name, n in candidate["outcomes"].items():
        style = "dim" if not n else "red" if name in FAULTS else "green" if name == "MATCH" else "yellow"
        outcomes.append(f"{name.replace('_', ' ')} {n:,}   ", style=style)
    latency = Table("trade calls, warm", "p50", "p99", "p99.9", "max", "samples")
    for who in ("candidate", "control", "bot"):
        summary = candidate["latency"][who]["summary"]
        figures = (summary[key] for key in ("p50_ns", "p99_ns", "p999_ns", "max_ns"))
        latency.add_row(_who(who), *map(nanoseconds, figures), f"{summary['count']:,}")
    strata = Table("stratum", "episodes", "rehearsed", "live", "differences")
    for row in candidate["strata"]:
        strata.add_row(
            row["stratum"], *(f"{row[key]:,}" for key in ("episodes", "rehearsed", "live", "faults"))
        )
    parts: list[RenderableType] = [outcomes, latency, strata]
    if candidate["signatures"]:
        signatures = Table(
            "signature", "times", "expected", "seen", "first call", "fixture", title="Differences"
        )
        for row in candidate["signatures"][:10]:
            signatures.add_row(
                row["signature"],
                f"{row['n']:,}",
                row["expected"],
                row["seen"],
                str(row["seq"]),
                row["fixture"],
            )
        parts.append(signatures)
    missing = "passed" if gate["passed"] else "; ".join(gate["missing"])
    parts.append(Text(f"gate: {missing}", style="green" if gate["passed"] else "yellow"))
    if gate["estimate"]:
        parts.append(Text(gate["estimate"], style="dim"))
    if candidate["strata_unseen"]:
        first = ", ".join(candidate["strata_unseen"][:4])
        parts.append(Text(f"{len(candidate['strata_unseen'])} strata never seen: {first} …", style="dim"))
    return parts


def _targets(report: Mapping[str, Any]) -> Table:
    table = Table("target of the migration", "wanted", "measured", "met")
    for row in report["targets"]:
        met = {True: "yes", False: "no", None: "–"}[row["met"]]
        table.add_row(row["what"], row["target"], row["measured"], met)
    return table


def _audit(report: Mapping[str, Any]) -> Table:
    table = Table("when", "who", "component", "from", "to", "reason", "result", title="Flags")
    for row in report["audit"][-10:]:
        reason = f"{row['reason']} (override)" if row["override"] else row["reason"]
        table.add_row(
            row["at"],
            row["who"],
            row["component"],
            row["before"]["stage"],
            row["after"]["stage"],
            reason,
            row["result"],
        )
    return table


def _footer(report: Mapping[str, Any]) -> str:
    journal = report["journal"]
    written = f"journal: {journal.get('calls', 0):,} calls, {journal.get('dropped', 0):,} dropped"
    debts = len(report["ignore_debts"])
    return f"{written}, {journal.get('bytes', 0):,} bytes · ignore debts: {debts or 'none'}"


def _who(name: str) -> str:
    return {
        "candidate": "candidate, as called",
        "control": "Python, beside it",
        "bot": "Python, inside the bot",
    }[name]


def nanoseconds(value: int | None) -> str:
    """A duration for people."""
    if value is None:
        return "–"
    if value < 1000:
        return f"{value} ns"
    return f"{value / 1e3:.1f} µs" if value < 1_000_000 else f"{value / 1e6:.2f} ms"
