"""The authoritative market data component: bars from trades, and bars from one-minute bars."""

from bot.legacy.market_data.builder import PythonBarBuilder
from bot.legacy.market_data.conversion import PythonBarConverter

__all__ = ["PythonBarBuilder", "PythonBarConverter"]
