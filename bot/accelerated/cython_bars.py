"""Bars built by the Cython module."""

from __future__ import annotations

from bot.accelerated._market_data import BarBuilder, BarConverter


class CythonBarBuilder(BarBuilder):
    """Same contract as `bot.legacy.market_data.PythonBarBuilder`."""


class CythonBarConverter(BarConverter):
    """Same contract as `bot.legacy.market_data.PythonBarConverter`."""
