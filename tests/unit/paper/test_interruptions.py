"""Halts, Velocity Logic pauses, price bands, and a cut before its time (gateway.md 15.30, 18, 19.1)."""

from __future__ import annotations

import pytest

from bot.model.errors import BadField, UnknownSymbol
from tests.unit.paper.scripted import ACCOUNT, MES, MNQ, Bench, ScriptedMarket
from tests.unit.paper.test_restart import again

UNAVAILABLE = "Trading is currently unavailable. The instrument is not in an active trading status."
LONG_SL = {"ticks": -40, "type": 4}


def test_a_halted_contract_takes_no_order_and_shows_no_price() -> None:
    bench = Bench()
    resting = bench.place(type=1, limitPrice=19990)
    bench.pass_(10)
    hub = bench.listen(
        "market", ("SubscribeContractQuotes", [MNQ]), ("SubscribeContractTrades", [MNQ]),
        ("SubscribeContractMarketDepth", [MNQ]),
    )  # fmt: skip
    bench.venue.halt(MNQ, 5)
    hub.clear()
    refused = bench.place()
    assert (refused["errorCode"], refused["errorMessage"]) == (2, UNAVAILABLE)
    bench.trade(79_900)
    assert hub.events() == []
    assert bench.order(resting["orderId"])["status"] == 1
    assert bench.place(contractId=MES)["success"]
    assert bench.call("Order/modify", accountId=ACCOUNT, orderId=resting["orderId"], limitPrice=19991)[
        "success"
    ]
    bench.pass_(4_998)
    assert bench.order(resting["orderId"])["status"] == 1
    bench.pass_(2)
    row = bench.order(resting["orderId"])
    assert (row["status"], row["filledPrice"]) == (2, 19975.25)
    assert hub.events("GatewayDepth")[0]["arguments"][1][0]["type"] == 6
    assert bench.place()["success"]


def test_a_halt_lasts_until_it_is_resumed_and_cancels_are_taken_in_it() -> None:
    bench = Bench()
    resting = bench.place(type=1, limitPrice=19990)
    bench.pass_(10)
    bench.venue.halt(MNQ)
    bench.pass_(3_600_000)
    assert not bench.place()["success"]
    assert bench.call("Order/cancel", accountId=ACCOUNT, orderId=resting["orderId"])["success"]
    bench.venue.resume(MNQ)
    assert bench.place()["success"]
    bench.venue.resume(MNQ)


def test_a_position_cannot_be_closed_in_a_halt_nor_its_stop_filled() -> None:
    bench = Bench()
    placed = bench.place(stopLossBracket=LONG_SL)
    bench.pass_(30)
    bench.venue.halt(MNQ, 5)
    bench.trade(79_000)
    assert bench.call("Position/closeContract", accountId=ACCOUNT, contractId=MNQ)["errorCode"] == 5
    assert bench.position() is not None
    bench.pass_(5_000)
    assert bench.position() is not None
    bench.trade(79_000)
    assert bench.order(placed["orderId"] + 1)["filledPrice"] == 19749.75


@pytest.mark.parametrize(("how", "code", "status"), [("refuse", 2, 5), ("cancel", 0, 3)])
def test_a_velocity_pause_takes_no_aggressive_order(how: str, code: int, status: int) -> None:
    bench = Bench()
    bench.venue.pause(MNQ, 5, how)  # type: ignore[arg-type]
    hub = bench.listen("market", ("SubscribeContractQuotes", [MNQ]), ("SubscribeContractTrades", [MNQ]))
    bench.quote(79_990)
    assert hub.events("GatewayQuote")[-1]["arguments"][1]["bestBid"] == 19997.5
    for body in ({}, {"type": 1, "limitPrice": 20100}, {"type": 6, "side": 1}):
        answer = bench.place(**body)
        assert answer["errorCode"] == code, body
        bench.pass_(5)
        assert bench.order(answer["orderId"])["status"] == status, body
    passive = bench.place(type=1, limitPrice=19950)
    bench.pass_(5)
    bench.trade(79_700)
    assert bench.order(passive["orderId"])["status"] == 1
    assert hub.events("GatewayTrade") == []
    bench.pass_(5_000)
    row = bench.order(passive["orderId"])
    assert (row["status"], row["filledPrice"]) == (2, 19925.25)


def test_a_market_order_under_way_when_a_halt_begins_is_cancelled() -> None:
    bench = Bench()
    placed = bench.place()
    bench.venue.halt(MNQ, 5)
    bench.pass_(10)
    assert bench.order(placed["orderId"])["status"] == 3
    assert bench.position() is None


def test_nothing_trades_beyond_a_band() -> None:
    bench = Bench()
    placed = bench.place(stopLossBracket=LONG_SL)
    bench.pass_(30)
    bench.venue.band(MNQ, 79_961, 80_100)
    hub = bench.listen("market", ("SubscribeContractQuotes", [MNQ]), ("SubscribeContractTrades", [MNQ]))
    bench.trade(79_961)
    stop = bench.order(placed["orderId"] + 1)
    assert (stop["status"], stop["filledPrice"]) == (2, 19990.25)
    bench.trade(79_900)
    assert [event["arguments"][1][0]["price"] for event in hub.events("GatewayTrade")] == [19990.25]
    assert hub.events("GatewayQuote")[-1]["arguments"][1]["bestAsk"] == 19990.25
    sold = bench.place(side=1)
    assert (sold["errorCode"], sold["errorMessage"]) == (2, UNAVAILABLE)
    below = bench.place(type=1, limitPrice=19975)
    assert (below["errorCode"], below["errorMessage"]) == (2, "Invalid limit price")
    assert bench.place()["success"]
    bench.pass_(5)
    assert bench.call("Position/closeContract", accountId=ACCOUNT, contractId=MNQ)["errorCode"] == 5
    bench.venue.band(MNQ, None, None)
    assert bench.call("Position/closeContract", accountId=ACCOUNT, contractId=MNQ)["success"]
    bench.pass_(5)
    assert bench.orders((2,))[-1]["filledPrice"] == 19975


def test_a_stop_that_meets_no_price_in_its_band_goes_on_working() -> None:
    bench = Bench()
    bench.trade(79_990)
    placed = bench.place(type=4, stopPrice=20002.5)
    bench.pass_(5)
    bench.venue.band(MNQ, 79_900, 80_010)
    bench.trade(80_010)
    assert bench.order(placed["orderId"])["status"] == 1
    bench.trade(80_009)
    assert bench.order(placed["orderId"])["status"] == 1
    bench.venue.band(MNQ, 79_900, 80_100)
    assert bench.order(placed["orderId"])["status"] == 1
    bench.trade(80_010)
    assert bench.order(placed["orderId"])["status"] == 2


def test_the_venues_own_closing_order_waits_for_the_end_of_a_halt() -> None:
    bench = Bench(profile="fast")
    bench.place()
    bench.venue.halt(MNQ, 10)
    bench.venue.inject({"fault": "liquidate"})
    bench.pass_(9_000)
    assert bench.position() is not None
    assert len(bench.orders((6,))) == 1
    bench.pass_(1_000)
    assert bench.position() is None
    assert bench.orders((6,)) == []


def test_a_cut_before_its_time_flattens_and_takes_no_order_until_the_roll() -> None:
    bench = Bench()
    bench.place(stopLossBracket=LONG_SL)
    bench.pass_(30)
    bench.venue.cut()
    bench.pass_(10)
    assert bench.position() is None
    assert bench.orders() == []
    assert bench.place()["errorMessage"] == UNAVAILABLE
    bench.pass_(7.4 * 3_600_000)
    assert bench.place()["errorMessage"] == UNAVAILABLE
    bench.pass_(0.1 * 3_600_000)
    assert bench.place()["success"]


def test_a_cut_of_another_group_leaves_this_one() -> None:
    bench = Bench()
    bench.venue.cut("grains")
    assert bench.place()["success"]


def test_interruptions_outlive_a_restart() -> None:
    bench = Bench()
    bench.venue.band(MES, 19_000, 21_000)
    bench.venue.halt(MNQ, 5)
    bench.venue.cut("livestock")
    other = again(bench)
    assert not other.place()["success"]
    other.pass_(5_000)
    assert other.place()["success"]
    assert other.venue.state.interruptions.bands == bench.venue.state.interruptions.bands
    assert other.venue.state.interruptions.is_cut("livestock", other.venue.state.now)


def test_what_makes_no_sense_is_refused() -> None:
    venue = Bench().venue
    for act in (venue.halt, venue.pause, venue.resume):
        with pytest.raises(UnknownSymbol):
            act("CON.F.US.XX.Z25")
    with pytest.raises(BadField, match="low below high"):
        venue.band(MNQ, 5, 5)
    with pytest.raises(BadField, match="globex or grains"):
        venue.cut("metals")


def test_an_unbounded_side_of_a_band() -> None:
    bench = Bench(market=ScriptedMarket())
    bench.venue.band(MNQ, None, 79_000)
    assert bench.place()["errorCode"] == 2
    bench.venue.band(MNQ, 79_000, None)
    assert bench.place()["success"]
