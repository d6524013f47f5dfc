"""The programme's rules: loss limits, floors, scaling, the cut, counts (gateway.md 19)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bot.model.errors import ConfigError
from bot.model.times import parse_ts
from bot.paper.config import PaperAccount, PaperOptions
from bot.paper.programme import PROGRAMME, Tier
from tests.unit.paper.scripted import ACCOUNT, MNQ, START, Bench

USD = 1_000_000
UNAVAILABLE = "Trading is currently unavailable. The instrument is not in an active trading status."
LONG_SL = {"ticks": -40, "type": 4}


def bench_of(name: str, balance: float, options: PaperOptions | None = None, start: str = "2025-10-01T14:30:00Z",
             **more: Any) -> Bench:  # fmt: skip
    account = PaperAccount(id=ACCOUNT, name=name, balance=int(balance * USD), **more)  # type: ignore[arg-type]
    return Bench(options, accounts=(account,), start=parse_ts(start))


def figures(bench: Bench) -> dict[str, Any]:
    return bench.venue.accounts()[0]


def end_day(bench: Bench, balance: float) -> None:
    """Let the day end at a balance, with at least one fill on it."""
    bench.venue.state.accounts[ACCOUNT].traded = True
    bench.venue.change_account({"id": ACCOUNT, "balance": int(balance * USD)})
    day = figures(bench)["day"]
    while figures(bench)["day"] == day:
        bench.pass_(6 * 3_600_000)


def again_of(bench: Bench) -> dict[str, Any]:
    """The first account after a restart with the same accounts and options."""
    other = Bench(
        bench.config.options, past=list(bench.venue.ledger.lines), market=bench.market, login=False,
        accounts=bench.config.accounts,
    )  # fmt: skip
    other.clock._elapsed = bench.clock._elapsed
    other.venue.advance(other.clock.now())
    return other.venue.accounts()[0]


def test_the_table_is_the_programmes() -> None:
    rows = {
        size: (
            tier.start,
            tier.profit_target,
            tier.max_loss,
            tier.daily_loss,
            tier.max_minis,
            tier.max_micros,
        )
        for size, tier in PROGRAMME.tiers.items()
    }
    assert rows == {
        "50K": (50_000, 3_000, 2_000, 1_000, 5, 50),
        "100K": (100_000, 6_000, 3_000, 2_000, 10, 100),
        "150K": (150_000, 9_000, 4_500, 3_000, 15, 150),
    }
    assert [tier.winning_day for tier in PROGRAMME.tiers.values()] == [150, 200, 200]
    assert PROGRAMME.winning_days == 5
    assert PROGRAMME.source
    assert PROGRAMME.date == "2026-09"


@pytest.mark.parametrize(("name", "start", "ends", "floors"), [
    ("100KTC-V2-1-1", 100_000, (100_000, 101_500, 100_700, 103_900), (97_000, 98_500, 98_500, 100_000)),
    ("50KTC-V2-1-1", 50_000, (51_200, 49_200, 52_500), (49_200, 49_200, 50_000)),
    ("50KTC-V2-1-1", 50_000, (52_500, 50_100), (50_000, 50_000)),
    ("EXPRESS-V2-1-1", 0, (0, 1_200, 900, 2_600), (-2_000, -800, -800, 0)),
])  # fmt: skip
def test_vector_6_floors_at_day_ends(
    name: str, start: float, ends: tuple[float, ...], floors: tuple[float, ...]
) -> None:
    bench = bench_of(name, start)
    seen = []
    for balance in ends:
        end_day(bench, balance)
        seen.append(figures(bench)["floor"] / USD)
    assert tuple(seen) == floors


@pytest.mark.parametrize(("trail", "floor"), [("end_of_day", 48_000), ("intraday", 48_199.38)])
def test_the_floor_rises_at_day_end_or_with_every_peak(trail: str, floor: float) -> None:
    bench = bench_of("50KTC-V2-1-1", 50_000, PaperOptions(mll_trail=trail))
    bench.trade(79_999)
    bench.place()
    bench.pass_(5)
    bench.trade(80_400)
    bench.trade(80_100)
    assert figures(bench)["floor"] / USD == floor
    assert again_of(bench)["floor"] == figures(bench)["floor"]


def test_a_funded_account_that_was_paid_has_its_floor_at_zero() -> None:
    bench = bench_of("EXPRESS-V2-1-1", 0)
    assert figures(bench)["floor"] == -2_000 * USD
    bench.venue.change_account({"id": ACCOUNT, "balance": 500 * USD, "paid_out": True})
    assert figures(bench)["floor"] == 0
    bench.place(contractId=MNQ, size=20)
    bench.pass_(5)
    bench.trade(79_950)
    bench.pass_(5)
    assert figures(bench)["breached"]
    assert again_of(bench)["paid_out"]


def test_a_practice_account_has_no_floor_and_can_be_reset() -> None:
    bench = bench_of("PRAC-V2-1-1", 150_000)
    bench.venue.change_account({"id": ACCOUNT, "balance": -5 * USD})
    bench.place()
    bench.pass_(5)
    assert figures(bench)["floor"] is None
    assert bench.place(side=1)["success"]
    bench.venue.change_account({"id": ACCOUNT, "balance": 150_000 * USD, "can_trade": True})
    assert bench.balance() == 150_000


@pytest.mark.parametrize(("name", "steps"), [
    ("50K", {-100: 2, 0: 2, 1_499.99: 2, 1_500: 3, 2_000: 3, 2_000.01: 5, 9_000: 5}),
    ("100K", {0: 3, 1_499: 3, 1_500: 4, 2_000: 5, 2_999: 5, 3_000: 10}),
    ("150K", {0: 3, 1_500: 4, 2_000: 5, 3_000: 10, 4_499: 10, 4_500: 15}),
])  # fmt: skip
def test_the_scaling_plan(name: str, steps: dict[float, int]) -> None:
    account = PaperAccount(id=1, name="EXPRESS-V2-1", balance=0, size=name)  # type: ignore[arg-type]
    for profit, minis in steps.items():
        assert account.max_tenths(int(profit * USD)) == minis * 10, profit


def test_a_step_of_the_scaling_plan_is_in_force_from_the_next_session() -> None:
    bench = bench_of("EXPRESS-V2-1-1", 0)
    assert bench.place(size=21)["errorMessage"] == "Not enough margin."
    assert bench.place(type=1, limitPrice=19000, size=20)["success"]
    bench.venue.change_account({"id": ACCOUNT, "balance": 1_600 * USD})
    assert not bench.place(type=1, limitPrice=19000, size=10)["success"]
    bench.pass_(7.6 * 3_600_000)
    assert figures(bench)["max_tenths"] == 30
    assert bench.place(type=1, limitPrice=19000, size=30)["success"]
    assert not bench.place(type=1, limitPrice=19000, size=1)["success"]


def test_the_combine_has_full_size_from_the_first_day() -> None:
    assert bench_of("100KTC-V2-1-1", 100_000).place(size=100)["success"]


@pytest.mark.parametrize(("code", "text"), [(2, "Not enough margin."), (3, "Insufficient funds")])
def test_the_refusal_of_a_too_large_order(code: int, text: str) -> None:
    bench = bench_of("50KTC-V2-1-1", 50_000, PaperOptions(size_limit_code=code, size_limit_text=text))  # type: ignore[arg-type]
    answer = bench.place(size=51)
    assert (answer["errorCode"], answer["errorMessage"]) == (code, text)
    assert (answer["orderId"] is None) == (code == 3)


def test_bracket_children_do_not_count_and_reducing_is_never_refused() -> None:
    bench = bench_of("50KTC-V2-1-1", 50_000)
    bench.place(size=50, stopLossBracket=LONG_SL)
    bench.pass_(30)
    assert bench.place(side=1, type=1, limitPrice=20010, size=50)["success"]
    assert bench.place(side=1, size=50)["success"]
    assert not bench.place(side=1, size=101)["success"]


def test_an_account_may_have_terms_of_its_own() -> None:
    terms = msgspec.structs.replace(PROGRAMME.tiers["50K"], max_minis=1, max_micros=10, max_loss=100)
    bench = bench_of("50KTC-V2-1-1", 50_000, tier_terms=terms)
    assert not bench.place(size=11)["success"]
    assert figures(bench)["floor"] == 49_900 * USD
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"start": 1}, Tier)


@pytest.mark.parametrize(("breached_code", "listed"), [(4, False), (10, False)])
def test_a_breached_account(breached_code: int, listed: bool) -> None:
    bench = bench_of("50KTC-V2-1-1", 48_010, PaperOptions(breached_code=breached_code, token_life_s=200_000))  # type: ignore[arg-type]
    bench.place(size=5, customTag="x", stopLossBracket={"ticks": -900, "type": 4},
                takeProfitBracket={"ticks": 900, "type": 1})  # fmt: skip
    bench.place(type=1, limitPrice=19000)
    bench.pass_(30)
    bench.trade(79_990)
    bench.pass_(10)
    assert bench.position() is None
    assert bench.orders() == []
    closing = bench.orders((2,))[-1]
    assert (closing["type"], closing["customTag"], closing["side"]) == (2, None, 1)
    answer = bench.place()
    assert (answer["errorCode"], answer["errorMessage"], answer["orderId"]) == (breached_code, None, None)
    assert bool(bench.call("Account/search", onlyActiveAccounts=True)["accounts"]) is listed
    bench.pass_(86_400_000)
    assert bench.place()["errorCode"] == breached_code
    assert figures(bench)["breached"]


def test_a_daily_limit_measures_result_and_fees_since_five_in_the_afternoon() -> None:
    bench = bench_of("50KTC-V2-DLL-1-1", 50_000, start="2025-10-01T20:00:00Z", dll=15 * USD)
    bench.place(size=10)
    bench.pass_(5)
    assert figures(bench)["locked"] is False
    bench.trade(79_999)
    bench.pass_(5)
    assert bench.position() is None
    account = bench.call("Account/search", onlyActiveAccounts=True)["accounts"][0]
    assert account["canTrade"] is False
    refused = bench.place()
    assert (refused["errorCode"], refused["errorMessage"], refused["orderId"]) == (4, None, None)
    bench.pass_(2 * 3_600_000 - 2_000)
    assert bench.place()["errorCode"] == 4
    user = bench.listen("user", ("SubscribeAccounts", []))
    bench.pass_(2_000)
    assert [row["canTrade"] for row in user.data("GatewayUserAccount")] == [False, True]
    assert bench.place()["success"]


def test_without_a_daily_limit_nothing_is_locked() -> None:
    bench = bench_of("50KTC-V2-1-1", 50_000)
    bench.place(size=50)
    bench.pass_(5)
    bench.trade(79_940)
    assert figures(bench)["equity"] < 48_600 * USD
    assert not figures(bench)["locked"]
    assert bench.position() is not None


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


CUTS = [
    ({}, "20:09:59.9", "20:10:00"), ({"flatten_at": "15:05:00"}, "20:04:59.9", "20:05:00"),
    ({"flatten_start": "15:08:00"}, "20:07:59.9", "20:08:00"),
    ({"flatten_at": "15:05:30", "flatten_start": "15:05:00"}, "20:04:59.9", "20:05:00"),
]  # fmt: skip


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


def test_consistency_days_and_winning_days_are_counted() -> None:
    bench = bench_of("50KTC-V2-1-1", 50_000)
    for balance in (50_150, 50_299, 51_799, 51_500):
        end_day(bench, balance)
    row = figures(bench)
    assert (row["days_traded"], row["winning_days"], row["best_day"]) == (4, 2, 1_500 * USD)
    assert (row["profit"], row["consistency"], row["consistent"]) == (1_500 * USD, 100.0, False)
    assert (row["target_reached"], row["passed"], row["days_enough"]) == (False, False, True)
    end_day(bench, 52_900)
    end_day(bench, 53_001)
    row = figures(bench)
    assert row["consistency"] == 49.98
    assert (row["consistent"], row["passed"]) == (True, True)
    assert again_of(bench) == row
    bench.pass_(4 * 86_400_000)
    assert figures(bench)["days_traded"] == 6


@pytest.mark.parametrize(
    ("pct", "days", "passed"), [(50, None, True), (40, None, False), (50, 3, True), (50, 4, False)]
)
def test_what_passing_wants_is_an_option(pct: int, days: int | None, passed: bool) -> None:
    bench = bench_of("50KTC-V2-1-1", 50_000, PaperOptions(consistency_pct=pct, min_days=days))
    for balance in (51_400, 52_500, 53_500):
        end_day(bench, balance)
    row = figures(bench)
    assert (row["consistency"], row["consistency_pct"], row["min_days"]) == (40.0, pct, days)
    assert row["passed"] is passed


def test_the_running_day_counts() -> None:
    bench = bench_of("EXPRESS-V2-1-1", 0)
    assert (figures(bench)["days_traded"], figures(bench)["consistency"]) == (0, None)
    bench.trade(79_999)
    bench.place(size=20)
    bench.pass_(5)
    assert figures(bench)["days_traded"] == 1
    bench.trade(80_031)
    bench.place(side=1, size=20)
    bench.pass_(5)
    row = figures(bench)
    assert (row["winning_days"], row["winning_day"], row["winning_days_wanted"]) == (1, 150 * USD, 5)
    assert row["best_day"] == row["profit"] == row["day_result"]
    assert (row["profit_target"], row["program"], row["size"]) == (None, "express", "50K")


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
