"""One process per account: the operating system's lock, and the epoch in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.model.errors import AccountLocked, StaleEpoch
from bot.trading.lease import AccountLock, forget

HOLDER = """
import sys
from pathlib import Path
from bot.trading.lease import AccountLock
lock = AccountLock.acquire("someone", 1001, Path(sys.argv[1]))
print(lock.mint().epoch, flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_and_told_who_holds_the_account(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == "1"
    with pytest.raises(AccountLocked, match=f"process {holder.pid}") as refused:
        AccountLock.acquire("someone", 1001, tmp_path)
    assert refused.value.exit_code == 6
    other = AccountLock.acquire("someone", 1002, tmp_path)
    stranger = AccountLock.acquire("somebody else", 1001, tmp_path)
    assert other.held
    assert stranger.held
    holder.kill()
    holder.wait()
    after = AccountLock.acquire("someone", 1001, tmp_path)
    assert after.mint().epoch == 2
    for lock in (other, stranger, after):
        lock.release()
    holder.stdin.close()  # type: ignore[union-attr]
    holder.stdout.close()


def test_only_the_newest_lease_is_worth_anything(tmp_path: Path) -> None:
    lock = AccountLock.acquire("someone", 1001, tmp_path, at_least=41)
    first = lock.mint()
    assert (first.epoch, first.account_id, first.valid()) == (42, 1001, True)
    second = lock.mint()
    assert (first.valid(), second.valid()) == (False, True)
    lock.release()
    assert not second.valid()
    with pytest.raises(StaleEpoch):
        lock.mint()


def test_a_removed_lock_file_ends_the_lease(tmp_path: Path) -> None:
    lock = AccountLock.acquire("someone", 1001, tmp_path)
    lease = lock.mint()
    for path in tmp_path.iterdir():
        os.unlink(path)
    assert not lease.valid()
    lock.release()


def test_locks_of_a_user_who_will_not_come_back_are_forgotten_but_not_held_ones(tmp_path: Path) -> None:
    for account in (1, 2, 3):
        AccountLock.acquire("paper-1", account, tmp_path).release()
    AccountLock.acquire("paper-2", 1, tmp_path).release()
    held = AccountLock.acquire("paper-1", 2, tmp_path)
    assert forget("paper-1", tmp_path) == 2
    assert held.held
    held.release()
    assert forget("paper-1", tmp_path) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_the_next_lease_is_above_the_epoch_of_the_intent_log(tmp_path: Path) -> None:
    """A lock folder that was emptied does not make an old epoch valid again."""
    lock = AccountLock.acquire("someone", 1001, tmp_path)
    lock.raise_to(7)
    lease = lock.mint()
    assert (lease.epoch, lease.valid()) == (8, True)
    lock.raise_to(3)
    assert lock.mint().epoch == 9
    assert not lease.valid()
    lock.release()
