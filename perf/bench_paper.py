"""The paper gateway under load: the market to four hub clients, and orders at 100 a second.

The gateway is one process on one core, its clients another process on another one. Density and venue
time are those of a live session (rate 1). What a virtual session costs is measured without sockets.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import msgspec

from bot.clock import VirtualClock
from bot.model.instruments import INSTRUMENTS
from bot.model.times import SECOND, parse_ts
from bot.paper.config import PaperConfig
from bot.paper.hub_session import HubSession
from bot.paper.market.synthetic import SyntheticMarket
from bot.paper.venue import PaperVenue
from perf.hub_clients import Count
from perf.paper_gateway import API_KEY, USERS, Gateway, client, gateway
from perf.work import Goal, Variant, Work, missing

CLIENTS = 4
SECONDS = 10.0
_FREE = ("--option", "rate_general=1000000/1")
_GRAINS_AND_CATTLE = ("grains", "livestock")
_VIRTUAL_START = parse_ts("2025-11-05T14:00:00Z")
_VIRTUAL_S = 600


def works() -> list[Work]:
    """The works of this component."""
    full, light = _roots(50), ("MNQ", "MES")
    feed = {"50 contracts, full": (full, "full"), "2 contracts, full": (light, "full"), "2 contracts, light": (light, "light")}  # fmt: skip
    note = f"{CLIENTS} clients with every topic of every contract; an event a client gets is one record."
    return [
        Work(
            "CPU of the gateway for the market", "CPU s per s", CLIENTS,
            [Variant(name, _share(*what)) for name, what in feed.items()],
            [Goal("50 contracts, full", at_most=1.0)], note,
        ),
        Work(
            "delivery lag of the market", "ms", CLIENTS,
            [Variant(name, _lags(*what)) for name, what in feed.items()], (),
            note + " Lag is arrival less the venue time of the newest event in a message.",
        ),
        _orders(light, full),
        Work(
            "virtual time, two contracts at light density", "µs per event", 1,
            [
                Variant("market alone", _market_alone),
                Variant("venue, nobody listens", lambda: _venue(listens=False)),
                Variant("venue, one client with every topic", lambda: _venue(listens=True)),
            ], [Goal("venue, one client with every topic", at_most=9.0)],
            "A day of two contracts is about 1.1 million events; no socket, the clock moves as fast as it can; CPU time.",
        ),
    ]  # fmt: skip


def _orders(light: Sequence[str], full: Sequence[str]) -> Work:
    name = "order accepted, 100 a second"
    note = "Locust, profile fast, rate limits off; each order is cancelled at once by a request of its own."
    if importlib.util.find_spec("locust") is None:
        return Work(name, "ms", 1, [missing("place", "locust is not installed")], (), note)
    variants = [
        Variant("place", lambda: _placed(light, "light", "Order/place")),
        Variant("cancel", lambda: _placed(light, "light", "Order/cancel")),
        Variant("place, with 50 contracts at full density", lambda: _placed(full, "full", "Order/place")),
    ]
    return Work(
        name,
        "ms",
        1,
        variants,
        [Goal("place", at_most=2.0)],
        note + " The goal judged here is p50; p99 below 2 ms is wanted.",
    )


def _roots(count: int) -> tuple[str, ...]:
    """The first contracts of the table, those with short hours last."""
    rows = sorted(INSTRUMENTS.values(), key=lambda row: row.group in _GRAINS_AND_CATTLE)
    return tuple(row.root for row in rows[:count])


def _share(roots: Sequence[str], density: str) -> Callable[[], Sequence[float]]:
    return lambda: [_fed(tuple(roots), density, _round(roots, density, "share"))[0]]


def _lags(roots: Sequence[str], density: str) -> Callable[[], Sequence[float]]:
    return lambda: _fed(tuple(roots), density, _round(roots, density, "lags"))[1].lags


_ROUNDS: dict[tuple[object, ...], int] = {}


def _round(roots: Sequence[str], density: str, which: str) -> int:
    """Both works read the same runs: the number of the run that this one has not read yet."""
    key = (tuple(roots), density, which)
    _ROUNDS[key] = _ROUNDS.get(key, 0) + 1
    return _ROUNDS[key]


@cache
def _fed(roots: tuple[str, ...], density: str, run: int) -> tuple[float, Count]:
    """CPU seconds of the gateway per second while all clients listen, and what these counted, in one `run`."""
    del run
    with gateway("--roots", ",".join(roots), "--density", density) as running:
        return _listened(running)


def _listened(running: Gateway) -> tuple[float, Count]:
    before, began = running.cpu_s(), perf_counter()
    out = client("-m", "perf.hub_clients", running.url, str(CLIENTS), str(SECONDS))
    count = msgspec.json.decode(out, type=Count)
    return (running.cpu_s() - before) / (perf_counter() - began), count


def _placed(roots: Sequence[str], density: str, name: str) -> Sequence[float]:
    """Latencies in ms of one kind of request while orders come at 100 a second."""
    return _traded(tuple(roots), density, _round(roots, density, name))[name]


@cache
def _traded(roots: tuple[str, ...], density: str, run: int) -> dict[str, list[float]]:
    """Latencies in ms by kind of request, in one `run`."""
    del run
    arguments = ("--roots", ",".join(roots), "--density", density, "--profile", "fast", *_FREE)
    with gateway(*arguments) as running, TemporaryDirectory() as folder:
        target = Path(folder) / "figures.json"
        os.environ["PAPER_FIGURES"] = str(target)
        os.environ["BOT_PAPER_API_KEY"] = API_KEY
        client(
            "-m", "locust", "-f", "perf/locust_orders.py", "--headless", "--only-summary", "-u", str(USERS), "-r", str(USERS),
            "-t", f"{SECONDS:.0f}s", "--host", running.url, "--loglevel", "ERROR",
        )  # fmt: skip
        found = json.loads(target.read_text())
    if found["failed"]:
        sys.exit(f"orders: expected all to be accepted, got {len(found['failed'])}: {found['failed'][0]}")
    figures: dict[str, list[float]] = found["figures"]
    return figures


def _market_alone() -> Sequence[float]:
    market = SyntheticMarket(1, _VIRTUAL_START, ("MNQ", "MES"))
    count, began = 0, process_time()
    for step in range(1, _VIRTUAL_S * 20 + 1):
        count += len(market.advance(_VIRTUAL_START + step * SECOND // 20))
    return [(process_time() - began) * 1e6 / count]


def _venue(*, listens: bool) -> Sequence[float]:
    market = SyntheticMarket(1, _VIRTUAL_START, ("MNQ", "MES"))
    clock = VirtualClock(_VIRTUAL_START)
    counted = _Counted(market)
    venue = PaperVenue(PaperConfig(start_ns=_VIRTUAL_START), clock, counted)
    session = _listener(venue, counted) if listens else None
    began = process_time()
    for step in range(1, _VIRTUAL_S * 20 + 1):
        clock._elapsed = step * SECOND // 20
        if session is not None:
            session.heard = clock.host_mono()
        venue.advance(clock.now())
    return [(process_time() - began) * 1e6 / counted.events]


class _Counted(SyntheticMarket):
    """The market, with its events counted as they leave it."""

    def __init__(self, market: SyntheticMarket) -> None:
        self.__dict__.update(market.__dict__)
        self.events = 0

    def advance(self, now: int) -> list[object]:  # type: ignore[override]
        found = super().advance(now)
        self.events += len(found)
        return found  # type: ignore[return-value]


def _listener(venue: PaperVenue, market: SyntheticMarket) -> HubSession:
    body = msgspec.json.encode({"userName": "paper", "apiKey": "paper-key"})
    answer = venue.handle("POST", "/api/Auth/loginKey", {"Content-Type": "application/json"}, body)
    token = msgspec.json.decode(answer.body)["token"]
    session = venue.hub("market").connect(token, lambda _record: None, lambda: None)
    session.receive(b'{"protocol":"json","version":1}\x1e')
    for contract in market.contracts:
        for topic in ("Quotes", "Trades", "MarketDepth"):
            call = {"type": 1, "target": f"SubscribeContract{topic}", "arguments": [contract]}
            session.receive(msgspec.json.encode(call) + b"\x1e")
    return session
