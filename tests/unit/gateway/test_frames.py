"""WebSocket frames out of a byte stream, however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.gateway.frames import BadFrame, FrameReader, Message


def frame(payload: bytes, opcode: int = 1, final: bool = True) -> bytes:
    """A server's frame."""
    head = bytes([(0x80 if final else 0) | opcode])
    size = len(payload)
    if size < 126:
        return head + bytes([size]) + payload
    if size < 65536:
        return head + b"\x7e" + size.to_bytes(2, "big") + payload
    return head + b"\x7f" + size.to_bytes(8, "big") + payload


def drain(reader: FrameReader) -> list[Message]:
    found = []
    while (message := reader.next()) is not None:
        found.append(message)
    return found


@given(
    st.lists(st.tuples(st.binary(max_size=300), st.sampled_from([1, 2, 9, 10])), max_size=6),
    st.integers(1, 50),
)
def test_f101_any_cutting_gives_the_same_messages(messages: list[tuple[bytes, int]], step: int) -> None:
    stream = b"".join(frame(payload, opcode) for payload, opcode in messages)
    reader, found = FrameReader(), []
    for begin in range(0, len(stream), step):
        reader.feed(stream[begin : begin + step])
        found += drain(reader)
    assert found == [Message(opcode, payload) for payload, opcode in messages]


def test_fragments_are_joined_around_control_frames() -> None:
    reader = FrameReader()
    reader.feed(frame(b"ab", 1, False) + frame(b"ping", 9) + frame(b"cd", 0, False) + frame(b"e", 0))
    assert drain(reader) == [Message(9, b"ping"), Message(1, b"abcde")]


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 200_000])
def test_all_length_forms(size: int) -> None:
    reader = FrameReader()
    reader.feed(frame(b"x" * size))
    assert drain(reader) == [Message(1, b"x" * size)]


@pytest.mark.parametrize(
    "stream",
    [
        b"\x81\x80\0\0\0\0",
        b"\xc1\x00",
        frame(b"x", 0),
        frame(b"a", 1, False) + frame(b"b", 1),
        b"\x81\x7f" + (1 << 40).to_bytes(8, "big"),
    ],
)
def test_what_is_no_legal_server_frame_ends_the_connection(stream: bytes) -> None:
    reader = FrameReader()
    reader.feed(stream)
    with pytest.raises(BadFrame):
        drain(reader)
