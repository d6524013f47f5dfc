"""The programme's rules: loss limits, floors, scaling, greatest position (gateway.md 19.2)."""

from __future__ import annotations

import msgspec
import pytest

from bot.paper.config import PaperAccount, PaperOptions
from bot.paper.programme import PROGRAMME, Tier
from tests.unit.paper.programme_bench import USD, again_of, bench_of, end_day, figures
from tests.unit.paper.scripted import ACCOUNT, MNQ

LONG_SL = {"ticks": -40, "type": 4}


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
