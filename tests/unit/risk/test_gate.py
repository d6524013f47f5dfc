"""What the gate lets pass, what it refuses, and that nothing else can approve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.calendar.sessions import SessionCalendar
from bot.model.codes import Code
from bot.model.intents import (
    ApprovedIntent,
    Bracket,
    CancelOrder,
    ClosePosition,
    Denial,
    Intent,
    ModifyOrder,
    PlaceOrder,
    claim_seal,
)
from bot.model.quantities import Money, TickSize
from bot.model.risk import StrategyPolicy
from bot.model.times import HOUR, MINUTE, SECOND, parse_ts
from bot.risk.gate import Gate
from bot.risk.subject import GateLimits
from tests.unit.risk.picture import ACCOUNT, LAST, Picture

CALENDAR = SessionCalendar.shipped()
NOW = parse_ts("2025-11-03T15:00:00Z")


@pytest.fixture
def picture() -> Picture:
    return Picture(NOW)


def answer(picture: Picture, intent: Intent, **limits: Any) -> Code | None:
    """None when it is approved."""
    got = Gate(CALENDAR, limits=GateLimits(**limits)).approve(intent, picture.view(), NOW)
    return got.code if isinstance(got, Denial) else None


def base(**fields: Any) -> dict[str, Any]:
    return {
        "key": "k1",
        "account_id": ACCOUNT,
        "contract_id": "CON.F.US.MNQ.Z25",
        "source": "manual",
        **fields,
    }


# --- the seal


def test_nothing_but_the_gate_can_approve(picture: Picture) -> None:
    with pytest.raises(RuntimeError, match=r"only bot\.risk"):
        ApprovedIntent(object(), picture.entry(), 1, NOW)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="claimed already"):
        claim_seal()


def test_an_approval_carries_the_version_it_was_decided_on(picture: Picture) -> None:
    approved = Gate(CALENDAR).approve(picture.entry(), picture.view(), NOW)
    assert isinstance(approved, ApprovedIntent)
    assert (approved.intent, approved.view_version, approved.approved_at) == (picture.entry(), 3, NOW)


def test_only_the_gate_module_claims_the_seal() -> None:
    root = Path(__file__).parents[3]
    users = [path for path in sorted((root / "bot").rglob("*.py")) if "_seal" in path.read_text()]
    assert [str(path.relative_to(root)) for path in users] == ["bot/model/intents.py", "bot/risk/gate.py"]


# --- form


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"key": ""}, Code.BAD_FIELD),
        ({"strategy": "Over Night"}, Code.BAD_FIELD),
        ({"side": 2}, Code.UNKNOWN_SIDE),
        ({"type": 3}, Code.UNKNOWN_TYPE),
        ({"type": 9}, Code.UNKNOWN_TYPE),
        ({"size": 0}, Code.BAD_QUANTITY),
        ({"size": 19_500}, Code.BAD_QUANTITY),
        ({"stop": None}, Code.BAD_FIELD),
        ({"limit": 80_000}, Code.BAD_FIELD),
        ({"stop": 1 << 63}, Code.BAD_NUMBER),
        ({"contract_id": "CON.F.US.MES.Z25"}, Code.UNKNOWN_SYMBOL),
        ({"account_id": 9}, Code.ACCOUNT_NOT_ALLOWED),
    ],
)
def test_malformed_entries_are_refused(picture: Picture, changes: dict[str, Any], code: Code) -> None:
    assert answer(picture, picture.entry(**changes)) == code


# --- account and state


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"colour": "amber"}, Code.NOT_RECONCILED),
        ({"colour": "red"}, Code.NOT_RECONCILED),
        ({"unresolved": frozenset({"CON.F.US.MNQ.Z25"})}, Code.UNRESOLVED_INTENT),
        ({"unresolved": frozenset({"CON.F.US.MES.Z25"})}, None),
        ({"hub_ok": False}, Code.HUB_DEGRADED),
    ],
)
def test_entries_need_a_known_account(picture: Picture, changes: dict[str, Any], code: Code | None) -> None:
    picture.account_fields |= changes
    assert answer(picture, picture.entry()) == code


def test_entries_need_a_store_and_a_fresh_view(picture: Picture) -> None:
    picture.view_fields = {"store_ok": False}
    assert answer(picture, picture.entry()) == Code.STORE_UNAVAILABLE
    fresh = Picture(NOW)
    old = msgspec.structs.replace(fresh.view(), as_of=NOW - 2 * SECOND - 1_000_000)
    got = Gate(CALENDAR).approve(fresh.entry(), old, NOW)
    assert isinstance(got, Denial)
    assert got.code == Code.RISK_VIEW_STALE


@pytest.mark.parametrize(
    ("name", "live", "enabled", "code"),
    [
        ("PRAC-V2-1", False, (), None),
        ("50KTC-V2-1", False, (ACCOUNT,), Code.ACCOUNT_NOT_ALLOWED),
        ("50KTC-V2-1", True, (), Code.ACCOUNT_NOT_ALLOWED),
        ("50KTC-V2-1", True, (ACCOUNT,), None),
        ("50KTC-PRACTICE-1", False, (), Code.ACCOUNT_NOT_ALLOWED),
        ("PRACTICAL-1", False, (), Code.ACCOUNT_NOT_ALLOWED),
    ],
)
def test_f122_only_practice_accounts_trade_unless_enabled_twice(
    picture: Picture, name: str, live: bool, enabled: tuple[int, ...], code: Code | None
) -> None:
    picture.name = name
    picture.view_fields = {"live": live, "live_accounts": frozenset(enabled)}
    assert answer(picture, picture.entry()) == code
    picture.hold(1)
    assert answer(picture, ClosePosition(**base())) == code
    assert (
        answer(picture, PlaceOrder(**base(kind="SL", side=1, type=4, size=1, stop=79_900, reduce=True)))
        == code
    )
    picture.account_fields["exits_allowed"] = True
    assert answer(picture, ClosePosition(**base())) is None


def test_f137_exits_pass_on_an_account_that_may_not_trade(picture: Picture) -> None:
    picture.can_trade = False
    picture.hold(1)
    assert answer(picture, picture.entry()) == Code.ACCOUNT_NOT_ALLOWED
    assert answer(picture, ClosePosition(**base())) is None


def test_contract_records_are_checked(picture: Picture) -> None:
    good = picture.contract
    picture.contract = msgspec.structs.replace(good, active=False)
    assert answer(picture, picture.entry()) == Code.CONTRACT_NOT_ACTIVE
    picture.contract = msgspec.structs.replace(good, seen_at=NOW - 24 * HOUR - 1)
    assert answer(picture, picture.entry()) == Code.CONTRACT_DATA_STALE
    picture.contract = good
    picture.view_fields = {"mismatched": frozenset({good.id})}
    assert answer(picture, picture.entry()) == Code.SPEC_MISMATCH


# --- trading states


@pytest.mark.parametrize(
    ("state", "source", "entry", "exit_code", "edit"),
    [
        ("ACTIVE", "strategy", None, None, None),
        ("REDUCING", "strategy", Code.REDUCING, None, None),
        ("HALTED", "strategy", Code.HALTED, Code.HALTED, Code.HALTED),
        ("HALTED", "manual", Code.HALTED, None, None),
        ("HALTED", "guard", Code.HALTED, None, None),
    ],
)
def test_trading_states(
    picture: Picture, state: Any, source: str, entry: Code | None, exit_code: Code | None, edit: Code | None
) -> None:
    picture.state = state
    assert answer(picture, picture.entry(source=source)) == entry
    picture.hold(2)
    picture.work(11, 1, 2, stop=79_900, parent_id=5)
    assert answer(picture, PlaceOrder(**base(source=source, kind="CL", side=1, type=2, size=1))) == exit_code
    assert answer(picture, ModifyOrder(**base(source=source, order_id=11, stop=79_950))) == edit
    assert answer(picture, CancelOrder(**base(source=source, order_id=11))) is None
    assert answer(picture, ClosePosition(**base(source=source))) is None


# --- effects


def test_reducing_orders_pass_no_entry_gate(picture: Picture) -> None:
    picture.hold(-2)
    picture.price_age_ms = None
    picture.account_fields = {"colour": "red", "unresolved": frozenset({picture.contract.id})}
    picture.rules = msgspec.structs.replace(picture.rules, status="MLL_BREACHED")
    assert answer(picture, PlaceOrder(**base(kind="CL", side=0, type=2, size=2))) is None


def test_the_guards_stop_passes_before_the_view_shows_the_position(picture: Picture) -> None:
    stop = PlaceOrder(**base(source="guard", kind="SL", side=1, type=4, size=1, stop=79_900, reduce=True))
    assert answer(picture, stop) is None
    assert answer(picture, msgspec.structs.replace(stop, source="manual")) == Code.POSITION_NOT_FOUND


def test_an_order_that_would_turn_the_position_is_refused(picture: Picture) -> None:
    picture.hold(1)
    turn = PlaceOrder(**base(kind="BR", side=1, type=2, size=3, bracket=Bracket(40, 80)))
    assert answer(picture, turn) == Code.WOULD_FLIP
    assert answer(picture, turn, allow_flip=True) is None
    assert answer(picture, msgspec.structs.replace(turn, reduce=True)) == Code.BAD_CLOSE_SIZE


def test_an_entry_with_a_bracket_against_the_position_meets_the_gates(picture: Picture) -> None:
    picture.hold(1)
    picture.rules = msgspec.structs.replace(picture.rules, status="DLL_LOCKED")
    entry = PlaceOrder(**base(kind="BR", side=1, type=2, size=1, bracket=Bracket(40, 80)))
    assert answer(picture, entry) == Code.DLL_LOCKED


# --- gates that need the intent


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"bracket": None}, Code.BAD_BRACKET),
        ({"bracket": Bracket(100)}, Code.BAD_BRACKET),
        ({"bracket": Bracket(3, 100)}, Code.BAD_BRACKET),
        ({"bracket": Bracket(100, 3)}, Code.BAD_BRACKET),
        ({"bracket": Bracket(-100, 160)}, Code.BAD_BRACKET),
        ({"bracket": Bracket(4, 1000)}, None),
        ({"bracket": Bracket(1001, 100)}, Code.BRACKET_TOO_WIDE),
        ({"stop": LAST}, Code.ENTRY_PASSED),
        ({"stop": LAST + 1}, None),
        ({"side": 1, "stop": LAST}, Code.ENTRY_PASSED),
        ({"side": 1, "stop": LAST - 1}, None),
        ({"stop": LAST + 1001}, Code.PRICE_OUT_OF_BAND),
        ({"type": 2, "stop": None, "kind": "BR", "reference": LAST + 9}, None),
        ({"type": 2, "stop": None, "kind": "BR", "reference": LAST + 10}, Code.PRICE_MOVED),
        ({"type": 2, "stop": None, "kind": "BR", "side": 1, "reference": LAST - 10}, Code.PRICE_MOVED),
        ({"size": 6}, Code.MAX_RISK_DOLLARS),
        ({"size": 20}, Code.SIZE_ZERO),
        ({"size": 51, "bracket": Bracket(4, 8)}, Code.MAX_CONTRACTS),
        ({"legs": "client"}, Code.RESTING_CLIENT_BRACKET),
    ],
)
def test_gates_on_the_order_itself(picture: Picture, changes: dict[str, Any], code: Code | None) -> None:
    assert answer(picture, picture.entry(**changes)) == code


def test_manual_entries_need_a_stop_and_no_target(picture: Picture) -> None:
    bare = PlaceOrder(**base(kind="MK", side=0, type=2, size=1))
    assert answer(picture, bare) == Code.BAD_BRACKET
    assert answer(picture, bare, manual_protection_optional=True) is None
    assert answer(picture, msgspec.structs.replace(bare, bracket=Bracket(40))) is None
    hook = msgspec.structs.replace(bare, source="webhook", bracket=Bracket(40))
    assert answer(picture, hook) == Code.BAD_BRACKET


def test_f142_every_source_meets_the_same_account_gates(picture: Picture) -> None:
    picture.rules = msgspec.structs.replace(picture.rules, day_pnl=Money(-750_000_000))
    for source in ("strategy", "manual", "webhook"):
        assert answer(picture, picture.entry(source=source)) == Code.DLL_USAGE


def test_f130_micros_and_minis_count_ten_to_one(picture: Picture) -> None:
    picture.work(1, 0, 46)
    assert answer(picture, picture.entry(size=4, bracket=Bracket(4, 8))) is None
    assert answer(picture, picture.entry(size=5, bracket=Bracket(4, 8))) == Code.MAX_CONTRACTS
    picture.contract = msgspec.structs.replace(
        picture.contract, weight=10, tick=TickSize(1, 4), tick_value=5_000_000
    )
    picture.orders.clear()
    assert answer(picture, picture.entry(size=5, bracket=Bracket(4, 8))) is None
    assert answer(picture, picture.entry(size=6, bracket=Bracket(4, 8))) == Code.MAX_CONTRACTS


def test_bracket_legs_do_not_count_as_exposure(picture: Picture) -> None:
    picture.hold(48)
    picture.work(1, 1, 48, parent_id=9)
    picture.work(2, 1, 48, status=8, tag="TB2-overnight_range-SE-AAAA-SL")
    assert answer(picture, picture.entry(size=2, bracket=Bracket(4, 8), source="manual")) is None


def test_a_key_is_used_once_for_ever(picture: Picture) -> None:
    entry = picture.entry()
    picture.view_fields = {"used_keys": {entry.key, "k1"}}
    assert answer(picture, entry) == Code.DUPLICATE_INTENT
    picture.hold(1)
    assert answer(picture, ClosePosition(**base())) == Code.DUPLICATE_INTENT


def test_f128_the_pace_of_entries_is_limited_and_exits_are_not(picture: Picture) -> None:
    gate = Gate(CALENDAR)
    view = picture.view()
    codes = []
    for i in range(25):
        got = gate.approve(picture.entry(key=f"k{i}"), view, NOW)
        codes.append(got.code if isinstance(got, Denial) else None)
    assert codes == [None] * 20 + [Code.ORDER_RATE] * 5
    picture.hold(1)
    assert isinstance(gate.approve(ClosePosition(**base()), picture.view(), NOW), ApprovedIntent)
    picture = Picture(NOW + MINUTE)
    later = gate.approve(picture.entry(key="later"), picture.view(), NOW + MINUTE)
    assert isinstance(later, ApprovedIntent)


def test_preview_shows_all_failures_and_uses_no_pace(picture: Picture) -> None:
    picture.state = "HALTED"
    picture.price_age_ms = None
    gate = Gate(CALENDAR, limits=GateLimits(orders_per_minute=1))
    for _ in range(3):
        found = gate.preview(picture.entry(bracket=None), picture.view(), NOW)
        assert [denial.code for denial in found] == [Code.HALTED, Code.DATA_STALE, Code.BAD_BRACKET]
    assert isinstance(gate.approve(Picture(NOW).entry(), Picture(NOW).view(), NOW), ApprovedIntent)


# --- sizing


def test_admit_sizes_an_entry(picture: Picture) -> None:
    picture.policy = StrategyPolicy(position_size=10)
    got = Gate(CALENDAR).admit(picture.enter(), picture.view(), NOW)
    assert isinstance(got, ApprovedIntent)
    intent = got.intent
    assert isinstance(intent, PlaceOrder)
    assert (intent.size, intent.side, intent.type, intent.kind) == (5, 0, 4, "SE")
    assert (intent.stop, intent.limit, intent.bracket) == (LAST + 100, None, Bracket(100, 160))
    assert intent.tag.startswith("TB2-overnight_range-SE-")


def test_f124_a_budget_below_one_contract_is_no_entry(picture: Picture) -> None:
    got = Gate(CALENDAR).admit(picture.enter(stop_ticks=501), picture.view(), NOW)
    assert isinstance(got, Denial)
    assert got.code == Code.SIZE_ZERO


def test_an_earlier_gate_answers_before_sizing(picture: Picture) -> None:
    picture.rules = msgspec.structs.replace(picture.rules, balance=None, status="UNKNOWN")
    got = Gate(CALENDAR).admit(picture.enter(), picture.view(), NOW)
    assert isinstance(got, Denial)
    assert got.code == Code.RISK_UNKNOWN


def test_policies_apply_to_instances_without_their_own(picture: Picture) -> None:
    picture.policy = None  # type: ignore[assignment]
    gate = Gate(CALENDAR, {"overnight_range": StrategyPolicy(enabled=False)})
    got = gate.admit(picture.enter(), picture.view(), NOW)
    assert isinstance(got, Denial)
    assert got.code == Code.STRATEGY_DISABLED


# --- modify, cancel, close


def test_f125_a_size_change_meets_the_contract_limit(picture: Picture) -> None:
    picture.work(11, 0, 1, stop=LAST + 100)
    assert answer(picture, ModifyOrder(**base(order_id=11, size=50))) is None
    assert answer(picture, ModifyOrder(**base(order_id=11, size=51))) == Code.MAX_CONTRACTS
    assert answer(picture, ModifyOrder(**base(order_id=11, size=19_500))) == Code.BAD_QUANTITY


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"order_id": 11}, Code.BAD_FIELD),
        ({"order_id": 11, "limit": 80_000}, Code.BAD_FIELD),
        ({"order_id": 12, "stop": 79_950}, Code.ORDER_NOT_FOUND),
        ({"order_id": 13, "stop": 79_950}, Code.ORDER_TERMINAL),
        ({"order_id": 11, "stop": LAST}, Code.BAD_BRACKET),
        ({"order_id": 11, "stop": LAST - 1}, None),
    ],
)
def test_edits_of_a_protective_stop(picture: Picture, fields: dict[str, Any], code: Code | None) -> None:
    picture.hold(1)
    picture.work(11, 1, 1, stop=79_900, parent_id=5)
    picture.work(13, 1, 1, stop=79_900, parent_id=5, status=3)
    assert answer(picture, ModifyOrder(**base(**fields))) == code


def test_an_edited_entry_must_not_have_been_passed(picture: Picture) -> None:
    picture.work(11, 0, 1, stop=LAST + 100)
    assert answer(picture, ModifyOrder(**base(order_id=11, stop=LAST))) == Code.ENTRY_PASSED
    picture.state = "REDUCING"
    assert answer(picture, ModifyOrder(**base(order_id=11, stop=LAST + 50))) == Code.REDUCING
    assert answer(picture, CancelOrder(**base(order_id=11))) is None


@pytest.mark.parametrize(
    ("held", "size", "code"),
    [
        (2, None, None),
        (2, 1, None),
        (2, 2, None),
        (2, 3, Code.BAD_CLOSE_SIZE),
        (2, 0, Code.BAD_CLOSE_SIZE),
        (0, 1, Code.POSITION_NOT_FOUND),
        (0, None, None),
    ],
)
def test_closes(picture: Picture, held: int, size: int | None, code: Code | None) -> None:
    if held:
        picture.hold(held)
    assert answer(picture, ClosePosition(**base(size=size))) == code


# --- properties


@settings(max_examples=300, deadline=None)
@given(
    side=st.sampled_from([0, 1]),
    away=st.integers(-50, 1100),
    stop=st.integers(-20, 1100),
    target=st.one_of(st.none(), st.integers(-20, 1100)),
    size=st.integers(0, 60),
    source=st.sampled_from(["strategy", "manual", "webhook"]),
)
def test_no_approved_bracket_has_its_stop_on_the_profit_side(
    side: int, away: int, stop: int, target: int | None, size: int, source: str
) -> None:
    picture = Picture(NOW)
    sign = 1 if side == 0 else -1
    entry = picture.entry(
        side=side, stop=LAST + sign * away, bracket=Bracket(stop, target), size=size, source=source
    )
    got = Gate(CALENDAR).approve(entry, picture.view(), NOW)
    if isinstance(got, ApprovedIntent):
        price = LAST + sign * away
        assert sign * (price - LAST) > 0
        assert 4 <= sign * (price - (price - sign * stop)) <= 1000
        assert target is None or 4 <= target <= 1000
        assert size * stop * picture.contract.tick_value < 1_000_000_000


Spoil = Any
SPOILS: list[tuple[Code, Spoil]] = [
    (Code.STRATEGY_DISABLED, lambda p: setattr(p, "figures", {"active": False})),
    (Code.HALTED, lambda p: setattr(p, "state", "HALTED")),
    (Code.ACCOUNT_NOT_ALLOWED, lambda p: setattr(p, "name", "50K-1")),
    (Code.NOT_RECONCILED, lambda p: p.account_fields.update(colour="red")),
    (Code.HUB_DEGRADED, lambda p: p.account_fields.update(hub_ok=False)),
    (Code.CLOCK_SKEW, lambda p: p.view_fields.update(clock_skew_ns=-11 * SECOND)),
    (Code.STORE_UNAVAILABLE, lambda p: p.view_fields.update(store_ok=False)),
    (Code.DATA_STALE, lambda p: setattr(p, "price_age_ms", 9000)),
    (
        Code.DLL_LOCKED,
        lambda p: setattr(p, "rules", msgspec.structs.replace(p.rules, status="DLL_LOCKED")),
    ),
    (Code.POSITION_OPEN, lambda p: p.figures.update(positions=frozenset({p.contract.id}))),
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(SPOILS), min_size=1, max_size=6, unique_by=lambda spoil: spoil[0]))
def test_the_first_failure_in_the_order_of_the_codes_is_the_answer(spoils: list[tuple[Code, Spoil]]) -> None:
    picture = Picture(NOW)
    for _, spoil in sorted(spoils, key=lambda spoil: list(Code).index(spoil[0])):
        spoil(picture)
    order = list(Code)
    wanted = sorted((code for code, _ in spoils), key=order.index)
    got = Gate(CALENDAR).approve(picture.entry(), picture.view(), NOW)
    assert isinstance(got, Denial)
    assert got.code == wanted[0]
    shown = [denial.code for denial in Gate(CALENDAR).preview(picture.entry(), picture.view(), NOW)]
    assert shown == wanted
