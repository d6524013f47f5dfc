"""Set-up in one step: `python3 install.py run|test|perf`.

Makes `.venv`, installs the pinned packages, and builds what the machine can build: the Cython
extension (needs a C compiler), the Rust core (needs cargo), the JavaScript conformance client (needs
npm; tests only). On a Debian CI machine the tests' browser is installed too. Each step is skipped when
its inputs have not changed. What is missing is said, with what follows; the bot itself needs Python only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMPS = VENV / "install-stamps.json"
LOG = ROOT / "var" / "install.log"
EXTRAS = {"run": ("run",), "test": ("run", "test"), "perf": ("run", "perf")}


class StepFailed(Exception):
    """A step that could not be done; the message says what to do."""


def fingerprint(paths: Iterable[Path]) -> str:
    """One hash over the contents and names of files."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(paths):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def sources(folder: str, *suffixes: str) -> list[Path]:
    """The files of a folder with these endings, build output left out."""
    skip = {"target", "node_modules", "__pycache__"}
    return [
        path
        for path in (ROOT / folder).rglob("*")
        if path.suffix in suffixes and path.is_file() and not skip & set(path.relative_to(ROOT).parts)
    ]


def call(*command: str, where: Path = ROOT, env: dict[str, str] | None = None) -> None:
    """Run a command with its output in the log. Raises StepFailed with the last lines."""
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("ab") as log:
        log.write(f"\n$ {' '.join(command)}\n".encode())
        log.flush()
        done = subprocess.run(
            command,
            cwd=where,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            check=False,
        )
    if done.returncode:
        tail = "\n    ".join(LOG.read_text(errors="replace").splitlines()[-12:])
        raise StepFailed(f"`{' '.join(command)}` ended with {done.returncode}; see {LOG}\n    {tail}")


def make_venv() -> None:
    if not PYTHON.exists():
        call(sys.executable, "-m", "venv", str(VENV))


def install_packages(names: tuple[str, ...]) -> None:
    files = [flag for name in names for flag in ("-r", str(ROOT / "requirements" / f"{name}.txt"))]
    call(str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-deps", *files)


def install_bot() -> None:
    call(
        str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-deps",
        "--no-build-isolation", "--editable", ".",
    )  # fmt: skip


def build_cython() -> None:
    call(str(PYTHON), "setup.py", "build_ext", "--inplace", env={"BOT_REQUIRE_EXTENSIONS": "1"})


def build_rust() -> None:
    call(
        str(PYTHON), "-m", "maturin", "develop", "--release", "--locked",
        "--manifest-path", "rust/crates/python/Cargo.toml",
        env={"VIRTUAL_ENV": str(VENV)},
    )  # fmt: skip


def install_node_client() -> None:
    call("npm", "ci", "--no-audit", "--no-fund", where=ROOT / "tests" / "conformance" / "node")


def install_chromium() -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    call("apt-get", "update", env=quiet)
    call("apt-get", "install", "-y", "--no-install-recommends", "chromium", env=quiet)


def browser_part(step: Callable[..., None]) -> None:
    """The browser of the conformance tests: a CI machine that we may change gets it, others are told."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    if any(map(shutil.which, names)):
        return
    ours = bool(os.environ.get("CI")) and hasattr(os, "geteuid") and os.geteuid() == 0
    if ours and shutil.which("apt-get"):
        step("Chromium", str(time.time_ns()), install_chromium, needed=True)
    else:
        print("set-up: no Chromium found (Debian: apt-get install chromium): the browser test cannot run")


def compiler() -> str | None:
    """The C compiler that setuptools would use, None when there is none."""
    return next(
        (
            name
            for name in (os.environ.get("CC", ""), "cc", "gcc", "clang", "cl")
            if name and shutil.which(name)
        ),
        None,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Set up the project.")
    parser.add_argument("what", choices=sorted(EXTRAS), nargs="?", default="run")
    what = parser.parse_args().what
    if sys.version_info < (3, 11):  # noqa: UP036  the interpreter that runs this may be older
        print(
            f"Python: expected 3.11 or newer, got {sys.version.split()[0]}; install it, then run this again"
        )
        return 1
    stamps: dict[str, str] = json.loads(STAMPS.read_text()) if STAMPS.exists() else {}

    def step(name: str, key: str, work: Callable[[], None], *, needed: bool, without: str = "") -> None:
        if stamps.get(name) == key:
            return
        print(f"set-up: {name} …", end="", flush=True)
        began = time.monotonic()
        try:
            work()
        except (StepFailed, OSError) as problem:
            print(f" failed\n  {problem}")
            if needed or os.environ.get("CI"):
                raise SystemExit(1) from problem
            print(f"  {without}")
            return
        stamps[name] = key
        STAMPS.write_text(json.dumps(stamps, indent=1))
        print(f" done in {time.monotonic() - began:.0f} s")

    step("virtual environment", sys.version, make_venv, needed=True)
    names = EXTRAS[what]
    for name in names:
        step(
            f"packages ({name})",
            fingerprint([ROOT / "requirements" / f"{name}.txt"]),
            lambda name=name: install_packages((name,)),  # type: ignore[misc]
            needed=True,
        )
    step("bot", fingerprint([ROOT / "pyproject.toml", ROOT / "setup.py"]), install_bot, needed=True)
    optional_part(
        step, "Cython extension", compiler(), "C compiler", "Debian: apt-get install gcc",
        fingerprint([*sources("bot/accelerated", ".pyx", ".pxd"), ROOT / "setup.py"]), build_cython,
    )  # fmt: skip
    optional_part(
        step, "Rust core", shutil.which("cargo"), "cargo", "https://rustup.rs",
        fingerprint(sources("rust", ".rs", ".toml", ".lock", ".pyi")), build_rust,
    )  # fmt: skip
    if what == "test":
        optional_part(
            step, "JavaScript client", shutil.which("npm"), "npm", "Debian: apt-get install npm",
            fingerprint([ROOT / "tests/conformance/node/package-lock.json"]), install_node_client,
        )  # fmt: skip
        browser_part(step)
    return 0


def optional_part(
    step: Callable[..., None],
    name: str,
    tool: str | None,
    called: str,
    where: str,
    key: str,
    work: Callable[[], None],
) -> None:
    """A part without which the bot runs on Python alone, and says so."""
    if tool is None:
        print(f"set-up: no {called} found ({where}): the bot runs without the {name}, on Python alone")
        if os.environ.get("CI"):
            raise SystemExit(1)
        return
    step(name, key, work, needed=False, without=f"the bot runs without the {name}, on Python alone")


if __name__ == "__main__":
    sys.exit(main())
