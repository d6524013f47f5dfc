"""A bench with one account of the programme, and its figures."""

from __future__ import annotations

from typing import Any

from bot.model.times import parse_ts
from bot.paper.config import PaperAccount, PaperOptions
from tests.unit.paper.scripted import ACCOUNT, Bench

USD = 1_000_000


def bench_of(name: str, balance: float, options: PaperOptions | None = None, start: str = "2025-10-01T14:30:00Z",
             **more: Any) -> Bench:  # fmt: skip
    account = PaperAccount(id=ACCOUNT, name=name, balance=int(balance * USD), **more)  # type: ignore[arg-type]
    return Bench(options, accounts=(account,), start=parse_ts(start))


def figures(bench: Bench) -> dict[str, Any]:
    return bench.venue.accounts()[0]


def end_day(bench: Bench, balance: float) -> None:
    """Let the day end at a balance, with at least one fill on it."""
    bench.venue.state.accounts[ACCOUNT].traded = True
    bench.venue.change_account({"id": ACCOUNT, "balance": int(balance * USD)})
    day = figures(bench)["day"]
    while figures(bench)["day"] == day:
        bench.pass_(6 * 3_600_000)


def again_of(bench: Bench) -> dict[str, Any]:
    """The first account after a restart with the same accounts and options."""
    other = Bench(
        bench.config.options, past=list(bench.venue.ledger.lines), market=bench.market, login=False,
        accounts=bench.config.accounts,
    )  # fmt: skip
    other.clock._elapsed = bench.clock._elapsed
    other.venue.advance(other.clock.now())
    return other.venue.accounts()[0]
