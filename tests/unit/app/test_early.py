"""Records that come before the account is taken: in order, without a hole, and no more than fit."""

from __future__ import annotations

from functools import partial

from bot.app.early import EarlyRecords


def test_what_waited_is_played_in_order_and_once() -> None:
    played: list[str] = []
    early = EarlyRecords(10)
    for name, count in (("trades", 3), ("feed down", 1), ("feed up", 1), ("more", 5)):
        early.add(partial(played.append, name), count)
    assert played == []
    assert early.replay() is True
    assert early.replay() is True
    assert played == ["trades", "feed down", "feed up", "more"]


def test_after_the_first_that_does_not_fit_nothing_is_kept_and_it_is_told() -> None:
    played: list[str] = []
    early = EarlyRecords(4)
    for name, count in (("first", 3), ("too many", 2), ("would fit", 1)):
        early.add(partial(played.append, name), count)
    assert early.replay() is False
    assert played == ["first"]
