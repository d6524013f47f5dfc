"""Typed settings from defaults, TOML, environment and command line, each value with its origin."""

from bot.config.settings import Settings, load
from bot.config.show import show

__all__ = ["Settings", "load", "show"]
