"""What a run was measured on: processor, load, versions, builds."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from bot.accelerated.registry import core_build

_PEERS = ("Cython", "aiohttp", "asyncpg", "locust", "msgspec", "nautilus_trader", "numpy", "polars")


def describe(core: int) -> dict[str, str]:
    """Facts by name, for the head of a report."""
    build = core_build()
    facts = {
        "processor": _processor(),
        "cores": f"{os.cpu_count()}, pinned to {core}",
        "load": f"{os.getloadavg()[0]:.2f}",
        "system": platform.platform(),
        "python": platform.python_version(),
        "rust core": f"{build.info.get('profile', 'missing')} {build.info.get('compiler', '')}".strip(),
        "rust sources": str(build.info.get("source_hash", build.reason)),
    }
    if build.up_to_date is False:
        facts["rust core"] += " (older than its sources)"
    for package in _PEERS:
        try:
            facts[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            facts[package] = "not installed"
    return facts


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
