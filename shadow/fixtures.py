"""Fixtures: the smallest recorded input that shows a difference, kept as a regression test for ever.

A fixture holds a snapshot, the calls after it, what the authority made of them and the state it was in
afterwards. It is found by bisection between two snapshots, so it is usually a single call long.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.migration.records import Call, Failure
from bot.model.market import Bar, Trade
from bot.ports import BarBuilder
from shadow.candidates import FACES, Candidate, control
from shadow.candidates import load as load_candidate
from shadow.compare.market_data import compare_bars, compare_failures, compare_states
from shadow.lane import invoke, recoverable
from shadow.outcomes import Difference

MAX_FIXTURES: Final = 200


class Event(msgspec.Struct, frozen=True):
    """One call and what the authority gave: bars, or a failure."""

    op: str
    args: list[Any]
    bars: list[Bar]
    failure: Failure | None


class Fixture(msgspec.Struct, frozen=True, kw_only=True):
    """`snapshot` and `state` are the authority's canonical bytes before and after the events."""

    component: str
    settings: dict[str, Any]
    snapshot: bytes
    events: list[Event]
    state: bytes
    meta: dict[str, Any]


class Found(msgspec.Struct, frozen=True):
    """The first differing call of a span, by its index, and the difference it makes."""

    index: int
    difference: Difference
    fixture: Fixture


def bisect(
    settings: dict[str, Any], start: bytes, calls: Sequence[Call], control: Candidate, candidate: Candidate
) -> Found | None:
    """The first of `calls` after which the candidate's state or output differs from the control's.

    None when neither does on replay (the difference does not reproduce).
    """
    if not calls or not _differs(settings, start, calls, control, candidate):
        return None
    low, high = 0, len(calls) - 1
    while low < high:
        middle = (low + high) // 2
        if _differs(settings, start, calls[: middle + 1], control, candidate):
            high = middle
        else:
            low = middle + 1
    before = _after(control, settings, start, calls[:low]).snapshot()
    alone = calls[low : low + 1]
    if found := _differs(settings, before, alone, control, candidate):
        return Found(low, found[0], _fixture(settings, before, alone, control))
    chosen = calls[: low + 1]
    found = _differs(settings, start, chosen, control, candidate)
    return Found(low, found[0], _fixture(settings, start, chosen, control))


def replay(fixture: Fixture, candidate: Candidate) -> list[Difference]:
    """Feed a fixture to an implementation; what differs from the authority's record, empty when fixed."""
    builder = candidate.make(fixture.settings)
    builder.restore(fixture.snapshot)
    for event in fixture.events:
        bars, failure = _outcome(builder, _call(event))
        found = compare_failures(event.failure, failure) or compare_bars(event.bars, bars).differences
        if found:
            return found
    return compare_states(fixture.state, builder.snapshot())


def replay_everywhere(fixture: Fixture, calendar: SessionCalendar) -> dict[str, list[Difference] | str]:
    """The same in Python and in every shipped candidate; a text says why one could not run."""
    found: dict[str, list[Difference] | str] = {"python": replay(fixture, control(calendar))}
    for name in FACES:
        candidate = load_candidate(name, calendar)
        found[name] = candidate if isinstance(candidate, str) else replay(fixture, candidate)
    return found


def save(folder: Path, name: str, fixture: Fixture) -> str:
    """Write a fixture once per name; returns its file name, or nothing when the folder is full."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{blake2b(name.encode(), digest_size=6).hexdigest()}.json"
    if not path.exists():
        if sum(1 for _ in folder.glob("*.json")) >= MAX_FIXTURES:
            return ""
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(fixture), indent=1) + b"\n")
        fresh.replace(path)
    return path.name


def load(path: Path) -> Fixture:
    """Read a fixture. Raises msgspec.MsgspecError when it is not one."""
    return msgspec.json.decode(path.read_bytes(), type=Fixture)


def _differs(
    settings: dict[str, Any], start: bytes, calls: Sequence[Call], control: Candidate, candidate: Candidate
) -> list[Difference]:
    ours, theirs = _after(control, settings, start, ()), _after(candidate, settings, start, ())
    for call in calls:
        bars, failure = _outcome(ours, call)
        seen, seen_failure = _outcome(theirs, call)
        found = compare_failures(failure, seen_failure) or compare_bars(bars, seen).differences
        if found:
            return found
    return compare_states(ours.snapshot(), theirs.snapshot())


def _after(candidate: Candidate, settings: dict[str, Any], start: bytes, calls: Sequence[Call]) -> BarBuilder:
    builder = candidate.make(settings)
    builder.restore(start)
    for call in calls:
        _outcome(builder, call)
    return builder


def _outcome(builder: BarBuilder, call: Call) -> tuple[list[Bar], Failure | None]:
    try:
        return invoke(builder, call), None
    except BaseException as problem:
        if not recoverable(problem):
            raise
        return [], Failure.of(problem)


def _fixture(settings: dict[str, Any], start: bytes, calls: Sequence[Call], control: Candidate) -> Fixture:
    builder = _after(control, settings, start, ())
    events = []
    for call in calls:
        bars, failure = _outcome(builder, call)
        events.append(Event(call.op, list(call.args), bars, failure))
    return Fixture(
        component="market_data",
        settings=settings,
        snapshot=start,
        events=events,
        state=builder.snapshot(),
        meta={},
    )


def _call(event: Event) -> Call:
    args: tuple[Any, ...] = tuple(event.args)
    if event.op == "on_trade":
        args = (msgspec.convert(args[0], Trade),)
    elif event.op == "on_trades":
        args = (tuple(msgspec.convert(args[0], list[Trade])),)
    elif event.op == "on_columns":
        args = (args[0], *(msgspec.convert(column, bytes) for column in args[1:]))
    return Call(0, event.op, args, event.bars, event.failure, 0)
