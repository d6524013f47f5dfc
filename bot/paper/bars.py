"""`History/retrieveBars`: the market's history joined with bars of the running feed (gateway.md 8.5).

Seconds of which no print is kept are derived from their minute; hours from before the minutes are the market's own.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import chain, islice

from bot.model.contract import Contract
from bot.model.market import MinuteBar
from bot.model.quantities import Ticks, TsNs
from bot.model.times import MINUTE, SECOND
from bot.paper import wire
from bot.paper.answers import Answer, refused
from bot.paper.fields import Members
from bot.paper.market.expiry import expiry_ns
from bot.paper.market.feed import Print
from bot.paper.market.rolling import RollingMarket, raised
from bot.paper.market.seconds import seconds
from bot.paper.reads import Query
from bot.paper.state import State

KEPT_SECONDS = 90_000
"""One-second bars kept per contract; minute bars of the run are kept whole."""

KEPT_PRINTS = 50_000
"""Prints kept per contract for bars of unit 7, where that unit is allowed."""

_HOUR = 60 * MINUTE
_DAY_NS = 24 * _HOUR
DEPTH = {1: 63 * _DAY_NS, 2: 63 * _DAY_NS, 3: 366 * _DAY_NS}
"""How far back the simulated tier reaches per unit; days and above go back as far as there are prices."""

CONTRACT_NOT_FOUND, BAD_UNIT, BAD_NUMBER, BAD_LIMIT = 1, 2, 3, 4
_UNIT_NS = {1: SECOND, 2: MINUTE, 3: _HOUR}
_DAY, _WEEK, _MONTH, _TICK = 4, 5, 6, 7
_MOST_DAYS = 1_000
_LEAST_CHUNK = {1: 10 * MINUTE, 2: 6 * _HOUR, 3: 48 * _HOUR}
_LONGEST_CHUNK = {1: 6 * _HOUR}
_FARTHEST = 400 * _DAY_NS
"""Nothing older is looked for: no market has prices of that time."""


class Bars:
    """Aggregates prints as they come; prices in ticks until the last moment."""

    def __init__(self, state: State, market: RollingMarket) -> None:
        self._state, self._market = state, market
        self._seconds: dict[str, deque[MinuteBar]] = defaultdict(lambda: deque(maxlen=KEPT_SECONDS))
        self._minutes: dict[str, list[MinuteBar]] = defaultdict(list)
        self._prints: dict[str, deque[Print]] = defaultdict(lambda: deque(maxlen=KEPT_PRINTS))
        self._counts: dict[str, int] = defaultdict(int)

    def on_print(self, trade: Print) -> None:
        """Take one print into the second and the minute it belongs to."""
        _extend(self._seconds[trade.contract_id], trade, SECOND)
        _extend(self._minutes[trade.contract_id], trade, MINUTE)
        if self._state.options.bars_allow_tick_unit:
            self._prints[trade.contract_id].append(trade)
            self._counts[trade.contract_id] += 1

    def adopt(self, base: str, contract_id: str, offset: int) -> None:
        """Give a contract the bars of another one of this run so far, `offset` ticks higher."""
        self._minutes[contract_id] = [raised(bar, offset) for bar in self._minutes[base]]
        self._seconds[contract_id].extend(raised(bar, offset) for bar in self._seconds[base])

    def retrieve(self, body: Members) -> Query:
        """Bind the body (BadRequest); the answer's bars run from the newest to the oldest."""
        contract_id, live = body.text("contractId"), body.flag("live")
        start, end = body.time("startTime"), body.time("endTime")
        unit, number, limit = body.i32("unit"), body.i32("unitNumber"), body.i32("limit")
        partial = body.flag("includePartialBar")

        def answer() -> Answer:
            state, options = self._state, self._state.options
            failed: list[object] | None = [] if options.failure_lists == "empty" else None
            contract = state.catalogue.find(contract_id, state.now)
            unknown = state.faults.strike("bars.unknown", "any", None, contract_id)
            if contract is None or unknown is not None:
                return refused(CONTRACT_NOT_FOUND, bars=failed)
            if not 1 <= unit <= (_TICK if options.bars_allow_tick_unit else _MONTH):
                return refused(BAD_UNIT, bars=failed)
            if number <= 0:
                return refused(BAD_NUMBER, bars=failed)
            if limit <= 0 or (limit > options.bars_max and not options.bars_silent_cap):
                return refused(BAD_LIMIT, bars=failed)
            found = None if live or start >= end else self._source(contract, unit)
            if found is None:
                return Answer(payload={"bars": []})
            source, ended, offset = found
            most = min(limit, options.bars_max)
            frozen = state.faults.active("bars.freeze", contract_id)
            until = min(end, ended)
            if frozen is not None:
                whole = SECOND if unit == 1 else MINUTE
                until = min(until, frozen.armed_at // whole * whole)
            leak = partial or options.bars_leak_partial
            since = max(start, state.now - DEPTH[unit]) if unit in DEPTH else start
            bars = []
            if since < until and unit == _TICK:
                bars = self._ticks(source, since, until, number, most, leak)
            elif since < until:
                step = number if unit in _UNIT_NS else min(number, _MOST_DAYS)
                bars = self.build(source, since, until, unit, step, most, leak)
            models = [_model(raised(bar, offset) if offset else bar, contract) for bar in bars]
            if state.faults.strike("bars.dup", "any", None, contract_id) is not None:
                models = [model for model in models for _ in range(2)]
            if state.faults.strike("bars.shuffle", "any", None, contract_id) is not None:
                models = models[1::2] + models[::2]
            return Answer(payload={"bars": models})

        return answer

    def _source(self, contract: Contract, unit: int) -> tuple[str, int, int] | None:
        """Whose prices make the bars of a contract, when they end, and how many ticks higher the contract lies.

        None when it serves none. An expired contract without a market of its own has those of its root's
        first listed month up to its expiry, less the carry.
        """
        state = self._state
        expired = state.catalogue.expired(contract, state.now)
        if expired and unit < state.options.bars_expired_min_unit:
            return None
        if contract.id in self._market.contracts:
            return contract.id, state.now + 1, 0
        heir = self._market.standing_for(contract) if expired and unit != _TICK else None
        return None if heir is None else (heir[0], expiry_ns(contract), heir[1])

    def _ticks(
        self, contract_id: str, start: int, end: int, number: int, most: int, partial: bool
    ) -> list[MinuteBar]:
        """Bars of `number` prints each, counted from the run's first print; `t` is that of a bar's first."""
        prints = self._prints[contract_id]
        first = self._counts[contract_id] - len(prints)
        skipped = -first % number
        bars: list[MinuteBar] = []
        for index, trade in enumerate(islice(prints, skipped, None)):
            if index % number == 0:
                bars.append(
                    MinuteBar(trade.ts, trade.price, trade.price, trade.price, trade.price, trade.size)
                )
            else:
                bars[-1] = _with(bars[-1], trade)
        if bars and (len(prints) - skipped) % number and not partial:
            bars.pop()
        return [bar for bar in bars if start <= bar.start < end][-most:][::-1]

    def build(
        self, contract_id: str, start: int, end: int, unit: int, number: int, most: int, partial: bool
    ) -> list[MinuteBar]:
        """Bars that open in `[start, end)`, newest first, at most `most`."""
        now = self._state.now
        known = self._opening(self._state.calendar.covers[0])
        start, end = max(start, now - _FARTHEST, known), min(end, now + 1)
        if start >= end:
            return []
        first = self._bounds(start, unit, number)[0]
        last = min(self._bounds(end - 1, unit, number)[1], now + 1)
        result: list[MinuteBar] = []
        span = max(most * number * _UNIT_NS.get(unit, _DAY_NS), _LEAST_CHUNK.get(unit, 40 * _DAY_NS))
        upper, complete = last, partial
        while upper > first and len(result) < most:
            span = min(span, _LONGEST_CHUNK.get(unit, span))
            lower = first if upper - span <= start else self._bounds(upper - span, unit, number)[0]
            bars, ends = self._joined(contract_id, lower, upper, unit, number)
            upper = lower
            if not bars:
                span *= 2
            elif not complete:
                complete = True
                if ends > now:
                    bars.pop()
            result += [bar for bar in reversed(bars) if start <= bar.start < end]
        return result[:most]

    def _joined(
        self, contract_id: str, first: int, last: int, unit: int, number: int
    ) -> tuple[list[MinuteBar], int]:
        """All bars whose base bars open in `[first, last)`, ascending, and the end of the newest (ns)."""
        base = self._base(contract_id, first, last, unit)
        if unit <= 2 and number == 1:
            return base, base[-1].start + _UNIT_NS[unit] if base else 0
        bars: list[MinuteBar] = []
        bounds = (0, 0)
        for bar in base:
            if not bounds[0] <= bar.start < bounds[1]:
                bounds = self._bounds(bar.start, unit, number)
                bars.append(MinuteBar(TsNs(bounds[0]), bar.open, bar.high, bar.low, bar.close, 0))
            so_far = bars[-1]
            bars[-1] = MinuteBar(
                so_far.start, so_far.open, max(so_far.high, bar.high), min(so_far.low, bar.low), bar.close,
                so_far.volume + bar.volume,
            )  # fmt: skip
        return bars, bounds[1]

    def minutes(self, contract_id: str, first: int, last: int) -> Iterable[MinuteBar]:
        """One-minute bars that open in `[first, last)`, ascending, the forming one included."""
        return self._base(contract_id, first, min(last, self._state.now + 1), 2)

    def _base(self, contract_id: str, first: int, last: int, unit: int) -> list[MinuteBar]:
        """The finest bars for a unit that open in `[first, last)`, ascending."""
        if unit == 1:
            return self._second_bars(contract_id, first, last)
        live = self._minutes[contract_id]
        border = min(live[0].start, last) if live else last
        if first >= border:
            return [bar for bar in live if first <= bar.start < last]
        older = self._market.hours(contract_id, first, border) if unit > 2 else []
        behind = self._market.history(contract_id, first, border)
        return [*older, *behind, *(bar for bar in live if bar.start < last)]

    def _second_bars(self, contract_id: str, first: int, last: int) -> list[MinuteBar]:
        """Seconds of the feed as far as they are kept, before them those of whole minutes."""
        kept = self._seconds[contract_id]
        border = last
        if kept:
            border = kept[0].start // MINUTE * MINUTE
            if len(kept) == kept.maxlen:
                border += MINUTE
        whole = self._base(contract_id, first // MINUTE * MINUTE, min(last, border), 2)
        derived = (bar for minute in whole for bar in seconds(minute))
        both = chain(derived, (bar for bar in kept if bar.start >= border))
        return [bar for bar in both if first <= bar.start < last]

    def _bounds(self, ts: int, unit: int, number: int) -> tuple[int, int]:
        calendar = self._state.calendar
        if unit in _UNIT_NS:
            size = _UNIT_NS[unit] * number
            if unit == 3 and self._state.options.bars_hour_anchor == "session":
                anchor, ends = calendar.session_bounds(ts)
                start = anchor + (ts - anchor) // size * size
                return start, min(start + size, ends)
            start = ts // size * size
            return start, start + size
        day = calendar.trade_date(ts)
        if unit == _MONTH:
            index = (day.year * 12 + day.month - 1) // number * number
            return self._opening(_month(index)), self._opening(_month(index + number))
        if unit == _DAY and number == 1:
            return calendar.session_bounds(ts)
        if unit == _WEEK and number == 1:
            return calendar.session_week(ts)
        days = number if unit == _DAY else number * 7
        monday = day.toordinal() - 1
        first = date.fromordinal(monday // days * days + 1)
        return self._opening(first), self._opening(first + timedelta(days=days))

    def _opening(self, day: date) -> int:
        """When the first session from `day` on opens."""
        return self._state.calendar.day_bounds(day)[0]


def _month(index: int) -> date:
    return date(index // 12, index % 12 + 1, 1)


def _extend(bars: list[MinuteBar] | deque[MinuteBar], trade: Print, size: int) -> None:
    start = trade.ts // size * size
    if bars and bars[-1].start == start:
        bars[-1] = _with(bars[-1], trade)
    else:
        bars.append(MinuteBar(TsNs(start), trade.price, trade.price, trade.price, trade.price, trade.size))


def _with(bar: MinuteBar, trade: Print) -> MinuteBar:
    return MinuteBar(
        bar.start, bar.open, Ticks(max(bar.high, trade.price)), Ticks(min(bar.low, trade.price)), trade.price,
        bar.volume + trade.size,
    )  # fmt: skip


def _model(bar: MinuteBar, contract: Contract) -> dict[str, object]:
    return {
        "t": wire.rest_time(bar.start),
        "o": wire.price(bar.open, contract.tick),
        "h": wire.price(bar.high, contract.tick),
        "l": wire.price(bar.low, contract.tick),
        "c": wire.price(bar.close, contract.tick),
        "v": bar.volume,
    }
