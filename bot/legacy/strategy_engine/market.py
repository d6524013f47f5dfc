"""What the engine remembers of the market: last prices, bar windows and the condition of each contract."""

from __future__ import annotations

from bot.legacy.strategy_engine.condition import UNKNOWN, ConditionParameters, classify
from bot.legacy.strategy_engine.layout import Reader, Writer
from bot.legacy.strategy_engine.windows import BarWindow
from bot.model.quantities import Ticks, TsNs

_ALWAYS = 1 << 62


class MarketMemory:
    """One window per contract and timeframe that somebody needs; both sets are bounded by the contracts."""

    def __init__(self, condition: ConditionParameters) -> None:
        self._condition = condition
        self._windows: dict[tuple[str, str], BarWindow] = {}
        self._labels: dict[str, tuple[str, ...]] = {}
        self.prices: dict[str, Ticks] = {}

    def need(self, contract_id: str, timeframe: str, depth: int) -> None:
        """Keep at least `depth` closed bars of this timeframe from now on."""
        window = self._windows.get((contract_id, timeframe))
        if window is None:
            self._windows[contract_id, timeframe] = BarWindow(contract_id, timeframe, depth)
        else:
            window.deepen(depth)

    def window(self, contract_id: str, timeframe: str) -> BarWindow:
        """The window of a timeframe that was asked for."""
        return self._windows[contract_id, timeframe]

    def find(self, contract_id: str, timeframe: str) -> BarWindow | None:
        """The window, None when nobody needs it."""
        return self._windows.get((contract_id, timeframe))

    def last(self, contract_id: str) -> Ticks | None:
        """The newest trade price."""
        return self.prices.get(contract_id)

    def labels(self, contract_id: str) -> tuple[str, ...]:
        """The condition at the newest closed bar of its timeframe."""
        return self._labels.get(contract_id, UNKNOWN)

    def classify(self, window: BarWindow) -> None:
        """Bring the condition up to date after its window changed."""
        if window.timeframe != self._condition.timeframe:
            return
        bars = window.last_complete(self._condition.window, _ALWAYS)
        self._labels[window.contract_id] = classify(
            [float(bar.high) for bar in bars],
            [float(bar.low) for bar in bars],
            [float(bar.close) for bar in bars],
            self._condition,
        ).labels

    def depths(self) -> list[tuple[str, str, int]]:
        """`(contract id, timeframe, bars)` in byte order."""
        return [(*at, self._windows[at].depth) for at in self._ordered()]

    def gaps(self) -> list[tuple[str, str, TsNs, TsNs]]:
        """`(contract id, timeframe, start, end)` of bars that wait for history, in byte order."""
        spans = [(at, self._windows[at].gaps()) for at in self._ordered()]
        return [(*at, *span) for at, span in spans if span is not None]

    def write(self, writer: Writer) -> None:
        writer.count(len(self.prices))
        for contract_id in sorted(self.prices, key=str.encode):
            writer.text(contract_id)
            writer.i64(self.prices[contract_id])
        writer.count(len(self._windows))
        for at in self._ordered():
            writer.text(at[0])
            writer.text(at[1])
            self._windows[at].write(writer)

    def read(self, reader: Reader) -> None:
        for _ in range(reader.count()):
            contract_id = reader.text()
            self.prices[contract_id] = Ticks(reader.i64())
        for _ in range(reader.count()):
            contract_id, timeframe = reader.text(), reader.text()
            self.need(contract_id, timeframe, 1)
            window = self.window(contract_id, timeframe)
            window.read(reader)
            self.classify(window)

    def _ordered(self) -> list[tuple[str, str]]:
        return sorted(self._windows, key=lambda at: (at[0].encode(), at[1].encode()))
