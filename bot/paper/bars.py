"""`History/retrieveBars`: the market's history joined with bars of the running feed (gateway.md 8.5)."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from datetime import date, timedelta

from bot.model.contract import Contract
from bot.model.market import MinuteBar
from bot.model.quantities import Ticks, TsNs
from bot.model.times import MINUTE, SECOND
from bot.paper import wire
from bot.paper.answers import Answer, refused
from bot.paper.fields import Members
from bot.paper.market.feed import Market, Print
from bot.paper.reads import Query
from bot.paper.state import State

KEPT_SECONDS = 90_000
"""One-second bars kept per contract; minute bars of the run are kept whole."""

CONTRACT_NOT_FOUND, BAD_UNIT, BAD_NUMBER, BAD_LIMIT = 1, 2, 3, 4
_UNIT_NS = {1: SECOND, 2: MINUTE, 3: 60 * MINUTE}
_DAY, _WEEK, _MONTH = 4, 5, 6
_DAYS = {_DAY: 2, _WEEK: 7, _MONTH: 31}
_DAY_NS = 24 * 60 * MINUTE
_MOST_DAYS = 1_000


class Bars:
    """Aggregates prints as they come; prices in ticks until the last moment."""

    def __init__(self, state: State, market: Market) -> None:
        self._state, self._market = state, market
        self._seconds: dict[str, deque[MinuteBar]] = defaultdict(lambda: deque(maxlen=KEPT_SECONDS))
        self._minutes: dict[str, list[MinuteBar]] = defaultdict(list)

    def on_print(self, trade: Print) -> None:
        """Take one print into the second and the minute it belongs to."""
        _extend(self._seconds[trade.contract_id], trade, SECOND)
        _extend(self._minutes[trade.contract_id], trade, MINUTE)

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
            if not 1 <= unit <= _MONTH:
                return refused(BAD_UNIT, bars=failed)
            if number <= 0:
                return refused(BAD_NUMBER, bars=failed)
            if limit <= 0 or (limit > options.bars_max and not options.bars_silent_cap):
                return refused(BAD_LIMIT, bars=failed)
            if live or start >= end or contract_id not in self._market.contracts:
                return Answer(payload={"bars": []})
            if state.catalogue.expired(contract, state.now) and unit < options.bars_expired_min_unit:
                return Answer(payload={"bars": []})
            most = min(limit, options.bars_max)
            frozen = state.faults.active("bars.freeze", contract_id)
            until = end if frozen is None else min(end, frozen.armed_at)
            leak = partial or options.bars_leak_partial
            step = number if unit in _UNIT_NS else min(number, _MOST_DAYS)
            bars = self.build(contract, start, until, unit, step, most, leak) if start < until else []
            models = [_model(bar, contract) for bar in bars]
            if state.faults.strike("bars.dup", "any", None, contract_id) is not None:
                models = [model for model in models for _ in range(2)]
            if state.faults.strike("bars.shuffle", "any", None, contract_id) is not None:
                models = models[1::2] + models[::2]
            return Answer(payload={"bars": models})

        return answer

    def build(
        self, contract: Contract, start: int, end: int, unit: int, number: int, most: int, partial: bool
    ) -> list[MinuteBar]:
        """Bars that open in `[start, end)`, newest first, at most `most`."""
        now = self._state.now
        first = self._bounds(start, unit, number)[0]
        last = min(self._bounds(min(end, now + 1) - 1, unit, number)[1], now + 1)
        first = max(first, last - _reach(most, unit, number))
        if unit == 2 and number == 1:
            result = [bar for bar in self._base(contract.id, first, last, unit) if start <= bar.start < end]
            if result and not partial and result[-1].start + MINUTE > now:
                result.pop()
            return result[-most:][::-1]
        result = []
        bounds = (0, 0)
        for bar in self._base(contract.id, first, last, unit):
            if not bounds[0] <= bar.start < bounds[1]:
                bounds = self._bounds(bar.start, unit, number)
                result.append(MinuteBar(TsNs(bounds[0]), bar.open, bar.high, bar.low, bar.close, 0))
            so_far = result[-1]
            result[-1] = MinuteBar(
                so_far.start, so_far.open, max(so_far.high, bar.high), min(so_far.low, bar.low), bar.close,
                so_far.volume + bar.volume,
            )  # fmt: skip
        result = [bar for bar in result if start <= bar.start < end]
        if result and not partial and bounds[1] > now:
            result.pop()
        return result[-most:][::-1]

    def minutes(self, contract_id: str, first: int, last: int) -> Iterable[MinuteBar]:
        """One-minute bars that open in `[first, last)`, ascending, the forming one included."""
        return self._base(contract_id, first, min(last, self._state.now + 1), 2)

    def _base(self, contract_id: str, first: int, last: int, unit: int) -> Iterable[MinuteBar]:
        if unit == 1:
            return [bar for bar in self._seconds[contract_id] if first <= bar.start < last]
        live = self._minutes[contract_id]
        border = min(live[0].start, last) if live else last
        behind = self._market.history(contract_id, first, border) if first < border else []
        return [*behind, *(bar for bar in live if first <= bar.start < last)]

    def _bounds(self, ts: int, unit: int, number: int) -> tuple[int, int]:
        calendar = self._state.calendar
        if unit in _UNIT_NS:
            size = _UNIT_NS[unit] * number
            anchor = 0
            if unit == 3 and self._state.options.bars_hour_anchor == "session":
                anchor = calendar.session_bounds(ts)[0]
            start = anchor + (ts - anchor) // size * size
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


def _reach(most: int, unit: int, number: int) -> int:
    """How far back `most` bars can lie at the utmost: closed hours, weekends and holidays included."""
    span = most * number * _UNIT_NS[unit] * 4 if unit in _UNIT_NS else most * number * _DAYS[unit] * _DAY_NS
    return span + 6 * _DAY_NS


def _month(index: int) -> date:
    return date(index // 12, index % 12 + 1, 1)


def _extend(bars: list[MinuteBar] | deque[MinuteBar], trade: Print, size: int) -> None:
    start = trade.ts // size * size
    if bars and bars[-1].start == start:
        bar = bars[-1]
        bars[-1] = MinuteBar(
            bar.start, bar.open, Ticks(max(bar.high, trade.price)), Ticks(min(bar.low, trade.price)),
            trade.price, bar.volume + trade.size,
        )  # fmt: skip
    else:
        bars.append(MinuteBar(TsNs(start), trade.price, trade.price, trade.price, trade.price, trade.size))


def _model(bar: MinuteBar, contract: Contract) -> dict[str, object]:
    return {
        "t": wire.rest_time(bar.start),
        "o": wire.price(bar.open, contract.tick),
        "h": wire.price(bar.high, contract.tick),
        "l": wire.price(bar.low, contract.tick),
        "c": wire.price(bar.close, contract.tick),
        "v": bar.volume,
    }
