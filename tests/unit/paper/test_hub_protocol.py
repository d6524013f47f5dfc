"""SignalR as the gateway's hubs speak it: handshake, records, limits, answers, options (gateway.md 10, 11, 14)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.paper import market_feed, user_feed
from bot.paper.hub import HubRefused
from bot.paper.market.feed import DepthLevel
from bot.paper.options import PaperOptions
from tests.unit.paper.scripted import ACCOUNT, MNQ, Bench, Listener

END = b"\x1e"
HELLO = b'{"protocol":"json","version":1}' + END
USER = ("Accounts", "Orders", "Positions", "Trades")
MARKET = ("ContractQuotes", "ContractTrades", "ContractMarketDepth")


class Raw:
    """A connection without its handshake."""

    def __init__(self, bench: Bench, hub: str = "user") -> None:
        self.sent: list[bytes] = []
        self.closed: list[bool] = []
        self.session = bench.venue.hub(hub).connect(
            bench.token, self.sent.append, lambda: self.closed.append(True)
        )  # type: ignore[arg-type]

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in b"".join(self.sent).split(END)[:-1]]


def call(target: str, arguments: list[Any], invocation: str = "1") -> dict[str, Any]:
    return {"type": 1, "invocationId": invocation, "target": target, "arguments": arguments}


def answer(listener: Listener, record: dict[str, Any]) -> dict[str, Any]:
    listener.clear()
    listener.say(record)
    return listener.records()[0]


def test_nothing_comes_before_the_handshake_answer() -> None:
    bench = Bench()
    raw = Raw(bench)
    bench.place()
    bench.pass_(100)
    assert raw.sent == []
    raw.session.receive(HELLO)
    assert raw.sent == [b"{}\x1e"]


@pytest.mark.parametrize("text", [
    '{"version":1,"protocol":"json"}', '{"protocol":"json","version":0}', '{"protocol":"json","version":2}',
    '{"protocol":"json","version":1,"extra":[1]}',
])  # fmt: skip
def test_handshakes_that_are_taken(text: str) -> None:
    raw = Raw(Bench())
    raw.session.receive(text.encode() + END)
    assert raw.sent == [b"{}\x1e"]


@pytest.mark.parametrize("text", [
    "", "{}", "[]", "null", '"json"', "{", '{"protocol":"messagepack","version":1}', '{"protocol":"json"}',
    '{"protocol":"json","version":3}', '{"protocol":"json","version":-1}', '{"protocol":"json","version":"1"}',
    '{"protocol":"json","version":true}', '{"protocol":"json","version":1.0}', '{"protocol":["json"],"version":1}',
    '{"type":6}', '{"protocol":"' + "x" * 40_000 + '"}',
])  # fmt: skip
def test_handshakes_that_are_refused_with_an_error_and_the_end(text: str) -> None:
    raw = Raw(Bench())
    raw.session.receive(text.encode() + END)
    assert [set(record) for record in raw.records()] == [{"error"}]
    assert raw.closed == [True]
    raw.session.receive(HELLO)
    assert len(raw.sent) == 1


def test_a_binary_message_is_refused_before_and_after_the_handshake() -> None:
    raw = Raw(Bench())
    raw.session.refuse_binary()
    assert raw.records() == [{"error": "The protocol 'messagepack' is not supported."}]
    user = Bench().listen("user")
    user.session.refuse_binary()
    assert user.records()[-1]["type"] == 7
    assert user.closed


@pytest.mark.parametrize(
    ("strict", "version", "closed"), [(False, 0, False), (True, 0, True), (True, 1, False), (True, 2, False)]
)
def test_a_strict_venue_closes_version_0_after_two_seconds(strict: bool, version: int, closed: bool) -> None:
    bench = Bench(PaperOptions(handshake_strict=strict))
    raw = Raw(bench)
    raw.session.receive(HELLO.replace(b":1}", b":%d}" % version))
    assert raw.sent == [b"{}\x1e"]
    bench.pass_(1_999)
    assert not raw.closed
    bench.pass_(1)
    assert bool(raw.closed) is closed
    if closed:
        assert raw.records()[-1]["type"] == 7


def test_a_record_of_32_kilobytes_is_too_large_however_it_comes() -> None:
    def padded(size: int) -> bytes:
        head = b'{"type":6,"x":"'
        return head + b"x" * (size - len(head) - 3) + b'"}' + END

    good = Bench().listen("user")
    good.session.receive(padded(32_768))
    assert not good.closed
    for pieces in ([padded(32_769)], [padded(32_769)[:20_000], padded(32_769)[20_000:]], [b"x" * 32_768]):
        user = Bench().listen("user")
        for piece in pieces:
            user.session.receive(piece)
        assert user.closed
        last = user.records()[-1]
        assert (last["type"], last["error"]) == (7, "The maximum message size of 32768B was exceeded.")


def test_many_small_records_in_a_large_message_are_fine() -> None:
    user = Bench().listen("user")
    user.session.receive(b'{"type":6}\x1e' * 50_000)
    assert not user.closed


@pytest.mark.parametrize("text", [
    "", "[]", "null", "7", "{", "{}", '{"type":"1"}', '{"type":true}', '{"type":1.0}', '{"type":null}',
    '{"type":1,"target":"SubscribeAccounts"}', '{"type":1,"arguments":[]}', '{"type":1,"target":7,"arguments":[]}',
    '{"type":1,"target":"SubscribeAccounts","arguments":{}}', '{"type":1,"invocationId":7,"target":"X","arguments":[]}',
    '{"type":6}}', '\ud800'.encode("utf-8", "surrogatepass").decode("latin-1"),
])  # fmt: skip
def test_a_malformed_record_closes_with_an_error(text: str) -> None:
    user = Bench().listen("user")
    user.session.receive(text.encode("latin-1") + END)
    assert user.closed
    assert user.records()[-1] == {
        "type": 7,
        "error": "Connection closed with an error.",
        "allowReconnect": True,
    }
    user.session.receive(b'{"type":6}\x1e')
    assert len(user.records()) == 2


@pytest.mark.parametrize("record", [
    {"type": 6}, {"type": 6, "extra": 1}, {"type": 99}, {"type": 0}, {"type": 2, "invocationId": "1", "item": 1},
    {"type": 3, "invocationId": "1", "result": 1}, {"type": 5, "invocationId": "1"}, {"type": 8, "sequenceId": 1},
    {"type": 9, "sequenceId": 1}, {"type": 1, "invocationId": None, "target": "Nothing", "arguments": []},
])  # fmt: skip
def test_records_that_want_no_answer_get_none(record: dict[str, Any]) -> None:
    user = Bench().listen("user")
    user.clear()
    user.say(record)
    assert (user.records(), user.closed) == ([], False)


def test_the_type_may_come_last_and_ids_are_text() -> None:
    user = Bench().listen("user")
    user.clear()
    user.session.receive(
        b'{"arguments":[1001],"headers":{"Authorization":"x"},"target":"SubscribeOrders","invocationId":"a-0","type":1}\x1e'
    )
    assert user.records() == [{"type": 3, "invocationId": "a-0", "result": 0}]


def test_a_clients_close_ends_the_connection() -> None:
    user = Bench().listen("user")
    user.say({"type": 7, "error": "bye"})
    assert user.closed
    assert user.session.graceful


@pytest.mark.parametrize(("hub", "names", "argument"), [("user", USER, ACCOUNT), ("market", MARKET, MNQ)])
def test_every_method_of_both_hubs_whatever_its_case(hub: str, names: tuple[str, ...], argument: Any) -> None:
    bench = Bench()
    assert {name.lower() for name in names} == set({"user": user_feed, "market": market_feed}[hub].METHODS)
    for name in names:
        arguments = [] if name == "Accounts" else [argument]
        for verb in ("Subscribe", "SUBSCRIBE", "Unsubscribe", "unSubscribe"):
            listener = bench.listen(hub)
            target = verb + (name if verb[0] != "u" else name.lower())
            assert answer(listener, call(target, arguments)) == {"type": 3, "invocationId": "1", "result": 0}


@pytest.mark.parametrize("name", ["SubscribeContractDepth", "SubscribeQuote", "SubscribeDepth", "SubscribeOrderBook", "Subscribe", "",
                                  "SubscribeContractQuotes ", "Orders", "UnsubscribeAll", "SubscribeOrders"])  # fmt: skip
def test_methods_that_do_not_exist(name: str) -> None:
    market = Bench().listen("market")
    text = f"Failed to invoke '{name}' due to an error on the server. HubException: Method does not exist."
    assert answer(market, call(name, [MNQ])) == {"type": 3, "invocationId": "1", "error": text}
    assert not market.closed
    market.clear()
    market.say({"type": 1, "target": name, "arguments": []})
    assert market.records() == []


@pytest.mark.parametrize(
    "arguments", [[], ["1001"], [1001.0], [1001.5], [True], [None], [[1001]], [1001, 1001], [{}]]
)
def test_wrong_arguments_fail_the_call_alone(arguments: list[Any]) -> None:
    user = Bench().listen("user")
    for name in ("SubscribeOrders", "UnsubscribeTrades"):
        error = f"Failed to invoke '{name}' due to an error on the server."
        assert answer(user, call(name, arguments)) == {"type": 3, "invocationId": "1", "error": error}
    assert not user.closed
    assert "error" in answer(user, call("SubscribeAccounts", [1]))


def test_a_stream_is_not_offered() -> None:
    user = Bench().listen("user")
    record = {**call("SubscribeOrders", [ACCOUNT]), "type": 4}
    assert "error" in answer(user, record)


@pytest.mark.parametrize(("option", "result"), [("zero", {"result": 0}), ("void", {})])
def test_the_result_of_a_subscription(option: str, result: dict[str, int]) -> None:
    user = Bench(PaperOptions(subscribe_result=option)).listen("user")
    assert answer(user, call("SubscribeOrders", [ACCOUNT])) == {"type": 3, "invocationId": "1", **result}


@pytest.mark.parametrize(("option", "failed"), [("silent", False), ("error", True)])
@pytest.mark.parametrize(
    ("hub", "name", "unknown"),
    [("user", "SubscribeOrders", 4), ("market", "SubscribeContractTrades", "CON.F.US.NO.Z25")],
)
def test_a_subscription_to_what_is_not_there(
    option: str, failed: bool, hub: str, name: str, unknown: Any
) -> None:
    listener = Bench(PaperOptions(subscribe_unknown=option)).listen(hub)
    found = answer(listener, call(name, [unknown]))
    assert ("error" in found) is failed
    assert not listener.closed
    assert listener.events() == []


def test_the_completion_comes_before_the_snapshot() -> None:
    bench = Bench()
    user = bench.listen("user")
    user.clear()
    user.say(call("SubscribeAccounts", []))
    assert [record["type"] for record in user.records()] == [3, 1, 1]
    bench.place()
    bench.pass_(10)
    for name in ("Orders", "Positions", "Trades"):
        other = bench.listen("user")
        other.clear()
        other.say(call(f"Subscribe{name}", [ACCOUNT]))
        assert [record["type"] for record in other.records()] == [3]


@pytest.mark.parametrize(("option", "first"), [("full", {6}), ("none", set())])
def test_depth_begins_with_a_snapshot_or_with_what_changes(option: str, first: set[int]) -> None:
    bench = Bench(PaperOptions(market_snapshot=option))
    market = bench.listen(
        "market", ("SubscribeContractMarketDepth", [MNQ]), ("SubscribeContractQuotes", [MNQ])
    )
    assert {
        row["type"] for event in market.events("GatewayDepth") for row in event["arguments"][1][:1]
    } == first
    assert bool(market.events("GatewayQuote")) is (option == "full")
    market.clear()
    at = bench.clock.now() + 1_000_000
    bench.market.add(DepthLevel(MNQ, at, 1, 80_001, 3))
    bench.pass_(2)
    assert [row["volume"] for row in market.events("GatewayDepth")[0]["arguments"][1]] == [3]


def test_an_unsubscription_ends_the_events_and_several_topics_live_side_by_side() -> None:
    bench = Bench()
    user = bench.listen(
        "user", ("SubscribeTrades", [ACCOUNT]), ("SubscribeTrades", [1002]), ("SubscribeOrders", [ACCOUNT])
    )
    bench.place()
    bench.place(accountId=1002)
    bench.pass_(5)
    assert sorted(row["accountId"] for row in user.data("GatewayUserTrade")) == [1001, 1002]
    user.say({"type": 1, "target": "UnsubscribeTrades", "arguments": [ACCOUNT]})
    user.clear()
    bench.place()
    bench.place(accountId=1002)
    bench.pass_(5)
    assert [row["accountId"] for row in user.data("GatewayUserTrade")] == [1002]
    assert user.data("GatewayUserOrder")


def test_events_carry_no_nulls_and_no_invocation_id() -> None:
    bench = Bench()
    user = bench.listen(
        "user", ("SubscribeAccounts", []), *((f"Subscribe{name}", [ACCOUNT]) for name in USER[1:])
    )
    bench.place(type=1, limitPrice=19990)
    bench.place()
    bench.pass_(20)
    for event in user.events():
        assert set(event) == {"type", "target", "arguments"}
        (wrapped,) = event["arguments"]
        assert set(wrapped) == {"action", "data"}
        assert None not in wrapped["data"].values()


@pytest.mark.parametrize("words", [(), ("session replaced",), ("a", "b")])
def test_a_logout_event_carries_its_arguments(words: tuple[str, ...]) -> None:
    bench = Bench(PaperOptions(logout_args=words))
    user = bench.listen("user")
    bench.venue.inject({"fault": "hub.logout", "hub": "user"})
    assert user.records()[-1] == {"type": 1, "target": "GatewayLogout", "arguments": list(words)}


@pytest.mark.parametrize("allowed", [True, False])
def test_a_close_record_says_whether_to_come_back(allowed: bool) -> None:
    bench = Bench(PaperOptions(close_allow_reconnect=allowed))
    user = bench.listen("user")
    bench.venue.inject({"fault": "hub.drop", "hub": "user", "how": "close"})
    assert user.records()[-1].get("allowReconnect", False) is allowed


def test_the_keep_alive_counts_from_the_last_record_of_each_side() -> None:
    bench = Bench()
    user = bench.listen("user", ("SubscribeTrades", [ACCOUNT]))
    bench.pass_(10_000)
    bench.place()
    bench.pass_(5)
    user.clear()
    bench.pass_(14_990)
    assert user.records() == []
    user.say({"type": 6})
    bench.pass_(10)
    assert user.records() == [{"type": 6}]
    bench.pass_(29_989)
    assert not user.closed
    bench.pass_(1)
    assert user.closed


@pytest.mark.parametrize(("version", "answered"), [(0, 0), (1, 1), (2, 1), (99, 1)])
def test_negotiation_answers_the_smaller_version(version: int, answered: int) -> None:
    bench = Bench()
    reply = bench.venue.hub("user").negotiate(bench.token, version)
    body = json.loads(reply.body)
    assert body["negotiateVersion"] == answered
    assert ("connectionToken" in body) is (answered == 1)
    assert set(body) - {"connectionToken"} == {"connectionId", "negotiateVersion", "availableTransports"}
    assert body["availableTransports"] == [{"transport": "WebSockets", "transferFormats": ["Text"]}]
    assert bench.venue.hub("user").negotiate("bad", version).status == 401


@pytest.mark.parametrize("version", [0, 1])
def test_an_id_is_for_one_socket_while_it_lives(version: int) -> None:
    bench = Bench()
    hub = bench.venue.hub("market")
    body = json.loads(hub.negotiate(bench.token, version).body)
    name = body["connectionToken" if version else "connectionId"]

    def connect(token: str = bench.token, given: str = name) -> Any:
        return hub.connect(token, lambda _: None, lambda: None, given)

    for token, given, status in (("bad", name, 401), (bench.token, "nobody", 404), (bench.token, "", 404)):
        with pytest.raises(HubRefused) as refused:
            connect(token, given)
        assert refused.value.status == status
    if version:
        with pytest.raises(HubRefused) as by_id:
            connect(given=body["connectionId"])
        assert by_id.value.status == 404
    session = connect()
    with pytest.raises(HubRefused) as taken:
        connect()
    assert taken.value.status == 409
    session.drop()
    with pytest.raises(HubRefused) as over:
        connect()
    assert over.value.status == 404
