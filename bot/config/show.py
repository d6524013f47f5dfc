"""What `bot config show` prints."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from bot.config.settings import KINDS, Settings, values_of
from bot.config.values import Rate, Seconds, plain, shown
from bot.model.quantities import Money
from bot.model.secret import Secret


def show(settings: Settings) -> list[dict[str, Any]]:
    """Rows `{name, value, type, origin}` for `bot config show`; secrets are masked."""
    rows = []
    for path, value in sorted(values_of(settings).items()):
        kind = KINDS.get(path)
        seen = plain(value) if kind is None else shown(kind, value)
        rows.append(
            {
                "name": path,
                "value": seen,
                "type": "strategy key" if kind is None else _kind_name(kind),
                "origin": settings.origins.get(path, "default"),
            }
        )
    return rows


def _kind_name(kind: Any) -> str:
    if get_origin(kind) in {UnionType, Union}:
        kind = next(part for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) is Literal:
        return " or ".join(get_args(kind))
    if get_origin(kind) is tuple:
        return f"list of {_kind_name(get_args(kind)[0])}"
    return _NAMES.get(kind, "counts by name")


_NAMES: dict[Any, str] = {
    bool: "true or false", int: "whole number", str: "text", Seconds: "duration", time: "clock time",
    Rate: "rate", Money: "dollars", Secret: "secret", Path: "path",
}  # fmt: skip
