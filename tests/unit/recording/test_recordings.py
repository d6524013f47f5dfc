"""A recording loses at most its end, keeps its bounds, and a reader of it says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.recording.entries import HEAD, MAGIC, Entry
from bot.recording.reader import RecordingError, RecordingReader
from bot.recording.writer import RecordingFailed, RecordingWriter


def entry(number: int, size: int = 100) -> Entry:
    return Entry("frame", "market", 1, number, number * 2, bytes([number % 251]) * size)


def written(folder: Path, count: int = 60, every: int = 10, **bounds: int) -> RecordingWriter:
    """A recording of `count` entries in blocks of `every`."""
    with RecordingWriter(folder, **{"file_bytes": 1 << 30, "total_bytes": 1 << 40, **bounds}) as writer:
        for number in range(count):
            writer.add(entry(number))
            if number % every == every - 1:
                writer.flush()
    return writer


def read(path: Path) -> list[Entry]:
    return list(RecordingReader(path).entries())


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written(tmp_path)
    assert read(tmp_path) == [entry(number) for number in range(60)]
    written(tmp_path, 5)
    assert read(tmp_path) == [entry(number) for number in [*range(60), *range(5)]]


def test_files_turn_over_at_their_bound(tmp_path: Path) -> None:
    writer = written(tmp_path, 100, 1, file_bytes=400)
    assert len(writer.files) > 5
    assert all(file.stat().st_size <= 400 for file in writer.files)
    assert read(tmp_path) == [entry(number) for number in range(100)]
    assert read(writer.files[1])[0] != entry(0)


def test_nothing_is_taken_beyond_the_bound_of_all(tmp_path: Path) -> None:
    writer = written(tmp_path, 200, 1, file_bytes=400, total_bytes=2_000)
    assert writer.full
    assert writer.written == sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2_000
    kept = read(tmp_path)
    assert kept == [entry(number) for number in range(len(kept))]
    assert 0 < len(kept) < 200


def test_a_torn_end_is_cut_at_every_byte_and_told(tmp_path: Path) -> None:
    (file,) = written(tmp_path, 30).files
    data = file.read_bytes()
    ends = [len(MAGIC)]
    while ends[-1] < len(data):
        ends.append(ends[-1] + HEAD.size + HEAD.unpack_from(data, ends[-1])[0])
    for size in range(len(MAGIC), len(data)):
        file.write_bytes(data[:size])
        reader = RecordingReader(tmp_path)
        whole = max(i for i, end in enumerate(ends) if end <= size)
        assert len(list(reader.entries())) == 10 * whole
        assert reader.torn == ({} if size == ends[whole] else {file: size - ends[whole]})


def test_damage_inside_is_refused_and_at_the_end_cut(tmp_path: Path) -> None:
    (file,) = written(tmp_path, 30).files
    data = bytearray(file.read_bytes())
    data[len(MAGIC) + HEAD.size + 5] ^= 1
    file.write_bytes(data)
    with pytest.raises(RecordingError, match="block 1: expected a block with its checksum"):
        read(tmp_path)
    data[len(MAGIC) + HEAD.size + 5] ^= 1
    data[-1] ^= 1
    file.write_bytes(data)
    assert len(read(tmp_path)) == 20


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="got 'none'"):
        read(tmp_path)
    other = tmp_path / "0001.frames"
    other.write_bytes(b"something else")
    with pytest.raises(RecordingError, match="head"):
        read(tmp_path)
    long = tmp_path / "0001.frames"
    long.write_bytes(MAGIC + HEAD.pack(1 << 31, 0) + b"x")
    with pytest.raises(RecordingError, match="at most"):
        read(tmp_path)


def test_a_folder_that_takes_no_files_is_told(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(RecordingFailed, match="free space, or name another folder"):
        RecordingWriter(blocked, file_bytes=1, total_bytes=1)
