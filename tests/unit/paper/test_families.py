"""Brackets from the entry to the last leg, and their events in time (gateway.md 9.2, 13)."""

from __future__ import annotations

from typing import Any

import pytest

from bot.paper.config import PaperOptions
from tests.unit.paper.order_bench import LONG_SL, LONG_TP, bracketed, listening, modify
from tests.unit.paper.scripted import ACCOUNT, MNQ, Bench

UNAVAILABLE = "Trading is currently unavailable. The instrument is not in an active trading status."


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


def test_the_children_take_the_new_size_of_their_parent() -> None:
    bench = Bench()
    entry = bench.place(type=1, limitPrice=19990, size=2, stopLossBracket=LONG_SL)["orderId"]
    bench.pass_(10)
    assert modify(bench, entry, size=5) == (0, None)
    assert bench.order(entry + 1)["size"] == 5
    bench.quote(79_959)
    bench.pass_(30)
    assert (bench.order(entry + 1)["status"], bench.order(entry + 1)["size"]) == (1, 5)


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
