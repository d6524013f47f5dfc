"""Journal files: numbered append-only segments of frames `u32 length, u32 crc32, payload` (little-endian).

A frame that is cut short or fails its checksum ends what can be read of a segment; the writer cuts such a
tail off when it starts. Retention counts days and bytes, and never touches the segment being written.
"""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from bot.model.times import HOUR

FRAME: Final = struct.Struct("<II")
SUFFIX: Final = ".journal"
MAX_FRAME: Final = 64 * 1024 * 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a journal folder: bytes per segment and in all, age in hours, free bytes below which it stops."""

    segment_bytes: int = 16 * 1024 * 1024
    total_bytes: int = 2 * 1024**3
    keep_hours: int = 14 * 24
    min_free_bytes: int = 512 * 1024 * 1024
    queue_blocks: int = 256


def segments(folder: Path) -> list[Path]:
    """The segments of a folder in order of writing."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def frames(path: Path, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """`(offset after the frame, payload)` of each whole frame from `offset`; ends at the first bad one."""
    with path.open("rb") as file:
        file.seek(offset)
        while len(head := file.read(FRAME.size)) == FRAME.size:
            length, checksum = FRAME.unpack(head)
            if length > MAX_FRAME:
                return
            payload = file.read(length)
            if len(payload) < length or zlib.crc32(payload) != checksum:
                return
            offset += FRAME.size + length
            yield offset, payload


def cut_torn_tail(path: Path) -> int:
    """Cut what follows the last whole frame; returns the bytes cut."""
    good = 0
    for offset, _ in frames(path):
        good = offset
    torn = path.stat().st_size - good
    if torn:
        os.truncate(path, good)
    return torn


class SegmentWriter:
    """Appends frames, starts the next segment when one is full, and prunes old ones.

    `head` is the first payload of each segment. Not thread-safe: one writer owns it.
    """

    def __init__(self, folder: Path, head: bytes, limits: Limits) -> None:
        self._folder, self._head, self._limits = folder, head, limits
        self._file: int | None = None
        self._size = 0
        self._path = folder
        self.torn_bytes = 0

    def open(self, now_ns: int) -> None:
        """Cut a torn tail of the last run, start a new segment and prune. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        existing = segments(self._folder)
        if existing:
            self.torn_bytes = cut_torn_tail(existing[-1])
        self._next(int(existing[-1].stem) + 1 if existing else 1)
        self._prune(now_ns)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def write(self, payload: bytes, now_ns: int) -> bool:
        """Append one frame; true when it began a new segment. Raises OSError, with nothing half written."""
        fresh = self._size >= self._limits.segment_bytes
        if fresh:
            self._next(int(self._path.stem) + 1)
            self._prune(now_ns)
        self._append(payload)
        return fresh

    def room(self) -> bool:
        """Whether the disk has more than its free minimum."""
        return shutil.disk_usage(self._folder).free > self._limits.min_free_bytes

    def _next(self, number: int) -> None:
        self.close()
        self._path = self._folder / f"{number:08d}{SUFFIX}"
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._size = 0
        self._append(self._head)

    def _append(self, payload: bytes) -> None:
        if self._file is None:
            raise OSError("the journal is not open")
        frame = FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        written = os.write(self._file, frame)
        if written < len(frame):
            os.ftruncate(self._file, self._size)
            raise OSError("short write: the disk is full")
        self._size += written

    def _prune(self, now_ns: int) -> None:
        kept = 0
        oldest = now_ns - self._limits.keep_hours * HOUR
        for path in reversed(segments(self._folder)):
            seen = path.stat()
            kept += seen.st_size
            if path != self._path and (kept > self._limits.total_bytes or seen.st_mtime_ns < oldest):
                path.unlink()
