"""The way of data: a record that fails takes nothing with it, and is asked for again."""

from __future__ import annotations

import msgspec
import pytest

from bot.calendar.sessions import SessionCalendar
from bot.clock import VirtualClock
from bot.legacy.market_data import PythonBarBuilder
from bot.legacy.strategy_engine.engine import PythonStrategyEngine
from bot.legacy.websocket import PythonStreamProcessor
from bot.model.actions import Action
from bot.model.events import AccountChanged, StreamEvent
from bot.model.market import DEFAULT_TIMEFRAMES
from bot.model.times import parse_ts
from bot.pipeline import Pipeline

NOW = parse_ts("2025-11-04T15:00:00Z")


class BrittleDesk:
    """Breaks at one account and remembers the others."""

    def __init__(self) -> None:
        self.accounts: list[int] = []
        self.doubts: list[str] = []

    def on_event(self, event: StreamEvent) -> None:
        assert isinstance(event, AccountChanged)
        if event.account.id == 2:
            raise KeyError("a defect")
        self.accounts.append(event.account.id)

    def act(self, action: Action) -> None:
        raise AssertionError(f"nobody asks for {action}")

    def doubt(self, why: str) -> None:
        self.doubts.append(why)


def account(id_: int) -> bytes:
    row = {
        "id": id_,
        "name": f"PRAC-{id_}",
        "balance": 1.5,
        "canTrade": True,
        "isVisible": True,
        "simulated": True,
    }
    message = {"type": 1, "target": "GatewayUserAccount", "arguments": [{"action": 1, "data": row}]}
    return msgspec.json.encode(message)


@pytest.mark.parametrize("together", [True, False])
def test_f073_the_records_behind_one_that_fails_are_handled(together: bool) -> None:
    clock, desk, calendar = VirtualClock(NOW), BrittleDesk(), SessionCalendar.shipped()
    pipeline = Pipeline(
        clock, PythonStreamProcessor(), PythonBarBuilder(DEFAULT_TIMEFRAMES, calendar),
        PythonStrategyEngine(calendar, {}), desk, [],
    )  # fmt: skip
    records = [(account(id_), int(NOW), clock.host_mono()) for id_ in (1, 2, 3)]
    for batch in [records] if together else [[one] for one in records]:
        pipeline.on_records("user", 1, batch)
    assert desk.accounts == [1, 3]
    assert desk.doubts == ["a record of the user hub could not be handled"]
    assert (pipeline.records, pipeline.failures) == (3, 1)
