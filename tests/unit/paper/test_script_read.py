"""Scripts as text and data: what they may say, and what a broken one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.model.times import parse_ts
from bot.paper.script.check import World, resolve
from bot.paper.script.errors import ScriptError
from bot.paper.script.plan import Plan
from bot.paper.script.read import parse, read, script_of
from bot.paper.script.steps import Script, Step, When
from bot.paper.script.times import Wall, instant, span, text_of
from bot.paper.verbs import MACHINE
from tests.unit.paper.scripted import MNQ, START, Bench


def plan(text: str, *machine: str) -> Plan:
    script, source = parse(text, "f.yaml")
    return resolve(script, Bench().venue.stage.world(machine=machine), source)


def test_a_script_as_text_as_data_and_back() -> None:
    text = """
name: all members
seed: 9
steps:
  - {at: 30s, do: accept_then, endpoint: place, how: 502, count: 2}
  - {at: 09:31 ET, do: quote.stop, for: 10s, contract_id: MNQ}
  - {at: 2025-10-01 15:10 CT, do: cut}
  - {when: order.filled, do: hub.drop, how: tcp}
  - {when: {event: request, endpoint: place, n: 3, account_id: 1001}, after: 200ms, do: drop, endpoint: place}
  - {at: 1m, every: 1.5s, times: 3, until: 1h, chance: 0.25, seed: 4, clock: real, note: out, do: hub.logout}
  - {do: option, set: {cancel_children_on_flat: on, rate_general: [5, 60]}}
  - {do: push, contract_id: MNQ, price: 20000.25}
"""
    script, _ = parse(text)
    assert script.steps[1] == Step(
        do="quote.stop", at=Wall("09:31:00", "ET"), lasts=10_000_000_000, parameters={"contract_id": "MNQ"}
    )
    assert script.steps[4].when == When(event="request", endpoint="place", n=3, account_id=1001)
    assert script.steps[6].parameters == {"set": {"cancel_children_on_flat": True, "rate_general": [5, 60]}}
    assert parse(script.text())[0] == script
    assert script_of(script.data()) == script
    assert script_of(script.data()["steps"]).steps == script.steps


def test_steps_are_left_out_one_by_one() -> None:
    script = Script(seed=3, steps=tuple(Step(do="hub.logout", at=n, chance=0.5) for n in range(5)))
    assert [step.at for step in script.without(1, 3).steps] == [0, 2, 4]
    world = Bench().venue.stage.world()
    whole = resolve(script, world)
    for left in range(5):
        part = resolve(script.without(left), world)
        odds = {planned.step.at: planned.odds for planned in whole.steps if planned.number != left}
        assert {planned.step.at: planned.odds for planned in part.steps} == odds


@pytest.mark.parametrize(
    ("text", "ns"),
    [("200ms", 200_000_000), ("1.5s", 1_500_000_000), ("2m", 120_000_000_000), ("1h", 3_600_000_000_000),
     ("3us", 3_000), ("7ns", 7), (2, 2_000_000_000), (0.25, 250_000_000), ("1.0005 s", 1_000_500_000)],
)  # fmt: skip
def test_spans(text: object, ns: int) -> None:
    assert span(text) == ns
    assert span(text_of(ns)) == ns


@pytest.mark.parametrize(
    "text", ["", "5", "-1s", "1 day", -3, True, None, "1.s", float("nan"), "99999h", "1e3s"]
)
def test_what_is_no_span(text: object) -> None:
    assert span(text) is None


def test_wall_times_across_midnight_and_with_a_day() -> None:
    assert instant("25:00 ET") is None
    assert instant("09:30") is None
    assert instant("2025-13-01 09:30 ET") is None
    late = instant("09:30 ET")
    assert isinstance(late, Wall)
    assert late.instant(START) == parse_ts("2025-10-02T13:30:00Z")
    assert Wall("15:10:00", "CT").instant(START) == parse_ts("2025-10-01T20:10:00Z")
    assert Wall("09:30:00", "ET", "2025-11-03").instant(START) == parse_ts("2025-11-03T14:30:00Z")


BAD = [
    ("a: [", ("f.yaml, line 1, column 5: expected YAML, got \"expected the node content, but found '<stream end>'\"; "
     "correct the text at this place")),
    ("", "f.yaml: expected name, seed and steps, or a list of steps, got None"),
    ("steps: 3", "f.yaml, line 1, column 8: expected a list of at most 10000 steps, got 3"),
    ("sed: 1\nsteps: []", ("f.yaml, line 1, column 1: sed: expected one of name, seed, steps, got 'sed'; "
     "did you mean seed?")),
    ("steps:\n- {do: hub.dorp}", ("f.yaml, line 2, column 8: do: expected a verb of docs/faults.md, got 'hub.dorp'; "
     "did you mean hub.drop?")),
    ("steps:\n- {do: drop, endpoint: plaec}", "f.yaml, line 2, column 24: endpoint: expected one of any, login, "),
    ("steps:\n- {do: drop, endpiont: place}", ("f.yaml, line 2, column 14: endpiont: expected one of do, at, when, after, "
     "every, times, until, for, chance, seed, clock, note, endpoint, count, account_id, contract_id, got 'endpiont'; "
     "did you mean endpoint?")),
    ("steps:\n  - do: drop\n    do: drop", ("f.yaml, line 3, column 5: expected each name once, got 'do'; "
     "remove one of them")),
    ("steps:\n- {do: accept_then}", ("f.yaml, line 2, column 3: expected `how`, which accept_then needs (one of 500 to 599, "
     "reset, empty, html), got 'nothing'; add `how`: what is answered")),
    ("steps:\n- {do: slip, ticks: two}", ("f.yaml, line 2, column 21: ticks: expected a whole number from 1 to 10000, "
     "got 'two'")),
    ("steps:\n- {do: drop, when: order.filed}", "f.yaml, line 2, column 20: when: expected one of order.placed, "),
    ("steps:\n- {do: drop, when: {event: request, leg: stop}}", ("f.yaml, line 2, column 37: leg: expected one of event, n, "
     "endpoint, account_id, got 'leg'; remove it")),
    ("steps:\n- {do: drop, when: {event: order.filled, n: 0}}", ("f.yaml, line 2, column 45: when.n: expected a whole number "
     "from 1 on, got 0")),
    ("steps:\n- {do: drop, at: soon}", ("f.yaml, line 2, column 18: at: expected a span from the start, or a wall time such "
     "as 09:31 ET or 2025-11-05 15:10 CT, got 'soon'")),
    ("steps:\n- {do: drop, for: -1}", ("f.yaml, line 2, column 19: for: expected seconds as a number, or a span such as "
     "200ms, 1.5s, 2m, 1h, got -1")),
    ("steps:\n- {do: hub.logout, for: 3s}", ("f.yaml, line 2, column 25: for: expected no `for`, since hub.logout acts at "
     "once, got '3s'; use `every` and `times` to repeat it")),
    ("steps:\n- {do: drop, times: 3}", ("f.yaml, line 2, column 21: times: expected `every` or `when` beside `times`, got 3; "
     "for strokes of a fault use `count`, for how long it stays armed use `for`")),
    ("steps:\n- {do: drop, chance: 2}", "f.yaml, line 2, column 22: chance: expected a probability from 0 to 1, got 2"),
    ("steps:\n- {do: drop, clock: wall}", "f.yaml, line 2, column 21: clock: expected venue or real, got 'wall'"),
    ("steps:\n- {do: drop, every: 0}", "f.yaml, line 2, column 21: every: expected at least 1ms, got 0"),
    ("steps:\n- &a [*a]", "f.yaml, line 2, column 3: expected a finite document, got 'an alias of what it is in'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_broken_script_is_told_where_and_what(text: str, message: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse(text, "f.yaml")
    assert str(caught.value) == message or (message.endswith(", ") and str(caught.value).startswith(message))


IMPOSSIBLE = [
    ("{do: push, contract_id: NQ, by: 3}", ("f.yaml, line 2, column 27: contract_id: expected the id or the root of one of "
     "CON.F.US.MNQ.Z25, CON.F.US.MES.Z25, got 'NQ'; add its root to the paper settings, or name another contract")),
    ("{do: drop, account_id: 7}", "f.yaml, line 2, column 26: account_id: expected one of 1001, 1002, got 7"),
    ("{do: push, contract_id: MNQ, by: 3, ticks: 4}", ("f.yaml, line 2, column 3: expected exactly one of price, ticks, by, "
     "got 'ticks, by'; name where the price goes")),
    ("{do: gap, contract_id: MNQ, price: 20000.1}", ("f.yaml, line 2, column 38: price: expected a price on the tick of "
     "CON.F.US.MNQ.Z25, got 20000.1")),
    ("{do: band, contract_id: MNQ, low: 20010, high: 20000}", ("f.yaml, line 2, column 3: expected low below high, "
     "got '20010 to 20000'")),
    ("{do: drop, at: 2025-10-01 09:30 ET}", ("f.yaml, line 2, column 18: at: expected a time from the start of the script "
     "on, got '2025-10-01 09:30:00 ET'; name a later time, or the day as well")),
    ("{do: drop, at: 2m, every: 1s, until: 1m}", ("f.yaml, line 2, column 40: until: expected a time after `at`, got '1m'; "
     "let it end later or begin earlier")),
    ("{do: hub.lose, hub: user, event: quote}", ("f.yaml, line 2, column 36: event: expected an event of the user hub, "
     "got 'quote'; name hub market, or leave the hub out")),
    ("{do: delay, endpoint: place}", "f.yaml, line 2, column 3: expected `seconds`, which delay needs, got 'nothing'"),
    ("{do: kill, point: sent}", ("f.yaml, line 2, column 8: do: expected a verb that this harness can do (no machine verb), "
     "got 'kill'; run the script by a harness with a handler for it, or leave the step out")),
    ("{do: holiday, day: 2025-10-04}", "f.yaml, line 2, column 3: expected a weekday that the calendar covers, "),
    ("{do: option, set: {no_such: 1}}", "f.yaml, line 2, column 21: set: expected options and values of gateway.md 22.1, "),
    ("{do: account, account_id: 1001, set: {bracket_mode: third}}", ("f.yaml, line 2, column 40: set: expected auto_oco or "
     "position, ")),
]  # fmt: skip


@pytest.mark.parametrize(("step", "message"), IMPOSSIBLE)
def test_what_this_venue_cannot_do_is_refused_before_anything_runs(step: str, message: str) -> None:
    bench = Bench()
    script, source = "steps:\n- " + step, "f.yaml"
    before = bench.venue.ledger.count
    with pytest.raises(ScriptError) as caught:
        bench.venue.play(*parse(script, source))
    assert str(caught.value) == message or (message.endswith(", ") and str(caught.value).startswith(message))
    assert (bench.venue.ledger.count, bench.venue.stage.plays) == (before, [])


def test_data_without_a_file_names_the_step() -> None:
    with pytest.raises(ScriptError, match=r"^script, step 2: endpoint: expected one of any"):
        script_of([{"do": "drop"}, {"do": "drop", "endpoint": "x"}])


def test_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="expected a readable YAML file in UTF-8"):
        read(tmp_path / "none.yaml")
    (tmp_path / "odd.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScriptError, match="expected a readable YAML file in UTF-8"):
        read(tmp_path / "odd.yaml")


def test_the_plan_as_a_table() -> None:
    shown = plan(
        "steps:\n"
        "- {at: 30s, do: accept_then, endpoint: place, how: 502}\n"
        "- {when: {event: order.filled, contract_id: MNQ, n: 2}, after: 200ms, do: hub.drop, hub: user}\n"
        "- {at: 1m, every: 30s, times: 4, chance: 0.5, do: hub.logout}\n"
        "- {at: 15:00 CT, for: 5s, do: quote.stop}\n"
        "- {do: sleep, seconds: 3}\n", *MACHINE,
    )  # fmt: skip
    assert shown.rows() == [
        ("1", "+30s (2025-10-01 10:30:30 ET, 09:30:30 CT)", "accept_then endpoint=place how=502", "once"),
        ("2", "order.filled contract_id=MNQ #2 and 200ms", "hub.drop hub=user", "once"),
        (
            "3",
            "+1m (2025-10-01 10:31:00 ET, 09:31:00 CT)",
            "hub.logout",
            "every 30s, 4 times, with chance 0.5",
        ),
        ("4", "+330m (2025-10-01 16:00:00 ET, 15:00:00 CT)", "quote.stop, for 5s", "once"),
        ("5", "+0s (2025-10-01 10:30:00 ET, 09:30:00 CT)", "sleep seconds=3", "once"),
    ]
    lines = shown.text().splitlines()
    assert (len(lines), lines[0].split()) == (7, ["step", "when", "what", "how", "often"])


def test_the_world_of_a_script_is_that_of_its_venue() -> None:
    world = Bench().venue.stage.world()
    assert isinstance(world, World)
    assert (world.start, sorted(world.contracts), world.accounts) == (
        START,
        ["CON.F.US.MES.Z25", MNQ],
        (1001, 1002),
    )
