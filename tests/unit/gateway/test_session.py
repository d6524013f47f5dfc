"""Login, renewal and refusals against a real server, in virtual time."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator

import pytest

from bot.clock import VirtualClock
from bot.gateway.credentials import UNREADABLE_LIFE, Credentials, token_end
from bot.gateway.session import LOGIN, LOGOUT, VALIDATE, VenueSession
from bot.gateway.transport import AiohttpTransport, TransportFailure
from bot.model.errors import AuthError
from bot.model.secret import Secret
from bot.model.times import SECOND
from tests.unit.gateway.conftest import START
from tests.unit.gateway.scripted import InstantVenue, ScriptedVenue, envelope, jwt

HOUR = 3600.0


async def pass_time(clock: VirtualClock, seconds: float, step: float = 1.0) -> None:
    """Virtual time in steps; every task runs in between until it waits for time."""
    for _ in range(int(seconds / step)):
        await settle()
        await clock.advance(step)
    await settle()


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


@pytest.fixture
def instant(clock: VirtualClock) -> InstantVenue:
    return InstantVenue(clock)


@pytest.fixture
async def quick(instant: InstantVenue, clock: VirtualClock) -> AsyncIterator[VenueSession]:
    """A session whose venue takes no time to answer."""
    made = VenueSession(instant, Credentials("me", Secret("my-key")), clock)
    yield made
    await made.close()


async def test_a_login_sends_name_and_key_and_no_authorization(
    venue: ScriptedVenue, session: VenueSession
) -> None:
    token = await session.login()
    ((path, headers, body),) = venue.seen
    assert (path, body) == (LOGIN, b'{"userName":"me","apiKey":"my-key"}')
    assert "Authorization" not in headers
    assert token.revision == 1
    assert token.exp_ns == START + 24 * HOUR * SECOND


@pytest.mark.parametrize(
    ("code", "remedy"),
    [(3, "check both"), (7, "agreements"), (9, "subscription"), (10, "disabled"), (1, "user name")],
)
async def test_f103_refusals_are_final_and_name_the_remedy(
    venue: ScriptedVenue, session: VenueSession, code: int, remedy: str
) -> None:
    venue.script[LOGIN] = [{"token": None, "success": False, "errorCode": code, "errorMessage": None}]
    for attempt in (session.login(), session.token(), session.refresh(0)):
        with pytest.raises(AuthError, match=remedy) as refused:
            await attempt
        assert refused.value.exit_code == 4
        assert "my-key" not in str(refused.value)
    assert venue.count(LOGIN) == 1
    venue.script.clear()
    assert (await session.login()).revision == 1


async def test_transport_failures_of_a_login_are_retried_with_growing_pauses(
    instant: InstantVenue, quick: VenueSession, clock: VirtualClock
) -> None:
    instant.script[LOGIN] = [
        (503, b""), (502, b""), (200, b"<html>"), (200, b""), TransportFailure("timeout"),
        envelope(token=jwt(9e9)),
    ]  # fmt: skip
    task = asyncio.create_task(quick.login())
    tries = []
    for second in range(140):
        await settle()
        if len(instant.seen) > len(tries):
            tries.append(second)
        await clock.advance(1)
    assert tries == [0, 5, 15, 35, 75, 135]
    assert (await task).revision == 1


async def test_f096_parallel_401_share_one_login(
    venue: ScriptedVenue, session: VenueSession, clock: VirtualClock
) -> None:
    await session.login()
    await clock.advance(60)
    tokens = await asyncio.gather(*(session.refresh(1) for _ in range(50)))
    assert {token.revision for token in tokens} == {2}
    assert venue.count(LOGIN) == 2
    assert (await session.refresh(1)).revision == 2
    assert venue.count(LOGIN) == 2


async def test_a_brand_new_token_is_not_replaced(
    venue: ScriptedVenue, session: VenueSession, clock: VirtualClock
) -> None:
    await session.login()
    assert (await session.refresh(1)).revision == 1
    await clock.advance(6)
    assert (await session.refresh(1)).revision == 2
    assert venue.count(LOGIN) == 2


async def test_a_waiter_that_leaves_does_not_end_the_renewal(
    venue: ScriptedVenue, session: VenueSession, clock: VirtualClock
) -> None:
    await session.login()
    await clock.advance(60)
    first = asyncio.create_task(session.refresh(1))
    second = asyncio.create_task(session.refresh(1))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).revision == 2


async def test_f095_thirty_hours_are_covered_by_validation(
    instant: InstantVenue, quick: VenueSession, clock: VirtualClock
) -> None:
    await quick.login()
    owner = asyncio.create_task(quick.keep_fresh())
    for _ in range(180):
        await pass_time(clock, 600, 60)
        token = await quick.token()
        assert token.exp_ns - clock.now() > 29 * 60 * SECOND
    owner.cancel()
    assert instant.seen == [LOGIN, VALIDATE]


async def test_an_empty_new_token_keeps_the_old_one_without_a_storm(
    instant: InstantVenue, quick: VenueSession, clock: VirtualClock
) -> None:
    instant.script[VALIDATE] = [envelope(newToken=None), envelope(newToken="")]
    old = await quick.login()
    await clock.advance(23.6 * HOUR)
    for _ in range(20):
        assert (await quick.token()).text == old.text
        await settle()
    assert instant.seen == [LOGIN, VALIDATE]


@pytest.mark.parametrize(
    "refusal", [(401, b""), {"newToken": None, "success": False, "errorCode": 3, "errorMessage": None}]
)
async def test_a_failed_validation_falls_back_to_login(
    venue: ScriptedVenue, session: VenueSession, clock: VirtualClock, refusal: object
) -> None:
    venue.script[VALIDATE] = [refusal]
    await session.login()
    assert (await session.revalidate()).revision == 2
    assert venue.count(LOGIN) == 2


async def test_an_ended_token_is_never_handed_out(
    venue: ScriptedVenue, session: VenueSession, clock: VirtualClock
) -> None:
    await session.login()
    await clock.advance(25 * HOUR)
    venue.now_s += 25 * HOUR
    token = await session.token()
    assert token.revision == 2
    assert venue.count(VALIDATE) == 0


async def test_listeners_hear_of_each_new_token_once(session: VenueSession, clock: VirtualClock) -> None:
    heard: list[int] = []
    session.listeners.append(lambda token: heard.append(token.revision))
    await session.login()
    await clock.advance(60)
    await asyncio.gather(session.refresh(1), session.refresh(1))
    assert heard == [1, 2]


async def test_logout_tells_the_venue_and_forgets(venue: ScriptedVenue, session: VenueSession) -> None:
    token = await session.login()
    await session.logout()
    path, headers, _ = venue.seen[-1]
    assert path == LOGOUT
    assert headers["Authorization"] == f"Bearer {token.text}"


async def test_a_login_costs_budget(
    transport: AiohttpTransport, session: VenueSession, venue: ScriptedVenue
) -> None:
    await session.login()
    assert session._budget is not None
    assert session._budget.remaining() == 199


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "a.e30.c", "a.eyJleHAiOiJ4In0.c", jwt(1), jwt(1e300)])
def test_an_unreadable_end_of_life_is_twelve_hours(text: str) -> None:
    assert token_end(text, START) == START + UNREADABLE_LIFE


def test_secrets_show_in_nothing() -> None:
    secret = Secret("hush")
    assert "hush" not in repr(secret) + str(secret) + f"{secret}" + repr([secret])
    with pytest.raises(TypeError):
        pickle.dumps(secret)
