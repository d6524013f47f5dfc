"""What a rehearsal came to: the judge's figures, the bot's trades, the verdict per candidate."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from bot.cli.document import table
from bot.cli.shadowing import flags_file, report_of
from bot.config.settings import load
from bot.migration.places import evidence_path
from bot.migration.stages import EFFECTS
from shadow import render_html

FOUND = 11
NAKED_LIMIT_S = 5.0
"""Venue seconds without a working stop beyond which the standing assertion is broken."""
TAG = "TB2-overnight_range-"


def build(
    folder: Path, seed: int, verdict: Mapping[str, Any], ledger: Mapping[str, Any], status: Mapping[str, Any],
    ready_s: float, *, breakout_due: bool,
) -> dict[str, Any]:  # fmt: skip
    """The summary; `ok` says that the judge found nothing and, where one was due, that a breakout entry was lived through."""
    report = _report(folder)
    breakouts = lived_through(ledger)
    problems = [
        *verdict["violations"],
        *([f"{verdict['duplicate_orders']} duplicate orders"] if verdict["duplicate_orders"] else []),
        *([f"unprotected for {verdict['unprotected_longest_s']:.3f} s"]
          if verdict["unprotected_longest_s"] > NAKED_LIMIT_S else []),
        *([f"{verdict['rate_limited']} requests above the venue's rate limit"] if verdict["rate_limited"] else []),
        *([f"{status['unknown_intents']} intents of unknown outcome"] if status["unknown_intents"] else []),
        *([] if breakouts or not breakout_due else ["no breakout entry was filled, protected and moved to breakeven or out"]),
        *(["the bot's trades are not the venue's"] if _differs(status, verdict) else []),
    ]  # fmt: skip
    return {
        "ok": not problems, "problems": problems, "seed": seed, "trades": verdict["trades"], "fills": verdict["fills"],
        "net_pnl": verdict["net_pnl"] / 1e6, "messages": status["records"],
        "unprotected_longest_s": verdict["unprotected_longest_s"], "duplicate_orders": verdict["duplicate_orders"],
        "unknown_open": status["unknown_intents"], "rate_limited": verdict["rate_limited"],
        "open_positions": verdict["open_positions"], "working_orders": verdict["working_orders"],
        "ready_s": round(ready_s, 2), "trade_list": status["trades"], "breakouts": breakouts,
        "frame": status["frame"], "components": _components(report, status), "shadow_tax": _tax(report, status),
        "report": None if report is None else str(folder / "report.html"),
        "sentences": sentences(report), "folder": str(folder),
    }  # fmt: skip


def lived_through(ledger: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Breakout entries that were filled and whose stop then moved, or that were closed, by the venue's own rows."""
    orders = {row["id"]: row for row in ledger["orders"]}
    found = []
    for entry in orders.values():
        if entry["status"] != 2 or not str(entry.get("tag", "")).startswith(TAG) or entry.get("parent"):
            continue
        legs = [row for row in orders.values() if row.get("parent") == entry["id"]]
        stop = next((row for row in legs if row["type"] == 4), None)
        if stop is None or "stop" not in stop:
            continue
        moved = stop["stop"] != entry["cost"] // entry["filled"] + stop["offset"]
        out = next((row for row in legs if row["status"] == 2), None)
        if moved or out is not None:
            found.append({
                "contract_id": entry["contract"], "side": "buy" if entry["side"] == 0 else "sell", "tag": entry["tag"],
                "stop_moved": moved, "exit": None if out is None else "stop" if out is stop else "target",
            })  # fmt: skip
    return found


def sentences(report: Mapping[str, Any] | None) -> list[str]:
    """One line per candidate."""
    return [
        f"{component['component']}/{candidate['candidate']}: {candidate['sentence']}"
        for component in (report["components"] if report else ())
        for candidate in component["candidates"]
    ]


def write(folder: Path, summary: Mapping[str, Any]) -> None:
    """`summary.json`, and `latest` beside the runs pointing to this one."""
    (folder / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
    latest = folder.parent / "latest"
    draft = folder.parent / f".latest-{os.getpid()}"
    draft.unlink(missing_ok=True)
    draft.symlink_to(folder.name)
    draft.replace(latest)


def show(console: Console, summary: Mapping[str, Any]) -> None:
    """The closing lines of a rehearsal."""
    rows = [
        (trade["symbol"], trade["side"], trade["quantity"], trade["entry_price"], trade["exit_price"], trade["net_pnl"],
         trade["exit_time"])
        for trade in summary["trade_list"]
    ]  # fmt: skip
    if rows:
        console.print(
            table(("Symbol", "Side", "Size", "Entry", "Exit", "Net P&L", "Closed"), rows, title="Trades")
        )
    console.print(
        f"{summary['trades']} trades, {summary['fills']} fills, net {summary['net_pnl']:.2f} USD, "
        f"{summary['open_positions']} positions open with their stops"
    )
    for breakout in summary["breakouts"]:
        how = " and ".join(
            ([f"out by {breakout['exit']}"] if breakout["exit"] else [])
            + (["stop moved"] if breakout["stop_moved"] else [])
        )
        console.print(f"breakout {breakout['contract_id']} {breakout['side']}: filled, protected, {how}")
    console.print(
        f"longest unprotected {summary['unprotected_longest_s']:.3f} s of venue time (the gateway's judge), "
        f"duplicate orders {summary['duplicate_orders']}, unknown {summary['unknown_open']}"
    )
    console.print(f"{summary['messages']} hub messages handled, ready after {summary['ready_s']} s")
    for sentence in summary["sentences"]:
        console.print(sentence)
    if summary["report"]:
        console.print(f"report: {summary['report']}", soft_wrap=True)
    else:
        console.print("no shadow: no candidate is built here, the bot ran on Python alone")
    for problem in summary["problems"]:
        console.print(f"[red]{problem}[/]")
    console.print("[green]the judge found nothing wrong[/]" if summary["ok"] else "[red]not ok[/]")


def _report(folder: Path) -> dict[str, Any] | None:
    settings = load([folder / "bot.toml"], env={})
    evidence = evidence_path(settings.state_folder)
    if not evidence.exists():
        return None
    report = report_of(evidence, flags_file(settings))
    render_html.write(report, folder / "report.html")
    (folder / "report.json").write_bytes(msgspec.json.encode(report))
    return report


def _components(report: Mapping[str, Any] | None, status: Mapping[str, Any]) -> dict[str, Any]:
    shadow = status["shadow"]
    found: dict[str, Any] = {
        name: {
            "stage": shadow["stage"] if name == shadow["component"] else "off",
            "authority": "python",
            "candidates": {},
        }
        for name in EFFECTS
    }
    for component in report["components"] if report else ():
        for candidate in component["candidates"]:
            outcomes, gate = candidate["outcomes"], candidate["gate"]
            theirs, ours = (
                candidate["latency"]["candidate"]["summary"],
                candidate["latency"]["control"]["summary"],
            )
            found[component["component"]]["candidates"][candidate["candidate"]] = {
                "episodes": gate["episodes"], "calls": candidate["calls"], "match": outcomes["MATCH"],
                "mismatch": outcomes["MISMATCH"], "dropped": outcomes["DROPPED"], "outcomes": outcomes,
                "verdict": candidate["sentence"], "passed": gate["passed"], "speedup": gate["speedup"],
                **{f"p{q}_ns": theirs[f"p{q}_ns"] for q in ("50", "95", "99")},
                **{f"authority_p{q}_ns": ours[f"p{q}_ns"] for q in ("50", "95", "99")},
            }  # fmt: skip
    return found


def _tax(report: Mapping[str, Any] | None, status: Mapping[str, Any]) -> dict[str, Any]:
    journal = status["shadow"]["journal"]
    component = (
        next((c for c in report["components"] if c["component"] == "market_data"), None) if report else None
    )
    return {
        "caller_p50_ns": component["tax_ns"] if component else None,
        "writer_cpu_ns": component["writer_ns"] if component else None,
        "calls": journal["calls"], "dropped": journal["dropped"],
    }  # fmt: skip


def _differs(status: Mapping[str, Any], verdict: Mapping[str, Any]) -> bool:
    return bool(len(status["trades"]) > verdict["trades"])
