"""The histogram: relative error bounded, merging is adding, quantiles are order statistics."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.latency import Histogram

VALUES = st.lists(st.integers(0, 2**62), min_size=1, max_size=200)


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


@given(VALUES, st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_within_a_thirtysecond_of_the_order_statistic(
    values: list[int], fraction: float
) -> None:
    exact = sorted(values)[max(0, -int(-fraction * len(values) // 1) - 1)]
    found = filled(values).quantile(fraction)
    assert found is not None
    assert exact <= found <= exact + exact / 32 + 1


@given(VALUES, VALUES)
def test_merging_is_adding_all(left: list[int], right: list[int]) -> None:
    merged = filled(left)
    merged.merge(filled(right))
    assert merged.summary() == filled(left + right).summary()


def test_nothing_counted_is_unknown_not_zero() -> None:
    assert Histogram().summary() == {
        "count": 0, "p50_ns": None, "p95_ns": None, "p99_ns": None, "p999_ns": None, "max_ns": None,
    }  # fmt: skip
