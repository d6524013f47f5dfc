"""Environment variables to settings: native names, strategy keys, aliases, and names that are wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from bot.config import aliases
from bot.config.nearness import edits, hint
from bot.config.strategy_keys import SECTION, VARIABLES
from bot.config.values import BadValue
from bot.model.errors import BadNumber, UnknownSymbol
from bot.model.instruments import instrument

SHORTEST_GUESS = 6
"""Variables of other programs are compared with our names from this length on; PORT is near too many."""


_OTHER_STRATEGIES = ("MEAN_REVERSION_", "TREND_FOLLOWING_")
_ENABLERS = frozenset(f"{prefix}ENABLED" for prefix in _OTHER_STRATEGIES)


class Setting(msgspec.Struct, frozen=True):
    """One raw value and where it was found; `weak` ones yield to any other."""

    path: str
    raw: Any
    origin: str
    weak: bool = False


class Reading(msgspec.Struct):
    """What the variables say: settings, errors, errors that `strict_env = false` forgives, and notes."""

    settings: list[Setting] = []
    errors: list[str] = []
    unknown: list[str] = []
    notes: list[str] = []


def native(path: str) -> str:
    """`gateway.rest_url` to `BOT_GATEWAY__REST_URL`."""
    return "BOT_" + path.upper().replace(".", "__")


def read(variables: Mapping[str, str], origins: Mapping[str, str], paths: Iterable[str]) -> Reading:
    """Look at every variable; empty ones count as unset. `origins` names where each comes from."""
    found = Reading()
    by_native = {native(path): path for path in paths}
    strategy = {name: f"{SECTION}.{key}" for name, key in VARIABLES.items()}
    ours = {*aliases.ALIASES, *aliases.RETIRED, *aliases.ABSENT, *aliases.REFUSED, *aliases.RATE_PARTS,
            aliases.OFFSET_POINTS, *strategy}  # fmt: skip
    for name in sorted(variables):
        text = variables[name].strip()
        if not text:
            continue
        origin = f"{origins.get(name, 'environment')} {name}"
        if name in by_native:
            found.settings.append(Setting(by_native[name], text, origin))
        elif name in strategy:
            found.settings.append(Setting(strategy[name], text, origin))
        elif name in aliases.ALIASES:
            _alias(found, aliases.ALIASES[name], text, origin)
        elif name in aliases.REFUSED:
            found.errors.append(f"{origin}: {aliases.REFUSED[name]}")
        elif name in _ENABLERS and text.lower() not in {"false", "0", "no", "off"}:
            found.errors.append(f"{origin}: this build trades overnight_range only; unset it")
        elif name in aliases.ABSENT or name.startswith(_OTHER_STRATEGIES):
            found.notes.append(f"{origin} is ignored: this build does not have what it sets")
        elif name in aliases.RETIRED or name.startswith(aliases.RETIRED_FAMILIES):
            found.notes.append(f"{origin} is retired and ignored")
        elif name not in ours and (problem := _unknown(name, by_native, ours)):
            found.unknown.append(f"{origin}: {problem}")
    _rate(found, variables, origins)
    _offset(found, variables, origins)
    return found


def _alias(found: Reading, alias: aliases.Alias, text: str, origin: str) -> None:
    try:
        value = alias.convert(text)
    except BadValue as expected:
        found.errors.append(f"{origin}: expected {expected}")
        return
    if alias.path and value is not None:
        found.settings.append(Setting(alias.path, value, origin, alias.weak))


def _unknown(name: str, by_native: Mapping[str, str], ours: set[str]) -> str:
    if name.startswith("BOT_"):
        return f"no such setting; {hint(name, by_native)}".rstrip("; ")
    if name.startswith(aliases.FAMILIES):
        return f"no such variable; {hint(name, ours)}".rstrip("; ")
    if len(name) >= SHORTEST_GUESS:
        near = [other for other in ours if len(other) >= SHORTEST_GUESS and edits(name, other, 2) <= 2]
        if near:
            return f"no such variable; {hint(name, near)}"
    return ""


def _rate(found: Reading, variables: Mapping[str, str], origins: Mapping[str, str]) -> None:
    count, period = (variables.get(name, "").strip() for name in aliases.RATE_PARTS)
    if count or period:
        name = aliases.RATE_PARTS[0 if count else 1]
        text = f"{count or 200}/{period or 60}"
        found.settings.append(
            Setting("gateway.rate.general", text, f"{origins.get(name, 'environment')} {name}")
        )


def _offset(found: Reading, variables: Mapping[str, str], origins: Mapping[str, str]) -> None:
    """Points beyond the range become ticks, which must be the same for every symbol."""
    name = aliases.OFFSET_POINTS
    text = variables.get(name, "").strip()
    if not text:
        return
    origin = f"{origins.get(name, 'environment')} {name}"
    symbols = [s for s in found.settings if s.path == f"{SECTION}.symbols"] or [Setting("", "MNQ", "default")]
    strongest = max(symbols, key=lambda setting: not setting.weak)
    try:
        roots = [root.strip().upper() for root in str(strongest.raw).split(",") if root.strip()]
        ticks = {instrument(root).tick.parse(text) for root in roots}
    except (BadNumber, UnknownSymbol) as problem:
        found.errors.append(f"{origin}: {problem}")
        return
    if len(ticks) != 1 or next(iter(ticks))[0] <= 0 or not next(iter(ticks))[1]:
        found.errors.append(
            f"{origin}: expected points that are the same whole number of ticks for {', '.join(roots)}, "
            f"got {text}; set {SECTION}.offset_ticks instead"
        )
        return
    found.settings.append(Setting(f"{SECTION}.offset_ticks", int(next(iter(ticks))[0]), origin))
