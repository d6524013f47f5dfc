"""Opens a tape of any form and looks through the whole of it before anything of it is played."""

from __future__ import annotations

from pathlib import Path

from bot.calendar.sessions import SessionCalendar
from bot.model.instruments import INSTRUMENTS
from bot.paper.market.symbols import Symbols
from bot.paper.market.tape_csv import CsvTape
from bot.paper.market.tape_dbn import DbnTape, is_dbn
from bot.paper.market.tape_frames import FramesTape, is_recording
from bot.paper.market.tape_rows import Tape, TapeError


def open_tape(path: Path, root: str | None = None, calendar: SessionCalendar | None = None) -> Tape:
    """The tape at `path`: CSV, DBN, or a recording of `bot record`; with a `root` only its contracts.

    Raises TapeError for a path that cannot be read or an unknown root.
    """
    if root is not None and root not in INSTRUMENTS:
        raise TapeError(f"tape {path}", expected=f"one of the roots {', '.join(INSTRUMENTS)}", seen=root)
    symbols = Symbols(root, calendar or SessionCalendar.shipped())
    head = b""
    if not path.is_dir():
        try:
            with path.open("rb") as file:
                head = file.read(8)
        except OSError as problem:
            raise TapeError(
                f"tape {path}", expected="a readable file", seen=str(problem), do="correct the path"
            ) from problem
    if is_recording(head, path):
        return FramesTape(path, symbols)
    return DbnTape(path, symbols) if is_dbn(head, path) else CsvTape(path, symbols)


def named(text: str) -> tuple[str | None, Path]:
    """`MNQ=file` to root and path; a path alone stands for all contracts that the tape names."""
    root, equals, path = text.partition("=")
    if equals and root.isalnum() and root.upper() == root:
        return root, Path(path)
    return None, Path(text)
