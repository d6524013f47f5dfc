"""A script that cannot be run, told by file, line and column."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from bot.model.errors import BotError

Path = tuple[str | int, ...]
"""Where in a script: `("steps", 3, "endpoint")`."""


class Mark(NamedTuple):
    """A place in a file, both counted from 1."""

    line: int
    column: int


class Source(NamedTuple):
    """Where a script came from: the file's name and the place of each of its values."""

    name: str = "script"
    marks: Mapping[Path, Mark] = MappingProxyType({})

    def place(self, path: Path) -> str:
        """`chaos.yaml, line 7, column 15`, or the number of the step where there is no file."""
        for end in range(len(path), -1, -1):
            mark = self.marks.get(path[:end])
            if mark is not None:
                return f"{self.name}, line {mark.line}, column {mark.column}"
        if len(path) > 1 and path[0] == "steps" and isinstance(path[1], int):
            return f"{self.name}, step {path[1] + 1}"
        return self.name


class ScriptError(BotError):
    """A script that is refused; nothing of it was run."""

    code = "BAD_SCRIPT"
    exit_code = 3


def wrong(source: Source, path: Path, *, expected: str, seen: object, do: str = "") -> ScriptError:
    """The error of the value at `path`."""
    names = [str(part) for part in path if isinstance(part, str) and part != "steps"]
    name = ".".join(names)
    place = source.place(path)
    return ScriptError(f"{place}: {name}" if name else place, expected=expected, seen=seen, do=do)
