"""What every driver needs beside its client: the settings, the control side, plain REST calls, and waiting."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable
from typing import Any

WAIT_S = 30.0
Scenario = Callable[["Paper"], dict[str, Any]]


class Paper:
    """The paper gateway as a driver sees it; the settings are attributes."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.url: str = settings["url"]
        self.control: str = settings["control"]
        self.control_token: str = settings["controlToken"]
        self.user: str = settings["userName"]
        self.key: str = settings["apiKey"]
        self.account: int = settings["accountId"]
        self.contract: str = settings["contractId"]
        self.since: str = settings["since"]
        self.until: str = settings["until"]

    def hub(self, name: str, scheme: str = "http") -> str:
        """The address of a hub."""
        return f"{scheme}{self.url.removeprefix('http')}/hubs/{name}"

    def fault(self, name: str, **members: Any) -> None:
        """Arm a fault, or let it act at once."""
        self._post(f"{self.control}/paper/faults", {"fault": name, **members}, self.control_token)

    def login(self) -> str:
        """A token."""
        token: str = self.call("Auth/loginKey", userName=self.user, apiKey=self.key)["token"]
        return token

    def call(self, path: str, token: str = "", **body: Any) -> dict[str, Any]:
        """A REST call, for clients that have none of their own."""
        return self._post(f"{self.url}/api/{path}", body, token)

    def buy(self, token: str, tag: str | None, **more: Any) -> dict[str, Any]:
        """A market order for one lot."""
        order = {"accountId": self.account, "contractId": self.contract, "type": 2, "side": 0, "size": 1}
        return self.call("Order/place", token, **order, customTag=tag, **more)

    def close(self, token: str) -> dict[str, Any]:
        """Close the position."""
        return self.call("Position/closeContract", token, accountId=self.account, contractId=self.contract)

    def _post(self, address: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        request = urllib.request.Request(address, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return json.load(answer)


def until(what: str, holds: Callable[[], object], seconds: float = WAIT_S) -> None:
    """Wait for a condition; TimeoutError names what did not come."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: nothing within {seconds} s")
        time.sleep(0.02)


def complaint(call: Callable[[], object]) -> list[Any]:
    """The type, the code and the text of the error that a call must end in."""
    try:
        answer = call()
    except Exception as problem:
        return described(problem)
    raise AssertionError(f"an error was expected, not {answer}")


def described(problem: BaseException) -> list[Any]:
    """The type, the code and the text of an error."""
    code = next(
        (getattr(problem, name) for name in ("code", "error_code", "status_code") if hasattr(problem, name)),
        None,
    )
    return [type(problem).__name__, code, str(problem)]


def main(**scenarios: Scenario) -> None:
    """Run the scenario of the first argument with the settings of the second; prints what it saw as JSON.

    Threads that a client leaves behind do not keep the process alive.
    """
    try:
        seen = scenarios[sys.argv[1]](Paper(json.loads(sys.argv[2])))
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    print("\n" + json.dumps(seen), flush=True)
    os._exit(0)
