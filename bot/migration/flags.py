"""The flags file: one small JSON document, replaced atomically, watched by inode and time of change.

It works with the database down. Every change, and every refused one, is a row of the append-only audit
file beside it. A file that cannot be read stops nothing: the last good flags stay in force, a process
that never saw good ones runs with every stage at off, and `alarm` says why.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from bot.clock import Clock
from bot.migration.stages import EFFECTS, EXECUTED, OFF, BadFlag, Flag, FlagRefused, check, rank
from bot.model.errors import BotError
from bot.model.times import format_ts

MAX_BYTES: Final = 64 * 1024


class FlagsCorrupt(BotError):
    """The flags file is not what it should be."""

    code = "FLAGS_CORRUPT"
    exit_code = 12


class FlagsDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's content; `epoch` counts changes."""

    version: int = 1
    epoch: int = 0
    components: dict[str, Flag] = {}

    def flag(self, component: str) -> Flag:
        return self.components.get(component, OFF)


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One change or refused change. `evidence` is what the gate said, `builds` the implementations' hashes."""

    at: str
    who: str
    component: str
    before: Flag
    after: Flag
    epoch: int
    reason: str
    result: str
    override: bool = False
    evidence: dict[str, Any] = {}
    builds: dict[str, str] = {}


class FlagsFile:
    """Reads, watches and changes the flags of one state folder."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.audit_path = path.with_name("flags-audit.jsonl")
        self._clock = clock
        self._current = FlagsDocument()
        self._stamp: tuple[int, int, int] | None = None
        self.alarm: str | None = None
        self.poll()

    @property
    def current(self) -> FlagsDocument:
        """The flags in force; never raises."""
        return self._current

    def poll(self) -> bool:
        """Look at the file; true when the flags in force changed. One `stat` when nothing did."""
        try:
            seen = self.path.stat()
        except FileNotFoundError:
            stamp = None
        except OSError as problem:
            self.alarm = f"flags file cannot be looked at: {problem}; the last good flags stay in force"
            return False
        else:
            stamp = (seen.st_ino, seen.st_mtime_ns, seen.st_size)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            document = self.load()
        except FlagsCorrupt as problem:
            self.alarm = f"{problem}; the last good flags stay in force"
            return False
        self.alarm = _not_executed(document)
        changed = document != self._current
        self._current = document
        return changed

    def load(self) -> FlagsDocument:
        """The file as it is now; a missing one is everything at off. Raises FlagsCorrupt."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return FlagsDocument()
        except OSError as problem:
            raise FlagsCorrupt(f"flags file {self.path.name}: {problem}") from problem
        try:
            if len(raw) > MAX_BYTES:
                raise FlagsCorrupt("flags file", expected=f"at most {MAX_BYTES} bytes", seen=len(raw))
            document = msgspec.json.decode(raw, type=FlagsDocument)
            for component, flag in document.components.items():
                check(component, flag)
        except (msgspec.MsgspecError, UnicodeDecodeError, BadFlag) as problem:
            raise FlagsCorrupt(
                f"flags file {self.path.name} cannot be read: {problem}",
                do="run `bot flags set <component> <stage>`, which keeps the bad file beside the new one",
            ) from problem
        return document

    def set(
        self, component: str, flag: Flag, *, who: str, reason: str = "", override: bool = False,
        gate: Mapping[str, Any] | None = None, builds: Mapping[str, str] | None = None,
    ) -> AuditRow:  # fmt: skip
        """Change one component's flag and write the audit row.

        `gate` is the verdict of the shadow gate (`passed`, `missing`). Raises BadFlag for an illegal
        combination and FlagRefused (exit 7) for canary and beyond; both leave the flags as they were.
        """
        check(component, flag)
        before = self._before_change()
        known = before.flag(component)
        common: dict[str, Any] = {
            "at": format_ts(self._clock.host_now(), max_digits=3), "who": who, "component": component,
            "before": known, "after": flag, "reason": reason, "override": override,
            "evidence": dict(gate or {}), "builds": dict(builds or {}),
        }  # fmt: skip
        refusal = _refusal(component, flag, gate, override=override, reason=reason)
        if refusal is not None:
            self._audit(AuditRow(**common, epoch=before.epoch, result=f"refused: {refusal}"))
            raise refusal
        row = AuditRow(**common, epoch=before.epoch + 1, result="changed")
        after = FlagsDocument(1, row.epoch, {**before.components, component: flag})
        self._audit(row)
        _replace(self.path, msgspec.json.format(msgspec.json.encode(after), indent=2) + b"\n")
        self.poll()
        return row

    def audit(self, limit: int = 100) -> list[AuditRow]:
        """The newest rows, oldest first; a torn last line is left out."""
        try:
            lines = self.audit_path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        rows = []
        for line in lines[-limit:]:
            with contextlib.suppress(msgspec.MsgspecError):
                rows.append(msgspec.json.decode(line, type=AuditRow))
        return rows

    def _before_change(self) -> FlagsDocument:
        """What the file says; a corrupt one is kept beside, and the audit says what was in force."""
        try:
            return self.load()
        except FlagsCorrupt:
            number = 1
            while (kept := self.path.with_name(f"{self.path.name}.corrupt-{number}")).exists():
                number += 1
            self.path.replace(kept)
            return self._from_audit()

    def _from_audit(self) -> FlagsDocument:
        document = FlagsDocument()
        for row in self.audit(limit=10_000):
            if row.result == "changed" and row.component in EFFECTS:
                document = FlagsDocument(1, row.epoch, {**document.components, row.component: row.after})
        return document

    def _audit(self, row: AuditRow) -> None:
        self.audit_path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.audit_path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, (b"\n" if torn else b"") + msgspec.json.encode(row) + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _not_executed(document: FlagsDocument) -> str | None:
    beyond = [
        f"{name} at {flag.stage}" for name, flag in document.components.items() if flag.stage not in EXECUTED
    ]
    if not beyond:
        return None
    return (
        f"{', '.join(beyond)}: this version executes off, replay and shadow only; Python stays the authority"
    )


def _refusal(
    component: str, flag: Flag, gate: Mapping[str, Any] | None, *, override: bool, reason: str
) -> FlagRefused | None:
    if rank(flag.stage) < rank("canary"):
        return None
    limit = (
        f"and this version executes {', '.join(EXECUTED)} only: {flag.stage} would not be carried out, "
        "so Python stays the authority"
    )
    if gate is not None and gate.get("passed"):
        return FlagRefused(
            f"{component}: {flag.stage} refused although the gate is passed, {limit}", do="stay in shadow"
        )
    if override:
        if not reason:
            return FlagRefused(f"{component}: an override", expected="--reason with a text", seen="none")
        return FlagRefused(
            f"{component}: {flag.stage} refused; the override and its reason are in the audit file, {limit}",
            do="stay in shadow",
        )
    missing = "; ".join((gate or {}).get("missing", ())) or "no evidence was handed in"
    return FlagRefused(
        f"{component}: {flag.stage} needs a passed gate ({missing}), {limit}",
        do=f"see `bot shadow report`, and keep {component} at shadow until it is passed",
    )


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(path)
    with contextlib.suppress(OSError):  # a folder cannot be synced on every platform
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
