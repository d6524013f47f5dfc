"""Faults of the hubs on the wire: ends of connections, silences, lost, late, doubled and moved events."""

from __future__ import annotations

from typing import Any

import pytest

from bot.paper.hub import HubRefused
from tests.unit.paper.scripted import ACCOUNT, MNQ, Bench, Listener

TOPICS = (("SubscribeOrders", [ACCOUNT]), ("SubscribeTrades", [ACCOUNT]), ("SubscribePositions", [ACCOUNT]),
          ("SubscribeAccounts", []))  # fmt: skip


def listened() -> tuple[Bench, Listener]:
    bench = Bench(profile="fast")
    user = bench.listen("user", *TOPICS)
    user.clear()
    return bench, user


@pytest.mark.parametrize(
    ("members", "record"),
    [
        ({}, {"type": 7, "error": "Connection closed with an error.", "allowReconnect": True}),
        ({"with_error": False}, {"type": 7, "allowReconnect": True}),
        ({"allow_reconnect": False}, {"type": 7, "error": "Connection closed with an error."}),
        ({"allow_reconnect": False, "with_error": False}, {"type": 7}),
    ],
)
def test_the_close_record_as_it_is_asked_for(members: dict[str, Any], record: dict[str, Any]) -> None:
    bench, user = listened()
    bench.venue.inject({"fault": "hub.drop", "hub": "user", **members})
    assert (user.records(), user.closed) == ([record], True)


def test_the_loss_of_tcp_says_nothing() -> None:
    bench, user = listened()
    bench.venue.inject({"fault": "hub.drop", "how": "tcp"})
    assert (user.raw, user.closed) == ([], True)


@pytest.mark.parametrize(("how", "pings"), [("stall", 0), ("pings", 2)])
def test_silence_with_and_without_pings(how: str, pings: int) -> None:
    bench, user = listened()
    bench.venue.inject({"fault": "hub.drop", "hub": "user", "how": how})
    bench.place()
    for _ in range(40):
        bench.pass_(1_000)
        user.say({"type": 6})
    assert user.records() == [{"type": 6}] * pings
    assert not user.closed


def test_a_silence_that_ends() -> None:
    bench, user = listened()
    bench.venue.inject({"fault": "hub.drop", "hub": "user", "how": "stall", "seconds": 5})
    bench.place()
    bench.pass_(4_900)
    assert user.raw == []
    bench.pass_(200)
    bench.place()
    bench.pass_(1)
    assert len(user.data("GatewayUserTrade")) == 1


def test_upgrades_are_refused_so_often_or_so_long() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "hub.403", "hub": "user", "count": 2})
    for _ in range(2):
        with pytest.raises(HubRefused) as caught:
            bench.listen("user")
        assert caught.value.status == 403
    bench.listen("user")
    bench.venue.inject({"fault": "hub.403", "hub": "market", "seconds": 3, "status": 429})
    with pytest.raises(HubRefused) as caught:
        bench.listen("market")
    assert caught.value.status == 429
    bench.pass_(3_000)
    bench.listen("market")


def test_negotiation_is_refused_as_upgrades_are() -> None:
    bench = Bench()
    hub = bench.venue.hub("user")
    bench.venue.inject({"fault": "hub.403", "hub": "user", "count": 2})
    assert bench.venue.hub("market").negotiate(bench.token, 1).status == 200
    refused = hub.negotiate("no token", 1)
    assert (refused.status, refused.body) == (403, b"")
    with pytest.raises(HubRefused) as caught:
        bench.listen("user")
    assert caught.value.status == 403
    assert hub.negotiate(bench.token, 1).status == 200
    assert hub.negotiate("no token", 1).status == 401
    bench.venue.inject({"fault": "hub.403", "seconds": 3, "status": 429})
    assert hub.negotiate(bench.token, 1).status == 429
    bench.pass_(3_000)
    assert hub.negotiate(bench.token, 1).status == 200


def test_lost_late_and_doubled_events() -> None:
    bench, user = listened()
    bench.venue.inject({"fault": "hub.lose", "event": "position", "count": 1})
    bench.venue.inject({"fault": "hub.late", "event": "trade", "seconds": 2, "count": 1})
    bench.venue.inject({"fault": "hub.dup", "hub": "user", "event": "GatewayUserAccount", "count": 1})
    bench.place()
    bench.pass_(1)
    assert user.short() == [("order", 6), ("order", 2), ("account",), ("account",)]
    bench.pass_(2_000)
    assert user.short()[-1] == ("trade",)


def test_an_event_changes_places_with_the_next_one() -> None:
    bench, user = listened()
    bench.venue.inject({"fault": "hub.reorder", "event": "trade"})
    bench.place()
    bench.pass_(1)
    assert user.short() == [("order", 6), ("order", 2), ("trade",), ("position",), ("account",)]


def test_an_event_without_a_next_one_comes_late() -> None:
    bench, user = listened()
    bench.venue.inject({"fault": "hub.reorder", "event": "account", "seconds": 0.5})
    bench.place()
    bench.pass_(400)
    assert user.short()[-1] == ("position",)
    bench.pass_(101)
    assert user.short()[-1] == ("account",)


def test_logouts_and_unknown_records() -> None:
    bench, user = listened()
    bench.venue.inject({"fault": "hub.logout", "hub": "user"})
    bench.venue.inject({"fault": "hub.unknown", "hub": "user", "type": 77})
    first, second = user.records()
    assert (first["target"], first["arguments"], second["type"]) == ("GatewayLogout", [], 77)
    assert not user.closed


def test_events_without_a_zone() -> None:
    bench, user = listened()
    bench.venue.inject({"fault": "hub.zoneless", "event": "trade", "count": 1})
    bench.place()
    bench.place()
    bench.pass_(1)
    stamps = [row["creationTimestamp"] for row in user.data("GatewayUserTrade")]
    assert [stamp.endswith("+00:00") for stamp in stamps] == [False, True]


def test_events_of_one_account_alone() -> None:
    bench = Bench(profile="fast")
    user = bench.listen("user", ("SubscribeTrades", [ACCOUNT]), ("SubscribeTrades", [1002]))
    bench.venue.inject({"fault": "hub.lose", "event": "trade", "account_id": 1002, "seconds": 60})
    for account in (ACCOUNT, 1002):
        bench.place(accountId=account)
    bench.pass_(1)
    assert [row["accountId"] for row in user.data("GatewayUserTrade")] == [ACCOUNT]


def test_quotes_of_one_contract_alone_stop() -> None:
    bench = Bench(profile="fast")
    mes = "CON.F.US.MES.Z25"
    market = bench.listen("market", ("SubscribeContractQuotes", [MNQ]), ("SubscribeContractQuotes", [mes]))
    market.clear()
    bench.venue.inject({"fault": "quote.stop", "contract_id": "MES"})
    bench.quote(80_010)
    bench.quote(20_010, contract=mes)
    assert [event["arguments"][0] for event in market.events("GatewayQuote")] == [MNQ]
