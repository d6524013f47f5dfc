"""What counts as a breakout that was lived through, by the venue's own rows."""

from __future__ import annotations

from typing import Any

import pytest

from bot.cli.summary import lived_through

ENTRY: dict[str, Any] = {
    "id": 1, "account": 1001, "contract": "C", "status": 2, "type": 4, "side": 0, "size": 1, "filled": 1, "cost": 100,
    "tag": "TB2-overnight_range-SE-ABC",
}  # fmt: skip
STOP: dict[str, Any] = {"id": 2, "status": 1, "type": 4, "side": 1, "size": 1, "parent": 1, "offset": -20, "stop": 80,
                        "tag": "TB2-overnight_range-SE-ABC-SL"}  # fmt: skip
TARGET: dict[str, Any] = {"id": 3, "status": 1, "type": 1, "side": 1, "size": 1, "parent": 1, "offset": 40, "limit": 140,
                          "tag": "TB2-overnight_range-SE-ABC-TP"}  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "stop", "target", "found"),
    [
        ({}, {}, {}, []),
        ({}, {"stop": 100}, {}, [(True, None)]),
        ({}, {"status": 2}, {"status": 3}, [(False, "stop")]),
        ({}, {"status": 3}, {"status": 2}, [(False, "target")]),
        ({}, {"stop": 100, "status": 2}, {}, [(True, "stop")]),
        ({"status": 1, "filled": 0}, {"status": 8}, {"status": 8}, []),
        ({"tag": "TB2-manual-MK-ABC"}, {"stop": 100}, {}, []),
    ],
)
def test_only_a_filled_entry_of_the_strategy_counts(
    entry: dict[str, Any], stop: dict[str, Any], target: dict[str, Any], found: list[tuple[bool, str | None]]
) -> None:
    ledger = {"orders": [{**ENTRY, **entry}, {**STOP, **stop}, {**TARGET, **target}]}
    assert [(row["stop_moved"], row["exit"]) for row in lived_through(ledger)] == found
