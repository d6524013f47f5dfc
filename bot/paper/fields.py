"""Members of a request body: names without regard to case, exact numbers, a 400 for what cannot bind."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from bot.model.errors import BotError
from bot.model.quantities import TickSize, parse_decimal
from bot.model.times import parse_ts

I32, I64 = 2**31, 2**63
T = TypeVar("T")
_SHORT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[Tt](\d\d:\d\d)(Z|z|[+-]\d\d:\d\d)?)?", re.ASCII)
"""A date alone, or a time without seconds: also ISO-8601."""


class BadRequest(Exception):
    """The body does not bind; `errors` is the problem body's member of that name."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(errors)
        self.errors = errors


class Number(str):
    """The text of a JSON number that is not a whole one."""

    __slots__ = ()


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


def read(raw: bytes) -> Members:
    """The members of a JSON object. Raises BadRequest."""
    if not raw.strip():
        raise BadRequest({"": ["A non-empty request body is required."], **_request_required()})
    try:
        value = json.loads(raw.decode("utf-8-sig"), parse_float=Number, parse_constant=_no_constant)
        if b"\\u" in raw:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as problem:
        raise BadRequest({"$": [f"The JSON value could not be read: {problem}"]}) from problem
    if not isinstance(value, dict):
        raise BadRequest({"$": ["The JSON value could not be converted to an object."]})
    return Members(value)


class Members:
    """One object. Required members raise BadRequest when absent or null; optional ones give None."""

    __slots__ = ("_inner", "_path", "_read", "_values")

    def __init__(self, values: dict[str, Any], path: str = "$") -> None:
        self._values = {name.lower(): value for name, value in values.items()}
        self._path = path
        self._read: set[str] = set()
        self._inner: list[Members] = []

    def i32(self, name: str) -> int:
        return self._required(name, self.i32_or_none(name))

    def i64(self, name: str) -> int:
        return self._required(name, self.i64_or_none(name))

    def text(self, name: str) -> str:
        return self._required(name, self.text_or_none(name))

    def flag(self, name: str) -> bool:
        return self._required(name, self.flag_or_none(name))

    def time(self, name: str) -> int:
        return self._required(name, self.time_or_none(name))

    def inner(self, name: str) -> Members:
        return self._required(name, self.inner_or_none(name))

    def i32_or_none(self, name: str) -> int | None:
        return self._whole(name, I32)

    def i64_or_none(self, name: str) -> int | None:
        return self._whole(name, I64)

    def text_or_none(self, name: str) -> str | None:
        value: str | None = self._get(name)
        if value is not None and (not isinstance(value, str) or isinstance(value, Number)):
            raise self._bad(name, "string")
        return value

    def flag_or_none(self, name: str) -> bool | None:
        value: bool | None = self._get(name)
        if value is not None and not isinstance(value, bool):
            raise self._bad(name, "boolean")
        return value

    def time_or_none(self, name: str) -> int | None:
        value = self.text_or_none(name)
        if value is not None and (short := _SHORT.fullmatch(value)):
            value = f"{short[1]}T{short[2] or '00:00'}:00{short[3] or ''}"
        try:
            return None if value is None else parse_ts(value)
        except BotError as problem:
            raise self._bad(name, "date-time") from problem

    def inner_or_none(self, name: str) -> Members | None:
        value = self._get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._bad(name, "object")
        inner = Members(value, f"{self._path}.{name}")
        self._inner.append(inner)
        return inner

    def whole_list(self, name: str) -> list[int] | None:
        value: list[int] | None = self._get(name)
        if value is None:
            return None
        if not isinstance(value, list) or any(
            type(item) is not int or not -I32 <= item < I32 for item in value
        ):
            raise self._bad(name, "array of integers")
        return value

    def price(self, name: str, tick: TickSize) -> tuple[int, bool] | None:
        """`(ticks, on_grid)` of a decimal member."""
        number = self.decimal(name)
        return None if number is None else tick.ratio_ticks(*number)

    def decimal(self, name: str) -> tuple[int, int] | None:
        """A decimal member as `(m, e)`, value `m * 10**e`."""
        value = self._get(name)
        if value is None:
            return None
        if type(value) is not int and not isinstance(value, Number):
            raise self._bad(name, "decimal")
        try:
            return parse_decimal(str(value))
        except BotError as problem:
            raise self._bad(name, "decimal") from problem

    def unread(self) -> list[str]:
        """Members that nobody asked for, also those of inner objects, by their paths without `$`."""
        names = [f"{self._path}.{name}"[2:].lower() for name in set(self._values) - self._read]
        return sorted(names + [name for inner in self._inner for name in inner.unread()])

    def _get(self, name: str) -> Any:
        self._read.add(name.lower())
        return self._values.get(name.lower())

    def _whole(self, name: str, limit: int) -> int | None:
        value: int | None = self._get(name)
        if value is not None and (type(value) is not int or not -limit <= value < limit):
            raise self._bad(name, "integer")
        return value

    def _required(self, name: str, value: T | None) -> T:
        if value is None:
            raise BadRequest({name: [f"The {name} field is required."]})
        return value

    def _bad(self, name: str, wanted: str) -> BadRequest:
        text = f"The JSON value could not be converted to {wanted}. Path: {self._path}.{name}"
        return BadRequest({f"{self._path}.{name}": [text], **_request_required()})


def _request_required() -> dict[str, list[str]]:
    return {"request": ["The request field is required."]}
