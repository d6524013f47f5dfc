"""A market that does what it is told: a quote and a print every half second, and walks to pushed prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.model.contract import Contract
from bot.model.market import MinuteBar
from bot.model.quantities import Ticks, TsNs
from bot.model.times import MILLISECOND, SECOND
from bot.paper.market.feed import BUY, DepthLevel, MarketEvent, Print, QuoteTick

EVERY = SECOND // 2
STEP = 20 * MILLISECOND


class ScriptedMarket:
    """The touch is `(price - 1, price)` and prints happen at `price`; `push` moves it tick by tick."""

    def __init__(self, contracts: Sequence[Contract], start_ns: int, price: int = 80_000) -> None:
        self._contracts = {contract.id: contract for contract in contracts}
        self._price = dict.fromkeys(self._contracts, price)
        self._next = start_ns + EVERY
        self._steps: list[tuple[int, str, int]] = []
        self._now = start_ns

    @property
    def contracts(self) -> Mapping[str, Contract]:
        return self._contracts

    def advance(self, now: int) -> list[MarketEvent]:
        events: list[MarketEvent] = []
        while (due := self.next_ts()) <= now:
            if self._steps and self._steps[0][0] <= self._next:
                ts, contract_id, price = self._steps.pop(0)
                self._price[contract_id] = price
                events += self._tick(contract_id, ts)
            else:
                self._next += EVERY
                for contract_id in self._contracts:
                    events += self._tick(contract_id, due)
            self._now = due
        self._now = max(self._now, now)
        return events

    def next_ts(self) -> int:
        return min(self._next, self._steps[0][0]) if self._steps else self._next

    def history(self, contract_id: str, start: int, end: int) -> list[MinuteBar]:
        return []

    def hours(self, contract_id: str, start: int, end: int) -> list[MinuteBar]:
        return []

    def push(self, contract_id: str, target: Ticks, seconds: float) -> None:
        """Reach `target` within `seconds`, in steps of a tick at least 20 ms apart."""
        distance = target - self._price[contract_id]
        if distance == 0:
            return
        count = max(1, min(abs(distance), int(seconds * SECOND) // STEP))
        pause = int(seconds * SECOND) // count
        self._steps = [step for step in self._steps if step[1] != contract_id]
        self._steps += [
            (self._now + (i + 1) * pause, contract_id, self._price[contract_id] + distance * (i + 1) // count)
            for i in range(count)
        ]
        self._steps.sort()

    def top(self, contract_id: str) -> QuoteTick:
        price = self._price[contract_id]
        return QuoteTick(contract_id, TsNs(self._now), Ticks(price - 1), 5, Ticks(price), 5)

    def last(self, contract_id: str) -> Ticks | None:
        return Ticks(self._price[contract_id])

    def depth(self, contract_id: str) -> list[DepthLevel]:
        return []

    def _tick(self, contract_id: str, ts: int) -> list[MarketEvent]:
        price = self._price[contract_id]
        return [
            QuoteTick(contract_id, TsNs(ts), Ticks(price - 1), 5, Ticks(price), 5),
            Print(contract_id, TsNs(ts), Ticks(price), 1, BUY),
        ]
