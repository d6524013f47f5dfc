"""Where a running bot can be reached by one-shot commands (bot.md §2.2).

One small file per venue user in the same per-user folder as the account locks: URL, token, pid. It is
written when the API listens and removed when it stops; a file whose process is gone is ignored.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import msgspec

from bot.model.errors import StoreCorrupt


class Announcement(msgspec.Struct, frozen=True):
    """A running bot's API. The token never appears in a repr."""

    url: str
    token: str
    pid: int
    venue: str
    user: str
    accounts: tuple[int, ...]

    def __repr__(self) -> str:
        return f"Announcement(url={self.url!r}, pid={self.pid}, accounts={self.accounts})"


def path_of(folder: Path, venue: str, user: str) -> Path:
    """The file for one venue user; the name tells neither."""
    name = hashlib.sha256(f"{venue.lower()}|{user.lower()}".encode()).hexdigest()[:16]
    return folder / f"api-{name}.json"


def publish(folder: Path, announcement: Announcement) -> Path:
    """Write the file, readable by this user only, in one step."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = path_of(folder, announcement.venue, announcement.user)
    draft = path.with_suffix(f".{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(announcement))
    draft.replace(path)
    return path


def withdraw(path: Path) -> None:
    """Remove the file if it is still ours."""
    with contextlib.suppress(OSError, StoreCorrupt):
        found = _read(path)
        if found is not None and found.pid == os.getpid():
            path.unlink()


def find(folder: Path, venue: str, user: str) -> Announcement | None:
    """The running bot of this venue user, None when there is none. Raises StoreCorrupt."""
    found = _read(path_of(folder, venue, user))
    return found if found is not None and _alive(found.pid) else None


def _read(path: Path) -> Announcement | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Announcement)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as problem:
        raise StoreCorrupt(
            "announcement of the running bot", expected="the bot's own JSON", seen=str(path),
            do="stop the bot, remove the file, start it again",
        ) from problem  # fmt: skip


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
