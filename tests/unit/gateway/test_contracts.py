"""Symbols to contracts, and the cross-check of their data."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from bot.clock import VirtualClock
from bot.gateway.contracts import ContractRegistry, spec_mismatch
from bot.model.contract import Contract
from bot.model.errors import UnknownSymbol
from bot.model.instruments import INSTRUMENTS, contract_for
from bot.model.quantities import TickSize
from bot.model.times import HOUR, parse_ts

NOW = parse_ts("2025-11-03T15:00:00Z")


def registry(*contracts: Contract) -> ContractRegistry:
    made = ContractRegistry(VirtualClock(NOW))
    made.put(contracts or [contract_for(root, 2025, 12, NOW) for root in INSTRUMENTS])
    return made


@pytest.mark.parametrize("root", INSTRUMENTS)
def test_f085_f160_every_form_of_every_root_means_one_contract(root: str) -> None:
    known = registry()
    contract = contract_for(root, 2025, 12, NOW)
    for form in (root, f"{root}1!", f"@{root}", f"{root}Z5", f"{root}Z25", contract.id, contract.symbol_id):
        assert known.resolve(form) == contract
        assert known.resolve(f" {form.lower()} ") == contract


@pytest.mark.parametrize(
    "text", ["", "E", "XX", "ESS", "ESZ", "ES2!", "MNQH5", "CON.F.US.ES.Z25", "F.US.NOPE", "M"]
)
def test_what_is_no_symbol_is_refused(text: str) -> None:
    with pytest.raises(UnknownSymbol):
        registry().resolve(text)


def test_near_names_are_offered() -> None:
    with pytest.raises(UnknownSymbol, match="MNQ"):
        registry().resolve("MNQQ")


def test_f166_the_nearest_unexpired_active_month_wins_whatever_the_text_order() -> None:
    months = [contract_for("MNQ", year, month, NOW) for year, month in ((2025, 12), (2026, 3), (2026, 6))]
    old = contract_for("MNQ", 2025, 9, NOW)
    for order in itertools.permutations([*months, old]):
        assert registry(*order).active("MNQ") == months[0]
    rolled = [msgspec.structs.replace(months[0], active=False), *months[1:]]
    assert registry(*rolled).active("MNQ") == months[1]
    assert registry(*rolled).resolve("MNQZ5").active is False
    with pytest.raises(UnknownSymbol):
        registry(old).active("MNQ")


def test_f158_an_altered_record_is_a_mismatch() -> None:
    for root in INSTRUMENTS:
        assert spec_mismatch(contract_for(root, 2025, 12, NOW)) == ""
    good = contract_for("MYM", 2025, 12, NOW)
    changes = {
        "tick": TickSize(1, 2),
        "tick_value": 1,
        "symbol_id": "F.US.YM",
        "name": "YMZ5",
        "id": "CON.F.US.XY.Z25",
    }
    for member, value in changes.items():
        bad = msgspec.structs.replace(good, **{member: value})
        assert spec_mismatch(bad)
        assert list(registry(bad, contract_for("ES", 2025, 12, NOW)).mismatches()) == [bad.id]


def test_a_record_is_fit_for_orders_for_a_day() -> None:
    known = registry()
    contract = known.resolve("ES")
    assert known.fit_for_orders(contract)
    assert not known.fit_for_orders(msgspec.structs.replace(contract, seen_at=NOW - 24 * HOUR))


def test_records_are_bounded() -> None:
    known = registry(
        *(contract_for("CL", 2000 + year, month, NOW) for year in range(99) for month in range(1, 13))
    )
    known.put(contract_for("NG", 2000 + year, month, NOW) for year in range(99) for month in range(1, 13))
    assert len(known.all()) == 2000
    assert known.get("CON.F.US.NGE.Z98") is not None
    assert known.get("CON.F.US.CLE.F00") is None
