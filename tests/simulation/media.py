"""A medium in memory that can be killed, cut and filled up, with the guarantees of a file."""

from __future__ import annotations

from collections.abc import Callable


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


class MortalMedium:
    """A machine's disk as one process sees it, which may die before, inside or after a write.

    `passing` is told of each of these points and raises where the process ends; `alive` raises for a dead one.
    """

    def __init__(
        self, medium: MemoryMedium, passing: Callable[[str], None], alive: Callable[[], None] = lambda: None
    ) -> None:
        self._medium, self._passing, self._alive = medium, passing, alive

    def read(self) -> bytes:
        return self._medium.read()

    def write(self, offset: int, data: bytes) -> None:
        self._passing("before a write")
        half = len(data) // 2
        self._medium.write(offset, data[:half])
        self._passing("inside a write")
        self._medium.write(offset + half, data[half:])
        self._passing("after a write")

    def reserve(self, size: int) -> None:
        self._alive()
        self._medium.reserve(size)

    def sync(self) -> None:
        self._alive()
        self._medium.sync()

    def close(self) -> None:
        """The machine keeps it."""


async def inline(work: Callable[[], None]) -> None:
    """Work that a real log hands to a thread, done at once."""
    work()
