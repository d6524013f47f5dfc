"""Runs benchmarks and writes `var/perf/latest.json` and `latest.html`: `python -m perf.run [--work NAME]`.

Only release builds are measured. The variants of a work alternate in rounds in this one process, pinned
to one core; a ratio is the median over rounds of the ratio of that round's medians.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from perf.machine import describe
from perf.page import render
from perf.report import Ratio, Report, Row, row_of, save
from perf.work import Goal, Variant, Work

FOLDER = Path(__file__).parent
OUTPUT = FOLDER.parent / "var" / "perf"
MIN_ROUNDS = 3


def components() -> list[str]:
    """The components that have benchmarks here."""
    return sorted(file.stem.removeprefix("bench_") for file in FOLDER.glob("bench_*.py"))


def measure(work: Work, rounds: int) -> tuple[list[Row], list[Ratio]]:
    """Run one work. Raises SystemExit for a variant that is not a release build."""
    running = [variant for variant in work.variants if variant.sample is not None]
    for variant in running:
        if variant.build != "release":
            sys.exit(
                f"{work.name}/{variant.impl}: expected a release build, got {variant.build}; build it again"
            )
        _sampled(variant)
    figures: dict[str, list[list[float]]] = {variant.impl: [] for variant in running}
    for _ in range(max(rounds, MIN_ROUNDS)):
        for variant in running:
            figures[variant.impl].append(_sampled(variant))
    rows = [
        row_of(work, variant.impl, [x for each in figures[variant.impl] for x in each])
        if variant.impl in figures
        else Row(work.name, variant.impl, work.unit, 0, reason=variant.missing)
        for variant in work.variants
    ]
    return rows, [_judged(work, goal, figures) for goal in work.goals]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when everything ran, whether or not each goal was met: losing rows are shown, not hidden."""
    parser = argparse.ArgumentParser(prog="python -m perf.run", description=__doc__)
    parser.add_argument("--work", choices=components(), help="one component instead of all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--core", type=int, default=None, help="the core to run on; default: the last allowed"
    )
    chosen = parser.parse_args(arguments)
    core = max(os.sched_getaffinity(0)) if chosen.core is None else chosen.core
    os.sched_setaffinity(0, {core})
    report = Report(describe(core))
    for component in [chosen.work] if chosen.work else components():
        for work in importlib.import_module(f"perf.bench_{component}").works():
            rows, ratios = measure(work, chosen.rounds)
            report.rows += rows
            report.ratios += ratios
            report.notes[work.name] = work.note
            _say(work, rows, ratios)
    save(report, OUTPUT / "latest.json")
    (OUTPUT / "latest.html").write_text(render(report))
    print(f"{OUTPUT / 'latest.json'} and latest.html")
    return 0


def _sampled(variant: Variant) -> list[float]:
    assert variant.sample is not None
    return [float(figure) for figure in variant.sample()]


def _judged(work: Work, goal: Goal, figures: dict[str, list[list[float]]]) -> Ratio:
    own, other = figures.get(goal.impl), figures.get(goal.against or goal.impl)
    text = f"at most {goal.at_most:g} {work.unit}" if goal.at_most else f"at least {goal.factor:g}x"
    if not own or not other:
        return Ratio(work.name, goal.impl, goal.against, None, text, met=False)
    if goal.at_most is not None:
        value = median(x for each in own for x in each)
        return Ratio(work.name, goal.impl, None, value, text, met=value <= goal.at_most)
    ratio = median(median(b) / median(a) for a, b in zip(own, other, strict=True))
    return Ratio(work.name, goal.impl, goal.against, ratio, text, met=ratio >= (goal.factor or 0.0))


def _say(work: Work, rows: list[Row], ratios: list[Ratio]) -> None:
    lines = [f"\n{work.name} ({work.n} items per sample)"]
    for row in rows:
        figure = f"p50 {row.p50:12.2f} {row.unit}" if row.n else f"missing: {row.reason}"
        lines.append(f"  {row.impl:28} {figure}")
    for ratio in ratios:
        value = "-" if ratio.ratio is None else f"{ratio.ratio:.2f}"
        verdict = "met" if ratio.met else "NOT MET"
        lines.append(f"  {ratio.label:45} {value:>9}  {ratio.goal}: {verdict}")
    print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
