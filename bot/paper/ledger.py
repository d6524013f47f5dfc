"""The gateway's ledger: every request, order, fill, position and account change, in order.

One line per record. A sink gets each line before anything that follows from it is answered; the judge
reads the same records, live and when a state is read back, so its verdict survives a restart.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

KEPT_LINES = 200_000
"""Lines kept in memory; older ones stay in the file and in the digest."""

Sink = Callable[[bytes], None]
Reader = Callable[[int, str, Any], None]


class Ledger:
    """Append-only. `digest` covers all lines ever written, also those no longer kept."""

    def __init__(self) -> None:
        self.sink: Sink | None = None
        self.readers: list[Reader] = []
        self.lines: deque[bytes] = deque(maxlen=KEPT_LINES)
        self.count = 0
        self._hash = hashlib.sha256()
        self._encode = msgspec.json.Encoder().encode

    def write(self, ts: int, kind: str, row: Any) -> None:
        """Append one record at venue time `ts`; readers see it at once."""
        line = self._encode([ts, kind, row])
        self.keep(line)
        if self.sink is not None:
            self.sink(line)
        for reader in self.readers:
            reader(ts, kind, row)

    def keep(self, line: bytes) -> None:
        """Count a line in without giving it to the sink."""
        self.lines.append(line)
        self.count += 1
        self._hash.update(line)

    def digest(self) -> str:
        """SHA-256 over all lines."""
        return self._hash.hexdigest()

    def text(self) -> bytes:
        """The kept lines."""
        return b"\n".join(self.lines)
