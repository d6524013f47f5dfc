"""The intent log: what was handed over survives, what was torn is cut, what was used is never used again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from bot.clock import SystemClock, VirtualClock
from bot.model.errors import StoreCorrupt
from bot.model.intents import Bracket, CancelOrder, PlaceOrder
from bot.model.quantities import Ticks
from bot.trading.intent_log import KEEP_KEYS_NS, IntentLog, IntentLogFailed, KeyUsed, rotate
from bot.trading.intent_records import IntentRecord
from bot.trading.record_file import MAGIC, DiskMedium, RecordFile, scan
from tests.simulation.media import MemoryMedium

CONTRACT = "CON.F.US.MNQ.Z25"


def entry(key: str) -> PlaceOrder:
    return PlaceOrder(
        key=key, account_id=1001, contract_id=CONTRACT, source="strategy", strategy="mean_reversion",
        kind="BR", side=0, type=2, size=1, bracket=Bracket(40, 80),
    )  # fmt: skip


def open_log(medium: MemoryMedium) -> IntentLog:
    log = IntentLog(RecordFile(medium), VirtualClock(10**18))
    log.replay()
    return log


def written() -> tuple[MemoryMedium, list[int]]:
    """A log of six records and the offsets at which they end."""
    medium = MemoryMedium()
    file = RecordFile(medium)
    log = IntentLog(file, VirtualClock(10**18))
    log.replay()
    ends = [file.size]
    for step in (
        lambda: log.record(entry("a"), 1),
        lambda: log.mark(entry("a").id, "sent"),
        lambda: log.mark(entry("a").id, "open", 900001),
        lambda: log.set_trading("global", "REDUCING", "test", "operator"),
        lambda: log.set_epoch(1001, 7),
        lambda: log.record(entry("b"), 7),
    ):
        step()
        ends.append(file.size)
    return medium, ends


def test_f179_log_cut_at_each_byte_uses_the_whole_prefix_and_reports_the_rest() -> None:
    medium, ends = written()
    whole = bytes(medium.data)[: ends[-1]]
    for cut in range(len(whole) + 1):
        torn = MemoryMedium(whole[:cut])
        file = RecordFile(torn)
        payloads = file.open()
        expected = sum(end <= cut for end in ends[1:])
        assert len(payloads) == expected, cut
        clean = cut == 0 or cut in ends
        assert (file.damage is None) == clean, cut
        if file.damage is not None:
            assert file.damage.lost > 0
        file.append(b"next")
        again = RecordFile(torn)
        assert len(again.open()) == expected + 1
        assert again.damage is None


def test_a_flipped_bit_ends_the_prefix() -> None:
    medium, ends = written()
    whole = bytes(medium.data)[: ends[-1]]
    for at in range(len(MAGIC), len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        payloads, end, damage = scan(bytes(damaged))
        assert end <= at
        assert damage is not None
        assert len(payloads) == sum(last <= at for last in ends[1:])


def test_replay_restores_states_trading_and_epochs_and_is_idempotent() -> None:
    medium, _ = written()
    log = open_log(medium)
    for _ in range(2):
        log.replay()
        assert [one.id for one in log.unsettled()] == [entry("b").id]
        assert log.entries[entry("a").id].order_id == 900001
        assert log.by_tag(1001, entry("a").tag) is log.entries[entry("a").id]
        assert log.trading["global"].state == "REDUCING"
        assert log.epochs == {1001: 7}


def test_a_key_is_used_once_for_ever_also_across_a_restart() -> None:
    medium, _ = written()
    log = open_log(medium)
    log.mark(entry("b").id, "rejected")
    with pytest.raises(KeyUsed):
        log.record(entry("b"), 7)
    with pytest.raises(KeyUsed):
        open_log(medium).record(entry("b"), 7)


def test_a_tag_of_ours_seen_at_the_venue_is_taken() -> None:
    medium = MemoryMedium()
    log = open_log(medium)
    log.adopt_tag(1001, entry("lost").tag)
    with pytest.raises(KeyUsed):
        open_log(medium).record(entry("lost"), 1)


def test_f179_full_disk_raises_and_a_state_still_moves_in_memory() -> None:
    medium = MemoryMedium()
    log = open_log(medium)
    log.record(entry("a"), 1)
    medium.room = len(medium.data) + 4
    with pytest.raises(IntentLogFailed):
        log.record(entry("b"), 1)
    assert "b" not in log.keys
    with pytest.raises(IntentLogFailed):
        log.mark(entry("a").id, "sent")
    assert log.entries[entry("a").id].state == "sent"
    assert not log.writable
    medium.room = None
    log.set_epoch(1001, 1)
    assert log.writable
    assert [one.id for one in open_log(medium).unsettled()] == [entry("a").id]


def test_rotation_keeps_what_is_open_and_every_key_for_400_days(tmp_path: Path) -> None:
    clock = VirtualClock(10**18)
    log, damage = IntentLog.on_disk(tmp_path, clock)
    assert damage is None
    log.record(entry("old"), 1)
    log.mark(entry("old").id, "filled", 1)
    log.close()
    clock.move_to(KEEP_KEYS_NS - 1)
    rotate(tmp_path, clock).close()
    later = rotate(tmp_path, clock)
    assert set(later.keys) == {"old"}
    assert later.entries == {}
    later.record(entry("open"), 2)
    later.mark(entry("open").id, "unknown")
    later.set_epoch(1001, 9)
    later.close()
    clock.move_to(KEEP_KEYS_NS + 1)
    last = rotate(tmp_path, clock)
    assert set(last.keys) == {"open"}
    assert [(one.id, one.state) for one in last.unsettled()] == [(entry("open").id, "unknown")]
    assert last.epochs == {1001: 9}
    last.close()


def test_a_record_of_another_program_is_not_taken_for_ours(tmp_path: Path) -> None:
    file = RecordFile(DiskMedium(tmp_path / "intents.log"))
    file.open()
    file.append(msgspec.msgpack.encode({"r": "something else"}))
    file.close()
    with pytest.raises(StoreCorrupt, match="record 0"):
        IntentLog.on_disk(tmp_path, SystemClock())


async def test_records_reach_the_disk_within_50_ms(tmp_path: Path) -> None:
    medium = MemoryMedium()
    log = IntentLog(RecordFile(medium), SystemClock())
    log.replay()
    task = asyncio.create_task(log.run())
    log.record(entry("a"), 1)
    await asyncio.sleep(0.2)
    assert medium.synced == 1
    task.cancel()
    durable = IntentLog(RecordFile(medium), SystemClock(), durability="disk")
    durable.replay()
    durable.record(entry("b"), 1)
    assert medium.synced == 2


def test_exits_are_remembered_when_nothing_can_be_written() -> None:
    medium = MemoryMedium()
    log = open_log(medium)
    medium.room = 0
    cancel = CancelOrder(key="c", account_id=1001, contract_id=CONTRACT, source="guard", order_id=5)
    with pytest.raises(IntentLogFailed):
        log.record(cancel, 1)
    assert log.remember(cancel, 1).state == "new"


def test_encoded_records_read_back_field_by_field() -> None:
    record = IntentRecord(msgspec.structs.replace(entry("x"), type=4, stop=Ticks(-3)), 5, 10**18)
    text = msgspec.msgpack.encode(record)
    assert msgspec.msgpack.decode(text, type=IntentRecord) == record
