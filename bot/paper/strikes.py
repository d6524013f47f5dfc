"""What was struck by faults, as told apart from what the venue does by itself."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Strikes:
    """A reader of the ledger: strokes by verb, steps that found nothing to act on, requests that were struck."""

    def __init__(self) -> None:
        self.by_verb: Counter[str] = Counter()
        self.missed = self.requests = 0

    def read(self, _ts: int, kind: str, row: Any) -> None:
        """Take in one record."""
        if kind == "strike":
            self.by_verb[row["fault"] if isinstance(row, dict) else row.fault] += 1
        elif kind == "missed":
            self.missed += 1
        elif kind == "request" and row.fault:
            self.requests += 1

    def figures(self) -> dict[str, object]:
        """As the judge's verdict shows them."""
        return {
            "struck": dict(sorted(self.by_verb.items())),
            "struck_requests": self.requests,
            "missed_steps": self.missed,
        }
