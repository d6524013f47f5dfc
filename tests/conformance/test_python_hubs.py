"""Independent SignalR clients in Python, unchanged, on the hubs of the real paper gateway.

Their own defects are expected, as in test_python_clients.py.
"""

from __future__ import annotations

import json

import pytest

from tests.conformance.foreign import CONTRACT
from tests.conformance.python_clients import Drives
from tests.conformance.recording import Link, Recording

pytestmark = pytest.mark.slow

WAYS = [(hub, skip, query) for hub in ("user", "market") for skip in (False, True) for query in (False, True)]
SUBSCRIBED = [[hub, skip, query, 0] for hub, skip, query in WAYS]
UNKNOWN = "Failed to invoke 'SubscribeOrderBook' due to an error on the server. HubException: Method does not exist."


def shape(link: Link) -> tuple[str, bool, bool]:
    """Hub, negotiation skipped, token in the query alone."""
    assert len(link.token_in) == 1
    return link.hub, not link.negotiated, link.token_in == {"query"}


def issued(recording: Recording) -> list[str]:
    """The ids of the negotiations, all of version 0: without a token."""
    answers = [
        json.loads(call.answer.body)
        for call in recording.calls
        if call.path.endswith("/negotiate") and call.answer is not None and call.status == 200
    ]
    assert {answer["negotiateVersion"] for answer in answers} == {0}
    assert not [answer for answer in answers if "connectionToken" in answer]
    return [answer["connectionId"] for answer in answers]


def test_signalrcore_connects_every_way_and_trades(drives: Drives) -> None:
    seen = drives.seen("signalrcore hubs")
    printed = seen.printed
    assert printed["ways"] == SUBSCRIBED
    assert (printed["subscribed"], printed["unsubscribed"]) == ([0] * 7, [0] * 6)
    assert printed["entry"] == [6, 2]
    assert printed["children"] == [["hubs-SL", 4], ["hubs-TP", 1]]
    assert (printed["trade"], printed["position"]) == ([0, True], 1)
    assert printed["accounts"] == [1001, 1002]
    assert (printed["quotes"], printed["symbols"]) == ([CONTRACT], ["F.US.MNQ"])
    assert (printed["lists"], printed["reset"]) == ([True, True], 6)
    assert printed["unknown"] == [UNKNOWN]
    assert printed["heard"] == ["GatewayUserTrade"], "the one topic that it kept"
    recording = Recording(seen.transcript)
    assert [shape(link) for link in recording.links] == [
        *WAYS,
        ("user", False, False),
        ("market", True, True),
    ]


def test_signalrcore_negotiates_version_0_and_repeats_its_headers(drives: Drives) -> None:
    recording = Recording(drives.seen("signalrcore hubs").transcript)
    assert recording.negotiations == ["absent"] * 5
    negotiated = [link for link in recording.links if link.negotiated]
    assert [link.call.query["id"][0] for link in negotiated] == issued(recording), "id = connectionId"
    assert {link.handshake["version"] for link in recording.links} == {"0"}
    for link in recording.links:
        headers = [record.get("headers", {}) for _, record in link.typed("client", 1)]
        assert all(("Authorization" in each) == (link.token_in == {"header"}) for each in headers)
        assert ("connectionId" in link.call.query) == (shape(link)[1:] == (True, False))


def test_signalrcore_stops_only_with_another_frame(drives: Drives) -> None:
    printed = drives.seen("signalrcore hubs").printed
    assert (printed["stop_hangs"], printed["stop_ends_with_a_frame"]) == (True, True)


def test_signalrcore_shows_401_as_an_http_error(drives: Drives) -> None:
    seen = drives.seen("signalrcore refused")
    assert seen.printed["negotiated"] == ["HTTPError", 401, "HTTP Error 401: Unauthorized"]
    assert seen.printed["skipped"][0] == "SocketHandshakeError"
    assert "401 Unauthorized" in seen.printed["skipped"][2]


def test_signalrcore_reconnects_with_the_old_token_and_a_stale_id(drives: Drives) -> None:
    seen = drives.seen("signalrcore reconnect")
    assert [seen.printed[name] for name in ("before", "after_tcp", "after_close")] == [True] * 3
    counts = [seen.printed[name] for name in ("opened", "reconnected", "factory_calls")]
    assert counts == [1, 2, 1], "it opens once, then reconnects, and asks for no new token"
    recording = Recording(seen.transcript)
    stale = [call.query.get("id") for call in recording.of("/hubs/market/negotiate")]
    assert stale == [None, *([each] for each in issued(recording))]
    links = recording.hub("market")
    assert [link.call.query["id"][0] for link in links] == issued(recording)
    assert len({link.call.request.header("authorization") for link in links}) == 1
    assert [record["error"] for _, record in links[1].typed("server", 7)] == [
        "Connection closed with an error."
    ]


def test_signalrcore_gives_up_after_one_failed_reconnect(drives: Drives) -> None:
    seen = drives.seen("signalrcore reconnect")
    assert seen.printed["after_403"] is False
    recording = Recording(seen.transcript)
    assert [call.status for call in recording.of("/hubs/market")] == [101, 101, 101]
    assert [call.status for call in recording.of("/hubs/market/negotiate")] == [200, 200, 200, 403]
    assert recording.calls[-1].status == 403
    assert seen.printed["waited_s"] > 4, "it was asked for a try each second"


def test_pysignalr_connects_every_way_and_hears_a_trade(drives: Drives) -> None:
    seen = drives.seen("pysignalr hubs")
    printed = seen.printed
    assert printed["ways"] == SUBSCRIBED
    assert (printed["subscribed"], printed["unsubscribed"]) == ([0] * 7, [0] * 2)
    assert (printed["entry"], printed["trade"], printed["position"]) == ([6, 2], True, 1)
    assert printed["accounts"] == [1001, 1002]
    assert (printed["quotes"], printed["reset"], printed["unheard"]) == ([CONTRACT], 6, [])
    assert printed["unknown"] == [UNKNOWN]
    recording = Recording(seen.transcript)
    assert [shape(link) for link in recording.links] == [
        *WAYS,
        ("user", False, False),
        ("market", True, True),
    ]
    assert {link.handshake["version"] for link in recording.links} == {"1"}
    assert recording.negotiations == ["absent"] * 5
    negotiated = [link.call.query["id"][0] for link in recording.links if link.negotiated]
    assert negotiated == issued(recording)


def test_pysignalr_comes_back_from_a_lost_socket_without_its_subscriptions(drives: Drives) -> None:
    seen = drives.seen("pysignalr reconnect")
    assert (seen.printed["skipped"], seen.printed["negotiated"]) == ([2, True, False], [2, True, False])
    recording = Recording(seen.transcript)
    first, second = issued(recording)
    upgrades = [
        (call.query["id"][0], call.status) for call in recording.of("/hubs/market") if "id" in call.query
    ]
    assert upgrades == [(first, 101), (first, 404), (second, 101)], "first it tries the id that has ended"
    plain = [call.status for call in recording.of("/hubs/market") if "id" not in call.query]
    assert plain[:2] == [101, 101]
    stale = [call.query.get("id") for call in recording.of("/hubs/market/negotiate")]
    assert stale == [None, [first]]


def test_pysignalr_ends_with_a_close_record(drives: Drives) -> None:
    printed = drives.seen("pysignalr reconnect").printed
    assert printed["close_record"] == ["ServerError", None, "Connection closed with an error."]


def test_pysignalr_negotiates_without_its_token_factory(drives: Drives) -> None:
    seen = drives.seen("pysignalr refused")
    assert seen.printed["factory_only"][0] == "AuthorizationError"
    assert seen.printed["negotiated"][0] == "AuthorizationError"
    assert seen.printed["skipped"][0] == "NegotiationFailure"
    recording = Recording(seen.transcript)
    negotiations = [
        (call.request.header("authorization") is None, call.status)
        for call in recording.of("/hubs/user/negotiate")
    ]
    assert negotiations == [(False, 401), (True, 401)]
    assert [call.status for call in recording.of("/hubs/user")] == [401]
