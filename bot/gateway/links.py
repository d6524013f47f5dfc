"""What a hub runs over: a wire makes one link per connection. The usual wire is a WebSocket by signalrcore.

`take`, `opened` and `ended` of a link may be called on any thread.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from bot.gateway.signalr import HubLink

Take = Callable[[list[bytes]], None]
Opened = Callable[[], None]
Over = Callable[[str], None]


class Link(Protocol):
    """One connection, used once."""

    async def open(self) -> None:
        """Connect and upgrade; `opened` follows with the handshake. Raises OSError, UpgradeRefused."""
        ...

    def abort(self) -> None:
        """End a connection that is not open yet, at once."""
        ...

    async def close(self) -> None:
        """End the connection; nothing of it is left when this returns."""
        ...

    def call(self, method: str, arguments: Sequence[Any], invocation_id: str) -> None:
        """Invoke a hub method; its completion is a record like any other."""
        ...

    def refuse(self, invocation_id: str) -> None:
        """Answer an invocation of the venue that asks for a result."""
        ...

    def ping(self) -> None:
        """Keep-alive. Raises OSError, ValueError on a dead connection."""
        ...


class Wire(Protocol):
    """Makes the links of one hub, one after the other."""

    def link(self, url: str, name: str, take: Take, opened: Opened, ended: Over) -> Link:
        """A link to `url`, which carries the token."""
        ...

    def close(self) -> None:
        """No link follows; does not wait for one that is still ending."""
        ...


class ThreadedWire:
    """One connecting thread for all links, and one reading thread in each."""

    def __init__(self, name: str, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    def link(self, url: str, name: str, take: Take, opened: Opened, ended: Over) -> Link:
        return _ThreadedLink(self._executor, HubLink(url, name, take, opened, ended, self._tls))

    def close(self) -> None:
        self._executor.shutdown(wait=False)


class _ThreadedLink:
    """The blocking parts of a `HubLink` on the connecting thread."""

    def __init__(self, executor: ThreadPoolExecutor, link: HubLink) -> None:
        self._executor, self._link = executor, link
        self.abort, self.call = link.stop, link.call
        self.refuse, self.ping = link.refuse, link.ping

    async def open(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, self._link.start)

    async def close(self) -> None:
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._executor, self._link.stop))
