"""One gateway and one running bot for the tests that only look."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.app.session import Bot, Gateway


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    found = Gateway(tmp_path_factory.mktemp("paper") / "paper", f"paper-app-{os.getpid()}")
    found.start()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def bot(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    found = Bot(
        tmp_path_factory.mktemp("bot"), gateway, config="[strategies.overnight_range]\nenabled = true\n"
    )
    code, _ = found.command("flags", "set", "market_data", "shadow")
    assert code == 0
    found.start()
    yield found
    assert found.stop() == 0
    found.remove()


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    """After each test its own bots end, also those of a test that failed, and their databases go."""
    shared = [one for one in Bot.made if one.running]
    yield
    for one in [one for one in Bot.made if one not in shared]:
        if one.running:
            one.stop()
        one.remove()
        Bot.made.remove(one)


@pytest.fixture
def own_gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that the test may break."""
    found = Gateway(tmp_path / "paper", f"paper-own-{os.getpid()}")
    found.start()
    yield found
    found.stop()
