"""The canonical little-endian layout of strategy state, shared by all languages.

`flag` one byte 0 or 1; `i64` signed 64 bits; `f64` IEEE-754 binary64; `text` a 32-bit byte count and
UTF-8; `optional` a flag and, if it is 1, the value; a list is a 32-bit count and its items. Maps are lists
of pairs in byte order of their keys.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeVar

from bot.model.errors import StoreCorrupt

T = TypeVar("T")
_INT = struct.Struct("<q")
_FLOAT = struct.Struct("<d")
_COUNT = struct.Struct("<I")


class Writer:
    """Appends values to one growing buffer."""

    def __init__(self) -> None:
        self._parts = bytearray()

    def flag(self, value: bool) -> None:
        self._parts.append(1 if value else 0)

    def i64(self, value: int) -> None:
        self._parts += _INT.pack(value)

    def i64s(self, *values: int) -> None:
        self._parts += struct.pack(f"<{len(values)}q", *values)

    def f64(self, value: float) -> None:
        self._parts += _FLOAT.pack(value)

    def count(self, value: int) -> None:
        self._parts += _COUNT.pack(value)

    def text(self, value: str) -> None:
        data = value.encode()
        self.count(len(data))
        self._parts += data

    def optional(self, write: Callable[[T], None], value: T | None) -> None:
        self.flag(value is not None)
        if value is not None:
            write(value)

    def done(self) -> bytes:
        return bytes(self._parts)


class Reader:
    """Reads what a Writer wrote. Raises StoreCorrupt when the bytes end early or do not fit."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def flag(self) -> bool:
        value = self._take(1)[0]
        if value > 1:
            raise StoreCorrupt("snapshot", expected="a flag of 0 or 1", seen=value)
        return value == 1

    def i64(self) -> int:
        return int(_INT.unpack(self._take(8))[0])

    def i64s(self, number: int) -> tuple[int, ...]:
        return struct.unpack(f"<{number}q", self._take(8 * number))

    def f64(self) -> float:
        return float(_FLOAT.unpack(self._take(8))[0])

    def count(self) -> int:
        return int(_COUNT.unpack(self._take(4))[0])

    def text(self) -> str:
        data = self._take(self.count())
        try:
            return data.decode()
        except UnicodeDecodeError as problem:
            raise StoreCorrupt("snapshot", expected="UTF-8 text", seen=data[:20]) from problem

    def optional(self, read: Callable[[], T]) -> T | None:
        return read() if self.flag() else None

    def end(self) -> None:
        """Raises StoreCorrupt when bytes are left."""
        if self._at != len(self._data):
            raise StoreCorrupt(
                "snapshot", expected="nothing more", seen=f"{len(self._data) - self._at} bytes"
            )

    def _take(self, number: int) -> bytes:
        part = self._data[self._at : self._at + number]
        if len(part) != number:
            raise StoreCorrupt("snapshot", expected=f"{number} more bytes", seen=f"{len(part)}")
        self._at += number
        return part
