"""Field-by-field comparison: classes, paths, tolerances and debts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bot.calendar.sessions import SessionCalendar
from bot.legacy.market_data import PythonBarBuilder
from bot.migration.records import Call, Failure
from bot.model.market import Bar, Trade
from bot.model.quantities import Ticks, TsNs
from shadow.compare.fields import IgnoreRule, Spec, compare
from shadow.compare.market_data import compare_bars, compare_failures, compare_states, critical
from shadow.outcomes import OUTCOMES, Difference, checked, signature, zeroed
from shadow.verdict import verdict

BAR = Bar(
    "CON.F.US.MNQ.Z25", "1m", TsNs(0), TsNs(60), Ticks(1), Ticks(3), Ticks(1), Ticks(2), 5, 2, True, True
)


@pytest.mark.parametrize(
    ("expected", "seen", "classes"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("value", "x[a]")]),
        ({"a": 1}, {"a": "1"}, [("type", "x[a]")]),
        ({"a": 1}, {"a": True}, [("type", "x[a]")]),
        ({"a": 1, "b": 2}, {"a": 1}, [("missing", "x[b]")]),
        ({"a": 1}, {"a": 1, "b": 2}, [("extra", "x[b]")]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, [("order", "x")]),
        ([1, 2], [1], [("length", "x"), ("missing", "x[1]")]),
        ([1], [1, 2], [("length", "x"), ("extra", "x[1]")]),
        ([1, 2], [2, 1], [("order", "x")]),
        ([1, 2], [1, 3], [("value", "x[1]")]),
        (0.0, -0.0, [("value", "x")]),
        (float("nan"), float("nan"), []),
        (0.1, 0.1 + 1e-18, []),
        (1.0, 1.0 + 2**-52, [("value", "x")]),
        (None, 0, [("type", "x")]),
    ],
)
def test_each_difference_has_its_class_and_path(
    expected: Any, seen: Any, classes: list[tuple[str, str]]
) -> None:
    found = compare(expected, seen, "x", {}).differences
    assert [(d.klass, d.path) for d in found] == classes


def test_specs_allow_what_they_say_and_no_more() -> None:
    specs = {"price": Spec("ticks", 1), "atr": Spec("ulp", 2), "ids": Spec("set")}
    near = {"a": 1}
    assert compare({"price": 5}, {"price": 6}, "x", {"x[price]": Spec("ticks", 1)}).differences == []

    class Row(msgspec.Struct):
        price: int
        atr: float
        ids: list[int]

    assert compare(Row(5, 1.0, [1, 2]), Row(6, 1.0 + 2**-51, [2, 1]), "row", specs).differences == []
    found = compare(Row(5, 1.0, [1, 2]), Row(7, 1.0 + 2**-50, [2, 3]), "row", specs).differences
    assert [d.path for d in found] == ["row.price", "row.atr", "row.ids[0]", "row.ids[1]"]
    assert near


def test_an_ignored_field_is_counted_under_its_rule() -> None:
    rule = IgnoreRule(name="r1", field="note", owner="me", reason="text", until="2030-01-01", budget=10)

    class Row(msgspec.Struct):
        note: str
        size: int

    found = compare(Row("a", 1), Row("b", 1), "row", {"note": Spec("ignore", rule=rule)})
    assert found.differences == []
    assert found.ignored == ["r1"]


@pytest.mark.parametrize(
    "change", [{"field": "order.size"}, {"owner": ""}, {"reason": ""}, {"until": ""}, {"budget": 0}]
)
def test_a_rule_without_owner_reason_expiry_budget_or_over_money_is_refused(change: dict[str, Any]) -> None:
    good = {"name": "r", "field": "note", "owner": "me", "reason": "x", "until": "2030-01-01", "budget": 1}
    IgnoreRule(**good)
    with pytest.raises(ValueError, match="expected owner"):
        IgnoreRule(**{**good, **change})


def test_a_differing_bar_names_the_field_and_equal_differences_share_a_signature() -> None:
    one = compare_bars([BAR], [msgspec.structs.replace(BAR, high=Ticks(4))]).differences
    two = compare_bars([BAR, BAR], [BAR, msgspec.structs.replace(BAR, high=Ticks(9))]).differences
    assert one == [Difference("value", "bars[0].high", "3", "4")]
    assert signature("on_timer", one[0]) == signature("on_timer", two[0]) == "on_timer value bars[].high"
    assert critical(one[0])
    assert not critical(compare_bars([BAR], [msgspec.structs.replace(BAR, complete=False)]).differences[0])
    assert critical(compare_bars([BAR], []).differences[0])


def test_failures_agree_by_type_and_code() -> None:
    one = Failure("BadTimeframe", "BAD_TIMEFRAME", "a")
    assert compare_failures(one, Failure("BadTimeframe", "BAD_TIMEFRAME", "b")) == []
    assert compare_failures(one, Failure("ValueError", "", "a"))[0].klass == "error"
    assert compare_failures(one, None)[0].seen == "no error"


def test_states_that_differ_name_the_field() -> None:
    builders = [PythonBarBuilder(["1m"], SessionCalendar.shipped()) for _ in range(2)]
    start = 1_764_000_000_000_000_000
    for builder, size in zip(builders, (1, 2), strict=True):
        builder.on_trade(Trade("CON.F.US.MNQ.Z25", Ticks(5), size, TsNs(start), TsNs(start)))
    (found,) = compare_states(builders[0].snapshot(), builders[1].snapshot())
    assert found.field == "state.symbols[].frames[].bar.volume"
    assert (found.expected, found.seen) == ("1", "2")
    assert compare_states(builders[0].snapshot(), b"")[0].klass == "type"


@pytest.mark.parametrize(
    ("failure", "result", "outcome"),
    [
        (None, ([BAR], None, False, 1), "MATCH"),
        (None, ([], None, False, 1), "MISMATCH"),
        (None, ([], Failure("X", "", ""), False, 1), "ERROR_DIFF"),
        (None, ([], Failure("PanicException", "", ""), True, 1), "PANIC"),
        (Failure("X", "", "a"), ([], Failure("X", "", "b"), False, 1), "BOTH_ERROR_SAME"),
        (Failure("X", "", "a"), ([], None, False, 1), "ERROR_DIFF"),
    ],
)
def test_every_call_has_one_verdict(failure: Failure | None, result: Any, outcome: str) -> None:
    call = Call(0, "on_timer", (0,), [] if failure else [BAR], failure, 1)
    assert verdict(call, result)[0] == outcome


def test_outcomes_that_do_not_sum_to_the_calls_are_caught() -> None:
    counts = zeroed()
    assert set(counts) == set(OUTCOMES)
    counts["MATCH"] = 3
    checked(counts, 3)
    with pytest.raises(AssertionError, match="sum of 4 calls, got 3"):
        checked(counts, 4)
    with pytest.raises(AssertionError):
        checked({"FINE": 3}, 3)
