"""The trading state: three stores, the strictest wins, and nothing automatic loosens it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.clock import VirtualClock
from bot.model.errors import StoreConflict, StoreUnavailable
from bot.trading.halt import HaltBoard, StateRefused
from bot.trading.intent_log import IntentLog, IntentLogFailed
from bot.trading.record_file import RecordFile
from tests.simulation.media import MemoryMedium
from tests.simulation.memory_store import MemoryStore

ACCOUNT = 1001


def board(medium: MemoryMedium, store: Any, folder: Path) -> tuple[HaltBoard, IntentLog]:
    log = IntentLog(RecordFile(medium), VirtualClock(10**18))
    log.replay()
    return HaltBoard(log, store, folder / "HALT"), log


async def test_the_stricter_of_global_and_account_applies(tmp_path: Path) -> None:
    halts, _ = board(MemoryMedium(), MemoryStore(), tmp_path)
    await halts.load([ACCOUNT, 1002])
    assert halts.effective(ACCOUNT) == ("ACTIVE", "")
    await halts.set(str(ACCOUNT), "REDUCING", "day loss", "risk")
    assert halts.effective(ACCOUNT) == ("REDUCING", "day loss")
    assert halts.effective(1002) == ("ACTIVE", "")
    await halts.set("global", "HALTED", "stop", "operator")
    assert halts.effective(ACCOUNT) == halts.effective(1002) == ("HALTED", "stop")


@pytest.mark.parametrize("lost", ["log", "database"])
async def test_f127_a_halt_survives_the_loss_of_either_store(tmp_path: Path, lost: str) -> None:
    medium, store = MemoryMedium(), MemoryStore()
    halts, _ = board(medium, store, tmp_path)
    await halts.load([ACCOUNT])
    await halts.set("global", "HALTED", "stop", "operator")
    if lost == "log":
        medium = MemoryMedium()
    else:
        store = MemoryStore()
    after, _ = board(medium, store, tmp_path)
    await after.load([ACCOUNT])
    assert after.effective(ACCOUNT) == ("HALTED", "stop")


async def test_a_halt_file_halts_and_cannot_be_resumed_past(tmp_path: Path) -> None:
    halts, _ = board(MemoryMedium(), None, tmp_path)
    await halts.load([ACCOUNT])
    (tmp_path / "HALT").write_text("the owner said so\n")
    assert halts.look() is True
    assert halts.effective(ACCOUNT) == ("HALTED", "the owner said so")
    await halts.set("global", "HALTED", "again", "operator")
    with pytest.raises(StateRefused, match="HALT file"):
        await halts.set("global", "ACTIVE", "please", "operator")
    (tmp_path / "HALT").unlink()
    assert halts.look() is True
    await halts.set("global", "ACTIVE", "please", "operator")
    assert halts.effective(ACCOUNT)[0] == "ACTIVE"


async def test_leaving_halted_needs_green_and_a_reason(tmp_path: Path) -> None:
    halts, _ = board(MemoryMedium(), None, tmp_path)
    await halts.load([ACCOUNT])
    await halts.set("global", "HALTED", "x", "operator")
    with pytest.raises(StateRefused, match="green"):
        await halts.set("global", "ACTIVE", "why", "operator", colour="amber")
    with pytest.raises(StateRefused, match="reason"):
        await halts.set("global", "ACTIVE", "", "operator")


async def test_nothing_automatic_loosens(tmp_path: Path) -> None:
    halts, log = board(MemoryMedium(), None, tmp_path)
    await halts.load([ACCOUNT])
    await halts.set("global", "HALTED", "x", "watchdog", automatic=True)
    await halts.set("global", "ACTIVE", "fine again", "risk", automatic=True)
    assert halts.effective(ACCOUNT)[0] == "HALTED"
    assert log.trading["global"].state == "HALTED"


async def test_stricter_acts_without_any_store_and_looser_waits_for_both(tmp_path: Path) -> None:
    medium, store = MemoryMedium(), MemoryStore()
    halts, _ = board(medium, store, tmp_path)
    await halts.load([ACCOUNT])
    store.down = True
    await halts.set("global", "HALTED", "x", "operator")
    assert halts.effective(ACCOUNT)[0] == "HALTED"
    with pytest.raises(StoreUnavailable):
        await halts.set("global", "ACTIVE", "why", "operator")
    assert halts.effective(ACCOUNT)[0] == "HALTED"
    after, _ = board(medium, None, tmp_path)
    await after.load([ACCOUNT])
    assert after.effective(ACCOUNT)[0] == "HALTED"
    store.down = False
    await halts.repair()
    assert (await store.get_trading_state("global") or {})["state"] == "HALTED"
    medium.room = 0
    with pytest.raises(IntentLogFailed):
        await halts.set("global", "ACTIVE", "why", "operator")
    assert halts.effective(ACCOUNT)[0] == "HALTED"


async def test_no_readable_store_means_halted(tmp_path: Path) -> None:
    store = MemoryStore()
    store.down = True
    halts, _ = board(MemoryMedium(), store, tmp_path)
    await halts.load([ACCOUNT], log_readable=False)
    assert halts.effective(ACCOUNT)[0] == "HALTED"


async def test_a_resume_under_way_does_not_undo_a_newer_halt(tmp_path: Path) -> None:
    halts, log = board(MemoryMedium(), None, tmp_path)
    store = Slow()
    halts, log = board(MemoryMedium(), store, tmp_path)
    await halts.load([ACCOUNT])
    await halts.set("global", "HALTED", "stop", "operator")
    store.slow = True
    resume = asyncio.ensure_future(halts.set("global", "ACTIVE", "go on", "operator"))
    await asyncio.sleep(0)
    store.slow = False
    await halts.set("global", "HALTED", "a close was not verified", "watchdog", automatic=True)
    store.go.set()
    with pytest.raises((StateRefused, StoreConflict)):
        await resume
    assert halts.effective(ACCOUNT) == ("HALTED", "a close was not verified")
    assert log.trading["global"].state == "HALTED"
    await halts.repair()
    row = await store.get_trading_state("global")
    assert row is not None
    assert row["state"] == "HALTED"


async def test_a_stricter_state_of_the_log_reaches_the_database(tmp_path: Path) -> None:
    medium, store = MemoryMedium(), MemoryStore()
    halts, log = board(medium, store, tmp_path)
    await halts.load([ACCOUNT])
    log.set_trading("global", "HALTED", "stop", "operator")
    await store.set_trading_state("global", "ACTIVE", "", "operator", 0)
    after, _ = board(medium, store, tmp_path)
    await after.load([ACCOUNT])
    assert after.effective(ACCOUNT) == ("HALTED", "stop")
    assert after.unsaved
    await after.repair()
    assert not after.unsaved
    row = await store.get_trading_state("global")
    assert row is not None
    assert row["state"] == "HALTED"


class Slow(MemoryStore):
    """Answers a change of state when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = False
        self.go = asyncio.Event()

    async def set_trading_state(self, *arguments: Any) -> int:
        if self.slow:
            await self.go.wait()
        return await super().set_trading_state(*arguments)
