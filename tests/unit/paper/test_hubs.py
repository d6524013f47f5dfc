"""The hubs without sockets: handshake, methods, events, keep-alive, faults (gateway.md 10-14)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.model.times import parse_ts
from bot.paper.config import PaperOptions
from bot.paper.hub import HubRefused
from bot.paper.market.feed import DepthLevel, Print, QuoteTick
from tests.unit.paper.scripted import ACCOUNT, MNQ, Bench, Listener

USER = (("SubscribeAccounts", []), ("SubscribeOrders", [ACCOUNT]), ("SubscribePositions", [ACCOUNT]),
        ("SubscribeTrades", [ACCOUNT]))  # fmt: skip
LONG_SL, LONG_TP = {"ticks": -40, "type": 4}, {"ticks": 80, "type": 1}


def raw_session(bench: Bench, hub: str = "user") -> tuple[Any, list[bytes], list[bool]]:
    sent: list[bytes] = []
    closed: list[bool] = []
    session = bench.venue.hub(hub).connect(bench.token, sent.append, lambda: closed.append(True))  # type: ignore[arg-type]
    return session, sent, closed


@pytest.mark.parametrize("version", [0, 1, 2])
def test_the_handshake_answer_is_exactly_an_empty_object(version: int) -> None:
    session, sent, _ = raw_session(Bench())
    session.receive(json.dumps({"protocol": "json", "version": version}).encode() + b"\x1e")
    assert sent == [b"{}\x1e"]


@pytest.mark.parametrize(
    "first",
    [b'{"protocol":"messagepack","version":1}\x1e', b'{"protocol":"json","version":9}\x1e', b"junk\x1e"],
)
def test_a_bad_handshake_gets_an_error_and_the_end(first: bytes) -> None:
    session, sent, closed = raw_session(Bench())
    session.receive(first)
    assert set(json.loads(sent[0][:-1])) == {"error"}
    assert closed == [True]


def test_records_split_anywhere_and_many_in_a_message() -> None:
    bench = Bench()
    session, sent, _ = raw_session(bench)
    text = (
        b'{"protocol":"json","version":1}\x1e{"type":6}\x1e'
        b'{"arguments":[1001],"target":"subscribeORDERS","invocationId":"0","type":1}\x1e{"type":99}\x1e'
    )
    for index in range(len(text)):
        session.receive(text[index : index + 1])
    assert sent == [b"{}\x1e", b'{"type":3,"invocationId":"0","result":0}\x1e']


def test_methods_that_do_not_exist_or_do_not_bind() -> None:
    bench = Bench()
    user = bench.listen("user")
    user.clear()
    user.say({"type": 1, "invocationId": "1", "target": "SubscribeFoo", "arguments": []})
    user.say({"type": 1, "target": "SubscribeFoo", "arguments": []})
    user.say({"type": 1, "invocationId": "2", "target": "SubscribeOrders", "arguments": ["1001"]})
    user.say({"type": 1, "invocationId": "3", "target": "SubscribeOrders", "arguments": []})
    user.say({"type": 1, "invocationId": "4", "target": "SubscribeOrders", "arguments": [4]})
    user.say({"type": 1, "invocationId": "5", "target": "SubscribeContractQuotes", "arguments": [MNQ]})
    found = user.records()
    missing = (
        "Failed to invoke 'SubscribeFoo' due to an error on the server. HubException: Method does not exist."
    )
    assert found[0] == {"type": 3, "invocationId": "1", "error": missing}
    assert [record["invocationId"] for record in found] == ["1", "2", "3", "4", "5"]
    assert [("error" in record) for record in found] == [True, True, True, False, True]
    assert not user.closed


def test_a_malformed_record_ends_the_connection() -> None:
    user = Bench().listen("user")
    user.session.receive(b"{not json\x1e")
    assert user.records()[-1]["type"] == 7
    assert user.closed


def test_accounts_come_at_once_and_again_on_a_change_of_balance() -> None:
    bench = Bench()
    user = bench.listen("user", ("SubscribeAccounts", []))
    assert [row["id"] for row in user.data("GatewayUserAccount")] == [1001, 1002]
    user.clear()
    bench.place()
    bench.pass_(5)
    assert [(row["id"], row["balance"]) for row in user.data("GatewayUserAccount")] == [(1001, 149999.38)]


def test_sequence_1_market_order_without_bracket() -> None:
    bench = Bench()
    user = bench.listen("user", *USER)
    user.clear()
    bench.place(customTag="s1")
    bench.pass_(5)
    assert user.short() == [("order", 6), ("trade",), ("order", 2), ("position",), ("account",)]
    trade = user.data("GatewayUserTrade")[0]
    assert "profitAndLoss" not in trade
    filled = user.data("GatewayUserOrder")[1]
    assert filled["updateTimestamp"] == "2025-10-01T14:30:00.003+00:00"
    assert (filled["fillVolume"], filled["filledPrice"], filled["customTag"]) == (1, 20000.25, "s1")
    assert "limitPrice" not in filled
    actions = [event["arguments"][0]["action"] for event in user.events()]
    assert actions == [1, 0, 1, 1, 1]


def test_sequences_2_and_5_bracket_entry_and_leg() -> None:
    bench = Bench()
    user = bench.listen("user", *USER)
    user.clear()
    bench.place(stopLossBracket=LONG_SL, takeProfitBracket=LONG_TP)
    assert user.short() == [("order", 8), ("order", 6), ("order", 8)]
    user.clear()
    bench.pass_(17)
    assert user.short() == [("order", 2), ("trade",), ("position",), ("account",)]
    bench.pass_(1)
    assert user.short()[4:] == [("order", 1), ("order", 1)]
    user.clear()
    bench.quote(80_081)
    bench.pass_(20)
    assert user.short() == [("order", 2), ("trade",), ("position",), ("order", 3), ("account",)]
    flat = user.events("GatewayUserPosition")[0]["arguments"][0]
    assert (flat["action"], flat["data"]["type"], flat["data"]["size"]) == (2, 0, 0)
    assert flat["data"]["averagePrice"] == 20000.25
    assert user.data("GatewayUserTrade")[0]["profitAndLoss"] == 40


def test_sequence_3_rejection_says_no_reason() -> None:
    bench = Bench()
    user = bench.listen("user", *USER)
    user.clear()
    bench.place(type=4, stopPrice=19000)
    bench.place(size=0)
    bench.pass_(3)
    assert user.short() == [("order", 6), ("order", 5)]
    assert "errorMessage" not in user.data("GatewayUserOrder")[1]


def test_sequence_4_resting_order_modified() -> None:
    bench = Bench()
    user = bench.listen("user", *USER)
    user.clear()
    placed = bench.place(type=1, limitPrice=19990)
    bench.pass_(3)
    bench.call("Order/modify", accountId=ACCOUNT, orderId=placed["orderId"], limitPrice=19991)
    bench.call("Order/modify", accountId=ACCOUNT, orderId=placed["orderId"], limitPrice=19991)
    bench.call("Order/cancel", accountId=ACCOUNT, orderId=placed["orderId"])
    assert user.short() == [("order", 6), ("order", 1), ("order", 1), ("order", 3)]
    assert user.data("GatewayUserOrder")[2]["limitPrice"] == 19991


def test_quotes_are_full_once_and_partial_afterwards() -> None:
    bench = Bench()
    market = bench.listen("market", ("SubscribeContractQuotes", [MNQ]))
    first = market.events("GatewayQuote")[0]["arguments"]
    assert first[0] == MNQ
    assert {"symbol", "lastPrice", "bestBid", "bestAsk", "lastUpdated", "timestamp", "contract"} <= set(
        first[1]
    )
    market.clear()
    at = bench.clock.now() + 1_000_000
    bench.market.add(QuoteTick(MNQ, at, 80_000, 9, 80_002, 5), QuoteTick(MNQ, at + 1, 80_000, 1, 80_002, 4))
    bench.pass_(2)
    data = [event["arguments"][1] for event in market.events()]
    assert data == [{
        "symbol": "F.US.MNQ", "bestAsk": 20000.5, "lastUpdated": "2025-10-01T14:29:59.911+00:00",
        "timestamp": "2025-10-01T14:30:00.001+00:00", "contract": MNQ,
    }, {
        "symbol": "F.US.MNQ", "bestBid": 20000, "bestAsk": 20000.5,
        "lastUpdated": "2025-10-01T14:29:59.911+00:00", "timestamp": "2025-10-01T14:30:00.001+00:00",
        "contract": MNQ,
    }]  # fmt: skip
    market.clear()
    bench.market.add(QuoteTick(MNQ, at + 2, 80_000, 1, 80_002, 4))
    bench.pass_(2)
    assert market.events() == []


def test_a_quote_after_a_print_tells_only_the_figures_that_changed() -> None:
    bench = Bench()
    market = bench.listen("market", ("SubscribeContractQuotes", [MNQ]))
    known = dict(market.events("GatewayQuote")[0]["arguments"][1])

    def told(price: int, at: int) -> set[str]:
        market.clear()
        bench.market.add(Print(MNQ, at, price, 1, 0), QuoteTick(MNQ, at + 1, price, 5, price + 1, 5))
        bench.pass_(2)
        for event in market.events("GatewayQuote"):
            known.update(event["arguments"][1])
        return {name for event in market.events("GatewayQuote") for name in event["arguments"][1]}

    at = bench.clock.now() + 1_000_000
    assert {"lastPrice", "volume", "bestBid"} <= told(80_010, at)
    assert told(80_010, at + 1_000_000) & {"lastPrice", "open", "high", "low", "volume"} == {
        "lastPrice",
        "volume",
    }
    late = bench.listen("market", ("SubscribeContractQuotes", [MNQ]))
    assert late.events("GatewayQuote")[0]["arguments"][1]["lastPrice"] == 20002.5
    assert {"lastPrice", "volume"} <= told(80_000, at + 2_000_000)
    assert (known["lastPrice"], known["high"], known["low"]) == (20000, 20002.5, 20000)


def test_depth_begins_with_a_reset_and_trades_come_in_arrays() -> None:
    bench = Bench()
    market = bench.listen(
        "market", ("SubscribeContractTrades", [MNQ]), ("SubscribeContractMarketDepth", [MNQ])
    )
    levels = market.events("GatewayDepth")[0]["arguments"][1]
    assert [(row["type"], row["price"], row["volume"]) for row in levels] == [
        (6, 0, 0), (2, 20000, 5), (1, 20000.25, 5),
    ]  # fmt: skip
    market.clear()
    at = bench.clock.now() + 1_000_000
    bench.market.add(
        Print(MNQ, at, 80_001, 2, 0), Print(MNQ, at, 80_001, 3, 0), DepthLevel(MNQ, at, 1, 80_001, 0)
    )
    bench.pass_(2)
    trade, depth = market.events()
    assert [(row["volume"], row["type"]) for row in trade["arguments"][1]] == [(2, 0), (3, 0)]
    assert depth["arguments"] == [MNQ, [{
        "timestamp": "2025-10-01T14:30:00.001+00:00", "type": 1, "price": 20000.25, "volume": 0,
        "currentVolume": 0,
    }]]  # fmt: skip


@pytest.mark.parametrize(("option", "times"), [("once", 1), ("twice", 2)])
def test_a_repeated_subscription(option: str, times: int) -> None:
    bench = Bench(PaperOptions(subscribe_dup=option))
    user = bench.listen("user", ("SubscribeTrades", [ACCOUNT]), ("SubscribeTrades", [ACCOUNT]))
    bench.place()
    bench.pass_(5)
    assert len(user.events("GatewayUserTrade")) == times
    user.say({"type": 1, "target": "UnsubscribeTrades", "arguments": [ACCOUNT]})
    bench.place(side=1)
    bench.pass_(5)
    assert len(user.events("GatewayUserTrade")) == times


def test_the_hub_pings_after_fifteen_idle_seconds_and_drops_a_client_silent_for_thirty() -> None:
    bench = Bench()
    user = bench.listen("user")
    user.clear()
    bench.pass_(14_999)
    assert user.records() == []
    bench.pass_(1)
    assert user.records() == [{"type": 6}]
    bench.pass_(14_999)
    assert not user.closed
    bench.pass_(1)
    assert user.closed
    assert user.records()[-1] == {
        "type": 7, "error": "Connection closed with an error.", "allowReconnect": True,
    }  # fmt: skip


def test_a_pinging_client_stays() -> None:
    bench = Bench()
    user = bench.listen("user")
    for _ in range(10):
        bench.pass_(14_000)
        user.say({"type": 6})
    assert not user.closed


def test_no_handshake_in_fifteen_seconds_ends_the_connection() -> None:
    bench = Bench()
    _, sent, closed = raw_session(bench)
    bench.pass_(15_000)
    assert closed == [True]
    assert b'"error"' in sent[0]


def test_keep_alive_shows_in_the_next_due_time() -> None:
    bench = Bench()
    bench.listen("user")
    due = bench.venue.next_due()
    assert due == bench.clock.now() + 15_000_000_000


def test_lost_events_by_count_time_and_name() -> None:
    bench = Bench()
    user = bench.listen("user", *USER)
    bench.venue.inject({"fault": "hub.lose", "hub": "user", "event": "trade", "count": 1})
    bench.place()
    bench.pass_(5)
    assert user.events("GatewayUserTrade") == []
    bench.place()
    bench.pass_(5)
    assert len(user.events("GatewayUserTrade")) == 1
    bench.venue.inject({"fault": "hub.lose", "hub": "user", "seconds": 1})
    user.clear()
    bench.place()
    bench.pass_(999)
    assert user.events() == []
    bench.pass_(1)
    bench.place()
    bench.pass_(5)
    assert len(user.events("GatewayUserTrade")) == 1


def test_late_and_doubled_events() -> None:
    bench = Bench()
    user = bench.listen("user", *USER)
    user.clear()
    bench.venue.inject({"fault": "hub.late", "hub": "user", "event": "trade", "seconds": 1, "count": 1})
    bench.venue.inject({"fault": "hub.dup", "hub": "user", "event": "position"})
    bench.place()
    bench.pass_(999)
    assert user.short() == [("order", 6), ("order", 2), ("position",), ("position",), ("account",)]
    bench.pass_(10)
    assert user.short()[-1] == ("trade",)


@pytest.mark.parametrize("how", ["close", "tcp", "stall"])
def test_a_hub_is_dropped_in_three_ways(how: str) -> None:
    bench = Bench()
    user, market = bench.listen("user"), bench.listen("market")
    user.clear()
    bench.venue.inject({"fault": "hub.drop", "hub": "user", "how": how})
    assert user.closed is (how != "stall")
    assert bool(user.records()) is (how == "close")
    if how == "stall":
        bench.pass_(60_000)
        assert user.records() == []
        assert not user.closed
    else:
        assert not market.closed


def test_refused_upgrades() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "hub.403", "hub": "user", "count": 2})
    for _ in range(2):
        with pytest.raises(HubRefused) as refused:
            bench.listen("user")
        assert refused.value.status == 403
    bench.listen("user")
    bench.venue.inject({"fault": "token.expire"})
    with pytest.raises(HubRefused) as expired:
        bench.listen("user")
    assert expired.value.status == 401


def test_a_logout_event_has_no_arguments() -> None:
    bench = Bench()
    user = bench.listen("user")
    bench.venue.inject({"fault": "hub.logout", "hub": "user"})
    assert user.records()[-1] == {"type": 1, "target": "GatewayLogout", "arguments": []}


def test_a_dropped_socket_leaves_nothing_behind() -> None:
    bench = Bench()
    for _ in range(50):
        user: Listener = bench.listen("user", *USER)
        user.session.drop()
    hub = bench.venue.hub("user")
    assert not hub.sessions
    assert not any(hub._topics.values())


@pytest.mark.parametrize(("option", "closed"), [(False, False), (True, True)])
def test_connections_outlive_the_close_or_not(option: bool, closed: bool) -> None:
    bench = Bench(PaperOptions(hub_drop_at_close=option), start=parse_ts("2025-10-01T20:59:59Z"))
    user = bench.listen("user")
    bench.pass_(999)
    assert not user.closed
    bench.pass_(1)
    assert user.closed is closed
