"""The worker as a process over a recorded journal."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bot.calendar.sessions import SessionCalendar
from bot.migration.segments import segments
from shadow import report
from shadow.candidates import load
from shadow.evidence import Evidence
from shadow.fixtures import load as load_fixture
from shadow.fixtures import replay, replay_everywhere
from shadow.outcomes import OUTCOMES
from shadow.supervisor import clean_environment
from tests.integration.shadow.tape import record

ROOT = Path(__file__).parents[3]
MODULE = "tests.integration.shadow.candidates"


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tape") / "journal"
    record(folder)
    return folder


def command(journal: Path, evidence: Path, *candidates: str, more: tuple[str, ...] = ()) -> list[str]:
    named = [part for name in candidates for part in ("--candidate", f"{name.lower()}={MODULE}:{name}")]
    return [
        sys.executable,
        "-m",
        "shadow.worker",
        "--journal",
        str(journal),
        "--evidence",
        str(evidence),
        *named,
        *more,
    ]


def run(
    journal: Path, evidence: Path, *candidates: str, timeout: str = "30", **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(journal, evidence, *candidates, more=("--once", "--timeout", timeout)),
        cwd=ROOT, env={**clean_environment(os.environ), **environ}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def outcome(evidence: Path) -> dict[str, dict[str, Any]]:
    """Per candidate what does not depend on the machine's speed."""
    opened = Evidence(evidence, read_only=True)
    built = report.build(opened, now_ns=0)
    opened.close()
    found = {}
    for component in built["components"]:
        for candidate in component["candidates"]:
            keys = ("outcomes", "operations", "ledgers", "strata", "signatures", "calls")
            found[candidate["candidate"]] = {key: candidate[key] for key in keys}
    return found


def test_a_twin_matches_in_every_call_and_the_outcomes_sum_to_the_calls(tape: Path, tmp_path: Path) -> None:
    done = run(tape, tmp_path / "evidence.sqlite", "Twin")
    assert done.returncode == 0, done.stderr
    twin = outcome(tmp_path / "evidence.sqlite")["twin"]
    assert list(twin["outcomes"]) == list(OUTCOMES)
    assert twin["outcomes"]["MATCH"] == twin["calls"] == sum(twin["outcomes"].values())
    assert twin["operations"]["on_timer"]["MATCH"] == 2400
    assert twin["ledgers"]["all"] == {"episodes": 18, "faults": 0, "critical": 0}
    assert twin["ledgers"]["live"]["episodes"] == 18
    assert twin["ledgers"]["rehearsed"]["episodes"] == 0


def test_a_one_line_bug_is_one_mismatch_with_its_field_and_one_episode(tape: Path, tmp_path: Path) -> None:
    assert run(tape, tmp_path / "evidence.sqlite", "WrongHigh").returncode == 0
    broken = outcome(tmp_path / "evidence.sqlite")["wronghigh"]
    assert broken["outcomes"]["MISMATCH"] == 1
    assert broken["ledgers"]["all"]["faults"] == broken["ledgers"]["all"]["critical"] == 1
    (found,) = broken["signatures"]
    assert found["signature"].endswith("value bars[].high")
    assert int(found["seen"]) == int(found["expected"]) + 1
    assert found["n"] == 1
    assert broken["outcomes"]["DIVERGED"] > 0, "the calls after it are not new differences"
    assert sum(broken["outcomes"].values()) == broken["calls"]


def test_a_difference_in_the_state_is_bisected_and_its_fixture_shows_it_again(
    tape: Path, tmp_path: Path
) -> None:
    assert run(tape, tmp_path / "evidence.sqlite", "LostPrint").returncode == 0
    lost = outcome(tmp_path / "evidence.sqlite")["lostprint"]
    assert lost["ledgers"]["all"]["faults"] >= 1
    assert lost["signatures"][0]["fixture"]
    fixture = load_fixture(tmp_path / "fixtures" / lost["signatures"][0]["fixture"])
    assert len(fixture.events) == 1
    assert fixture.events[0].op == "on_trades"
    assert fixture.meta["first"]["path"].startswith("state.symbols")
    assert fixture.meta["seq"] < lost["signatures"][0]["seq"]
    calendar = SessionCalendar.shipped()
    broken = load("lostprint", calendar, f"{MODULE}:LostPrint")
    assert not isinstance(broken, str)
    assert replay(fixture, broken)
    everywhere = replay_everywhere(fixture, calendar)
    assert everywhere["python"] == []
    assert all(isinstance(found, str) or found == [] for found in everywhere.values())
    assert set(everywhere) == {"python", "cython", "rust"}


def test_a_panic_is_one_episode_and_the_candidate_goes_on_at_the_next_snapshot(
    tape: Path, tmp_path: Path
) -> None:
    assert run(tape, tmp_path / "evidence.sqlite", "Panicking").returncode == 0
    outcomes = outcome(tmp_path / "evidence.sqlite")["panicking"]["outcomes"]
    assert outcomes["PANIC"] == 1
    assert outcomes["MATCH"] > outcomes["DIVERGED"] > 0


@pytest.mark.parametrize(("name", "expected"), [("Crashing", "PANIC"), ("Hanging", "TIMEOUT")])
def test_a_candidate_that_kills_the_worker_twice_at_one_call_is_blamed_for_it(
    tape: Path, tmp_path: Path, name: str, expected: str
) -> None:
    evidence = tmp_path / "evidence.sqlite"
    codes = []
    for _ in range(8):  # each call in the bad window takes two deaths to be blamed, then the span is diverged
        codes.append(run(tape, evidence, "Twin", name, timeout="0.5").returncode)
        if codes[-1] == 0:
            break
    assert codes[0] != 0
    assert codes[-1] == 0
    found = outcome(evidence)
    assert found[name.lower()]["outcomes"][expected] == 1
    assert found["twin"]["outcomes"]["MATCH"] == found["twin"]["calls"]


def test_a_worker_killed_in_the_middle_gives_the_same_counts_after_its_restart(
    tape: Path, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole" / "evidence.sqlite", tmp_path / "killed" / "evidence.sqlite"
    assert run(tape, whole, "Slow", "WrongHigh").returncode == 0
    environ = clean_environment(os.environ)
    process = subprocess.Popen(
        command(tape, killed, "Slow", "WrongHigh", more=("--once",)), cwd=ROOT, env=environ
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not _committed(killed):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 0 < outcome(killed)["slow"]["calls"] < outcome(whole)["slow"]["calls"]
    assert run(tape, killed, "Slow", "WrongHigh").returncode == 0
    again = outcome(killed)
    for name, row in outcome(whole).items():
        assert again[name] == row


def _committed(evidence: Path) -> bool:
    try:
        opened = Evidence(evidence, read_only=True)
        seen = opened.meta("place") is not None and any(
            opened.counts(p["id"]) for p in opened.pairs("market_data")
        )
        opened.close()
    except Exception:
        return False
    return seen


def test_a_copied_journal_gives_the_same_report_and_reading_it_twice_counts_once(
    tape: Path, tmp_path: Path
) -> None:
    shutil.copytree(tape, tmp_path / "copy")
    here, there = tmp_path / "a" / "evidence.sqlite", tmp_path / "b" / "evidence.sqlite"
    assert run(tape, here, "Twin", "WrongHigh").returncode == 0
    assert run(tmp_path / "copy", there, "Twin", "WrongHigh").returncode == 0
    assert outcome(here) == outcome(there)
    before = outcome(here)
    assert run(tape, here, "Twin", "WrongHigh").returncode == 0
    assert outcome(here) == before


def test_the_same_tape_recorded_twice_counts_its_episodes_once(tmp_path: Path) -> None:
    record(tmp_path / "journal", minutes=4)
    record(tmp_path / "journal", minutes=4)
    assert run(tmp_path / "journal", tmp_path / "evidence.sqlite", "Twin").returncode == 0
    twin = outcome(tmp_path / "evidence.sqlite")["twin"]
    assert twin["operations"]["on_timer"]["MATCH"] == 2 * 960
    assert twin["ledgers"]["all"]["episodes"] == 6


def test_a_torn_tail_is_left_out_and_what_lies_before_it_counts(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    record(journal, minutes=3)
    last = segments(journal)[-1]
    os.truncate(last, last.stat().st_size - 7)
    assert run(journal, tmp_path / "evidence.sqlite", "Twin").returncode == 0
    first = outcome(tmp_path / "evidence.sqlite")["twin"]
    assert first["outcomes"]["MATCH"] == first["calls"] > 1000
    writer = record(journal, minutes=3, seed=2, seconds_in=600)
    assert writer.counters()["torn_bytes"] > 0
    assert run(journal, tmp_path / "evidence.sqlite", "Twin").returncode == 0
    second = outcome(tmp_path / "evidence.sqlite")["twin"]
    assert second["outcomes"]["MATCH"] == second["calls"] > 2 * 1000


def test_dropped_calls_are_counted_and_comparing_resumes_at_the_next_snapshot(tmp_path: Path) -> None:
    writer = record(tmp_path / "journal", minutes=8, silent=range(2, 6), queue_blocks=6)
    assert writer.dropped > 0
    assert run(tmp_path / "journal", tmp_path / "evidence.sqlite", "Twin").returncode == 0
    twin = outcome(tmp_path / "evidence.sqlite")["twin"]
    assert twin["outcomes"]["DROPPED"] == writer.dropped
    assert twin["outcomes"]["MATCH"] + twin["outcomes"]["DROPPED"] == twin["calls"]
    assert twin["operations"]["snapshot"]["MATCH"] > 3


def test_calls_behind_the_last_snapshot_are_shown_and_not_counted_twice(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    record(journal, minutes=3, stop=False)
    evidence = tmp_path / "evidence.sqlite"
    assert run(journal, evidence, "Twin").returncode == 0
    first = outcome(evidence)["twin"]
    assert run(journal, evidence, "Twin").returncode == 0
    assert outcome(evidence)["twin"] == first


@pytest.mark.parametrize("name", ["PROJECT_X_API_KEY", "TOPSTEPX_USERNAME", "PROJECT_X_MARKET_HUB_URL"])
def test_the_worker_refuses_to_start_where_it_sees_credentials(tape: Path, tmp_path: Path, name: str) -> None:
    done = run(tape, tmp_path / "evidence.sqlite", "Twin", **{name: "planted-value"})
    assert done.returncode == 14
    assert name in done.stderr
    assert "planted-value" not in done.stderr
    assert not (tmp_path / "evidence.sqlite").exists()


def test_the_worker_refuses_a_venue_address_in_any_variable(tape: Path, tmp_path: Path) -> None:
    done = run(tape, tmp_path / "evidence.sqlite", "Twin", PYTHONPATH="https://api.topstepx.com")
    assert done.returncode == 14
    assert "venue address" in done.stderr


def test_the_shipped_candidates_match_or_say_why_they_are_missing(tape: Path, tmp_path: Path) -> None:
    evidence = tmp_path / "evidence.sqlite"
    assert run(tape, evidence).returncode == 0
    found = outcome(evidence)
    opened = Evidence(evidence, read_only=True)
    missing = report.build(opened, now_ns=0)["worker"]["missing"]
    opened.close()
    assert len(found) + len(missing) == 2
    for row in found.values():
        assert row["outcomes"]["MATCH"] == row["calls"]
