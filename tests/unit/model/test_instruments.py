"""Front months, rolls and expiries of the instrument table."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.contract import split_contract_id
from bot.model.errors import UnknownSymbol
from bot.model.instruments import (
    BY_PRODUCT,
    INSTRUMENTS,
    contract_of,
    expiry_day,
    front_month,
    instrument,
    roll_day,
)


def test_index_rolls_on_monday_of_expiry_week() -> None:
    assert expiry_day("MES", 2026, 3) == date(2026, 3, 20)
    assert roll_day("MES", 2026, 3) == date(2026, 3, 16)
    assert front_month("MES", date(2026, 3, 15)) == (2026, 3)
    assert front_month("MES", date(2026, 3, 16)) == (2026, 6)


@pytest.mark.parametrize(
    ("root", "year", "month", "expiry"),
    [
        ("CL", 2026, 9, date(2026, 8, 20)),  # the 25th is a Tuesday
        ("CL", 2026, 5, date(2026, 4, 21)),  # the 25th is a Saturday
        ("GC", 2026, 2, date(2026, 2, 25)),
        ("6E", 2026, 3, date(2026, 3, 16)),
        ("NG", 2026, 4, date(2026, 3, 27)),
        ("ZF", 2026, 3, date(2026, 3, 31)),
        ("ZN", 2026, 3, date(2026, 3, 20)),
        ("HO", 2026, 1, date(2025, 12, 29)),
    ],
)
def test_expiry_rules(root: str, year: int, month: int, expiry: date) -> None:
    assert expiry_day(root, year, month) == expiry


def test_gold_skips_october_as_front_month() -> None:
    months = {front_month("GC", date(2026, 1, 1) + timedelta(days=i))[1] for i in range(365)}
    assert months == {2, 4, 6, 8, 12}


@given(st.sampled_from(sorted(INSTRUMENTS)), st.dates(date(2023, 1, 1), date(2027, 12, 31)))
def test_front_month_never_expired_and_never_goes_back(root: str, day: date) -> None:
    year, month = front_month(root, day)
    assert expiry_day(root, year, month) > day
    assert front_month(root, day + timedelta(days=1)) >= (year, month)


def test_contract_record_of_the_front_month() -> None:
    contract = contract_of("ES", date(2025, 11, 3), 7)
    assert (contract.id, contract.name, contract.symbol_id) == ("CON.F.US.EP.Z25", "ESZ5", "F.US.EP")
    assert contract.description == "E-Mini S&P 500: December 2025"
    assert contract.seen_at == 7 and contract.active
    assert split_contract_id(contract.id) == ("EP", "Z", 2025) and BY_PRODUCT["EP"].root == "ES"


def test_search_texts_hit_what_the_venue_hits() -> None:
    def hits(text: str) -> set[str]:
        day = date(2026, 8, 3)
        found = [contract_of(root, day, 0) for root in INSTRUMENTS]
        return {c.product for c in found if text in f"{c.name} {c.description}".upper()}

    assert hits("ES") == {"EP", "MES", "FVA", "JY6", "MX6", "TYA"}
    assert hits("YM") == {"YM", "MYM"}


def test_unknown_root_is_refused() -> None:
    with pytest.raises(UnknownSymbol, match="XX"):
        instrument("XX")
