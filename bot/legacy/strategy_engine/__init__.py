"""The authoritative strategy engine: bars, prices, orders and time in, actions out."""

from bot.legacy.strategy_engine.engine import PythonStrategyEngine

__all__ = ["PythonStrategyEngine"]
