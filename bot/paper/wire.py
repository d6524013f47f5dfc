"""Numbers and times as the venue writes them: shortest decimals, ISO-8601 with an offset."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from bot.model.quantities import TickSize, divide_round
from bot.model.times import SECOND, format_ts

_AVERAGE_DECIMALS = 9
_ENCODER = msgspec.json.Encoder()


def to_json(value: object) -> bytes:
    """JSON bytes in the order of the members."""
    return _ENCODER.encode(value)


def number(scaled: int, places: int) -> msgspec.Raw:
    """`scaled / 10**places` in the shortest form, with an exponent below 0.0001 (gateway.md 3.2)."""
    return msgspec.Raw(number_text(scaled, places).encode())


@lru_cache(maxsize=65_536)
def price(ticks: int | None, tick: TickSize) -> msgspec.Raw | None:
    """A price of the grid."""
    return None if ticks is None else msgspec.Raw(price_text(ticks, tick).encode())


def price_text(ticks: int, tick: TickSize) -> str:
    """A price of the grid as JSON text."""
    places = _places(tick)
    return number_text(ticks * tick.num * 10**places // tick.den, places)


def average(numerator: int, denominator: int, tick: TickSize) -> msgspec.Raw:
    """A mean price of `numerator / denominator` ticks; off the grid is legal, cut to nine decimals."""
    places = max(_AVERAGE_DECIMALS, _places(tick) + 4)
    return number(divide_round(numerator * tick.num * 10**places, denominator * tick.den), places)


def money(micros: int | None) -> msgspec.Raw | None:
    """Micro-dollars, exactly."""
    return None if micros is None else number(micros, 6)


def balance(micros: int) -> msgspec.Raw:
    """A balance, shown in whole cents."""
    return number(divide_round(micros, 10_000), 2)


def rest_time(ts: int) -> str:
    """Up to six fraction digits, as REST writes them."""
    return _stamp(ts, 1_000, 6)


def hub_time(ts: int) -> str:
    """Up to seven fraction digits, as the hubs write them."""
    return _stamp(ts, 100, 7)


def _stamp(ts: int, unit: int, digits: int) -> str:
    seconds, nanos = divmod(ts, SECOND)
    if nanos < unit:
        return f"{_second(seconds)}+00:00"
    return f"{_second(seconds)}.{str(nanos // unit).zfill(digits).rstrip('0')}+00:00"


@lru_cache(maxsize=512)
def _second(seconds: int) -> str:
    return format_ts(seconds * SECOND, "")


@lru_cache(maxsize=256)
def _places(tick: TickSize) -> int:
    return tick.decimals


def number_text(scaled: int, places: int) -> str:
    """As `number`, as text."""
    sign = "-" if scaled < 0 else ""
    scaled = abs(scaled)
    if scaled > 0 and scaled * 10_000 < 10**places:
        return sign + _exponent(scaled, places)
    whole, fraction = divmod(scaled, 10**places)
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{str(fraction).zfill(places).rstrip('0')}"


def _exponent(scaled: int, places: int) -> str:
    digits = str(scaled)
    power = places - len(digits) + 1
    digits = digits.rstrip("0")
    head = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{head}E-{power:02d}"
