"""Positions from events and reads, fills counted once."""

from __future__ import annotations

from bot.model.orders import Fill, Position
from bot.model.quantities import Money, Ticks, TsNs
from bot.trading.positions import AMBER_NS, GRACE_NS, POLL_WINS_NS, FillBook, PositionBook

S = 1_000_000_000
AT = (1, "MNQ")


def position(net: int, id_: int = 7) -> Position:
    return Position(id_, *AT, (net > 0) - (net < 0), abs(net), 100 * abs(net), "25", TsNs(5))


def fill(id_: int, order: int = 1, voided: bool = False) -> Fill:
    return Fill(id_, *AT, order, 0, 1, Ticks(100), TsNs(id_), Money(0), Money(0), voided=voided)


def test_f070_a_read_asked_before_an_event_does_not_overwrite_it() -> None:
    book = PositionBook()
    book.on_event(position(2), 10 * S)
    assert book.on_poll(1, [], 9 * S, 11 * S) == ([], [])
    assert book.net(*AT) == 2


def test_a_read_that_may_lag_is_a_disagreement_and_wins_after_twenty_seconds() -> None:
    book = PositionBook()
    book.on_event(position(2), 10 * S)
    asked = 10 * S + GRACE_NS - 1
    assert book.on_poll(1, [], asked, asked) == ([], [])
    assert book.disputed(1, asked + AMBER_NS) == [AT]
    assert book.on_poll(1, [], asked, asked + POLL_WINS_NS - 1) == ([], [])
    assert book.on_poll(1, [], asked, asked + POLL_WINS_NS) == ([AT], [AT])
    assert book.net(*AT) == 0


def test_a_read_long_after_the_last_event_is_taken_at_once() -> None:
    book = PositionBook()
    book.on_event(position(2), 10 * S)
    assert book.on_poll(1, [position(1)], 10 * S + GRACE_NS, 16 * S)[0] == [AT]
    assert book.net(*AT) == 1


def test_a_position_that_no_event_told_of_is_taken_at_once() -> None:
    book = PositionBook()
    assert book.on_poll(1, [position(-3)], S, S) == ([AT], [])
    assert [one.net for one in book.open(1)] == [-3]
    assert book.open(2) == []


def test_an_agreeing_read_ends_a_disagreement() -> None:
    book = PositionBook()
    book.on_event(position(2), 10 * S)
    book.on_poll(1, [], 11 * S, 11 * S)
    book.on_poll(1, [position(2)], 12 * S, 12 * S)
    assert book.disputed(1, 60 * S) == []


def test_f068_fills_count_once_and_voided_ones_are_taken_back() -> None:
    book = FillBook()
    assert [book.add(one) for one in (fill(1), fill(1), fill(2))] == [True, False, True]
    assert len(book.of_order(1)) == 2
    assert book.add(fill(1, voided=True))
    assert [one.id for one in book.of_order(1)] == [2]
    assert [one.id for one in book.all()] == [2]
