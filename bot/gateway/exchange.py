"""One request with its budget, token and retries (bot.md §4.3 to §4.6).

Reads retry at most three times with jitter inside their deadline; mutations are transmitted once. A 401
proves that nothing was executed, so with a refreshed token the same bytes go out once more: the only
automatic second transmission.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any, Final, TypeVar

import structlog

from bot.clock import SECOND, Clock
from bot.gateway.budget import Bucket, RateBudget
from bot.gateway.credentials import Token
from bot.gateway.session import JSON_HEADERS, VenueSession, retry_after
from bot.gateway.skew import ClockSkew
from bot.gateway.transport import RawReply, Transport, TransportFailure, UntrustedCertificate
from bot.model.errors import AuthError, ProtocolError, VenueRefused, VenueUnreachable
from bot.model.intents import PlannedRequest, WireResponse
from bot.ports import Lane

ATTEMPTS: Final = 4
HISTORY: Final = "/api/History/retrieveBars"
_PAUSE_S: Final = (0.25, 0.5, 1.0)
_NO_JITTER_BELOW_S: Final = 0.05

T = TypeVar("T")
log = structlog.get_logger(__name__)


class NotOffered(ProtocolError):
    """The venue has no such path, or not for this body."""


class Exchange:
    """Sends for one venue user. `random` spreads the retries; give it a seed for repeatable runs."""

    def __init__(
        self,
        transport: Transport,
        session: VenueSession,
        budget: RateBudget,
        clock: Clock,
        *,
        request_timeout_s: float,
        random: Random,
    ) -> None:
        self._transport, self._session = transport, session
        self._budget, self._clock = budget, clock
        self._timeout = request_timeout_s
        self._random = random
        self.skew = ClockSkew(clock)

    async def read(self, path: str, body: bytes, lane: Lane, deadline_s: float) -> bytes:
        """The body of a 200. Raises VenueUnreachable, VenueRefused, ProtocolError, AuthError."""
        bucket: Bucket = "history" if path == HISTORY else "general"
        deadline = self._clock.host_mono() + int(deadline_s * SECOND)
        problem = "no time left"
        for attempt in range(ATTEMPTS):
            left = (deadline - self._clock.host_mono()) / SECOND
            if left <= 0:
                break
            try:
                reply = await self._authorised(path, body, lane, bucket, left)
            except UntrustedCertificate as failure:
                problem = str(failure)
                break
            except TransportFailure as failure:
                problem = str(failure)
            else:
                if 200 <= reply.status < 300:
                    self._budget.relieve(bucket)
                    return reply.body
                problem = f"HTTP {reply.status}"
                _refuse(path, reply)
            if attempt + 1 < ATTEMPTS:
                await self._pause(attempt, deadline)
        raise VenueUnreachable(
            path, expected="an answer", seen=problem, do="the state is unknown until it is read again"
        )

    async def transmit(self, request: PlannedRequest, lane: Lane) -> WireResponse:
        """One mutation, once; after a 401 once more with a new token. Never raises."""
        try:
            token = await self._within(self._session.token(), self._timeout)
        except (AuthError, TimeoutError):
            return WireResponse(None, failure="connect")
        response = await self._once(request, lane, token)
        if response.status != 401:
            return response
        try:
            renewed = await self._within(self._session.refresh(token.revision), self._timeout)
        except (AuthError, TimeoutError):
            return response
        if renewed.revision == token.revision:
            return response
        log.info("request.repeated_after_401", path=request.path, intent=request.intent_id)
        return await self._once(request, lane, renewed)

    async def _once(self, request: PlannedRequest, lane: Lane, token: Token) -> WireResponse:
        slot = self._budget.try_take(lane)
        if slot is None:
            return WireResponse(None, failure="budget")
        with slot:
            try:
                reply = await self._transport.request(
                    "POST", request.path, _headers(token), request.body, self._timeout
                )
            except TransportFailure as failure:
                return WireResponse(None, failure=failure.kind)
        self.skew.see(reply.headers.get("date"))
        if reply.status == 429:
            self._budget.penalise("general", retry_after(reply))
        return WireResponse(reply.status, reply.body)

    async def _authorised(
        self, path: str, body: bytes, lane: Lane, bucket: Bucket, left_s: float
    ) -> RawReply:
        token = await self._within(self._session.token(), left_s, path)
        reply = await self._spend(path, body, lane, bucket, token, left_s)
        if reply.status == 401:
            renewed = await self._within(self._session.refresh(token.revision), left_s, path)
            if renewed.revision != token.revision:
                reply = await self._spend(path, body, lane, bucket, renewed, left_s)
        return reply

    async def _spend(
        self, path: str, body: bytes, lane: Lane, bucket: Bucket, token: Token, left_s: float
    ) -> RawReply:
        slot = await self._budget.take(lane, bucket, left_s)
        if slot is None:
            raise VenueUnreachable(
                path,
                expected="request budget",
                seen=f"none left in the {bucket} bucket",
                do="ask again later",
            )
        with slot:
            reply = await self._transport.request(
                "POST", path, _headers(token), body, min(self._timeout, left_s)
            )
        self.skew.see(reply.headers.get("date"))
        if reply.status == 429:
            pause = self._budget.penalise(bucket, retry_after(reply))
            log.warning("request.rate_limited", path=path, bucket=bucket, pause_s=pause)
        return reply

    async def _pause(self, attempt: int, deadline: int) -> None:
        seconds = _PAUSE_S[attempt] * (0.5 + self._random.random())
        left = (deadline - self._clock.host_mono()) / SECOND
        if left > _NO_JITTER_BELOW_S:
            await self._clock.host_sleep(min(seconds, left))

    async def _within(self, work: Any, seconds: float, path: str = "") -> Token:
        """The token of a session call inside `seconds` of host time; the renewal itself goes on."""
        task = asyncio.ensure_future(work)
        timer = asyncio.ensure_future(self._clock.host_sleep(seconds))
        try:
            await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                token: Token = task.result()
                return token
        finally:
            timer.cancel()
            task.cancel()
        if path:
            raise VenueUnreachable(path, expected="a session", seen=f"none within {seconds:g} s")
        raise TimeoutError


def _headers(token: Token) -> dict[str, str]:
    return {**JSON_HEADERS, "Authorization": f"Bearer {token.text}"}


def _refuse(path: str, reply: RawReply) -> None:
    """Raise for an answer that another attempt would not change."""
    if reply.status == 401:
        raise AuthError(path, expected="a token in force", seen="HTTP 401 twice", do="check the API access")
    if reply.status in (404, 405):
        raise NotOffered(path, expected="a path of this venue", seen=f"HTTP {reply.status}")
    if reply.status == 400:
        raise NotOffered(path, expected="a request it can read", seen=reply.body[:200])
    if reply.status != 429 and reply.status < 500:
        raise VenueRefused(path, expected="HTTP 200", seen=f"HTTP {reply.status}")
