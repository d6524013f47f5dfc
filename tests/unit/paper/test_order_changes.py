"""Place, modify and cancel, line by line (gateway.md 8.6-8.9, 9.3, 9.4)."""

from __future__ import annotations

from typing import Any

import pytest

from bot.paper.config import PaperAccount
from tests.unit.paper.order_bench import LONG_SL, LONG_TP, bracketed, listening, modify
from tests.unit.paper.scripted import ACCOUNT, MNQ, Bench

UNAVAILABLE = "Trading is currently unavailable. The instrument is not in an active trading status."


def test_the_checks_come_in_the_venues_order() -> None:
    """Each request has all faults from its own on; the first one is answered."""
    accounts = (
        PaperAccount(id=ACCOUNT, name="PRAC-V2-1-1", balance=150_000_000_000, bracket_mode="position"),
        PaperAccount(id=1003, name="LIVE-1", balance=1_000_000, live_routing=True),
        PaperAccount(id=1004, name="50KTC-V2-1-4", balance=50_000_000_000),
    )  # fmt: skip
    bench = Bench(accounts=accounts)
    bench.venue.change_account({"id": 1003, "can_trade": False})
    bench.venue.change_account({"id": 1004, "can_trade": False})
    bench.place(customTag="used")
    bench.venue.halt(MNQ)
    bad_sl, expired, unknown = {"ticks": 2, "type": 1}, "CON.F.US.MNQ.U25", "CON.F.US.NO.Z25"
    worst = {"customTag": "used", "type": 3, "size": 0, "limitPrice": 1.1, "stopPrice": 1.1,
             "stopLossBracket": bad_sl}  # fmt: skip
    cases: list[tuple[dict[str, Any], int, str | None]] = [
        ({**worst, "accountId": 7, "contractId": unknown}, 1, None),
        ({**worst, "accountId": 1003, "contractId": unknown}, 10, None),
        ({**worst, "accountId": 1004, "contractId": unknown}, 4, None),
        ({**worst, "contractId": unknown}, 8, None),
        ({**worst, "contractId": expired}, 9, None),
        (worst, 2, "Custom tag already in use."),
        ({**worst, "customTag": "a"}, 2, "Invalid order type"),
        ({**worst, "customTag": "b", "type": 1}, 2, "Invalid order size"),
        ({**worst, "customTag": "c", "type": 1, "size": 999}, 2,
         "Invalid limit price. Price is not aligned to tick size."),
        ({"size": 999, "stopLossBracket": bad_sl}, 2,
         "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets."),
        ({"size": 999, "type": 4, "stopPrice": 1}, 2, UNAVAILABLE),
    ]  # fmt: skip
    for body, code, text in cases:
        answer = bench.place(**body)
        assert (answer["errorCode"], answer["errorMessage"]) == (code, text), body
    bench.venue.change_account({"id": ACCOUNT, "bracket_mode": "auto_oco"})
    assert bench.place(size=999, stopLossBracket=bad_sl)["errorMessage"] == "Invalid stop loss type (Limit)"
    bench.venue.resume(MNQ)
    for body, text in (
        ({"size": 999, "type": 4, "stopPrice": 1}, "Invalid stop price"),
        ({"size": 999, "type": 5, "side": 1, "trailPrice": 1}, "Trail Distance exceeds maximum (1000)"),
        ({"size": 999}, "Not enough margin."),
    ):
        assert bench.place(**body)["errorMessage"] == text


def test_a_trailing_order_is_measured_anew_without_the_cap() -> None:
    bench = Bench()
    order = bench.place(type=5, side=1, trailPrice=19990)["orderId"]
    bench.pass_(5)
    bench.trade(80_100)
    assert modify(bench, order, trailPrice=19000) == (0, None)
    row = bench.order(order)
    assert (row["trailDistance"], row["stopPrice"]) == (4_100, 19000)
    assert modify(bench, order, trailPrice=19000.1) == (
        3, "Invalid trail price. Price is not aligned to tick size.",
    )  # fmt: skip
    bench.venue.state.last.clear()
    assert modify(bench, order, trailPrice=19500) == (3, "Cannot trail without a last price")
    assert (
        bench.place(type=5, side=1, trailPrice=19990)["errorMessage"] == "Cannot trail without a last price"
    )


def test_a_trail_on_the_wrong_side_is_a_distance_all_the_same() -> None:
    bench = Bench()
    order = bench.place(type=5, side=1, trailPrice=20010)["orderId"]
    bench.pass_(5)
    row = bench.order(order)
    assert (row["trailDistance"], row["stopPrice"]) == (40, 19990)


def test_a_modify_without_a_change_is_silent_and_one_with_is_one_event() -> None:
    bench = Bench()
    order = bench.place(type=1, limitPrice=19990, size=2, customTag="m")["orderId"]
    bench.pass_(5)
    before = bench.order(order)
    user = listening(bench)
    bench.pass_(100)
    for change in ({}, {"limitPrice": None, "size": None}, {"limitPrice": 19990, "size": 2}):
        assert modify(bench, order, **change) == (0, None)
    assert user.events() == []
    assert bench.order(order) == before
    assert modify(bench, order, limitPrice=19991, size=3) == (0, None)
    (event,) = user.data("GatewayUserOrder")
    assert (event["id"], event["status"], event["limitPrice"], event["size"], event["customTag"]) == (
        order, 1, 19991, 3, "m",
    )  # fmt: skip
    assert event["updateTimestamp"] > event["creationTimestamp"]


def test_moving_one_leg_leaves_the_sibling_and_the_position() -> None:
    bench = Bench()
    entry = bracketed(bench)
    before, held = bench.order(entry + 2), bench.position()
    assert modify(bench, entry + 1, stopPrice=19995) == (0, None)
    assert (bench.order(entry + 2), bench.position()) == (before, held)


def test_which_orders_can_be_modified() -> None:
    bench = Bench()
    entry = bracketed(bench)
    other = bench.place(accountId=1002, type=1, limitPrice=19990)["orderId"]
    bench.pass_(5)
    assert modify(bench, entry, limitPrice=1) == (2, None)
    assert modify(bench, other, limitPrice=1) == (2, None)
    assert modify(bench, 99, limitPrice=1) == (2, None)
    assert modify(bench, other, accountId=7) == (1, None)
    resting = bench.place(type=1, limitPrice=19990, size=2)["orderId"]
    bench.pass_(5)
    for size in (0, -1):
        assert modify(bench, resting, size=size) == (3, None)
    assert modify(bench, resting, size=200) == (3, "Not enough margin.")
    assert modify(bench, entry + 1, size=2, stopPrice=19995) == (3, "Order is attached to position.")
    assert bench.order(entry + 1)["stopPrice"] == 19990.25


@pytest.mark.parametrize(("flag", "text"), [
    ({"live_routing": True}, "Live accounts not supported"), ({"follower": True}, "Follower accounts cannot cancel orders"),
])  # fmt: skip
def test_live_and_follower_accounts_cannot_change_orders(flag: dict[str, bool], text: str) -> None:
    bench = Bench()
    order = bench.place(type=1, limitPrice=19990)["orderId"]
    bench.place()
    bench.pass_(5)
    bench.venue.change_account({"id": ACCOUNT, **flag})
    for each in (order, 99):
        answer = bench.call("Order/cancel", accountId=ACCOUNT, orderId=each)
        assert (answer["errorCode"], answer["errorMessage"]) == (6, text)
    assert modify(bench, order, limitPrice=19991) == (6, None)
    close = {"accountId": ACCOUNT, "contractId": MNQ}
    barred = "live_routing" in flag
    assert bench.call("Position/partialCloseContract", **close, size=1)["errorCode"] == (9 if barred else 0)
    bench.pass_(5)
    assert bench.call("Position/closeContract", **close)["errorCode"] == (8 if barred else 2)


def test_a_cancel_refreshes_the_time_and_a_suspended_leg_goes_alone() -> None:
    bench = Bench()
    entry = bench.place(type=1, limitPrice=19990, stopLossBracket=LONG_SL, takeProfitBracket=LONG_TP)[
        "orderId"
    ]
    bench.pass_(1_000)
    assert bench.call("Order/cancel", accountId=ACCOUNT, orderId=entry + 1)["success"]
    row = bench.order(entry + 1)
    assert (row["status"], row["updateTimestamp"][:21]) == (3, "2025-10-01T14:30:01+0")
    assert [order["status"] for order in bench.orders()] == [1, 8]
    bench.quote(79_959)
    bench.pass_(30)
    assert [order["id"] for order in bench.orders()] == [entry + 2]


def test_update_times_do_not_move_at_a_fill() -> None:
    bench = Bench()
    user = listening(bench)
    order = bench.place(type=1, limitPrice=19990)["orderId"]
    bench.pass_(5)
    activated = bench.order(order)["updateTimestamp"]
    assert activated == "2025-10-01T14:30:00.003+00:00"
    bench.pass_(1_000)
    bench.quote(79_959)
    assert bench.order(order)["updateTimestamp"] == activated
    trade = user.data("GatewayUserTrade")[0]["creationTimestamp"]
    assert user.data("GatewayUserOrder")[-1]["updateTimestamp"] == trade > activated
    rejected = bench.order(bench.place(type=4, stopPrice=1)["orderId"])
    assert rejected["updateTimestamp"] > rejected["creationTimestamp"]


def test_a_tag_is_burnt_by_every_order_of_its_account() -> None:
    bench = Bench()
    cancelled = bench.place(type=1, limitPrice=19990, customTag="c")["orderId"]
    bench.pass_(5)
    bench.call("Order/cancel", accountId=ACCOUNT, orderId=cancelled)
    bench.place(customTag="f")
    bench.place(size=0, customTag="r")
    bench.pass_(5)
    for tag in ("c", "f", "r"):
        answer = bench.place(customTag=tag)
        assert (answer["orderId"], answer["errorMessage"]) == (None, "Custom tag already in use.")
        assert bench.place(accountId=1002, customTag=tag)["success"]
    assert len([row for row in bench.orders((1, 2, 3, 5)) if row["customTag"] in ("c", "f", "r")]) == 3
    trades = bench.call("Trade/search", accountId=ACCOUNT)["trades"]
    assert all("customTag" not in row for row in trades)


def test_a_resting_order_says_6_1_and_at_its_fill_trade_2_position_account() -> None:
    bench = Bench()
    user = listening(bench)
    bench.place(type=4, stopPrice=20005)
    bench.pass_(5)
    bench.trade(80_020)
    assert user.short() == [("order", 6), ("order", 1), ("trade",), ("order", 2), ("position",), ("account",)]
