"""The drives of the foreign Python clients: begun together, because most of their time is waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bot.paper.options import PaperOptions
from tests.conformance.builds import without
from tests.conformance.environments import NoEnvironment, environment
from tests.conformance.stage import LONGEST_S, Drive, Seen, play

Result = TypeVar("Result")
AT_ONCE = 5
"""Two more than there are long ones, so that the others leave the cores to the tests beside them."""

BOTH_SHAPES = PaperOptions(contract_by_id_shape="both")
LONG = (Drive("signalrcore", "idle"), Drive("pysignalr", "idle"), Drive("signalrcore", "stall"))
SHORT = (
    Drive("signalrcore", "hubs"),
    Drive("signalrcore", "reconnect"),
    Drive("signalrcore", "refused"),
    Drive("pysignalr", "hubs"),
    Drive("pysignalr", "reconnect"),
    Drive("pysignalr", "refused"),
    Drive("topstep-client-py", "trade"),
    Drive("topstep-client-py", "resend"),
    Drive("topstep-client-py", "reconnect"),
    Drive("projectx-sdk", "trade"),
    Drive("projectx-sdk", "by_id", BOTH_SHAPES),
    Drive("projectx-sdk", "resend"),
    Drive("projectx-sdk", "reconnect"),
    Drive("projectx-api", "shipped"),
    Drive("projectx-api", "trade"),
    Drive("projectx-api", "by_id", BOTH_SHAPES),
)


class Drives:
    """Every drive, under way from the beginning on a thread of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="foreign Python clients")
        self._thread.start()
        self._making, self._playing = asyncio.Semaphore(2), asyncio.Semaphore(AT_ONCE)
        self._pythons = {
            client: self._begin(self._make(client))
            for client in dict.fromkeys(drive.client for drive in (*LONG, *SHORT))
        }
        self._played = {drive.name: self._begin(self._play(drive)) for drive in (*LONG, *SHORT)}

    def seen(self, name: str) -> Seen:
        """What a drive saw. Without its packages the test is skipped on a workstation and fails in CI."""
        try:
            return self._played[name].result(2 * LONGEST_S)
        except NoEnvironment as problem:
            return without(str(problem))

    def end(self) -> None:
        """Nothing of a drive stays."""
        self._begin(self._cancel()).result(LONGEST_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _begin(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _make(self, client: str) -> Path:
        async with self._making:
            return await asyncio.to_thread(environment, client)

    async def _play(self, drive: Drive) -> Seen:
        await asyncio.wait([asyncio.wrap_future(python) for python in self._pythons.values()])
        python = self._pythons[drive.client].result()
        async with self._playing:
            folder = self._folder / drive.name.replace(" ", "-")
            folder.mkdir()
            return await play(drive, python, folder)

    async def _cancel(self) -> None:
        work = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await self._loop.shutdown_default_executor()


@pytest.fixture(scope="session")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drives]:
    """All drives of the foreign Python clients."""
    playing = Drives(tmp_path_factory.mktemp("python-clients"))
    yield playing
    playing.end()
