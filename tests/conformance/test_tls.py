"""Over https and wss: clients that trust the gateway's authority trade, the others refuse it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.builds import NODE, node, rust_client
from tests.conformance.foreign import Foreign, paper, settings_of
from tests.conformance.recording import Recording
from tests.conformance.transcript import check

pytestmark = pytest.mark.slow

TRUST = {"node": "NODE_EXTRA_CA_CERTS", "rust": "SSL_CERT_FILE"}
"""How each client is told of an authority; neither needs a change of its own."""

HUBS = ("user", "market")


def command(name: str) -> tuple[str, str]:
    return (node(), str(NODE / "hubs.mjs")) if name == "node" else (rust_client(), "hubs")


@pytest.mark.parametrize("name", TRUST)
async def test_a_client_that_trusts_the_authority_trades(tmp_path: Path, name: str) -> None:
    wire = tmp_path / "wire.jsonl"
    async with paper(wire, tls="good") as gateway:
        assert gateway.url.startswith("https://")
        trust = {TRUST[name]: str(gateway.ca_file)}
        async with Foreign.started(*command(name), settings_of(gateway), env=trust) as client:
            await client.all_told(*({"hub": hub, "event": "data"} for hub in HUBS))
            client.say("trade")
            await client.told(hub="rest", event="traded")
            seen = await client.end()
    assert set(seen) == set(HUBS)
    assert check(wire) == []
    assert {link.hub for link in Recording(wire).links} == set(HUBS)


@pytest.mark.parametrize("name", TRUST)
@pytest.mark.parametrize("certificate", ["good", "wrong_name", "expired", "unknown"])
async def test_a_certificate_that_does_not_hold_is_refused(
    tmp_path: Path, name: str, certificate: str
) -> None:
    """The good one too, by a client that was not told of its authority."""
    wire = tmp_path / "wire.jsonl"
    async with paper(wire, tls=certificate) as gateway:
        trust = {} if certificate == "good" else {TRUST[name]: str(gateway.ca_file)}
        async with Foreign.started(*command(name), settings_of(gateway), env=trust) as client:
            with pytest.raises(AssertionError, match=r"(?i)certificate"):
                await client.told(event="connected")
    assert Recording(wire).calls == []
