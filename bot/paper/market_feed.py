"""Events of the market hub: partial quotes, arrays of trades and of depth entries (gateway.md 12.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.model.contract import Contract
from bot.model.quantities import divide_round
from bot.model.times import MINUTE
from bot.paper import records, wire
from bot.paper.bars import Bars
from bot.paper.hub import HubCore
from bot.paper.market.feed import DepthLevel, Market, MarketEvent, Print, QuoteTick
from bot.paper.state import State

METHODS: dict[str, tuple[str, type | None]] = {
    "contractquotes": ("quote", str),
    "contracttrades": ("print", str),
    "contractmarketdepth": ("depth", str),
}
RESET = 6
_DAYS_BACK = 5 * 24 * 60 * MINUTE


class Day:
    """The session's figures of one contract: prices in ticks, `close` the one before the session."""

    __slots__ = ("close", "end", "high", "low", "open", "volume")

    def __init__(self, end: int, close: int | None) -> None:
        self.end, self.close, self.volume = end, close, 0
        self.open: int | None = None
        self.high: int | None = None
        self.low: int | None = None

    def take(self, price: int, high: int, low: int, volume: int) -> None:
        """Add a print or a bar."""
        self.open = price if self.open is None else self.open
        self.high = high if self.high is None else max(self.high, high)
        self.low = low if self.low is None else min(self.low, low)
        self.volume += volume


class MarketFeed:
    """Batches events of one instant and sends what changed."""

    def __init__(self, state: State, hub: HubCore, market: Market, bars: Bars) -> None:
        self._state, self._hub, self._market, self._bars = state, hub, market, bars
        self._days: dict[str, Day] = {}
        self._sent: dict[str, tuple[int, int]] = {}
        self._news: dict[str, bool] = {}
        self._batch: list[Any] = []
        self._key: tuple[type, str, int] | None = None
        hub.snapshot = self._snapshot
        hub.known = market.contracts.__contains__

    def take(self, event: MarketEvent) -> None:
        """One event of the market, in its order."""
        key = (type(event), event.contract_id, event.ts)
        if key != self._key:
            self.flush()
            self._key = key
        self._batch.append(event)
        if isinstance(event, Print):
            day = self._days.get(event.contract_id)
            if day is not None:
                if event.ts >= day.end:
                    self._days.pop(event.contract_id)
                else:
                    day.take(event.price, event.price, event.price, event.size)
            self._news[event.contract_id] = True

    def flush(self) -> None:
        """Send the batch of the present instant."""
        if not self._batch:
            return
        batch, self._batch, self._key = self._batch, [], None
        first = batch[0]
        if self._state.faults.active("quote.stop", first.contract_id) is not None:
            return
        if isinstance(first, QuoteTick):
            self._quote(batch[-1])
        elif isinstance(first, Print):
            if self._hub.wanted("print", first.contract_id):
                self._send("print", "GatewayTrade", first.contract_id, self._prints(batch))
        elif self._hub.wanted("depth", first.contract_id):
            self._send("depth", "GatewayDepth", first.contract_id, self._levels(batch))

    def reset_depth(self) -> None:
        """Begin the books of all subscribers anew: a Reset, then every level."""
        for contract_id in self._market.contracts:
            if self._hub.wanted("depth", contract_id):
                levels = self._book(contract_id)
                self._send("depth", "GatewayDepth", contract_id, levels)

    def _book(self, contract_id: str) -> list[dict[str, Any]]:
        reset = {
            "timestamp": wire.hub_time(self._state.now), "type": RESET,
            "price": 0, "volume": 0, "currentVolume": 0,
        }  # fmt: skip
        confine = self._state.interruptions.confine
        book = [level for level in self._market.depth(contract_id) if confine(level) is not None]
        return [reset, *(self._levels(book) if book else [])]

    def _send(self, topic: str, target: str, contract_id: str, data: Any) -> None:
        self._hub.publish(topic, contract_id, target, records.event(target, [contract_id, data]))

    def _quote(self, quote: QuoteTick) -> None:
        cid = quote.contract_id
        if not self._hub.wanted("quote", cid):
            self._sent.pop(cid, None)
            return
        bid, ask = self._sent.get(cid, (None, None))
        news = self._news.pop(cid, False)
        if (bid, ask) == (quote.bid, quote.ask) and not news:
            return
        self._sent[cid] = (quote.bid, quote.ask)
        contract = self._market.contracts[cid]
        data: dict[str, Any] = {"symbol": contract.symbol_id}
        if news and self._state.faults.active("quote.sparse", cid) is None:
            data.update(self._figures(contract))
        if quote.bid != bid:
            data["bestBid"] = wire.price(quote.bid, contract.tick)
        if quote.ask != ask:
            data["bestAsk"] = wire.price(quote.ask, contract.tick)
        if self._state.faults.active("quote.zero", cid) is not None:
            data.update(bestBid=0, bestAsk=None, lastPrice=0)
        self._send("quote", "GatewayQuote", cid, self._stamped(data, cid, quote.ts))

    def _stamped(self, data: dict[str, Any], contract_id: str, ts: int) -> dict[str, Any]:
        data["lastUpdated"] = wire.hub_time(ts - self._state.latency.quote_lag)
        data["timestamp"] = wire.hub_time(ts)
        data["contract"] = contract_id
        return data

    def _figures(self, contract: Contract) -> dict[str, Any]:
        day, last = self._day(contract.id), self._state.last.get(contract.id)
        if last is None:
            return {}
        data: dict[str, Any] = {"lastPrice": wire.price(last, contract.tick)}
        if day.close:
            change = last - day.close
            data["change"] = wire.price(change, contract.tick)
            data["changePercent"] = wire.number(divide_round(change * 10_000, abs(day.close)), 2)
        data["open"] = wire.price(day.open, contract.tick)
        data["high"] = wire.price(day.high, contract.tick)
        data["low"] = wire.price(day.low, contract.tick)
        data["volume"] = day.volume
        return {name: value for name, value in data.items() if value is not None}

    def _day(self, contract_id: str) -> Day:
        day = self._days.get(contract_id)
        if day is None:
            start, end = self._state.calendar.session_bounds(self._state.now)
            day = Day(end, None)
            for bar in self._bars.minutes(contract_id, start - _DAYS_BACK, end):
                if bar.start < start:
                    day.close = bar.close
                else:
                    first = bar.open if day.open is None else bar.close
                    day.take(first, bar.high, bar.low, bar.volume)
            self._days[contract_id] = day
        return day

    def _prints(self, batch: Sequence[Print]) -> list[dict[str, Any]]:
        contract = self._market.contracts[batch[0].contract_id]
        return [
            {
                "symbolId": contract.symbol_id,
                "price": wire.price(event.price, contract.tick),
                "timestamp": wire.hub_time(event.ts),
                "type": event.aggressor,
                "volume": event.size,
                "contractId": event.contract_id,
            }
            for event in batch
        ]

    def _levels(self, batch: Sequence[DepthLevel]) -> list[dict[str, Any]]:
        tick = self._market.contracts[batch[0].contract_id].tick
        return [
            {
                "timestamp": wire.hub_time(event.ts),
                "type": event.kind,
                "price": wire.price(event.price, tick),
                "volume": event.volume,
                "currentVolume": 0,
            }
            for event in batch
        ]

    def _snapshot(self, topic: str, contract_id: Any) -> list[bytes]:
        if self._state.options.market_snapshot == "none":
            return []
        contract = self._market.contracts[contract_id]
        if topic == "depth":
            return [records.event("GatewayDepth", [contract_id, self._book(contract_id)])]
        touch = self._state.touch.get(contract_id)
        if topic != "quote" or touch is None:
            return []
        data: dict[str, Any] = {"symbol": contract.symbol_id, **self._figures(contract)}
        data["bestBid"] = wire.price(touch.bid, contract.tick)
        data["bestAsk"] = wire.price(touch.ask, contract.tick)
        self._sent[contract_id] = (touch.bid, touch.ask)
        stamped = self._stamped(data, contract_id, touch.ts)
        return [records.event("GatewayQuote", [contract_id, stamped])]
