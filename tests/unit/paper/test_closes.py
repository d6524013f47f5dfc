"""Closing positions, whole and in part, and what their ids do (gateway.md 8.14-8.16)."""

from __future__ import annotations

from typing import Any

from tests.unit.paper.order_bench import listening
from tests.unit.paper.scripted import ACCOUNT, MES, MNQ, Bench


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
