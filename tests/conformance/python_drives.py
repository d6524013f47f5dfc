"""The fixture of the foreign Python clients; test modules name this one as their plugin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.python_clients import Drives


@pytest.fixture(scope="session")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drives]:
    """All drives of the foreign Python clients."""
    playing = Drives(tmp_path_factory.mktemp("python-clients"))
    yield playing
    playing.end()


@pytest.fixture(scope="session", autouse=True)
def drives_begin_early(request: pytest.FixtureRequest) -> None:
    """The drives begin with the first test of all, if a later one asks for them."""
    if any("drives" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("drives")
