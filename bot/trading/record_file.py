"""An append-only file of checksummed records with preallocated space.

Layout, little-endian: eight bytes `TBREC001`, then per record a length (u32 > 0), the CRC-32 of the payload
(u32) and the payload. Preallocated space is zero, so a length of 0 is the end. A record that was cut or
damaged ends the readable prefix: everything before it is used, the rest is reported and wiped.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Protocol

import msgspec

MAGIC = b"TBREC001"
HEADER = struct.Struct("<II")
STEP = 1 << 18
"""Space is reserved in steps of 256 KiB."""
MAX_RECORD = 1 << 20


class Medium(Protocol):
    """Bytes that outlive the process once `write` has returned, and the power supply after `sync`."""

    def read(self) -> bytes:
        """All of it; empty when it is new."""
        ...

    def write(self, offset: int, data: bytes) -> None:
        """Hand `data` to the operating system. Raises OSError."""
        ...

    def reserve(self, size: int) -> None:
        """Make room up to `size` bytes, filled with zeros. Raises OSError when the disk is full."""
        ...

    def sync(self) -> None:
        """`fdatasync`; may take milliseconds."""
        ...

    def close(self) -> None: ...


class DiskMedium:
    """A file that is kept open; the folder is made if it is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)

    def read(self) -> bytes:
        return self.path.read_bytes()

    def write(self, offset: int, data: bytes) -> None:
        view = memoryview(data)
        os.lseek(self._fd, offset, os.SEEK_SET)
        while view:
            view = view[os.write(self._fd, view) :]

    def reserve(self, size: int) -> None:
        present = os.fstat(self._fd).st_size
        if size <= present:
            return
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._fd, present, size - present)
        else:
            self.write(present, bytes(size - present))

    def sync(self) -> None:
        getattr(os, "fdatasync", os.fsync)(self._fd)

    def close(self) -> None:
        os.close(self._fd)


class Damage(msgspec.Struct, frozen=True):
    """What was found behind the readable prefix: `kept` records, the cut at byte `offset`, `lost` bytes."""

    kept: int
    offset: int
    lost: int
    reason: str


def scan(data: bytes) -> tuple[list[bytes], int, Damage | None]:
    """`(payloads, end of the readable prefix, damage behind it or None)`."""
    if not data.strip(b"\0"):
        return [], 0, None
    if data[: len(MAGIC)] != MAGIC:
        reason = "the header is torn" if MAGIC.startswith(data[: len(MAGIC)].rstrip(b"\0")) else "no header"
        return [], 0, Damage(0, 0, len(data.rstrip(b"\0")), reason)
    payloads: list[bytes] = []
    at, reason = len(MAGIC), ""
    while at + HEADER.size <= len(data):
        length, checksum = HEADER.unpack_from(data, at)
        if length == 0:
            break
        payload = data[at + HEADER.size : at + HEADER.size + length]
        if length > MAX_RECORD or len(payload) < length:
            reason = f"a record of {length} bytes is cut"
            break
        if zlib.crc32(payload) != checksum:
            reason = "a checksum does not match"
            break
        payloads.append(payload)
        at += HEADER.size + length
    rest = data[at:].rstrip(b"\0")
    if not rest and not reason:
        return payloads, at, None
    return payloads, at, Damage(len(payloads), at, len(rest), reason or "a record is torn")


class RecordFile:
    """Appends records; `damage` tells what `open` had to cut off."""

    def __init__(self, medium: Medium) -> None:
        self._medium = medium
        self._end = 0
        self._room = 0
        self.damage: Damage | None = None

    def open(self) -> list[bytes]:
        """Read the whole readable prefix, wipe what lies behind it, and be ready to append."""
        data = self._medium.read()
        payloads, self._end, self.damage = scan(data)
        self._room = len(data)
        if self.damage is not None:
            self._medium.write(self._end, bytes(max(0, len(data) - self._end)))
        if self._end == 0:
            self._ensure(STEP)
            self._medium.write(0, MAGIC)
            self._end = len(MAGIC)
        return payloads

    def append(self, payload: bytes) -> None:
        """Hand one record to the operating system. Raises OSError; the file then ends where it ended."""
        record = HEADER.pack(len(payload), zlib.crc32(payload)) + payload
        self._ensure(self._end + len(record))
        self._medium.write(self._end, record)
        self._end += len(record)

    @property
    def size(self) -> int:
        """Bytes in use."""
        return self._end

    def sync(self) -> None:
        self._medium.sync()

    def close(self) -> None:
        self._medium.close()

    def _ensure(self, size: int) -> None:
        if size > self._room:
            room = -(-size // STEP) * STEP
            self._medium.reserve(room)
            self._room = room
