"""The 52 products as the gateway lists them, against the specification's table (gateway.md 8.4, 16, 17)."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal

import pytest

from bot.model.contract import MONTH_LETTERS
from bot.model.instruments import INSTRUMENTS, expiry_day, front_month, roll_day
from bot.model.times import parse_ts
from bot.paper import wire
from bot.paper.catalogue import display_name
from tests.unit.paper.scripted import Bench

# symbol, product, tick, dollars a tick, dollars a round turn, months, hours, u = micro
TABLE = """\
ES  EP   0.25       12.50  2.80 HMUZ     X -
MES MES  0.25       1.25   0.74 HMUZ     X u
NQ  ENQ  0.25       5.00   2.80 HMUZ     X -
MNQ MNQ  0.25       0.50   0.74 HMUZ     X u
YM  YM   1          5.00   2.80 HMUZ     X -
MYM MYM  1          0.50   0.74 HMUZ     X u
RTY RTY  0.1        5.00   2.80 HMUZ     X -
M2K M2K  0.1        0.50   0.74 HMUZ     X u
EMD EMD  0.1        10.00  2.80 HMUZ     X -
NKD NKD  5          25.00  4.34 HMUZ     X -
CL  CLE  0.01       10.00  3.04 all      X -
MCL MCLE 0.01       1.00   1.04 all      X u
QM  NQM  0.025      12.50  2.44 all      X -
NG  NGE  0.001      10.00  3.24 all      X -
MNG MNG  0.001      1.00   1.04 all      X u
QG  NQG  0.005      12.50  2.44 all      X -
HO  HOE  0.0001     4.20   3.04 all      X -
RB  RBE  0.0001     4.20   3.04 all      X -
GC  GCE  0.1        10.00  3.24 GJMQVZ   X -
MGC MGC  0.1        1.00   1.24 GJMQVZ   X u
SI  SIE  0.005      25.00  3.24 HKNUZ    X -
SIL SIL  0.005      5.00   2.04 HKNUZ    X u
HG  CPE  0.0005     12.50  3.24 HKNUZ    X -
MHG MHG  0.0005     1.25   1.24 HKNUZ    X u
PL  PLE  0.1        5.00   3.24 FJNV     X -
MBT MBT  5          0.50   2.34 all      X u
6E  EU6  0.00005    6.25   3.24 HMUZ     X -
E7  EEU  0.0001     6.25   3.24 HMUZ     X -
M6E M6E  0.0001     1.25   0.52 HMUZ     X u
6B  BP6  0.0001     6.25   3.24 HMUZ     X -
M6B M6B  0.0001     0.625  0.52 HMUZ     X u
6J  JY6  0.0000005  6.25   3.24 HMUZ     X -
6A  DA6  0.00005    5.00   3.24 HMUZ     X -
M6A M6A  0.0001     1.00   0.52 HMUZ     X u
6C  CA6  0.00005    5.00   3.24 HMUZ     X -
6S  SF6  0.00005    6.25   3.24 HMUZ     X -
6N  NE6  0.00005    5.00   3.24 HMUZ     X -
6M  MX6  0.00001    5.00   3.24 HMUZ     X -
ZT  TUA  0.00390625 7.8125 1.78 HMUZ     X -
ZF  FVA  0.0078125  7.8125 1.78 HMUZ     X -
ZN  TYA  0.015625   15.625 1.78 HMUZ     X -
TN  TNA  0.015625   15.625 1.78 HMUZ     X -
ZB  USA  0.03125    31.25  1.78 HMUZ     X -
UB  ULA  0.03125    31.25  1.78 HMUZ     X -
ZC  ZCE  0.25       12.50  4.30 HKNUZ    A -
ZW  ZWA  0.25       12.50  4.30 HKNUZ    A -
ZS  ZSE  0.25       12.50  4.30 FHKNQUX  A -
ZM  ZME  0.1        10.00  4.30 FHKNQUVZ A -
ZL  ZLE  0.01       6.00   4.30 FHKNQUVZ A -
LE  GLE  0.025      10.00  4.24 GJMQVZ   L -
HE  HE   0.025      10.00  4.24 GJKMNQVZ L -
MET GMET 0.5        0.05   0.24 all      X u
"""
ROWS = {row.split()[0]: row.split()[1:] for row in TABLE.splitlines()}
HOURS = {"X": "globex", "A": "grains", "L": "livestock"}
ALL = "FGHJKMNQUVXZ"


def months_of(root: str) -> str:
    """The letters that become front months; V of gold is listed and skipped."""
    letters = ROWS[root][4]
    if letters == "all":
        return ALL
    return letters.replace("V", "") if root in ("GC", "MGC") else letters


def test_the_gateway_ships_the_52_products_of_the_table() -> None:
    assert len(ROWS) == 52
    assert set(INSTRUMENTS) == set(ROWS)


@pytest.mark.parametrize("root", ROWS)
def test_a_product_is_what_the_table_says(root: str) -> None:
    product, tick, value, fee, _, hours, micro = ROWS[root]
    row = INSTRUMENTS[root]
    assert (row.product, row.symbol_id, row.group) == (product, f"F.US.{product}", HOURS[hours])
    assert Decimal(row.tick.num) / Decimal(row.tick.den) == Decimal(tick)
    assert row.tick_value == Decimal(value) * 1_000_000
    assert row.fee_rt == Decimal(fee) * 1_000_000
    assert row.weight == (1 if micro == "u" else 10)
    assert row.months == months_of(root)


def test_the_list_has_one_active_expiry_of_each_in_the_order_of_ids() -> None:
    bench = Bench()
    reply = bench.send("/api/Contract/available", b'{"live":false}')
    rows = json.loads(reply.body, parse_float=Decimal, parse_int=Decimal)["contracts"]
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    found = {row["symbolId"].removeprefix("F.US."): row for row in rows}
    assert len(rows) == len(found) == 52
    for root, (product, tick, value, *_) in ROWS.items():
        row = found[product]
        year, month = front_month(root, date(2025, 10, 1))
        letter = MONTH_LETTERS[month - 1]
        assert row["id"] == f"CON.F.US.{product}.{letter}{year % 100:02d}"
        assert row["name"] == f"{root}{letter}{year % 10}"
        assert row["description"].endswith(f": {date(year, month, 1):%B %Y}")
        assert (row["tickSize"], row["tickValue"]) == (Decimal(tick), Decimal(value))
        assert row["activeContract"] is True
        assert set(row) == {
            "id",
            "name",
            "description",
            "tickSize",
            "tickValue",
            "activeContract",
            "symbolId",
        }
        assert display_name(row["id"]) == f"{root}{letter}{year % 100:02d}"


@pytest.mark.parametrize("root", ROWS)
def test_front_months_follow_their_cycle_and_roll_before_expiry(root: str) -> None:
    day, seen = date(2025, 1, 1), set()
    while day < date(2027, 6, 1):
        year, month = front_month(root, day)
        seen.add(MONTH_LETTERS[month - 1])
        assert day < roll_day(root, year, month) <= expiry_day(root, year, month)
        day += timedelta(days=7)
    assert seen == set(months_of(root))


def test_roll_dates_are_the_monday_of_expiry_week_or_three_sessions_before() -> None:
    for root in ROWS:
        letter = months_of(root)[-1]
        month = MONTH_LETTERS.index(letter) + 1
        expiry, roll = expiry_day(root, 2026, month), roll_day(root, 2026, month)
        sessions = sum((roll + timedelta(days=n)).weekday() < 5 for n in range((expiry - roll).days))
        if INSTRUMENTS[root].expiry == "third_friday":
            assert (expiry.weekday(), roll.weekday(), (expiry - roll).days) == (4, 0, 4)
        else:
            assert sessions == 3


def test_expiries_sort_by_year_and_month_not_by_text() -> None:
    bench = Bench(start=parse_ts("2025-12-01T15:00:00Z"))
    texts = ["CON.F.US.MNQ.H26", "CON.F.US.MNQ.M26", "CON.F.US.MNQ.Z25"]
    found = [bench.venue.state.catalogue.find(text, bench.clock.now()) for text in texts]
    assert sorted(texts) != [row.id for row in sorted(found, key=lambda row: row.month_key)]
    assert [row.id for row in sorted(found, key=lambda row: row.month_key)] == [texts[2], texts[0], texts[1]]


@pytest.mark.parametrize(
    ("scaled", "places", "text"),
    [
        (633525, 2, "6335.25"), (633500, 2, "6335"), (0, 2, "0"), (-5, 1, "-0.5"), (5, 7, "5E-07"), (15, 7, "1.5E-06"),
        (1, 4, "0.0001"), (10, 5, "0.0001"), (9, 5, "9E-05"), (390625, 8, "0.00390625"), (-5, 7, "-5E-07"),
        (100, 7, "1E-05"), (12345, 9, "1.2345E-05"), (10**15, 0, "1000000000000000"),
    ],
)  # fmt: skip
def test_numbers_take_their_shortest_form(scaled: int, places: int, text: str) -> None:
    assert bytes(wire.number(scaled, places)).decode() == text
    assert Decimal(text) == Decimal(scaled).scaleb(-places)


@pytest.mark.parametrize(
    ("text", "rest", "hub"),
    [
        ("2025-10-01T00:00:00Z", "", ""), ("2025-10-01T00:00:00.1Z", ".1", ".1"),
        ("2025-10-01T00:00:00.02156730Z", ".021567", ".0215673"), ("2025-10-01T00:00:00.0000001Z", "", ".0000001"),
        ("2025-10-01T00:00:00.00000009Z", "", ""), ("2025-10-01T00:00:00.9999999Z", ".999999", ".9999999"),
    ],
)  # fmt: skip
def test_times_lose_their_zeros_but_never_their_offset(text: str, rest: str, hub: str) -> None:
    assert wire.rest_time(parse_ts(text)) == f"2025-10-01T00:00:00{rest}+00:00"
    assert wire.hub_time(parse_ts(text)) == f"2025-10-01T00:00:00{hub}+00:00"
