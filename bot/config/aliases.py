"""Variables of the original bot, and what becomes of each (bot.md §3.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from bot.config.strategy_keys import SECTION
from bot.config.values import BadValue, read_bool, read_clock, read_int, read_seconds


class Alias(msgspec.Struct, frozen=True):
    """An accepted spelling of `path`. `convert` turns its text into the key's; None = the key is not set.

    A `weak` alias counts only where nothing else sets its key.
    """

    path: str
    convert: Callable[[str], Any] = str
    weak: bool = False


def _of(strategy_key: str, convert: Callable[[str], Any] = str, *, weak: bool = False) -> Alias:
    return Alias(f"{SECTION}.{strategy_key}", convert, weak)


def _native(text: str) -> str:
    return "native" if read_bool(text) else "auto"


def _chicago(text: str) -> str:
    """An Eastern clock time as Chicago's, which is always an hour less."""
    at = read_clock(text)
    if at.hour == 0:
        raise BadValue("an Eastern clock time from 01:00 on")
    return at.replace(hour=at.hour - 1).strftime("%H:%M")


def _rearms(text: str) -> Any:
    return None if read_bool(text) else 0


def _minutes(text: str) -> int:
    return read_int(text) * 60


def _eastern(text: str) -> None:
    if text not in {"America/New_York", "US/Eastern"}:
        raise BadValue("America/New_York, which is fixed")


def _embedded(text: str) -> None:
    if read_bool(text):
        raise BadValue("false: this build always keeps a database, embedded by default")


def _no_password(_: str) -> None:
    raise BadValue("no password: the venue has no password login, set PROJECT_X_API_KEY")


def _seconds_of(text: str) -> str:
    read_seconds(text)
    return text


def _spellings(alias: Alias, *names: str) -> dict[str, Alias]:
    return dict.fromkeys(names, alias)


ALIASES: Final[dict[str, Alias]] = {
    **_spellings(Alias("auth.api_key"), "PROJECT_X_API_KEY", "TOPSTEPX_API_KEY", "TOPSETPX_API_KEY"),
    **_spellings(Alias("auth.username"), "PROJECT_X_USERNAME", "TOPSTEPX_USERNAME", "TOPSETPX_USERNAME"),
    **_spellings(Alias("", _no_password), "PROJECT_X_PASSWORD", "PROJECTX_PASSWORD", "TOPSETPX_PASSWORD"),
    "BOT_PAPER_API_KEY": Alias("paper.api_key"),
    "JWT_TOKEN": Alias("auth.token"),
    **_spellings(
        Alias("accounts.default"), "TOPSTEPX_ACCOUNT_ID", "PROJECT_X_ACCOUNT_ID", "TOPSETPX_ACCOUNT_ID"
    ),
    "API_TIMEOUT": Alias("gateway.timeout", _seconds_of),
    "PROJECT_X_MARKET_HUB_URL": Alias("gateway.market_hub_url"),
    "USE_NATIVE_BRACKETS": Alias("orders.bracket_mode", _native),
    "TOPSTEPX_BRACKET_MODE": Alias("orders.bracket_mode"),
    "WEBHOOK_HOST": Alias("server.host"),
    **_spellings(Alias("server.port"), "WEBHOOK_PORT", "PORT"),
    "DASHBOARD_AUTH_TOKEN": Alias("server.token"),
    "ACCESS_LOG_VERBOSE": Alias("log.access"),
    "LOG_LEVEL": Alias("log.level", str.upper),
    "LOG_FILE": Alias("log.file"),
    "DATABASE_URL": Alias("database.url"),
    "PUBLIC_DATABASE_URL": Alias("database.url", weak=True),
    "POSTGRES_HOST": Alias("database.host"),
    "POSTGRES_PORT": Alias("database.port"),
    "POSTGRES_DB": Alias("database.db"),
    "POSTGRES_USER": Alias("database.user"),
    "POSTGRES_PASSWORD": Alias("database.password"),
    "DISABLE_DATABASE": Alias("", _embedded),
    "MAX_CONCURRENT_STRATEGIES": Alias("strategies.max_concurrent"),
    "STRATEGY_SYMBOLS": _of("symbols", weak=True),
    "STRATEGY_QUANTITY": _of("position_size", weak=True),
    "STRATEGY_TIMEZONE": Alias("", _eastern),
    "DAILY_LOSS_LIMIT": Alias("risk.override.dll"),
    "MAXIMUM_LOSS_LIMIT": Alias("risk.override.mll"),
    "INITIAL_BALANCE": Alias("risk.override.start_balance"),
    **_spellings(Alias("session.flatten_start", _chicago), "EOD_EXIT_TIME", "OVERNIGHT_EOD_FLATTEN_TIME"),
    "OVERNIGHT_EOD_FLATTEN": Alias("session.flatten"),
    "OVERNIGHT_SESSION_START": _of("start_time"),
    "OVERNIGHT_SESSION_END": _of("end_time"),
    **_spellings(
        _of("market_open"),
        "MARKET_OPEN_TIME",
        "OVERNIGHT_MARKET_OPEN_TIME",
        "OVERNIGHT_RANGE_MARKET_OPEN_TIME",
    ),
    "MARKET_OPEN_GRACE_MINUTES": _of("open_grace_s", _minutes),
    "ATR_PERIOD": _of("atr_period"),
    "ATR_TIMEFRAME": _of("atr_timeframe"),
    "STOP_ATR_MULTIPLIER": _of("stop_atr"),
    "TP_ATR_MULTIPLIER": _of("tp_atr"),
    "BREAKEVEN_ENABLED": _of("breakeven"),
    "BREAKEVEN_PROFIT_POINTS": _of("breakeven_points"),
    "BREAKOUT_MONITOR_ENABLED": _of("max_rearms", _rearms),
    "BREAKOUT_MONITOR_INTERVAL_SECONDS": _of("monitor_s"),
    "BREAKOUT_PROXIMITY_PERCENT": _of("proximity_percent"),
    "BREAKOUT_MIN_PROXIMITY_POINTS": _of("proximity_points"),
    "OVERNIGHT_FILTER_RANGE_SIZE": _of("filter_range"),
    "OVERNIGHT_RANGE_MIN_POINTS": _of("range_min"),
    "OVERNIGHT_RANGE_MAX_POINTS": _of("range_max"),
    "OVERNIGHT_GAP_MAX_POINTS": _of("gap_max"),
    "OVERNIGHT_FILTER_VOLATILITY": _of("filter_atr"),
    "OVERNIGHT_FILTER_DLL_PROXIMITY": _of("filter_dll"),
    "OVERNIGHT_DLL_THRESHOLD_PERCENT": _of("filter_dll_usage"),
}
"""Name to alias; a path of "" sets nothing, the value is only checked."""

RATE_PARTS: Final = ("API_RATE_LIMIT_MAX", "API_RATE_LIMIT_PERIOD")
OFFSET_POINTS: Final = "RANGE_BREAK_OFFSET"

RETIRED: Final = frozenset(
    [
        "PROJECT_X_QUOTE_EVENT",
        "PROJECT_X_SUBSCRIBE_METHOD",
        "PROJECT_X_UNSUBSCRIBE_METHOD",
        "USE_PROJECTX_SDK",
        "WEBSOCKET_POOL_MAX_SIZE",
        "WEBSOCKET_ENABLED",
        "WEBSOCKET_REQUIRE_AUTH",
        "RAILWAY",
        "RAILWAY_ENVIRONMENT",
        "RAILWAY_PUBLIC_DOMAIN",
        "VITE_API_URL",
        "VITE_WS_URL",
        "STRATEGY_RESTART_TIME",
        "STRATEGY_RESTART_TIMEZONE",
        "GLOBAL_MAX_POSITIONS",
        "TOPSTEPX_USE_RUST",
        "ENABLE_SIGNALR",
        "EXECUTOR_MARKET_HUB",
        "USE_UVLOOP",
        "REGISTER_STRATEGIES",
        "LIVE_BAR_CACHE_MAXLEN",
        "STRATEGY_LOOP_MAX_INTERVAL_SEC",
        "BAR_PARTIAL_MIN_INTERVAL",
        "DB_TELEMETRY_RETENTION_DAYS",
        "BREAKOUT_ORDER_TOLERANCE_POINTS",
        "OVERNIGHT_USE_DAILY_ATR",
    ]
)
RETIRED_FAMILIES: Final = ("HISTORICAL_PARQUET_", "DB_ASYNC_", "WEBSOCKET_")

ABSENT: Final = frozenset(
    [
        "USE_STOP_ENTRY",
        "MANUAL_BREAKEVEN_ENABLED",
        "MANUAL_BREAKEVEN_PROFIT_POINTS",
        "POSITION_SIZE",
        "MAX_POSITION_SIZE",
        "TP1_FRACTION",
        "CLOSE_ENTIRE_POSITION_AT_TP1",
        "DEBOUNCE_SECONDS",
        "IGNORE_NON_ENTRY_SIGNALS",
        "IGNORE_TP1_SIGNALS",
        "WEBHOOK_TIMEOUT",
        "WEBHOOK_TUNNEL",
        "NGROK_AUTHTOKEN",
        "WEBSOCKET_PORT",
        "DASHBOARD_ENABLED",
        "DASHBOARD_ORDER_HISTORY_TTL",
        "DASHBOARD_POSITIONS_TTL",
        "DISCORD_WEBHOOK_URL",
        "DISCORD_NOTIFICATIONS_ENABLED",
        "DISCORD_NOTIFY_SIGNALS",
        "DISCORD_NOTIFY_ORDERS",
        "DISCORD_NOTIFY_FILLS",
        "DISCORD_STATUS_INTERVAL_SECONDS",
        "MEMORY_CACHE_MAX_SIZE",
        "CACHE_FORMAT",
        "CACHE_TTL_MARKET_HOURS",
        "CACHE_TTL_OFF_HOURS",
        "CACHE_TTL_DEFAULT",
        "PREFETCH_ENABLED",
        "PREFETCH_SYMBOLS",
        "PREFETCH_TIMEFRAMES",
        "BAR_DEFAULT_TIMEFRAMES",
        "AUTO_SELECT_STRATEGIES",
        "MARKET_CONDITION_CHECK_INTERVAL",
        "TEST_SYMBOL",
        "TEST_TIMEFRAME",
        "TEST_LIMIT",
        "MEAN_REV_RSI_PERIOD",
        "MEAN_REV_RSI_OVERBOUGHT",
        "MEAN_REV_RSI_OVERSOLD",
        "MEAN_REV_MA_PERIOD",
        "MEAN_REV_MA_TYPE",
        "MEAN_REV_ATR_PERIOD",
        "MEAN_REV_ATR_DEVIATION",
        "MEAN_REV_STOP_ATR",
        "MEAN_REV_TARGET_MA_RETURN",
        "MEAN_REV_TIMEFRAME",
        "TREND_FAST_MA_PERIOD",
        "TREND_SLOW_MA_PERIOD",
        "TREND_MA_TYPE",
        "TREND_TIMEFRAME",
        "TREND_ATR_PERIOD",
        "TREND_ATR_STOP",
        "TREND_ATR_TRAILING",
        "TREND_MIN_STRENGTH",
        "TREND_PYRAMID_ENABLED",
        "TREND_PYRAMID_MAX_ADDS",
    ]
)
"""Names whose feature this build does not have; they are reported and change nothing."""
REFUSED: Final = {
    "PORTFOLIO_DAILY_LOSS_CAP": "a daily stop of your own is not kept by this build; use DAILY_LOSS_LIMIT",
}
"""Names that promise a safety which this build does not have."""

FAMILIES: Final = (
    "PROJECT_X_", "PROJECTX_", "TOPSTEPX_", "TOPSETPX_", "OVERNIGHT_", "MEAN_REV", "TREND_",
)  # fmt: skip
