"""Events of the market hub: partial quotes, arrays of trades and of depth entries (gateway.md 12.2)."""

from __future__ import annotations

from typing import Any

from bot.model.quantities import divide_round
from bot.model.times import MINUTE
from bot.paper import wire
from bot.paper.bars import Bars
from bot.paper.hub import HubCore
from bot.paper.market.feed import RESET, Market, MarketEvent, Print, QuoteTick
from bot.paper.market_text import ContractText
from bot.paper.state import State

METHODS: dict[str, tuple[str, type | None]] = {
    "contractquotes": ("quote", str),
    "contracttrades": ("print", str),
    "contractmarketdepth": ("depth", str),
}
_NOTHING = (None, None, 0, 0)
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
        self._sent: dict[str, tuple[int | None, int | None, int, int]] = {}
        self._told: dict[str, dict[str, str]] = {}
        self._news: dict[str, bool] = {}
        self._batch: list[Any] = []
        self._key: tuple[type, str, int] | None = None
        self._texts: dict[str, ContractText] = {}
        self._instant, self._instant_text = -1, ""
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
        first, faults = batch[0], self._state.faults
        contract_id = first.contract_id
        if faults.armed and faults.active("quote.stop", contract_id) is not None:
            return
        if isinstance(first, QuoteTick):
            self._quote(batch[-1])
        elif isinstance(first, Print):
            if self._hub.wanted("print", contract_id):
                record = self._text(contract_id).trades(batch, self._time(first.ts))
                self._hub.publish("print", contract_id, "GatewayTrade", record)
        elif self._hub.wanted("depth", contract_id):
            record = self._text(contract_id).depth(batch, self._time(first.ts))
            self._hub.publish("depth", contract_id, "GatewayDepth", record)

    def reset_depth(self) -> None:
        """Begin the books of all subscribers anew: a Reset, then every level."""
        for contract_id in self._market.contracts:
            if self._hub.wanted("depth", contract_id):
                self._hub.publish("depth", contract_id, "GatewayDepth", self._book(contract_id))

    def _book(self, contract_id: str) -> bytes:
        confine, text = self._state.interruptions.confine, self._text(contract_id)
        book = [level for level in self._market.depth(contract_id) if confine(level) is not None]
        reset = text.level(RESET, "0", 0, wire.hub_time(self._state.now))
        return text.book(reset, book, self._time(book[0].ts) if book else "")

    def _quote(self, quote: QuoteTick) -> None:
        """What changed of the touch, or its prices anew where only sizes did; after a print its price and what changed."""
        cid = quote.contract_id
        if not self._hub.wanted("quote", cid):
            self._sent.pop(cid, None)
            self._told.pop(cid, None)
            return
        faults, text = self._state.faults, self._text(cid)
        bid, ask, bid_size, ask_size = self._sent.get(cid, _NOTHING)
        news = self._news.pop(cid, False)
        again = bid == quote.bid and ask == quote.ask and not news
        if again and bid_size == quote.bid_size and ask_size == quote.ask_size:
            return
        self._sent[cid] = (quote.bid, quote.ask, quote.bid_size, quote.ask_size)
        members: dict[str, str] = {}
        if news and not (faults.armed and faults.active("quote.sparse", cid) is not None):
            members = self._fresh(cid, text)
        if again or quote.bid != bid:
            members["bestBid"] = text.price(quote.bid)
        if again or quote.ask != ask:
            members["bestAsk"] = text.price(quote.ask)
        if faults.armed and faults.active("quote.zero", cid) is not None:
            members.update(bestBid="0", bestAsk="null", lastPrice="0")
            self._told.pop(cid, None)
        self._hub.publish("quote", cid, "GatewayQuote", self._stamped(text, members, quote.ts))

    def _stamped(self, text: ContractText, members: dict[str, str], ts: int) -> bytes:
        lag = self._state.latency.quote_lag
        stamp = self._time(ts)
        return text.quote(members, wire.hub_time(ts - lag) if lag else stamp, stamp)

    def _time(self, ts: int) -> str:
        """The hub's text of a time; events of one instant share it."""
        if ts != self._instant:
            self._instant, self._instant_text = ts, wire.hub_time(ts)
        return self._instant_text

    def _text(self, contract_id: str) -> ContractText:
        text = self._texts.get(contract_id)
        if text is None:
            text = self._texts[contract_id] = ContractText(self._market.contracts[contract_id])
        return text

    def _fresh(self, contract_id: str, text: ContractText) -> dict[str, str]:
        """The last price, which a print makes anew, and the figures that differ from those of the quotes before."""
        figures, told = self._figures(contract_id, text), self._told.get(contract_id, {})
        self._told[contract_id] = figures
        return {n: value for n, value in figures.items() if n == "lastPrice" or told.get(n) != value}

    def _figures(self, contract_id: str, text: ContractText) -> dict[str, str]:
        day, last = self._day(contract_id), self._state.last.get(contract_id)
        if last is None:
            return {}
        price = text.price
        members = {"lastPrice": price(last)}
        if day.close:
            change = last - day.close
            members["change"] = price(change)
            members["changePercent"] = wire.number_text(divide_round(change * 10_000, abs(day.close)), 2)
        for name, value in (("open", day.open), ("high", day.high), ("low", day.low)):
            if value is not None:
                members[name] = price(value)
        members["volume"] = str(day.volume)
        return members

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

    def _snapshot(self, topic: str, contract_id: Any) -> list[bytes]:
        if self._state.options.market_snapshot == "none":
            return []
        if topic == "depth":
            return [self._book(contract_id)]
        touch = self._state.touch.get(contract_id)
        if topic != "quote" or touch is None:
            return []
        text = self._text(contract_id)
        figures = self._figures(contract_id, text)
        told = self._told.get(contract_id, figures)
        self._told[contract_id] = {name: value for name, value in told.items() if figures.get(name) == value}
        members = dict(figures)
        members["bestBid"], members["bestAsk"] = text.price(touch.bid), text.price(touch.ask)
        self._sent[contract_id] = (touch.bid, touch.ask, touch.bid_size, touch.ask_size)
        return [self._stamped(text, members, touch.ts)]
