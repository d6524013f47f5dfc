"""Writes a recording: a folder of numbered files, each up to a bound, all of them up to another."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bot.model.errors import BotError
from bot.recording.entries import MAGIC, SUFFIX, Entry, encode

_FULL: Final = 256 * 1024


class RecordingFailed(BotError):
    """The recording cannot be written; what was flushed before stays."""

    code = "RECORDING_FAILED"
    exit_code = 12


class RecordingWriter:
    """Appends entries; `flush` makes a block of what waits and hands it to the system.

    `file_bytes` bounds a file, `total_bytes` what one writer writes: `full` turns true there and nothing
    more is taken. Earlier files of the folder stay as they are. Raises RecordingFailed.
    """

    def __init__(self, folder: Path, *, file_bytes: int, total_bytes: int) -> None:
        self._folder, self._file_bytes, self._total_bytes = folder, file_bytes, total_bytes
        self._waiting: list[Entry] = []
        self._size = self._in_file = self.written = 0
        self._file: int | None = None
        self.full = False
        self.files: list[Path] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            numbers = [int(each.stem) for each in folder.glob(f"*{SUFFIX}") if each.stem.isdigit()]
        except OSError as problem:
            raise self._failed(problem) from problem
        self._number = max(numbers, default=0)
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, entry: Entry) -> None:
        """Take one entry; a full block is flushed."""
        if self.full:
            return
        self._waiting.append(entry)
        self._size += len(entry.data)
        if self._size >= _FULL:
            self.flush()

    def flush(self) -> None:
        """Write what waits, in a new file when the present one has reached its bound."""
        if not self._waiting:
            return
        block = encode(self._waiting)
        self._waiting, self._size = [], 0
        if self.written + len(block) > self._total_bytes:
            self.full = True
            return
        if self._in_file + len(block) > self._file_bytes and self._in_file > len(MAGIC):
            self._shut()
            self._open()
        self._write(block)

    def syncing(self) -> Callable[[], None]:
        """A call that makes what was flushed outlive a power cut; it may block, so make it beside the loop."""
        assert self._file is not None
        file = os.dup(self._file)

        def sync() -> None:
            try:
                os.fsync(file)
            except OSError as problem:
                raise self._failed(problem) from problem
            finally:
                os.close(file)

        return sync

    def close(self) -> None:
        """Flush and close; closing twice is allowed."""
        if self._file is not None:
            self.flush()
            self._shut()

    def _open(self) -> None:
        self._number += 1
        path = self._folder / f"{self._number:04d}{SUFFIX}"
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except OSError as problem:
            raise self._failed(problem) from problem
        self.files.append(path)
        self._in_file = 0
        self._write(MAGIC)

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as problem:
            raise self._failed(problem) from problem
        self._in_file += len(data)
        self.written += len(data)

    def _shut(self) -> None:
        file, self._file = self._file, None
        assert file is not None
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def _failed(self, problem: OSError) -> RecordingFailed:
        return RecordingFailed(
            f"recording in {self._folder}", expected="a folder that takes files", seen=str(problem),
            do="free space, or name another folder",
        )  # fmt: skip
