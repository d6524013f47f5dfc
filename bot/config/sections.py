"""The settings and their defaults (bot.md §3.8, §3.9). Durations in seconds, money in micro-dollars."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Any, Literal

import msgspec

from bot.config.values import Rate, Seconds
from bot.model.quantities import Money
from bot.model.secret import Secret

REST_URL = "https://api.topstepx.com"
USER_HUB_URL = "https://rtc.topstepx.com/hubs/user"
MARKET_HUB_URL = "https://rtc.topstepx.com/hubs/market"


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A group of keys, or of groups."""


class Auth(Section, frozen=True, kw_only=True):
    """Login; `token` is a seed token, used only while it is valid."""

    username: str | None = None
    api_key: Secret | None = None
    token: Secret | None = None
    refresh_margin: Seconds = Seconds(1800.0)


class Rates(Section, frozen=True, kw_only=True):
    """Budgets per venue user; `reserved` requests of the general one are for exits alone."""

    general: Rate = Rate(200, 60.0)
    history: Rate = Rate(50, 30.0)
    reserved: int = 40


class Gateway(Section, frozen=True, kw_only=True):
    """The venue. With profile `paper` the addresses come from the running paper gateway unless set.

    `ca_file` holds the certificate authorities to trust; None = the platform's, or the paper gateway's own.
    """

    profile: Literal["topstepx", "paper"] = "topstepx"
    rest_url: str | None = None
    user_hub_url: str | None = None
    market_hub_url: str | None = None
    ca_file: Path | None = None
    timeout: Seconds = Seconds(30.0)
    mutation_timeout: Seconds = Seconds(10.0)
    rate: Rates = Rates()


class Accounts(Section, frozen=True, kw_only=True):
    """`default` is never replaced by another account."""

    default: int | None = None


class Trading(Section, frozen=True, kw_only=True):
    """Orders for an account that is not practice need both keys."""

    live: bool = False
    live_accounts: tuple[int, ...] = ()


class Orders(Section, frozen=True, kw_only=True):
    bracket_mode: Literal["auto", "native", "client"] = "auto"
    max_quote_age: Seconds = Seconds(5.0)
    default_stop_ticks: dict[str, int] = {}
    allow_flip: bool = False
    allow_resting_client_brackets: bool = False
    realign: bool = True
    unknown_settle: Seconds = Seconds(30.0)
    duplicate_window: Seconds = Seconds(2.0)
    durability: Literal["process", "disk"] = "process"


class Protection(Section, frozen=True, kw_only=True):
    wait_children: Seconds = Seconds(0.5)
    deadline: Seconds = Seconds(2.0)
    foreign: Literal["alert", "protect", "ignore"] = "alert"
    manual_optional: bool = False


class Flatten(Section, frozen=True, kw_only=True):
    rounds: int = 10


class Override(Section, frozen=True, kw_only=True):
    """Limits of our own; only tighter than the program's."""

    dll: Money | None = None
    mll: Money | None = None
    start_balance: Money | None = None


class Risk(Section, frozen=True, kw_only=True):
    override: Override = Override()


class Session(Section, frozen=True, kw_only=True):
    """End of day; `flatten_start` is Chicago time and may only be earlier."""

    flatten: bool = True
    flatten_start: time = time(15, 5)
    eod_scope: Literal["all", "own"] = "all"


class Strategies(Section, frozen=True, kw_only=True):
    """`overnight_range` holds the keys that were set (strategies.md §10.2, §11.1), as plain values."""

    max_concurrent: int = 3
    overnight_range: dict[str, Any] = {}


class Database(Section, frozen=True, kw_only=True):
    """`embedded`, or `external` when a URL or a host is set."""

    mode: Literal["embedded", "external"] = "embedded"
    url: Secret | None = None
    host: str | None = None
    port: int = 5432
    db: str = "trading_bot"
    user: str = "postgres"
    password: Secret | None = None
    grace: Seconds = Seconds(600.0)


class Server(Section, frozen=True, kw_only=True):
    """The HTTP API; without a token one is made. Port 0 = any free one."""

    host: str = "127.0.0.1"
    port: int = 8080
    token: Secret | None = None
    allow_remote: bool = False


class Shutdown(Section, frozen=True, kw_only=True):
    positions: Literal["keep", "flatten"] = "keep"
    timeout: Seconds = Seconds(10.0)


class State(Section, frozen=True, kw_only=True):
    """`folder` None = the user's state folder; `load` fills it in."""

    folder: Path | None = None


class Log(Section, frozen=True, kw_only=True):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    file: str = "trading_bot.log"
    access: bool = False


class Paper(Section, frozen=True, kw_only=True):
    """For `bot paper`: the key its user logs in with, and its options by name, as they were written."""

    api_key: Secret | None = None
    options: dict[str, Any] = {}


class Config(Section, frozen=True, kw_only=True):
    """`strict_env` false turns unknown variables into warnings."""

    strict_env: bool = True
