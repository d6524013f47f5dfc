"""Independent clients, unchanged, against the real paper gateway over sockets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.conftest import ACCOUNT, CONTRACT, HERE, Run, need
from tests.conformance.transcript import check

NODE = HERE / "node"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def node() -> str:
    """The node command, with the locked packages in place."""
    path = need("node")
    if not (NODE / "node_modules" / "@microsoft" / "signalr").is_dir():
        npm = need("npm")
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=NODE, check=True, capture_output=True)
    return path


async def test_javascript_client_trades_negotiated_and_not(node: str, run: Run, wire: Path) -> None:
    seen = await run(node, str(NODE / "client.mjs"))
    assert seen["login"] == {"success": True, "token": "string"}
    assert ACCOUNT in seen["accounts"]
    assert seen["negotiated"] == {"state": "Connected", "id": "string"}
    assert sorted(seen["snapshot"]) == sorted([1, account] for account in seen["accounts"])
    assert "Method does not exist" in seen["unknownMethod"]
    assert seen["quoteContracts"] == [CONTRACT]
    assert {"symbol", "lastPrice", "bestBid", "bestAsk", "lastUpdated", "timestamp"} <= set(
        seen["firstQuote"]
    )
    assert seen["firstDepth"][0] == 6
    assert seen["printFields"] == ["contractId", "price", "symbolId", "timestamp", "type", "volume"]
    assert seen["placed"] == {"success": True, "orderId": "number"}
    assert seen["entry"] == [6, 2]
    assert seen["children"] == [["conformance-node-SL", 4, True], ["conformance-node-TP", 1, True]]
    assert seen["trade"] == {"action": 0, "orderId": True, "side": 0}
    assert seen["position"] == {"action": 1, "type": 1, "size": 1}
    assert seen["left"] == 0
    assert seen["fault"] is True
    assert seen["reconnect"]["reconnected"] == 1
    assert "Connection closed with an error" in seen["reconnect"]["reason"]
    assert check(wire) == []


async def test_signalrcore_negotiates_version_0_and_trades(run: Run, wire: Path) -> None:
    seen = await run(sys.executable, str(HERE / "python" / "client.py"))
    assert seen["completions"] == [None, None]
    assert ACCOUNT in seen["snapshot"]
    assert (seen["contracts"], seen["symbols"]) == ([CONTRACT], ["F.US.MNQ"])
    assert seen["success"] is True
    assert seen["statuses"] == [6, 2]
    assert seen["closed"] is True
    assert check(wire) == []


def test_the_locks_name_versions_and_no_address() -> None:
    lock = json.loads((NODE / "package-lock.json").read_text())
    assert lock["packages"]["node_modules/@microsoft/signalr"]["version"].startswith("10.")
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


async def test_signalrcore_comes_back_after_a_lost_connection(run: Run, wire: Path) -> None:
    seen = await run(sys.executable, str(HERE / "python" / "reconnect.py"))
    assert seen == {"before": True, "after": True}
    assert check(wire) == []
