"""An overnight-range trade worked out by hand from a market's own bars and events (strategies.md 11).

Independent of the bot's strategy, so that the scenario is judged by the specification alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

from bot.calendar.sessions import SessionCalendar
from bot.model.market import MinuteBar
from bot.model.quantities import round_away
from bot.model.times import MINUTE, SECOND
from bot.paper.market.feed import Market, MarketEvent, Print, QuoteTick

OPEN_SECOND_ORDER = 3 * SECOND
"""How long after the first trade of the session both entries are taken to be working."""


@dataclass
class Levels:
    low: int
    high: int
    open: int
    atr: float
    day_atr: float | None
    entries: dict[int, int] = field(default_factory=dict)
    stops: dict[int, int] = field(default_factory=dict)
    targets: dict[int, int] = field(default_factory=dict)


@dataclass
class Round:
    """What happened; times in seconds after the cash open, None where it did not."""

    nearest_at_placing: int
    side: int = 0
    entered: float | None = None
    fill: int = 0
    breakeven: float | None = None
    exited: float | None = None
    exit_kind: str = ""


def minute_bars(prints: Sequence[Print]) -> list[MinuteBar]:
    """The bars that a bar builder makes of prints in order of time."""
    bars: list[MinuteBar] = []
    for each in prints:
        start = each.ts // MINUTE * MINUTE
        if not bars or bars[-1].start != start:
            bars.append(MinuteBar(start, each.price, each.price, each.price, each.price, each.size))
            continue
        bar = bars[-1]
        bars[-1] = MinuteBar(
            start,
            bar.open,
            max(bar.high, each.price),
            min(bar.low, each.price),
            each.price,
            bar.volume + each.size,
        )
    return bars


def levels(market: Market, contract_id: str, day: date, start: int, prints: Sequence[Print]) -> Levels:
    """Range, ATRs and levels at the cash open from history and the prints so far."""
    calendar = SessionCalendar.shipped()
    first, last = calendar.overnight_window(day)
    before = [each for each in prints if each.ts < last]
    bars = [*market.history(contract_id, start - 40 * 86_400 * SECOND, start), *minute_bars(before)]
    night = [bar for bar in bars if first <= bar.start < last]
    low, high = min(bar.low for bar in night), max(bar.high for bar in night)
    opened = next(each.price for each in prints if each.ts >= last)
    atr = _atr(_grouped(bars, 5 * MINUTE, last), 14)
    daily = _daily(bars, calendar, day)
    day_atr = _atr(daily, 14) if len(daily) >= 15 else None
    found = Levels(low, high, opened, atr, day_atr)
    for s, edge in ((1, high), (-1, low)):
        entry = edge + s
        target = max(4, round_away(atr * 2.0))
        if day_atr is not None:
            near = round_away(day_atr * 0.5 * 0.5)
            zone = s * (opened + s * near - entry)
            target = zone if zone >= 4 else target
        found.entries[s] = entry
        found.stops[s] = entry - s * max(4, round_away(atr * 1.25))
        found.targets[s] = entry + s * target
    return found


def play(events: Sequence[MarketEvent], at: Levels, open_ns: int, trigger: int) -> Round:
    """Trade the levels over one contract's events; `trigger` is the breakeven distance in ticks."""
    bid = ask = None
    placed = (
        next(each.ts for each in events if type(each) is Print and each.ts >= open_ns) + OPEN_SECOND_ORDER
    )
    result: Round | None = None
    stop = target = 0
    for each in events:
        if type(each) is QuoteTick:
            bid, ask = each.bid, each.ask
            if result and result.entered is not None and result.exited is None:
                s = result.side
                if s * ((bid if s > 0 else ask) - target) >= 0:
                    result.exited, result.exit_kind = (each.ts - open_ns) / SECOND, "target"
        if type(each) is not Print or each.ts < placed:
            continue
        price, seconds = each.price, (each.ts - open_ns) / SECOND
        if result is None:
            result = Round(min(at.entries[1] - price, price - at.entries[-1]))
        if result.entered is None:
            for s in (1, -1):
                if s * (price - at.entries[s]) >= 0:
                    result.side, result.entered = s, seconds
                    result.fill = ask + 1 if s > 0 else bid - 1
                    distance = s * (at.entries[s] - at.stops[s])
                    stop, target = result.fill - s * distance, result.fill + at.targets[s] - at.entries[s]
            continue
        s = result.side
        if result.exited is None:
            if s * (price - stop) <= 0:
                result.exited, result.exit_kind = seconds, "stop" if result.breakeven is None else "breakeven"
            elif result.breakeven is None and s * (price - result.fill) >= trigger:
                result.breakeven, stop = seconds, result.fill
    assert result is not None
    return result


def _grouped(bars: Sequence[MinuteBar], length: int, until: int) -> list[MinuteBar]:
    groups: dict[int, list[MinuteBar]] = {}
    for bar in bars:
        start = bar.start // length * length
        if start + length <= until:
            groups.setdefault(start, []).append(bar)
    return [_joined(start, group) for start, group in sorted(groups.items())]


def _daily(bars: Sequence[MinuteBar], calendar: SessionCalendar, day: date) -> list[MinuteBar]:
    groups: dict[date, list[MinuteBar]] = {}
    for bar in bars:
        groups.setdefault(calendar.trade_date(bar.start), []).append(bar)
    whole = sorted(each for each in groups if each < day)[1:]
    return [_joined(groups[each][0].start, groups[each]) for each in whole]


def _joined(start: int, bars: Sequence[MinuteBar]) -> MinuteBar:
    return MinuteBar(
        start, bars[0].open, max(bar.high for bar in bars), min(bar.low for bar in bars), bars[-1].close,
        sum(bar.volume for bar in bars),
    )  # fmt: skip


def _atr(bars: Sequence[MinuteBar], period: int) -> float:
    window = bars[-period - 1 :]
    assert len(window) == period + 1
    total = 0.0
    for previous, bar in pairwise(window):
        total += max(bar.high - bar.low, abs(bar.high - previous.close), abs(bar.low - previous.close))
    return total / period
