"""What can run here, and why the rest cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.accelerated import registry


def test_missing_and_broken_modules_are_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_core.py").write_text("raise RuntimeError('built for another interpreter')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_RUST", {"market_data": "broken_core"})
    monkeypatch.setattr(registry, "_CYTHON", {"market_data": "absent_module"})
    reasons = registry.available("market_data")
    assert reasons["python"] is None
    assert "C compiler" in (reasons["cython"] or "") and "absent_module" in (reasons["cython"] or "")
    assert "another interpreter" in (reasons["rust"] or "")


def test_components_without_twins_say_so() -> None:
    assert registry.available("database")["python"] is None
    assert registry.available("database")["rust"] == "no such implementation of this component"
    assert registry.available("weather")["python"] is not None


def test_source_hash_follows_what_is_compiled(tmp_path: Path) -> None:
    assert registry.source_hash(tmp_path) is None
    crate = tmp_path / "rust" / "crates" / "a"
    (crate / "src" / "deep").mkdir(parents=True)
    (crate / "src" / "lib.rs").write_text("one")
    first = registry.source_hash(tmp_path)
    (crate / "tests").mkdir()
    (crate / "tests" / "all.rs").write_text("not compiled in")
    assert registry.source_hash(tmp_path) == first
    (crate / "src" / "deep" / "b.rs").write_text("")
    second = registry.source_hash(tmp_path)
    (crate / "src" / "deep" / "b.rs").rename(crate / "src" / "deep" / "c.rs")
    assert len({first, second, registry.source_hash(tmp_path)}) == 3


def test_core_tells_its_build() -> None:
    build = registry.core_build()
    if not build.info:
        pytest.skip(build.reason or "")
    assert build.info["panic"] == "unwind"
    assert build.up_to_date == (build.info["source_hash"] == registry.source_hash())
    assert (build.reason is None) == build.up_to_date


@pytest.mark.slow
@pytest.mark.parametrize("required", ["0", "1"])
def test_install_without_a_compiler_goes_on_in_python_unless_required(tmp_path: Path, required: str) -> None:
    (tmp_path / "bot" / "accelerated").mkdir(parents=True)
    for name in (
        "setup.py",
        "bot/__init__.py",
        "bot/accelerated/__init__.py",
        "bot/accelerated/_market_data.pyx",
        "bot/accelerated/_slots.pxd",
    ):
        shutil.copy(registry.ROOT / name, tmp_path / name)
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=tmp_path,
        env={**os.environ, "CC": "/nonexistent/cc", "BOT_REQUIRE_EXTENSIONS": required},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) == (required == "1"), done.stderr
    assert ("pure Python" in done.stderr) == (required == "0")
    assert not list((tmp_path / "bot" / "accelerated").glob("*.so"))
