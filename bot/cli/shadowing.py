"""`bot flags …` and `bot shadow …`: stages, evidence, reports. Works with and without a running bot."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from bot.accelerated import registry
from bot.cli import tables
from bot.cli.document import Printer
from bot.clock import Clock, SystemClock
from bot.config.settings import Settings
from bot.migration.flags import FlagsFile
from bot.migration.places import evidence_path, flags_path, journal_folder
from bot.migration.stages import CANDIDATES, EFFECTS, STAGES, Flag, known_component
from bot.model.errors import BotError, UsageError
from shadow import render_html, render_text
from shadow.evidence import Evidence
from shadow.gate import Authority
from shadow.report import build
from shadow.supervisor import Worker

PERFORMANCE = Path("var/perf/latest.json")


class NoEvidence(BotError):
    """There is nothing to report on."""

    code = "NO_EVIDENCE"
    exit_code = 13


def make_worker(journal: Path, evidence: Path, clock: Clock, candidates: Sequence[str]) -> Worker:
    """What the composition root hands to the application."""
    return Worker(journal, evidence, clock, candidates)


def flags_file(settings: Settings) -> FlagsFile:
    return FlagsFile(flags_path(settings.state_folder), SystemClock())


async def flags(settings: Settings, printer: Printer) -> int:
    """One row per component."""
    file = flags_file(settings)
    report = (
        report_of(evidence_path(settings.state_folder), file)
        if evidence_path(settings.state_folder).exists()
        else None
    )
    rows = [_row(name, file, report) for name in EFFECTS]
    return printer.result(
        {"components": rows, "epoch": file.current.epoch, "alarm": file.alarm}, tables.flags
    )


class Change(msgspec.Struct, frozen=True):
    """What `bot flags set` was asked for; `candidates` None = all that are built."""

    component: str
    stage: str
    candidates: str | None = None
    slice: str | None = None
    reason: str = ""
    override: bool = False


async def set_flag(settings: Settings, printer: Printer, change: Change) -> int:
    """Written to the watched file; a running bot follows within a second. Exit 7 without a passed gate."""
    component = known_component(change.component)
    wanted = next((known for known in STAGES if known == change.stage), None)
    if wanted is None:
        raise UsageError(
            "stage", expected=f"one of {', '.join(STAGES)}", seen=change.stage, do="see `bot flags`"
        )
    if change.candidates is not None:
        named = tuple(name.strip() for name in change.candidates.split(",") if name.strip())
    else:
        named = () if wanted == "off" else built(component)
    file = flags_file(settings)
    row = file.set(
        component, Flag(wanted, named, change.slice), who=getpass.getuser(), reason=change.reason, override=change.override,
        gate=_gate(settings, file, component, named), builds=builds(),
    )  # fmt: skip
    data = msgspec.to_builtins(row)

    def show(console: Console, _: Any) -> None:
        console.print(
            f"{component}: {row.before.stage} -> {row.after.stage} {' '.join(row.after.candidates)}".rstrip()
        )

    return printer.result(data, show)


async def report(settings: Settings, printer: Printer, html: Path | None, evidence: Path | None) -> int:
    """Terminal by default, `--json`, or a self-contained page."""
    path = evidence or evidence_path(settings.state_folder)
    if not path.exists():
        raise NoEvidence(
            "evidence",
            expected=str(path),
            seen="no such file",
            do="`bot flags set market_data shadow`, then run the bot",
        )
    data = report_of(path, flags_file(settings))
    if html is not None:
        render_html.write(data, html)

    def show(console: Console, seen: Mapping[str, Any]) -> None:
        console.print(render_text.render(seen))
        if html is not None:
            console.print(f"page: {html}")

    return printer.result(data, show)


async def pause(settings: Settings, printer: Printer, *, paused: bool) -> int:
    worker = Worker(
        journal_folder(settings.state_folder), evidence_path(settings.state_folder), SystemClock()
    )
    (worker.pause if paused else worker.resume)()
    return printer.result(
        {"paused": paused}, lambda console, _: console.print("paused" if paused else "resumed")
    )


def built(component: str) -> tuple[str, ...]:
    """The candidates of a component that can be used here, in the order of preference."""
    reasons = registry.available(component)
    return tuple(name for name in CANDIDATES.get(component, ()) if reasons.get(name) is None)


def builds() -> dict[str, str]:
    """What the audit row says of the compiled parts."""
    return {"rust": str(registry.core_build().info.get("source_hash", "absent"))}


def report_of(path: Path, file: FlagsFile) -> dict[str, Any]:
    """The report over an evidence file."""
    evidence = Evidence(path, read_only=True)
    try:
        return build(
            evidence, now_ns=SystemClock().host_now(), flags={name: file.current.flag(name) for name in EFFECTS},
            audit=file.audit(), authority=Authority.measured(PERFORMANCE), alarm=file.alarm,
        )  # fmt: skip
    finally:
        evidence.close()


def _row(component: str, file: FlagsFile, report: Mapping[str, Any] | None) -> dict[str, Any]:
    flag = file.current.flag(component)
    changed = next(
        (row for row in reversed(file.audit(1000)) if row.component == component and row.result == "changed"),
        None,
    )
    found = next((c for c in report["components"] if c["component"] == component), None) if report else None
    judged = found["candidates"] if found else []
    missing = [wanted for candidate in judged for wanted in candidate["gate"]["missing"][:1]]
    return {
        "component": component, "stage": flag.stage, "authority": "python", "candidates": list(flag.candidates),
        "since": changed.at if changed else None,
        "evidence": ", ".join(f"{c['candidate']} {c['gate']['episodes']} episodes" for c in judged) or None,
        "verdict": found["sentence"] if judged and found else None,
        "next": missing[0] if missing else "bot flags set " + component + " shadow" if CANDIDATES.get(component) and
        flag.stage == "off" else None,
    }  # fmt: skip


def _gate(settings: Settings, file: FlagsFile, component: str, candidates: Sequence[str]) -> dict[str, Any]:
    if not evidence_path(settings.state_folder).exists():
        return {"passed": False, "missing": ["no evidence yet"]}
    found = next(
        c
        for c in report_of(evidence_path(settings.state_folder), file)["components"]
        if c["component"] == component
    )
    judged = [c["gate"] for c in found["candidates"] if c["candidate"] in candidates]
    if not judged:
        return {"passed": False, "missing": ["no evidence of this candidate"]}
    return {
        "passed": all(gate["passed"] for gate in judged),
        "missing": [wanted for gate in judged for wanted in gate["missing"]],
    }  # fmt: skip
