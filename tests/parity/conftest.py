"""One suite per component, run over all its implementations.

The fixture `impl` has the ids python, cython and rust. A compiled module that is missing skips its runs
with the reason, except where CI=true: there a missing module is an error, never a silent halving.
"""

from __future__ import annotations

import os

import pytest

from bot.accelerated.registry import available


@pytest.fixture(params=["python", "cython", "rust"], ids=str)
def impl(request: pytest.FixtureRequest) -> str:
    """The name of the implementation under test, of the component that the test module is named after."""
    name: str = request.param
    require(request.module.__name__.rpartition("test_")[2], name)
    return name


def require(component: str, impl: str) -> None:
    """Skip, or fail in CI, when an implementation that exists in the project cannot be imported here."""
    reason = available(component).get(impl)
    if reason is None:
        return
    if os.environ.get("CI") == "true" and not reason.startswith("no such"):
        pytest.fail(f"{impl} {component}: {reason}")
    pytest.skip(f"{impl} {component}: {reason}")
