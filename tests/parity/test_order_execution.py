"""One suite for every order execution: exact bytes out, outcomes and order state in."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.legacy.order_execution import PythonOrderExecution
from bot.legacy.order_execution.states import BOUND
from bot.model.codes import Code
from bot.model.errors import BadField, StoreCorrupt
from bot.model.instruments import INSTRUMENTS, contract_for
from bot.model.intents import (
    Bracket,
    CancelOrder,
    ClosePosition,
    ModifyOrder,
    Outcome,
    PlaceOrder,
    PlannedRequest,
    WireResponse,
)
from bot.model.orders import TERMINAL, Order
from bot.ports import OrderExecution
from tests.parity.approval import approve

EXECUTIONS: dict[str, Callable[[], Any]] = {"python": PythonOrderExecution}

MNQ = contract_for("MNQ", 2025, 12, 0)
BASE = {"key": "k", "account_id": 1001, "contract_id": MNQ.id, "source": "manual"}
TAG = "TB2-manual-MK-QJKMGKNJFBIPNVJZ3U3W"
PATHS = {
    "place": "/api/Order/place",
    "modify": "/api/Order/modify",
    "cancel": "/api/Order/cancel",
    "close": "/api/Position/closeContract",
    "partial": "/api/Position/partialCloseContract",
}


@pytest.fixture(params=EXECUTIONS)
def execution(request: pytest.FixtureRequest) -> Any:
    made: OrderExecution = EXECUTIONS[request.param]()
    return made


def place(**changes: Any) -> PlaceOrder:
    members: dict[str, Any] = {**BASE, "kind": "MK", "side": 0, "type": 2, "size": 1, **changes}
    return PlaceOrder(**members)


def request(op: str = "place") -> PlannedRequest:
    kind: Any = "close" if op == "partial" else op
    return PlannedRequest(
        "ID", 1001, MNQ.id, kind, PATHS[op], b"{}", order_id=77 if op in ("modify", "cancel") else None
    )


def answer(**members: Any) -> WireResponse:
    body = {"orderId": 900001, "success": True, "errorCode": 0, "errorMessage": None, **members}
    return WireResponse(200, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("intent", "body"),
    [
        (
            place(),
            f'{{"accountId":1001,"contractId":"{MNQ.id}","type":2,"side":0,"size":1,"customTag":"{TAG}"}}',
        ),
        (
            place(type=1, side=1, size=3, limit=80402),
            f'{{"accountId":1001,"contractId":"{MNQ.id}","type":1,"side":1,"size":3,"limitPrice":20100.50,"customTag":"{TAG}"}}',
        ),
        (
            place(type=4, stop=-1, bracket=Bracket(40)),
            (
                f'{{"accountId":1001,"contractId":"{MNQ.id}","type":4,"side":0,"size":1,"stopPrice":-0.25,"customTag":"{TAG}",'
                '"stopLossBracket":{"ticks":-40,"type":4}}'
            ),
        ),
        (
            place(side=1, bracket=Bracket(40, 80)),
            (
                f'{{"accountId":1001,"contractId":"{MNQ.id}","type":2,"side":1,"size":1,"customTag":"{TAG}",'
                '"stopLossBracket":{"ticks":40,"type":4},"takeProfitBracket":{"ticks":-80,"type":1}}'
            ),
        ),
        (
            place(bracket=Bracket(40, 80), legs="client"),
            f'{{"accountId":1001,"contractId":"{MNQ.id}","type":2,"side":0,"size":1,"customTag":"{TAG}"}}',
        ),
        (
            place(type=6),
            f'{{"accountId":1001,"contractId":"{MNQ.id}","type":6,"side":0,"size":1,"customTag":"{TAG}"}}',
        ),
        (
            ModifyOrder(**BASE, order_id=3_400_000_001, stop=80361),
            '{"accountId":1001,"orderId":3400000001,"stopPrice":20090.25}',
        ),
        (
            ModifyOrder(**BASE, order_id=7, size=2, limit=0),
            '{"accountId":1001,"orderId":7,"size":2,"limitPrice":0.00}',
        ),
        (CancelOrder(**BASE, order_id=7), '{"accountId":1001,"orderId":7}'),
        (ClosePosition(**BASE), f'{{"accountId":1001,"contractId":"{MNQ.id}"}}'),
        (ClosePosition(**BASE, size=2), f'{{"accountId":1001,"contractId":"{MNQ.id}","size":2}}'),
    ],
)
def test_each_intent_has_exact_bytes(execution: Any, intent: Any, body: str) -> None:
    planned = execution.plan(approve(intent), MNQ)
    assert planned.body == body.encode()
    assert json.loads(planned.body)
    assert (planned.intent_id, planned.account_id, planned.contract_id) == (intent.id, 1001, MNQ.id)
    assert planned.tag == getattr(intent, "tag", None)
    assert planned.order_id == getattr(intent, "order_id", None)
    assert planned.path in PATHS.values()


@pytest.mark.parametrize("root", INSTRUMENTS)
def test_prices_are_text_of_the_grid_of_every_instrument(execution: Any, root: str) -> None:
    contract = contract_for(root, 2025, 12, 0)
    for ticks in (1, -1, 3, 80_402, 10**9 + 1):
        intent = place(contract_id=contract.id, type=1, limit=ticks)
        body = execution.plan(approve(intent), contract).body
        text = body.split(b'"limitPrice":')[1].split(b",")[0].decode()
        assert contract.tick.parse(text) == (ticks, True)
        assert len(text.partition(".")[2]) == contract.tick.decimals


@pytest.mark.parametrize(
    "intent",
    [
        place(type=1),
        place(type=4, limit=1),
        place(limit=1),
        place(type=4, stop=1, limit=1),
        place(type=3, limit=1, stop=1),
        place(type=5, stop=1),
        place(type=0),
        place(side=2),
        place(size=0),
        place(bracket=Bracket(0)),
        place(bracket=Bracket(4, -1)),
        ModifyOrder(**BASE, order_id=7),
        ModifyOrder(**BASE, order_id=7, size=0),
        ClosePosition(**BASE, size=0),
        place(contract_id="CON.F.US.MES.Z25"),
    ],
)
def test_an_intent_without_a_wire_form_is_refused(execution: Any, intent: Any) -> None:
    with pytest.raises(BadField):
        execution.plan(approve(intent), MNQ)


def test_the_same_intent_always_gives_the_same_bytes(execution: Any) -> None:
    first = execution.plan(approve(place(), 1), MNQ)
    assert execution.plan(approve(place(created=5, reason="again"), 2), MNQ) == first


def test_an_accepted_order_is_confirmed_with_its_id(execution: Any) -> None:
    assert execution.interpret(request(), answer()) == Outcome("confirmed", "ID", 900001)
    assert execution.interpret(request(), answer(orderId="3400000001")).order_id == 3_400_000_001
    assert execution.interpret(request("cancel"), answer(orderId=None)) == Outcome("confirmed", "ID", 77)
    assert execution.interpret(request("close"), answer(orderId=None)) == Outcome("confirmed", "ID")


REFUSED = {
    "place": {1, 2, 3, 4, 5, 8, 9, 10},
    "modify": {1, 2, 3, 6, 7},
    "cancel": {1, 2, 3, 6},
    "close": {1, 2, 3, 4, 5, 8},
    "partial": {1, 2, 3, 4, 5, 6, 9},
}


@pytest.mark.parametrize("op", REFUSED)
@pytest.mark.parametrize("code", range(1, 14))
def test_only_listed_refusals_prove_that_nothing_happened(execution: Any, op: str, code: int) -> None:
    outcome = execution.interpret(request(op), answer(orderId=None, success=False, errorCode=code))
    assert outcome.kind == ("refused" if code in REFUSED[op] else "unknown")
    assert outcome.venue_code == code


def test_f009_a_refusal_keeps_the_id_of_the_rejected_order(execution: Any) -> None:
    outcome = execution.interpret(
        request(), answer(success=False, errorCode=2, errorMessage="Invalid stop price")
    )
    assert outcome == Outcome("refused", "ID", 900001, venue_code=2, message="Invalid stop price")


@pytest.mark.parametrize("text", ["Custom tag already in use.", "error: CUSTOM TAG ALREADY IN USE (x)"])
def test_f010_a_tag_in_use_is_unknown_because_an_order_has_it(execution: Any, text: str) -> None:
    for order_id in (None, 900001):
        refused = answer(orderId=order_id, success=False, errorCode=2, errorMessage=text)
        assert execution.interpret(request(), refused) == Outcome("unknown", "ID", venue_code=2, message=text)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"null",
        b"[]",
        b"true",
        b"{}",
        b'{"orderId":1}',
        b'{"orderId":1,"success":true}',
        b'{"orderId":1,"success":"true","errorCode":0}',
        b'{"orderId":1,"success":1,"errorCode":0}',
        b'{"orderId":1,"success":true,"errorCode":2}',
        b'{"orderId":1,"success":false,"errorCode":0}',
        b'{"orderId":1,"success":false}',
        b'{"orderId":null,"success":true,"errorCode":0}',
        b'{"success":true,"errorCode":0}',
        b'{"orderId":0,"success":true,"errorCode":0}',
        b'{"orderId":"abc","success":true,"errorCode":0}',
        b'{"orderId":1.5,"success":true,"errorCode":0}',
        b'{"order":{"id":7},"success":true,"errorCode":0}',
        b'{"orderId":1,"success":false,"errorCode":"2b"}',
        b"\xff\xfe",
    ],
)
def test_f008_f104_an_answer_that_proves_nothing_is_unknown(execution: Any, body: bytes) -> None:
    for op in PATHS:
        outcome = execution.interpret(request(op), WireResponse(200, body))
        if op != "place" and body in (
            b'{"orderId":null,"success":true,"errorCode":0}',
            b'{"success":true,"errorCode":0}',
            b'{"orderId":0,"success":true,"errorCode":0}',
            b'{"orderId":"abc","success":true,"errorCode":0}',
            b'{"orderId":1.5,"success":true,"errorCode":0}',
            b'{"order":{"id":7},"success":true,"errorCode":0}',
        ):
            assert outcome.kind == "confirmed"
        else:
            assert outcome.kind == "unknown"


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (WireResponse(None, failure="timeout"), "unknown"),
        (WireResponse(None, failure="reset"), "unknown"),
        (WireResponse(None), "unknown"),
        (WireResponse(None, failure="connect"), "refused"),
        (WireResponse(None, failure="budget"), "denied"),
        *((WireResponse(status), "unknown") for status in (500, 502, 503, 504, 408, 302, 418, 599)),
        *((WireResponse(status), "refused") for status in (400, 401, 403, 404, 405, 413, 415, 429)),
        *(
            (WireResponse(status, b'{"success":true,"errorCode":0,"orderId":5}'), "unknown")
            for status in (500, 302)
        ),
    ],
)
def test_what_the_transport_reports(execution: Any, response: WireResponse, kind: str) -> None:
    for op in PATHS:
        outcome = execution.interpret(request(op), response)
        assert outcome.kind == kind
        assert outcome.intent_id == "ID"
        assert outcome.order_id is None
        assert outcome.code == (Code.LOCALLY_RATE_LIMITED if kind == "denied" else None)
        assert outcome.retry_after_auth == (response.status == 401)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(PATHS)),
    st.integers(100, 599) | st.none(),
    st.binary(max_size=60)
    | st.dictionaries(
        st.sampled_from(["orderId", "success", "errorCode", "errorMessage"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2),
    ).map(lambda members: json.dumps(members).encode()),
)
def test_no_answer_crashes_and_only_proof_confirms(op: str, status: int | None, body: bytes) -> None:
    for new in EXECUTIONS.values():
        outcome = new().interpret(request(op), WireResponse(status, body))
        if outcome.kind == "confirmed":
            members = json.loads(body)
            assert status is not None
            assert status // 100 == 2
            assert members["success"] is True
            assert op != "place" or int(members["orderId"])


def order(**changes: Any) -> Order:
    members: dict[str, Any] = {
        "id": 1, "account_id": 1001, "contract_id": MNQ.id, "status": 1, "type": 2, "side": 0, "size": 2,
        "created": 100, "updated": 100, **changes,
    }  # fmt: skip
    return Order(**members)


def test_an_order_moves_forward_and_never_back(execution: Any) -> None:
    pending, opened = order(status=6), order(status=1)
    filled = order(status=2, updated=150, filled=2, average="20100.25")
    assert execution.order(1) is None
    assert execution.on_order(pending) == pending
    assert execution.on_order(pending) is None
    assert execution.on_order(opened) == opened
    assert execution.on_order(filled) == filled
    for late in (opened, pending, order(status=1, updated=999), order(status=42, updated=999)):
        assert execution.on_order(late) is None
    assert execution.order(1) == filled


def test_a_stale_update_time_does_not_hide_a_fill(execution: Any) -> None:
    execution.on_order(order(status=1, updated=500))
    filled = order(status=2, updated=100, filled=2, average="1")
    assert execution.on_order(filled) == filled


def test_a_partial_fill_at_the_same_time_counts(execution: Any) -> None:
    execution.on_order(order())
    part = order(filled=1, average="20100.25")
    assert execution.on_order(part) == part
    assert execution.on_order(order()) is None


def test_a_suspended_child_activates(execution: Any) -> None:
    child = order(status=8, type=4, parent_id=9, trail_ticks=-40)
    active = order(status=1, type=4, parent_id=9, trail_ticks=-40, stop=80361)
    execution.on_order(child)
    assert execution.on_order(active) == active
    assert execution.on_order(child) is None


def test_what_never_changes_is_kept_from_whoever_has_it(execution: Any) -> None:
    execution.on_order(order(tag="T", parent_id=9))
    moved = execution.on_order(order(status=3, updated=200, linked_id=8))
    assert (moved.tag, moved.parent_id, moved.linked_id, moved.status) == ("T", 9, 8, 3)
    other = EXECUTIONS["python"]()
    other.on_order(order(status=3, updated=200, linked_id=8))
    assert other.on_order(order(tag="T", parent_id=9)) == moved
    assert other.on_order(order(tag="T", parent_id=9)) is None


NEWS = st.builds(
    order,
    id=st.integers(1, 3),
    status=st.sampled_from([0, 1, 2, 3, 5, 6, 7, 8, 42]),
    updated=st.integers(100, 104),
    filled=st.integers(0, 2),
    stop=st.none() | st.integers(-2, 2),
    tag=st.sampled_from([None, "T"]),
    parent_id=st.sampled_from([None, 9]),
    average=st.sampled_from([None, "1.5", "2"]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(NEWS, max_size=10), st.randoms(use_true_random=False))
def test_f013_shuffled_and_repeated_news_end_in_the_same_state(
    news: list[Order], source: random.Random
) -> None:
    for new in EXECUTIONS.values():
        straight, shuffled = new(), new()
        for one in news:
            straight.on_order(one)
        mixed = news + news[:3]
        source.shuffle(mixed)
        for one in mixed:
            shuffled.on_order(one)
        assert shuffled.digest() == straight.digest()
        for one in news:
            assert straight.order(one.id).terminal == any(
                n.id == one.id and n.status in TERMINAL for n in news
            )


def test_the_state_is_bounded_and_the_working_orders_stay(execution: Any) -> None:
    for number in range(BOUND):
        execution.on_order(order(id=number, status=1 if number % 2 else 2))
    assert execution.order(0) is not None
    execution.on_order(order(id=BOUND, status=6))
    assert execution.order(BOUND) is not None
    assert execution.order(0) is None
    assert all(execution.order(number) is not None for number in range(1, BOUND, 2))


def test_the_state_goes_out_and_comes_back(execution: Any) -> None:
    for one in (
        order(tag="TB2-é", average="28446.375", limit=0, stop=-5),
        order(id=2**40, status=2**40, parent_id=0, linked_id=5, trail_ticks=-1, tag="x" * 70_000),
    ):
        execution.on_order(one)
    state = execution.snapshot()
    assert execution.quiet()
    expected = int.from_bytes(hashlib.blake2b(state, digest_size=8).digest(), "little")
    for new in EXECUTIONS.values():
        other = new()
        other.restore(state)
        assert (other.snapshot(), other.digest()) == (state, expected)
        assert other.order(2**40) == execution.order(2**40)


def test_the_layout_is_what_it_says(execution: Any) -> None:
    assert execution.snapshot() == b"OEX1" + bytes(4)
    execution.on_order(order(stop=7, tag="T"))
    name = MNQ.id.encode()
    assert execution.snapshot() == (
        struct.pack("<4sI9qB5q", b"OEX1", 1, 1, 1001, 1, 2, 0, 2, 100, 100, 0, 2, 0, 7, 0, 0, 0)
        + struct.pack("<I", len(name)) + name + b"\xff\xff\xff\xff" + struct.pack("<I", 1) + b"T"
    )  # fmt: skip


@pytest.mark.parametrize("state", [b"", b"OEX1", b"OEX2" + bytes(4), b"OEX1\x01\0\0\0", b"OEX1" + bytes(5)])
def test_a_state_that_cannot_be_read_is_refused(execution: Any, state: bytes) -> None:
    execution.on_order(order())
    before = execution.digest()
    with pytest.raises(StoreCorrupt):
        execution.restore(state)
    assert execution.digest() == before


def test_outcomes_and_requests_cross_a_border_as_data(execution: Any) -> None:
    planned = execution.plan(approve(place()), MNQ)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(planned), type=PlannedRequest) == planned
