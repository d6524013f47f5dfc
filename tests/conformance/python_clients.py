"""The drives of the foreign Python clients: begun together, because most of their time is waiting."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from bot.paper.options import PaperOptions
from tests.conformance.environments import NoEnvironment, environment
from tests.conformance.stage import LONGEST_S, Drive, Seen, Stage

AT_ONCE = 4
"""One more than there are long ones, so that the others follow one another and leave a core free."""

BOTH_SHAPES = PaperOptions(contract_by_id_shape="both")
DRIVES = (
    Drive("signalrcore", "idle"),
    Drive("pysignalr", "idle"),
    Drive("signalrcore", "stall"),
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
"""The long ones first."""


class Drives:
    """Every drive, under way from the beginning."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._makers = ThreadPoolExecutor(2)
        self._pythons = {
            client: self._makers.submit(environment, client)
            for client in dict.fromkeys(drive.client for drive in DRIVES)
        }
        self._players = ThreadPoolExecutor(AT_ONCE)
        self._played: dict[str, Future[Seen]] = {
            drive.name: self._players.submit(self._play, drive) for drive in DRIVES
        }

    def seen(self, name: str) -> Seen:
        """What a drive saw. Without its packages the test is skipped on a workstation and fails in CI."""
        try:
            return self._played[name].result(2 * LONGEST_S)
        except NoEnvironment as problem:
            if os.environ.get("CI") == "true":
                pytest.fail(str(problem))
            pytest.skip(str(problem))

    def end(self) -> None:
        """Nothing of a drive stays."""
        self._players.shutdown(wait=False, cancel_futures=True)
        self._stage.close()
        self._players.shutdown()
        self._makers.shutdown()
        self._stage.end()

    def _play(self, drive: Drive) -> Seen:
        return self._stage.play(drive, self._pythons[drive.client].result())
