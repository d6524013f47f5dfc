"""The report as one self-contained page; losing rows are marked, not hidden."""

from __future__ import annotations

from html import escape

from perf.report import Ratio, Report, Row

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0}th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #dde3ea}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.met{color:#12703a}.lost{color:#b3261e;font-weight:600}
.bar{display:inline-block;height:.6rem;background:#6f93c8;border-radius:2px}.note{color:#56616f}
@media(prefers-color-scheme:dark){body{background:#14181d;color:#dfe5ec}th,td{border-color:#2b333c}.met{color:#5fcf8a}.lost{color:#ff8a80}.note{color:#9aa6b2}}
"""


def render(report: Report) -> str:
    """A page with machine and versions, then per work its rows and goals."""
    met = sum(ratio.met for ratio in report.ratios)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>Benchmarks</title><style>{_STYLE}</style><h1>Benchmarks</h1>",
        f"<p>{met} of {len(report.ratios)} goals met. Lower figures are better; losing rows are marked.</p>",
    ]
    for work in dict.fromkeys(row.work for row in report.rows):
        rows = [row for row in report.rows if row.work == work]
        ratios = [ratio for ratio in report.ratios if ratio.work == work]
        parts.append(f"<h2>{escape(work)}</h2><p class=note>{escape(report.notes.get(work, ''))}</p>")
        parts.append(_rows(rows))
        if ratios:
            parts.append(_ratios(ratios))
    facts = "".join(f"<tr><td>{escape(k)}<td>{escape(v)}" for k, v in report.machine.items())
    parts.append(f"<h2>Machine and versions</h2><table>{facts}</table></html>")
    return "\n".join(parts)


def _rows(rows: list[Row]) -> str:
    unit = rows[0].unit
    slowest = max((row.p50 or 0.0 for row in rows), default=0.0) or 1.0
    heads = "".join(f"<th class=n>{name}" for name in ("min", "p50", "p95", "p99", "samples"))
    lines = [f"<table><tr><th>implementation<th>{escape(unit)}{heads}"]
    for row in rows:
        if not row.n:
            lines.append(f"<tr><td>{escape(row.impl)}<td colspan=6>missing: {escape(row.reason or '')}")
            continue
        width = 12 * (row.p50 or 0.0) / slowest
        figures = "".join(f"<td class=n>{_figure(x)}" for x in (row.min, row.p50, row.p95, row.p99))
        bar = f"<span class=bar style='width:{width:.2f}rem'></span>"
        lines.append(f"<tr><td>{escape(row.impl)}<td>{bar}{figures}<td class=n>{row.n}")
    return "".join(lines) + "</table>"


def _ratios(ratios: list[Ratio]) -> str:
    lines = ["<table><tr><th>goal<th>wanted<th class=n>reached<th>verdict"]
    for ratio in ratios:
        verdict = "<td class=met>met" if ratio.met else "<td class=lost>not met"
        reached = _figure(ratio.ratio) + ("x" if ratio.against and ratio.ratio is not None else "")
        lines.append(f"<tr><td>{escape(ratio.label)}<td>{escape(ratio.goal)}<td class=n>{reached}{verdict}")
    return "".join(lines) + "</table>"


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
