"""Bars, failures and states of two bar builders, compared field by field; everything is exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.migration.records import Failure
from bot.model.bar_state import decode
from bot.model.errors import StoreCorrupt
from bot.model.market import Bar
from shadow.compare.fields import Comparison, IgnoreRule, Spec, compare
from shadow.outcomes import Difference

IGNORE: Final[tuple[IgnoreRule, ...]] = ()
SPECS: Final[dict[str, Spec]] = {rule.field: Spec("ignore", rule=rule) for rule in IGNORE}
# A difference here is never weighed against the number of good calls: one is too many.
CRITICAL: Final = frozenset(
    {"contract_id", "timeframe", "start", "end", "open", "high", "low", "close", "volume", "final", "bars"}
)


def compare_bars(expected: Sequence[Bar], seen: Sequence[Bar]) -> Comparison:
    """Final bars of one call, in order."""
    return compare(list(expected), list(seen), "bars", SPECS)


def compare_failures(expected: Failure | None, seen: Failure | None) -> list[Difference]:
    """Two exceptions agree when their type and code do; the text is for people."""
    one = f"{expected.type} {expected.code}" if expected else "no error"
    other = f"{seen.type} {seen.code}" if seen else "no error"
    return [] if one == other else [Difference("error", "error", one, other)]


def compare_states(expected: bytes, seen: bytes) -> list[Difference]:
    """Two snapshots; equal bytes are equal states, else the fields that differ."""
    if expected == seen:
        return []
    try:
        found = compare(decode(expected), decode(seen), "state", {}).differences
    except StoreCorrupt as problem:
        return [Difference("type", "state", "the canonical layout", str(problem)[:200])]
    return found or [Difference("value", "state", expected.hex()[:64], seen.hex()[:64])]


def critical(difference: Difference) -> bool:
    """Whether one such difference alone bars the way."""
    last = difference.field.replace("[]", "").rsplit(".", 1)[-1]
    return difference.klass == "error" or last in CRITICAL
