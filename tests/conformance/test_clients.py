"""Independent clients, unchanged, against the real paper gateway over sockets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conformance.conftest import ACCOUNT, CONTRACT, HERE, Run
from tests.conformance.transcript import check

pytestmark = pytest.mark.slow


async def test_signalrcore_negotiates_version_0_and_trades(run: Run, wire: Path) -> None:
    seen = await run(sys.executable, str(HERE / "python" / "client.py"))
    assert seen["completions"] == [None, None]
    assert ACCOUNT in seen["snapshot"]
    assert (seen["contracts"], seen["symbols"]) == ([CONTRACT], ["F.US.MNQ"])
    assert seen["success"] is True
    assert seen["statuses"] == [6, 2]
    assert seen["closed"] is True
    assert check(wire) == []


async def test_signalrcore_comes_back_after_a_lost_connection(run: Run, wire: Path) -> None:
    seen = await run(sys.executable, str(HERE / "python" / "reconnect.py"))
    assert seen == {"before": True, "after": True}
    assert check(wire) == []
