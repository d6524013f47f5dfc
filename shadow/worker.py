"""The shadow worker: `python -m shadow.worker --journal DIR --evidence FILE [--once | --follow]`.

A process of its own at low priority. It sees no credentials and no venue, opens no connection, reads the
journal, compares, and writes the evidence. A candidate that hangs is ended by a watchdog together with this
process; the next start goes on at the last snapshot and knows who was running.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.clock import SystemClock, monotonic_ns
from bot.model.errors import BotError
from bot.model.times import SECOND
from shadow import seal
from shadow.candidates import FACES, Candidate, control, load
from shadow.comparison import COMPONENT, Comparison
from shadow.evidence import Evidence
from shadow.marker import Marker
from shadow.reader import JournalReader
from shadow.report import current_pairs

POLL_S = 0.25
LAST_READ_NS = 5 * SECOND
ENTRIES_PER_LOOK = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker; the exit code is 0 when it read all there is or was told to stop."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        seal.inspect(os.environ, given)
        options = _parse(given)
        seal.close()
        return Worker(options).run()
    except BotError as problem:
        print(problem, file=sys.stderr)
        return problem.exit_code


class Worker:
    """One worker over one journal and one evidence file."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._follow: bool = options.follow
        self._pause: Path = options.evidence.with_name(options.evidence.name + ".pause")
        self._timeout: float = options.timeout
        self._stop = threading.Event()
        _lower_priority(options.memory_mb)
        self._lock = _sole(options.evidence)
        self._evidence = Evidence(options.evidence)
        self._watchdog = _watchdog_file(options.evidence)
        marker = Marker(options.evidence.with_name(options.evidence.name + ".marker"))
        if marker.left is not None and marker.left[2] >= 0:
            self._evidence.suspect(*marker.left, "TIMEOUT" if self._watchdog.tell() else "PANIC")
        self._watchdog.truncate(0)
        calendar = SessionCalendar.shipped()
        found = [load(name, calendar, spec) for name, spec in _named(options.candidate)]
        self._missing = [reason for reason in found if isinstance(reason, str)]
        clock = SystemClock()
        self._comparison = Comparison(
            self._evidence, calendar, control(calendar), [c for c in found if isinstance(c, Candidate)], marker,
            options.fixtures or options.evidence.with_name("fixtures"), monotonic_ns, clock.host_now,
        )  # fmt: skip
        self._reader = JournalReader(options.journal, self._evidence.place())
        self._progress = progress(self._evidence)

    def run(self) -> int:
        """Read to the end, once or until told to stop; being told to stop, it still reads what is there."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        while not self._stop.is_set():
            self._look()
            if not self._follow:
                break
            self._stop.wait(POLL_S)
        if self._follow:
            self._look(LAST_READ_NS)
        self._say("ended")
        self._evidence.close()
        return 0

    def _look(self, budget_ns: int | None = None) -> None:
        if self._pause.exists():
            self._say("paused")
            return
        if self._read(budget_ns):
            self._comparison.publish_tail()
            self._progress = progress(self._evidence)
        self._say("following")

    def _read(self, budget_ns: int | None) -> bool:
        seen, started = 0, monotonic_ns()
        for entry in self._reader.entries():
            faulthandler.dump_traceback_later(self._timeout, exit=True, file=self._watchdog)
            self._comparison.feed(entry)
            seen += 1
            if self._interrupted(budget_ns, seen, monotonic_ns() - started):
                break
        faulthandler.cancel_dump_traceback_later()
        return seen > 0

    def _interrupted(self, budget_ns: int | None, seen: int, taken_ns: int) -> bool:
        if budget_ns is not None:
            return taken_ns > budget_ns
        paused = seen % ENTRIES_PER_LOOK == 0 and self._follow and self._pause.exists()
        return paused or self._stop.is_set()

    def _say(self, state: str) -> None:
        status: dict[str, Any] = {
            "pid": os.getpid(), "state": state, "behind_bytes": self._reader.behind(),
            "torn": self._reader.torn, "missing": self._missing, "candidates": self._progress,
        }  # fmt: skip
        self._evidence.set_meta("worker", msgspec.json.encode(status))


def progress(evidence: Evidence) -> dict[str, Any]:
    """Per candidate its outcomes and episodes, for whoever watches."""
    return {
        pair["candidate"]: {"outcomes": evidence.outcomes(pair["id"]), **evidence.ledgers(pair["id"])["all"]}
        for pair in current_pairs(evidence, COMPONENT)
        if pair["candidate"] != "control"
    }


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m shadow.worker", description="Compare candidates over a journal."
    )
    parser.add_argument("--journal", type=Path, required=True, help="folder of journal segments")
    parser.add_argument("--evidence", type=Path, required=True, help="SQLite file to write")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--once", dest="follow", action="store_false", help="read what is there, then end")
    mode.add_argument(
        "--follow", dest="follow", action="store_true", default=True, help="go on reading (default)"
    )
    parser.add_argument(
        "--candidate", action="append", metavar="NAME[=MODULE:CLASS]", help="default: cython, rust"
    )
    parser.add_argument("--fixtures", type=Path, help="folder for fixtures (default: beside the evidence)")
    parser.add_argument(
        "--timeout", type=float, default=30.0, help="seconds after which a hanging candidate ends it"
    )
    parser.add_argument("--memory-mb", type=int, default=2048, help="limit of the address space, 0 for none")
    return parser.parse_args(arguments)


def _named(given: Sequence[str] | None) -> list[tuple[str, str | None]]:
    return [(name, spec or None) for name, _, spec in (text.partition("=") for text in given or FACES)]


def _lower_priority(memory_mb: int) -> None:
    with suppress(OSError, AttributeError):
        os.nice(10)
    with suppress(ImportError, OSError, ValueError):
        import resource

        if memory_mb:
            resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))


def _sole(evidence: Path) -> TextIO:
    """Hold the evidence for this process; a second worker would count everything twice."""
    evidence.parent.mkdir(parents=True, exist_ok=True)
    file = evidence.with_name(evidence.name + ".lock").open("a")
    with suppress(ImportError):
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            raise BotError(
                "shadow worker", expected="one per evidence file", seen="another one running"
            ) from problem
    return file


def _watchdog_file(evidence: Path) -> TextIO:
    return evidence.with_name(evidence.name + ".watchdog").open("a+")


if __name__ == "__main__":
    sys.exit(main())
