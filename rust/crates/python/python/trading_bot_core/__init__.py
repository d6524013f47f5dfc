"""Compiled twins of the trading bot's hot components; their faces are in `bot.accelerated`."""

import sys

from trading_bot_core._native import Calendar, build_info, market_data

sys.modules[f"{__name__}.market_data"] = market_data

__all__ = ["Calendar", "build_info", "market_data"]
