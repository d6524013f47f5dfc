"""A script resolved against one venue: instants, contracts and odds, and the table that shows them."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from bot.calendar.windows import CT, ET, to_wall
from bot.paper.script.steps import Script, Step, When
from bot.paper.script.times import Wall, text_of


class Planned(NamedTuple):
    """One step as it will run. `start` and `until` are venue ns, `every` and `after` venue spans.

    `shape` is what the venue's faults take, `odds` the key of its random draws.
    """

    number: int
    step: Step
    start: int
    after: int
    every: int | None
    until: int | None
    when: When | None
    shape: dict[str, Any]
    odds: str

    @property
    def label(self) -> str:
        """Its note, else its number, as the ledger names it."""
        return self.step.note or f"step {self.number + 1}"

    def drawn(self, occurrence: int) -> bool:
        """Whether its chance lets this occurrence (from 0) happen."""
        chance = self.step.chance
        return chance >= 1.0 or random.Random(f"{self.odds} {occurrence}").random() < chance  # noqa: S311


class Plan(NamedTuple):
    """All steps of a script; `start` is the venue time from which its spans count."""

    script: Script
    start: int
    steps: tuple[Planned, ...]

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Number, time, what and how often of each step."""
        return [
            (str(planned.number + 1), self._time(planned), _what(planned), _often(planned))
            for planned in self.steps
        ]

    def text(self) -> str:
        """The table of `rows`."""
        rows = [("step", "when", "what", "how often"), *self.rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(lines)

    def _time(self, planned: Planned) -> str:
        et, ct = to_wall(planned.start, ET), to_wall(planned.start, CT)
        clock = f"+{text_of(planned.start - self.start)} ({et:%Y-%m-%d %H:%M:%S} ET, {ct:%H:%M:%S} CT)"
        if planned.when is not None:
            where = {
                name: getattr(planned.when, name)
                for name in _FILTERS
                if getattr(planned.when, name) is not None
            }
            narrowed = "".join(f" {name}={value}" for name, value in where.items())
            clock = f"{planned.when.event}{narrowed} #{planned.when.n}" + (
                f", from {clock}" if planned.start > self.start else ""
            )
        return clock + (f" and {text_of(planned.after)}" if planned.after else "")


_FILTERS = ("contract_id", "account_id", "endpoint", "hub", "leg")


def _what(planned: Planned) -> str:
    rest = {name: value for name, value in planned.shape.items() if name not in ("fault", "step", "for_s")}
    text = " ".join([planned.step.do, *(f"{name}={value}" for name, value in rest.items())])
    return text if planned.step.lasts is None else f"{text}, for {text_of(planned.step.lasts)}"


def _often(planned: Planned) -> str:
    step, parts = planned.step, []
    if planned.every is not None:
        parts.append(f"every {text_of(planned.every)}")
    if step.times is not None:
        parts.append(f"{step.times} times")
    if step.until is not None:
        parts.append(f"until {step.until.text() if isinstance(step.until, Wall) else text_of(step.until)}")
    if step.chance < 1.0:
        parts.append(f"with chance {step.chance:g}")
    return ", ".join(parts) or "once"
