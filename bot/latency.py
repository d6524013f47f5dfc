"""Latency histograms with a bound of relative error, merged and never averaged."""

from __future__ import annotations

from collections.abc import Mapping

SUB_BITS = 5
_SUB = 1 << SUB_BITS
_SIZE = (64 - SUB_BITS) << SUB_BITS


class Histogram:
    """Counts of nanoseconds in log-linear buckets: 32 per power of two, so within 3.2 % of the value."""

    __slots__ = ("_counts", "count", "maximum")

    def __init__(self) -> None:
        self._counts = [0] * _SIZE
        self.count = 0
        self.maximum = 0

    def add(self, ns: int) -> None:
        """Count one duration; a negative one (a clock that stepped back) counts as 0."""
        value = max(ns, 0)
        shift = max(value.bit_length() - SUB_BITS - 1, 0)
        self._counts[(shift << SUB_BITS) + (value >> shift)] += 1
        self.count += 1
        self.maximum = max(self.maximum, value)

    def merge(self, other: Histogram) -> None:
        """Add the counts of another histogram."""
        self._counts = [a + b for a, b in zip(self._counts, other._counts, strict=True)]
        self.count += other.count
        self.maximum = max(self.maximum, other.maximum)

    def buckets(self) -> dict[int, int]:
        """The counts that are not 0, by bucket number: what a store keeps."""
        return {index: counted for index, counted in enumerate(self._counts) if counted}

    @classmethod
    def of(cls, buckets: Mapping[int, int], maximum: int) -> Histogram:
        """A histogram from stored `buckets` and its maximum."""
        made = cls()
        for index, counted in buckets.items():
            made._counts[index] = counted
        made.count, made.maximum = sum(buckets.values()), maximum
        return made

    def quantile(self, fraction: float) -> int | None:
        """The smallest bucket's upper end that holds `fraction` of all counts; None without counts."""
        if not self.count:
            return None
        wanted = max(1, -int(-fraction * self.count // 1))
        seen = 0
        for index, counted in enumerate(self._counts):
            seen += counted
            if seen >= wanted:
                return min(self._upper(index), self.maximum)
        return self.maximum

    def summary(self) -> dict[str, int | None]:
        """`{count, p50_ns, p95_ns, p99_ns, p999_ns, max_ns}`; None where nothing was counted."""
        return {
            "count": self.count,
            **{
                f"p{name}_ns": self.quantile(f)
                for name, f in (("50", 0.5), ("95", 0.95), ("99", 0.99), ("999", 0.999))
            },
            "max_ns": self.maximum if self.count else None,
        }

    @staticmethod
    def _upper(index: int) -> int:
        if index < 2 * _SUB:
            return index
        shift = (index >> SUB_BITS) - 1
        return ((_SUB + (index & (_SUB - 1)) + 1) << shift) - 1
