"""A scripted venue on a loopback socket, and what talks to it under virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.clock import VirtualClock
from bot.gateway.budget import RateBudget
from bot.gateway.credentials import Credentials
from bot.gateway.session import VenueSession
from bot.gateway.transport import AiohttpTransport
from bot.model.secret import Secret
from bot.model.times import parse_ts
from tests.unit.gateway.scripted import ScriptedVenue

START = parse_ts("2025-10-01T14:30:00Z")


@pytest.fixture
async def venue() -> AsyncIterator[ScriptedVenue]:
    scripted = ScriptedVenue()
    await scripted.start()
    yield scripted
    await scripted.stop()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
async def transport(venue: ScriptedVenue) -> AsyncIterator[AiohttpTransport]:
    made = AiohttpTransport(venue.url)
    yield made
    await made.close()


@pytest.fixture
async def session(transport: AiohttpTransport, clock: VirtualClock) -> AsyncIterator[VenueSession]:
    made = VenueSession(transport, Credentials("me", Secret("my-key")), clock, RateBudget(clock))
    yield made
    await made.close()
