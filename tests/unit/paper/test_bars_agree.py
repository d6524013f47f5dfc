"""Bars, prints and touches of one run agree with each other at every price, from the history on."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.market import MinuteBar
from bot.model.times import HOUR, MINUTE, format_ts, parse_ts
from bot.paper.market.feed import MarketEvent, Print, QuoteTick
from bot.paper.market.synthetic import SyntheticMarket
from tests.unit.paper.scripted import MNQ, START, Bench
from tests.unit.paper_market.round_trip import minute_bars


class Overheard(SyntheticMarket):
    """A market that remembers what it told."""

    told: list[MarketEvent]

    def advance(self, now: int) -> list[MarketEvent]:
        found = super().advance(now)
        self.told = [*getattr(self, "told", []), *found]
        return found


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(1, 10_000), begin=st.integers(-3 * HOUR // MINUTE, 2 * HOUR // MINUTE),
    scenario=st.sampled_from(["quiet", "breakout", "reversal", "fast"]),
)  # fmt: skip
def test_bars_prints_and_touches_agree_at_every_price(seed: int, begin: int, scenario: str) -> None:
    start = START + begin * MINUTE + 17_000_000_000
    market = Overheard(seed, start, ("MNQ",), "light", scenario)
    bench = Bench(start=start, market=market)
    for _ in range(5):
        bench.pass_(60_000)
    now = bench.clock.now()
    answer = bench.call(
        "History/retrieveBars", contractId=MNQ, live=False, unit=2, unitNumber=1, limit=500,
        startTime=format_ts(start - HOUR), endTime=format_ts(now), includePartialBar=True,
    )  # fmt: skip
    tick = market.contracts[MNQ].tick
    served = [
        MinuteBar(
            parse_ts(row["t"]), *(tick.parse(repr(row[name]))[0] for name in "ohlc"), row["v"]
        )
        for row in reversed(answer["bars"])
    ]  # fmt: skip
    prints = [each for each in market.told if isinstance(each, Print)]
    live = minute_bars(prints)
    border = live[0].start
    assert [bar for bar in served if bar.start >= border] == live
    behind = [bar for bar in served if bar.start < border]
    assert behind == market.history(MNQ, start - HOUR, border)
    assert behind[-1].start == start // MINUTE * MINUTE - MINUTE
    touch: QuoteTick | None = None
    for each in market.told:
        if isinstance(each, QuoteTick):
            touch = each
        elif isinstance(each, Print) and touch is not None:
            assert each.price == (touch.ask if each.aggressor == 0 else touch.bid)
    assert touch is not None
    assert abs(prints[0].price - behind[-1].close) <= (24 if scenario == "fast" else 12)
