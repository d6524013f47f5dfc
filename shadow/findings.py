"""From a difference to a finding: where it began, a fixture that shows it again, and one episode."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from bot.migration.records import Call, Snapshot
from shadow.candidates import Candidate
from shadow.compare.market_data import critical
from shadow.episodes import EpisodeTracker
from shadow.evidence import Fault, LaneSpan
from shadow.fixtures import bisect, save
from shadow.marker import Marker
from shadow.outcomes import Difference, signature

FATAL: Final = ("PANIC", "TIMEOUT")


class Findings:
    """Bisects with the control as the authority's twin; fixtures go to `folder`."""

    def __init__(self, control: Candidate, marker: Marker, folder: Path) -> None:
        self._control, self._marker, self._folder = control, marker, folder

    def fault(
        self, candidate: Candidate, start: Snapshot | None, calls: Sequence[Call], span: LaneSpan,
        tracker: EpisodeTracker, run: int, *, op: str, seq: int, outcome: str, difference: Difference,
    ) -> Fault:  # fmt: skip
        """The finding. Episodes of the span that closed after the first differing call are no evidence any more."""
        name = signature(op, difference)
        fixture = ""
        if start is not None and outcome not in FATAL:
            self._marker.set(candidate.name, run, -1)
            found = bisect(start.settings, start.state, calls, self._control, candidate)
            self._marker.clear()
            if found is not None:
                first = calls[found.index].seq
                span.episodes = [episode for episode in span.episodes if episode.seq < first]
                meta = {
                    "signature": name, "difference": msgspec.to_builtins(difference), "seq": first, "run": run,
                    "first": msgspec.to_builtins(found.difference), "candidate": candidate.name,
                    "build": candidate.build, "authority_build": start.build,
                }  # fmt: skip
                shown = msgspec.structs.replace(found.fixture, meta=meta)
                fixture = save(self._folder, f"{candidate.name} {candidate.build} {name}", shown)
        return Fault(
            outcome=outcome, signature=name, difference=difference, op=op, seq=seq,
            critical=critical(difference) or outcome in FATAL, digest=tracker.digest(name),
            stratum="difference", start=0, fixture=fixture,
        )  # fmt: skip
