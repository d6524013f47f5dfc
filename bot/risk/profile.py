"""Which programme's rules bind an account, from its name or from configuration (strategies.md §7.1).

The numbers live in `rules.json`, dated, with their source and whether the firm's own text confirms them.
A balance is never used to guess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from bot.model.errors import BadNumber, ConfigError
from bot.model.quantities import MICROS_PER_DOLLAR, Money, parse_money

Program = Literal["combine", "xfa", "practice"]
Trail = Literal["eod", "intraday"]
SIZES = ("150K", "100K", "50K")
_KEYS = frozenset({"program", "size", "start", "dll", "mll", "trail", "consistency_stop"})


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one account in micro-dollars. `start` None = the balance at first sight (practice).

    `lock` is the level at which the floor stops rising, None = never; `locks_at_start` makes it the start
    balance once that is known.
    """

    program: Program
    size: str
    start: Money | None
    lock: Money | None
    dll: Money | None
    mll: Money | None
    trail: Trail = "eod"
    locks_at_start: bool = False
    profit_target: Money | None = None
    consistency_stop: bool = False

    @property
    def nominal(self) -> Money:
        """What sizing adds to the balance: the nominal size of an express account, which starts at 0."""
        return size_row(self.size).start if self.program == "xfa" else Money(0)


class SizeRow(msgspec.Struct, frozen=True):
    """One row of the programme table; `steps` are `(profit bound, bound counts, minis)`, ascending."""

    start: Money
    target: Money
    mll: Money
    dll: Money
    minis: int
    base: int
    steps: tuple[tuple[Money, bool, int], ...]


def program_and_size(name: str) -> tuple[Program, str] | None:
    """Programme and size that an account's name tells, None when it tells none."""
    upper = name.upper()
    if "PRAC" in upper:
        return "practice", "150K"
    size = next((size for size in SIZES if size in upper), None)
    if size is None:
        return None
    return ("xfa" if "EXPRESS" in upper or "XFA" in upper else "combine"), size


def is_practice(name: str) -> bool:
    """Whether orders may go without the live switch: the first dash-separated part is `PRAC` (bot.md §5.2)."""
    return name.split("-", 1)[0] == "PRAC"


def profile_of(name: str, settings: Mapping[str, Any] | None = None) -> Profile | None:
    """The profile of an account, None when neither its name nor `settings` tell.

    `settings` may hold program, size, start, dll, mll, trail and consistency_stop; amounts are micro-dollars
    or dollar text, a `dll` of None switches it off. Raises ConfigError for another key and for a limit that
    is looser than the programme's.
    """
    given = dict(settings or {})
    unknown = sorted(given.keys() - _KEYS)
    if unknown:
        raise ConfigError("account rules", expected=", ".join(sorted(_KEYS)), seen=", ".join(unknown))
    named = program_and_size(name)
    program = given.get("program", named[0] if named else None)
    size = given.get("size", named[1] if named else None)
    if program is None or size is None:
        return None
    if program not in ("combine", "xfa", "practice"):
        raise ConfigError("program", expected="combine, xfa or practice", seen=program)
    row = size_row(size)
    practice = program == "practice"
    limits = _practice_limits() if practice else (row.dll, row.mll)
    dll = _limit("dll", given, limits[0], free=practice, optional=True)
    mll = _limit("mll", given, limits[1], free=practice, optional=False)
    trail = given.get("trail", _rules()["trail"]["default"])
    if trail not in ("eod", "intraday"):
        raise ConfigError("trail", expected="eod or intraday", seen=trail)
    start = None if practice else (Money(0) if program == "xfa" else row.start)
    if given.get("start") is not None:
        start = _amount("start", given["start"])
    return Profile(
        program=program,
        size=size,
        start=start,
        lock=start,
        dll=dll,
        mll=mll,
        trail=trail,
        locks_at_start=practice and start is None,
        profit_target=row.target,
        consistency_stop=bool(given.get("consistency_stop", False)),
    )


@lru_cache(maxsize=len(SIZES))
def size_row(size: str) -> SizeRow:
    """The table's row of a size. Raises ConfigError for another text."""
    rows = _rules()["sizes"]
    if size not in rows:
        raise ConfigError("account size", expected="50K, 100K or 150K", seen=size)
    row = rows[size]
    return SizeRow(
        start=parse_money(row["start"]),
        target=parse_money(row["target"]),
        mll=parse_money(row["mll"]),
        dll=parse_money(row["dll"]),
        minis=row["minis"],
        base=row["base"],
        steps=tuple((parse_money(bound), counts, minis) for bound, counts, minis in row["steps"]),
    )


def unverified() -> list[str]:
    """Paths of the numbers that the firm's own text does not confirm."""
    found = []
    for size, row in _rules()["sizes"].items():
        found += [f"sizes.{size}.{part}" for part, verified in row["verified"].items() if not verified]
    found += [name for name in ("practice", "trail", "early_close_flat") if not _rules()[name]["verified"]]
    return found


@lru_cache(maxsize=1)
def _rules() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((Path(__file__).parent / "rules.json").read_bytes())
    return document


def _practice_limits() -> tuple[Money, Money]:
    row = _rules()["practice"]
    return parse_money(row["dll"]), parse_money(row["mll"])


def _limit(name: str, given: Mapping[str, Any], own: Money, *, free: bool, optional: bool) -> Money | None:
    if name not in given:
        return own
    text = given[name]
    if text is None:
        if optional:
            return None
        raise ConfigError(name, expected="a dollar amount", seen=None, do="this limit cannot be switched off")
    value = _amount(name, text)
    if value <= 0 or (value > own and not free):
        raise ConfigError(
            name, expected=f"an amount above 0 and at most {own // MICROS_PER_DOLLAR} dollars", seen=str(text),
            do="a configured limit may only be tighter",
        )  # fmt: skip
    return value


def _amount(name: str, value: object) -> Money:
    if isinstance(value, int) and not isinstance(value, bool):
        return Money(value)
    try:
        return parse_money(str(value))
    except BadNumber as problem:
        raise ConfigError(name, expected="a dollar amount", seen=str(value)) from problem
