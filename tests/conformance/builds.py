"""The foreign clients that are built or installed before they can run."""

from __future__ import annotations

import os
import subprocess
from functools import cache

from tests.conformance.conftest import HERE, need

NODE, RUST = HERE / "node", HERE / "rust"
TARGET = HERE.parents[1] / "rust" / "target" / "conformance"


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
