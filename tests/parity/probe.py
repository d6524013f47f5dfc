"""A strategy whose every evaluation enters, and fails on a negative close: it shows what an engine does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.legacy.strategy_engine.layout import Reader, Writer
from bot.legacy.strategy_engine.strategy import Seat
from bot.model.actions import Action, CancelEntry, Enter
from bot.model.market import Bar
from bot.model.quantities import TsNs


class ProbeStrategy:
    """Evaluated by one-minute bars; remembers the starts it saw."""

    evaluates: str | None = "1m"
    depths: Mapping[str, int] = {"1m": 20}

    def __init__(self, seat: Seat, parameters: Mapping[str, object], now: TsNs) -> None:
        self._seat = seat
        self.seen: list[int] = []

    def evaluate(self, bar: Bar, now: TsNs) -> Sequence[Action]:
        if bar.close < 0:
            raise RuntimeError("negative close")
        self.seen.append(bar.start)
        return [
            Enter(
                instance=self._seat.instance, contract_id=bar.contract_id, key=str(bar.start), leg="entry",
                side=1, type=2, entry=None, stop_ticks=10, target_ticks=10,
            )
        ]  # fmt: skip

    def on_stop(self) -> Sequence[Action]:
        return [CancelEntry(instance=self._seat.instance, contract_id=self._seat.contract.id, key="working")]

    def _nothing(self, *_: object) -> Sequence[Action]:
        return ()

    on_bars = on_price = on_forming = on_order = on_denied = on_fill = _nothing
    on_position = on_known = on_risk = on_clock = _nothing

    def configure(self, parameters: Mapping[str, object]) -> None:
        return None

    def quiet(self) -> bool:
        return True

    def status(self, now: TsNs) -> dict[str, Any]:
        return {"seen": list(self.seen)}

    def write(self, writer: Writer) -> None:
        writer.count(len(self.seen))
        writer.i64s(*self.seen)

    def read(self, reader: Reader) -> None:
        self.seen = list(reader.i64s(reader.count()))
