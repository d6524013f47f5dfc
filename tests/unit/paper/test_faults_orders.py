"""Faults of the engine, of accounts, of the market and of the session, over the REST answers and events."""

from __future__ import annotations

import msgspec
import pytest

from bot.model.errors import BadField
from bot.model.times import parse_ts
from bot.paper.market.synthetic import SyntheticMarket
from tests.unit.paper.scripted import ACCOUNT, MNQ, START, Bench

STOP, TARGET = {"ticks": -40, "type": 4}, {"ticks": 40, "type": 1}


def test_an_order_is_rejected_after_it_was_pending() -> None:
    bench = Bench()
    user = bench.listen("user", ("SubscribeOrders", [ACCOUNT]))
    bench.venue.inject({"fault": "reject"})
    answer = bench.place(stopLossBracket=STOP)
    assert answer["success"]
    bench.pass_(50)
    assert [row["status"] for row in user.data("GatewayUserOrder")] == [8, 6, 5, 3]
    assert bench.order(answer["orderId"])["status"] == 5
    assert bench.position() is None
    bench.place()
    bench.pass_(50)
    assert bench.position() is not None


def test_an_order_stays_pending_for_a_while() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "engine.late", "seconds": 4})
    order = bench.place()["orderId"]
    bench.pass_(3_900)
    assert bench.order(order)["status"] == 6
    bench.pass_(200)
    assert bench.order(order)["status"] == 2


@pytest.mark.parametrize(("side", "price"), [(0, 20001.0), (1, 19999.25)])
def test_market_orders_slip(side: int, price: float) -> None:
    bench = Bench()
    bench.venue.inject({"fault": "slip", "ticks": 3, "count": 1})
    order = bench.place(side=side)["orderId"]
    bench.pass_(10)
    assert bench.order(order)["filledPrice"] == price


def test_stops_slip() -> None:
    bench = Bench()
    order = bench.place(type=4, side=1, stopPrice=19990)["orderId"]
    bench.pass_(10)
    bench.venue.inject({"fault": "slip", "ticks": 3, "count": 1})
    bench.trade(79_960)
    assert bench.order(order)["filledPrice"] == 19989.0


def test_a_working_order_is_filled_at_any_price_in_parts() -> None:
    bench = Bench()
    order = bench.place(type=1, limitPrice=19900, size=3)["orderId"]
    bench.pass_(10)
    bench.venue.inject({"fault": "fill", "contract_id": "MNQ", "size": 2, "price": 19899.5})
    row = bench.order(order)
    assert (row["status"], row["fillVolume"]) == (1, 2)
    assert (bench.position() or {})["averagePrice"] == 19899.5
    bench.venue.inject({"fault": "fill", "order_id": order})
    assert bench.order(order)["status"] == 2
    bench.place(type=1, limitPrice=19900)
    bench.pass_(10)
    with pytest.raises(BadField, match="on the contract's tick"):
        bench.venue.inject({"fault": "fill", "price": 19899.6})


@pytest.mark.parametrize(("limit", "name"), [("dll", "locked"), ("mll", "breached")])
def test_a_loss_limit_locks_cancels_and_flattens(limit: str, name: str) -> None:
    bench = Bench()
    user = bench.listen("user", ("SubscribeAccounts", []))
    bench.place(stopLossBracket=STOP)
    bench.place(type=1, limitPrice=19900)
    bench.pass_(50)
    bench.venue.inject({"fault": "liquidate", "account_id": ACCOUNT, "limit": limit})
    bench.pass_(50)
    assert bench.position() is None
    assert bench.orders() == []
    assert user.data("GatewayUserAccount")[-1]["canTrade"] is False
    row = next(row for row in bench.venue.accounts() if row["id"] == ACCOUNT)
    assert (row[name], row["can_trade"]) == (True, False)
    assert bench.place()["errorCode"] == bench.config.options.breached_code
    assert bench.place(accountId=1002)["success"]


def test_the_bracket_mode_changes_in_mid_session() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "account", "account_id": ACCOUNT, "set": {"bracket_mode": "position"}})
    answer = bench.place(stopLossBracket=STOP)
    assert (answer["errorCode"], "Position Brackets" in answer["errorMessage"]) == (2, True)


def test_options_change_in_mid_session() -> None:
    bench = Bench()
    for flat, left in ((False, 1), (True, 0)):
        bench.venue.inject({"fault": "option", "set": {"cancel_children_on_flat": flat}})
        bench.place(stopLossBracket=STOP)
        bench.pass_(50)
        bench.call("Position/closeContract", accountId=ACCOUNT, contractId=MNQ)
        bench.pass_(50)
        assert len(bench.orders((1,))) == left
        for row in bench.orders((1,)):
            bench.call("Order/cancel", accountId=ACCOUNT, orderId=row["id"])
    with pytest.raises(BadField):
        bench.venue.inject({"fault": "option", "set": {"no_such": 1}})


def test_rate_limits_change_in_mid_session() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "option", "set": {"rate_general": [3, 60]}})
    ask = b'{"onlyActiveAccounts":true}'
    assert [bench.send("/api/Account/search", ask).status for _ in range(3)] == [200, 200, 429]


def test_a_changed_option_and_a_declared_holiday_survive_a_restart() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "option", "set": {"closed_code": 5}})
    bench.venue.inject({"fault": "holiday", "close": "12:00"})
    again = Bench(past=list(bench.venue.ledger.lines), login=False, market=bench.market)
    assert again.venue.state.options.closed_code == 5
    assert again.venue.state.calendar.close_of(again.venue.state.calendar.risk_day(START)) == parse_ts(
        "2025-10-01T17:00:00Z"
    )


def test_an_early_close_shifts_the_cut_and_ends_the_quotes() -> None:
    bench = Bench(start=parse_ts("2025-10-01T16:40:00Z"))
    bench.place()
    bench.pass_(50)
    market = bench.listen("market", ("SubscribeContractQuotes", [MNQ]))
    bench.venue.inject({"fault": "holiday", "close": "12:00"})
    bench.pass_(9 * 60_000)
    assert bench.position() is not None
    bench.pass_(60_000)
    bench.pass_(50)
    assert bench.position() is None
    assert bench.place()["errorCode"] == 2
    bench.pass_(11 * 60_000)
    market.clear()
    bench.quote(80_050)
    assert market.events("GatewayQuote") == []


def test_the_cut_comes_early() -> None:
    bench = Bench()
    bench.place()
    bench.place(type=1, limitPrice=19900)
    bench.pass_(50)
    bench.venue.inject({"fault": "cut", "group": "globex"})
    bench.pass_(50)
    assert (bench.position(), bench.orders()) == (None, [])
    assert bench.place()["errorCode"] == 2


def test_halts_pauses_and_bands() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "halt", "contract_id": "MNQ", "seconds": 5})
    assert bench.place()["errorCode"] == 2
    bench.pass_(5_001)
    assert bench.place()["success"]
    bench.pass_(50)
    bench.venue.inject({"fault": "velocity", "contract_id": "MNQ", "how": "refuse"})
    assert bench.place()["errorCode"] == 2
    bench.venue.inject({"fault": "resume", "contract_id": "MNQ"})
    assert bench.place()["success"]
    bench.venue.inject({"fault": "band", "contract_id": "MNQ", "below": 40, "high": 20010})
    assert bench.place(type=1, limitPrice=19989.75)["errorCode"] == 2
    assert bench.place(type=1, limitPrice=19990)["success"]
    assert bench.place(type=1, side=1, limitPrice=20010.25)["errorCode"] == 2
    bench.venue.inject({"fault": "band", "contract_id": "MNQ"})
    assert bench.place(type=1, side=1, limitPrice=20010.25)["success"]


def live() -> Bench:
    return Bench(market=SyntheticMarket(3, START, ("MNQ",), scenario="quiet"), roots=("MNQ",))


def test_the_price_walks_jumps_and_runs() -> None:
    bench = live()
    last = bench.venue.state.last
    before = last[MNQ]
    bench.venue.inject({"fault": "push", "contract_id": "MNQ", "by": 60, "seconds": 2})
    bench.pass_(2_300)
    assert abs(last[MNQ] - before - 60) <= 6
    bench.venue.inject({"fault": "gap", "contract_id": "MNQ", "price": 20100})
    bench.pass_(400)
    assert abs(last[MNQ] - 80_400) <= 4
    seen = []
    bench.venue.inject({"fault": "fast", "contract_id": "MNQ", "ticks": 80, "seconds": 4, "step_s": 0.5})
    for _ in range(46):
        bench.pass_(100)
        seen.append(last[MNQ])
    assert max(seen) - min(seen) >= 120
    kinds = [msgspec.json.decode(line)[1] for line in bench.venue.ledger.lines]
    assert kinds.count("push") == 2 + 8


def test_faults_are_cleared_by_a_verb() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "http", "endpoint": "place", "status": 500, "count": 9})
    bench.venue.inject({"fault": "clear"})
    assert bench.place()["success"]


def test_the_roll_comes_now_and_a_root_means_the_new_month() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "roll", "contract_id": "MNQ"})
    found = bench.call("Contract/searchById", contractId="CON.F.US.MNQ.H26")["contract"]
    assert found["activeContract"]
    assert bench.place()["errorCode"] == 9
    bench.venue.inject({"fault": "quote.stop", "contract_id": "MNQ"})
    assert bench.venue.faults.armed[-1].contract_id == "CON.F.US.MNQ.H26"


def test_a_half_turn_is_voided() -> None:
    bench = Bench()
    before = bench.balance()
    bench.place()
    bench.pass_(50)
    assert bench.balance() < before
    bench.venue.inject({"fault": "void", "contract_id": "MNQ"})
    assert bench.balance() == before
    assert bench.position() is not None
    with pytest.raises(BadField, match="a half-turn that is not voided yet"):
        bench.venue.inject({"fault": "void"})
