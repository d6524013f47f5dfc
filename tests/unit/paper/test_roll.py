"""Two expiries of one root: listing, the change of the active one, exits from the old one, its end."""

from __future__ import annotations

from typing import Any

import pytest

from bot.calendar.sessions import SessionCalendar
from bot.model.errors import UnknownSymbol
from bot.model.instruments import contract_for, contract_of
from bot.model.market import MinuteBar
from bot.model.times import HOUR, MINUTE, SECOND, format_ts, parse_ts
from bot.paper.config import PaperOptions
from bot.paper.market.expiry import expiry_ns, roll_ns
from bot.paper.market.feed import MarketEvent, Print, QuoteTick
from bot.paper.market.rolling import RollingMarket
from bot.paper.market.synthetic import SyntheticMarket
from tests.unit.paper.scripted import ACCOUNT, MNQ, START, Bench, ScriptedMarket

NEXT = "CON.F.US.MNQ.H26"
NOT_ACTIVE = 9
FRIDAY = parse_ts("2025-12-12T17:00:00Z")
OPENING = parse_ts("2025-12-14T23:00:00Z")
"""Sunday 17:00 CT before the Monday of expiry week."""
EXPIRY = parse_ts("2025-12-19T14:30:00Z")
MS = 1_000_000


def until(bench: Bench, ts: int) -> None:
    """Let time pass, and log in anew where the token does not last so long."""
    bench.pass_((ts - bench.clock.now()) / MS)
    bench.token = ""
    bench.token = bench.call("Auth/loginKey", userName="Paper", apiKey="paper-key")["token"]


def active(bench: Bench) -> dict[str, bool]:
    found = {}
    for contract in (MNQ, NEXT):
        found[contract] = bench.call("Contract/searchById", contractId=contract)["contract"]["activeContract"]
    return found


def bars(bench: Bench, contract: str, unit: int = 2, minutes: int = 600) -> list[dict[str, Any]]:
    now = bench.clock.now()
    return bench.call(
        "History/retrieveBars", contractId=contract, live=False, unit=unit, unitNumber=1, limit=1000,
        startTime=format_ts(now - minutes * MINUTE), endTime=format_ts(now), includePartialBar=True,
    )["bars"]  # fmt: skip


def test_the_active_flag_changes_at_the_start_of_the_roll_dates_session() -> None:
    bench = Bench(start=FRIDAY)
    assert active(bench) == {MNQ: True, NEXT: False}
    assert bench.place(contractId=NEXT)["errorCode"] == NOT_ACTIVE
    until(bench, OPENING - SECOND)
    assert active(bench) == {MNQ: True, NEXT: False}
    until(bench, OPENING)
    assert active(bench) == {MNQ: False, NEXT: True}
    bench.quote(80_000)
    assert bench.place()["errorCode"] == NOT_ACTIVE
    assert bench.place(contractId=NEXT)["errorCode"] == 0
    listed = [row["id"] for row in bench.call("Contract/available", live=False)["contracts"]]
    assert NEXT in listed
    assert MNQ not in listed


@pytest.mark.parametrize(
    ("root", "month", "expiry", "roll"),
    [
        ("MNQ", (2025, 12), "2025-12-19T14:30:00Z", "2025-12-14T23:00:00Z"),
        ("6E", (2025, 12), "2025-12-15T15:16:00Z", "2025-12-09T23:00:00Z"),
        ("CL", (2026, 1), "2025-12-22T22:00:00Z", "2025-12-16T23:00:00Z"),
        ("CL", (2025, 11), "2025-10-21T21:00:00Z", "2025-10-15T22:00:00Z"),
        ("GC", (2025, 12), "2025-12-29T22:00:00Z", "2025-12-23T23:00:00Z"),
    ],
)
def test_roll_and_expiry_of_each_kind_of_product(
    root: str, month: tuple[int, int], expiry: str, roll: str
) -> None:
    contract = contract_for(root, *month, 0)
    assert expiry_ns(contract) == parse_ts(expiry)
    assert roll_ns(contract, SessionCalendar.shipped()) == parse_ts(roll)


def test_f152_exits_stay_with_the_old_contract_and_entries_move() -> None:
    bench = Bench()
    bench.place(size=3)
    bench.pass_(50)
    stop = bench.place(type=4, side=1, size=3, stopPrice=19_990.0)["orderId"]
    assert bench.venue.roll("MNQ") == (MNQ, NEXT)
    assert active(bench) == {MNQ: False, NEXT: True}
    assert bench.place(size=1)["errorCode"] == NOT_ACTIVE
    assert bench.place(side=1, size=4)["errorCode"] == NOT_ACTIVE
    assert bench.call("Order/modify", accountId=ACCOUNT, orderId=stop, stopPrice=19_980.0)["success"]
    assert bench.place(side=1, size=1)["errorCode"] == 0
    bench.pass_(50)
    assert bench.position()["size"] == 2  # type: ignore[index]
    bench.trade(79_900)
    bench.pass_(50)
    assert bench.order(stop)["status"] == 2
    assert bench.place(side=1, size=1)["errorCode"] == NOT_ACTIVE
    bench.place(contractId=NEXT)
    bench.pass_(50)
    assert bench.position(contract=NEXT)["size"] == 1  # type: ignore[index]
    assert bench.call("Position/closeContract", accountId=ACCOUNT, contractId=NEXT)["success"]


def test_an_old_contract_can_be_closed_until_it_expires() -> None:
    bench = Bench()
    bench.place(size=2)
    bench.pass_(50)
    bench.venue.roll("MNQ")
    assert bench.call("Position/closeContract", accountId=ACCOUNT, contractId=MNQ)["success"]
    bench.pass_(50)
    assert bench.position() is None
    bench.venue.roll("MNQ")
    assert active(bench) == {MNQ: False, NEXT: False}
    with pytest.raises(UnknownSymbol):
        bench.venue.roll("ES")


def test_the_next_contract_lies_a_carry_above_and_has_the_same_bars() -> None:
    bench = Bench()
    at = bench.clock.now() - 90 * MINUTE
    bench.market.bars = [MinuteBar(at, 79_990, 80_010, 79_980, 80_000, 5)]
    bench.trade(80_004, ms=1_000, size=7)
    bench.venue.roll("MNQ")
    heard = bench.listen("market", ("SubscribeContractQuotes", [NEXT]), ("SubscribeContractTrades", [NEXT]))
    bench.trade(80_008, ms=1_000, size=2)
    old, new = bars(bench, MNQ), bars(bench, NEXT)
    carry = new[0]["c"] - old[0]["c"]
    assert carry > 0
    assert len(old) == 2
    assert [{**bar, **{key: bar[key] - carry for key in "ohlc"}} for bar in new] == old
    trades = heard.events("GatewayTrade")
    assert [trade["arguments"][0] for trade in trades] == [NEXT]
    assert trades[0]["arguments"][1][0]["price"] == 20_002.0 + carry


def test_an_expired_contract_falls_silent() -> None:
    bench = Bench(start=FRIDAY)
    until(bench, EXPIRY - SECOND)
    heard = bench.listen("market", ("SubscribeContractQuotes", [MNQ]), ("SubscribeContractQuotes", [NEXT]))

    def quoted() -> set[str]:
        found = {event["arguments"][0] for event in heard.events("GatewayQuote")}
        heard.raw.clear()
        return found

    quoted()
    bench.quote(80_010, ms=500)
    assert quoted() == {MNQ, NEXT}
    bench.quote(80_020, ms=500)
    assert quoted() == {NEXT}
    bench.trade(80_004, ms=5_000)
    assert not heard.closed
    assert bars(bench, MNQ) == []
    assert bars(bench, NEXT) != []
    assert bench.place(side=1)["errorCode"] == NOT_ACTIVE


def test_expiry_settles_what_is_held_and_cancels_what_rests() -> None:
    bench = Bench(start=FRIDAY)
    state = bench.venue.state
    until(bench, EXPIRY - 15 * HOUR)
    bench.quote(80_000)
    state.catalogue.roll("MNQ", (2025, 12))
    bench.place(contractId=NEXT)
    bench.pass_(50)
    old = bench.venue._market.contracts[MNQ]
    assert not state.catalogue.expired(old, state.now)
    row = bench.venue._matching.market(ACCOUNT, MNQ, 2, "api", state.now)
    bench.pass_(50)
    assert bench.position()["size"] == 2  # type: ignore[index]
    stop = bench.place(type=4, side=1, size=2, stopPrice=19_000.0)["orderId"]
    bench.pass_(50)
    assert bench.order(stop)["status"] == 1
    assert row.status == 2
    until(bench, EXPIRY + SECOND)
    assert bench.position() is None
    assert bench.order(stop)["status"] == 3
    assert bench.position(contract=NEXT)["size"] == 1  # type: ignore[index]


def test_hours_of_an_expired_contract_are_served_and_minutes_by_option() -> None:
    for least, minutes in ((3, 0), (1, 1)):
        bench = Bench(start=FRIDAY, options=PaperOptions(bars_expired_min_unit=least))
        until(bench, EXPIRY - 10 * MINUTE)
        bench.trade(80_004, ms=1_000)
        until(bench, EXPIRY + MINUTE)
        assert len(bars(bench, MNQ, unit=3)) == 1
        assert len(bars(bench, MNQ, unit=2)) == minutes


def test_a_restart_knows_what_was_listed_and_rolled() -> None:
    def market() -> SyntheticMarket:
        return SyntheticMarket(3, START, ("MNQ",))

    bench = Bench(market=market())
    bench.pass_(90_000)
    bench.venue.roll("MNQ")
    bench.pass_(90_000)
    again = Bench(market=market(), past=list(bench.venue.ledger.lines), login=False)
    again.token = bench.token
    again.pass_(180_000)
    bench.pass_(0)
    assert active(again) == active(bench) == {MNQ: False, NEXT: True}
    assert again.venue.prices() == bench.venue.prices()
    assert bars(again, NEXT) == bars(bench, NEXT)
    assert [row.id for row in again.venue._market.contracts.values()] == [MNQ, NEXT]


def test_events_of_both_expiries_do_not_depend_on_how_often_one_asks() -> None:
    start = START

    def played(step: int) -> list[MarketEvent]:
        market = RollingMarket(SyntheticMarket(5, start, ("MNQ",), scenario="quiet"))
        market.list_next("MNQ", start)
        return [
            event for i in range(1, 120 * SECOND // step + 1) for event in market.advance(start + i * step)
        ]

    whole = played(120 * SECOND)
    assert played(7 * 1_000_003) == whole[: len(played(7 * 1_000_003))]
    assert played(SECOND) == whole
    touches: dict[str, list[tuple[int, int]]] = {MNQ: [], NEXT: []}
    for event in whole:
        if isinstance(event, QuoteTick):
            touches[event.contract_id].append((event.bid, event.ask))
    offset = touches[NEXT][0][0] - touches[MNQ][0][0]
    assert offset > 0
    shifted = [(bid - offset, ask - offset) for bid, ask in touches[NEXT]]
    assert shifted == touches[MNQ]
    assert any(isinstance(event, Print) and event.contract_id == NEXT for event in whole)


def test_a_push_of_the_next_contract_reaches_its_target() -> None:
    market = ScriptedMarket()
    rolling = RollingMarket(market)
    added = rolling.list_next("MNQ", START)
    rolling.push(NEXT, 81_000 + added.offset, 5.0)
    assert market.pushes == [(MNQ, 81_000, 5.0)]
    assert contract_of("MNQ", SessionCalendar.shipped().risk_day(START), START).id == MNQ
