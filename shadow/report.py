"""The report: one sentence per component, then everything that it rests on, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from bot.latency import Histogram
from bot.migration.flags import AuditRow
from bot.migration.stages import EFFECTS, Flag
from bot.model.times import SECOND, format_ts
from shadow.compare.market_data import IGNORE
from shadow.episodes import unseen
from shadow.evidence import Evidence
from shadow.gate import DIFFERENCE, Authority, GateSpec, Verdict, hot, judge
from shadow.latency import bounds, curve

SILENCE_NS: Final = 120 * SECOND
_TARGETS: Final = (
    ("order placement, local p95", "below 5 ms", "order_execution"),
    ("order modification, local p95", "below 3 ms", "order_execution"),
    ("hub message, p95", "below 1 ms", "websocket"),
    ("bar aggregation", "ten times faster", "market_data"),
    ("strategy evaluation, p95", "below 10 ms", "strategy_engine"),
)


def build(
    evidence: Evidence, *, now_ns: int, flags: Mapping[str, Flag] | None = None, audit: Sequence[AuditRow] = (),
    authority: Authority | None = None, spec: GateSpec | None = None, alarm: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Everything the renderers show. `flags` are the stages in force, `audit` the flags' history,
    `authority` the measured cost of recording; `now_ns` is host wall time.
    """
    flags = flags or {}
    components = [_component(evidence, name, flags.get(name, Flag()), authority, spec) for name in EFFECTS]
    market_data = next(c for c in components if c["component"] == "market_data")
    return {
        "generated": format_ts(now_ns, max_digits=0),
        "verdict": [component["sentence"] for component in components],
        "alarms": _alarms(evidence, flags, now_ns, alarm),
        "components": components,
        "targets": [_target(row, market_data) for row in _TARGETS],
        "journal": evidence.stats(),
        "worker": msgspec.json.decode(evidence.meta("worker") or b"{}"),
        "sessions": {ledger: evidence.sessions(ledger) for ledger in ("rehearsed", "live")},
        "ignore_debts": [msgspec.to_builtins(rule) for rule in IGNORE],
        "audit": [msgspec.to_builtins(row) for row in audit],
        "overrides": [msgspec.to_builtins(row) for row in audit if row.override],
    }


def current_pairs(evidence: Evidence, component: str) -> list[dict[str, Any]]:
    """The newest pair of builds per candidate, for the newest build of the authority."""
    pairs = evidence.pairs(component)
    newest = {pair["candidate"]: pair for pair in pairs}
    control = newest.get("control")
    return [pair for pair in newest.values() if control is None or pair["authority"] == control["authority"]]


def _component(
    evidence: Evidence, name: str, flag: Flag, authority: Authority | None, spec: GateSpec | None
) -> dict[str, Any]:
    pairs = current_pairs(evidence, name)
    control = next((pair for pair in pairs if pair["candidate"] == "control"), None)
    noise = evidence.outcomes(control["id"])["NOISE"] if control else 0
    candidates = [
        _candidate(evidence, pair, noise, authority, spec) for pair in pairs if pair["candidate"] != "control"
    ]
    candidates.sort(key=lambda c: -(c["gate"]["speedup"] or 0))
    if candidates:
        sentence = " · ".join(f"{name}/{c['candidate']}: {c['sentence']}" for c in candidates)
    elif name == "market_data":
        sentence = f"{name}: nothing compared yet, Python decides (stage {flag.stage})"
    else:
        sentence = f"{name}: no candidate is built, Python decides"
    return {
        "component": name,
        "effect": EFFECTS[name],
        "stage": flag.stage,
        "flag_candidates": list(flag.candidates),
        "sentence": sentence,
        "candidates": candidates,
        "noise": noise,
        "tax_ns": evidence.stats().get("tax_ns", 0),
        "writer_ns": _writer_ns(evidence.stats()),
    }


def _candidate(
    evidence: Evidence, pair: dict[str, Any], noise: int, authority: Authority | None, spec: GateSpec | None
) -> dict[str, Any]:
    verdict = judge(evidence, pair, noise, spec, authority)
    counts, strata = evidence.counts(pair["id"]), evidence.strata(pair["id"])
    total = evidence.outcomes(pair["id"])
    known = [row["stratum"] for row in strata if row["stratum"] != DIFFERENCE]
    return {
        "candidate": pair["candidate"],
        "build": pair["build"],
        "authority_build": pair["authority"],
        "ordinal": pair["ordinal"],
        "sentence": _sentence(verdict, total, evidence.stats()),
        "calls": sum(total.values()),
        "outcomes": total,
        "operations": counts,
        "ledgers": evidence.ledgers(pair["id"]),
        "strata": strata,
        "strata_unseen": unseen(known),
        "signatures": evidence.faults(pair["id"]),
        "latency": {who: _latency(hot(evidence, pair["id"], who)) for who in ("candidate", "control", "bot")},
        "cold": {who: _cold(evidence, pair["id"], who) for who in ("candidate", "control")},
        "gate": msgspec.to_builtins(verdict),
    }


def _sentence(verdict: Verdict, total: Mapping[str, int], stats: Mapping[str, int]) -> str:
    faults = sum(total[name] for name in ("MISMATCH", "ERROR_DIFF", "PANIC", "TIMEOUT"))
    if not verdict.episodes and not faults:
        return "no episode compared yet"
    if verdict.faults or faults:
        equal = f"differs in {max(verdict.faults, faults):,} of {verdict.episodes:,} episodes"
    else:
        equal = f"equal over {verdict.episodes:,} episodes"
    if verdict.bound is not None:
        equal += f" (error rate below {percent(verdict.bound)}, {100 * (1 - verdict.alpha):.0f} %)"
    parts = [equal]
    if verdict.speedup is not None:
        word = "faster" if verdict.speedup > 1 else "as fast"
        parts.append(f"{verdict.speedup:g}× {word} as called")
    if stats.get("tax_ns"):
        parts.append(f"cost of shadowing {stats['tax_ns'] / 1e3:.1f} µs per call")
    end = "ready for canary" if verdict.passed else f"not yet: {verdict.missing[0]}"
    if len(verdict.missing) > 1:
        end += f" and {len(verdict.missing) - 1} more"
    return f"{', '.join(parts)}: {end}"


def percent(share: float) -> str:
    """A share as per cent with two significant digits."""
    return f"{100 * share:.2g} %"


def _latency(histogram: Histogram) -> dict[str, Any]:
    quantiles = {
        name: msgspec.to_builtins(bounds(histogram, q))
        for name, q in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
    }
    return {"summary": histogram.summary(), "bounds": quantiles, "curve": curve(histogram)}


def _cold(evidence: Evidence, pair: int, who: str) -> dict[str, int | None]:
    merged = Histogram()
    for op in ("on_trade", "on_trades"):
        merged.merge(evidence.latency(pair, who, op, "cold"))
    return merged.summary()


def _writer_ns(stats: Mapping[str, int]) -> int | None:
    calls = stats.get("calls", 0)
    return stats["cpu_ns"] // calls if calls else None


def _target(row: tuple[str, str, str], market_data: Mapping[str, Any]) -> dict[str, Any]:
    what, wanted, component = row
    best = max((c["gate"]["speedup"] or 0 for c in market_data["candidates"]), default=0)
    if component != "market_data" or not best:
        return {"what": what, "target": wanted, "measured": "not measured", "met": None}
    return {"what": what, "target": wanted, "measured": f"{best:g}× per call as called", "met": best >= 10}


def _alarms(evidence: Evidence, flags: Mapping[str, Flag], now_ns: int, alarm: str | None) -> list[str]:
    alarms = [alarm] if alarm else []
    last = evidence.meta("last_at")
    shadowed = any(flag.effective == "shadow" for flag in flags.values())
    if shadowed and (last is None or now_ns - last > SILENCE_NS):
        since = "at all" if last is None else f"since {format_ts(last, max_digits=0)}"
        alarms.append(f"no comparison {since}: is the worker running, and does data arrive?")
    status = msgspec.json.decode(evidence.meta("worker") or b"{}")
    alarms += [f"candidate missing: {reason}" for reason in status.get("missing", ())]
    return alarms
