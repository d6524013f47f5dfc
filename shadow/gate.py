"""The gate: is the evidence in, and what is missing (shadow.md, The gate).

The test may be looked at as often as one likes: it is sequential (SPRT with p1 = p0/10), and the j-th build
that is tried spends `0.05 * 6 / (pi^2 j^2)` of the error, so that trying again is paid for.
"""

from __future__ import annotations

from math import ceil, inf, log, log1p, pi
from pathlib import Path
from typing import Any, Final

import msgspec

from bot.latency import Histogram
from shadow.evidence import Evidence
from shadow.latency import HOT, MIN_SAMPLES, bounds, faster
from shadow.outcomes import LOST

ERROR: Final = 0.05
DIFFERENCE: Final = "difference"
FRAME_TAIL: Final = "frame to bars with the journal, p99"


class GateSpec(msgspec.Struct, frozen=True):
    """What canary asks for. `p0` is the error rate to be excluded, shares are of all calls."""

    p0: float = 1e-3
    stratum_episodes: int = 30
    live_sessions: int = 3
    session_minutes: int = 30
    lost_share: float = 0.01


class Authority(msgspec.Struct, frozen=True):
    """p99 in ns of a frame's way with the journal on and off, from alternating blocks."""

    on_p99_ns: int
    off_p99_ns: int

    @classmethod
    def measured(cls, path: Path) -> Authority | None:
        """From the file that the benchmarks write (`make perf`); None when it does not hold that work."""
        try:
            rows = msgspec.json.decode(path.read_bytes(), type=dict[str, Any]).get("rows", [])
            found = {row["impl"]: round(row["p50"] * 1000) for row in rows if row["work"] == FRAME_TAIL}
            return cls(on_p99_ns=found["on"], off_p99_ns=found["off"])
        except (OSError, msgspec.MsgspecError, KeyError, TypeError):
            return None

    @property
    def within(self) -> bool:
        """At most 5 % or 100 µs slower, whichever is larger."""
        return self.on_p99_ns <= self.off_p99_ns + max(self.off_p99_ns * 0.05, 100_000)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`missing` is empty when passed. `bound` is the error rate that the episodes exclude, None without any."""

    passed: bool
    missing: list[str]
    episodes: int
    needed: int
    faults: int
    critical: int
    bound: float | None
    alpha: float
    sessions: int
    sessions_needed: int
    thin: dict[str, int]
    noise: int
    lost_share: float
    faster: bool
    speedup: float | None
    estimate: str


def alpha(ordinal: int) -> float:
    """What the j-th build may spend."""
    return ERROR * 6 / (pi**2 * ordinal**2)


def needed(faults: int, ordinal: int, p0: float) -> int:
    """Episodes with this many faults from which an error rate of `p0` is excluded."""
    p1 = p0 / 10
    return ceil((log(1 / alpha(ordinal)) + faults * log(p0 / p1)) / (log1p(-p1) - log1p(-p0)))


def excluded(episodes: int, faults: int, ordinal: int) -> float | None:
    """The smallest error rate that this many episodes exclude, None when they exclude nothing below 1/2."""
    low, high = 1e-9, 0.5
    if episodes < needed(faults, ordinal, high):
        return None
    for _ in range(60):
        middle = (low * high) ** 0.5
        if episodes >= needed(faults, ordinal, middle):
            high = middle
        else:
            low = middle
    return high


def hot(evidence: Evidence, pair: int, who: str) -> Histogram:
    """The warm latencies of trade calls, merged."""
    merged = Histogram()
    for op in sorted(HOT):
        merged.merge(evidence.latency(pair, who, op, "warm"))
    return merged


def judge(
    evidence: Evidence, pair: dict[str, Any], noise: int, spec: GateSpec | None = None,
    authority: Authority | None = None,
) -> Verdict:  # fmt: skip
    """The verdict on one pair of builds; `noise` is what the second control found."""
    spec = spec or GateSpec()
    ledger = evidence.ledgers(pair["id"])["all"]
    episodes, faults, critical = ledger["episodes"], ledger["faults"], ledger["critical"]
    wanted = needed(faults, pair["ordinal"], spec.p0)
    missing: list[str] = []
    if critical:
        missing.append(f"{critical} episodes differ in a critical field: a new build has to start anew")
    if episodes < wanted:
        missing.append(f"{episodes:,} of {wanted:,} episodes")
    sessions = [row for row in evidence.sessions("live") if row["minutes"] >= spec.session_minutes]
    if len(sessions) < spec.live_sessions:
        missing.append(f"live: {len(sessions)} of {spec.live_sessions} sessions")
    thin = {
        row["stratum"]: row["episodes"]
        for row in evidence.strata(pair["id"])
        if row["stratum"] != DIFFERENCE and row["episodes"] < spec.stratum_episodes
    }
    missing += [f"{name}: {n} of {spec.stratum_episodes} episodes" for name, n in thin.items()]
    if noise:
        missing.append(f"the control differs from itself {noise} times: remove the nondeterminism first")
    lost_share = _lost_share(evidence, pair["id"])
    if lost_share > spec.lost_share:
        missing.append(f"{lost_share:.1%} of the calls were lost, at most {spec.lost_share:.0%} may be")
    candidate, control = hot(evidence, pair["id"], "candidate"), hot(evidence, pair["id"], "control")
    quicker = faster(candidate, control)
    if candidate.count < MIN_SAMPLES[0.99]:
        missing.append(f"latency: {candidate.count} of {MIN_SAMPLES[0.99]} warm samples")
    elif not quicker:
        missing.append("not faster at p50 and p99 beyond the bounds of measurement")
    if authority is None:
        missing.append("the authority's own p99 with and without recording (`make perf WORK=shadow`)")
    elif not authority.within:
        missing.append(
            f"recording slows the authority: p99 {authority.off_p99_ns / 1e3:.0f} to {authority.on_p99_ns / 1e3:.0f} µs"
        )
    return Verdict(
        passed=not missing, missing=missing, episodes=episodes, needed=wanted, faults=faults, critical=critical,
        bound=excluded(episodes, faults, pair["ordinal"]), alpha=alpha(pair["ordinal"]), sessions=len(sessions),
        sessions_needed=spec.live_sessions, thin=thin, noise=noise, lost_share=lost_share, faster=quicker,
        speedup=_ratio(control, candidate), estimate=_estimate(evidence, episodes, wanted),
    )  # fmt: skip


def _lost_share(evidence: Evidence, pair: int) -> float:
    rows = evidence.counts(pair).values()
    calls = sum(sum(row.values()) for row in rows)
    return sum(row[name] for row in rows for name in LOST) / calls if calls else 0.0


def _ratio(control: Histogram, candidate: Histogram) -> float | None:
    ours, theirs = bounds(candidate, 0.5), bounds(control, 0.5)
    return (
        round(theirs.value / ours.value, 1) if ours.value and theirs.value and ours.high is not None else None
    )


def _estimate(evidence: Evidence, episodes: int, wanted: int) -> str:
    if episodes >= wanted:
        return ""
    minutes = sum(row["minutes"] for ledger in ("rehearsed", "live") for row in evidence.sessions(ledger))
    rest = (wanted - episodes) * minutes / episodes if episodes else inf
    if rest == inf:
        return "no pace yet"
    return f"about {rest / 60:,.1f} connected hours more at the pace so far"
