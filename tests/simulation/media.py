"""A medium in memory that can be killed, cut and filled up, with the guarantees of a file."""

from __future__ import annotations


class MemoryMedium:
    """`data` is what the operating system holds. `room` bytes fit, None = no bound."""

    def __init__(self, data: bytes = b"", room: int | None = None) -> None:
        self.data = bytearray(data)
        self.room = room
        self.synced = 0

    def read(self) -> bytes:
        return bytes(self.data)

    def write(self, offset: int, data: bytes) -> None:
        self._check(offset + len(data))
        if len(self.data) < offset:
            self.data.extend(bytes(offset - len(self.data)))
        self.data[offset : offset + len(data)] = data

    def reserve(self, size: int) -> None:
        """Space is made as it is written; only the bound is checked."""
        self._check(min(size, len(self.data) + 4096))

    def sync(self) -> None:
        self.synced += 1

    def close(self) -> None:
        """Memory needs no closing."""

    def _check(self, size: int) -> None:
        if self.room is not None and size > self.room:
            raise OSError(28, "No space left on device")
