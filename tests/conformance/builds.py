"""The foreign clients that are built or installed before they can run."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NODE, RUST = HERE / "node", HERE / "rust"
TARGET = HERE.parents[1] / "rust" / "target" / "conformance"


def need(tool: str) -> str:
    """The path of a command. Without it the test is skipped on a workstation and fails in CI."""
    path = shutil.which(tool)
    if path is None:
        reason = f"{tool} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@cache
def node() -> str:
    """The node command, with the locked packages in place."""
    path = need("node")
    if not (NODE / "node_modules" / "@microsoft" / "signalr").is_dir():
        npm = need("npm")
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=NODE, check=True, capture_output=True)
    return path


@cache
def rust_client() -> str:
    """The path of the built client."""
    cargo = need("cargo")
    command = [cargo, "build", "--locked", "--quiet", "--manifest-path", str(RUST / "Cargo.toml")]
    env = os.environ | {"CARGO_TARGET_DIR": str(TARGET)}
    built = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-2000:]
    return str(TARGET / "debug" / "paper-gateway-conformance")
