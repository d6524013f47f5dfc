"""One hub connection by signalrcore, used once, with its defects contained.

Its socket client connects without a timeout, loses the socket of a refused upgrade, takes WebSocket pings
for data, cannot be stopped while it waits for a frame, shares a TLS socket between two threads without a
lock, and logs frames and the token. Its reconnection is never used: a new connection is a new object.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import os
import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from signalrcore.hub.base_hub_connection import BaseHubConnection
from signalrcore.messages.handshake.request import HandshakeRequestMessage
from signalrcore.messages.handshake.response import HandshakeResponseMessage
from signalrcore.messages.invocation_message import InvocationMessage
from signalrcore.messages.ping_message import PingMessage
from signalrcore.protocol.base_hub_protocol import BaseHubProtocol
from signalrcore.transport.sockets.errors import SocketClosedError
from signalrcore.transport.websockets.websocket_client import WebSocketClient
from signalrcore.transport.websockets.websocket_transport import WebsocketTransport
from signalrcore.types import HubProtocolEncoding

from bot.gateway.frames import CLOSE, PING, PONG, FrameReader

SEPARATOR: Final = b"\x1e"
CONNECT_S: Final = 10.0
_JOIN_S: Final = 5.0
_SEND_WAIT_S: Final = 0.05
_SEND_WAITS: Final = 5
_MAX_HEAD: Final = 65536
_MAX_RECORD: Final = 1024 * 1024
_READ: Final = 65536
_WEBSOCKET_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

_silent = logging.getLogger("SignalRCoreClient")
_silent.setLevel(logging.CRITICAL + 1)
_silent.addFilter(lambda _: False)
_silent.propagate = False


class UpgradeRefused(Exception):
    """The venue answered the WebSocket upgrade with another status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status} on the upgrade")
        self.status = status


class HandshakeRefused(Exception):
    """The venue refused the SignalR handshake, or answered something else."""


class RecordProtocol(BaseHubProtocol):  # type: ignore[misc]
    """JSON records handed on unparsed; `take` gets the complete records of one WebSocket message."""

    def __init__(self, take: Callable[[list[bytes]], None]) -> None:
        super().__init__("json", 1, HubProtocolEncoding.text, SEPARATOR.decode())
        self._take = take
        self._rest = b""

    def split(self, message: bytes) -> list[bytes]:
        """Complete records; an unfinished one waits for the next message, up to 1 MiB."""
        *records, self._rest = (self._rest + message).split(SEPARATOR)
        if len(self._rest) > _MAX_RECORD:
            raise SocketClosedError
        return [record for record in records if record]

    def decode_handshake(self, raw_message: bytes) -> tuple[HandshakeResponseMessage, list[Any]]:
        """The answer to the handshake. Raises HandshakeRefused unless it is an object without error."""
        try:
            answer = msgspec.json.decode(raw_message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise HandshakeRefused("an answer that is not JSON") from None
        if not isinstance(answer, dict) or answer.get("error") or "type" in answer:
            raise HandshakeRefused("the venue refused the handshake")
        return HandshakeResponseMessage(None), []

    def parse_messages(self, raw: list[bytes]) -> list[Any]:
        """Hand the records on; signalrcore gets none."""
        self._take(raw)
        return []

    def encode(self, message: object) -> str:
        """Only what we send; invocations without signalrcore's headers, which would carry a token."""
        if isinstance(message, HandshakeRequestMessage):
            members: dict[str, Any] = {"protocol": self.protocol, "version": self.version}
        elif isinstance(message, PingMessage):
            members = {"type": 6}
        elif isinstance(message, InvocationMessage):
            members = {
                "type": 1,
                "invocationId": message.invocation_id,
                "target": message.target,
                "arguments": message.arguments,
            }
        elif isinstance(message, Refusal):
            members = {"type": 3, "invocationId": message.invocation_id, "error": "no such method"}
        else:
            raise TypeError(f"message: expected one of ours, got {type(message).__name__}")
        return (msgspec.json.encode(members) + SEPARATOR).decode()


class Refusal:
    """The answer to an invocation by the venue that wants one; we offer no methods."""

    def __init__(self, invocation_id: str) -> None:
        self.invocation_id = invocation_id


class RecordSocket(WebSocketClient):  # type: ignore[misc]
    """The WebSocket: one reading thread, non-blocking under one lock, ended by `close` from anywhere."""

    def __init__(self, name: str, ended: Callable[[str], None], **options: Any) -> None:
        super().__init__(**options)
        self.thread_name = name
        self.sock: socket.socket | None = None
        self._ended = ended
        self._reader = FrameReader()
        self._wire = threading.Lock()

    def connect(self) -> None:
        """Connect, upgrade and start the reading thread. Raises OSError, UpgradeRefused."""
        parts = urlsplit(self.url)
        secure = parts.scheme in ("wss", "https")
        port = parts.port or (443 if secure else 80)
        plain = socket.create_connection((parts.hostname, port), timeout=CONNECT_S)
        sock: socket.socket = plain
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if secure:
                sock = self.ssl_context.wrap_socket(plain, server_hostname=parts.hostname)
            self.sock = sock
            self._upgrade(sock)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        self.running = True
        self.recv_thread = threading.Thread(target=self.run, name=self.thread_name, daemon=True)
        self.recv_thread.start()

    def _upgrade(self, sock: socket.socket) -> None:
        lines = self.get_socket_headers()
        key = next(line for line in lines if line.startswith("Sec-WebSocket-Key: ")).partition(": ")[2]
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = b""
        while b"\r\n\r\n" not in head:
            chunk = sock.recv(_READ)
            if not chunk or len(head) > _MAX_HEAD:
                raise ConnectionResetError("no whole answer to the upgrade")
            head += chunk
        head, _, rest = head.partition(b"\r\n\r\n")
        status, *fields = head.decode("latin-1").split("\r\n")
        words = status.split(" ", 2)
        if len(words) < 2 or words[1] != "101":
            raise UpgradeRefused(int(words[1]) if len(words) > 1 and words[1].isdecimal() else 0)
        proof = base64.b64encode(hashlib.sha1((key + _WEBSOCKET_GUID).encode()).digest()).decode()  # noqa: S324
        accepted = {
            name.strip().lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)
        }
        if accepted.get("sec-websocket-accept") != proof:
            raise UpgradeRefused(101)
        self._reader.feed(rest)

    def run(self) -> None:
        """The reading thread: until the connection ends, which is told exactly once."""
        reason = "connection lost"
        try:
            self.on_open()
            while self.running:
                self.on_message(self, self._recv_frame())
        except (HandshakeRefused, SocketClosedError) as problem:
            reason = str(problem) if isinstance(problem, HandshakeRefused) else "closed by the venue"
        except Exception as problem:
            reason = f"connection lost ({type(problem).__name__})"
        finally:
            self.running = False
            if self.sock is not None:
                self.sock.close()
            self._ended(reason)

    def _recv_frame(self) -> bytes:
        while True:
            message = self._reader.next()
            if message is None:
                self._reader.feed(self._receive())
            elif message.opcode == CLOSE:
                raise SocketClosedError
            elif message.opcode == PING:
                self.send(message.payload, opcode=PONG)
            elif message.opcode < CLOSE:
                return message.payload

    def _receive(self) -> bytes:
        sock = self.sock
        assert sock is not None
        while True:
            try:
                with self._wire:
                    data = sock.recv(_READ)
            except (BlockingIOError, ssl.SSLWantReadError):
                self._wait(selectors.EVENT_READ, None)
            except ssl.SSLWantWriteError:
                self._wait(selectors.EVENT_WRITE, None)
            else:
                if not data:
                    raise SocketClosedError
                return data

    def send(self, message: str | bytes, opcode: int = 0x1) -> None:
        """Send one frame; waits five times 50 ms for room at most. Raises OSError when there is none."""
        if self.is_connection_closed():
            raise SocketClosedError
        frame = memoryview(_frame(message.encode() if isinstance(message, str) else message, opcode))
        waits = _SEND_WAITS
        with self._wire:
            while frame:
                try:
                    assert self.sock is not None
                    frame = frame[self.sock.send(frame) :]
                except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    if not waits:
                        raise OSError("the venue does not read") from None
                    waits -= 1
                    self._wait(selectors.EVENT_WRITE, _SEND_WAIT_S)

    def _wait(self, event: int, seconds: float | None) -> None:
        with selectors.DefaultSelector() as selector:
            assert self.sock is not None
            selector.register(self.sock, event)
            selector.select(seconds)

    def close(self) -> None:
        """End the connection and join the reading thread (unless called by it)."""
        self.running = False
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
        thread = self.recv_thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_JOIN_S)

    dispose = close


class RecordTransport(WebsocketTransport):  # type: ignore[misc]
    """The transport over `RecordSocket`; only the first record of a connection is looked at."""

    def __init__(
        self, name: str, opened: Callable[[], None], ended: Callable[[str], None], **options: Any
    ) -> None:
        super().__init__(**options)
        self._name, self._opened, self._ended = name, opened, ended

    def create_client(self) -> RecordSocket:
        return RecordSocket(
            self._name,
            self._ended,
            url=self.url,
            connection_id=self.connection_id,
            headers=self.headers,
            is_binary=True,
            ssl_context=self.ssl_context,
            on_message=self.on_message,
            on_error=self.on_socket_error,
            on_close=self.on_socket_close,
            on_open=self.on_socket_open,
        )

    def on_message(self, app: object, raw_message: bytes) -> None:  # noqa: ARG002
        records = self.protocol.split(raw_message)
        if not self.handshake_received and records:
            self.evaluate_handshake(records.pop(0))
            self._opened()
        if records:
            self.protocol.parse_messages(records)


class HubLink(BaseHubConnection):  # type: ignore[misc]
    """One connection, used once. `take`, `opened` and `ended` are called on its reading thread."""

    def __init__(
        self,
        url: str,
        name: str,
        take: Callable[[list[bytes]], None],
        opened: Callable[[], None],
        ended: Callable[[str], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(
            url,
            skip_negotiation=True,
            headers={},
            ssl_context=tls or ssl.create_default_context(),
            protocol=RecordProtocol(take),
        )
        self._name, self._opened, self._ended = name, opened, ended

    def __repr__(self) -> str:
        return f"HubLink({self._name})"

    def start(self) -> bool:
        """Connect and upgrade, blocking; `stop` ends it from another thread. Raises OSError, UpgradeRefused."""
        self.protocol = self._selected_protocol
        self.transport = RecordTransport(
            self._name,
            self._opened,
            self._ended,
            url=self.url,
            protocol=self.protocol,
            headers=self.headers,
            skip_negotiation=True,
            connection_id="",
            ssl_context=self.ssl_context,
            on_close=lambda: None,
            on_open=lambda: None,
            on_reconnect=lambda: None,
            on_message=self.on_message,
        )
        return bool(self.transport.start())

    def stop(self) -> None:
        """End the connection; joins its thread. Safe to repeat."""
        client = self.transport._client if self.transport is not None else None
        if client is not None:
            client.close()

    def ping(self) -> None:
        """Keep-alive. Raises OSError, ValueError on a dead connection."""
        self.transport.send(PingMessage())

    def call(self, method: str, arguments: Sequence[Any], invocation_id: str) -> None:
        """Invoke a hub method; its completion is a record like any other."""
        self.invoke(method, list(arguments), invocation_id=invocation_id)

    def refuse(self, invocation_id: str) -> None:
        """Answer an invocation of the venue that asks for a result."""
        self.transport.send(Refusal(invocation_id))


def _frame(payload: bytes, opcode: int) -> bytes:
    """A masked client frame."""
    length = len(payload)
    if length < 126:
        head = bytes((0x80 | opcode, 0x80 | length))
    elif length < 65536:
        head = bytes((0x80 | opcode, 0xFE)) + length.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0xFF)) + length.to_bytes(8, "big")
    mask = os.urandom(4)
    cover = (mask * (length // 4 + 1))[:length]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(cover, "big")
    return head + mask + masked.to_bytes(length, "big")
