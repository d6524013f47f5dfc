"""The cut of the day, early closes, products that close earlier, the roll at 17:00 CT (gateway.md 18, 19.1)."""

from __future__ import annotations

import msgspec
import pytest

from bot.model.errors import ConfigError
from bot.model.times import parse_ts
from bot.paper.config import PaperOptions
from tests.unit.paper.programme_bench import USD, bench_of, figures
from tests.unit.paper.scripted import ACCOUNT, START, Bench

UNAVAILABLE = "Trading is currently unavailable. The instrument is not in an active trading status."
LONG_SL = {"ticks": -40, "type": 4}
CUTS = [
    ({}, "20:09:59.9", "20:10:00"), ({"flatten_at": "15:05:00"}, "20:04:59.9", "20:05:00"),
    ({"flatten_start": "15:08:00"}, "20:07:59.9", "20:08:00"),
    ({"flatten_at": "15:05:30", "flatten_start": "15:05:00"}, "20:04:59.9", "20:05:00"),
]  # fmt: skip


def test_the_day_rolls_at_five_in_the_afternoon_in_both_halves_of_the_year() -> None:
    for day, hour in (("2025-10-01", 22), ("2025-11-05", 23)):
        bench = bench_of("50KTC-V2-1-1", 50_000, start=f"{day}T{hour - 1}:59:59Z")
        before = figures(bench)["day"]
        bench.pass_(999)
        assert figures(bench)["day"] == before
        bench.pass_(1)
        assert figures(bench)["day"] == before + 1


def test_a_friday_rolls_into_monday() -> None:
    bench = bench_of("50KTC-V2-1-1", 50_000, start="2025-10-03T21:59:59Z")
    before = figures(bench)["day"]
    bench.pass_(1_000)
    assert figures(bench)["day"] == before + 3
    bench.pass_(2 * 86_400_000)
    assert figures(bench)["day"] == before + 3


def test_a_roll_and_a_cut_that_were_slept_through_are_made_up_for() -> None:
    bench = bench_of("50KTC-V2-DLL-1-1", 50_000, dll=10 * USD)
    bench.place(size=10, stopLossBracket=LONG_SL)
    bench.pass_(30)
    bench.venue.state.accounts[ACCOUNT].locked = True
    bench.venue.state.save_account(bench.venue.state.accounts[ACCOUNT], bench.venue.state.now)
    past = list(bench.venue.ledger.lines)
    late = msgspec.json.encode([START + 26 * 3_600_000_000_000, "alive", None])
    other = Bench(past=[*past, late], market=bench.market, login=False)
    other.clock._elapsed = 26 * 3_600_000_000_000
    other.token = bench.token
    other.venue.advance(other.clock.now())
    other.pass_(10)
    row = other.venue.accounts()[0]
    assert (row["locked"], row["day"]) == (False, figures(bench)["day"] + 1)
    assert not other.venue.state.positions
    assert not other.venue.state.live


@pytest.mark.parametrize(("options", "before", "cut"), CUTS)
def test_when_the_venue_flattens(options: dict[str, str], before: str, cut: str) -> None:
    day = "2025-10-01T"
    bench = bench_of("50KTC-V2-1-1", 50_000, PaperOptions(**options), start="2025-10-01T20:00:00Z")  # type: ignore[arg-type]
    bench.place(stopLossBracket=LONG_SL)
    bench.place(type=1, limitPrice=19000)
    bench.pass_((parse_ts(f"{day}{before}Z") - parse_ts("2025-10-01T20:00:00Z")) / 1e6)
    assert bench.position() is not None
    assert len(bench.orders()) == 2
    bench.pass_((parse_ts(f"{day}{cut}Z") - parse_ts(f"{day}{before}Z")) / 1e6)
    assert bench.orders((1, 8)) == []
    assert bench.place()["errorMessage"] == UNAVAILABLE
    bench.pass_(10)
    assert bench.position() is None
    closing = bench.orders((2,))[-1]
    assert (closing["customTag"], closing["type"]) == (None, 2)
    bench.pass_(30 * 60_000)
    assert len(bench.orders((2,))) == 2


@pytest.mark.parametrize(("option", "left"), [(True, 0), (False, 2)])
def test_resting_orders_at_the_cut(option: bool, left: int) -> None:
    bench = bench_of(
        "50KTC-V2-1-1", 50_000, PaperOptions(cancel_at_cutoff=option), start="2025-10-01T20:09:00Z"
    )
    bench.place(stopLossBracket=LONG_SL)
    resting = bench.place(type=1, limitPrice=19000)["orderId"]
    bench.pass_(61_000)
    assert bench.position() is None
    assert len(bench.orders()) == left
    cancelled = bench.call("Order/cancel", accountId=ACCOUNT, orderId=resting)
    assert cancelled["success"] is (left == 2)


def test_cancels_are_taken_from_the_cut_to_the_roll() -> None:
    options = PaperOptions(cancel_at_cutoff=False)
    bench = bench_of("50KTC-V2-1-1", 50_000, options, start="2025-10-01T20:09:00Z")
    ids = [bench.place(type=1, limitPrice=19000)["orderId"] for _ in range(2)]
    for minutes, order in ((5, ids[0]), (100, ids[1])):
        bench.pass_(minutes * 60_000)
        assert bench.call("Order/cancel", accountId=ACCOUNT, orderId=order)["success"]


@pytest.mark.parametrize(("lead", "last"), [(10, "18:04:59"), (0, "18:14:59"), (30, "17:44:59")])
def test_the_cut_lies_ahead_of_an_early_close(lead: int, last: str) -> None:
    options = PaperOptions(holiday_flat_lead_min=lead)
    after = last[:-2].replace(last[3:5], str(int(last[3:5]) + 1).zfill(2)) + "00"
    for at, taken in ((last, True), (after, False)):
        bench = bench_of("50KTC-V2-1-1", 50_000, options, start=f"2025-11-28T{at}Z")
        assert bench.place()["success"] is taken, at


@pytest.mark.parametrize(("root", "opens", "last", "closes"), [
    ("ZC", "13:30:00", "18:09:59", "18:10:00"), ("LE", "13:30:00", "17:54:59", "17:55:00"),
])  # fmt: skip
def test_products_that_close_earlier_are_cut_before_their_own_close(
    root: str, opens: str, last: str, closes: str
) -> None:
    def bench(at: str) -> Bench:
        return Bench(start=parse_ts(f"2025-10-01T{at}Z"), roots=("MNQ", root))

    def contract(venue: Bench) -> str:
        return next(cid for cid, row in venue.market.contracts.items() if row.root == root)

    for at, taken in ((opens, True), (last, True), (closes, False)):
        venue = bench(at)
        assert venue.place(contractId=contract(venue))["success"] is taken, at
    venue = bench(last)
    venue.place(contractId=contract(venue))
    venue.place()
    venue.pass_(900)
    assert venue.position(contract=contract(venue)) is not None
    venue.pass_(200)
    assert venue.position(contract=contract(venue)) is None
    assert venue.position() is not None


def test_the_start_of_the_flattening_cannot_lie_behind_its_end() -> None:
    with pytest.raises(ConfigError, match="at or before flatten_at, 15:10:00"):
        Bench(PaperOptions(flatten_start="15:11:00"))


def test_flat_times_can_change_while_the_venue_runs() -> None:
    bench = bench_of("50KTC-V2-1-1", 50_000, start="2025-10-01T20:00:00Z")
    bench.place()
    bench.venue.set_options({"flatten_at": "15:02:00"})
    bench.pass_(121_000)
    assert bench.position() is None
    assert not bench.place()["success"]
    bench.venue.set_options({"flatten_at": "15:10:00"})
    assert bench.place()["success"]
    bench.pass_(7 * 60_000)
    assert bench.position() is not None
    bench.pass_(60_000)
    assert bench.position() is None
