"""The comparison: authority's record against every candidate, in order, one verdict per call and candidate.

A span is what lies between two snapshots of the authority. After a difference the candidate has diverged:
its later calls count as DIVERGED, not as new differences, until the next snapshot restores it. A state that
differs at the end of a span is bisected to the call where it began. Spans are committed as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from bot.calendar.sessions import SessionCalendar
from bot.latency import Histogram
from bot.migration.records import BarBlock, Call, Failure, SegmentHead, Snapshot, bar_calls
from shadow.candidates import Candidate
from shadow.compare.market_data import compare_states
from shadow.connected import ConnectedMinutes
from shadow.episodes import Episode, EpisodeTracker
from shadow.evidence import Commit, Evidence, LaneSpan
from shadow.findings import Findings
from shadow.lane import Lane
from shadow.latency import COLD_CALLS
from shadow.marker import Marker
from shadow.outcomes import FAULTS, Difference, checked
from shadow.reader import Entry, Place
from shadow.verdict import Result, verdict

COMPONENT: Final = "market_data"
DEATHS: Final = 2
MAX_SPAN_CALLS: Final = 50_000
_SET_ASIDE: Final = 3


class Comparison:
    """Feeds lanes from journal entries and commits what it learns. `host_now` stamps commits."""

    def __init__(
        self, evidence: Evidence, calendar: SessionCalendar, control: Candidate, candidates: Sequence[Candidate],
        marker: Marker, fixtures: Path, mono: Callable[[], int], host_now: Callable[[], int],
    ) -> None:  # fmt: skip
        self._evidence, self._marker, self._host_now = evidence, marker, host_now
        self._connected = ConnectedMinutes(calendar)
        self._findings = Findings(control, marker, fixtures)
        self._control = Lane(control, mono)
        self._lanes = [Lane(candidate, mono) for candidate in candidates]
        self._all = [self._control, *self._lanes]
        self._tracker = EpisodeTracker()
        self._tracker.load(evidence.meta("pending") or b"")
        self._suspects = evidence.suspects()
        self._aside = {
            lane.name
            for lane in self._lanes
            if sum(n >= DEATHS for (name, _, _), (n, _) in self._suspects.items() if name == lane.name)
            >= _SET_ASIDE
        }
        self._runs = 0
        self._run: SegmentHead | None = None
        self._committed = 0
        self._next: int | None = None
        self._build = ""
        self._pairs: dict[str, int] = {}
        self._place = Place()
        self._segment = ""
        self._unreadable = False
        self._stats: dict[str, int] = {}
        self._start: Snapshot | None = None
        self._begin_span()

    # --- entries ---

    def feed(self, entry: Entry) -> None:
        """Take the next entry of the journal."""
        if self._run is None or entry.run.run != self._run.run:
            self._begin_run(entry.run)
        record = entry.record
        if record is None:
            self._unreadable = True
        elif isinstance(record, Snapshot | BarBlock) and record.component == COMPONENT:
            if record.seq < self._committed:
                if isinstance(record, Snapshot) and record.seq == self._committed - 1:
                    self._take_up(record)
            else:
                self._gap(record.seq, entry.place)
                if isinstance(record, Snapshot):
                    self._on_snapshot(record, entry.place)
                else:
                    self._on_block(record)
        self._segment = entry.place.segment

    def publish_tail(self) -> None:
        """Make what came after the last snapshot visible, without moving the place."""
        if self._run is not None and self._calls:
            self._commit(tail=True)

    def _begin_run(self, run: SegmentHead) -> None:
        if self._run is not None and self._calls:
            self._commit()
        self._run = run
        self._committed = self._evidence.committed(run.run)
        self._next = self._committed or None
        self._connected.lost()
        for lane in self._all:
            lane.state = "waiting"
        self._start = None
        self._begin_span()

    def _gap(self, seq: int, place: Place) -> None:
        missing = 0 if self._next is None else seq - self._next
        if missing > 0:
            jumped = bool(self._segment) and int(place.segment[:8]) > int(self._segment[:8]) + 1
            outcome = "SKIPPED" if jumped else "UNCOMPARABLE" if self._unreadable else "DROPPED"
            self._calls += missing
            for lane in self._all:
                self._spans[lane.name].counts["journal", outcome] += missing
                lane.state = "waiting"
        self._unreadable = False

    def _on_block(self, block: BarBlock) -> None:
        self._builds(block.build)
        try:
            calls = bar_calls(block)
        except (ValueError, TypeError, StopIteration, IndexError):
            self._calls += len(block.ops)
            for lane in self._all:
                self._spans[lane.name].counts["journal", "UNCOMPARABLE"] += len(block.ops)
                lane.state = "waiting"
            calls = []
        self._next = block.seq + len(block.ops)
        for call in calls:
            self._on_call(call)

    def _take_up(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot that is in the evidence already."""
        self._builds(snapshot.build)
        for lane in self._all:
            self._restore(lane, snapshot)
        self._begin_span(snapshot)

    # --- calls ---

    def _on_call(self, call: Call) -> None:
        self._calls += 1
        if len(self._span_calls) < MAX_SPAN_CALLS:
            self._span_calls.append(call)
        self._tracker.feed(call)
        closed = self._tracker.closed(call)
        self._connected.feed(call)
        if call.op == "on_columns" and call.failure is not None:
            self._everyone(call.op, "UNCOMPARABLE")
            return
        results: dict[str, Result] = {}
        self._runs += 1
        for lane in self._all if self._runs % 4 in (0, 1) else reversed(self._all):
            if lane.state == "following" and not self._barred(lane, call.seq):
                self._marker.set(lane.name, self._run_id, call.seq)
                results[lane.name] = lane.run(call)
                self._marker.clear()
        sound = self._judge_control(call, results.get(self._control.name))
        for lane in self._lanes:
            self._judge(lane, call, results, closed, sound=sound)

    def _judge_control(self, call: Call, result: Result | None) -> bool:
        counts = self._spans[self._control.name].counts
        if result is None:
            counts[call.op, "SKIPPED" if self._control.state == "waiting" else "DIVERGED"] += 1
            return False
        outcome, _ = verdict(call, result)
        if outcome in FAULTS:
            outcome, self._control.state = "NOISE", "diverged"
        counts[call.op, outcome] += 1
        return self._control.state == "following"

    def _judge(
        self, lane: Lane, call: Call, results: Mapping[str, Result], closed: Sequence[Episode], *, sound: bool
    ) -> None:
        span = self._spans[lane.name]
        if lane.name in self._aside:
            span.counts[call.op, "SKIPPED"] += 1
            return
        result = results.get(lane.name)
        if result is None:
            if lane.state == "following":
                outcome = self._suspects[lane.name, self._run_id, call.seq][1]
                self._fault(
                    lane,
                    call.op,
                    call.seq,
                    outcome,
                    Difference("error", outcome.lower(), "an answer", "none"),
                )
            else:
                span.counts[call.op, "SKIPPED" if lane.state == "waiting" else "DIVERGED"] += 1
            return
        outcome, difference = verdict(call, result)
        if difference is not None:
            if sound:
                self._fault(lane, call.op, call.seq, outcome, difference)
            else:
                span.counts[call.op, "NOISE"] += 1
                lane.state = "diverged"
            return
        span.counts[call.op, outcome] += 1
        span.episodes.extend(closed)
        if sound:
            phase = "cold" if self._runs <= COLD_CALLS else "warm"
            for who, ns in (
                ("candidate", result[3]), ("control", results[self._control.name][3]), ("bot", call.ns),
            ):  # fmt: skip
                span.latencies.setdefault((who, call.op, phase), Histogram()).add(ns)

    def _fault(self, lane: Lane, op: str, seq: int, outcome: str, difference: Difference) -> None:
        span = self._spans[lane.name]
        lane.state = "diverged"
        span.counts[op, outcome] += 1
        span.faults.append(
            self._findings.fault(
                lane.candidate, self._start, self._span_calls, span, self._tracker, self._run_id,
                op=op, seq=seq, outcome=outcome, difference=difference,
            )
        )  # fmt: skip

    # --- snapshots ---

    def _on_snapshot(self, snapshot: Snapshot, place: Place) -> None:
        self._builds(snapshot.build)
        self._calls += 1
        self._next = snapshot.seq + 1
        self._stats = snapshot.stats
        control = self._check(self._control, snapshot)
        sound = not control
        self._spans[self._control.name].counts["snapshot", "NOISE" if control else "MATCH"] += 1
        for lane in self._lanes:
            counts = self._spans[lane.name].counts
            if lane.name in self._aside:
                counts["snapshot", "SKIPPED"] += 1
                continue
            if lane.state == "diverged":
                counts["snapshot", "DIVERGED"] += 1
                continue
            differences = self._check(lane, snapshot)
            if not differences:
                counts["snapshot", "MATCH"] += 1
            elif sound:
                self._fault(lane, "snapshot", snapshot.seq, "MISMATCH", differences[0])
            else:
                counts["snapshot", "NOISE"] += 1
                lane.state = "diverged"
        for lane in self._all:
            if lane.state != "following" or lane is self._control:
                self._restore(lane, snapshot)
        self._place = place
        self._commit()
        self._begin_span(snapshot)

    def _check(self, lane: Lane, snapshot: Snapshot) -> list[Difference]:
        if lane.state == "waiting" and (failure := self._restore(lane, snapshot)) is not None:
            return [
                Difference(
                    "error", "restore", "the authority's state", f"{failure.type}: {failure.text}"[:200]
                )
            ]
        if lane.state != "following":
            return [Difference("value", "state", "equal", "diverged before")]
        self._marker.set(lane.name, self._run_id, snapshot.seq)
        state = lane.snapshot()
        self._marker.clear()
        return compare_states(snapshot.state, state)

    def _restore(self, lane: Lane, snapshot: Snapshot) -> Failure | None:
        self._marker.set(lane.name, self._run_id, snapshot.seq)
        failure = lane.restore(snapshot.settings, snapshot.state)
        self._marker.clear()
        return failure

    # --- spans ---

    def _begin_span(self, snapshot: Snapshot | None = None) -> None:
        self._calls = 0
        self._spans = {lane.name: LaneSpan() for lane in self._all}
        self._span_calls: list[Call] = []
        self._connected.minutes.clear()
        if snapshot is not None:
            self._start = snapshot
            self._connected.restore(snapshot.state)

    def _commit(self, *, tail: bool = False) -> None:
        assert self._run is not None
        for span in self._spans.values():
            checked(_by_outcome(span), self._calls)
        lanes = {self._pairs[lane.name]: self._spans[lane.name] for lane in self._all}
        self._evidence.commit(
            Commit(
                run=self._run, seq=self._next or 0, place=self._place, pending=self._tracker.save(), lanes=lanes,
                minutes=set(self._connected.minutes), stats=self._stats, at=self._host_now(),
            ),
            tail=tail,
        )  # fmt: skip

    def _builds(self, build: str) -> None:
        if build != self._build:
            if self._build and self._calls:
                self._commit()
                self._begin_span()
            self._build = build
            self._pairs = {
                lane.name: self._evidence.pair(COMPONENT, lane.candidate, build) for lane in self._all
            }

    def _everyone(self, op: str, outcome: str) -> None:
        for lane in self._all:
            self._spans[lane.name].counts[op, outcome] += 1

    def _barred(self, lane: Lane, seq: int) -> bool:
        deaths, _ = self._suspects.get((lane.name, self._run_id, seq), (0, ""))
        return lane.name in self._aside or deaths >= DEATHS

    @property
    def _run_id(self) -> int:
        return self._run.run if self._run is not None else 0


def _by_outcome(span: LaneSpan) -> dict[str, int]:
    total: dict[str, int] = {}
    for (_, outcome), n in span.counts.items():
        total[outcome] = total.get(outcome, 0) + n
    return total
