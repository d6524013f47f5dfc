"""The live view of a rehearsal: a screen on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from bot.cli.document import table
from bot.clock import monotonic_ns

LINE_EVERY_NS = 5_000_000_000


class LiveView:
    """Use as a context; `update` with the bot's status, the judge's figures and the seconds left."""

    def __init__(self, console: Console, seconds: float) -> None:
        self._console, self._seconds = console, seconds
        self._live = (
            Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        )
        self._line_at = 0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, status: Mapping[str, Any], judge: Mapping[str, Any], left_s: float) -> None:
        if self._live is not None:
            self._live.update(screen(status, judge, left_s))
        elif monotonic_ns() - self._line_at >= LINE_EVERY_NS:
            self._line_at = monotonic_ns()
            self._console.print(line(status, judge), soft_wrap=True, highlight=False)


def line(status: Mapping[str, Any], judge: Mapping[str, Any]) -> str:
    """One plain line."""
    prices = " ".join(f"{quote['symbol']} {quote['last'] or '-'}" for quote in status["quotes"])
    shields = (
        ", ".join(f"{p['symbol']} {p['side']} {p['quantity']} {p['shield']}" for p in status["positions"])
        or "flat"
    )
    shadow = " ".join(f"{name} {match}/{calls}" for name, match, calls in matches(status)) or "off"
    return (
        f"{status['venue_time'][11:19]}Z {prices} | bars {sum(status['bars'].values())} | orders {len(status['orders'])} "
        f"fills {judge['fills']} | {shields} | unprotected {judge['unprotected_longest_s']:.3f} s | shadow {shadow} | "
        f"{status['records']} messages"
    )


def screen(status: Mapping[str, Any], judge: Mapping[str, Any], left_s: float) -> Group:
    """The whole screen: prices and bars, orders, positions with shields, fills, shadow, judge."""
    prices = table(
        ("Contract", "Bid", "Ask", "Last", "Age ms"),
        [(q["symbol"], q["bid"], q["ask"], q["last"], q["age_ms"]) for q in status["quotes"]],
    )
    bars = table(("Frame", "Closed"), list(status["bars"].items()))
    orders = table(
        ("Symbol", "Side", "Type", "Size", "Price", "Status"),
        [
            (
                o["symbol"],
                o["side"],
                o["type"],
                o["quantity"],
                o["limit_price"] or o["stop_price"],
                o["status"],
            )
            for o in status["orders"]
        ],
    )
    positions = table(
        ("Symbol", "Side", "Size", "Entry", "Stop", "Target", "P&L", "Shield"),
        [(p["symbol"], p["side"], p["quantity"], p["entry_price"], p["stop_loss"], p["take_profit"], p["unrealized_pnl"], p["shield"])
         for p in status["positions"]],
    )  # fmt: skip
    fills = table(
        ("At", "Symbol", "Side", "Size", "Price", "P&L"),
        [
            (f["at"][11:19], f["symbol"], f["side"], f["quantity"], f["price"], f["pnl"])
            for f in status["fills"][-6:]
        ],
    )
    shadow = table(("Candidate", "Match", "Calls"), matches(status))
    head = Text(
        f"{status['venue_time'][:19]}Z   {status['state']['state']}   {left_s:.0f} s left   {status['records']} messages"
    )
    verdict = Text(
        f"judge: {judge['orders']} orders, {judge['fills']} fills, {judge['duplicate_orders']} duplicates, "
        f"longest unprotected {judge['unprotected_longest_s']:.3f} s"
    )
    return Group(
        head,
        Columns([Panel(prices, title="Prices"), Panel(bars, title="Bars"), Panel(shadow, title="Shadow")]),
        Panel(positions, title="Positions and shields"),
        Panel(orders, title="Working orders"),
        Panel(fills, title="Fills"),
        verdict,
    )


def matches(status: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """`(candidate, matching calls, calls)` of the worker."""
    worker = status["shadow"]["worker"]
    if worker is None:
        return []
    return [
        (name, found["outcomes"]["MATCH"], sum(found["outcomes"].values()))
        for name, found in worker["candidates"].items()
        if name != "control"
    ]
