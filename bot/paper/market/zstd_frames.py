"""Whether a zstd file is whole: its decoder hands out what it has of a file that was cut, and says nothing."""

from __future__ import annotations

from io import BufferedReader
from typing import Final

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE: Final = b"\x2a\x4d\x18"
_RUN_LENGTH: Final = 1
_DICTIONARY: Final = (0, 1, 2, 4)
_CONTENT: Final = (0, 2, 4, 8)


def is_whole(file: BufferedReader) -> bool:
    """Whether the file ends with the end of a frame (RFC 8878); reads heads of blocks only."""
    size = file.seek(0, 2)
    file.seek(0)
    while file.tell() < size:
        magic = file.read(4)
        if magic[1:] == _SKIPPABLE:
            file.seek(int.from_bytes(file.read(4), "little"), 1)
        elif magic != _MAGIC or not _frame(file):
            return False
    return file.tell() == size


def _frame(file: BufferedReader) -> bool:
    """Go past one frame behind its magic number; false when it has no end."""
    descriptor = file.read(1)
    if not descriptor:
        return False
    bits = descriptor[0]
    single = bool(bits & 0x20)
    content = _CONTENT[bits >> 6] or (1 if single else 0)
    file.seek((0 if single else 1) + _DICTIONARY[bits & 3] + content, 1)
    while True:
        head = file.read(3)
        if len(head) < 3:
            return False
        block = int.from_bytes(head, "little")
        file.seek(1 if block >> 1 & 3 == _RUN_LENGTH else block >> 3, 1)
        if block & 1:
            file.seek(4 if bits & 4 else 0, 1)
            return True
