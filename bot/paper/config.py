"""What a paper gateway is made of; every option is a truth about the venue that nobody has settled.

The names of `PaperOptions` are those of gateway.md 22.1. Money is in micro-dollars.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from bot.model.quantities import Money
from bot.model.times import MILLISECOND

DOLLAR = 1_000_000
Program = Literal["combine", "express", "practice"]

_NOMINAL = {"50K": 50_000, "100K": 100_000, "150K": 150_000}
_MAX_LOSS = {"50K": 2_000, "100K": 3_000, "150K": 4_500}
_MAX_MINIS = {"50K": 5, "100K": 10, "150K": 15}


class PaperAccount(msgspec.Struct, frozen=True, kw_only=True):
    """One account of the paper user.

    `dll` is the daily loss limit (None = off), `size` the account size where the name does not tell it.
    """

    id: int
    name: str
    balance: Money
    bracket_mode: Literal["auto_oco", "position"] = "auto_oco"
    dll: Money | None = None
    live_routing: bool = False
    size: Literal["50K", "100K", "150K"] | None = None

    @property
    def program(self) -> Program:
        """Told by the first part of the name: PRAC, EXPRESS, or a combine."""
        head = self.name.split("-", 1)[0].upper()
        return "practice" if head == "PRAC" else "express" if head == "EXPRESS" else "combine"

    @property
    def tier(self) -> str:
        """`50K`, `100K` or `150K`; practice accounts are of the largest size."""
        if self.size is not None:
            return self.size
        head = self.name.split("-", 1)[0].upper()
        for tier in ("150K", "100K", "50K"):
            if head.startswith(tier):
                return tier
        return "150K" if self.program == "practice" else "50K"

    @property
    def start_balance(self) -> int:
        """The balance at which the loss floor stops rising."""
        return 0 if self.program == "express" else _NOMINAL[self.tier] * DOLLAR

    @property
    def max_loss(self) -> int | None:
        """The maximum loss limit; practice accounts have none."""
        return None if self.program == "practice" else _MAX_LOSS[self.tier] * DOLLAR

    @property
    def max_tenths(self) -> int:
        """The greatest position in tenths of a mini."""
        return _MAX_MINIS[self.tier] * 10


DEFAULT_ACCOUNTS = (
    PaperAccount(id=1001, name="PRAC-V2-4711-1001", balance=Money(150_000 * DOLLAR)),
    PaperAccount(id=1002, name="50KTC-V2-4711-1002", balance=Money(50_000 * DOLLAR)),
)


class PaperOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The unsettled points of the venue (gateway.md 22.1); the defaults are what the gateway assumes.

    `fees` (per round turn) and `commissions` (per side) override the table by root symbol, in
    micro-dollars; `flatten_start_s` begins the flattening so many seconds before the cut;
    `strict_fields` turns an unknown member of a request into a 400.
    """

    rate_window: Literal["sliding", "fixed"] = "sliding"
    rate_scope: Literal["user", "token", "ip"] = "user"
    rate_general: tuple[int, int] = (200, 60)
    rate_bars: tuple[int, int] = (50, 30)
    rate_retry_after: int | None = None
    rate_orders_per_s: int | None = None
    token_life_s: int = 86_400
    validate_expired: Literal["http401", "code3"] = "http401"
    validate_revokes_old: bool = False
    logout_scope: Literal["token", "user"] = "token"
    hub_on_token_expiry: Literal["keep", "drop"] = "keep"  # noqa: S105 - a policy
    hub_drop_at_close: bool = False
    failure_lists: Literal["null", "empty"] = "null"
    rest_new_fields: Literal["null", "absent"] = "null"
    order_search_time: Literal["created", "updated"] = "created"
    query_contract_filter: bool = False
    contract_by_id_shape: Literal["one", "both"] = "one"
    bars_max: int = 20_000
    bars_silent_cap: bool = False
    bars_leak_partial: bool = False
    bars_expired_min_unit: int = 3
    bars_hour_anchor: Literal["utc", "session"] = "utc"
    closed_code: Literal[2, 5] = 2
    closed_text: str = "Trading is currently unavailable. The instrument is not in an active trading status."
    size_limit_code: Literal[2, 3] = 2
    size_limit_text: str = "Not enough margin."
    breached_code: Literal[4, 10] = 4
    persist_rejected: Literal["all", "bracket_mode", "none"] = "all"
    reject_events: Literal["none", "engine", "all"] = "engine"
    cancel_sibling_on_cancel: bool = False
    cancel_children_on_flat: bool = False
    modify_suspended: bool = False
    modify_wrong_price: Literal["ignore", "reject"] = "ignore"
    trail_sign: Literal["positive", "signed"] = "positive"
    trail_events: bool = True
    limit_fill: Literal["opposite", "touch", "through"] = "opposite"
    stop_slip_ticks: int = 1
    partial_fills: bool = False
    cancel_at_cutoff: bool = True
    order_terminal_action: Literal[1, 2] = 1
    emit_status7: bool = False
    subscribe_result: Literal["zero", "void"] = "zero"
    subscribe_unknown: Literal["silent", "error"] = "silent"
    subscribe_dup: Literal["once", "twice"] = "once"
    market_snapshot: Literal["full", "none"] = "full"
    close_allow_reconnect: bool = True
    handshake_strict: bool = False
    ping_auth: bool = False
    ping_body: Literal["text", "json"] = "text"
    mll_trail: Literal["end_of_day", "intraday"] = "end_of_day"
    flatten_start_s: int = 0
    fees: dict[str, int] = {}
    commissions: dict[str, int] = {}
    strict_fields: bool = False


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Venue-time delays in ns (gateway.md 13.2)."""

    fill: int = 3 * MILLISECOND
    fill_bracket: int = 8 * MILLISECOND
    activate: int = 10 * MILLISECOND
    sibling: int = 12 * MILLISECOND
    reject: int = 2_300_000
    answer: tuple[int, int] = (30 * MILLISECOND, 60 * MILLISECOND)
    quote_lag: int = 90 * MILLISECOND


LATENCY = {
    "realistic": Latency(),
    "fast": Latency(fill=0, fill_bracket=0, activate=0, sibling=0, reject=0, answer=(0, 0), quote_lag=0),
}


class PaperConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway. `start_ns` is the venue time of the first start, `rate` venue seconds per real second.

    With `state_dir` the state survives the process; port 0 takes a free one.
    """

    start_ns: int
    rate: float = 1.0
    seed: int = 1
    density: Literal["light", "full"] = "light"
    roots: tuple[str, ...] = ("MNQ", "MES")
    scenario: str = "breakout"
    tape: str | None = None
    username: str = "paper"
    api_key: str = "paper-key"
    accounts: tuple[PaperAccount, ...] = DEFAULT_ACCOUNTS
    options: PaperOptions = PaperOptions()
    profile: Literal["realistic", "fast"] = "realistic"
    state_dir: str | None = None
    port: int = 0
    control_port: int = 0
