"""The venue session: login, and one owner of the token (gateway.md §4, bot.md §4.1 to §4.3).

Whoever needs a new token joins the one renewal that is under way. Tokens carry a revision, so a 401 for
an older one triggers nothing. Secrets never enter a log line, an error text or a representation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from bot.clock import SECOND, Clock
from bot.gateway.budget import RateBudget
from bot.gateway.credentials import Credentials, Token, token_end
from bot.gateway.transport import RawReply, Transport, TransportFailure, UntrustedCertificate
from bot.model.errors import AuthError, BadField, ProtocolError
from bot.model.quantities import TsNs
from bot.model.secret import Secret
from bot.model.venue_rows import decode_json, whole

LOGIN: Final = "/api/Auth/loginKey"
VALIDATE: Final = "/api/Auth/validate"
LOGOUT: Final = "/api/Auth/logout"
JSON_HEADERS: Final = {"Content-Type": "application/json", "Accept": "application/json"}

_TIMEOUT_S: Final = 10.0
_MARGIN_S: Final = 1800.0
_CHECK_S: Final = 30.0
_YOUNG_NS: Final = 5 * SECOND
_RETRY_FIRST_S: Final = 5.0
_RETRY_LAST_S: Final = 60.0
_REFUSALS: Final = {
    1: "no such user; check the user name (the platform's login name, not the e-mail)",
    2: "the venue does not take this login; check user name and API key",
    3: "user name and API key do not fit; check both, or create a new key in the platform's settings",
    4: "the venue does not take this login; use a user name with an API key",
    5: "the venue does not take this login; use a user name with an API key",
    6: "the venue does not take this login; use a user name with an API key",
    7: "agreements are not signed; log into the platform and complete them",
    9: "no API subscription; subscribe to API access and link it in the platform's settings",
    10: "the firm has disabled API keys for this user; ask its support",
}

log = structlog.get_logger(__name__)


class _Transient(Exception):
    """A login or validation that failed in a way that may pass."""

    def __init__(self, reason: str, pause_s: float | None = None) -> None:
        super().__init__(reason)
        self.pause_s = pause_s


class VenueSession:
    """One venue user's token.

    `seed` is a token of an earlier run; it is used only if it ends at least 30 min ahead and the venue
    validates it. A final refusal (`AuthError`) stays until `login` is called again, so that a revoked key
    does not become a storm of logins.
    """

    def __init__(
        self,
        transport: Transport,
        credentials: Credentials,
        clock: Clock,
        budget: RateBudget | None = None,
        *,
        margin_s: float = _MARGIN_S,
        seed: Secret | None = None,
    ) -> None:
        self._transport, self._credentials, self._clock = transport, credentials, clock
        self._budget = budget
        self._margin = int(margin_s * SECOND)
        self._seed = seed
        self._token: Token | None = None
        self._refused: AuthError | None = None
        self._flight: asyncio.Task[Token] | None = None
        self._retry_at = 0
        self.listeners: list[Callable[[Token], None]] = []
        self.logins = 0
        self.refreshes = 0

    def __repr__(self) -> str:
        return f"VenueSession(user=…, revision={self._token.revision if self._token else 0})"

    @property
    def user(self) -> str:
        """The venue user's login name."""
        return self._credentials.username

    async def login(self) -> Token:
        """A token by validated seed or by key; retries without limit while the venue is out of reach.

        Raises AuthError when the venue refuses for good, UntrustedVenue when its certificate does not hold.
        """
        self._refused = None
        return await self._join(by_login=self._seed is None)

    async def token(self) -> Token:
        """The token in force; near its end a renewal starts beside, past it the renewal is awaited."""
        token = self._token
        now = self._clock.now()
        if token is not None and now < token.exp_ns:
            if now >= self._renew_at(token) and self._refused is None:
                self._start(by_login=False)
            return token
        return await self._join(by_login=False)

    async def refresh(self, seen_revision: int) -> Token:
        """After a 401 for `seen_revision`: a newer token, or the present one if a login would not help.

        A token younger than 5 s is not replaced: if the venue refuses that one too, it is the request.
        """
        token = self._token
        if token is not None and (
            token.revision > seen_revision or self._clock.now() - token.issued_ns < _YOUNG_NS
        ):
            return token
        return await self._join(by_login=True)

    async def revalidate(self) -> Token:
        """Prove the token after a logout event: validate, else login."""
        return await self._join(by_login=False)

    async def keep_fresh(self) -> None:
        """The owner task: renews in time until cancelled."""
        while True:
            await self._clock.sleep(_CHECK_S)
            token = self._token
            if token is None or self._refused is not None or self._clock.now() < self._renew_at(token):
                continue
            try:
                await self._join(by_login=False)
            except AuthError as refusal:
                log.warning("session.refused", reason=str(refusal))

    async def logout(self) -> None:
        """Best effort: tell the venue, forget the token."""
        token, self._token = self._token, None
        await self.close()
        if token is not None:
            try:
                await self._post(LOGOUT, b"{}", token)
            except TransportFailure as failure:
                log.info("session.logout_failed", reason=failure.kind)

    async def close(self) -> None:
        """End a renewal under way."""
        flight, self._flight = self._flight, None
        if flight is not None:
            flight.cancel()
            await asyncio.gather(flight, return_exceptions=True)

    def _renew_at(self, token: Token) -> int:
        life = token.exp_ns - token.issued_ns
        return max(token.exp_ns - min(self._margin, life // 2), self._retry_at)

    async def _join(self, *, by_login: bool) -> Token:
        if self._refused is not None:
            raise self._refused
        return await asyncio.shield(self._start(by_login=by_login))

    def _start(self, *, by_login: bool) -> asyncio.Task[Token]:
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._renew(by_login=by_login), name="session-renewal")
            self._flight.add_done_callback(_observe)
        return self._flight

    async def _renew(self, *, by_login: bool) -> Token:
        delay = _RETRY_FIRST_S
        while True:
            try:
                token = await self._attempt(by_login=by_login)
            except AuthError as refusal:
                self._refused = refusal
                raise
            except _Transient as problem:
                pause = max(delay, problem.pause_s or 0.0)
                log.warning("session.retry", reason=str(problem), in_s=pause)
                await self._clock.host_sleep(pause)
                delay = min(delay * 2, _RETRY_LAST_S)
                continue
            if token is not self._token:
                self._token = token
                for listener in self.listeners:
                    listener(token)
            return token

    async def _attempt(self, *, by_login: bool) -> Token:
        token = self._token
        seed, self._seed = self._seed, None
        if token is None and seed is not None:
            token = Token(seed, 0, self._clock.now(), token_end(seed.reveal(), self._clock.now()))
            if token.exp_ns - self._clock.now() < _MARGIN_S * SECOND:
                token = None
        if token is not None and not by_login and self._clock.now() < token.exp_ns:
            renewed = await self._validate(token)
            if renewed is not None:
                return renewed
        return await self._login()

    async def _login(self) -> Token:
        self.logins += 1
        body = _login_body(self._credentials)
        answer = await self._answer(LOGIN, body, None)
        code = answer["errorCode"]
        text = answer.get("token")
        if answer["success"] is True and code == 0:
            if isinstance(text, str) and text:
                log.info("session.login", revision=self._next_revision())
                return self._made(text)
            raise _Transient("a login without a token")
        remedy = _REFUSALS.get(code)
        if remedy is None:
            raise _Transient(f"login error {code}")
        raise AuthError("login", expected="a login that the venue takes", seen=f"error {code}", do=remedy)

    async def _validate(self, token: Token) -> Token | None:
        """A renewed token, the same when the venue keeps it, None when only a login helps."""
        self.refreshes += 1
        try:
            answer = await self._answer(VALIDATE, b"{}", token)
        except AuthError:
            return None
        if answer["success"] is not True or answer["errorCode"] != 0:
            return None
        text = answer.get("newToken")
        if isinstance(text, str) and text and text != token.text:
            log.info("session.refreshed", revision=self._next_revision())
            return self._made(text)
        self._retry_at = self._clock.now() + max(60 * SECOND, (token.exp_ns - self._clock.now()) // 4)
        return token if token.revision else self._made(token.text)

    async def _answer(self, path: str, body: bytes, token: Token | None) -> dict[str, Any]:
        """The envelope of a 200. Raises _Transient, AuthError (a 400, or a 401 for a token)."""
        try:
            reply = await self._post(path, body, token)
        except UntrustedCertificate as failure:
            if self._token is None:
                raise failure.final("login") from None
            raise _Transient(str(failure), _RETRY_LAST_S) from None
        except TransportFailure as failure:
            raise _Transient(f"no answer to {path} ({failure.kind})") from None
        if reply.status == 401 and token is not None:
            raise AuthError("token", expected="a token in force", seen="HTTP 401", do="log in again")
        if reply.status == 400:
            raise AuthError(
                "login", expected="a login the venue can read", seen="HTTP 400", do="check user name and key"
            )
        if not 200 <= reply.status < 300:
            raise _Transient(f"HTTP {reply.status} for {path}", retry_after(reply))
        try:
            answer = decode_json(reply.body)
            if not isinstance(answer, dict) or type(answer.get("success")) is not bool:
                raise ProtocolError("answer", expected="an envelope with success", seen=path)
            answer["errorCode"] = whole(answer.get("errorCode"), "errorCode")
        except (ProtocolError, BadField):
            raise _Transient(f"an answer to {path} that is no envelope") from None
        return answer

    async def _post(self, path: str, body: bytes, token: Token | None) -> RawReply:
        headers = dict(JSON_HEADERS)
        if token is not None:
            headers["Authorization"] = f"Bearer {token.text}"
        slot = None
        if self._budget is not None:
            slot = self._budget.try_take("safety")
            if slot is None:
                raise _Transient("no request budget for a login")
        try:
            reply = await self._transport.request("POST", path, headers, body, _TIMEOUT_S)
        finally:
            if slot is not None:
                slot.done()
        if reply.status == 429 and self._budget is not None:
            self._budget.penalise("general", retry_after(reply))
        return reply

    def _made(self, text: str) -> Token:
        now = self._clock.now()
        self._retry_at = 0
        return Token(Secret(text), self._next_revision(), TsNs(now), token_end(text, now))

    def _next_revision(self) -> int:
        return self._token.revision + 1 if self._token is not None else 1


def retry_after(reply: RawReply) -> float | None:
    """Seconds of a `Retry-After` header; None without one, or for a date."""
    text = reply.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _login_body(credentials: Credentials) -> bytes:

    return msgspec.json.encode({"userName": credentials.username, "apiKey": credentials.api_key.reveal()})


def _observe(task: asyncio.Task[Token]) -> None:
    """Look at the result, so that a refusal nobody waits for is not reported as lost."""
    if not task.cancelled():
        task.exception()
