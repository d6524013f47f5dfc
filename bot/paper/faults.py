"""Faults that a test or an operator injects: per endpoint, hub and event, counted, in venue time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from bot.model.errors import BadField
from bot.model.times import SECOND

ENDPOINTS = {
    "login": "/api/Auth/loginKey",
    "loginApp": "/api/Auth/loginApp",
    "validate": "/api/Auth/validate",
    "logout": "/api/Auth/logout",
    "ping": "/api/Status/ping",
    "accounts": "/api/Account/search",
    "contracts": "/api/Contract/search",
    "contract": "/api/Contract/searchById",
    "available": "/api/Contract/available",
    "bars": "/api/History/retrieveBars",
    "place": "/api/Order/place",
    "modify": "/api/Order/modify",
    "cancel": "/api/Order/cancel",
    "orders": "/api/Order/search",
    "open_orders": "/api/Order/searchOpen",
    "order": "/api/Order/searchById",
    "query": "/api/Order/v2/query",
    "positions": "/api/Position/searchOpen",
    "close": "/api/Position/closeContract",
    "partial": "/api/Position/partialCloseContract",
    "trades": "/api/Trade/search",
}
"""Short names of the endpoints, as faults name them; `any` is all of them."""

REST_FAULTS = ("accept_then", "drop", "delay", "refuse", "http", "null", "close.lie", "lag")
HUB_FAULTS = ("hub.lose", "hub.drop", "hub.late", "hub.dup", "hub.logout", "hub.403")
VENUE_FAULTS = (
    "children.missing", "children.late", "oco.lag", "reemit_open_trade", "dup_account", "quote.stop",
    "quote.sparse", "quote.zero", "depth.reset", "bars.freeze", "bars.dup", "bars.shuffle", "token.expire",
    "liquidate", "fill",
)  # fmt: skip
AT_ONCE = ("hub.drop", "hub.logout", "token.expire", "liquidate", "fill", "depth.reset")
LASTING = ("hub.lose", "hub.403", "quote.stop", "quote.sparse", "quote.zero")
"""Faults whose `seconds` is how long they last; for the others it is a delay."""

EVENTS = {
    "account": "GatewayUserAccount",
    "order": "GatewayUserOrder",
    "position": "GatewayUserPosition",
    "trade": "GatewayUserTrade",
    "quote": "GatewayQuote",
    "print": "GatewayTrade",
    "depth": "GatewayDepth",
}


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault. It strikes `count` times (None = until removed) or for `seconds` of venue time.

    Where no count is given, faults of REST calls strike once, but `lag` (answers as of `seconds` ago)
    and those of the venue until they are removed.

    `how` of accept_then: a status, `reset`, `empty`, `html`; of hub.drop: `close`, `tcp`, `stall`.
    `after_s` delays the struck answer. `event` is a short or full event name; `status`, `code`, `text`
    belong to http and refuse; `account_id`, `contract_id` to liquidate; `order_id`, `size` to fill, which
    fills lots of a working order at its own price.
    """

    fault: str
    endpoint: str = "any"
    how: int | Literal["reset", "empty", "html", "close", "tcp", "stall"] | None = None
    count: int | None = None
    after_s: float = 0.0
    seconds: float | None = None
    status: int = 500
    code: int = 2
    text: str | None = None
    hub: Literal["user", "market", "any"] = "any"
    event: str | None = None
    account_id: int | None = None
    contract_id: str | None = None
    order_id: int | None = None
    size: int | None = None
    id: int = 0
    armed_at: int = 0
    until: int | None = None


class Faults:
    """The faults that are armed. Those that act at once go to `act`; `told` hears of every one."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []
        self.now = 0
        self.told: Callable[[Fault], None] = lambda _fault: None
        self.act: Callable[[Fault], None] = lambda _fault: None
        self._next = 1

    def add(self, shape: Mapping[str, object]) -> Fault:
        """Arm one fault from its JSON shape, or act at once. Raises BadField naming what is legal."""
        try:
            fault = msgspec.convert(dict(shape), Fault)
        except msgspec.ValidationError as problem:
            raise BadField("fault", expected="the documented members", seen=str(problem)) from problem
        known = (*REST_FAULTS, *HUB_FAULTS, *VENUE_FAULTS)
        if fault.fault not in known:
            raise BadField("fault", expected="one of " + ", ".join(known), seen=fault.fault)
        if fault.endpoint != "any" and fault.endpoint not in ENDPOINTS:
            raise BadField("endpoint", expected="any or one of " + ", ".join(ENDPOINTS), seen=fault.endpoint)
        if fault.fault == "accept_then" and fault.how is None:
            raise BadField("how", expected="500, 502, 504, reset, empty or html", seen=fault.how)
        fault.event = EVENTS.get(fault.event, fault.event) if fault.event else None
        fault.armed_at = self.now
        fault.id, self._next = self._next, self._next + 1
        if fault.seconds is not None and fault.fault in LASTING:
            fault.until = self.now + int(fault.seconds * SECOND)
        elif (
            fault.count is None
            and fault.fault in (*REST_FAULTS, "hub.403", "hub.dup")
            and fault.fault != "lag"
        ):
            fault.count = 1
        self.told(fault)
        if fault.fault in AT_ONCE:
            self.act(fault)
        else:
            self.armed.append(fault)
        return fault

    def clear(self) -> None:
        """Disarm everything."""
        self.armed.clear()

    def strike(self, kind: str, endpoint: str = "any") -> Fault | None:
        """Use up one stroke of the first armed fault of `kind` for `endpoint`, None when there is none."""
        if not self.armed:
            return None
        for fault in self.armed:
            if fault.fault == kind and (fault.endpoint in ("any", endpoint) or endpoint == "any"):
                return self._use(fault)
        return None

    def strike_event(self, kind: str, hub: str, target: str) -> Fault | None:
        """As `strike`, for one event of a hub."""
        if not self.armed:
            return None
        for fault in self.armed:
            if fault.fault == kind and fault.hub in ("any", hub) and fault.event in (None, target):
                if fault.until is not None and self.now >= fault.until:
                    continue
                return self._use(fault)
        return None

    def active(self, kind: str) -> Fault | None:
        """The first armed fault of `kind`, without using it up."""
        for fault in self.armed:
            if fault.fault == kind and (fault.until is None or self.now < fault.until):
                return fault
        return None

    def _use(self, fault: Fault) -> Fault | None:
        if fault.count is not None:
            fault.count -= 1
            if fault.count <= 0:
                self.armed.remove(fault)
        return fault
