"""Every option of orders, at its default and at each other value (gateway.md 22.1)."""

from __future__ import annotations

from typing import Any

import pytest

from bot.paper.config import PaperOptions
from bot.paper.market.feed import Print, QuoteTick
from tests.unit.paper.scripted import ACCOUNT, MNQ, Bench, Listener

LONG_SL, LONG_TP = {"ticks": -40, "type": 4}, {"ticks": 80, "type": 1}
STOP_LIMIT = {"type": 3, "stopPrice": 20005.0, "limitPrice": 20007.5}


def orders_of(bench: Bench) -> Listener:
    listener = bench.listen("user", ("SubscribeOrders", [ACCOUNT]))
    listener.clear()
    return listener


def test_a_stop_limit_is_refused_by_default() -> None:
    answer = Bench().place(**STOP_LIMIT)
    assert (answer["errorCode"], answer["errorMessage"]) == (2, "Invalid order type")


def test_a_stop_limit_becomes_a_limit_when_it_triggers() -> None:
    bench = Bench(PaperOptions(allow_stop_limit=True))
    user = orders_of(bench)
    placed = bench.place(**STOP_LIMIT)["orderId"]
    bench.pass_(5)
    bench.quote(80_028)
    assert bench.order(placed)["status"] == 1
    bench.market.add(
        QuoteTick(MNQ, bench.clock.now() + 1, 80_040, 5, 80_041, 5),
        Print(MNQ, bench.clock.now() + 1, 80_022, 1, 0),
    )
    bench.pass_(1)
    row = bench.order(placed)
    assert (row["status"], row["type"], row["stopPrice"], row["limitPrice"]) == (1, 3, 20005, 20007.5)
    assert [data["status"] for data in user.data("GatewayUserOrder")] == [6, 1, 1]
    bench.quote(80_029)
    row = bench.order(placed)
    assert (row["status"], row["filledPrice"]) == (2, 20007.5)


def test_a_triggered_stop_limit_fills_at_the_touch_where_that_is_better() -> None:
    bench = Bench(PaperOptions(allow_stop_limit=True))
    placed = bench.place(**STOP_LIMIT)["orderId"]
    bench.pass_(5)
    bench.trade(80_021)
    assert bench.order(placed)["filledPrice"] == 20005.5


@pytest.mark.parametrize(("change", "text"), [
    ({"limitPrice": None}, "Invalid limit price"), ({"stopPrice": None}, "Invalid stop price"),
    ({"stopPrice": 19990}, "Invalid stop price"),
    ({"limitPrice": 20007.6}, "Invalid limit price. Price is not aligned to tick size."),
    ({"stopPrice": 20005.1}, "Invalid stop price. Price is not aligned to tick size."),
])  # fmt: skip
def test_a_stop_limit_wants_both_prices(change: dict[str, Any], text: str) -> None:
    assert (
        Bench(PaperOptions(allow_stop_limit=True)).place(**{**STOP_LIMIT, **change})["errorMessage"] == text
    )


def test_both_prices_of_a_stop_limit_can_be_changed_until_it_triggers() -> None:
    bench = Bench(PaperOptions(allow_stop_limit=True, modify_wrong_price="reject"))
    placed = bench.place(**STOP_LIMIT)["orderId"]
    bench.pass_(5)
    change = {"accountId": ACCOUNT, "orderId": placed}
    assert bench.call("Order/modify", **change, stopPrice=20010, limitPrice=20009)["success"]
    bench.trade(80_040)
    row = bench.order(placed)
    assert (row["status"], row["stopPrice"], row["limitPrice"]) == (1, 20010, 20009)
    assert bench.call("Order/modify", **change, stopPrice=20020)["errorMessage"] == "Invalid stop price"
    assert bench.call("Order/modify", **change, limitPrice=20011)["success"]
    assert bench.order(placed)["filledPrice"] == 20010.25


@pytest.mark.parametrize(("type_", "side", "joined"), [(6, 0, 20000.0), (7, 1, 20000.25), (6, 1, 20000.0)])
def test_a_join_order_rests_at_the_touch_of_its_acceptance(type_: int, side: int, joined: float) -> None:
    bench = Bench()
    user = orders_of(bench)
    placed = bench.place(type=type_, side=side)["orderId"]
    bench.pass_(5)
    row = bench.order(placed)
    assert (row["type"], row["limitPrice"]) == (type_, joined)
    if row["status"] == 1:
        bench.quote(80_000 + (10 if side == 0 else -10))
        assert bench.order(placed)["limitPrice"] == joined
        assert len(user.data("GatewayUserOrder")) == 2


@pytest.mark.parametrize(("type_", "side", "move", "pegged"), [(6, 0, 10, 20002.5), (7, 1, -10, 19997.75)])
def test_a_join_order_follows_the_touch_under_the_option(
    type_: int, side: int, move: int, pegged: float
) -> None:
    bench = Bench(PaperOptions(join_repeg=True))
    placed = bench.place(type=type_, side=side)["orderId"]
    bench.pass_(5)
    user = orders_of(bench)
    bench.quote(80_000 + move)
    bench.quote(80_000 + move)
    assert [data["limitPrice"] for data in user.data("GatewayUserOrder")] == [pegged]
    bench.trade(80_000 + move - (1 if side == 0 else -1))
    assert (bench.order(placed)["status"], bench.order(placed)["filledPrice"]) == (2, pegged)


def test_other_orders_do_not_follow_the_touch() -> None:
    bench = Bench(PaperOptions(join_repeg=True))
    placed = bench.place(type=1, limitPrice=20000)["orderId"]
    bench.pass_(5)
    bench.quote(80_010)
    assert bench.order(placed)["limitPrice"] == 20000


FILLS = [
    ("opposite", "quote", 79_960, 1), ("opposite", "quote", 79_959, 2), ("opposite", "print", 79_960, 1),
    ("opposite", "print", 79_959, 2),
    ("touch", "quote", 79_959, 2), ("touch", "print", 79_961, 1), ("touch", "print", 79_960, 2),
    ("through", "quote", 79_959, 1), ("through", "quote", 79_958, 2), ("through", "print", 79_960, 1),
    ("through", "print", 79_959, 2),
]  # fmt: skip


@pytest.mark.parametrize(("option", "event", "price", "status"), FILLS)
def test_when_a_resting_limit_fills(option: str, event: str, price: int, status: int) -> None:
    bench = Bench(PaperOptions(limit_fill=option))  # type: ignore[arg-type]
    placed = bench.place(type=1, limitPrice=19990)["orderId"]
    bench.pass_(5)
    at = bench.clock.now() + 1
    bench.market.add(
        QuoteTick(MNQ, at, price, 5, price + 1, 5) if event == "quote" else Print(MNQ, at, price, 1, 1)
    )
    bench.pass_(1)
    row = bench.order(placed)
    assert row["status"] == status
    assert row["filledPrice"] == (19990 if status == 2 else None)


@pytest.mark.parametrize(("slip", "price"), [(0, 20005.5), (1, 20005.75), (3, 20006.25)])
def test_a_stop_slips(slip: int, price: float) -> None:
    bench = Bench(PaperOptions(stop_slip_ticks=slip))
    placed = bench.place(type=4, stopPrice=20005)["orderId"]
    bench.pass_(5)
    bench.trade(80_021)
    assert bench.order(placed)["filledPrice"] == price


@pytest.mark.parametrize(("sign", "side", "read"), [
    ("positive", 0, 40), ("positive", 1, 40), ("signed", 0, 40), ("signed", 1, -40),
])  # fmt: skip
def test_the_sign_of_a_trailing_distance(sign: str, side: int, read: int) -> None:
    bench = Bench(PaperOptions(trail_sign=sign))  # type: ignore[arg-type]
    level = 20000 + (10 if side == 0 else -10)
    row = bench.order(bench.place(type=5, side=side, trailPrice=level)["orderId"])
    assert (row["trailDistance"], row["trailPrice"]) == (read, read / 4)
    leg = {"ticks": -40 if side == 0 else 40, "type": 5}
    child = bench.order(bench.place(side=side, stopLossBracket=leg)["orderId"] + 1)
    assert (child["trailDistance"], child["trailPrice"]) == (leg["ticks"], leg["ticks"] / 4)


@pytest.mark.parametrize(("option", "count"), [(True, 3), (False, 0)])
def test_moves_of_a_trailing_stop_are_told(option: bool, count: int) -> None:
    bench = Bench(PaperOptions(trail_events=option))
    placed = bench.place(type=5, side=1, trailPrice=19990)["orderId"]
    bench.pass_(5)
    user = orders_of(bench)
    for price in (80_010, 80_020, 80_015, 80_030):
        bench.trade(price)
    moves = user.data("GatewayUserOrder")
    assert [data["stopPrice"] for data in moves] == [19992.5, 19995, 19997.5][:count]
    assert bench.order(placed)["stopPrice"] == 19997.5


@pytest.mark.parametrize(("option", "left"), [(False, 1), (True, 0)])
def test_the_sibling_of_a_cancelled_leg(option: bool, left: int) -> None:
    bench = Bench(PaperOptions(cancel_sibling_on_cancel=option))
    placed = bench.place(stopLossBracket=LONG_SL, takeProfitBracket=LONG_TP)["orderId"]
    bench.pass_(30)
    bench.call("Order/cancel", accountId=ACCOUNT, orderId=placed + 1)
    bench.pass_(100)
    assert len(bench.orders()) == left


@pytest.mark.parametrize(("option", "statuses"), [(False, [3]), (True, [7, 3])])
def test_a_cancel_may_show_status_7(option: bool, statuses: list[int]) -> None:
    bench = Bench(PaperOptions(emit_status7=option))
    placed = bench.place(type=1, limitPrice=19990)["orderId"]
    bench.pass_(5)
    user = orders_of(bench)
    bench.call("Order/cancel", accountId=ACCOUNT, orderId=placed)
    assert [data["status"] for data in user.data("GatewayUserOrder")] == statuses
    assert bench.order(placed)["status"] == 3


@pytest.mark.parametrize("action", [1, 2])
def test_the_action_of_a_terminal_order_event(action: int) -> None:
    bench = Bench(PaperOptions(order_terminal_action=action))  # type: ignore[arg-type]
    user = orders_of(bench)
    bench.place()
    bench.place(type=4, stopPrice=19990)
    cancelled = bench.place(type=1, limitPrice=19990)["orderId"]
    bench.pass_(5)
    bench.call("Order/cancel", accountId=ACCOUNT, orderId=cancelled)
    seen = {
        event["arguments"][0]["data"]["status"]: event["arguments"][0]["action"] for event in user.events()
    }
    assert seen == {6: 1, 1: 1, 2: action, 3: action, 5: action}


REJECTS = [({"size": 0}, False), ({"type": 1, "limitPrice": 20000.1}, False), ({"type": 4, "stopPrice": 19990}, True),
           ({"size": 151}, True), ({"stopLossBracket": {"ticks": 40, "type": 4}}, False)]  # fmt: skip


@pytest.mark.parametrize("option", ["none", "engine", "all"])
def test_which_refusals_are_told(option: str) -> None:
    for body, engine in REJECTS:
        bench = Bench(PaperOptions(reject_events=option))  # type: ignore[arg-type]
        user = orders_of(bench)
        bench.place(**body)
        bench.pass_(2.2)
        told = option == "all" or (option == "engine" and engine)
        assert [data["status"] for data in user.data("GatewayUserOrder")] == ([6] if told else []), body
        bench.pass_(0.1)
        assert [data["status"] for data in user.data("GatewayUserOrder")] == ([6, 5] if told else []), body


@pytest.mark.parametrize(("code", "text", "seen"), [
    (2, None, "Trading is currently unavailable. The instrument is not in an active trading status."),
    (2, "Instrument is outside of trading hours.", "Instrument is outside of trading hours."), (5, None, None),
])  # fmt: skip
def test_the_answer_of_a_closed_market(code: int, text: str | None, seen: str | None) -> None:
    more = {} if text is None else {"closed_text": text}
    bench = Bench(PaperOptions(closed_code=code, **more))  # type: ignore[arg-type]
    bench.venue.halt(MNQ)
    answer = bench.place(customTag="t")
    assert (answer["errorCode"], answer["errorMessage"]) == (code, seen)
    assert (answer["orderId"] is None) == (code == 5)


@pytest.mark.parametrize(("option", "code"), [(False, 3), (True, 0)])
def test_a_suspended_leg_may_be_changed_under_the_option(option: bool, code: int) -> None:
    bench = Bench(PaperOptions(modify_suspended=option))
    placed = bench.place(stopLossBracket=LONG_SL, takeProfitBracket=LONG_TP)["orderId"]
    for leg, price in ((placed + 1, {"stopPrice": 19980}), (placed + 2, {"limitPrice": 20050})):
        answer = bench.call("Order/modify", accountId=ACCOUNT, orderId=leg, **price)
        assert (answer["errorCode"], answer["errorMessage"]) == (code, None)
    bench.pass_(30)
    prices = (bench.order(placed + 1)["stopPrice"], bench.order(placed + 2)["limitPrice"])
    assert prices == ((19980, 20050) if option else (19990.25, 20020.25))


def test_a_suspended_trailing_leg_changed_under_the_option_keeps_its_new_distance() -> None:
    bench = Bench(PaperOptions(modify_suspended=True))
    leg = bench.place(stopLossBracket={"ticks": -40, "type": 5})["orderId"] + 1
    assert bench.call("Order/modify", accountId=ACCOUNT, orderId=leg, trailPrice=19995)["success"]
    bench.pass_(30)
    row = bench.order(leg)
    assert (row["trailDistance"], row["stopPrice"]) == (-20, 19995.25)
    bench.trade(80_041)
    assert bench.order(leg)["stopPrice"] == 20005.25


@pytest.mark.parametrize(("option", "code"), [("ignore", 0), ("reject", 3)])
def test_a_price_of_another_type(option: str, code: int) -> None:
    bench = Bench(PaperOptions(modify_wrong_price=option))  # type: ignore[arg-type]
    limit = bench.place(type=1, limitPrice=19990)["orderId"]
    stop = bench.place(type=4, stopPrice=20010)["orderId"]
    trail = bench.place(type=5, side=1, trailPrice=19990)["orderId"]
    bench.pass_(5)
    user = orders_of(bench)
    cases = [
        (limit, {"stopPrice": 20010}, "Invalid stop price"), (limit, {"trailPrice": 19990}, "Invalid trail price"),
        (stop, {"limitPrice": 19990}, "Invalid limit price"), (stop, {"trailPrice": 19990}, "Invalid trail price"),
        (trail, {"limitPrice": 19980}, "Invalid limit price"), (trail, {"stopPrice": 19980}, "Invalid stop price"),
    ]  # fmt: skip
    for order, price, text in cases:
        answer = bench.call("Order/modify", accountId=ACCOUNT, orderId=order, **price)
        assert (answer["errorCode"], answer["errorMessage"]) == (code, text if code else None), price
    assert user.events() == []
    assert bench.order(trail)["stopPrice"] == 19990


@pytest.mark.parametrize(
    ("fees", "commissions", "cost"), [({}, {}, 0.62), ({"MNQ": 2_000_000}, {"MNQ": 100_000}, 1.1)]
)
def test_costs_are_data(fees: dict[str, int], commissions: dict[str, int], cost: float) -> None:
    bench = Bench(PaperOptions(fees=fees, commissions=commissions))
    before = bench.balance()
    bench.place()
    bench.pass_(5)
    assert round(before - bench.balance(), 2) == cost
