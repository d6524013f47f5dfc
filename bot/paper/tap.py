"""A tap on a listener: reads HTTP/1.1 and WebSocket frames from the bytes of both directions."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Generator
from typing import Any

from aiohttp import web

from bot.paper.transcript import Transcript

Steps = Generator[None, None, Any]
_OPCODES = {1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
_NO_BODY = (204, 304)


class TappedRunner(web.AppRunner):
    """An application whose connections are written down."""

    __slots__ = ("_transcript",)

    def __init__(self, app: web.Application, transcript: Transcript, **options: Any) -> None:
        super().__init__(app, **options)
        self._transcript = transcript

    @property
    def server(self) -> Any:
        """The protocol factory, behind the tap."""
        inner = super().server
        return None if inner is None else lambda: TappedProtocol(inner(), self._transcript)


class TappedProtocol(asyncio.Protocol):
    """Stands between the listener and the protocol that serves one connection."""

    def __init__(self, inner: asyncio.Protocol, transcript: Transcript) -> None:
        self._inner = inner
        self._exchange = Exchange(transcript)
        self._transport: TappedTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The inner protocol gets a transport whose writes are seen."""
        self._transport = TappedTransport(transport, self._exchange)
        self._inner.connection_made(self._transport)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        """Written down before it is served."""
        self._exchange.heard(data)
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """As the inner protocol decides."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, and who made it."""
        served = self._transport is not None and self._transport.ended
        abrupt = exc is not None or (self._transport is not None and self._transport.aborted)
        self._exchange.end("server" if served else "client", abrupt=abrupt)
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Passed on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Passed on."""
        self._inner.resume_writing()


class TappedTransport:
    """The listener's transport; what is written is seen, all else is passed on."""

    def __init__(self, inner: Any, exchange: Exchange) -> None:
        self._inner, self._exchange = inner, exchange
        self.ended = self.aborted = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Written down as it is handed over."""
        self._exchange.said(bytes(data))
        self._inner.write(data)

    def writelines(self, parts: Any) -> None:
        """As one write."""
        self.write(b"".join(parts))

    def close(self) -> None:
        """The server ends the connection."""
        self.ended = True
        self._inner.close()

    def abort(self) -> None:
        """The server cuts the connection."""
        self.ended = self.aborted = True
        self._inner.abort()


class Exchange:
    """One connection: requests and answers, then frames once an upgrade was answered with 101."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._number = transcript.connection()
        self._asked: deque[str] = deque()
        self._upgrade: str = "refused"
        self._client, self._server = Bytes(), Bytes()
        self._reading: dict[str, Steps | None] = {"client": self._requests(), "server": self._answers()}

    def heard(self, data: bytes) -> None:
        """Bytes of the client."""
        self._client.feed(data)
        self._step("client")

    def said(self, data: bytes) -> None:
        """Bytes of the server."""
        self._server.feed(data)
        self._step("server")
        if self._client.waiting:
            self._step("client")

    def end(self, by: str, *, abrupt: bool) -> None:
        """No more bytes."""
        self._transcript.write("end", self._number, by=by, abrupt=abrupt)
        for steps in self._reading.values():
            if steps is not None:
                steps.close()

    def _step(self, by: str) -> None:
        steps = self._reading[by]
        if steps is None:
            return
        try:
            next(steps)
        except StopIteration:
            self._reading[by] = None
        except (ValueError, IndexError) as problem:
            self._reading[by] = None
            self._transcript.write("unreadable", self._number, by=by, why=str(problem))

    def _requests(self) -> Steps:
        while True:
            start, headers = yield from _head(self._client)
            method, path, _version = start.split(" ", 2)
            body = yield from _body(self._client, headers, absent=0)
            self._asked.append(method)
            upgrade = _value(headers, "upgrade").lower() == "websocket"
            self._upgrade = "asked"
            self._transcript.write(
                "request", self._number, method=method, path=path, headers=headers, body=_text(body)
            )
            while upgrade and self._upgrade == "asked":
                yield
            if self._upgrade == "granted":
                yield from self._frames("client", self._client)

    def _answers(self) -> Steps:
        while True:
            start, headers = yield from _head(self._server)
            status = int(start.split(" ", 2)[1])
            if 100 <= status < 200 and status != 101:
                continue
            method = self._asked.popleft() if self._asked else ""
            bare = status == 101 or status in _NO_BODY or method == "HEAD"
            body = b"" if bare else (yield from _body(self._server, headers, absent=None))
            self._transcript.write("answer", self._number, status=status, headers=headers, body=_text(body))
            self._upgrade = "granted" if status == 101 else "refused"
            if status == 101:
                yield from self._frames("server", self._server)

    def _frames(self, by: str, data: Bytes) -> Steps:
        parts: list[bytes] = []
        opcode = ""
        while True:
            first, second = yield from data.exactly(2)
            size = second & 0x7F
            if size > 125:
                size = struct.unpack(
                    *(("!H", (yield from data.exactly(2))) if size == 126 else ("!Q", (yield from data.exactly(8))))
                )[0]  # fmt: skip
            masked = bool(second & 0x80)
            mask = (yield from data.exactly(4)) if masked else b""
            payload = yield from data.exactly(size)
            if masked:
                payload = _unmasked(payload, mask)
            if first & 0x70:
                raise ValueError("reserved bits are set in a frame")
            kind = first & 0x0F
            if kind and kind not in _OPCODES:
                raise ValueError(f"opcode {kind} of a frame is unknown")
            if kind < 8:
                opcode = _OPCODES[kind] if kind else opcode
                parts.append(payload)
                if first & 0x80:
                    self._frame(by, opcode, b"".join(parts), len(parts), masked)
                    parts = []
            else:
                self._frame(by, _OPCODES[kind], payload, 1, masked)

    def _frame(self, by: str, opcode: str, data: bytes, fragments: int, masked: bool) -> None:
        text = _text(data)
        if opcode == "close" and data:
            text = f"{int.from_bytes(data[:2])} {_text(data[2:])}".rstrip()
        self._transcript.write(
            "frame", self._number, by=by, opcode=opcode, data=text, fragments=fragments, masked=masked
        )


class Bytes:
    """Bytes of one direction, taken in pieces; a taker waits while there are too few."""

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def waiting(self) -> bool:
        """Whether something is left."""
        return bool(self._held)

    def feed(self, data: bytes) -> None:
        """More of them."""
        self._held += data

    def exactly(self, count: int) -> Generator[None, None, bytes]:
        """The next `count` bytes."""
        while len(self._held) < count:
            yield
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken

    def until(self, mark: bytes) -> Generator[None, None, bytes]:
        """Everything before the next `mark`, which is dropped."""
        while (place := self._held.find(mark)) < 0:
            yield
        taken = bytes(self._held[:place])
        del self._held[: place + len(mark)]
        return taken


def _head(data: Bytes) -> Generator[None, None, tuple[str, list[list[str]]]]:
    lines = (yield from data.until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = [[name, value.strip()] for name, _, value in (line.partition(":") for line in lines[1:])]
    return lines[0], headers


def _body(data: Bytes, headers: list[list[str]], absent: int | None) -> Generator[None, None, bytes]:
    if "chunked" in _value(headers, "transfer-encoding").lower():
        parts = []
        while size := int((yield from data.until(b"\r\n")).split(b";")[0], 16):
            parts.append((yield from data.exactly(size)))
            yield from data.exactly(2)
        while (yield from data.until(b"\r\n")):
            pass
        return b"".join(parts)
    length = _value(headers, "content-length")
    if not length and absent is None:
        raise ValueError("an answer has neither a length nor chunks")
    return (yield from data.exactly(int(length or 0)))


def _value(headers: list[list[str]], name: str) -> str:
    return next((value for key, value in headers if key.lower() == name), "")


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    whole = mask * (len(payload) // 4 + 1)
    return (int.from_bytes(payload) ^ int.from_bytes(whole[: len(payload)])).to_bytes(len(payload))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
