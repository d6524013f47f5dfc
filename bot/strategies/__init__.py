"""Strategies by their registered names; each is a factory for bot.legacy.strategy_engine."""

from __future__ import annotations

from typing import Final

from bot.legacy.strategy_engine.strategy import StrategyFactory
from bot.strategies.overnight_range import OvernightRange

STRATEGIES: Final[dict[str, StrategyFactory]] = {"overnight_range": OvernightRange}
