"""What the gateway reports of an account's way through the programme (gateway.md 19.2)."""

from __future__ import annotations

import pytest

from bot.paper.config import PaperOptions
from tests.unit.paper.programme_bench import USD, again_of, bench_of, end_day, figures


def test_consistency_days_and_winning_days_are_counted() -> None:
    bench = bench_of("50KTC-V2-1-1", 50_000)
    for balance in (50_150, 50_299, 51_799, 51_500):
        end_day(bench, balance)
    row = figures(bench)
    assert (row["days_traded"], row["winning_days"], row["best_day"]) == (4, 2, 1_500 * USD)
    assert (row["profit"], row["consistency"], row["consistent"]) == (1_500 * USD, 100.0, False)
    assert (row["target_reached"], row["passed"], row["days_enough"]) == (False, False, True)
    end_day(bench, 52_900)
    end_day(bench, 53_001)
    row = figures(bench)
    assert row["consistency"] == 49.98
    assert (row["consistent"], row["passed"]) == (True, True)
    assert again_of(bench) == row
    bench.pass_(4 * 86_400_000)
    assert figures(bench)["days_traded"] == 6


@pytest.mark.parametrize(
    ("pct", "days", "passed"), [(50, None, True), (40, None, False), (50, 3, True), (50, 4, False)]
)
def test_what_passing_wants_is_an_option(pct: int, days: int | None, passed: bool) -> None:
    bench = bench_of("50KTC-V2-1-1", 50_000, PaperOptions(consistency_pct=pct, min_days=days))
    for balance in (51_400, 52_500, 53_500):
        end_day(bench, balance)
    row = figures(bench)
    assert (row["consistency"], row["consistency_pct"], row["min_days"]) == (40.0, pct, days)
    assert row["passed"] is passed


def test_the_running_day_counts() -> None:
    bench = bench_of("EXPRESS-V2-1-1", 0)
    assert (figures(bench)["days_traded"], figures(bench)["consistency"]) == (0, None)
    bench.trade(79_999)
    bench.place(size=20)
    bench.pass_(5)
    assert figures(bench)["days_traded"] == 1
    bench.trade(80_031)
    bench.place(side=1, size=20)
    bench.pass_(5)
    row = figures(bench)
    assert (row["winning_days"], row["winning_day"], row["winning_days_wanted"]) == (1, 150 * USD, 5)
    assert row["best_day"] == row["profit"] == row["day_result"]
    assert (row["profit_target"], row["program"], row["size"]) == (None, "express", "50K")
