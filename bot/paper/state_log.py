"""The ledger on disk: one checksummed line per record, handed to the operating system before anything
that follows from it is answered. A kill of the process loses nothing that was answered."""

from __future__ import annotations

import fcntl
import os
import zlib
from pathlib import Path

from bot.model.errors import BotError, ConfigError

FILE = "ledger.log"
LARGEST = 1 << 30
"""Bytes of one log; beyond it the gateway stops and asks for a new folder."""


class StateLog:
    """Opens `<folder>/ledger.log` for one process; raises BotError when another one has it.

    `lines` are the sound lines of earlier runs, `notice` tells what was cut from a damaged end.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as problem:
            raise ConfigError(
                "paper state folder", expected="a folder that can be written", seen=str(problem),
                do="correct its owner or mode, or choose another folder",
            ) from problem  # fmt: skip
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            os.close(self._file)
            raise ConfigError(
                "paper state folder",
                expected="a folder that no running gateway uses",
                seen=str(folder),
                do="stop the other gateway or choose another folder",
            ) from problem
        self.notice = ""
        self._size = 0
        try:
            self.lines = self._read()
        except BotError:
            self.close()
            raise

    def append(self, line: bytes) -> None:
        """Write one line. Raises BotError when the disk takes it not or only in part."""
        if self._size > LARGEST:
            raise BotError(
                "paper state",
                expected=f"at most {LARGEST} bytes in {self.path}",
                seen=self._size,
                do="start with a new state folder",
            )
        record = b"%08x %b\n" % (zlib.crc32(line), line)
        try:
            written = os.write(self._file, record)
        except OSError as problem:
            raise self._unwritable(str(problem)) from problem
        if written != len(record):
            raise self._unwritable(f"{written} of {len(record)} bytes written")

        self._size += written

    def close(self) -> None:
        """Give the folder free."""
        os.close(self._file)

    def _read(self) -> list[bytes]:
        data = self.path.read_bytes()
        lines: list[bytes] = []
        sound = 0
        while sound < len(data):
            end = data.find(b"\n", sound)
            line = _checked(data[sound:end]) if end >= 0 else None
            if line is None:
                break
            lines.append(line)
            sound = end + 1
        if not lines and b"\n" in data:
            raise ConfigError(
                f"paper state {self.path}, line 1", expected="a record of a paper gateway with its checksum",
                seen=data[:60], do="choose another state folder, or move this file away",
            )  # fmt: skip
        if sound < len(data):
            self.notice = (
                f"paper state: expected a whole record after {len(lines)} sound ones, got a damaged end; "
                f"cut {len(data) - sound} bytes from {self.path.name}"
            )
            os.truncate(self._file, sound)
        self._size = os.lseek(self._file, 0, os.SEEK_END)
        return lines

    def _unwritable(self, seen: str) -> BotError:
        return BotError(
            "paper state", expected=f"a whole record in {self.path}", seen=seen, do="free some disk space"
        )


def _checked(record: bytes) -> bytes | None:
    checksum, _, line = record.partition(b" ")
    if len(checksum) != 8 or not line or b"%08x" % zlib.crc32(line) != checksum:
        return None
    return line
