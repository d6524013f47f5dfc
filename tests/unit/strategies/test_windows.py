"""Bar windows: bounded, ascending, and history replaces what was incomplete."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.legacy.strategy_engine.layout import Reader, Writer
from bot.legacy.strategy_engine.windows import BarWindow
from bot.model.market import Bar
from bot.model.quantities import Ticks, TsNs


def bar(start: int, close: int = 5, complete: bool = True) -> Bar:
    return Bar(
        "C", "1m", TsNs(start), TsNs(start + 1), Ticks(5), Ticks(5), Ticks(5), Ticks(close), 1, 1, True, complete
    )  # fmt: skip


def test_the_oldest_bars_leave_first() -> None:
    window = BarWindow("C", "1m", 3)
    for start in range(5):
        window.add(bar(start, complete=start != 0))
    assert [each.start for each in window.complete()] == [2, 3, 4]
    assert window.incomplete == 0
    window.extend([bar(0), bar(1)])
    assert [each.start for each in window.complete()] == [2, 3, 4]


def test_history_replaces_an_incomplete_bar_and_never_the_other_way_round() -> None:
    window = BarWindow("C", "1m", 10)
    window.add(bar(1))
    window.add(bar(2, complete=False))
    window.add(bar(3))
    assert (window.waiting(2, 3), window.waiting(3, 4), window.gaps()) == (True, False, (2, 3))
    assert [each.start for each in window.complete()] == [1, 3]
    assert window.extend([bar(2, close=9)])
    assert not window.extend([bar(2, close=1, complete=False)])
    assert [each.close for each in window.complete(2, 3)] == [9]
    assert (window.incomplete, window.gaps()) == (0, None)


def test_the_same_bar_again_changes_nothing() -> None:
    window = BarWindow("C", "1m", 10)
    assert window.add(bar(1))
    assert not window.add(bar(1))
    assert window.add(bar(1, close=6))


@given(
    st.lists(st.tuples(st.integers(0, 30), st.booleans(), st.booleans()), max_size=40),
    st.integers(1, 12),
)
def test_any_order_of_bars_keeps_the_window_sorted_counted_and_restorable(
    steps: list[tuple[int, bool, bool]], depth: int
) -> None:
    window = BarWindow("C", "1m", depth)
    for start, complete, history in steps:
        each = bar(start, complete=complete)
        window.extend([each]) if history else window.add(each)
        held = window.since(-1)
        assert [one.start for one in held] == sorted({one.start for one in held})
        assert len(window) <= depth
        assert window.incomplete == sum(not one.complete for one in held)
    writer = Writer()
    window.write(writer)
    twin = BarWindow("C", "1m", 1)
    twin.read(Reader(writer.done()))
    assert (twin.since(-1), twin.depth, twin.incomplete) == (window.since(-1), depth, window.incomplete)
