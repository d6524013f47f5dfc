"""One connection to a hub: handshake, invocations, keep-alive. Bytes in, bytes out, no socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from bot.clock import SECOND
from bot.paper import records
from bot.paper.tokens import Claims

if TYPE_CHECKING:
    from bot.paper.hub import HubCore

HANDSHAKE_TIMEOUT = 15 * SECOND
PING_AFTER = 15 * SECOND
CLIENT_TIMEOUT = 30 * SECOND
DOOMED_AFTER = 2 * SECOND
"""How long a connection of handshake version 0 lives under `handshake_strict`."""

LARGEST_RECORD = 32 * 1024
"""Bytes of one record with its end."""


Send = Callable[[bytes], None]
Closed = Callable[[], None]


class HubSession:
    """`receive` takes the bytes of one WebSocket message; `drop` says that the socket is gone.

    `send` gets whole records; `closed` is called once when the hub ends the connection: `graceful` says
    whether what was sent still goes out before. All timeouts are of host time.
    """

    def __init__(
        self,
        hub: HubCore,
        claims: Claims,
        send: Send,
        closed: Closed,
        host_now: int,
        connection_id: str | None,
    ) -> None:
        self._hub, self.claims, self._send, self._closed = hub, claims, send, closed
        self.connection_id = connection_id
        self._buffer = b""
        self.ready = False
        self.ended = False
        self.silence: Literal["", "all", "but_pings"] = ""
        self.graceful = False
        self.heard = self.sent = host_now
        self._doomed: int | None = None

    def receive(self, data: bytes) -> None:
        """Take in one message. Records after the end of the connection are ignored."""
        if self.ended or self.silence == "all":
            return
        self.heard = self._hub.host_now()
        if self.silence:
            return
        *whole, self._buffer = (self._buffer + data).split(records.END)
        for record in whole:
            self._record(record)
        if not self.ended and len(self._buffer) >= LARGEST_RECORD:
            self._too_large()

    def refuse_binary(self) -> None:
        """A binary message came: only the JSON protocol is spoken."""
        if not self.ready:
            self._refuse("The protocol 'messagepack' is not supported.")
        else:
            self.close("Binary messages are not supported.")

    def push(self, record: bytes) -> None:
        """Send a record to an open connection that no fault has silenced."""
        if self.silence and (self.silence == "all" or record is not records.PING):
            return
        if self.ready and not self.ended:
            self.sent = self._hub.host_now()
            self._send(record)

    def speak(self, _due: int) -> None:
        """End a silence."""
        self.silence = ""
        self.heard = self._hub.host_now()

    def close(self, error: str | None = None, allow_reconnect: bool | None = None) -> None:
        """End the connection with a close record; by default the option tells whether to reconnect."""
        if not self.ended:
            allow = allow_reconnect
            if allow is None:
                allow = self._hub.state.options.close_allow_reconnect
            self.push(records.close(error, allow_reconnect=allow))
            self.graceful = True
            self._end()

    def cut(self) -> None:
        """End the connection without a word."""
        if not self.ended:
            self._end()

    def drop(self) -> None:
        """The socket is gone."""
        if not self.ended:
            self.ended = True
            self._hub.forget(self)

    def due(self) -> int:
        """The host time of the next keep-alive duty."""
        if not self.ready:
            return self.heard + HANDSHAKE_TIMEOUT
        if self.silence == "all":
            return self.heard + 10 * CLIENT_TIMEOUT
        duty = min(self.sent + PING_AFTER, self.heard + CLIENT_TIMEOUT)
        return duty if self._doomed is None else min(duty, self._doomed)

    def tick(self, host_now: int) -> None:
        """Do what is due: ping, or give up on a silent client."""
        if self.ended or host_now < self.due():
            return
        if not self.ready:
            self._refuse("Handshake was canceled.")
        elif self.silence == "all":
            self.cut()
        elif host_now >= self.heard + CLIENT_TIMEOUT or (self._doomed or host_now + 1) <= host_now:
            self.close("Connection closed with an error.")
        else:
            self.push(records.PING)

    def _too_large(self) -> None:
        self._malformed(f"The maximum message size of {LARGEST_RECORD}B was exceeded.")

    def _malformed(self, error: str = "Connection closed with an error.") -> None:
        if self.ready:
            self.close(error)
        else:
            self._refuse("An unexpected error occurred during connection handshake.")

    def _record(self, record: bytes) -> None:
        if self.ended:
            return
        if len(record) >= LARGEST_RECORD:
            self._too_large()
            return
        try:
            message = records.decode(record)
        except records.Malformed:
            self._malformed()
            return
        if not self.ready:
            self._shake(message)
            return
        type_ = message.get("type")
        if type(type_) is not int or not isinstance(message.get("invocationId"), str | None):
            self._malformed()
        elif type_ == records.INVOCATION:
            self._invoke(message)
        elif type_ == records.STREAM:
            self._answer(
                message, error=f"Failed to invoke '{message.get('target')}' due to an error on the server."
            )
        elif type_ == records.CLOSE:
            self.graceful = True
            self._end()

    def _shake(self, message: dict[str, Any]) -> None:
        protocol, version = message.get("protocol"), message.get("version")
        if protocol != "json":
            self._refuse(f"The protocol '{protocol}' is not supported.")
        elif type(version) is not int or not 0 <= version <= 2:
            self._refuse(f"The server does not support version {version} of the 'json' protocol.")
        else:
            self.ready = True
            self.push(records.HANDSHAKE_OK)
            if version == 0 and self._hub.state.options.handshake_strict:
                self._doomed = self.heard + DOOMED_AFTER

    def _refuse(self, error: str) -> None:
        self._send(records.handshake_error(error))
        self.graceful = True
        self._end()

    def _invoke(self, message: dict[str, Any]) -> None:
        name, arguments = message.get("target"), message.get("arguments")
        if not isinstance(name, str) or not isinstance(arguments, list):
            self.close("Connection closed with an error.")
            return
        error, after = self._hub.invoke(self, name, arguments)
        if error is not None:
            self._answer(message, error=error)
        elif self._hub.state.options.subscribe_result == "zero":
            self._answer(message, result=0)
        else:
            self._answer(message)
        for record in after:
            self.push(record)

    def _answer(self, message: dict[str, Any], **what: Any) -> None:
        invocation = message.get("invocationId")
        if isinstance(invocation, str):
            self.push(records.completion(invocation, **what))

    def _end(self) -> None:
        self.ended = True
        self._hub.forget(self)
        self._closed()
