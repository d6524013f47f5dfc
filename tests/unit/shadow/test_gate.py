"""The gate's figures, the ledgers behind them, and the sentence they end in."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bot.latency import Histogram
from bot.migration.flags import AuditRow
from bot.migration.records import SegmentHead
from bot.migration.stages import Flag
from bot.model.errors import StoreCorrupt
from shadow import render_html, render_text, report
from shadow.candidates import Candidate
from shadow.episodes import Episode
from shadow.evidence import Commit, Evidence, Fault, LaneSpan
from shadow.gate import FRAME_TAIL, Authority, GateSpec, alpha, excluded, judge, needed
from shadow.latency import bounds, faster
from shadow.outcomes import Difference
from shadow.reader import Place

GOOD = Authority(1_050_000, 1_000_000)


def test_the_sequential_test_asks_for_the_published_numbers() -> None:
    assert alpha(1) == pytest.approx(0.0304, abs=5e-5)
    assert needed(0, 1, 1e-3) == 3880
    assert needed(1, 1, 1e-3) - needed(0, 1, 1e-3) == pytest.approx(2557, abs=1)
    assert needed(0, 1, 1e-4) == 38_814
    assert needed(1, 1, 1e-4) - needed(0, 1, 1e-4) == pytest.approx(25_583, abs=1)
    assert needed(0, 2, 1e-3) > needed(0, 1, 1e-3)
    assert sum(alpha(j) for j in range(1, 100_000)) < 0.05


def test_what_is_excluded_agrees_with_what_is_needed() -> None:
    assert excluded(3880, 0, 1) == pytest.approx(1e-3, rel=1e-3)
    assert excluded(3880, 1, 1) > excluded(3880, 0, 1)
    assert excluded(2, 0, 1) is None


def test_a_bad_build_passes_no_more_often_than_its_share_however_often_one_looks() -> None:
    random, passed = Random(7), 0
    for _ in range(400):
        faults = 0
        for n in range(1, 12_000):
            faults += random.random() < 1e-3
            if n >= 3880 and n >= needed(faults, 1, 1e-3):
                passed += 1
                break
            if faults > 4:
                break
    assert passed / 400 < 0.0304 + 0.02


def test_quantile_bounds_need_their_samples_and_hold_the_quantile() -> None:
    few, many = Histogram(), Histogram()
    for n in range(298):
        few.add(n)
    for n in range(10_000):
        many.add(n)
    assert bounds(few, 0.99).high is None
    found = bounds(many, 0.99)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 9900 <= found.high


def test_faster_means_beyond_the_bounds_at_p50_and_p99() -> None:
    quick, slow, tail = Histogram(), Histogram(), Histogram()
    for n in range(5000):
        quick.add(100 + n % 20)
        slow.add(1000 + n % 20)
        tail.add(100 if n % 50 else 5000)
    assert faster(quick, slow)
    assert not faster(slow, quick)
    assert not faster(slow, slow)
    assert not faster(tail, slow), "quick in the middle, slow in the tail"


def test_the_authority_may_be_5_percent_or_100_us_slower() -> None:
    assert Authority(1_099_999, 1_000_000).within
    assert not Authority(1_100_001, 1_000_000).within
    assert Authority(4_200_000, 4_000_000).within
    assert not Authority(4_200_001, 4_000_000).within


def test_the_authority_s_tail_is_read_from_the_benchmarks_or_is_unknown(tmp_path: Path) -> None:
    rows = [{"work": FRAME_TAIL, "impl": "on", "p50": 31.5}, {"work": FRAME_TAIL, "impl": "off", "p50": 20.0},
            {"work": "other", "impl": "on", "p50": 1.0}]  # fmt: skip
    path = tmp_path / "latest.json"
    path.write_text(json.dumps({"rows": rows}))
    assert Authority.measured(path) == Authority(31_500, 20_000)
    path.write_text(json.dumps({"rows": rows[1:]}))
    assert Authority.measured(path) is None
    path.write_text("{")
    assert Authority.measured(path) is None
    assert Authority.measured(tmp_path / "none.json") is None


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    return Evidence(tmp_path / "evidence.sqlite")


def fill(
    evidence: Evidence, episodes: int, *, ledger: str = "live", run: int = 1, faults: int = 0, sessions: int = 3,
    quick: int = 100, noise: int = 0, first: int = 0, stratum: str = "MNQ/cash/trades/whole", build: str = "b1",
) -> dict[str, Any]:  # fmt: skip
    """Commit a made-up span; returns the candidate's pair."""
    candidate = Candidate("rust", build, lambda _s: pytest.fail("not built here"))
    control = Candidate("control", "a1", lambda _s: pytest.fail("not built here"))
    span, other = LaneSpan(), LaneSpan()
    span.counts = Counter({("on_trades", "MATCH"): episodes * 10, ("on_timer", "MISMATCH"): faults})
    other.counts = Counter({("on_trades", "MATCH"): episodes * 10 - noise, ("on_trades", "NOISE"): noise})
    span.episodes = [Episode(f"e{n}".encode(), "MNQ", n, stratum, n) for n in range(first, first + episodes)]
    difference = Difference("value", "bars[0].complete", "True", "False")
    span.faults = [
        Fault(outcome="MISMATCH", signature="on_timer value bars[].complete", difference=difference, op="on_timer",
              seq=n, critical=False, digest=f"f{n}".encode(), stratum="difference", start=0)
        for n in range(faults)
    ]  # fmt: skip
    for who, ns in (("candidate", quick), ("control", 1000), ("bot", 900)):
        span.latencies[who, "on_trades", "warm"] = histogram = Histogram()
        for n in range(2000):
            histogram.add(ns + n % 10)
    pairs = {c.name: evidence.pair("market_data", c, "a1") for c in (control, candidate)}
    evidence.commit(
        Commit(
            run=SegmentHead(run=run, ledger=ledger, venue="paper", started=0), seq=episodes * 10, place=Place("x", 0),
            pending=b"", lanes={pairs["control"]: other, pairs["rust"]: span},
            minutes={(f"2025-11-{24 + day}", minute) for day in range(sessions) for minute in range(30)},
            stats={"tax_ns": 400, "calls": 10, "cpu_ns": 6000}, at=run,
        )
    )  # fmt: skip
    return next(pair for pair in evidence.pairs("market_data") if pair["id"] == pairs["rust"])


def test_the_gate_passes_when_all_is_there_and_says_ready(evidence: Evidence) -> None:
    verdict = judge(evidence, fill(evidence, 3880), 0, authority=GOOD)
    assert verdict.passed, verdict.missing
    assert verdict.speedup == pytest.approx(9.6, abs=0.7)
    built = report.build(evidence, now_ns=0, authority=GOOD)
    (sentence,) = [text for text in built["verdict"] if text.startswith("market_data")]
    assert sentence.startswith("market_data/rust: equal over 3,880 episodes (error rate below 0.1 %, 97 %)")
    assert "faster as called, cost of shadowing 0.4 µs per call: ready for canary" in sentence


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"episodes": 3410}, "3,410 of 3,880 episodes"),
        ({"episodes": 3880, "faults": 1}, "3,881 of 6,437 episodes"),
        ({"episodes": 3880, "sessions": 2}, "live: 2 of 3 sessions"),
        ({"episodes": 3880, "quick": 1500}, "not faster"),
        ({"episodes": 3880, "stratum": "MNQ/cash/quotes/whole"}, None),
    ],
)
def test_the_gate_names_what_is_missing(
    evidence: Evidence, change: dict[str, Any], missing: str | None
) -> None:
    verdict = judge(evidence, fill(evidence, **change), 0, authority=GOOD)
    assert verdict.passed is (missing is None)
    if missing:
        assert any(missing in text for text in verdict.missing), verdict.missing


def test_noise_thin_strata_and_an_unmeasured_tax_bar_the_way(evidence: Evidence) -> None:
    fill(evidence, 3880)
    pair = fill(evidence, 12, first=10_000, stratum="MNQ/late/quotes/partial", run=2)
    verdict = judge(evidence, pair, noise=2)
    assert verdict.thin == {"MNQ/late/quotes/partial": 12}
    text = "; ".join(verdict.missing)
    assert "MNQ/late/quotes/partial: 12 of 30" in text
    assert "differs from itself 2 times" in text
    assert "make perf" in text


def test_a_critical_difference_bars_the_way_whatever_the_number(evidence: Evidence) -> None:
    pair = fill(evidence, 3880, faults=1)
    evidence._db.execute("UPDATE episodes SET critical = 1 WHERE clean = 0")
    verdict = judge(evidence, pair, 0, GateSpec(p0=0.5), authority=GOOD)
    assert verdict.missing == ["1 episodes differ in a critical field: a new build has to start anew"]


def test_the_same_episode_in_both_ledgers_counts_once_and_the_ledgers_stay_apart(evidence: Evidence) -> None:
    fill(evidence, 100, ledger="rehearsed", run=1)
    pair = fill(evidence, 60, ledger="live", run=2)
    found = evidence.ledgers(pair["id"])
    assert {name: row["episodes"] for name, row in found.items()} == {
        "all": 100,
        "rehearsed": 100,
        "live": 60,
    }


def test_a_new_build_starts_anew_and_has_less_to_spend(evidence: Evidence) -> None:
    fill(evidence, 3880)
    second = fill(evidence, 10, build="b2", run=2)
    assert second["ordinal"] == 2
    assert evidence.ledgers(second["id"])["all"]["episodes"] == 10
    assert fill(evidence, 1, build="b1", run=3)["ordinal"] == 1


def test_a_file_that_is_not_evidence_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evidence.sqlite").write_bytes(b"something else entirely" * 100)
    with pytest.raises(StoreCorrupt, match="SQLite file of evidence"):
        Evidence(tmp_path / "evidence.sqlite")


def test_silence_in_shadow_is_an_alarm_and_nothing_reads_as_equal(evidence: Evidence) -> None:
    flags = {"market_data": Flag("shadow", ("rust",))}
    built = report.build(evidence, now_ns=10**18, flags=flags)
    assert "no comparison at all" in built["alarms"][0]
    assert "market_data: nothing compared yet, Python decides (stage shadow)" in built["verdict"]
    fill(evidence, 10)
    assert "no comparison since" in report.build(evidence, now_ns=10**18, flags=flags)["alarms"][0]
    assert report.build(evidence, now_ns=1, flags=flags)["alarms"] == []


def test_the_page_is_self_contained_escaped_and_opens_with_the_verdict(
    evidence: Evidence, tmp_path: Path
) -> None:
    fill(evidence, 500, faults=2)
    row = AuditRow(at="2025-11-24T16:00:00Z", who="<b>me</b>", component="market_data", before=Flag(),
                   after=Flag("shadow", ("rust",)), epoch=1, reason="try", result="changed", override=True)  # fmt: skip
    built = report.build(evidence, now_ns=0, audit=[row])
    render_html.write(built, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert page.index("market_data/rust: differs in 2 of 502 episodes") < page.index("<section>")
    assert "&lt;b&gt;me&lt;/b&gt;" in page
    assert "<b>me</b>" not in page
    for outside in ("http:", "https:", "<script", "<link", "url(", "@import"):
        assert outside not in page
    assert page.count('<path class="') == 3
    assert "bars[0].complete" in page
    assert "override" in page


def test_the_terminal_shows_every_outcome_and_the_gate(evidence: Evidence) -> None:
    from rich.console import Console

    fill(evidence, 500, faults=2)
    console = Console(record=True, width=140, file=open("/dev/null", "w"))  # noqa: SIM115
    render_text.show(report.build(evidence, now_ns=0), console)
    text = console.export_text()
    for part in (
        "MISMATCH 2",
        "TIMEOUT 0",
        "UNCOMPARABLE 0",
        "502 of",
        "on_timer value bars[].complete",
        "gate:",
    ):
        assert part in text
