"""The report as one self-contained HTML file: no script, no font and no host but itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from shadow.curves import latency_curves
from shadow.outcomes import FAULTS
from shadow.render_text import nanoseconds

_CSS = Path(__file__).with_name("report.css")


def write(report: Mapping[str, Any], path: Path) -> None:
    """Write the file, replacing an older one as a whole."""
    fresh = path.with_name(f".{path.name}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh.write_text(render(report), encoding="utf-8")
    fresh.replace(path)


def render(report: Mapping[str, Any]) -> str:
    """The whole document."""
    judged = [c for c in report["components"] if c["candidates"]] or report["components"][:1]
    others = [c for c in report["components"] if c not in judged]
    body = [
        f'<header><div class="when">Shadow report · {escape(report["generated"])}</div>',
        *(f"<h1>{escape(sentence)}</h1>" for c in judged for sentence in _sentences(c)),
        *(f'<div class="alarm">{escape(alarm)}</div>' for alarm in report["alarms"]),
        '<ul class="sentences">',
        *(f"<li>{escape(c['sentence'])}</li>" for c in others),
        "</ul></header>",
    ]
    for component in report["components"]:
        body += [_candidate(component, candidate) for candidate in component["candidates"]]
    body += [_debts(report), _targets(report), _sessions(report), _audit(report), _footer(report)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Shadow report</title><style>{_CSS.read_text(encoding='utf-8')}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _sentences(component: Mapping[str, Any]) -> list[str]:
    name = component["component"]
    return [f"{name}/{c['candidate']}: {c['sentence']}" for c in component["candidates"]] or [
        component["sentence"]
    ]


def _candidate(component: Mapping[str, Any], candidate: Mapping[str, Any]) -> str:
    name = f"{component['component']} · {candidate['candidate']}"
    cards = [
        _summary(component, candidate),
        _gate(candidate["gate"]),
        _outcomes(candidate),
        _latency(candidate),
        _strata(candidate),
        _signatures(candidate),
    ]
    return f'<section><h2>{escape(name)}</h2><div class="grid">{"".join(cards)}</div></section>'


def _summary(component: Mapping[str, Any], candidate: Mapping[str, Any]) -> str:
    gate = candidate["gate"]
    faults = sum(candidate["outcomes"][key] for key in FAULTS)
    figures = [
        ("episodes", f"{gate['episodes']:,}", ""),
        ("calls compared", f"{candidate['calls']:,}", ""),
        ("differing calls", f"{faults:,}", "bad" if faults else "good"),
        ("error rate excluded", "–" if gate["bound"] is None else f"{100 * gate['bound']:.2g} %", ""),
        ("speed as called", "–" if gate["speedup"] is None else f"{gate['speedup']:g}×", ""),
        ("shadow tax, caller", nanoseconds(component["tax_ns"] or None), ""),
        ("shadow tax, writer", nanoseconds(component["writer_ns"]), ""),
        ("noise of the control", f"{component['noise']:,}", "bad" if component["noise"] else "good"),
    ]
    rows = "".join(f'<div><dt>{escape(k)}</dt><dd class="{c}">{escape(v)}</dd></div>' for k, v, c in figures)
    builds = (
        f"candidate build <code>{escape(candidate['build'])}</code> (number {candidate['ordinal']}) against authority "
        f"<code>{escape(candidate['authority_build'])}</code>, stage {escape(component['stage'])}"
    )
    return f'<div class="card wide"><dl class="figures">{rows}</dl><p class="soft">{builds}</p></div>'


def _gate(gate: Mapping[str, Any]) -> str:
    state = '<b class="good">passed</b>' if gate["passed"] else '<b class="warn">not yet</b>'
    parts = [
        f'<div class="card"><h3>Gate to canary</h3><p>{state}, error spent by this build {gate["alpha"]:.4f}</p>',
        _progress("episodes", gate["episodes"], gate["needed"]),
        _progress("live sessions", gate["sessions"], gate["sessions_needed"]),
    ]
    if gate["missing"]:
        parts.append(
            '<ul class="missing">' + "".join(f"<li>{escape(m)}</li>" for m in gate["missing"]) + "</ul>"
        )
    if gate["estimate"]:
        parts.append(f'<p class="soft">{escape(gate["estimate"])}</p>')
    return "".join([*parts, "</div>"])


def _progress(what: str, have: int, want: int) -> str:
    share = min(100.0, 100 * have / want) if want else 100.0
    done = " done" if have >= want else ""
    return (
        f"<div>{escape(what)}: {have:,} of {want:,}</div>"
        f'<div class="bar{done}"><i style="width:{share:.1f}%"></i></div>'
    )


def _outcomes(candidate: Mapping[str, Any]) -> str:
    rows = []
    for name, total in candidate["outcomes"].items():
        tone = "zero" if not total else "bad" if name in FAULTS else "good" if name == "MATCH" else ""
        by = ", ".join(f"{op} {row[name]:,}" for op, row in candidate["operations"].items() if row[name])
        rows.append(
            [f'<span class="{tone}">{name}</span>', f'<span class="{tone}">{total:,}</span>', escape(by)]
        )
    table = _table(["outcome", "calls", "by operation"], rows, numeric={1})
    return f'<div class="card"><h3>Every call, exactly one outcome</h3>{table}</div>'


def _latency(candidate: Mapping[str, Any]) -> str:
    latency = candidate["latency"]
    names = {"candidate": ("first", candidate["candidate"] + ", as called"), "control": ("second", "Python, beside it"),
             "bot": ("third", "Python, inside the bot")}  # fmt: skip
    legend = "".join(
        f'<span><i style="background:var(--{css})"></i>{escape(text)}</span>' for css, text in names.values()
    )
    curves = latency_curves({css: latency[who]["curve"] for who, (css, _) in names.items()})
    rows = []
    for who, (_, text) in names.items():
        bounds, summary = latency[who]["bounds"], latency[who]["summary"]
        cells = [_bounded(bounds[q]) for q in ("p50", "p99", "p999")]
        rows.append([escape(text), *cells, nanoseconds(summary["max_ns"]), f"{summary['count']:,}"])
    cold = ", ".join(
        f"{escape(names[who][1])} p50 {nanoseconds(candidate['cold'][who]['p50_ns'])}"
        for who in ("candidate", "control")
    )
    table = _table(["trade calls", "p50", "p99", "p99.9", "max", "samples"], rows, numeric={1, 2, 3, 4, 5})
    note = f'<p class="soft">95 % bounds in brackets. First thousand calls apart (cold): {cold}.</p>'
    return (
        f'<div class="card wide"><h3>Latency, interleaved in one process</h3><div class="legend">{legend}</div>'
        f"{curves}{table}{note}</div>"
    )


def _bounded(bounds: Mapping[str, Any]) -> str:
    text = nanoseconds(bounds["value"])
    if bounds["low"] is None:
        return f'{text} <span class="soft">(too few)</span>' if bounds["value"] is not None else text
    return f'{text} <span class="soft">[{nanoseconds(bounds["low"])}, {nanoseconds(bounds["high"])}]</span>'


def _strata(candidate: Mapping[str, Any]) -> str:
    rows = [
        [escape(r["stratum"]), *(f"{r[key]:,}" for key in ("episodes", "rehearsed", "live", "faults"))]
        for r in candidate["strata"]
    ]
    table = _table(["stratum", "episodes", "rehearsed", "live", "differing"], rows, numeric={1, 2, 3, 4})
    unseen = ", ".join(candidate["strata_unseen"])
    rest = f"<details><summary>{len(candidate['strata_unseen'])} strata never seen</summary><p>{escape(unseen)}</p></details>"
    return f'<div class="card wide"><h3>Episodes by stratum</h3>{table}{rest if unseen else ""}</div>'


def _signatures(candidate: Mapping[str, Any]) -> str:
    if not candidate["signatures"]:
        return (
            '<div class="card wide"><h3>Differences</h3><p class="good">No difference in any field.</p></div>'
        )
    rows = [
        [
            f"<code>{escape(r['signature'])}</code>", f"{r['n']:,}", escape(r["outcome"]),
            f"<code>{escape(r['path'])}</code>", f"<code>{escape(r['expected'])}</code>",
            f'<code class="bad">{escape(r["seen"])}</code>', f"{r['seq']:,}", escape(r["fixture"] or "–"),
        ]
        for r in candidate["signatures"][:20]
    ]  # fmt: skip
    head = [
        "signature",
        "times",
        "outcome",
        "first differing field",
        "authority",
        "candidate",
        "call",
        "fixture",
    ]
    return f'<div class="card wide"><h3>Differences</h3>{_table(head, rows, numeric={1, 6})}</div>'


def _debts(report: Mapping[str, Any]) -> str:
    rules = report["ignore_debts"]
    if not rules:
        return "<h2>Ignore debts</h2><p>None: every field is compared exactly.</p>"
    keys = ("name", "field", "owner", "reason", "until", "budget")
    rows = [[escape(str(rule[key])) for key in keys] for rule in rules]
    return f"<h2>Ignore debts</h2>{_table(list(keys), rows)}"


def _targets(report: Mapping[str, Any]) -> str:
    tone = {True: '<span class="good">met</span>', False: '<span class="bad">missed</span>', None: "–"}
    rows = [
        [escape(r["what"]), escape(r["target"]), escape(r["measured"]), tone[r["met"]]]
        for r in report["targets"]
    ]
    return f"<h2>Targets of the migration</h2>{_table(['work', 'target', 'measured', ''], rows)}"


def _sessions(report: Mapping[str, Any]) -> str:
    rows = [
        [escape(ledger), escape(row["day"]), escape(row["venue"]), f"{row['minutes']:,}"]
        for ledger, sessions in report["sessions"].items()
        for row in sessions
    ]
    if not rows:
        return "<h2>Sessions</h2><p>No connected minute of open venue time yet.</p>"
    table = _table(["ledger", "trading day", "venue", "connected minutes"], rows, numeric={3})
    return f"<h2>Sessions</h2>{table}"


def _audit(report: Mapping[str, Any]) -> str:
    if not report["audit"]:
        return "<h2>Audit trail</h2><p>No flag was ever changed.</p>"
    rows = [
        [
            escape(r["at"]), escape(r["who"]), escape(r["component"]),
            f"{escape(r['before']['stage'])} → {escape(r['after']['stage'])}", str(r["epoch"]),
            escape(r["reason"]) + (' <b class="warn">override</b>' if r["override"] else ""), escape(r["result"]),
        ]
        for r in reversed(report["audit"])
    ]  # fmt: skip
    return "<h2>Audit trail</h2>" + _table(
        ["when", "who", "component", "stage", "epoch", "reason", "result"], rows
    )


def _footer(report: Mapping[str, Any]) -> str:
    journal, worker = report["journal"], report["worker"]
    text = (
        f"Journal: {journal.get('calls', 0):,} calls, {journal.get('bytes', 0):,} bytes, "
        f"{journal.get('dropped', 0):,} dropped. Worker: {worker.get('state', 'never started')}, "
        f"{worker.get('behind_bytes', 0):,} bytes behind."
    )
    return f"<footer>{escape(text)}</footer>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numeric: set[int] | None = None) -> str:
    numeric = numeric or set()
    css = [' class="n"' if index in numeric else "" for index in range(len(head))]
    top = "".join(f"<th{c}>{escape(text)}</th>" for c, text in zip(css, head, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{c}>{cell}</td>" for c, cell in zip(css, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
