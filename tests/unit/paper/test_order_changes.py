"""Modify, cancel, close and what becomes of families of orders, line by line (gateway.md 8.6-8.16, 9)."""

from __future__ import annotations

from typing import Any

import pytest

from bot.paper.config import PaperAccount, PaperOptions
from tests.unit.paper.scripted import ACCOUNT, MES, MNQ, Bench, Listener

LONG_SL, LONG_TP = {"ticks": -40, "type": 4}, {"ticks": 80, "type": 1}
UNAVAILABLE = "Trading is currently unavailable. The instrument is not in an active trading status."
ALL = (("SubscribeAccounts", []), ("SubscribeOrders", [ACCOUNT]), ("SubscribePositions", [ACCOUNT]),
       ("SubscribeTrades", [ACCOUNT]))  # fmt: skip


def bracketed(bench: Bench, **more: Any) -> int:
    """The id of a filled entry with both legs working."""
    placed = bench.place(stopLossBracket=LONG_SL, takeProfitBracket=LONG_TP, **more)
    bench.pass_(30)
    return int(placed["orderId"])


def modify(bench: Bench, order: int, **change: Any) -> tuple[int, str | None]:
    answer = bench.call("Order/modify", **{"accountId": ACCOUNT, "orderId": order, **change})
    assert set(answer) == {"success", "errorCode", "errorMessage"}
    return answer["errorCode"], answer["errorMessage"]


def listening(bench: Bench) -> Listener:
    user = bench.listen("user", *ALL)
    user.clear()
    return user


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


@pytest.mark.parametrize(("side", "bracket", "ticks", "text"), [
    (0, "stopLoss", 0, "Invalid stop loss ticks (0). Ticks should be less than zero when longing."),
    (1, "stopLoss", -40, "Invalid stop loss ticks (-40). Ticks should be greater than zero when going short."),
    (0, "takeProfit", -40, "Invalid take profit ticks (-40). Ticks should be greater than zero when longing."),
    (1, "takeProfit", 40, "Invalid take profit ticks (40). Ticks should be less than zero when going short."),
    (0, "takeProfit", 3, "Invalid take profit ticks (3). Price should be at least 4 ticks away."),
    (1, "stopLoss", 3, "Invalid stop loss ticks (3). Price should be at least 4 ticks away."),
    (0, "takeProfit", 1001, "Invalid take profit ticks (1001)."), (1, "stopLoss", 1001, "Invalid stop loss ticks (1001)."),
    (0, "stopLoss", -4, None), (0, "stopLoss", -1000, None), (1, "takeProfit", -4, None), (1, "takeProfit", -1000, None),
])  # fmt: skip
def test_bracket_ticks_at_their_bounds(side: int, bracket: str, ticks: int, text: str | None) -> None:
    leg = {"ticks": ticks, "type": 4 if bracket == "stopLoss" else 1, "size": 9, "reduceOnly": True}
    answer = Bench().place(side=side, **{f"{bracket}Bracket": leg})
    assert answer["errorMessage"] == text
    assert answer["success"] is (text is None)


@pytest.mark.parametrize(("legs", "kinds"), [
    ({"stopLossBracket": LONG_SL}, [(4, None)]), ({"takeProfitBracket": LONG_TP}, [(1, None)]),
    ({"stopLossBracket": LONG_SL, "takeProfitBracket": LONG_TP}, [(4, None), (1, 1)]),
])  # fmt: skip
def test_the_children_of_an_entry(legs: dict[str, Any], kinds: list[tuple[int, int | None]]) -> None:
    bench = Bench()
    placed = bench.place(size=3, customTag="p", linkedOrderId=77, **legs)["orderId"]
    parent = bench.order(placed)
    assert (parent["parentOrderId"], parent["linkedOrderId"], parent["trailDistance"]) == (None, None, None)
    children = bench.orders((8,))
    for number, (row, (type_, linked)) in enumerate(zip(children, kinds, strict=True), 1):
        assert (row["id"], row["type"], row["side"], row["size"]) == (placed + number, type_, 1, 3)
        assert row["creationTimestamp"] == parent["creationTimestamp"]
        assert row["parentOrderId"] == placed
        assert row["linkedOrderId"] == (None if linked is None else placed + linked)
        assert (row["stopPrice"], row["limitPrice"]) == (None, None)
        assert row["trailPrice"] == row["trailDistance"] / 4
        assert row["customTag"] == ("p-SL" if type_ == 4 else "p-TP")


def test_children_of_an_untagged_entry_have_no_tag() -> None:
    bench = Bench()
    bracketed(bench)
    assert [row["customTag"] for row in bench.orders()] == [None, None]


def test_a_trailing_leg_starts_at_its_activation_and_follows() -> None:
    bench = Bench()
    leg = bench.place(side=1, stopLossBracket={"ticks": 40, "type": 5})["orderId"] + 1
    bench.pass_(18)
    row = bench.order(leg)
    assert (row["status"], row["stopPrice"], row["trailDistance"], row["trailPrice"]) == (1, 20010, 40, 10)
    bench.trade(79_980)
    assert bench.order(leg)["stopPrice"] == 20005
    assert modify(bench, leg, trailPrice=20000) == (0, None)
    row = bench.order(leg)
    assert (row["stopPrice"], row["trailDistance"], row["trailPrice"]) == (20000, 20, 5)
    bench.trade(79_970)
    assert bench.order(leg)["stopPrice"] == 19997.5


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


def test_the_children_take_the_new_size_of_their_parent() -> None:
    bench = Bench()
    entry = bench.place(type=1, limitPrice=19990, size=2, stopLossBracket=LONG_SL)["orderId"]
    bench.pass_(10)
    assert modify(bench, entry, size=5) == (0, None)
    assert bench.order(entry + 1)["size"] == 5
    bench.quote(79_959)
    bench.pass_(30)
    assert (bench.order(entry + 1)["status"], bench.order(entry + 1)["size"]) == (1, 5)


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


def test_orphaned_legs_open_a_reverse_position() -> None:
    bench = Bench()
    entry = bracketed(bench)
    bench.call("Position/closeContract", accountId=ACCOUNT, contractId=MNQ)
    bench.pass_(13_000)
    assert [row["status"] for row in bench.orders()] == [1, 1]
    bench.trade(79_961)
    held = bench.position()
    assert held is not None
    assert (held["type"], held["size"]) == (2, 1)
    bench.pass_(12)
    assert bench.order(entry + 2)["status"] == 3
    assert any("opened a position" in text for text in bench.venue.judge.violations)


def test_both_legs_can_fill_before_the_sibling_is_cancelled() -> None:
    bench = Bench()
    entry = bracketed(bench)
    bench.quote(80_081)
    bench.trade(79_900)
    assert [bench.order(entry + leg)["status"] for leg in (1, 2)] == [2, 2]
    held = bench.position()
    assert held is not None
    assert (held["type"], held["size"]) == (2, 1)


def test_every_scale_in_makes_its_own_pair() -> None:
    bench = Bench()
    first, second = bracketed(bench), bracketed(bench)
    assert [row["parentOrderId"] for row in bench.orders()] == [first, first, second, second]
    bench.call("Position/partialCloseContract", accountId=ACCOUNT, contractId=MNQ, size=1)
    bench.pass_(20)
    assert len(bench.orders((1,))) == 4
    bench.quote(80_081)
    bench.pass_(20)
    assert bench.orders() == []


def test_a_close_makes_one_untagged_market_order_of_the_net_position() -> None:
    bench = Bench()
    bench.place(size=3)
    bench.place(contractId=MES)
    bench.pass_(5)
    user = listening(bench)
    assert bench.call("Position/closeContract", accountId=ACCOUNT, contractId=MNQ) == {
        "success": True, "errorCode": 0, "errorMessage": None,
    }  # fmt: skip
    bench.pass_(2.9)
    assert user.short() == [("order", 6)]
    bench.pass_(0.1)
    assert user.short() == [("order", 6), ("order", 2), ("trade",), ("position",), ("account",)]
    order = user.data("GatewayUserOrder")[-1]
    assert ("customTag" not in order, order["type"], order["side"], order["size"]) == (True, 2, 1, 3)
    assert bench.position(contract=MES) is not None


def test_closes_that_cannot_be_done() -> None:
    bench = Bench()
    close, partial = "Position/closeContract", "Position/partialCloseContract"
    where = {"accountId": ACCOUNT, "contractId": MNQ}
    assert bench.call(close, **{**where, "contractId": "CON.F.US.MNQ.U25"})["errorCode"] == 4
    assert bench.call(partial, **{**where, "contractId": "CON.F.US.MNQ.U25"}, size=1)["errorCode"] == 4
    assert bench.call(partial, **{**where, "accountId": 7}, size=1)["errorCode"] == 1
    assert bench.call(partial, **{**where, "contractId": "CON.F.US.NO.U25"}, size=1)["errorCode"] == 3
    assert bench.call(partial, **where, size=1)["errorCode"] == 2
    bench.place(side=1, size=2)
    bench.pass_(5)
    bench.venue.halt(MNQ)
    user = listening(bench)
    assert bench.call(partial, **where, size=3)["errorCode"] == 5
    for path, code, more in ((close, 5, {}), (partial, 6, {"size": 1})):
        answer = bench.call(path, **where, **more)
        assert (answer["errorCode"], answer["errorMessage"]) == (code, None)
    bench.pass_(3)
    assert user.short() == [("order", 6), ("order", 6), ("order", 5), ("order", 5)]
    rows = bench.orders((5,))
    assert [(row["type"], row["side"], row["size"], row["customTag"]) for row in rows] == [
        (2, 0, 2, None), (2, 0, 1, None),
    ]  # fmt: skip
    held = bench.position()
    assert held is not None
    assert held["size"] == 2


def test_the_position_keeps_its_id_in_and_out_and_gets_a_new_one_after_flat() -> None:
    bench = Bench()

    def held_after(**order: Any) -> dict[str, Any] | None:
        bench.place(**order)
        bench.pass_(5)
        return bench.position()

    first = held_after(size=2)
    assert first is not None
    bench.trade(80_039)
    more = held_after(size=2)
    assert more is not None
    assert (more["id"], more["averagePrice"], more["creationTimestamp"]) == (
        first["id"], 20005.125, first["creationTimestamp"],
    )  # fmt: skip
    less = held_after(side=1, size=3)
    assert less is not None
    assert (less["id"], less["averagePrice"], less["size"]) == (first["id"], 20005.125, 1)
    assert held_after(side=1) is None
    again = held_after()
    assert again is not None
    assert again["id"] != first["id"]


def test_a_parent_that_fills_in_parts_opens_its_children_when_complete_at_its_mean() -> None:
    bench = Bench()
    entry = bench.place(type=1, limitPrice=19990, size=3, stopLossBracket=LONG_SL, takeProfitBracket=LONG_TP)[
        "orderId"
    ]
    bench.pass_(10)
    bench.venue.inject({"fault": "fill", "order_id": entry, "size": 1})
    bench.pass_(100)
    assert [row["status"] for row in bench.orders()] == [1, 8, 8]
    modify(bench, entry, limitPrice=19990.75)
    bench.quote(79_962)
    bench.pass_(30)
    assert bench.order(entry)["filledPrice"] == 19990.5
    assert (bench.order(entry + 1)["stopPrice"], bench.order(entry + 2)["limitPrice"]) == (19980.5, 20010.5)


def test_a_partly_filled_leg_keeps_its_sibling_until_it_is_whole() -> None:
    bench = Bench(PaperOptions(partial_fills=True))
    entry = bench.place(size=3, stopLossBracket=LONG_SL, takeProfitBracket=LONG_TP)["orderId"]
    bench.pass_(30)
    bench.venue.inject({"fault": "fill", "order_id": entry + 2, "size": 1})
    bench.pass_(100)
    assert [row["status"] for row in bench.orders()] == [1, 1]
    assert bench.order(entry + 2)["fillVolume"] == 1
    bench.venue.inject({"fault": "fill", "order_id": entry + 2, "size": 2})
    bench.pass_(12)
    assert [bench.order(entry + leg)["status"] for leg in (1, 2)] == [3, 2]


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


def test_the_events_of_a_bracket_in_their_times() -> None:
    bench = Bench()
    user = listening(bench)
    entry = bench.place(stopLossBracket=LONG_SL, takeProfitBracket=LONG_TP)["orderId"]
    assert [(row["id"] - entry, row["status"]) for row in user.data("GatewayUserOrder")] == [
        (1, 8),
        (0, 6),
        (2, 8),
    ]
    user.clear()
    for ms, seen in (
        (7.9, []),
        (0.1, ["order", "trade", "position", "account"]),
        (9.9, []),
        (0.1, ["order"] * 2),
    ):
        bench.pass_(ms)
        assert [kind for kind, *_ in user.short()] == seen, ms
        user.clear()
    bench.quote(80_081)
    assert [kind for kind, *_ in user.short()] == ["order", "trade", "position"]
    user.clear()
    bench.pass_(11.9)
    assert user.short() == []
    bench.pass_(0.1)
    assert user.short() == [("order", 3), ("account",)]


def test_the_fast_profile_keeps_the_order_of_events() -> None:
    bench = Bench(profile="fast")
    user = listening(bench)
    bench.place(stopLossBracket=LONG_SL, takeProfitBracket=LONG_TP)
    assert user.short() == [
        ("order", 8), ("order", 6), ("order", 8), ("order", 2), ("trade",), ("position",), ("account",),
        ("order", 1), ("order", 1),
    ]  # fmt: skip
    user.clear()
    bench.quote(80_081)
    assert user.short() == [("order", 2), ("trade",), ("position",), ("order", 3), ("account",)]


def test_a_resting_order_says_6_1_and_at_its_fill_trade_2_position_account() -> None:
    bench = Bench()
    user = listening(bench)
    bench.place(type=4, stopPrice=20005)
    bench.pass_(5)
    bench.trade(80_020)
    assert user.short() == [("order", 6), ("order", 1), ("trade",), ("order", 2), ("position",), ("account",)]
