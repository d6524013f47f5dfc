"""Shared fixtures: golden vectors and the optional real market data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parent / "vectors"
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def vector(name: str) -> dict[str, Any]:
    """One golden vector file, e.g. `vector("rounding")`."""
    return json.loads((VECTORS / f"{name}.json").read_text())


@pytest.fixture
def market_files() -> Path:
    """The folder of recorded market data; tests over it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no recorded market data beside the project")
    return SHARED_DATA
