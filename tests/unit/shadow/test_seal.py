"""The seal: what a worker must not see, and what it cannot do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shadow.seal import SealBroken, inspect
from shadow.supervisor import clean_environment


@pytest.mark.parametrize(
    "name", ["PROJECT_X_API_KEY", "PROJECTX_PASSWORD", "TOPSTEPX_API_KEY", "TOPSETPX_USERNAME", "JWT_TOKEN", "BOT_AUTH_API_KEY"]
)  # fmt: skip
def test_credentials_are_named_and_never_shown(name: str) -> None:
    with pytest.raises(SealBroken) as broken:
        inspect({name: "hush"}, [])
    assert name in str(broken.value)
    assert "hush" not in str(broken.value)


@pytest.mark.parametrize(
    "value", ["https://api.topstepx.com", "wss://rtc.projectx.com", "http://127.0.0.1:9/hubs/market"]
)
def test_a_venue_address_is_refused_wherever_it_stands(value: str) -> None:
    with pytest.raises(SealBroken, match="venue address"):
        inspect({"WHATEVER": value}, [])
    with pytest.raises(SealBroken, match="arguments"):
        inspect({}, ["--journal", value])


def test_an_empty_variable_and_other_variables_are_no_credentials() -> None:
    inspect({"PROJECT_X_API_KEY": "", "HOME": "/home/x", "PATH": "/bin"}, ["--journal", "var/journal"])


def test_the_supervisor_hands_on_nothing_that_the_seal_would_refuse() -> None:
    environ = {"PROJECT_X_API_KEY": "a", "DATABASE_URL": "b", "JWT_TOKEN": "c", "PATH": "/bin", "LANG": "C"}
    assert clean_environment(environ) == {"PATH": "/bin", "LANG": "C"}


@pytest.mark.parametrize("attempt", ["socket.socket().connect(('127.0.0.1', 9))", "socket.getaddrinfo('localhost', 80)",
                                     "socket.socket().bind(('127.0.0.1', 0))"])  # fmt: skip
def test_a_sealed_process_cannot_use_the_network(attempt: str) -> None:
    code = f"import socket\nfrom shadow import seal\nseal.close()\n{attempt}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode != 0
    assert "SealBroken" in done.stderr
