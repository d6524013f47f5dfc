"""The benchmark harness judges what it measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from perf import run
from perf.page import render
from perf.report import Report, save
from perf.work import Goal, Variant, Work, missing, timed

WORK = Work(
    "copying",
    "ns/item",
    10,
    [
        Variant("fast", lambda: [1.0, 3.0, 2.0]),
        Variant("slow", lambda: [20.0, 10.0]),
        missing("gone", "no <lib>"),
    ],
    [Goal("fast", "slow", 7), Goal("fast", "slow", 8), Goal("slow", at_most=20), Goal("gone", "slow", 1)],
    "what it means",
)


def test_ratio_is_that_of_medians_and_losing_rows_are_kept(tmp_path: Path) -> None:
    rows, ratios = run.measure(WORK, rounds=3)
    assert [(row.impl, row.n, row.p50) for row in rows] == [
        ("fast", 9, 2.0),
        ("slow", 6, 20.0),
        ("gone", 0, None),
    ]
    assert [(ratio.ratio, ratio.met) for ratio in ratios] == [
        (7.5, True),
        (7.5, False),
        (15.0, True),
        (None, False),
    ]
    report = Report({"processor": "one"}, rows, ratios, {WORK.name: WORK.note})
    save(report, tmp_path / "perf" / "latest.json")
    kept = json.loads((tmp_path / "perf" / "latest.json").read_text())
    assert {"work", "impl", "unit", "n", "min", "p50", "p95", "p99"} <= kept["rows"][0].keys()
    assert {"work", "ratio", "goal", "met"} <= kept["ratios"][0].keys()
    page = render(report)
    assert page.count("not met") == 2 and "no &lt;lib&gt;" in page and "2 of 4 goals" in page


def test_debug_build_is_refused() -> None:
    debug = Work("x", "ns", 1, [Variant("rust", lambda: [1.0], build="debug")])
    with pytest.raises(SystemExit, match="release"):
        run.measure(debug, rounds=3)


def test_time_is_taken_per_item_on_fresh_state() -> None:
    made: list[int] = []

    def prepare() -> object:
        made.append(0)
        return lambda: sum(range(200_000))

    figures = timed("python", 1000, prepare, samples=4, scale=1e-3).sample  # type: ignore[arg-type]
    assert figures is not None and all(0 < figure < 1000 for figure in figures()) and len(made) == 4
