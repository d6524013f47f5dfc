"""Reads a recording back: the files of a folder in order, or one of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from bot.model.errors import BotError
from bot.recording.entries import HEAD, LARGEST_BLOCK, MAGIC, SUFFIX, BadBlock, Entry, decode


class RecordingError(BotError):
    """A recording that is not one, or is damaged elsewhere than at the end of a file."""

    code = "BAD_RECORDING"
    exit_code = 3


class RecordingReader:
    """`path` is a recording's folder or one of its files; `torn` tells after reading what was cut."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.torn: dict[Path, int] = {}

    def entries(self) -> Iterator[Entry]:
        """All entries in the order of their arrival. Raises RecordingError."""
        files = sorted(self._path.glob(f"*{SUFFIX}")) if self._path.is_dir() else [self._path]
        if not files:
            _refuse(self._path, "folder", f"files ending in {SUFFIX}", "none")
        for file in files:
            yield from self._file(file)

    def _file(self, path: Path) -> Iterator[Entry]:
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                if file.read(len(MAGIC)) != MAGIC:
                    _refuse(path, "head", MAGIC.decode().strip(), "something else")
                number, at = 0, len(MAGIC)
                while at < size:
                    number += 1
                    head = file.read(HEAD.size)
                    length, checksum = HEAD.unpack(head) if len(head) == HEAD.size else (0, 0)
                    end = at + HEAD.size + length
                    if len(head) < HEAD.size or end > size:
                        self._cut(path, number, size - at, whole=length > LARGEST_BLOCK)
                        return
                    try:
                        entries = decode(file.read(length), checksum)
                    except BadBlock as problem:
                        if end == size:
                            self._cut(path, number, size - at, whole=False)
                            return
                        _refuse(path, f"block {number}", "a block with its checksum", str(problem))
                    yield from entries
                    at = end
        except OSError as problem:
            raise RecordingError(
                f"recording {path}", expected="a readable file", seen=str(problem)
            ) from problem

    def _cut(self, path: Path, number: int, left: int, *, whole: bool) -> None:
        if whole:
            _refuse(path, f"block {number}", f"a block of at most {LARGEST_BLOCK} bytes", "a longer one")
        self.torn[path] = left


def _refuse(path: Path, where: str, expected: str, seen: str) -> NoReturn:
    raise RecordingError(
        f"recording {path}, {where}", expected=expected, seen=seen, do="leave this file out of the folder"
    )
