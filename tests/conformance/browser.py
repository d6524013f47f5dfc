"""A real browser without a window, and the origin that serves it one page."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.conformance.builds import NODE, node, without

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--disable-extensions",
)  # fmt: skip


def chromium() -> str:
    """The path of a Chromium; ends the test where there is none."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    return found or without(f"none of {', '.join(NAMES)} is installed")


class Page:
    """Serves the page, the npm package's browser build and the settings; hears what the page tells."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._go_on = asyncio.Event()
        self.told: list[dict[str, Any]] = []
        self.end: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def go_on(self) -> None:
        """Let the page stop its connections."""
        self._go_on.set()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """The address of the page, on a free loopback port of its own."""
        node()
        build = NODE / "node_modules" / "@microsoft" / "signalr" / "dist" / "browser" / "signalr.js"
        app = web.Application()
        files = {"/": NODE / "page.html", "/signalr.js": build}
        files |= {f"/{name}": NODE / name for name in ("page.mjs", "follow.mjs")}
        for path, file in files.items():
            app.router.add_get(path, _file(file))
        app.router.add_get("/settings", self._tell_settings)
        app.router.add_get("/go-on", self._wait)
        app.router.add_post("/told", self._hear)
        app.router.add_post("/end", self._finish)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _tell_settings(self, _request: web.Request) -> web.Response:
        return web.json_response(self._settings)

    async def _wait(self, _request: web.Request) -> web.Response:
        await self._go_on.wait()
        return web.Response()

    async def _hear(self, request: web.Request) -> web.Response:
        self.told.append(json.loads(await request.read()))
        return web.Response()

    async def _finish(self, request: web.Request) -> web.Response:
        self.end.set_result(json.loads(await request.read()))
        return web.Response()


def _file(path: Path) -> Any:
    kind = {".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript"}[path.suffix]
    content = path.read_text()

    async def give(_request: web.Request) -> web.Response:
        return web.Response(text=content, content_type=kind)

    return give


@asynccontextmanager
async def browsing(address: str, profile: Path) -> AsyncIterator[None]:
    """A browser at this address, with a profile of its own, ended with all its processes."""
    process = await asyncio.create_subprocess_exec(
        chromium(), *FLAGS, f"--user-data-dir={profile}", address, start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
