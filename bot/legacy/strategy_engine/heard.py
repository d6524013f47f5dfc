"""What was heard of orders, fills and positions by key, so that an instance started later knows it too.

The order in which the parts of a starting bot come up does not matter then: a reconciliation may report an
earlier run's orders before the instance exists.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from bot.legacy.strategy_engine.keys import StrategyKey
from bot.legacy.strategy_engine.layout import Reader, Writer
from bot.model.actions import Instance
from bot.model.orders import Fill, Order, Position
from bot.model.quantities import Ticks
from bot.model.risk import RuleFigures

MAX_KEYS = 512
"""Keys remembered; the one heard of first leaves first."""


class Report(msgspec.Struct):
    """The newest order of one key and its fills by id."""

    order: Order | None = None
    fills: dict[int, Fill] = {}


class Holding(msgspec.Struct, frozen=True):
    """An instance's position in a contract and the price of its stop."""

    position: Position | None
    stop: Ticks | None


class Heard:
    """Reports by key, holdings by instance and contract, and by account whether it is known and its figures."""

    def __init__(self) -> None:
        self._reports: dict[str, Report] = {}
        self._holdings: dict[tuple[int, str, str], Holding] = {}
        self.known: dict[int, bool] = {}
        self.figures: dict[int, RuleFigures] = {}

    def order(self, key: str, order: Order) -> None:
        self._report(key).order = order

    def fill(self, key: str, fill: Fill) -> None:
        self._report(key).fills[fill.id] = fill

    def position(self, instance: Instance, contract_id: str, holding: Holding) -> None:
        self._holdings[instance.account_id, instance.strategy, contract_id] = holding

    def reports(self, instance: Instance) -> Iterator[tuple[StrategyKey, Report]]:
        """Reports of one instance, in the order of their first arrival."""
        for key, report in self._reports.items():
            parsed = StrategyKey.parse(key)
            if parsed.instance == instance:
                yield parsed, report

    def holding(self, instance: Instance, contract_id: str) -> Holding | None:
        """What the instance holds there, None when nothing was told."""
        return self._holdings.get((instance.account_id, instance.strategy, contract_id))

    def write(self, writer: Writer) -> None:
        writer.count(len(self._reports))
        for key, report in self._reports.items():
            writer.text(key)
            writer.text(msgspec.json.encode(report).decode())
        writer.count(len(self._holdings))
        for at in sorted(self._holdings):
            writer.i64(at[0])
            writer.text(at[1])
            writer.text(at[2])
            writer.text(msgspec.json.encode(self._holdings[at]).decode())
        writer.count(len(self.known))
        for account_id in sorted(self.known):
            writer.i64(account_id)
            writer.flag(self.known[account_id])
        writer.count(len(self.figures))
        for account_id in sorted(self.figures):
            writer.i64(account_id)
            writer.text(msgspec.json.encode(self.figures[account_id]).decode())

    def read(self, reader: Reader) -> None:
        for _ in range(reader.count()):
            key = reader.text()
            self._reports[key] = msgspec.json.decode(reader.text(), type=Report)
        for _ in range(reader.count()):
            at = reader.i64(), reader.text(), reader.text()
            self._holdings[at] = msgspec.json.decode(reader.text(), type=Holding)
        for _ in range(reader.count()):
            account_id = reader.i64()
            self.known[account_id] = reader.flag()
        for _ in range(reader.count()):
            account_id = reader.i64()
            self.figures[account_id] = msgspec.json.decode(reader.text(), type=RuleFigures)

    def _report(self, key: str) -> Report:
        report = self._reports.get(key)
        if report is None:
            if len(self._reports) >= MAX_KEYS:
                del self._reports[next(iter(self._reports))]
            report = self._reports[key] = Report()
        return report
