"""Exact quantities: prices in ticks, sizes in lots, money in micro-dollars, time in nanoseconds.

One rounding rule everywhere: to the nearest integer, exact halves away from zero. No float carries
a price, a size or money; the only float that enters is an indicator already measured in ticks.
"""

from __future__ import annotations

import re
from math import floor, isfinite
from typing import NewType

import msgspec

from bot.model.errors import BadNumber

Ticks = NewType("Ticks", int)
Lots = NewType("Lots", int)
Money = NewType("Money", int)
TsNs = NewType("TsNs", int)

MICROS_PER_DOLLAR = 1_000_000
_DECIMAL = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?", re.ASCII)
_MAX_DIGITS = 18
_MAX_EXPONENT = 12


def parse_decimal(text: str) -> tuple[int, int]:
    """Read decimal text as `(m, e)` with value `m * 10**e`, exactly.

    Raises BadNumber for anything but an optional sign, digits, an optional point with digits and an
    optional exponent of -12..12, with at most 18 digits apart from leading zeros.
    """
    found = _DECIMAL.fullmatch(text)
    if found is None:
        raise BadNumber("number", expected="decimal digits such as -12.5 or 5E-07", seen=text)
    sign, whole, fraction, exponent = found.groups()
    fraction = fraction or ""
    written = int(exponent) if exponent else 0
    if len((whole + fraction).lstrip("0")) > _MAX_DIGITS or abs(written) > _MAX_EXPONENT:
        raise BadNumber(
            "number",
            expected=f"at most {_MAX_DIGITS} digits and an exponent of -12..12",
            seen=text,
        )
    mantissa = int(whole + fraction)
    return (-mantissa if sign == "-" else mantissa), written - len(fraction)


def divide_round(numerator: int, denominator: int) -> int:
    """`numerator / denominator` to the nearest integer, halves away from zero. `denominator > 0`."""
    quotient, remainder = divmod(abs(numerator), denominator)
    if 2 * remainder >= denominator:
        quotient += 1
    return -quotient if numerator < 0 else quotient


def round_away(x: float) -> int:
    """A double that is already in ticks, to the nearest tick, halves away from zero."""
    if not isfinite(x):
        raise BadNumber("number", expected="a finite double", seen=x)
    magnitude = abs(x)
    whole = floor(magnitude)
    if magnitude - whole >= 0.5:
        whole += 1
    return -whole if x < 0.0 else whole


class TickSize(msgspec.Struct, frozen=True):
    """An exact tick size `num/den` in price units (0.25 = 1/4, 5 = 5/1, 0.0000005 = 1/2000000)."""

    num: int
    den: int

    @classmethod
    def from_text(cls, text: str) -> TickSize:
        """The tick size written as decimal text. Raises BadNumber when it is not positive."""
        mantissa, exponent = parse_decimal(text)
        if mantissa <= 0:
            raise BadNumber("tick size", expected="a positive number", seen=text)
        num, den = (mantissa * 10**exponent, 1) if exponent >= 0 else (mantissa, int(10**-exponent))
        divisor = _gcd(num, den)
        return cls(num // divisor, den // divisor)

    @property
    def decimals(self) -> int:
        """The smallest number of decimals that writes every price of the grid exactly."""
        places = 0
        while self.num * 10**places % self.den:
            places += 1
        return places

    def parse(self, text: str) -> tuple[Ticks, bool]:
        """Price text to `(ticks, on_grid)`, rounded by the one rule. Raises BadNumber."""
        return self.ratio_ticks(*parse_decimal(text))

    def ratio_ticks(self, mantissa: int, exponent: int, size: int = 1) -> tuple[Ticks, bool]:
        """`mantissa * 10**exponent * size` price units to `(ticks, on_grid)`."""
        numerator = mantissa * size * self.den
        denominator = self.num
        if exponent >= 0:
            numerator *= 10**exponent
        else:
            denominator *= 10**-exponent
        return Ticks(divide_round(numerator, denominator)), numerator % denominator == 0

    def format(self, ticks: int) -> str:
        """Ticks to price text with exactly `decimals` decimals; no float is involved."""
        places = self.decimals
        scaled = abs(ticks) * self.num * 10**places // self.den
        return _fixed(scaled, places, negative=ticks < 0)


def cost_ticks(tick: TickSize, average_text: str, size: int) -> int:
    """Sum of fill price x size in ticks from a broker's average price text, rounded once."""
    return tick.ratio_ticks(*parse_decimal(average_text), size=size)[0]


def parse_money(text: str) -> Money:
    """Dollar text to micro-dollars. Raises BadNumber when it is not a whole number of them."""
    mantissa, exponent = parse_decimal(text)
    scale = exponent + 6
    if scale >= 0:
        return Money(mantissa * 10**scale)
    if mantissa % 10**-scale:
        raise BadNumber("amount", expected="a whole number of micro-dollars", seen=text)
    return Money(mantissa // 10**-scale)


def format_money(micros: int, places: int = 2) -> str:
    """Micro-dollars to dollar text for display, rounded by the one rule."""
    return _fixed(
        abs(divide_round(micros, int(10 ** (6 - places)))),
        places,
        negative=divide_round(micros, int(10 ** (6 - places))) < 0,
    )


def exact_money(micros: int) -> str:
    """Micro-dollars to the shortest exact dollar text."""
    text = _fixed(abs(micros), 6, negative=micros < 0)
    return text.rstrip("0").rstrip(".")


def gross_profit(side: int, entry: int, exit_: int, size: int, tick_value: int) -> Money:
    """Gross profit in micro-dollars; `side` is +1 long, -1 short, `tick_value` in micro-dollars."""
    return Money(side * (exit_ - entry) * size * tick_value)


def unrealised(side: int, size: int, cost: int, mark: int, tick_value: int) -> Money:
    """Open result in micro-dollars of a position with `cost` = sum of fill price x size in ticks."""
    return Money(side * (mark * size - cost) * tick_value)


def _fixed(scaled: int, places: int, *, negative: bool) -> str:
    digits = str(scaled).rjust(places + 1, "0")
    text = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return f"-{text}" if negative and scaled else text


def _gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a
