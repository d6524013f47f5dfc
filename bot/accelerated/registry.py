"""Which implementations of a component can run here, and why the others cannot.

Nothing here raises when a compiled module is missing, broken or older than its sources.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

COMPONENTS: Final = ("order_execution", "websocket", "market_data", "strategy_engine", "database")
IMPLEMENTATIONS: Final = ("python", "cython", "rust")
ROOT: Final = Path(__file__).parents[2]
_CYTHON: Final = {"market_data": "bot.accelerated._market_data"}
_RUST: Final = {"market_data": "trading_bot_core.market_data"}
_NONE: Final = "no such implementation of this component"


class Build(msgspec.Struct, frozen=True):
    """The Rust core that is installed. `up_to_date` is None when its sources are not on this machine."""

    info: Mapping[str, object]
    up_to_date: bool | None
    reason: str | None


def available(component: str) -> dict[str, str | None]:
    """Per implementation None when it can be used, else the reason why not."""
    return {
        "python": None if component in COMPONENTS else _NONE,
        "cython": _importable(_CYTHON.get(component), "install the bot where a C compiler is present"),
        "rust": _importable(_RUST.get(component), "build the Rust core with maturin"),
    }


def core_build() -> Build:
    """What the Rust core says about itself, compared with the sources on disk."""
    try:
        info: dict[str, object] = importlib.import_module("trading_bot_core").build_info()
    except Exception as problem:
        return Build({}, None, _said(problem))
    expected = source_hash()
    current = None if expected is None else info.get("source_hash") == expected
    reason = "built from other sources than those on disk; build it again" if current is False else None
    return Build(info, current, reason)


def source_hash(root: Path = ROOT) -> str | None:
    """The hash that `build_info()["source_hash"]` has when it was built from the files under `root/rust`.

    BLAKE2b-128 over path and content of each file in order of path, as `rust/crates/python/build.rs`
    computes it; None without sources.
    """
    workspace = root / "rust"
    files = [
        *(workspace / name for name in ("Cargo.toml", "Cargo.lock")),
        *workspace.glob("crates/*/Cargo.toml"),
        *workspace.glob("crates/*/build.rs"),
        *workspace.glob("crates/*/src/**/*.rs"),
    ]
    named = sorted((file.relative_to(workspace).as_posix(), file) for file in files if file.is_file())
    if not named:
        return None
    state = blake2b(digest_size=16)
    for name, file in named:
        content = file.read_bytes()
        state.update(name.encode() + b"\0" + len(content).to_bytes(8, "little") + content)
    return state.hexdigest()


def cython_is_current(component: str, root: Path = ROOT) -> bool | None:
    """Whether the extension is newer than its `.pyx` and what that may cimport; None when either is missing."""
    folder = root / "bot" / "accelerated"
    source = folder / f"_{component}.pyx"
    built = sorted(folder.glob(f"_{component}.*.so"))
    if not built or not source.is_file():
        return None
    newest = max(file.stat().st_mtime for file in (source, *folder.glob("*.pxd")))
    return built[-1].stat().st_mtime >= newest


def _importable(module: str | None, remedy: str) -> str | None:
    if module is None:
        return _NONE
    try:
        importlib.import_module(module)
    except Exception as problem:
        return f"{_said(problem)}; {remedy}"
    return None


def _said(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"
