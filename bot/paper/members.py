"""The values that a fault takes: what each may be, and how that reads in an error and in docs/faults.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from bot.model.errors import BadNumber
from bot.model.quantities import parse_decimal
from bot.paper.endpoints import ENDPOINTS, EVENTS


class Kind(Protocol):
    """A set of values."""

    @property
    def expected(self) -> str:
        """The set in words, as it stands behind `expected`."""
        ...

    def fits(self, value: object) -> bool:
        """Whether a value belongs to it."""
        ...


class Choice:
    """One of some texts or whole numbers, and whole numbers of a range beside them."""

    def __init__(self, names: Sequence[str | int], low: int | None = None, high: int | None = None) -> None:
        self.names, self.low, self.high = tuple(names), low, high

    @property
    def expected(self) -> str:
        parts = [str(name) for name in self.names]
        if self.low is not None:
            parts.insert(0, f"{self.low} to {self.high}")
        return " or ".join(parts) if len(parts) < 3 else "one of " + ", ".join(parts)

    def fits(self, value: object) -> bool:
        if isinstance(value, bool):
            return False
        in_range = isinstance(value, int) and self.low is not None and self.high is not None
        return value in self.names or (in_range and self.low <= value <= self.high)  # type: ignore[operator]


class Whole:
    """Whole numbers from `low` to `high`."""

    def __init__(self, low: int, high: int = 2**63 - 1) -> None:
        self.low, self.high = low, high

    @property
    def expected(self) -> str:
        if self.high == 2**63 - 1:
            return f"a whole number from {self.low} on"
        return f"a whole number from {self.low} to {self.high}"

    def fits(self, value: object) -> bool:
        return type(value) is int and self.low <= value <= self.high


class Seconds:
    """Seconds as a number from 0 on."""

    expected = "seconds as a number from 0 to 1e8"

    def fits(self, value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e8


class Signed:
    """Seconds that may be negative."""

    expected = "seconds as a number, negative ones for backwards"

    def fits(self, value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and -1e8 <= value <= 1e8


class Flag:
    """True or false."""

    expected = "true or false"

    def fits(self, value: object) -> bool:
        return isinstance(value, bool)


class Text:
    """Any text."""

    expected = "a text"

    def fits(self, value: object) -> bool:
        return isinstance(value, str)


class Price:
    """A decimal number, also as text."""

    expected = "a price such as 20000.25"

    def fits(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return False
        try:
            parse_decimal(str(value))
        except BadNumber:
            return False
        return True


class Settings:
    """Names with values."""

    expected = "a mapping of names to values"

    def fits(self, value: object) -> bool:
        return isinstance(value, Mapping) and bool(value) and all(isinstance(name, str) for name in value)


class Member(NamedTuple):
    """One member of a fault; `default` None where leaving it out means something of its own."""

    name: str
    kind: Kind
    means: str
    default: Any = None
    required: bool = False


ENDPOINT = Choice(("any", *ENDPOINTS))
EVENT = Choice((*EVENTS, *EVENTS.values()))
HUB = Choice(("user", "market", "any"))
CONTRACT, ACCOUNT = Text(), Whole(1, 2**31 - 1)
