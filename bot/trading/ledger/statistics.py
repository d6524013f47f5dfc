"""Figures over trades, each division one of two integers (strategies.md §14.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date

import msgspec

from bot.model.quantities import Money
from bot.trading.ledger.rows import RoundTrip


class Statistics(msgspec.Struct, frozen=True):
    """Figures over trades that are not approximate. All exist for empty input; None = divisor 0 or no such trade."""

    trades: int
    wins: int
    losses: int
    break_even: int
    gross: Money
    costs: Money
    net: Money
    sum_wins: Money
    sum_losses: Money
    best: Money | None
    worst: Money | None
    win_rate: float | None
    avg_win: float | None
    avg_loss: float | None
    profit_factor: float | None
    max_drawdown: Money
    day_net: dict[date, Money]


def statistics(trades: Iterable[RoundTrip], risk_day: Callable[[int], date]) -> Statistics:
    """Figures of trades given in ledger order; days by `risk_day` of the exit."""
    sure = [trade for trade in trades if not trade.approximate]
    nets = [trade.net for trade in sure]
    wins = [net for net in nets if net > 0]
    losses = [net for net in nets if net < 0]
    day_net: dict[date, Money] = {}
    running = peak = drawdown = 0
    for trade in sure:
        running += trade.net
        peak = max(peak, running)
        drawdown = max(drawdown, peak - running)
        day = risk_day(trade.exit_ts)
        day_net[day] = Money(day_net.get(day, 0) + trade.net)
    return Statistics(
        trades=len(sure),
        wins=len(wins),
        losses=len(losses),
        break_even=len(nets) - len(wins) - len(losses),
        gross=Money(sum(trade.gross for trade in sure)),
        costs=Money(sum(trade.costs for trade in sure)),
        net=Money(sum(nets)),
        sum_wins=Money(sum(wins)),
        sum_losses=Money(sum(losses)),
        best=max(wins, default=None),
        worst=min(losses, default=None),
        win_rate=_ratio(len(wins), len(sure)),
        avg_win=_ratio(sum(wins), len(wins)),
        avg_loss=_ratio(sum(losses), len(losses)),
        profit_factor=_ratio(sum(wins), -sum(losses)),
        max_drawdown=Money(drawdown),
        day_net=day_net,
    )


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
