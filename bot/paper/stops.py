"""Halts, pauses and price bands of single contracts: how they begin, how they end, what trades after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from bot.model.errors import BadField, UnknownSymbol
from bot.model.times import SECOND
from bot.paper.interruptions import Band, How, Stop
from bot.paper.market.feed import Market, QuoteTick
from bot.paper.matching import Matching
from bot.paper.state import State


class TradingStops:
    """Stops of one venue, at its present time. Unknown contracts raise UnknownSymbol."""

    def __init__(
        self, state: State, market: Market, matching: Matching, reset_depth: Callable[[], None]
    ) -> None:
        self._state, self._market, self._matching = state, market, matching
        self._reset_depth = reset_depth

    def stop(self, contract_id: str, kind: Literal["halt", "pause"], seconds: float | None, how: How) -> None:
        """Begin a halt or a pause, for venue seconds or until `resume`."""
        self._traded(contract_id)
        now = self._state.now
        until = None if seconds is None else now + int(seconds * SECOND)
        self._state.interrupt("stop", Stop(contract_id, kind, until, how), now)
        self.set_end(contract_id)

    def resume(self, contract_id: str) -> None:
        """End a halt or a pause; without one nothing happens."""
        self._traded(contract_id)
        if contract_id in self._state.interruptions.stops:
            self._end(contract_id, self._state.now)

    def band(self, contract_id: str, low: int | None, high: int | None) -> None:
        """Confine a contract to two prices in ticks. Raises BadField when they are not in order."""
        self._traded(contract_id)
        if low is not None and high is not None and low >= high:
            raise BadField("price band", expected="low below high", seen=f"{low} to {high}")
        self._state.interrupt("band", Band(contract_id, low, high), self._state.now)
        self.take_touch(contract_id)
        self._matching.reopen(contract_id, self._state.now)

    def set_ends(self) -> None:
        """After a restart: let what is in force end in its time."""
        for contract_id in self._state.interruptions.stops:
            self.set_end(contract_id)

    def set_end(self, contract_id: str) -> None:
        """Let the contract's stop end when its time is over."""
        stop = self._state.interruptions.stops.get(contract_id)
        if stop is None or stop.until is None:
            return

        def end(due: int) -> None:
            if self._state.interruptions.stops.get(contract_id) is stop:
                self._end(contract_id, due)

        self._state.timers.at(max(stop.until, self._state.now), end)

    def take_touch(self, contract_id: str) -> None:
        """Look at the market's touch anew, within the band."""
        touch = self._state.interruptions.confine(self._market.top(contract_id))
        if isinstance(touch, QuoteTick):
            self._state.touch[contract_id] = touch

    def _end(self, contract_id: str, ts: int) -> None:
        self._state.interrupt("resume", contract_id, ts)
        self.take_touch(contract_id)
        self._reset_depth()
        self._matching.reopen(contract_id, ts)

    def _traded(self, contract_id: str) -> None:
        if contract_id not in self._market.contracts:
            raise UnknownSymbol("contract_id", expected="a contract with a market", seen=contract_id)
