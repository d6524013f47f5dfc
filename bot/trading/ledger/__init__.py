"""Fills to trades and their figures (strategies.md §14); everything is an integer until the last division."""

from bot.trading.ledger.comparison import Difference, differences
from bot.trading.ledger.matching import UnknownOpening, match, tick_values
from bot.trading.ledger.rows import Books, Flat, LedgerFill, OpeningLot, OpenLot, RoundTrip
from bot.trading.ledger.statistics import Statistics, statistics

__all__ = [
    "Books",
    "Difference",
    "Flat",
    "LedgerFill",
    "OpenLot",
    "OpeningLot",
    "RoundTrip",
    "Statistics",
    "UnknownOpening",
    "differences",
    "match",
    "statistics",
    "tick_values",
]
