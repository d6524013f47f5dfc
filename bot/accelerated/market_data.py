"""Compiled bar builders and converters; the contracts are those of `bot.legacy.market_data`.

Each name loads its compiled module when it is first asked for, so that one can be missing without the
other, and none is loaded while no stage needs it. Raises ImportError when the module is missing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.accelerated.cython_bars import CythonBarBuilder, CythonBarConverter
    from bot.accelerated.rust_bars import RustBarBuilder, RustBarConverter

__all__ = ["CythonBarBuilder", "CythonBarConverter", "RustBarBuilder", "RustBarConverter"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(name)
    home = "cython_bars" if name.startswith("Cython") else "rust_bars"
    return getattr(importlib.import_module(f"bot.accelerated.{home}"), name)
