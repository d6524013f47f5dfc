"""Who was running when the worker died: a few bytes in a mapped file that outlive the process."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Final

_LAYOUT: Final = struct.Struct("<16sqq")


class Marker:
    """Names the candidate and the call that run now; what a dead worker left is in `left`."""

    def __init__(self, path: Path) -> None:
        if not path.exists() or path.stat().st_size != _LAYOUT.size:
            path.write_bytes(bytes(_LAYOUT.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _LAYOUT.size)
        name, run, seq = _LAYOUT.unpack(self._map[:])
        self.left = (name.rstrip(b"\0").decode(errors="replace"), run, seq) if name[0] else None
        self.clear()

    def set(self, candidate: str, run: int, seq: int) -> None:
        """A call begins."""
        _LAYOUT.pack_into(self._map, 0, candidate.encode()[:16], run, seq)

    def clear(self) -> None:
        """It ended, well or with an error."""
        self._map[0] = 0
