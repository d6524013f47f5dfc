"""Rules over the values of several keys, and the range of each number (bot.md §3.7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from bot.config.strategy_keys import SECTION as STRATEGY
from bot.config.values import Rate, plain

if TYPE_CHECKING:
    from bot.config.settings import Settings

VENUE_GENERAL: Final = Rate(200, 60.0)
VENUE_HISTORY: Final = Rate(50, 30.0)
LATEST_FLATTEN: Final = time(15, 5)
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def problems(settings: Settings, values: Mapping[str, Any]) -> list[str]:
    """Every rule that the settings break, each as one line; `values` are theirs by dotted path."""
    found = []

    def wrong(path: str, expected: str, seen: object) -> None:
        found.append(
            f"{settings.origins.get(path, 'default')}: {path}: expected {expected}, got {plain(seen)!r}"
        )

    rate = settings.gateway.rate
    for name, ours, limit in (
        ("general", rate.general, VENUE_GENERAL),
        ("history", rate.history, VENUE_HISTORY),
    ):
        if ours.count * limit.seconds > limit.count * ours.seconds or ours.count > limit.count:
            wrong(f"gateway.rate.{name}", f"at most the venue's {plain(limit)}", ours)
    if not 0 <= rate.reserved < rate.general.count:
        wrong("gateway.rate.reserved", f"0 to {rate.general.count - 1}", rate.reserved)
    for key in ("rest_url", "user_hub_url", "market_hub_url"):
        url = getattr(settings.gateway, key)
        if url is not None and not _is_url(url):
            wrong(f"gateway.{key}", "an address such as https://host", url)
    if settings.session.flatten_start > LATEST_FLATTEN:
        wrong("session.flatten_start", "15:05 Chicago time or earlier", settings.session.flatten_start)
    for path, value in values.items():
        limits = LIMITS.get(path)
        if limits is not None and value is not None and not limits[0] <= value <= limits[1]:
            wrong(path, f"{limits[0]:g} to {limits[1]:g}", value)
    server = settings.server
    if server.host not in LOOPBACK:
        if not server.allow_remote:
            wrong("server.host", "127.0.0.1, or server.allow_remote = true", server.host)
        if server.token is None or len(server.token.reveal()) < 32:
            found.append("server.token: expected 32 characters or more when server.host is not loopback")
    database = settings.database
    if database.url is not None and "${{" in database.url.reveal():
        found.append("database.url: expected a DSN, got a reference ${{...}} that was never filled in")
    elif database.url is not None and not database.url.reveal().startswith(("postgresql://", "postgres://")):
        found.append("database.url: expected postgresql://user@host/database")
    if database.mode == "external" and database.url is None and database.host is None:
        wrong("database.mode", "database.url or database.host with mode external", "neither")
    return found


LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "gateway.timeout": (0.1, 600), "gateway.mutation_timeout": (0.1, 600), "auth.refresh_margin": (1, 43_200),
    "accounts.default": (1, 2**63), "orders.max_quote_age": (0.1, 3600), "orders.unknown_settle": (1, 3600),
    "orders.duplicate_window": (0, 3600), "protection.wait_children": (0, 2), "protection.deadline": (0.1, 2),
    "flatten.rounds": (1, 1000), "risk.override.dll": (1, 2**62), "risk.override.mll": (1, 2**62),
    "risk.override.start_balance": (0, 2**62), "strategies.max_concurrent": (1, 100), "database.port": (1, 65_535),
    "database.grace": (0, 86_400), "server.port": (0, 65_535), "shutdown.timeout": (0.1, 600),
    f"{STRATEGY}.position_size": (1, 1000), f"{STRATEGY}.max_positions": (1, 1000),
    f"{STRATEGY}.max_daily_trades": (1, 100_000),
}  # fmt: skip
"""Smallest and largest value, in the units of the sections."""


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https", "ws", "wss"} and bool(parts.hostname)
    except ValueError:
        return False
