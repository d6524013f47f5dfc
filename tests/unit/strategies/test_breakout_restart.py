"""A breakout's state rebuilt after a restart is the one that the uninterrupted run would have."""

from __future__ import annotations

import pytest

from bot.strategies.breakout_state import BreakoutState, Side


def uninterrupted(*, closed: bool) -> BreakoutState:
    """Both sides placed, the long one filled, the short one cancelled, and perhaps the position closed."""
    state = BreakoutState()
    state.levels(["long", "short"])
    state.fill("long")
    state.ended("short")
    if closed:
        state.flat()
    return state


def rebuilt(order: list[str], held: Side | None) -> tuple[BreakoutState, list[str]]:
    """The same from the venue's rows, in any order."""
    state = BreakoutState()
    for row in order:
        if row == "long filled":
            state.adopt("long", 0)
            state.adopt_fill("long")
        else:
            state.adopt("short", 0)
            if row == "short cancelled":
                state.ended("short")
    return state, [str(command) for command in state.adopted(held)]


@pytest.mark.parametrize("order", [["long filled", "short cancelled"], ["short cancelled", "long filled"]])
@pytest.mark.parametrize("closed", [False, True])
def test_f052_a_side_that_was_cancelled_on_the_fill_is_not_armed_again(
    order: list[str], closed: bool
) -> None:
    state, commands = rebuilt(order, None if closed else "long")
    expected = uninterrupted(closed=closed)
    assert commands == []
    assert (state.phase, state.held) == (expected.phase, expected.held)
    assert state.side("short") == expected.side("short") == "cancelled"
    assert state.monitor(True, ["short", "long"]) == []


@pytest.mark.parametrize("closed", [False, True])
def test_f150_a_side_that_still_works_after_an_unseen_fill_is_cancelled(closed: bool) -> None:
    state, commands = rebuilt(["short working", "long filled"], None if closed else "long")
    assert commands == ["CANCEL entry_short"]
    state.ended("short")
    assert state.side("short") == "cancelled"
    assert state.phase == ("DONE" if closed else "LIVE")


def test_without_linked_sides_the_other_one_goes_on() -> None:
    state = BreakoutState(cancel_other=False)
    state.adopt("long", 0)
    state.adopt_fill("long")
    state.adopt("short", 0)
    assert state.adopted("long") == []
    assert state.side("short") == "working"
