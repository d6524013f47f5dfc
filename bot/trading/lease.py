"""The right to send for one account (bot.md §2.2, architecture.md, Transports).

One lock file per (venue user, account) in a fixed per-user folder, held by the operating system for as long
as the process lives. The authority epoch is written in it; only the holder of the lock mints leases, each
with a new epoch, and an older lease is worth nothing from then on.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from bot.model.errors import AccountLocked, StaleEpoch

WIDTH = 64
"""Bytes of the record `pid epoch`; the lock itself covers one byte far behind it on Windows."""
_WINDOWS_LOCK_BYTE = 1 << 20


def lock_folder() -> Path:
    """The per-user folder, the same whatever the state folder is."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path.home() / ".local" / "state"
    return base / "topstepx-trading-bot" / "locks"


class AccountLock:
    """The lock of one account; make it with `acquire`, let go with `release`."""

    def __init__(self, path: Path, account_id: int, fd: int, epoch: int) -> None:
        self._path = path
        self._fd: int | None = fd
        self._epoch = epoch
        self.account_id = account_id

    @classmethod
    def acquire(
        cls, user: str, account_id: int, folder: Path | None = None, at_least: int = 0
    ) -> AccountLock:
        """Take the lock, or raise AccountLocked naming the process that holds it.

        `at_least` is the newest epoch that the intent log knows; the next lease is above it.
        """
        folder = folder or lock_folder()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{_user_name(user)}-{account_id}.lock"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            _lock(fd)
        except OSError as problem:
            holder = _read(fd)[0]
            os.close(fd)
            raise AccountLocked(
                f"account {account_id}",
                expected="no other process that trades it",
                seen=f"process {holder}",
                do="stop that process, or let it carry out the command",
            ) from problem
        lock = cls(path, account_id, fd, max(_read(fd)[1], at_least))
        lock._write()
        return lock

    @property
    def epoch(self) -> int:
        """The newest epoch minted."""
        return self._epoch

    @property
    def held(self) -> bool:
        """False after `release`, and when somebody removed the file from under the lock."""
        return self._fd is not None and os.fstat(self._fd).st_nlink > 0

    def raise_to(self, epoch: int) -> None:
        """The intent log knows a newer epoch than the lock file; the next lease is above it."""
        self._epoch = max(self._epoch, epoch)

    def mint(self) -> AccountLease:
        """A lease with a new epoch. Raises StaleEpoch when the lock is not held."""
        if not self.held:
            raise StaleEpoch(f"lock of account {self.account_id}", expected="a held lock", seen="released")
        self._epoch += 1
        self._write()
        return AccountLease(self)

    def release(self) -> None:
        """Let another process have the account; all leases end."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _write(self) -> None:
        assert self._fd is not None
        os.lseek(self._fd, 0, os.SEEK_SET)
        os.write(self._fd, f"{os.getpid()} {self._epoch}".ljust(WIDTH).encode())
        os.fsync(self._fd)


def forget(user: str, folder: Path | None = None) -> int:
    """Remove the lock files of a venue user who will not come back, e.g. a rehearsal's; held ones stay.

    Returns how many went. An epoch that is forgotten starts again from the intent log's.
    """
    gone = 0
    for path in sorted((folder or lock_folder()).glob(f"{_user_name(user)}-*.lock")):
        fd = os.open(path, os.O_RDWR)
        try:
            _lock(fd)
            path.unlink()
            gone += 1
        except OSError:
            continue
        finally:
            os.close(fd)
    return gone


def _user_name(user: str) -> str:
    return hashlib.sha256(user.encode()).hexdigest()[:16]


class AccountLease:
    """One epoch's right to send."""

    __slots__ = ("_epoch", "_lock")

    def __init__(self, lock: AccountLock) -> None:
        self._lock = lock
        self._epoch = lock.epoch

    @property
    def account_id(self) -> int:
        return self._lock.account_id

    @property
    def epoch(self) -> int:
        return self._epoch

    def valid(self) -> bool:
        return self._lock.epoch == self._epoch and self._lock.held


def _read(fd: int) -> tuple[str, int]:
    os.lseek(fd, 0, os.SEEK_SET)
    parts = os.read(fd, WIDTH).decode(errors="replace").split()
    return (parts[0], int(parts[1])) if len(parts) == 2 and parts[1].isdigit() else ("unknown", 0)


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> None:
        os.lseek(fd, _WINDOWS_LOCK_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
