"""One suite for every stream processor: hub records in, typed events and quote state out."""

from __future__ import annotations

import hashlib
import itertools
import json
import struct
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.legacy.websocket import PythonStreamProcessor
from bot.model.errors import StoreCorrupt
from bot.model.events import (
    AccountChanged,
    Closed,
    Completed,
    DepthChanged,
    FillReported,
    OrderChanged,
    PositionChanged,
    QuoteChanged,
    StreamEvent,
    Traded,
    Undecodable,
)
from bot.model.instruments import contract_for
from bot.model.market import DepthChange, Quote, Trade
from bot.model.orders import Account, Fill, Order, Position
from bot.model.times import parse_ts
from bot.ports import StreamProcessor

PROCESSORS: dict[str, Callable[[], Any]] = {"python": PythonStreamProcessor}

MNQ = contract_for("MNQ", 2025, 12, 0)
CL = contract_for("CL", 2025, 12, 0)
YEN = contract_for("6J", 2025, 12, 0)
CONTRACTS = {contract.id: contract for contract in (MNQ, CL, YEN)}
NOW = parse_ts("2025-10-01T14:30:00.3Z")
TS = parse_ts("2025-10-01T14:30:00.12Z")
QUOTE = {
    "symbol": "F.US.MNQ",
    "bestBid": 20100.25,
    "bestAsk": 20100.5,
    "lastUpdated": "2025-10-01T14:30:00.1234567+00:00",
    "timestamp": "2025-10-01T14:30:00.12+00:00",
}
TRADE = {
    "symbolId": "F.US.MNQ",
    "price": 20100.5,
    "timestamp": "2025-10-01T14:30:00.118+00:00",
    "type": 0,
    "volume": 2,
    "contractId": MNQ.id,
}
DEPTH = {
    "timestamp": "2025-10-01T14:30:00.12+00:00",
    "type": 2,
    "price": 20100,
    "volume": 7,
    "currentVolume": 0,
}
ORDER = {
    "id": 3_400_000_001,
    "accountId": 1001,
    "contractId": MNQ.id,
    "symbolId": "F.US.MNQ",
    "creationTimestamp": "2025-10-01T14:30:00.118+00:00",
    "updateTimestamp": "2025-10-01T14:30:00.121+00:00",
    "status": 2,
    "type": 4,
    "side": 1,
    "size": 2,
    "stopPrice": 20090.25,
    "fillVolume": 2,
    "filledPrice": 28446.375,
    "customTag": "TB2-manual-MK-A-SL",
    "parentOrderId": 3_400_000_000,
    "trailDistance": -40,
}
FILL = {
    "id": 3_000_000_009,
    "accountId": 1001,
    "contractId": MNQ.id,
    "creationTimestamp": "2025-10-01T14:30:00.121+00:00",
    "price": 20090,
    "profitAndLoss": -20.5,
    "fees": 0.37,
    "commissions": 0.25,
    "side": 1,
    "size": 1,
    "voided": False,
    "orderId": 3_400_000_001,
}
POSITION = {
    "id": 501,
    "accountId": 1001,
    "contractId": MNQ.id,
    "contractDisplayName": "MNQZ25",
    "creationTimestamp": "2025-10-01T14:29:00.5+00:00",
    "type": 1,
    "size": 2,
    "averagePrice": 28446.375,
}
ACCOUNT = {
    "id": 1001,
    "name": "PRAC-V2-1",
    "balance": 149989.34,
    "canTrade": True,
    "isVisible": True,
    "simulated": True,
}
USER = {
    "GatewayUserOrder": ORDER,
    "GatewayUserTrade": FILL,
    "GatewayUserPosition": POSITION,
    "GatewayUserAccount": ACCOUNT,
}


@pytest.fixture(params=PROCESSORS)
def processor(request: pytest.FixtureRequest) -> Any:
    return made(request.param)


def made(name: str) -> Any:
    """A fresh processor that knows three contracts; what it is, mypy checks."""
    processor: StreamProcessor = PROCESSORS[name]()
    processor.set_contracts(CONTRACTS)
    return processor


def record(target: str, *arguments: Any) -> bytes:
    return json.dumps({"type": 1, "target": target, "arguments": list(arguments)}).encode()


def market(processor: Any, target: str, payload: Any, received: int = NOW, of: str = MNQ.id) -> list[Any]:
    found: list[Any] = processor.feed("market", record(target, of, payload), received)
    return found


def user(processor: Any, target: str, *arguments: Any) -> list[Any]:
    found: list[Any] = processor.feed("user", record(target, *arguments), NOW)
    return found


def test_the_samples_of_the_wire_reference(processor: Any) -> None:
    (quoted,) = market(processor, "GatewayQuote", QUOTE)
    assert quoted == QuoteChanged(
        Quote(MNQ.id, 80401, 80402, bid_ts=TS, ask_ts=TS, ts=TS, received=NOW), last_changed=False
    )
    (traded,) = market(processor, "GatewayTrade", [TRADE])
    assert traded == Traded((Trade(MNQ.id, 80402, 2, TS - 2_000_000, NOW, 0),))
    (deep,) = market(processor, "GatewayDepth", [DEPTH])
    assert deep == DepthChanged(MNQ.id, (DepthChange(2, 80400, 7, TS),), NOW)
    flat = {**POSITION, "type": 0, "size": 0, "averagePrice": 20090.25}
    (closed,) = user(processor, "GatewayUserPosition", {"action": 2, "data": flat})
    assert closed == PositionChanged(
        Position(501, 1001, MNQ.id, 0, 0, 0, "20090.25", parse_ts("2025-10-01T14:29:00.5Z"))
    )


def test_user_events_keep_every_number_exact(processor: Any) -> None:
    (order,) = user(processor, "GatewayUserOrder", {"action": 1, "data": ORDER})
    assert order == OrderChanged(
        Order(
            3_400_000_001, 1001, MNQ.id, 2, 4, 1, 2, parse_ts("2025-10-01T14:30:00.118Z"),
            parse_ts("2025-10-01T14:30:00.121Z"), stop=80361, trail_ticks=-40, filled=2, average="28446.375",
            tag="TB2-manual-MK-A-SL", parent_id=3_400_000_000,
        )
    )  # fmt: skip
    (fill,) = user(processor, "GatewayUserTrade", {"action": 0, "data": FILL})
    assert fill == FillReported(
        Fill(
            3_000_000_009, 1001, MNQ.id, 3_400_000_001, 1, 1, 80360, parse_ts("2025-10-01T14:30:00.121Z"),
            370_000, 250_000, -20_500_000, False,
        )
    )  # fmt: skip
    (position,) = user(processor, "GatewayUserPosition", {"action": 1, "data": POSITION})
    assert (position.position.net, position.position.cost_ticks) == (2, 227_571)
    assert position.position.average == "28446.375"
    (account,) = user(processor, "GatewayUserAccount", {"action": 1, "data": ACCOUNT})
    assert account == AccountChanged(Account(1001, "PRAC-V2-1", 149_989_340_000, True, True, True))


def test_an_opening_fill_has_no_profit_and_needs_no_commission(processor: Any) -> None:
    opening = {key: value for key, value in FILL.items() if key not in ("profitAndLoss", "commissions")}
    (event,) = user(processor, "GatewayUserTrade", {"action": 0, "data": opening})
    assert (event.fill.pnl, event.fill.commissions) == (None, 0)


@pytest.mark.parametrize("target", USER)
def test_wrapped_bare_listed_and_null_items_are_all_read(processor: Any, target: str) -> None:
    row = USER[target]
    (expected,) = user(processor, target, {"action": 1, "data": row})
    for arguments in (
        [row],
        [{"data": row}],
        [[row]],
        [[None, {"action": 1, "data": row}, None]],
        [None, row],
        [{"action": 1, "data": [row]}],
    ):
        assert user(processor, target, *arguments) == [expected]
    assert user(processor, target.upper(), row) == [expected]
    assert user(processor, target, None) == []
    assert processor.counters()["undecodable"] == 0


@pytest.mark.parametrize(
    ("target", "row"), [("GatewayQuote", QUOTE), ("GatewayTrade", TRADE), ("GatewayDepth", DEPTH)]
)
def test_market_payloads_may_come_in_any_wrapping(processor: Any, target: str, row: dict[str, Any]) -> None:
    expected = market(made("python"), target, row)
    assert len(expected) == 1
    for payload in (row, [row], {"data": row}, [None, row], {"data": [row]}, [{"data": row}]):
        fresh = made("python")
        assert market(fresh, target, payload) == expected
        assert market(made("python"), target.lower(), payload) == expected
    extra = {**row, "contract": MNQ.id, "surprise": {"deep": [1.5, None]}}
    assert market(processor, target, extra) == expected


def test_a_payload_alone_names_its_contract(processor: Any) -> None:
    (event,) = processor.feed("market", record("GatewayQuote", {**QUOTE, "contract": MNQ.id}), NOW)
    assert event.quote.contract_id == MNQ.id
    assert processor.feed("market", record("GatewayQuote", QUOTE), NOW) == [
        Undecodable("market", "gatewayquote without a contract")
    ]


def test_f083_sparse_quotes_merge_and_null_absent_and_zero_are_no_update(processor: Any) -> None:
    market(processor, "GatewayQuote", {**QUOTE, "lastPrice": 20100.25, "volume": 10, "high": 20200})
    later = {"timestamp": "2025-10-01T14:30:01+00:00", "bestBid": None, "bestAsk": 0, "lastPrice": 20101}
    (event,) = market(processor, "GatewayQuote", {**later, "open": 0.0, "high": None}, NOW + 10**9)
    quote = event.quote
    assert event.last_changed
    assert (quote.bid, quote.ask, quote.last, quote.volume) == (80401, 80402, 80404, 10)
    assert (quote.open, quote.high) == (None, 80800)
    assert (quote.bid_ts, quote.last_ts) == (TS, parse_ts("2025-10-01T14:30:01Z"))
    before = processor.digest()
    nothing = {"timestamp": "2025-10-01T14:30:02+00:00", "bestBid": 0, "bestAsk": "0.00", "lastPrice": None}
    assert market(processor, "GatewayQuote", nothing, NOW + 2 * 10**9) == []
    assert processor.digest() == before, "an empty quote does not make the old one fresh"


def test_a_volume_alone_does_not_make_prices_fresh(processor: Any) -> None:
    market(processor, "GatewayQuote", QUOTE)
    (event,) = market(
        processor, "GatewayQuote", {"timestamp": "2025-10-01T14:30:09Z", "volume": 0}, NOW + 9 * 10**9
    )
    assert (event.quote.volume, event.quote.received, event.quote.ts) == (0, NOW, TS)


def test_negative_prices_are_prices_and_a_print_at_zero_is_a_print(processor: Any) -> None:
    (event,) = market(processor, "GatewayQuote", {"bestBid": -37.63, "bestAsk": -37.62}, of=CL.id)
    assert (event.quote.bid, event.quote.ask) == (-3763, -3762)
    (traded,) = market(
        processor, "GatewayTrade", [{**TRADE, "price": 0}, {**TRADE, "price": -0.01}], of=CL.id
    )
    assert [trade.price for trade in traded.trades] == [0, -1]


def test_off_grid_prices_are_rounded_and_counted(processor: Any) -> None:
    (event,) = market(processor, "GatewayQuote", {**QUOTE, "bestBid": 20100.3, "bestAsk": 20100.625})
    assert (event.quote.bid, event.quote.ask) == (80401, 80403)
    assert processor.counters()["off_grid"] == 2
    (event,) = market(
        processor, "GatewayQuote", {"bestBid": 0.1, "timestamp": "2025-10-01T14:30:01Z"}, NOW + 10**9
    )
    assert event.quote.bid == 0, "a price that rounds to zero is not an absent one"


def test_f164_exponents_and_written_integers_are_exact(processor: Any) -> None:
    payload = b'{"bestBid":6.6E-03,"bestAsk":5E-07,"volume":1.0}'
    text = b'{"type":1,"target":"GatewayQuote","arguments":["%b",%b]}' % (YEN.id.encode(), payload)
    (event,) = processor.feed("market", text, NOW)
    assert (event.quote.bid, event.quote.ask, event.quote.volume) == (13200, 1, 1)


def test_older_news_of_a_field_does_not_replace_newer(processor: Any) -> None:
    market(processor, "GatewayQuote", QUOTE)
    old = {"timestamp": "2025-10-01T14:29:59Z", "bestBid": 20000, "lastPrice": 20001}
    (event,) = market(processor, "GatewayQuote", old)
    assert (event.quote.bid, event.quote.last, event.quote.ts) == (80401, 80004, TS)
    assert market(processor, "GatewayQuote", {**old, "lastPrice": None}) == []


def test_a_time_in_the_future_counts_as_the_arrival(processor: Any) -> None:
    (event,) = market(processor, "GatewayQuote", {**QUOTE, "timestamp": "2099-01-01T00:00:00Z"})
    assert event.quote.bid_ts == NOW


@given(st.permutations(range(6)))
def test_shuffled_quotes_converge(order: list[int]) -> None:
    quotes = [
        {
            "timestamp": f"2025-10-01T14:30:00.0{index}Z",
            ("bestBid", "bestAsk", "lastPrice")[index % 3]: 20000 + index,
            "volume": 100 + index,
        }
        for index in range(6)
    ]
    for name in PROCESSORS:
        straight, shuffled = made(name), made(name)
        for quote in quotes:
            market(straight, "GatewayQuote", quote)
        for index in order:
            market(shuffled, "GatewayQuote", quotes[index])
        assert shuffled.digest() == straight.digest()


def test_prints_with_missing_members_are_passed_on_as_such(processor: Any) -> None:
    (event,) = market(processor, "GatewayTrade", [{"price": None}, {"volume": 3, "type": 7}, None, TRADE])
    assert [(t.price, t.size, t.ts, t.aggressor) for t in event.trades] == [
        (None, None, None, None),
        (None, 3, None, None),
        (80402, 2, TS - 2_000_000, 0),
    ]
    assert market(processor, "GatewayTrade", []) == []


def test_one_bad_item_does_not_take_the_others_along(processor: Any) -> None:
    events = market(processor, "GatewayTrade", [TRADE, {**TRADE, "price": "dear"}, TRADE, 5])
    assert [len(e.trades) if isinstance(e, Traded) else e for e in events] == [
        2,
        Undecodable("market", "bad gatewaytrade"),
        Undecodable("market", "bad gatewaytrade"),
    ]
    assert user(processor, "GatewayUserOrder", [ORDER, {"id": 5}])[1:] == [
        Undecodable("user", "bad gatewayuserorder")
    ]
    assert processor.counters()["undecodable"] == 3


def test_a_reset_of_the_book_needs_no_price(processor: Any) -> None:
    (event,) = market(processor, "GatewayDepth", [{"type": 6, "timestamp": QUOTE["timestamp"]}])
    assert event.changes == (DepthChange(6, 0, 0, TS),)
    assert market(processor, "GatewayDepth", [{"type": 1, "timestamp": QUOTE["timestamp"]}]) == [
        Undecodable("market", "bad gatewaydepth")
    ]


@pytest.mark.parametrize(
    ("target", "required"),
    [
        ("GatewayUserOrder", "id accountId contractId creationTimestamp status type side size"),
        ("GatewayUserTrade", "id accountId contractId creationTimestamp price fees side size voided orderId"),
        ("GatewayUserPosition", "id accountId contractId creationTimestamp type size averagePrice"),
        ("GatewayUserAccount", "id name balance canTrade isVisible"),
    ],
)
def test_f066_each_required_member_missing_or_null_is_an_error_and_never_a_value(
    processor: Any, target: str, required: str
) -> None:
    for name in required.split():
        row = USER[target]
        without = {key: value for key, value in row.items() if key != name}
        for broken in (without, {**row, name: None}):
            assert user(processor, target, {"action": 1, "data": broken}) == [
                Undecodable("user", f"bad {target.lower()}")
            ]


@pytest.mark.parametrize(
    "change",
    [
        {"type": 0},
        {"type": 3},
        {"size": -1},
        {"size": 1.5},
        {"size": True},
        {"type": "long"},
        {"averagePrice": []},
    ],
)
def test_a_position_that_makes_no_sense_is_refused(processor: Any, change: dict[str, Any]) -> None:
    assert user(processor, "GatewayUserPosition", {**POSITION, **change}) == [
        Undecodable("user", "bad gatewayuserposition")
    ]


def test_unlisted_enum_numbers_are_kept_and_ids_may_be_text(processor: Any) -> None:
    (event,) = user(
        processor, "GatewayUserOrder", {**ORDER, "id": "3400000001", "status": 42, "type": 9, "side": 7}
    )
    order = event.order
    assert (order.id, order.status, order.type, order.side) == (3_400_000_001, 42, 9, 7)
    assert not order.terminal
    assert not order.working
    keyed = {key: value for key, value in ORDER.items() if key != "id"}
    (event,) = user(processor, "GatewayUserOrder", {**keyed, "orderId": 7})
    assert event.order.id == 7


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-10-01T14:30:00Z", 0),
        ("2025-10-01T14:30:00", 0),
        ("2025-10-01T14:30:00+00:00", 0),
        ("2025-10-01T09:30:00.5-05:00", 500_000_000),
        ("2025-10-01T14:30:00.1+00:00", 100_000_000),
        ("2025-10-01T14:30:00.1234567+00:00", 123_456_700),
        ("2025-10-01T14:30:00.1234567Z", 123_456_700),
        ("2025-10-01T14:30:00.1234567", 123_456_700),
    ],
)
def test_f088_times_with_any_fraction_and_zone(processor: Any, text: str, expected: int) -> None:
    base = parse_ts("2025-10-01T14:30:00Z")
    for _ in range(2):
        (event,) = market(processor, "GatewayTrade", {**TRADE, "timestamp": text})
        assert event.trades[0].ts == base + expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2025-13-01T00:00:00Z",
        "1500-01-01T00:00:00Z",
        "2025-10-01T14:30:00.1_2Z",
        5,
        [],
        "2025-10-01T14:30:00.١Z",
    ],
)
def test_times_that_cannot_be_read_are_errors(processor: Any, text: Any) -> None:
    market(processor, "GatewayTrade", TRADE)
    assert market(processor, "GatewayTrade", {**TRADE, "timestamp": text}) == [
        Undecodable("market", "bad gatewaytrade")
    ]


def test_an_unknown_contract_is_told_not_guessed(processor: Any) -> None:
    for target in ("GatewayQuote", "GatewayTrade", "GatewayDepth"):
        assert market(processor, target, {**TRADE, "bestBid": 1}, of="CON.F.US.EP.Z25") == [
            Undecodable("market", "no record of contract CON.F.US.EP.Z25")
        ]
    assert user(processor, "GatewayUserOrder", {**ORDER, "contractId": "CON.F.US.EP.Z25"}) == [
        Undecodable("user", "bad gatewayuserorder")
    ]


def test_completions_closes_pings_and_what_is_not_for_us(processor: Any) -> None:
    def feed(text: bytes) -> list[StreamEvent]:
        found: list[StreamEvent] = processor.feed("user", text, NOW)
        return found

    assert feed(b'{"type":3,"invocationId":"0","result":0}') == [Completed("0", "")]
    assert feed(b'{"invocationId":"1","error":"no","type":3}') == [Completed("1", "no")]
    assert feed(b'{"type":7,"error":"Connection closed with an error."}') == [
        Closed("user", "Connection closed with an error.")
    ]
    assert feed(b'{"type":7,"allowReconnect":true}') == [Closed("user", "closed by the venue")]
    assert feed(b'{"type":1,"target":"GatewayLogout","arguments":[]}') == [
        Closed("user", "logged out by the venue")
    ]
    assert feed(b'{"type":1,"target":"GatewayLogout"}') == [Closed("user", "logged out by the venue")]
    for nothing in (
        b'{"type":6}',
        b'{"type":2,"item":1}',
        b'{"type":99}',
        b'{"type":1,"target":"Other","arguments":[1]}',
    ):
        assert feed(nothing) == []
    assert processor.counters()["undecodable"] == 0
    for bad in (
        b"",
        b"{}",
        b"[]",
        b"null",
        b"{",
        b'{"type":"1"}',
        b"\xff",
        b'{"type":1,"target":"GatewayUserOrder"}',
    ):
        assert [type(event) for event in feed(bad)] == [Undecodable]


def test_member_order_is_free(processor: Any) -> None:
    members = [("type", 1), ("target", "GatewayQuote"), ("arguments", [MNQ.id, QUOTE])]
    for order in itertools.permutations(members):
        text = json.dumps(dict(order)).encode()
        assert [type(event) for event in made("python").feed("market", text, NOW)] == [QuoteChanged]


def test_changed_contracts_keep_the_quotes_of_those_that_stay(processor: Any) -> None:
    market(processor, "GatewayQuote", QUOTE)
    market(processor, "GatewayQuote", {"bestBid": 60}, of=CL.id)
    processor.set_contracts({MNQ.id: MNQ})
    assert processor.quote(MNQ.id).bid == 80401
    assert processor.quote(CL.id) is None
    processor.set_contracts({MNQ.id: MNQ, CL.id: CL})
    assert processor.quote(CL.id) is None


def test_the_state_goes_out_and_comes_back(processor: Any) -> None:
    market(processor, "GatewayQuote", {**QUOTE, "lastPrice": -1, "high": 20000.1, "volume": 0})
    market(processor, "GatewayTrade", {**TRADE, "price": []})
    state, digest = processor.snapshot(), processor.digest()
    assert processor.quiet()
    for new in PROCESSORS.values():
        other = new()
        assert other.digest() != digest
        other.restore(state)
        assert (other.snapshot(), other.digest()) == (state, digest)
        assert other.quote(MNQ.id) == processor.quote(MNQ.id)
        assert market(other, "GatewayQuote", {"bestAsk": 20101})[0].quote.ask == 80404


def test_the_layout_is_what_it_says() -> None:
    for new in PROCESSORS.values():
        processor = new()
        processor.set_contracts({MNQ.id: MNQ})
        empty = struct.pack("<4sQQI", b"WSP1", 0, 0, 1) + b"\x10\0" + MNQ.id.encode()
        assert processor.snapshot() == empty + struct.pack("<qqB", 1, 4, 0)
        market(processor, "GatewayQuote", {"bestAsk": 20100.5, "volume": 3})
        quote = struct.pack("<B12q", 2 | 64, 0, 80402, 0, 0, 0, 0, 3, 0, NOW, 0, NOW, NOW)
        assert processor.snapshot() == empty + struct.pack("<qqB", 1, 4, 1) + quote
        expected = hashlib.blake2b(processor.snapshot(), digest_size=8).digest()
        assert processor.digest() == int.from_bytes(expected, "little")


@pytest.mark.parametrize(
    "state", [b"", b"WSP1", b"WSP2" + bytes(20), b"WSP1" + bytes(16) + b"\x01\0\0\0", b"WSP1" + bytes(21)]
)
def test_a_state_that_cannot_be_read_is_refused(processor: Any, state: bytes) -> None:
    market(processor, "GatewayQuote", QUOTE)
    before = processor.digest()
    with pytest.raises(StoreCorrupt):
        processor.restore(state)
    assert processor.digest() == before


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([MNQ.id, CL.id, "2025-10-01T14:30:00Z", "", "1e5", "-0", "9" * 30])
    | st.text(max_size=6)
)
NAMES = sorted(
    {name for row in (QUOTE, TRADE, DEPTH, *USER.values()) for name in row} | {"data", "action", "type"}
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=12,
)
TARGETS = ["GatewayQuote", "GatewayTrade", "GatewayDepth", "GatewayLogout", "gatewayquote", "X", *USER]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, list[Any]]:
    """A real payload with some members replaced, or anything at all."""
    target = draw(st.sampled_from(TARGETS))
    row = {"GatewayQuote": QUOTE, "GatewayTrade": TRADE, "GatewayDepth": DEPTH, **USER}.get(target, QUOTE)
    changed = {**row, **draw(st.dictionaries(st.sampled_from(sorted(row)), VALUES, max_size=3))}
    payload: Any = draw(st.sampled_from([changed, [changed], {"data": changed}, [None, changed]]) | VALUES)
    return target, draw(st.sampled_from([[MNQ.id, payload], [payload], [payload, MNQ.id], []]))


@settings(max_examples=150, deadline=None)
@given(st.lists(mutated(), max_size=6))
@example([("GatewayQuote", [MNQ.id, {**QUOTE, "volume": 2**63}])])
def test_no_record_crashes_and_every_state_can_be_kept(records: list[tuple[str, list[Any]]]) -> None:
    for name, new in PROCESSORS.items():
        processor = made(name)
        for target, arguments in records:
            for hub in ("market", "user"):
                for event in processor.feed(hub, record(target, *arguments), NOW):
                    msgspec.msgpack.encode(event)
        other = new()
        other.restore(processor.snapshot())
        assert other.digest() == processor.digest()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 200), st.integers(0, 200))
def test_cut_and_spoiled_records_never_crash(noise: bytes, start: int, length: int) -> None:
    whole = record("GatewayUserOrder", {"action": 1, "data": ORDER})
    spoiled = whole[:start] + noise + whole[start + length :]
    for name in PROCESSORS:
        made(name).feed("user", spoiled, NOW)
        made(name).feed("market", spoiled, NOW)


def test_deep_nesting_is_an_answer_not_a_crash(processor: Any) -> None:
    for depth in (5, 100, 100_000):
        text = b'{"type":1,"target":"GatewayQuote","arguments":' + b"[" * depth + b"]" * depth + b"}"
        assert all(isinstance(event, Undecodable) for event in processor.feed("market", text, NOW))
