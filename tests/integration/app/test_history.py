"""History for the engine from a real gateway: exact bars of every frame, gaps replaced, days closed at 17:00 Chicago."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from bot.calendar.sessions import SessionCalendar
from bot.calendar.timeframes import bucket, parse_timeframe
from bot.clock import PaperClock
from bot.freshness import Freshness
from bot.gateway.budget import RateBudget
from bot.gateway.contracts import ContractRegistry
from bot.gateway.credentials import Credentials
from bot.gateway.rest import RestClient
from bot.gateway.session import VenueSession
from bot.gateway.transport import AiohttpTransport
from bot.history import HistoryGaps, HistoryLoader
from bot.legacy.market_data import PythonBarConverter
from bot.model.actions import Action
from bot.model.market import Bar
from bot.model.quantities import TsNs
from bot.model.secret import Secret
from bot.model.times import MINUTE, SECOND, parse_ts
from bot.paper.config import PaperConfig
from bot.paper.server import PaperGateway

CALENDAR = SessionCalendar.shipped()
START = parse_ts("2025-11-04T14:28:00Z")
MNQ = "CON.F.US.MNQ.Z25"


@pytest.fixture
async def loader() -> AsyncIterator[tuple[HistoryLoader, PaperClock, list[tuple[str, str, int]]]]:
    gateway = PaperGateway(PaperConfig(start_ns=START, rate=10.0, roots=("MNQ",), profile="fast"))
    await gateway.start()
    transport = AiohttpTransport(gateway.url)
    clock = PaperClock(START, 10.0)
    session = VenueSession(transport, Credentials("paper", Secret("paper-key")), clock)
    rest = RestClient(transport, session, RateBudget(clock), clock, ContractRegistry(clock))
    kept: list[tuple[str, str, int]] = []
    await session.login()
    await rest.contracts()
    yield (
        HistoryLoader(
            rest, PythonBarConverter(CALENDAR), CALENDAR, clock, lambda id_, frame, bars: kept.append((id_, frame, len(bars))),
            Freshness(CALENDAR, lambda _: None, clock),
        ),
        clock,
        kept,
    )  # fmt: skip
    await session.close()
    await transport.close()
    await gateway.stop()


@pytest.mark.parametrize(("frame", "count"), [("1m", 1000), ("5m", 39), ("15m", 101), ("1h", 30), ("1d", 20)])
async def test_the_newest_closed_bars_of_a_frame(
    loader: tuple[HistoryLoader, PaperClock, list[tuple[str, str, int]]], frame: str, count: int
) -> None:
    history, clock, kept = loader
    bars = await history.newest(MNQ, frame, count)
    assert len(bars) == count
    assert [bar.start for bar in bars] == sorted({bar.start for bar in bars})
    assert bars[-1].end <= clock.now()
    for bar in bars:
        assert (bar.start, bar.end) == bucket(CALENDAR, parse_timeframe(frame), bar.start)
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
    assert kept[0][:2] == (MNQ, frame)


async def test_a_day_from_hours_equals_the_day_from_minutes(
    loader: tuple[HistoryLoader, PaperClock, list[tuple[str, str, int]]],
) -> None:
    history, _, _ = loader
    days = await history.newest(MNQ, "1d", 3)
    for day in days:
        minutes = await history.series(MNQ, "1m", day.start, day.end)
        assert day.open == minutes[0].open
        assert day.close == minutes[-1].close
        assert day.high == max(bar.high for bar in minutes)
        assert day.low == min(bar.low for bar in minutes)
        assert day.volume == sum(bar.volume for bar in minutes)


class Wishes:
    """An engine that wants one gap closed and remembers what it was given."""

    def __init__(self, gap: tuple[str, str, TsNs, TsNs]) -> None:
        self.gap: list[tuple[str, str, TsNs, TsNs]] = [gap]
        self.given: list[tuple[str, int]] = []

    def windows_wanted(self) -> list[tuple[str, str, int]]:
        return [(MNQ, "1m", 60)]

    def history_wanted(self) -> list[tuple[str, str, TsNs, TsNs]]:
        return self.gap

    def on_history(self, contract_id: str, timeframe: str, bars: Sequence[Bar], now: TsNs) -> list[Action]:
        self.given.append((timeframe, len(bars)))
        self.gap = []
        return []


async def test_a_gap_is_fetched_once_closed_and_a_lost_feed_is_replaced(
    loader: tuple[HistoryLoader, PaperClock, list[tuple[str, str, int]]],
) -> None:
    history, clock, _ = loader
    first = TsNs(START - START % MINUTE)
    engine = Wishes((MNQ, "1m", first, TsNs(first + MINUTE)))
    gaps = HistoryGaps(engine, history, CALENDAR, clock, lambda _: None)
    await gaps.load()
    assert engine.given == [("1m", 60)]
    engine.gap = [(MNQ, "1m", first, TsNs(first + MINUTE))]
    running = asyncio.create_task(gaps.run())
    try:
        while clock.now() < first + 70 * SECOND:
            await asyncio.sleep(0.05)
        assert engine.given[1:] == [("1m", 1)]
        gaps.feed_lost()
        while clock.now() < first + 190 * SECOND:
            await asyncio.sleep(0.05)
        gaps.feed_back()
        while len(engine.given) < 3:
            await asyncio.sleep(0.05)
        assert engine.given[2][1] >= 1
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
