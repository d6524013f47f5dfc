"""Reads a journal folder in order: records with the run they belong to, from the beginning or from a place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from bot.migration.records import CallBlock, Record, SegmentHead
from bot.migration.segments import frames, segments


class Place(msgspec.Struct, frozen=True):
    """Where a frame begins: the segment's name and the byte offset in it."""

    segment: str = ""
    offset: int = 0


class Entry(msgspec.Struct, frozen=True):
    """One record, its run and its place; `record` is None for a frame that could not be decoded."""

    run: SegmentHead
    record: Record | None
    place: Place


class JournalReader:
    """Yields what is whole; what follows a torn frame of a finished segment is skipped and counted in `torn`.

    Calling `entries` again goes on behind the last entry, so that a growing journal can be followed.
    """

    def __init__(self, folder: Path, start: Place | None = None) -> None:
        self._folder = folder
        self._next = start or Place()
        self._decoder = msgspec.msgpack.Decoder(Record)
        self._head: SegmentHead | None = None
        self.torn = 0

    def entries(self) -> Iterator[Entry]:
        """Entries until the end of what is written now."""
        paths = [path for path in segments(self._folder) if path.name >= self._next.segment]
        for index, path in enumerate(paths):
            offset = self._next.offset if path.name == self._next.segment else 0
            if offset and self._head is None:
                self._read_head(path)
            begin = offset
            for end, payload in frames(path, offset):
                record = self._decode(payload)
                if isinstance(record, SegmentHead):
                    self._head = record
                if self._head is not None and not isinstance(record, CallBlock):
                    yield Entry(self._head, record, Place(path.name, begin))
                self._next, begin = Place(path.name, end), end
            if index + 1 < len(paths):
                self.torn += begin < path.stat().st_size
                self._next = Place(paths[index + 1].name, 0)

    def behind(self) -> int:
        """Bytes written but not yet read."""
        total = 0
        for path in segments(self._folder):
            if path.name >= self._next.segment:
                total += path.stat().st_size - (self._next.offset if path.name == self._next.segment else 0)
        return total

    def _read_head(self, path: Path) -> None:
        for _, payload in frames(path):
            record = self._decode(payload)
            self._head = record if isinstance(record, SegmentHead) else None
            return

    def _decode(self, payload: bytes) -> Record | None:
        try:
            record: Record = self._decoder.decode(payload)
        except msgspec.MsgspecError:
            return None
        return record
