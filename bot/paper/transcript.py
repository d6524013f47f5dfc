"""What crossed the public listener, as JSON lines, with every credential replaced by its number.

Kinds of lines, each with `at` (host monotonic ns) and `connection` (counted from 1):

- `open`; `end` with `by` (`client` or `server`) and `abrupt`;
- `request`: `method`, `path` (with the query), `headers` ([name, value] in their order), `body`;
- `answer`: `status`, `headers`, `body`; its request is the oldest unanswered one of the connection;
- `frame`: `by`, `opcode` (text, binary, ping, pong, close), `data`, `fragments`, `masked`;
- `unreadable`: `by`, `why`; what follows in that direction is left out.

Bodies and data are text; bytes that are no UTF-8 are written as `\\xNN`, a close frame as its code and
its reason. The server's stamps are of the moment at which it handed the bytes to the socket.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from bot.model.errors import ConfigError

# Each run of characters is looked at once, so the time grows with the text alone.
_JWT = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+")
_NAMES = "apiKey|password|verifyKey|token|newToken|access_token"
_MEMBER = re.compile(rf'("(?:{_NAMES})"\s*:\s*")((?:[^"\\]|\\.)+)("?)', re.IGNORECASE)
_PARAMETER = re.compile(rf"((?:^|[?&])(?:{_NAMES})=)([^&#\s]+)()", re.IGNORECASE)
_BEARER = re.compile(r"(\bBearer\s+)([^\s\",]+)()", re.IGNORECASE)


class Transcript:
    """Writes to `path` (mode 600), beginning anew. `now` is the host's monotonic clock.

    Raises ConfigError when the file cannot be written.
    """

    def __init__(self, path: Path, now: Callable[[], int]) -> None:
        self._now = now
        self._credentials: dict[str, str] = {}
        self._connections = 0
        try:
            self._file: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as problem:
            raise ConfigError(
                "transcript", expected="a file that can be written", seen=str(path), do="name another file"
            ) from problem

    def connection(self) -> int:
        """The number of a new connection."""
        self._connections += 1
        self.write("open", self._connections)
        return self._connections

    def write(self, kind: str, connection: int, **members: Any) -> None:
        """Append one line; text members and headers lose their credentials."""
        if self._file is None:
            return
        line = {"at": self._now(), "connection": connection, "kind": kind}
        os.write(self._file, msgspec.json.encode({**line, **self._clean(members)}) + b"\n")

    def close(self) -> None:
        """Later lines are dropped."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._redact(value)
        if isinstance(value, dict):
            return {name: self._clean(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._clean(inner) for inner in value]
        return value

    def _redact(self, text: str) -> str:
        for pattern in (_MEMBER, _PARAMETER, _BEARER):
            text = pattern.sub(self._replaced, text)
        return _JWT.sub(lambda found: self._name(found[0]), text)

    def _replaced(self, found: re.Match[str]) -> str:
        return found[1] + self._name(found[2]) + found[3]

    def _name(self, credential: str) -> str:
        if credential.startswith("<"):
            return credential
        form = "jwt" if _JWT.fullmatch(credential) else "credential"
        return self._credentials.setdefault(credential, f"<{form} {len(self._credentials) + 1}>")
