"""Names of the venue's endpoints and events, as faults and scripts write them."""

from __future__ import annotations

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
"""Short names of the endpoints; `any` is all of them."""

EVENTS = {
    "account": "GatewayUserAccount",
    "order": "GatewayUserOrder",
    "position": "GatewayUserPosition",
    "trade": "GatewayUserTrade",
    "quote": "GatewayQuote",
    "print": "GatewayTrade",
    "depth": "GatewayDepth",
}
"""Short names of hub events."""

PENDING_CODES = {"place": 6, "modify": 4, "cancel": 4, "close": 6, "partial": 7}
"""The code by which each mutation says that the engine has not answered yet (gateway.md 7.1)."""

LISTS = {
    "accounts": "accounts", "contracts": "contracts", "available": "contracts", "bars": "bars",
    "orders": "orders", "open_orders": "orders", "query": "orders", "positions": "positions", "trades": "trades",
}  # fmt: skip
"""The list in the answer of each endpoint that has one."""

LAGGING = ("accounts", "orders", "open_orders", "order", "query", "positions", "trades")
"""Queries that can answer as of an earlier time."""
