"""Idle connections stay up: the server's keep-alive and each client's own."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.conformance.idling import SECONDS, STALLED, Idling
from tests.conformance.recording import SECOND, Recording
from tests.conformance.transcript import check

pytestmark = pytest.mark.slow

CALM = {"connected", "subscribed"}


@pytest.mark.parametrize("name", ["rust", "node"])
def test_an_idle_client_stays_connected(idling: Idling, name: str) -> None:
    lines = idling.lines(name)
    while_idle = (
        lines[: [line.get("event") for line in lines].index("closed")] if name == "node" else lines[:-1]
    )
    assert {line["event"] for line in while_idle} <= CALM
    assert check(idling.wire(name)) == []
    crossed = Recording(idling.wire(name))
    for hub in ("user", "market"):
        (link,) = crossed.hub(hub)
        assert link.seconds > SECONDS
        assert len(link.typed("server", 6)) >= 3
        beats = [[at for at, _ in link.typed("client", 6)]]
        if name == "rust":
            beats.append(link.socket_pings("client"))
        for stamps in beats:
            assert len(stamps) >= 3
            assert all((later - earlier) / SECOND < 17 for earlier, later in pairwise(stamps))


def test_a_server_that_fell_silent_is_left_after_half_a_minute(idling: Idling) -> None:
    lines = idling.lines(STALLED)
    for hub in ("user", "market"):
        events = [line["event"] for line in lines if line.get("hub") == hub]
        assert events[:3] == ["connected", "reconnecting", "reconnected"]
        first, second = Recording(idling.wire(STALLED)).hub(hub)
        assert 29 < first.seconds < 45
        assert [frame.by for frame in first.frames if frame.opcode == "close"][:1] == ["client"]
        assert second.call.request.at >= first.frames[-1].at
    assert {text.partition(":")[0] for text in check(idling.wire(STALLED))} == {"keep-alive"}
