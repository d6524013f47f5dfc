"""Judges a transcript of the paper gateway against the wire specification, without the gateway's code.

`check(path)` raises nothing by itself: it returns every broken rule. Answers that a test provokes by a
fault are named in `provoked`; a rule named there must then have been broken, so no excuse goes unused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.conformance import link_rules, rest_rules
from tests.conformance.event_rules import Events
from tests.conformance.recording import Recording
from tests.conformance.rest_rules import Complaint


def check(path: Path, provoked: frozenset[str] | set[str] = frozenset()) -> list[str]:
    """The complaints about one transcript as `rule: where and how`, empty when the wire is as specified."""
    found = list(complaints(Recording(path)))
    heard = {rule for rule, _ in found}
    unused = [f"{rule}: was provoked, yet never broken" for rule in sorted(provoked - heard)]
    return [f"{rule}: {text}" for rule, text in found if rule not in provoked] + unused


def complaints(recording: Recording) -> Iterator[Complaint]:
    """Every broken rule of a recording."""
    if not recording.calls:
        yield "transcript", "nothing crossed the wire"
    yield from (("bytes", text) for text in recording.unreadable)
    for call in recording.calls:
        yield from rest_rules.complaints(call)
    yield from link_rules.upgrades(recording)
    for link in recording.links:
        yield from link_rules.framing(link)
        try:
            rows = [*link.records("server")]
        except ValueError as problem:
            yield "record", f"{link.hub} link: no JSON ({problem})"
            continue
        if not all(isinstance(row, dict) for _, row in rows):
            yield "record", f"{link.hub} link: a record is no object"
            continue
        yield from link_rules.records(link)
        yield from link_rules.life(link)
        yield from Events(link).complaints()
