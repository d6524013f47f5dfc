"""Clients on connections without a word, on a thread of their own while other tests run."""

from __future__ import annotations

import asyncio
import shutil
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tests.conformance.builds import NODE, need, node, rust_client
from tests.conformance.foreign import Foreign, paper, settings_of

SECONDS = 50.0
"""More than three keep-alive periods, and more than the 45 s that a defect would need to show."""

STALLED = "node, stalled"
"""The server falls silent at once and for good; its sockets stay open."""

TOOLS = {"rust": "cargo", "node": "node", STALLED: "node"}


class Idling:
    """Starts the clients at once; `lines` and `wire` of each are there when it ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._commands: dict[str, tuple[str, str]] = {}
        if shutil.which(TOOLS["rust"]):
            self._commands["rust"] = (rust_client(), "hubs")
        if shutil.which(TOOLS["node"]):
            self._commands |= dict.fromkeys(("node", STALLED), (node(), str(NODE / "hubs.mjs")))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="idle clients")
        self._thread.start()
        self._lines: dict[str, Future[list[dict[str, Any]]]] = {
            name: asyncio.run_coroutine_threadsafe(self._idle(name), self._loop) for name in self._commands
        }

    def wire(self, name: str) -> Path:
        """The transcript of one client."""
        return self._folder / f"{name}.jsonl"

    def lines(self, name: str) -> list[dict[str, Any]]:
        """What one client told until its end. Waits for it, and raises what went wrong."""
        if name not in self._lines:
            need(TOOLS[name])
        return self._lines[name].result(SECONDS + 60)

    def end(self) -> None:
        """Stop what still runs."""
        for future in self._lines.values():
            future.cancel()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.5), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _idle(self, name: str) -> list[dict[str, Any]]:
        async with (
            paper(self.wire(name)) as gateway,
            Foreign.started(*self._commands[name], settings_of(gateway, subscribe=False)) as client,
        ):
            await client.all_told(*({"hub": hub, "event": "connected"} for hub in ("user", "market")))
            if name == STALLED:
                gateway.venue.inject({"fault": "hub.drop", "how": "stall"})
            await asyncio.sleep(SECONDS)
            await client.end()
        return client.lines
