"""Idle and silent connections of the Python clients: who pings, who stays, who notices nothing.

They begin with the first test of all, and are asked last.
"""

from __future__ import annotations

import pytest

from tests.conformance.python_clients import LONG, Drives
from tests.conformance.recording import SECOND, Link, Recording
from tests.conformance.stage import Drive
from tests.conformance.transcript import check

pytestmark = pytest.mark.slow


def pings(link: Link) -> list[int]:
    """The stamps of the client's SignalR pings."""
    return [at for at, _ in link.typed("client", 6)]


@pytest.mark.parametrize("drive", LONG, ids=lambda drive: drive.name)
def test_the_wire_is_as_specified(drives: Drives, drive: Drive) -> None:
    provoked = {"keep-alive"} if drive.scenario == "stall" else set()
    assert check(drives.seen(drive.name).transcript, provoked) == []


def test_signalrcore_does_not_notice_a_server_that_fell_silent(drives: Drives) -> None:
    seen = drives.seen("signalrcore stall")
    assert seen.printed == {"quotes": [True, 0], "noticed": [0, 0]}
    (link,) = Recording(seen.transcript).links
    said = [frame.at for frame in link.frames if frame.by == "server" and frame.opcode == "text"]
    assert pings(link)[-1] - said[-1] > 25 * SECOND, "it pings a server that is gone"


def test_signalrcore_stays_up_for_a_minute_without_data(drives: Drives) -> None:
    seen = drives.seen("signalrcore idle")
    assert seen.printed["results"] == [0] * 4
    assert seen.printed["lost"] == [[0, 0]] * 4
    *quiet, _ = Recording(seen.transcript).links
    for link in quiet:
        assert link.seconds >= 60
        assert len(link.typed("server", 6)) >= 3
        assert len(pings(link)) >= 4


def test_signalrcore_never_pings_without_automatic_reconnect(drives: Drives) -> None:
    seen = drives.seen("signalrcore idle")
    assert 29 < seen.printed["mute_ended_after"] < 36
    mute = Recording(seen.transcript).links[-1]
    assert pings(mute) == []
    assert [record["error"] for _, record in mute.typed("server", 7)] == ["Connection closed with an error."]


def test_pysignalr_stays_up_for_a_minute_without_data(drives: Drives) -> None:
    seen = drives.seen("pysignalr idle")
    assert (seen.printed["results"], seen.printed["lost"], seen.printed["opened"]) == (
        [0] * 4,
        [0] * 4,
        [1] * 4,
    )
    for link in Recording(seen.transcript).links:
        assert link.seconds >= 60
        assert len(link.typed("server", 6)) >= 3
        assert len(pings(link)) >= 3
        assert len(link.socket_pings("client")) >= 2
