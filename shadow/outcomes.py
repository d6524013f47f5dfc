"""How a compared call can end, and what a difference is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

OUTCOMES: Final = (
    "MATCH", "MISMATCH", "IGNORED", "NOISE", "BOTH_ERROR_SAME", "ERROR_DIFF", "PANIC", "TIMEOUT",
    "DROPPED", "SKIPPED", "UNCOMPARABLE", "DIVERGED",
)  # fmt: skip
FAULTS: Final = frozenset({"MISMATCH", "ERROR_DIFF", "PANIC", "TIMEOUT"})
LOST: Final = ("DROPPED", "UNCOMPARABLE", "TIMEOUT")
CLASSES: Final = ("type", "value", "missing", "extra", "order", "length", "error")
_INDEX: Final = re.compile(r"\[[^\]]*\]")


class Difference(msgspec.Struct, frozen=True):
    """One field that differs. `path` is like `bars[0].high`; texts are the two values as they print."""

    klass: str
    path: str
    expected: str
    seen: str

    @property
    def field(self) -> str:
        """The path without indexes and keys: what equal differences share."""
        return _INDEX.sub("[]", self.path)


def signature(op: str, difference: Difference) -> str:
    """What groups equal differences: operation, class and field."""
    return f"{op} {difference.klass} {difference.field}"


def zeroed() -> dict[str, int]:
    """A count of 0 for every outcome: a series that does not exist must never read as no mismatch."""
    return dict.fromkeys(OUTCOMES, 0)


def checked(counts: Mapping[str, int], calls: int) -> None:
    """Assert that every call ended in exactly one outcome."""
    total = sum(counts.values())
    if set(counts) - set(OUTCOMES) or total != calls:
        raise AssertionError(f"outcomes: expected a sum of {calls} calls, got {total} in {dict(counts)}")
