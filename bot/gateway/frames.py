"""WebSocket frames out of a byte stream (RFC 6455), for the hub's socket."""

from __future__ import annotations

from typing import Final, NamedTuple

MAX_MESSAGE: Final = 16 * 1024 * 1024
CONTINUATION: Final = 0x0
TEXT: Final = 0x1
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA


class BadFrame(Exception):
    """Bytes that are no legal server frame; the connection cannot go on."""


class Message(NamedTuple):
    """A whole data message, or one control frame."""

    opcode: int
    payload: bytes


class FrameReader:
    """Bytes in, messages out; fragments are joined, a message holds at most 16 MiB."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._offset = 0
        self._parts: list[bytes] = []
        self._opcode = 0
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Add what the socket gave."""
        if self._offset:
            del self._buffer[: self._offset]
            self._offset = 0
        self._buffer += data

    def next(self) -> Message | None:
        """The next message, None until more bytes come. Raises BadFrame."""
        while (frame := self._frame()) is not None:
            final, opcode, payload = frame
            if opcode >= CLOSE:
                return Message(opcode, payload)
            if (opcode == CONTINUATION) != bool(self._parts):
                raise BadFrame("a continuation out of place")
            if not self._parts:
                self._opcode, self._size = opcode, 0
            self._size += len(payload)
            if self._size > MAX_MESSAGE:
                raise BadFrame(f"a message of more than {MAX_MESSAGE} bytes")
            self._parts.append(payload)
            if final:
                whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
                self._parts = []
                return Message(self._opcode, whole)
        return None

    def _frame(self) -> tuple[bool, int, bytes] | None:
        buffer, start = self._buffer, self._offset
        have = len(buffer) - start
        if have < 2:
            return None
        first, second = buffer[start], buffer[start + 1]
        if second & 0x80 or first & 0x70:
            raise BadFrame("a masked frame or reserved bits")
        length, head = second, 2
        if length == 126:
            head = 4
        elif length == 127:
            head = 10
        if have < head:
            return None
        if head > 2:
            length = int.from_bytes(buffer[start + 2 : start + head], "big")
        if length > MAX_MESSAGE:
            raise BadFrame(f"a frame of {length} bytes")
        if have < head + length:
            return None
        self._offset = start + head + length
        return bool(first & 0x80), first & 0x0F, bytes(buffer[start + head : self._offset])
