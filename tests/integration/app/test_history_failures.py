"""History that the venue refuses at the start is asked for again, less and less often, until it is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from bot.calendar.sessions import SessionCalendar
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
from bot.model.times import parse_ts
from bot.paper.config import PaperConfig
from bot.paper.server import PaperGateway

CALENDAR = SessionCalendar.shipped()
START = parse_ts("2025-11-04T14:28:00Z")
MNQ = "CON.F.US.MNQ.Z25"


class Wanting:
    """An engine that wants two windows and counts what it gets."""

    def __init__(self) -> None:
        self.got: list[tuple[str, int]] = []

    def windows_wanted(self) -> list[tuple[str, str, int]]:
        return [(MNQ, "1m", 30), (MNQ, "5m", 10)]

    def history_wanted(self) -> list[tuple[str, str, TsNs, TsNs]]:
        return []

    def on_history(self, contract_id: str, timeframe: str, bars: Sequence[Bar], now: TsNs) -> list[Action]:
        self.got.append((timeframe, len(bars)))
        return []


@pytest.fixture
async def parts() -> AsyncIterator[tuple[PaperGateway, HistoryGaps, Wanting]]:
    gateway = PaperGateway(PaperConfig(start_ns=START, rate=20.0, roots=("MNQ",), profile="fast"))
    await gateway.start()
    transport = AiohttpTransport(gateway.url)
    clock, engine = PaperClock(START, 20.0), Wanting()
    session = VenueSession(transport, Credentials("paper", Secret("paper-key")), clock)
    rest = RestClient(transport, session, RateBudget(clock), clock, ContractRegistry(clock))
    await session.login()
    await rest.contracts()
    loader = HistoryLoader(
        rest,
        PythonBarConverter(CALENDAR),
        CALENDAR,
        clock,
        lambda *_: None,
        Freshness(CALENDAR, lambda _: None, clock),
    )
    yield gateway, HistoryGaps(engine, loader, CALENDAR, clock, lambda _: None), engine
    await session.close()
    await transport.close()
    await gateway.stop()


def asked(gateway: PaperGateway) -> int:
    return b"\n".join(gateway.venue.ledger.lines).count(b"retrieveBars")


async def test_a_start_goes_on_without_history_and_gets_it_later(
    parts: tuple[PaperGateway, HistoryGaps, Wanting],
) -> None:
    gateway, gaps, engine = parts
    gateway.venue.inject({"fault": "refuse", "endpoint": "bars", "code": 1, "text": "not now", "count": 9})
    await gaps.load()
    assert engine.got == []
    running = asyncio.ensure_future(gaps.run())
    for _ in range(400):
        if len(engine.got) == 2:
            break
        await asyncio.sleep(0.02)
    assert sorted(engine.got) == [("1m", 30), ("5m", 10)]
    await asyncio.sleep(0.3)
    running.cancel()
    assert sorted(engine.got) == [("1m", 30), ("5m", 10)]


async def test_what_stays_refused_is_asked_for_less_and_less_often(
    parts: tuple[PaperGateway, HistoryGaps, Wanting],
) -> None:
    gateway, gaps, engine = parts
    await gaps.load()
    gaps.feed_lost()
    gaps.feed_back()
    before = asked(gateway)
    gateway.venue.inject(
        {"fault": "refuse", "endpoint": "bars", "code": 1, "text": "not now", "count": 10_000}
    )
    running = asyncio.ensure_future(gaps.run())
    await asyncio.sleep(3.0)  # a minute of venue time
    running.cancel()
    assert 3 <= asked(gateway) - before <= 8
    assert sorted(engine.got) == [("1m", 30), ("5m", 10)]
