"""Short words for tests of orders: a bracketed entry, a modify, a listener of all user events."""

from __future__ import annotations

from typing import Any

from tests.unit.paper.scripted import ACCOUNT, Bench, Listener

LONG_SL, LONG_TP = {"ticks": -40, "type": 4}, {"ticks": 80, "type": 1}
ALL = (("SubscribeAccounts", []), ("SubscribeOrders", [ACCOUNT]), ("SubscribePositions", [ACCOUNT]),
       ("SubscribeTrades", [ACCOUNT]))  # fmt: skip


def bracketed(bench: Bench, **more: Any) -> int:
    """The id of a filled entry with both legs working."""
    placed = bench.place(stopLossBracket=LONG_SL, takeProfitBracket=LONG_TP, **more)
    bench.pass_(30)
    return int(placed["orderId"])


def modify(bench: Bench, order: int, **change: Any) -> tuple[int, str | None]:
    """Code and message of a modify."""
    answer = bench.call("Order/modify", **{"accountId": ACCOUNT, "orderId": order, **change})
    assert set(answer) == {"success", "errorCode", "errorMessage"}
    return answer["errorCode"], answer["errorMessage"]


def listening(bench: Bench) -> Listener:
    """A listener of all user events of the account, past their first snapshot."""
    user = bench.listen("user", *ALL)
    user.clear()
    return user
