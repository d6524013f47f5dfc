"""The journal: what is written is read back, what cannot be written is counted, and nothing ever raises."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bot.calendar.sessions import SessionCalendar
from bot.clock import SystemClock
from bot.legacy.market_data import PythonBarBuilder
from bot.migration.journal import JournalWriter
from bot.migration.recorded import RecordedBarBuilder
from bot.migration.records import BarBlock, Call, CallBlock, Record, SegmentHead, Snapshot, bar_calls
from bot.migration.register import Unit
from bot.migration.segments import FRAME, Limits, cut_torn_tail, frames, segments
from bot.migration.tax import caller_tax_ns
from bot.model.errors import BadTimeframe
from bot.model.market import Trade
from bot.model.quantities import Ticks, TsNs
from bot.model.times import HOUR, MINUTE, SECOND

START = 1_764_000_000 * SECOND
MNQ = "CON.F.US.MNQ.Z25"
SHADOW = Unit("market_data", "shadow", "python", ("rust",), 3)
OFF = Unit("market_data", "off", "python", (), 4)
SETTINGS = {"timeframes": ["5s", "1m"], "close_grace_ms": 500, "max_future_ms": 5000}


def trade(at: int, price: int | None = 100, size: int | None = 1) -> Trade:
    return Trade(MNQ, None if price is None else Ticks(price), size, TsNs(START + at), TsNs(START + at))


def builder() -> PythonBarBuilder:
    return PythonBarBuilder(["5s", "1m"], SessionCalendar.shipped())


def records(folder: Path) -> list[Record]:
    decoder = msgspec.msgpack.Decoder(Record)
    return [decoder.decode(payload) for path in segments(folder) for _, payload in frames(path)]


def calls(folder: Path) -> list[Call]:
    return [call for record in records(folder) if isinstance(record, BarBlock) for call in bar_calls(record)]


def journal(folder: Path, **limits: int) -> JournalWriter:
    writer = JournalWriter(folder, SystemClock(), ledger="rehearsed", venue="tape", limits=Limits(**limits))
    writer.start(threaded=False)
    return writer


def test_every_call_is_read_back_with_its_input_and_output(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    recorded = RecordedBarBuilder(builder(), writer, SETTINGS)
    recorded.record(SHADOW)
    plain = builder()
    columns = [memoryview(b"".join(v.to_bytes(8, "little", signed=True) for v in row)).cast("q")
               for row in ([101, 102], [1, 2], [START + SECOND, START + 6 * SECOND], [START + SECOND, START + 6 * SECOND])]  # fmt: skip
    script: list[tuple[str, tuple[Any, ...]]] = [
        ("feed_up", (MNQ, START)),
        ("subscribe", (MNQ, "15s", START)),
        ("on_trade", (trade(0),)),
        ("on_trades", ((trade(1), trade(2, None), trade(3, 99, None)),)),
        ("on_columns", (MNQ, *columns)),
        ("set_mode", (MNQ, "quotes")),
        ("on_quote", (MNQ, Ticks(103), None, TsNs(START + 7 * SECOND))),
        ("on_timer", (TsNs(START + 2 * MINUTE),)),
        ("feed_down", (MNQ, TsNs(START + 3 * MINUTE))),
    ]
    outputs = []
    for op, args in script:
        outputs.append(getattr(plain, op)(*args) or [])
        assert (getattr(recorded, op)(*args) or []) == outputs[-1]
    recorded.stop()
    writer.stop()
    seen = calls(tmp_path)
    assert [call.op for call in seen] == [op for op, _ in script]
    assert [call.output for call in seen] == outputs
    assert sum(map(len, outputs)) > 3
    assert seen[3].args == script[3][1]
    assert seen[4].args[1:] == tuple(bytes(column) for column in columns)
    assert all(call.ns >= 0 for call in seen)
    snapshots = [record for record in records(tmp_path) if isinstance(record, Snapshot)]
    assert [snapshot.reason for snapshot in snapshots] == [
        "start",
        "feed_up",
        "interval",
        "feed_down",
        "stop",
    ]
    assert snapshots[-1].state == plain.snapshot()
    assert snapshots[-1].settings == SETTINGS
    numbers = sorted([call.seq for call in seen] + [snapshot.seq for snapshot in snapshots])
    assert numbers == list(range(len(numbers)))


def test_an_exception_passes_through_and_is_recorded(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    recorded = RecordedBarBuilder(builder(), writer, SETTINGS)
    recorded.record(SHADOW)
    with pytest.raises(BadTimeframe):
        recorded.subscribe(MNQ, "7m", TsNs(START))
    recorded.stop()
    writer.stop()
    (call,) = calls(tmp_path)
    assert call.failure is not None
    assert (call.failure.type, call.failure.code) == ("BadTimeframe", "BAD_TIMEFRAME")


def test_at_stage_off_nothing_is_recorded_and_recording_starts_with_a_snapshot(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    recorded = RecordedBarBuilder(builder(), writer, SETTINGS)
    recorded.record(OFF)
    recorded.on_trades((trade(0),))
    writer.pump()
    assert [type(record) for record in records(tmp_path)] == [SegmentHead]
    recorded.record(SHADOW)
    recorded.on_trades((trade(1),))
    recorded.record(OFF)
    recorded.on_trades((trade(2),))
    writer.stop()
    assert [call.seq for call in calls(tmp_path)] == [1]
    first = next(record for record in records(tmp_path) if isinstance(record, Snapshot))
    assert (first.seq, first.epoch, first.stage, first.reason) == (0, 3, "shadow", "start")


def test_a_full_queue_drops_the_newest_counts_them_and_resumes_with_a_snapshot(tmp_path: Path) -> None:
    writer = journal(tmp_path, queue_blocks=3)
    recorded = RecordedBarBuilder(builder(), writer, SETTINGS)
    recorded.record(SHADOW)
    for number in range(5 * 256 + 7):
        recorded.on_trades((trade(number),))
    assert not recorded.recording
    recorded.on_timer(TsNs(START + SECOND))
    assert not recorded.recording, "no room yet"
    writer.pump()
    recorded.on_timer(TsNs(START + 2 * SECOND))
    assert recorded.recording
    recorded.on_trades((trade(2 * SECOND),))
    recorded.stop()
    writer.stop()
    written = calls(tmp_path)
    snapshots = [record for record in records(tmp_path) if isinstance(record, Snapshot)]
    resumed = next(snapshot for snapshot in snapshots if snapshot.reason == "resume")
    assert resumed.seq == 1 + 5 * 256 + 7 + 2
    assert writer.dropped == resumed.seq - 1 - 2 * 256
    assert len(written) == 2 * 256 + 1
    assert written[-1].seq == resumed.seq + 1


def test_low_disk_stops_the_journal_and_the_bot_goes_on(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, SystemClock(), limits=Limits(min_free_bytes=1 << 60))
    writer.start(threaded=False)
    assert writer.stopped == "low disk"
    recorded = RecordedBarBuilder(builder(), writer, SETTINGS)
    recorded.record(SHADOW)
    assert recorded.on_timer(TsNs(START)) == []
    assert not recorded.recording
    assert writer.dropped > 0
    assert calls(tmp_path) == []


def test_a_folder_that_cannot_be_written_stops_the_journal_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    writer = JournalWriter(tmp_path / "file" / "journal", SystemClock())
    writer.start()
    assert str(writer.stopped).startswith("cannot write")
    writer.append("websocket", "feed", "", b"x", None, 1)
    writer.stop()


def test_a_value_that_cannot_be_encoded_loses_its_block_only(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    recorded = RecordedBarBuilder(builder(), writer, SETTINGS)
    recorded.record(SHADOW)
    recorded.on_trades((trade(0, 1, -(1 << 70)),))
    recorded.feed_up(MNQ, TsNs(START))  # hands the block over
    recorded.on_trades((trade(1),))
    recorded.stop()
    writer.stop()
    assert writer.counters()["dropped"] == 2
    assert [call.op for call in calls(tmp_path)] == ["on_trades"]


def test_a_state_that_cannot_be_written_down_ends_the_recording_not_the_bot(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    recorded = RecordedBarBuilder(builder(), writer, SETTINGS)
    recorded.record(SHADOW)
    recorded.on_trades((trade(0, 1 << 70),))
    recorded.feed_up(MNQ, TsNs(START))
    assert not recorded.recording
    assert recorded.snapshot_failures == 1
    assert [bar.high for bar in recorded.on_timer(TsNs(START + MINUTE + SECOND))] == [1 << 70, 1 << 70]


def test_segments_rotate_and_the_oldest_are_pruned(tmp_path: Path) -> None:
    writer = journal(tmp_path, segment_bytes=20_000, total_bytes=100_000)
    recorded = RecordedBarBuilder(builder(), writer, SETTINGS)
    recorded.record(SHADOW)
    for number in range(40 * 256):
        recorded.on_trades((trade(number * 1000),))
        if number % 256 == 0:
            writer.pump()
    recorded.stop()
    writer.stop()
    kept = segments(tmp_path)
    assert kept[0].name != "00000001.journal"
    assert 50_000 < sum(path.stat().st_size for path in kept) < 130_000
    decoder = msgspec.msgpack.Decoder(Record)
    for path in kept:
        assert isinstance(decoder.decode(next(frames(path))[1]), SegmentHead)


def test_segments_older_than_the_retention_are_pruned(tmp_path: Path) -> None:
    writer = journal(tmp_path, segment_bytes=1000, keep_hours=24)
    old = tmp_path / "00000001.journal"
    past = (SystemClock().host_now() - 25 * HOUR) // SECOND
    recorded = RecordedBarBuilder(builder(), writer, SETTINGS)
    recorded.record(SHADOW)
    for number in range(2000):
        recorded.on_trades((trade(number),))
        if number == 600:
            writer.pump()
            os.utime(old, (past, past))
    recorded.stop()
    writer.stop()
    assert not old.exists()
    assert segments(tmp_path)


@pytest.mark.parametrize("damage", ["short", "flipped", "header"])
def test_a_torn_tail_is_cut_to_the_last_whole_frame(tmp_path: Path, damage: str) -> None:
    writer = journal(tmp_path)
    recorded = RecordedBarBuilder(builder(), writer, SETTINGS)
    recorded.record(SHADOW)
    recorded.stop()
    writer.stop()
    (path,) = segments(tmp_path)
    whole = [offset for offset, _ in frames(path)]
    data = path.read_bytes()
    if damage == "short":
        path.write_bytes(data[:-3])
    elif damage == "flipped":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    else:
        path.write_bytes(data + FRAME.pack(1000, 7)[:5])
    kept = whole[-1] if damage == "header" else whole[-2]
    assert cut_torn_tail(path) > 0
    assert path.stat().st_size == kept
    assert cut_torn_tail(path) == 0


def test_other_components_are_journaled_call_by_call_without_secrets(tmp_path: Path) -> None:
    writer = journal(tmp_path)
    writer.append(
        "order_execution",
        "plan",
        "intent-1",
        {"tag": "TB2", "apiKey": "s3cret", "n": [{"token": "t0ken"}]},
        "ok",
        5,
    )
    writer.stop()
    block = records(tmp_path)[-1]
    assert isinstance(block, CallBlock)
    assert block.calls == [
        ("plan", "intent-1", {"tag": "TB2", "apiKey": "***", "n": [{"token": "***"}]}, "ok", 5)
    ]
    raw = b"".join(path.read_bytes() for path in segments(tmp_path))
    assert b"s3cret" not in raw
    assert b"t0ken" not in raw


def test_the_writer_thread_writes_what_the_caller_hands_over(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, SystemClock())
    writer.start()
    recorded = RecordedBarBuilder(builder(), writer, SETTINGS)
    recorded.record(SHADOW)
    for number in range(1000):
        recorded.on_trades((trade(number),))
    recorded.stop()
    writer.stop()
    assert len(calls(tmp_path)) == 1000
    assert writer.counters()["calls"] == 1002
    assert writer.counters()["dropped"] == 0


def test_the_tax_of_the_caller_is_measured(tmp_path: Path) -> None:
    assert 0 < caller_tax_ns(calls=500) < 100_000
