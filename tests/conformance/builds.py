"""The foreign clients that are built or installed before they can run."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

HERE = Path(__file__).parent
NODE, RUST = HERE / "node", HERE / "rust"
TARGET = HERE.parents[1] / "rust" / "target" / "conformance"


def without(reason: str) -> NoReturn:
    """Something that the test needs is missing: it is skipped on a workstation and fails in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def need(tool: str) -> str:
    """The path of a command; ends the test where it is missing."""
    return shutil.which(tool) or without(f"{tool} is not installed")


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
