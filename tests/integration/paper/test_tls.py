"""HTTPS and WSS of the gateway on real sockets, as the bot's own clients meet them."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from bot.app.venue import connect
from bot.config.settings import Settings, load
from bot.gateway.hubs import HubConnection
from bot.gateway.transport import AiohttpTransport, TransportFailure, UntrustedCertificate, trusted
from bot.model.errors import ConfigError, UntrustedVenue, VenueUnreachable
from bot.paper.config import PaperConfig
from bot.paper.server import PaperGateway, announce
from tests.integration.paper.conftest import START

FAULTS = {"wrong_name": "IP address mismatch", "expired": "expired", "unknown": "unable to get local issuer"}


@pytest.fixture
async def secured(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[PaperGateway]:
    kind = getattr(request, "param", "good")
    config = PaperConfig(
        start_ns=START, profile="fast", state_dir=str(tmp_path / "state" / "paper"), tls=kind
    )
    gateway = PaperGateway(config)
    await gateway.start()
    announce(gateway, tmp_path / "state" / "paper" / "paper.json")
    yield gateway
    await gateway.stop()


def settings(folder: Path, *lines: str) -> Settings:
    """Settings of a bot whose paper gateway announced itself in `folder`."""
    file = folder / "bot.toml"
    file.write_text(
        "\n".join(('[gateway]\nprofile = "paper"', *lines, f'[state]\nfolder = "{folder}/state"'))
    )
    login = {"HOME": str(folder), "PROJECT_X_USERNAME": "paper", "PROJECT_X_API_KEY": "paper-key"}
    return load([file], login, folder=folder)


class Watcher:
    """The states and records of one hub."""

    def __init__(self) -> None:
        self.states: list[tuple[str, str]] = []
        self.targets: list[str] = []
        self.news = asyncio.Event()

    def on_state(self, _hub: str, state: str, _generation: int, reason: str) -> None:
        self.states.append((state, reason))
        self.news.set()

    def on_records(self, _hub: str, _generation: int, arrived: list[Any]) -> None:
        self.targets += [json.loads(record).get("target", "") for record, *_ in arrived]
        self.news.set()

    async def until(self, wanted: Any) -> None:
        async with asyncio.timeout(20):
            while not wanted(self):
                self.news.clear()
                await self.news.wait()


async def test_rest_and_both_hubs_work_with_the_announced_authority(
    secured: PaperGateway, tmp_path: Path
) -> None:
    assert secured.url.startswith("https://127.0.0.1:")
    venue = await connect(settings(tmp_path))
    assert venue.addresses.ca_file == secured.ca_file
    accounts = await venue.rest.accounts()
    assert [account.id for account in accounts] == [1001, 1002]
    hubs = []
    for name, url, topic, target in (
        ("user", venue.addresses.user_hub, ("SubscribeAccounts", []), "GatewayUserAccount"),
        ("market", venue.addresses.market_hub, ("SubscribeContractQuotes", ["CON.F.US.MNQ.Z25"]), "GatewayQuote"),
    ):  # fmt: skip
        watcher = Watcher()
        hub = HubConnection(
            name, url, venue.session, venue.clock, watcher.on_records, watcher.on_state, tls=venue.tls
        )
        hub.set_topics([topic])
        await hub.start()
        hubs.append(hub)
        await watcher.until(
            lambda seen, target=target: target in seen.targets and ("up", "subscribed") in seen.states
        )
    for hub in hubs:
        await hub.stop()
    await venue.close()


async def test_the_authority_can_be_named_in_the_settings(secured: PaperGateway, tmp_path: Path) -> None:
    named = settings(tmp_path, f'rest_url = "{secured.url}"', f'ca_file = "{secured.ca_file}"')
    venue = await connect(named)
    assert len(await venue.rest.accounts()) == 2
    await venue.close()
    localhost = secured.url.replace("127.0.0.1", "localhost")
    venue = await connect(settings(tmp_path, f'rest_url = "{localhost}"', f'ca_file = "{secured.ca_file}"'))
    await venue.close()


async def test_without_the_authority_nothing_is_sent(secured: PaperGateway, tmp_path: Path) -> None:
    with pytest.raises(UntrustedVenue, match=r"gateway\.ca_file"):
        await connect(settings(tmp_path, f'rest_url = "{secured.url}"'))
    assert "requests" in secured.venue.records()
    assert secured.venue.records()["requests"] == []


@pytest.mark.parametrize("secured", FAULTS, indirect=True)
async def test_a_faulty_certificate_ends_a_start_at_once(
    secured: PaperGateway, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    reason = FAULTS[request.node.callspec.params["secured"]]
    async with asyncio.timeout(20):
        with pytest.raises(UntrustedVenue) as refused:
            await connect(settings(tmp_path))
    assert reason in str(refused.value.seen)
    assert refused.value.exit_code == 4
    assert "requests" in secured.venue.records()
    assert secured.venue.records()["requests"] == []


@pytest.mark.parametrize("secured", FAULTS, indirect=True)
async def test_a_session_tries_a_faulty_certificate_once(
    secured: PaperGateway, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    from bot.clock import SystemClock
    from bot.gateway.credentials import Credentials
    from bot.gateway.session import VenueSession
    from bot.model.secret import Secret

    reason = FAULTS[request.node.callspec.params["secured"]]
    tls = trusted(secured.ca_file)
    transport = AiohttpTransport(secured.url, tls)
    session = VenueSession(transport, Credentials("paper", Secret("paper-key")), SystemClock())
    async with asyncio.timeout(20):
        with pytest.raises(UntrustedVenue, match=reason):
            await session.login()
        with pytest.raises(UntrustedVenue):
            await session.token()
    assert session.logins == 1
    with pytest.raises(UntrustedCertificate) as failure:
        await transport.request("POST", "/api/Account/search", {}, b"{}", 5.0)
    assert isinstance(failure.value, TransportFailure)
    assert failure.value.kind == "connect"
    await session.close()
    await transport.close()


@pytest.mark.parametrize("secured", FAULTS, indirect=True)
async def test_a_hub_says_why_it_refused_the_certificate_and_logs_in_no_more(
    secured: PaperGateway, request: pytest.FixtureRequest, gateway: PaperGateway
) -> None:
    from bot.clock import SystemClock
    from bot.gateway.credentials import Credentials
    from bot.gateway.session import VenueSession
    from bot.model.secret import Secret

    clock = SystemClock()
    transport = AiohttpTransport(gateway.url)
    session = VenueSession(transport, Credentials("paper", Secret("paper-key")), clock)
    await session.login()
    hub = HubConnection(
        "market", f"{secured.url.replace('https', 'wss')}/hubs/market", session, clock, lambda *_: None,
        lambda *_: None, tls=trusted(secured.ca_file), first_delay_s=0.05, last_delay_s=0.1,
    )  # fmt: skip
    reasons: list[str] = []
    hub._change = lambda _state, reason: reasons.append(reason)  # type: ignore[method-assign]
    await hub.start()
    async with asyncio.timeout(20):
        while hub.counters["drops"] < 3:
            await asyncio.sleep(0.05)
    await hub.stop()
    reason = FAULTS[request.node.callspec.params["secured"]]
    assert reasons[0].startswith("certificate refused (")
    assert reason in reasons[0]
    assert (session.logins, session.refreshes) == (1, 0)
    await session.close()
    await transport.close()


def test_a_file_without_certificates_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none here")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(ConfigError, match="certificates in PEM form"):
            trusted(tmp_path / name)
    assert trusted(None) is None


async def test_a_plain_client_works_with_the_file_and_the_state_outlives_a_restart(tmp_path: Path) -> None:
    config = PaperConfig(start_ns=START, profile="fast", state_dir=str(tmp_path), tls="good")
    found = []
    for _ in range(2):
        gateway = PaperGateway(config)
        await gateway.start()
        assert gateway.ca_file is not None
        found.append(gateway.ca_file.read_bytes())
        context = ssl.create_default_context(cafile=gateway.ca_file)
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
            session.get(f"{gateway.url}/api/Status/ping") as answer,
        ):
            assert await answer.text() == "pong"
        await gateway.stop()
    assert found[0] == found[1]


async def test_without_a_state_folder_the_certificate_goes_with_the_gateway() -> None:
    gateway = PaperGateway(PaperConfig(start_ns=START, profile="fast", tls="good"))
    await gateway.start()
    assert gateway.ca_file is not None
    assert gateway.ca_file.exists()
    await gateway.stop()
    assert not gateway.ca_file.exists()


async def test_a_certificate_that_no_longer_holds_brings_no_storm_of_logins(tmp_path: Path) -> None:
    state = tmp_path / "state" / "paper"
    config = PaperConfig(start_ns=START, profile="fast", state_dir=str(state), tls="good")
    gateway = PaperGateway(config)
    await gateway.start()
    announce(gateway, state / "paper.json")
    venue = await connect(settings(tmp_path))
    await gateway.stop()
    port = int(gateway.url.rsplit(":", 1)[1])
    gateway = PaperGateway(msgspec.structs.replace(config, tls="expired", port=port))
    await gateway.start()
    with pytest.raises(VenueUnreachable, match=r"certificate refused \(certificate has expired\)"):
        await venue.rest.accounts()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(venue.session.revalidate(), 1.5)
    assert (venue.session.logins, venue.session.refreshes) == (1, 1)
    assert (await venue.session.token()).revision == 1
    await venue.close()
    await gateway.stop()
