"""Finds the implementations of market_data; one that cannot be loaded says why."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.legacy.market_data import PythonBarBuilder
from bot.migration.builds import source_hash
from bot.ports import BarBuilder

FACES: Final = {
    "cython": "bot.accelerated.market_data:CythonBarBuilder",
    "rust": "bot.accelerated.market_data:RustBarBuilder",
}


class Candidate(msgspec.Struct, frozen=True):
    """A named implementation; `build` identifies its code."""

    name: str
    build: str
    make: Callable[[Mapping[str, Any]], BarBuilder]


def control(calendar: SessionCalendar) -> Candidate:
    """A second Python builder: what differs from it is the authority's own noise."""
    return _candidate("control", PythonBarBuilder, calendar)


def load(name: str, calendar: SessionCalendar, spec: str | None = None) -> Candidate | str:
    """A candidate from `module:Class`, or the reason why there is none."""
    module_name, _, class_name = (spec or FACES.get(name, "")).partition(":")
    if not class_name:
        return f"{name}: expected a known candidate ({', '.join(FACES)}) or module:Class"
    try:
        kind = getattr(importlib.import_module(module_name), class_name)
        candidate = _candidate(name, kind, calendar)
        candidate.make({"timeframes": ["1m"]})
    except Exception as problem:  # whatever a broken extension raises is the reason
        return f"{name}: {type(problem).__name__}: {problem}"
    return candidate


def _candidate(name: str, kind: type, calendar: SessionCalendar) -> Candidate:
    def make(settings: Mapping[str, Any]) -> BarBuilder:
        bounds = {key: settings[key] for key in ("close_grace_ms", "max_future_ms") if key in settings}
        builder: BarBuilder = kind(list(settings["timeframes"]), calendar, **bounds)
        return builder

    return Candidate(name, _build(name, kind), make)


def _build(name: str, kind: type) -> str:
    """The hash of the face, and of the extension module behind it where there is one."""
    parts = [source_hash(kind)]
    behind = {"rust": "trading_bot_core", "cython": "bot.accelerated._market_data"}.get(name, "")
    for module in [m for n, m in sorted(sys.modules.items()) if behind and n.startswith(behind)]:
        file = getattr(module, "__file__", None) or ""
        if file.endswith((".so", ".pyd", ".dylib")):
            parts.append(source_hash(type("_", (), {"__module__": module.__name__})))
    return "-".join(dict.fromkeys(parts))
