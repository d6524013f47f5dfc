"""Placing, filling, changing and closing orders (gateway.md 8.6-8.16, 9)."""

from __future__ import annotations

from typing import Any

import pytest

from bot.paper.config import PaperAccount, PaperOptions
from tests.unit.paper.scripted import ACCOUNT, MES, MNQ, Bench, seconds

LONG_SL, LONG_TP = {"ticks": -40, "type": 4}, {"ticks": 80, "type": 1}


def test_a_market_order_fills_at_the_opposite_touch_three_ms_later() -> None:
    bench = Bench()
    placed = bench.place(customTag="t")
    assert placed["success"]
    assert bench.order(placed["orderId"])["status"] == 6
    bench.pass_(2.9)
    assert bench.position() is None
    bench.pass_(0.1)
    row = bench.order(placed["orderId"])
    assert (row["status"], row["fillVolume"], row["filledPrice"]) == (2, 1, 20000.25)
    assert row["updateTimestamp"] == row["creationTimestamp"]
    held = bench.position()
    assert held is not None
    assert (held["type"], held["size"], held["averagePrice"], held["contractDisplayName"]) == (
        1, 1, 20000.25, "MNQZ25",
    )  # fmt: skip


def test_vector_1_partial_close_with_fees() -> None:
    bench = Bench(PaperOptions(fees={"MNQ": 720_000}))
    bench.trade(79_999)
    bench.place(size=2)
    bench.pass_(5)
    before = bench.balance()
    bench.trade(80_041)
    assert bench.call("Position/partialCloseContract", accountId=ACCOUNT, contractId=MNQ, size=1)["success"]
    bench.pass_(5)
    trade = bench.call("Trade/search", accountId=ACCOUNT)["trades"][0]
    assert (trade["profitAndLoss"], trade["fees"], trade["commissions"]) == (20.5, 0.36, 0.25)
    assert round(bench.balance() - before, 2) == 19.89
    held = bench.position()
    assert held is not None
    assert (held["size"], held["averagePrice"]) == (1, 20000)


def test_vector_4_the_average_may_lie_off_the_grid() -> None:
    bench = Bench()
    bench.trade(113_784)
    bench.place()
    bench.pass_(5)
    bench.trade(113_785)
    bench.place()
    bench.pass_(5)
    held = bench.position()
    assert held is not None
    assert held["averagePrice"] == 28446.375
    assert len({bench.position()["id"], held["id"]}) == 1


@pytest.mark.parametrize(
    ("entry", "sl", "tp", "stop", "limit"),
    [(113_671, 101, -99, 28443.0, 28393.0), (113_671, 16, -32, 28421.75, 28409.75)],
)
def test_vector_3_children_are_priced_from_the_fill(
    entry: int, sl: int, tp: int, stop: float, limit: float
) -> None:
    bench = Bench()
    bench.trade(entry)
    placed = bench.place(
        side=1,
        customTag="v3",
        stopLossBracket={"ticks": sl, "type": 4},
        takeProfitBracket={"ticks": tp, "type": 1},
    )
    suspended = bench.orders((8,))
    assert [(row["id"] - placed["orderId"], row["customTag"], row["linkedOrderId"]) for row in suspended] == [
        (1, "v3-SL", None),
        (2, "v3-TP", placed["orderId"] + 1),
    ]
    assert all(row["parentOrderId"] == placed["orderId"] for row in suspended)
    assert all(row["stopPrice"] is None and row["limitPrice"] is None for row in suspended)
    assert [row["trailDistance"] for row in suspended] == [sl, tp]
    assert bench.call("Order/searchOpen", accountId=ACCOUNT)["orders"] == []
    bench.pass_(8)
    assert bench.order(placed["orderId"])["filledPrice"] == 28417.75
    assert len(bench.orders((8,))) == 2
    bench.pass_(10)
    working = bench.call("Order/searchOpen", accountId=ACCOUNT)["orders"]
    assert [(row["stopPrice"], row["limitPrice"], row["side"]) for row in working] == [
        (stop, None, 0),
        (None, limit, 0),
    ]


def test_the_sibling_is_cancelled_twelve_ms_after_a_leg_fills() -> None:
    bench = Bench()
    placed = bench.place(stopLossBracket=LONG_SL, takeProfitBracket=LONG_TP)
    bench.pass_(20)
    bench.quote(80_081)
    target = bench.order(placed["orderId"] + 2)
    assert (target["status"], target["filledPrice"]) == (2, 20020.25)
    assert bench.order(placed["orderId"] + 1)["status"] == 1
    bench.pass_(11.9)
    assert bench.order(placed["orderId"] + 1)["status"] == 1
    bench.pass_(0.1)
    assert bench.order(placed["orderId"] + 1)["status"] == 3
    assert bench.position() is None


def test_a_stop_fills_at_the_touch_worsened_by_the_slip() -> None:
    bench = Bench()
    placed = bench.place(stopLossBracket=LONG_SL)
    bench.pass_(20)
    assert bench.order(placed["orderId"] + 1)["stopPrice"] == 19990.25
    bench.trade(79_962)
    assert bench.position() is not None
    bench.trade(79_961)
    stop = bench.order(placed["orderId"] + 1)
    assert (stop["status"], stop["filledPrice"]) == (2, 19990.0)
    assert bench.position() is None


def test_cancelling_one_leg_leaves_the_other() -> None:
    bench = Bench()
    placed = bench.place(stopLossBracket=LONG_SL, takeProfitBracket=LONG_TP)
    bench.pass_(20)
    assert bench.call("Order/cancel", accountId=ACCOUNT, orderId=placed["orderId"] + 2)["success"]
    assert [row["id"] for row in bench.orders()] == [placed["orderId"] + 1]
    again = bench.call("Order/cancel", accountId=ACCOUNT, orderId=placed["orderId"] + 2)
    assert (again["success"], again["errorCode"], again["errorMessage"]) == (False, 2, None)


@pytest.mark.parametrize(("option", "left"), [(False, 2), (True, 0)])
def test_a_close_leaves_the_children_working(option: bool, left: int) -> None:
    bench = Bench(PaperOptions(cancel_children_on_flat=option))
    bench.place(stopLossBracket=LONG_SL, takeProfitBracket=LONG_TP)
    bench.pass_(20)
    answer = bench.call("Position/closeContract", accountId=ACCOUNT, contractId=MNQ)
    assert answer == {"success": True, "errorCode": 0, "errorMessage": None}
    bench.pass_(5)
    assert bench.position() is None
    assert len(bench.orders((1,))) == left


def test_a_resting_parent_takes_its_children_along_when_cancelled() -> None:
    bench = Bench()
    placed = bench.place(type=1, limitPrice=19990, stopLossBracket=LONG_SL, takeProfitBracket=LONG_TP)
    bench.pass_(10)
    assert bench.order(placed["orderId"])["status"] == 1
    assert [row["status"] for row in bench.orders()] == [1, 8, 8]
    bench.call("Order/cancel", accountId=ACCOUNT, orderId=placed["orderId"])
    assert [row["status"] for row in bench.orders((3,))] == [3, 3, 3]


def test_a_resting_limit_fills_at_its_price_when_the_opposite_quote_reaches_it() -> None:
    bench = Bench()
    placed = bench.place(type=1, limitPrice=19990.00)
    bench.pass_(10)
    bench.quote(79_960)
    assert bench.position() is None
    bench.quote(79_959)
    assert bench.order(placed["orderId"])["filledPrice"] == 19990


def test_a_marketable_limit_fills_at_the_touch() -> None:
    bench = Bench()
    placed = bench.place(type=1, limitPrice=20010)
    bench.pass_(10)
    assert bench.order(placed["orderId"])["filledPrice"] == 20000.25


def test_a_flip_ends_one_position_and_begins_another() -> None:
    bench = Bench()
    bench.place(size=1)
    bench.pass_(5)
    first = bench.position()
    assert first is not None
    hub = bench.listen("user", ("SubscribePositions", [ACCOUNT]))
    bench.place(side=1, size=3)
    bench.pass_(5)
    second = bench.position()
    assert second is not None
    assert (second["type"], second["size"]) == (2, 2)
    assert second["id"] != first["id"]
    events = [event["arguments"][0] for event in hub.events("GatewayUserPosition")]
    assert [(e["action"], e["data"]["type"], e["data"]["size"]) for e in events] == [(2, 0, 0), (1, 2, 2)]
    assert events[0]["data"]["id"] == first["id"]


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"type": 3, "limitPrice": 1, "stopPrice": 1}, "Invalid order type"),
    ({"type": 0}, "Invalid order type"),
    ({"side": 2}, "Invalid order type"),
    ({"size": 0}, "Invalid order size"),
    ({"type": 1, "limitPrice": 20000.1}, "Invalid limit price. Price is not aligned to tick size."),
    ({"type": 4, "stopPrice": 20100.1}, "Invalid stop price. Price is not aligned to tick size."),
    ({"type": 4, "stopPrice": 19990}, "Invalid stop price"),
    ({"type": 4, "stopPrice": 20000}, "Invalid stop price"),
    ({"type": 4, "side": 1, "stopPrice": 20010}, "Invalid stop price"),
    ({"type": 5}, "Trail Distance not set."),
    (
        {"type": 5, "side": 1, "trailPrice": 19990.1},
        "Invalid trail price. Price is not aligned to tick size.",
    ),
    ({"type": 5, "side": 1, "trailPrice": 19000}, "Trail Distance exceeds maximum (1000)"),
    (
        {"stopLossBracket": {"ticks": 40, "type": 4}},
        "Invalid stop loss ticks (40). Ticks should be less than zero when longing.",
    ),
    (
        {"side": 1, "takeProfitBracket": {"ticks": 50, "type": 1}},
        "Invalid take profit ticks (50). Ticks should be less than zero when going short.",
    ),
    (
        {"stopLossBracket": {"ticks": -1, "type": 4}},
        "Invalid stop loss ticks (-1). Price should be at least 4 ticks away.",
    ),
    ({"stopLossBracket": {"ticks": -40, "type": 1}}, "Invalid stop loss type (Limit)"),
    ({"takeProfitBracket": {"ticks": 40, "type": 4}}, "Invalid take profit type (Stop)"),
    ({"stopLossBracket": {"ticks": -1001, "type": 4}}, "Invalid stop loss ticks (-1001)."),
    ({"size": 151}, "Not enough margin."),
    ({"contractId": "CON.F.US.MCLE.X25"}, "Invalid symbol"),
]


@pytest.mark.parametrize(("change", "text"), REFUSALS)
def test_refusals_have_the_venues_words_and_burn_the_tag(change: dict[str, Any], text: str) -> None:
    bench = Bench()
    answer = bench.place(customTag="once", **change)
    assert (answer["success"], answer["errorCode"], answer["errorMessage"]) == (False, 2, text)
    assert bench.order(answer["orderId"])["status"] == 5
    again = bench.place(customTag="once")
    assert (again["orderId"], again["errorCode"], again["errorMessage"]) == (
        None,
        2,
        "Custom tag already in use.",
    )


def test_codes_of_accounts_and_contracts() -> None:
    accounts = (
        PaperAccount(id=1001, name="PRAC-V2-1-1", balance=150_000_000_000),
        PaperAccount(id=1003, name="LIVE-1", balance=1_000_000, live_routing=True),
    )
    bench = Bench(accounts=accounts)
    assert bench.place(accountId=7)["errorCode"] == 1
    assert bench.place(accountId=1003)["errorCode"] == 10
    assert bench.place(contractId="CON.F.US.XX.Z25")["errorCode"] == 8
    assert bench.place(contractId="CON.F.US.MNQ.U25")["errorCode"] == 9
    bench.venue.change_account({"id": 1001, "can_trade": False})
    assert bench.place()["errorCode"] == 4


def test_brackets_need_the_auto_oco_mode() -> None:
    bench = Bench()
    bench.venue.change_account({"id": ACCOUNT, "bracket_mode": "position"})
    answer = bench.place(stopLossBracket=LONG_SL)
    assert answer["errorMessage"].startswith("Brackets cannot be used with Position Brackets.")
    assert bench.order(answer["orderId"])["status"] == 5
    assert bench.place()["success"]


@pytest.mark.parametrize(("keep", "rows"), [("all", 2), ("bracket_mode", 1), ("none", 0)])
def test_which_rejected_orders_are_kept(keep: str, rows: int) -> None:
    bench = Bench(PaperOptions(persist_rejected=keep))
    bench.venue.change_account({"id": ACCOUNT, "bracket_mode": "position"})
    first = bench.place(size=0, customTag="a")
    second = bench.place(stopLossBracket=LONG_SL, customTag="b")
    assert len(bench.orders((5,))) == rows
    assert [first["orderId"] is not None, second["orderId"] is not None] == [rows == 2, rows >= 1]
    assert bench.place(customTag="a")["errorMessage"] == "Custom tag already in use."


def test_vector_5_trailing_distance_and_following() -> None:
    bench = Bench()
    bench.trade(80_400)
    placed = bench.place(type=5, side=1, trailPrice=20090.00)
    bench.pass_(5)
    row = bench.order(placed["orderId"])
    assert (row["trailDistance"], row["trailPrice"], row["stopPrice"]) == (40, 10, 20090)
    bench.trade(80_420)
    assert bench.order(placed["orderId"])["stopPrice"] == 20095
    bench.trade(80_390)
    assert bench.order(placed["orderId"])["stopPrice"] == 20095
    bench.trade(80_380)
    assert bench.order(placed["orderId"])["status"] == 2


def test_modify_moves_prices_and_keeps_the_id() -> None:
    bench = Bench()
    placed = bench.place(stopLossBracket=LONG_SL, takeProfitBracket=LONG_TP)
    stop = placed["orderId"] + 1
    suspended = bench.call("Order/modify", accountId=ACCOUNT, orderId=stop, stopPrice=19980)
    assert (suspended["errorCode"], suspended["errorMessage"]) == (3, None)
    bench.pass_(20)
    assert bench.call("Order/modify", accountId=ACCOUNT, orderId=stop, stopPrice=19995.5)["success"]
    assert bench.order(stop)["stopPrice"] == 19995.5
    cases = [
        ({"orderId": stop, "stopPrice": 20001}, 3, "Invalid stop price"),
        ({"orderId": stop, "size": 2}, 3, "Order is attached to position."),
        (
            {"orderId": stop, "stopPrice": 19995.6},
            3,
            "Invalid stop price. Price is not aligned to tick size.",
        ),
        ({"orderId": placed["orderId"], "limitPrice": 1}, 2, None),
        ({"orderId": 5, "limitPrice": 1}, 2, None),
        ({"orderId": stop, "limitPrice": 19000}, 0, None),
    ]
    for change, code, text in cases:
        answer = bench.call("Order/modify", **{"accountId": ACCOUNT, **change})
        assert (answer["errorCode"], answer["errorMessage"]) == (code, text), change
    assert bench.order(stop)["stopPrice"] == 19995.5


def test_a_modified_limit_that_crosses_the_market_fills() -> None:
    bench = Bench()
    placed = bench.place(type=1, limitPrice=19990)
    bench.pass_(10)
    bench.call("Order/modify", accountId=ACCOUNT, orderId=placed["orderId"], limitPrice=20001, size=2)
    row = bench.order(placed["orderId"])
    assert (row["status"], row["filledPrice"], row["fillVolume"]) == (2, 20000.25, 2)


def test_close_codes() -> None:
    bench = Bench()
    close = "Position/closeContract"
    assert bench.call(close, accountId=7, contractId=MNQ)["errorCode"] == 1
    assert bench.call(close, accountId=ACCOUNT, contractId=MNQ)["errorCode"] == 2
    assert bench.call(close, accountId=ACCOUNT, contractId="CON.F.US.XX.Z25")["errorCode"] == 3
    bench.place(size=2)
    bench.pass_(5)
    for size in (0, 3, -1):
        answer = bench.call("Position/partialCloseContract", accountId=ACCOUNT, contractId=MNQ, size=size)
        assert answer["errorCode"] == 5
    assert bench.call("Position/partialCloseContract", accountId=ACCOUNT, contractId=MNQ, size=2)["success"]
    bench.pass_(5)
    assert bench.position() is None


@pytest.mark.parametrize(("size", "code"), [(50, 0), (51, 2)])
def test_the_size_limit_counts_micros_as_tenths(size: int, code: int) -> None:
    bench = Bench()
    assert bench.place(accountId=1002, size=size)["errorCode"] == code


def test_the_size_limit_counts_positions_and_working_entries_across_products() -> None:
    bench = Bench()
    bench.place(accountId=1002, size=20)
    bench.pass_(5)
    bench.place(accountId=1002, contractId=MES, type=1, limitPrice=4990, size=20)
    bench.pass_(5)
    assert bench.place(accountId=1002, size=11)["errorCode"] == 2
    assert bench.place(accountId=1002, side=1, size=20)["success"]
    assert bench.place(accountId=1002, size=10)["success"]


def test_order_search_filters_by_creation_and_leaves_out_suspended() -> None:
    bench = Bench()
    bench.place(stopLossBracket=LONG_SL)
    bench.pass_(5)
    start = "2025-10-01T14:30:00+00:00"
    rows = bench.call("Order/search", accountId=ACCOUNT, startTimestamp=start, request={"status": "Open"})[
        "orders"
    ]
    assert [row["status"] for row in rows] == []
    bench.pass_(20)
    rows = bench.call("Order/search", accountId=ACCOUNT, startTimestamp=start, endTimestamp=start)["orders"]
    assert [row["status"] for row in rows] == [2, 1]
    late = bench.call("Order/search", accountId=ACCOUNT, startTimestamp="2025-10-01T14:30:01")["orders"]
    assert late == []


def test_query_pages_by_rows_and_counts_when_asked() -> None:
    bench = Bench(PaperOptions(rate_general=(1000, 60)))
    ids = [bench.place(type=1, limitPrice=19000, size=1)["orderId"] for _ in range(105)]
    bench.pass_(10)
    where = {"accountId": ACCOUNT, "statuses": [1, 6, 7, 8]}
    first = bench.call("Order/v2/query", filter=where, pageSize=500, includeTotalCount=True)
    assert (len(first["orders"]), first["totalCount"]) == (100, 105)
    rest = bench.call("Order/v2/query", filter=where, pageOffset=100)
    assert [row["id"] for row in rest["orders"]] == ids[100:]
    assert rest["totalCount"] is None
    newest = bench.call("Order/v2/query", filter=where, pageSize=1, sortBy=1, sortDirection=1)["orders"]
    assert newest[0]["id"] == ids[-1]
    assert bench.send("/api/Order/v2/query", b'{"pageSize":1}').status == 400


def test_time_is_venue_time_in_every_stamp() -> None:
    bench = Bench()
    bench.pass_(seconds(2.15673) / 1e6)
    placed = bench.place()
    assert bench.order(placed["orderId"])["creationTimestamp"] == "2025-10-01T14:30:02.15673+00:00"


def test_a_working_order_fills_in_parts() -> None:
    bench = Bench()
    placed = bench.place(type=1, limitPrice=19990, size=5, customTag="p", stopLossBracket=LONG_SL)
    bench.pass_(10)
    bench.venue.inject({"fault": "fill", "order_id": placed["orderId"], "size": 2})
    row = bench.order(placed["orderId"])
    assert (row["status"], row["fillVolume"], row["filledPrice"]) == (1, 2, 19990)
    held = bench.position()
    assert held is not None
    assert held["size"] == 2
    assert [order["status"] for order in bench.orders()] == [1, 8]
    assert bench.call("Order/modify", accountId=ACCOUNT, orderId=placed["orderId"], size=2)["errorCode"] == 3
    bench.quote(79_959)
    bench.pass_(20)
    row = bench.order(placed["orderId"])
    assert (row["status"], row["fillVolume"]) == (2, 5)
    trades = bench.call("Trade/search", accountId=ACCOUNT)["trades"]
    assert [trade["size"] for trade in trades] == [3, 2]
    assert [order["status"] for order in bench.orders()] == [1]


def test_partial_fills_take_what_the_book_shows() -> None:
    bench = Bench(PaperOptions(partial_fills=True), profile="fast")
    bench.place(size=8)
    trades = bench.call("Trade/search", accountId=ACCOUNT)["trades"]
    assert [(trade["size"], trade["price"]) for trade in trades] == [(3, 20000.5), (5, 20000.25)]
    assert bench.orders((2,))[0]["filledPrice"] == 20000.34375
    resting = bench.place(type=1, limitPrice=19990, size=8)
    bench.quote(79_959)
    assert bench.order(resting["orderId"])["fillVolume"] == 5
    bench.call("Order/cancel", accountId=ACCOUNT, orderId=resting["orderId"])
    row = bench.order(resting["orderId"])
    assert (row["status"], row["fillVolume"]) == (3, 5)


def test_a_modified_size_obeys_the_size_limit() -> None:
    bench = Bench()
    placed = bench.place(accountId=1002, type=1, limitPrice=19990, size=50)
    bench.pass_(10)
    for size, code in ((51, 3), (50, 0), (20, 0), (50, 0)):
        answer = bench.call("Order/modify", accountId=1002, orderId=placed["orderId"], size=size)
        assert answer["errorCode"] == code
