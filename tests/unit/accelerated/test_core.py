"""What is particular to the Rust core: its calendar, and what happens to a panic."""

from __future__ import annotations

from datetime import date

import pytest

from bot.accelerated.registry import available
from bot.calendar.sessions import SessionCalendar
from bot.calendar.timeframes import bucket, parse_timeframe
from bot.model.errors import CalendarUnknown, CoreFailure
from bot.model.market import Trade
from bot.model.times import HOUR, parse_ts

pytestmark = pytest.mark.skipif(
    available("market_data")["rust"] is not None, reason=str(available("market_data")["rust"])
)
NOON = parse_ts("2025-11-03T14:30:00Z")


def test_calendar_of_the_core_is_that_of_the_bot() -> None:
    from bot.accelerated.rust_bars import core_calendar

    ours = SessionCalendar.shipped()
    core = core_calendar(ours)
    timeframes = [parse_timeframe(text) for text in ("1h", "4h", "12h", "1d", "1w")]
    for t in range(parse_ts("2022-12-30T21:59:59Z"), parse_ts("2028-01-03T00:00:00Z"), 7 * HOUR):
        for timeframe in timeframes:
            assert core.bucket(timeframe.text, t) == bucket(ours, timeframe, t), (timeframe.text, t)
    for t in range(parse_ts("2023-01-03T00:00:00Z"), parse_ts("2027-12-30T00:00:00Z"), 11 * HOUR):
        assert date.fromordinal(core.trade_date(t) + date(1970, 1, 1).toordinal()) == ours.trade_date(t)
    with pytest.raises(CalendarUnknown, match="range"):
        core.trade_date(parse_ts("2028-02-01T00:00:00Z"))


def test_panic_is_a_typed_failure_and_a_restore_heals() -> None:
    from bot.accelerated.market_data import RustBarBuilder

    bars = RustBarBuilder(["1m"], SessionCalendar.shipped())
    good = bars.snapshot()
    huge = 2**63 - 1
    with pytest.raises(CoreFailure, match="overflow"):
        bars.on_trades([Trade("MNQ", 100, huge, NOON, NOON)] * 3)
    with pytest.raises(CoreFailure, match="earlier"):
        bars.on_trade(Trade("MNQ", 100, 1, NOON, NOON))
    bars.restore(good)
    assert bars.on_trade(Trade("MNQ", 100, 1, NOON, NOON)) == []
