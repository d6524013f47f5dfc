"""What a paper gateway is made of: accounts, latencies, and the gateway as a whole. Money is in micro-dollars."""

from __future__ import annotations

from typing import Literal

import msgspec

from bot.model.quantities import Money
from bot.model.times import MILLISECOND
from bot.paper.options import PaperOptions
from bot.paper.programme import DOLLAR, PROGRAMME, Tier

Program = Literal["combine", "express", "practice"]


class PaperAccount(msgspec.Struct, frozen=True, kw_only=True):
    """One account of the paper user.

    `dll` is the daily loss limit (None = off), `size` the account size where the name does not tell it,
    `tier_terms` rules in place of the shipped ones, `follower` an account that copies another.
    """

    id: int
    name: str
    balance: Money
    bracket_mode: Literal["auto_oco", "position"] = "auto_oco"
    dll: Money | None = None
    live_routing: bool = False
    follower: bool = False
    tier_terms: Tier | None = None
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
    def terms(self) -> Tier:
        """The programme's rules of this account."""
        return self.tier_terms or PROGRAMME.tiers[self.tier]

    @property
    def start_balance(self) -> int:
        """The balance at which the loss floor stops rising."""
        return 0 if self.program == "express" else self.terms.start * DOLLAR

    @property
    def max_loss(self) -> int | None:
        """The maximum loss limit; practice accounts have none."""
        return None if self.program == "practice" else self.terms.max_loss * DOLLAR

    def max_tenths(self, profit: int) -> int:
        """The greatest position in tenths of a mini; `profit` is that of the last day end, for a funded account."""
        if self.program == "express":
            return self.terms.scaled_minis(profit) * 10
        return min(self.terms.max_minis * 10, self.terms.max_micros)


DEFAULT_ACCOUNTS = (
    PaperAccount(id=1001, name="PRAC-V2-4711-1001", balance=Money(150_000 * DOLLAR)),
    PaperAccount(id=1002, name="50KTC-V2-4711-1002", balance=Money(50_000 * DOLLAR)),
)


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

    With `state_dir` the state survives the process; port 0 takes a free one. `tls` puts the public side
    behind a certificate: a good one, or one with the fault that its value names. `tapes` are paths, or
    `MNQ=path` for one root's contracts alone; their first `tape_lead_s` become history.
    """

    start_ns: int
    rate: float = 1.0
    seed: int = 1
    density: Literal["light", "full"] = "light"
    roots: tuple[str, ...] = ("MNQ", "MES")
    scenario: str = "breakout"
    tapes: tuple[str, ...] = ()
    tape_lead_s: int = 0
    username: str = "paper"
    api_key: str = "paper-key"
    accounts: tuple[PaperAccount, ...] = DEFAULT_ACCOUNTS
    options: PaperOptions = PaperOptions()
    profile: Literal["realistic", "fast"] = "realistic"
    state_dir: str | None = None
    port: int = 0
    control_port: int = 0
    tls: Literal["good", "wrong_name", "expired", "unknown"] | None = None
