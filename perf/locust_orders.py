"""Locust users of the paper gateway's REST side: limit orders placed and cancelled at a steady rate.

Run by `perf.bench_paper`, or by hand: `locust -f perf/locust_orders.py --headless -u 10 -t 20s --host URL`.
`PAPER_RATE` is orders a second of all users together, `PAPER_FIGURES` a file for the latencies in ms.
"""

from __future__ import annotations

import json
import os
from itertools import count
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, constant_throughput, events, task

USERS = 10
"""As `perf.paper_gateway` has it; this file is run by locust, apart from the project."""
RATE = float(os.environ.get("PAPER_RATE", "100"))
CONTRACT = "CON.F.US.MNQ.Z25"
ACCOUNT = 1001
FIGURES: dict[str, list[float]] = {}
FAILED: list[str] = []
ARRIVED = count()


class Trader(FastHttpUser):
    """Places a limit far from the market and takes it back at once."""

    wait_time = constant_throughput(RATE / USERS)

    def on_start(self) -> None:
        """Log in once, then begin in turn: orders come evenly, not ten at an instant."""
        key = os.environ.get("BOT_PAPER_API_KEY", "paper-key")
        answer = self.client.post("/api/Auth/loginKey", json={"userName": "paper", "apiKey": key})
        self.headers = {"Authorization": f"Bearer {answer.json()['token']}"}
        gevent.sleep(1.0 + next(ARRIVED) / RATE)

    @task
    def place(self) -> None:
        """One order and its cancel."""
        order = {
            "accountId": ACCOUNT, "contractId": CONTRACT, "type": 1, "side": 0, "size": 1, "limitPrice": 1000.0,
        }  # fmt: skip
        order_id = self._call("Order/place", order).get("orderId")
        self._call("Order/cancel", {"accountId": ACCOUNT, "orderId": order_id})

    def _call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        with self.client.post(
            f"/api/{path}", json=body, headers=self.headers, name=path, catch_response=True
        ) as answer:
            found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
            if not found.get("success"):
                answer.failure(f"{answer.status_code} {answer.text}")
            return found


@events.request.add_listener
def _keep(name: str, response_time: float, exception: Exception | None, **_: Any) -> None:
    FIGURES.setdefault(name, []).append(response_time)
    if exception is not None:
        FAILED.append(f"{name}: {exception}")


@events.quitting.add_listener
def _write(**_: Any) -> None:
    target = os.environ.get("PAPER_FIGURES")
    if target:
        Path(target).write_text(json.dumps({"figures": FIGURES, "failed": FAILED}))
