"""The venue as one process uses it: clock, session, budget, REST client, contracts, chosen account."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from bot.clock import Clock, PaperClock, SystemClock, monotonic_ns
from bot.config.sections import MARKET_HUB_URL, REST_URL, USER_HUB_URL
from bot.config.settings import Settings
from bot.gateway.budget import RateBudget
from bot.gateway.contracts import ContractRegistry
from bot.gateway.credentials import Credentials
from bot.gateway.rest import RestClient
from bot.gateway.session import VenueSession
from bot.gateway.transport import (
    AiohttpTransport,
    Transport,
    TransportFailure,
    UntrustedCertificate,
    trusted,
)
from bot.model.errors import AccountError, ConfigError, ProtocolError, VenueUnreachable
from bot.model.orders import Account
from bot.risk.profile import is_practice

PAPER_ANNOUNCEMENT = "paper.json"


class Addresses(msgspec.Struct, frozen=True):
    """Where the venue is: REST base and the two hubs, and whose certificates count there (None: the platform's)."""

    rest: str
    user_hub: str
    market_hub: str
    paper: bool
    ca_file: Path | None = None


class PaperGatewayFound(msgspec.Struct, frozen=True):
    """What a running paper gateway says of itself."""

    url: str
    ca_file: Path | None = None


class PaperTime(msgspec.Struct):
    """The answer of `GET /paper/clock`."""

    now_ns: int
    rate: float


class Line(Transport, Protocol):
    """A transport that is closed at the end."""

    async def close(self) -> None: ...


class Venue:
    """One venue user's connection. Make it with `connect`, close it at the end. `tls` is for the hubs."""

    def __init__(
        self, addresses: Addresses, clock: Clock, settings: Settings, transport: Line,
        tls: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        auth = settings.auth
        if not auth.username or auth.api_key is None:
            raise ConfigError(
                "credentials", expected="auth.username and auth.api_key", seen="none",
                do="set PROJECT_X_USERNAME and PROJECT_X_API_KEY",
            )  # fmt: skip
        rate = settings.gateway.rate
        self.addresses, self.clock, self.user = addresses, clock, auth.username
        self.transport, self.tls = transport, tls
        self.budget = RateBudget(
            clock, (rate.general.count, rate.general.seconds), (rate.history.count, rate.history.seconds),
            rate.reserved,
        )  # fmt: skip
        self.session = VenueSession(
            transport, Credentials(auth.username, auth.api_key), clock, self.budget,
            margin_s=auth.refresh_margin, seed=auth.token,
        )  # fmt: skip
        self.contracts = ContractRegistry(clock)
        self.rest = RestClient(
            transport, self.session, self.budget, clock, self.contracts,
            request_timeout_s=settings.gateway.mutation_timeout, read_deadline_s=settings.gateway.timeout,
        )  # fmt: skip

    async def close(self) -> None:
        await self.session.close()
        await self.transport.close()


async def connect(settings: Settings, line: type[AiohttpTransport] = AiohttpTransport) -> Venue:
    """Addresses, clock and a session that is logged in, over the given kind of transport.

    Raises ConfigError, AuthError, VenueUnreachable.
    """
    addresses = addresses_of(settings)
    tls = trusted(addresses.ca_file)
    transport = line(addresses.rest, tls)
    try:
        clock = await paper_clock(transport) if addresses.paper else SystemClock()
        venue = Venue(addresses, clock, settings, transport, tls)
        await venue.session.login()
    except BaseException:
        await transport.close()
        raise
    return venue


def addresses_of(settings: Settings) -> Addresses:
    """The configured addresses; with profile `paper` those of the gateway that announced itself."""
    gateway = settings.gateway
    if gateway.profile == "topstepx":
        return Addresses(
            gateway.rest_url or REST_URL, gateway.user_hub_url or USER_HUB_URL,
            gateway.market_hub_url or MARKET_HUB_URL, paper=False, ca_file=gateway.ca_file,
        )  # fmt: skip
    if gateway.rest_url:
        found = PaperGatewayFound(gateway.rest_url)
    else:
        found = announced(paper_folder(settings) / PAPER_ANNOUNCEMENT)
    base = found.url
    return Addresses(
        base,
        gateway.user_hub_url or f"{base}/hubs/user",
        gateway.market_hub_url or f"{base}/hubs/market",
        paper=True,
        ca_file=gateway.ca_file or found.ca_file,
    )


def paper_folder(settings: Settings) -> Path:
    """Where `bot paper` keeps its state unless told otherwise."""
    return settings.state_folder / "paper"


def announced(path: Path) -> PaperGatewayFound:
    """The running paper gateway. Raises ConfigError when none announced itself."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=PaperGatewayFound, dec_hook=_path)
    except (OSError, msgspec.MsgspecError) as problem:
        raise ConfigError(
            "paper gateway", expected=f"a running one that announced itself in {path}", seen="none",
            do="start `bot paper`, or set gateway.rest_url",
        ) from problem  # fmt: skip


def _path(_kind: type, value: str) -> Path:
    return Path(value)


async def paper_clock(transport: AiohttpTransport) -> Clock:
    """The gateway's clock, read half a round trip ago."""
    began = monotonic_ns()
    try:
        reply = await transport.request("GET", "/paper/clock", {}, b"", 5.0)
    except UntrustedCertificate as problem:
        raise problem.final("the paper gateway") from None
    except TransportFailure as problem:
        raise VenueUnreachable(
            "the paper gateway does not answer", expected="an answer of /paper/clock", seen=problem.kind,
            do="start `bot paper`, or check gateway.rest_url",
        ) from problem  # fmt: skip
    ended = monotonic_ns()
    try:
        seen = msgspec.json.decode(reply.body, type=PaperTime)
    except msgspec.MsgspecError as problem:
        raise ProtocolError(
            "answer of /paper/clock", expected="{now_ns, rate}", seen=reply.body[:80]
        ) from problem
    return PaperClock(seen.now_ns, seen.rate, (began + ended) // 2)


def choose_account(accounts: Sequence[Account], wanted: int | None) -> Account:
    """The wanted one, else the only practice account (bot.md §5.4). Raises AccountError; never a substitute."""
    listed = ", ".join(f"{account.id} {account.name}" for account in accounts) or "none"
    if wanted is not None:
        for account in accounts:
            if account.id == wanted:
                return account
        raise AccountError(
            f"account {wanted}", expected=f"one of the venue's: {listed}", seen=wanted,
            do="correct accounts.default or --account; no other account is used instead",
        )  # fmt: skip
    practice = [account for account in accounts if is_practice(account.name)]
    if len(practice) == 1:
        return practice[0]
    raise AccountError(
        "account", expected="--account, accounts.default, or exactly one practice account", seen=listed,
        do="name the account",
    )  # fmt: skip
