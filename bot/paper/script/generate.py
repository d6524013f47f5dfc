"""Random scripts from a seed: which faults, how often and when. The same arguments give the same script."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.model.errors import BadField
from bot.model.times import MILLISECOND, MINUTE, SECOND
from bot.paper.script.steps import Script, Step, When

Draw = Callable[[random.Random], dict[str, Any]]

WEIGHTS: Mapping[str, float] = {
    "accept_then": 6, "drop": 4, "delay": 5, "pending": 3, "refuse": 3, "http": 6, "null": 2, "lag": 3,
    "zoneless": 1, "close.lie": 2, "bars.freeze": 1, "bars.dup": 1, "bars.shuffle": 1, "bars.unknown": 1,
    "token.expire": 1, "hub.403": 2, "hub.drop": 6, "hub.lose": 6, "hub.late": 4, "hub.dup": 3, "hub.reorder": 3,
    "hub.zoneless": 1, "hub.unknown": 1, "hub.logout": 2, "dup_account": 1, "reemit_open_trade": 2,
    "children.missing": 2, "children.late": 3, "oco.lag": 2, "reject": 2, "engine.late": 2, "slip": 2,
    "push": 8, "gap": 3, "fast": 2, "quote.stop": 2, "quote.sparse": 1, "quote.zero": 1, "depth.reset": 1,
    "halt": 1, "velocity": 1, "liquidate": 1, "option": 1,
}  # fmt: skip
"""How often each verb is drawn, by default; what is not named here is not drawn."""

EVERY: Mapping[str, float] = {
    **WEIGHTS,
    **dict.fromkeys(("fill", "resume", "band", "roll", "void", "account", "cut", "holiday", "clear"), 1.0),
}
"""All verbs of the venue, also those that end the day, the contract or the script's other faults."""

_MUTATIONS = ("place", "modify", "cancel", "close", "partial")
_QUERIES = ("accounts", "orders", "open_orders", "query", "positions", "trades")
_OPTIONS: Sequence[dict[str, Any]] = (
    {"cancel_children_on_flat": True}, {"cancel_children_on_flat": False}, {"reject_events": "all"},
    {"reject_events": "none"}, {"emit_status7": True}, {"order_terminal_action": 2}, {"trail_events": False},
    {"rest_new_fields": "absent"}, {"failure_lists": "empty"}, {"bars_leak_partial": True}, {"stop_slip_ticks": 3},
)  # fmt: skip
_ACCOUNTS: Sequence[dict[str, Any]] = (
    {"bracket_mode": "position"}, {"bracket_mode": "auto_oco"}, {"can_trade": False}, {"can_trade": True},
    {"dll": 200_000_000}, {"dll": 1_000_000_000}, {"live_routing": True}, {"live_routing": False},
)  # fmt: skip
_CLOSES = ("10:00", "11:00", "12:00", "12:15")
_WHEN = ("order.working", "order.filled", "position.open", "position.flat", "request", "hub.connected")


def random_script(
    seed: int, minutes: float, *, per_minute: float = 2.0, weights: Mapping[str, float] = WEIGHTS,
    contracts: Sequence[str] = ("MNQ",), accounts: Sequence[int] = (1001,), on_events: float = 0.3,
    quiet_s: float = 0.0,
) -> Script:  # fmt: skip
    """Steps over `minutes` of venue time, about `per_minute` of them, the last `quiet_s` seconds free.

    `on_events` is the share of steps that wait for an event rather than for a time. Raises BadField for an
    unknown verb, or where nothing can be drawn.
    """
    unknown = sorted(set(weights) - set(_DRAWS))
    names = [name for name, weight in weights.items() if weight > 0]
    if unknown or not names or not contracts or not accounts or minutes <= 0:
        raise BadField(
            "random script", expected="minutes, contracts, accounts, and weights of " + ", ".join(_DRAWS),
            seen=unknown
            or f"{len(names)} verbs, {len(contracts)} contracts, {len(accounts)} accounts, {minutes} minutes",
        )  # fmt: skip
    rng = random.Random(f"script {seed}")  # noqa: S311 - a schedule, not a secret
    end = max(1, round(minutes * MINUTE) - round(quiet_s * SECOND))
    count = max(1, round(minutes * per_minute))
    steps = []
    for name in rng.choices(names, [weights[name] for name in names], k=count):
        parameters = _DRAWS[name](rng)
        if name in _OF_CONTRACT:
            parameters = {"contract_id": rng.choice(contracts), **parameters}
        elif name == "account":
            parameters = {"account_id": rng.choice(accounts), **parameters}
        steps.append(_step(rng, name, parameters, end, on_events))
    steps.sort(key=lambda step: (step.at, step.do))
    return Script(name=f"random {seed}", seed=seed, steps=tuple(steps))


def _step(rng: random.Random, name: str, parameters: dict[str, Any], end: int, on_events: float) -> Step:
    at = rng.randrange(end) // MILLISECOND * MILLISECOND
    when, after, lasts, times, every = None, 0, None, None, None
    if rng.random() < on_events:
        event = rng.choice(_WHEN)
        endpoint = rng.choice(_MUTATIONS) if event == "request" else None
        when = When(event=event, n=rng.randint(1, 2), endpoint=endpoint)
        after = rng.choice((0, 0, rng.randrange(5, 3_000) * MILLISECOND))
    elif name in ("hub.logout", "hub.drop", "push") and rng.random() < 0.2:
        every, times = rng.randint(5, 40) * SECOND, rng.randint(2, 4)
    if name in _ENDLESS:
        lasts = rng.randint(1, 30) * SECOND
    return Step(
        do=name, at=at, when=when, after=after, every=every, times=times, lasts=lasts,
        seed=rng.getrandbits(32), parameters=parameters,
    )  # fmt: skip


def _tenths(rng: random.Random, low: float, high: float) -> float:
    return rng.randint(round(low * 10), round(high * 10)) / 10


def _either(rng: random.Random, names: Sequence[str]) -> str:
    return rng.choice((*names, "any"))


_ENDLESS = frozenset({
    "lag", "zoneless", "bars.freeze", "bars.dup", "bars.shuffle", "bars.unknown", "hub.late", "hub.zoneless",
    "dup_account", "reemit_open_trade", "children.missing", "children.late", "oco.lag", "slip",
})  # fmt: skip
"""Verbs that would strike until they are removed: they get a span."""

_OF_CONTRACT = frozenset(
    {"push", "gap", "fast", "halt", "velocity", "liquidate", "fill", "resume", "band", "roll", "void"}
)
_HUBS, _USER_EVENTS = ("user", "market"), ("order", "trade", "position", "account")

_DRAWS: Mapping[str, Draw] = {
    "accept_then": lambda r: {
        "endpoint": r.choice(_MUTATIONS), "how": r.choice((500, 502, 503, 504, "reset", "empty", "html"))
    },
    "drop": lambda r: {"endpoint": r.choice(_MUTATIONS)},
    "delay": lambda r: {"endpoint": r.choice((*_MUTATIONS, *_QUERIES)), "seconds": _tenths(r, 0.2, 12)},
    "pending": lambda r: {"endpoint": _either(r, _MUTATIONS), "with_id": r.random() < 0.3},
    "refuse": lambda r: {"endpoint": r.choice(_MUTATIONS), "code": r.choice((2, 3, 7)), "text": "not now"},
    "http": lambda r: {
        "endpoint": r.choice((*_MUTATIONS, *_QUERIES)), "status": r.choice((401, 403, 429, 500, 502, 503)),
        "count": r.randint(1, 4),
    },
    "null": lambda r: {"endpoint": r.choice(_QUERIES), "count": r.randint(1, 3)},
    "lag": lambda r: {"endpoint": _either(r, _QUERIES), "seconds": _tenths(r, 0.2, 8)},
    "zoneless": lambda _: {},
    "close.lie": lambda r: {"endpoint": _either(r, ("close", "partial"))},
    "bars.freeze": lambda _: {}, "bars.dup": lambda _: {}, "bars.shuffle": lambda _: {}, "bars.unknown": lambda _: {},
    "token.expire": lambda _: {},
    "hub.403": lambda r: {"hub": _either(r, _HUBS), "count": r.randint(1, 5)},
    "hub.drop": lambda r: {
        "hub": _either(r, _HUBS), "how": r.choice(("close", "tcp", "stall", "pings")),
        "allow_reconnect": r.random() < 0.5, "with_error": r.random() < 0.7,
    },
    "hub.lose": lambda r: {"hub": "user", "event": r.choice(_USER_EVENTS), "seconds": _tenths(r, 0.5, 20)},
    "hub.late": lambda r: {"hub": "user", "event": r.choice(_USER_EVENTS), "seconds": _tenths(r, 0.1, 5)},
    "hub.dup": lambda r: {"hub": _either(r, _HUBS), "count": r.randint(1, 8)},
    "hub.reorder": lambda r: {"hub": "user", "count": r.randint(1, 6)},
    "hub.zoneless": lambda r: {"hub": _either(r, _HUBS)},
    "hub.unknown": lambda r: {"hub": _either(r, _HUBS)},
    "hub.logout": lambda r: {"hub": _either(r, _HUBS)},
    "dup_account": lambda _: {}, "reemit_open_trade": lambda _: {}, "children.missing": lambda _: {"count": 1},
    "children.late": lambda r: {"seconds": _tenths(r, 0.1, 4), "count": 2},
    "oco.lag": lambda r: {"seconds": _tenths(r, 0.1, 5), "count": 1},
    "reject": lambda _: {"count": 1},
    "engine.late": lambda r: {"seconds": _tenths(r, 0.1, 4)},
    "slip": lambda r: {"ticks": r.randint(1, 8), "count": r.randint(1, 3)},
    "push": lambda r: {"by": r.randint(-40, 40), "seconds": _tenths(r, 0.1, 5)},
    "gap": lambda r: {"by": r.randint(-60, 60)},
    "fast": lambda r: {"ticks": r.randint(5, 30), "seconds": _tenths(r, 2, 10)},
    "quote.stop": lambda r: {"seconds": _tenths(r, 1, 20)},
    "quote.sparse": lambda r: {"seconds": _tenths(r, 1, 20)},
    "quote.zero": lambda r: {"seconds": _tenths(r, 1, 10)},
    "depth.reset": lambda _: {},
    "halt": lambda r: {"seconds": _tenths(r, 1, 10)},
    "velocity": lambda r: {"seconds": _tenths(r, 1, 10), "how": r.choice(("refuse", "cancel"))},
    "liquidate": lambda _: {},
    "option": lambda r: {"set": dict(r.choice(_OPTIONS))},
    "fill": lambda r: {"size": r.randint(1, 3)} if r.random() < 0.5 else {},
    "resume": lambda _: {},
    "band": lambda r: {"below": r.randint(4, 80), "above": r.randint(4, 80)} if r.random() < 0.7 else {},
    "roll": lambda _: {}, "void": lambda _: {},
    "account": lambda r: {"set": dict(r.choice(_ACCOUNTS))},
    "cut": lambda r: {"group": "globex"} if r.random() < 0.5 else {},
    "holiday": lambda r: {"close": r.choice(_CLOSES)} if r.random() < 0.7 else {},
    "clear": lambda _: {},
}  # fmt: skip
