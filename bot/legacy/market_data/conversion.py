"""Closed one-minute bars to any longer timeframe, the authority (strategies.md §6.6)."""

from __future__ import annotations

from collections.abc import Sequence

from bot.calendar.sessions import SessionCalendar
from bot.calendar.timeframes import bucket, parse_timeframe
from bot.model.errors import BadTimeframe, Unsorted
from bot.model.market import ConvertedBar, MinuteBar
from bot.model.quantities import Ticks, TsNs


class PythonBarConverter:
    """Batch conversion; nothing is invented for missing minutes."""

    def __init__(self, calendar: SessionCalendar) -> None:
        self._calendar = calendar

    def __call__(
        self,
        bars: Sequence[MinuteBar],
        timeframe: str,
        start: TsNs,
        end: TsNs,
        keep_partial: bool = False,
    ) -> list[ConvertedBar]:
        """Bars of `timeframe` from the bars whose start lies in `[start, end)`, ascending.

        Buckets that `[start, end)` does not cover are left out, or kept with `complete` false.
        Raises BadTimeframe (also for a length that is not whole minutes) and Unsorted.
        """
        target = parse_timeframe(timeframe)
        if target.seconds % 60:
            raise BadTimeframe("timeframe", expected="whole minutes, the length of the bars", seen=timeframe)
        converted: list[ConvertedBar] = []
        previous = bucket_end = -(2**63)
        bucket_start = open_ = high = low = close = volume = count = 0

        def finish() -> None:
            complete = start <= bucket_start and bucket_end <= end
            if count and (complete or keep_partial):
                converted.append(
                    ConvertedBar(
                        TsNs(bucket_start),
                        TsNs(bucket_end),
                        Ticks(open_),
                        Ticks(high),
                        Ticks(low),
                        Ticks(close),
                        volume,
                        count,
                        complete,
                    )
                )

        for bar in bars:
            t = bar.start
            if t <= previous:
                raise Unsorted(
                    "bars", expected="strictly ascending starts", seen=t, do="sort and deduplicate"
                )
            previous = t
            if not start <= t < end:
                continue
            if t >= bucket_end:
                finish()
                bucket_start, bucket_end = bucket(self._calendar, target, t)
                open_, high, low, volume, count = bar.open, bar.high, bar.low, 0, 0
            if bar.high > high:
                high = bar.high
            if bar.low < low:
                low = bar.low
            close = bar.close
            volume += bar.volume
            count += 1
        finish()
        return converted
