"""`make simulate SEEDS=n`: random days of the whole bot, a table, and small fixtures of what failed."""

from __future__ import annotations

import argparse
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.simulation.whole.plan import keep, random_plan
from tests.simulation.whole.pool import run_seeds
from tests.simulation.whole.run import Result
from tests.simulation.whole.shrink import Shrinker


def main() -> int:
    """0 when everything held."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many days")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--minutes", type=float, default=20.0, help="venue minutes of a day")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--shrink", choices=("first", "all", "none"), default="first",
                        help="which failures become small fixtures")  # fmt: skip
    chosen = parser.parse_args()
    console, began, results = Console(), time.monotonic(), list[Result]()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("days", total=len(seeds))
        for result in run_seeds(seeds, chosen.minutes, chosen.jobs):
            results.append(result)
            failed = sum(1 for one in results if one.failures)
            progress.update(task, advance=1, description=f"days, {failed} failed")
    results.sort(key=lambda result: result.seed)
    failed = [result for result in results if result.failures]
    console.print(table(results, time.monotonic() - began))
    for result in failed:
        console.print(f"[red]seed {result.seed}[/] {result.digest[:16]}")
        for failure in result.failures:
            console.print(f"  {failure}", markup=False)
    for result in failed[: {"first": 1, "all": len(failed), "none": 0}[chosen.shrink]]:
        shrinker = Shrinker(told=lambda plan: console.print(f"  {plan.size} steps, {plan.minutes:g} min"))
        plan = shrinker.shrink(random_plan(result.seed, chosen.minutes), result.failures)
        console.print(f"seed {result.seed} kept in {keep(plan, shrinker.failures)}")
    return 1 if failed else 0


def table(results: list[Result], wall_s: float) -> Table:
    """The sums of a run."""
    rows = (
        ("seeds", f"{len(results)}"),
        ("venue minutes", f"{sum(one.venue_minutes for one in results):,.1f}"),
        ("wall seconds", f"{wall_s:,.1f}"),
        ("seconds a day, on its core", f"{sum(one.wall_s for one in results) / max(1, len(results)):.2f}"),
        ("hub records", f"{sum(one.events for one in results):,}"),
        ("orders", f"{sum(one.orders for one in results)}"),
        ("of the strategy", f"{sum(one.strategy_orders for one in results)}"),
        ("fills", f"{sum(one.fills for one in results)}"),
        ("days with fills", f"{sum(1 for one in results if one.fills)}"),
        ("faults struck", f"{sum(one.faults for one in results)}"),
        ("processes killed", f"{sum(one.kills for one in results)}"),
        ("longest unprotected", f"{max((one.longest_unprotected_s for one in results), default=0):.3f} s"),
        ("duplicates", f"{sum(one.duplicates for one in results)}"),
        ("failed", f"{sum(1 for one in results if one.failures)}"),
    )
    found = Table("simulated days", "")
    for row in rows:
        found.add_row(*row)
    return found


if __name__ == "__main__":
    sys.exit(main())
