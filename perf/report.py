"""The result of a run: rows, judged ratios and where they were measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from perf.work import Work


class Row(msgspec.Struct):
    """One variant of one work; figures in `unit`, `n` samples, 0 when it could not run (`reason`)."""

    work: str
    impl: str
    unit: str
    n: int
    min: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    reason: str | None = None


class Ratio(msgspec.Struct):
    """A goal and what was reached: a factor over `against`, or without it the figure itself."""

    work: str
    impl: str
    against: str | None
    ratio: float | None
    goal: str
    met: bool

    @property
    def label(self) -> str:
        return f"{self.impl} over {self.against}" if self.against else self.impl


class Report(msgspec.Struct):
    """A whole run."""

    machine: dict[str, str]
    rows: list[Row] = []
    ratios: list[Ratio] = []
    notes: dict[str, str] = {}


def row_of(work: Work, impl: str, samples: Sequence[float]) -> Row:
    """The row of all samples of one variant; quantiles by nearest rank."""
    ordered = sorted(samples)

    def rank(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return Row(work.name, impl, work.unit, len(ordered), ordered[0], rank(0.5), rank(0.95), rank(0.99))


def save(report: Report, file: Path) -> None:
    """Write the report as JSON, replacing the former one as a whole; makes the folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
    part.replace(file)
