"""The evidence: a SQLite file (WAL) that survives restarts and does not depend on the bot's database.

Evidence belongs to a pair of builds, the candidate's and the authority's. What a worker learns between two
snapshots of the authority is committed in one transaction together with its place in the journal, so that a
killed worker loses and repeats nothing. What lies behind the last snapshot is kept as a `tail` that the next
commit replaces.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from bot.latency import Histogram
from bot.migration.records import SegmentHead
from bot.model.errors import StoreCorrupt
from shadow.candidates import Candidate
from shadow.episodes import Episode
from shadow.outcomes import Difference, zeroed
from shadow.reader import Place

VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB);
CREATE TABLE IF NOT EXISTS runs (run INTEGER PRIMARY KEY, ledger TEXT, venue TEXT, seq INTEGER);
CREATE TABLE IF NOT EXISTS pairs (
  id INTEGER PRIMARY KEY, component TEXT, candidate TEXT, build TEXT, authority TEXT, ordinal INTEGER,
  UNIQUE (component, candidate, build, authority));
CREATE TABLE IF NOT EXISTS counts (
  pair INTEGER, ledger TEXT, op TEXT, outcome TEXT, tail INTEGER, n INTEGER,
  PRIMARY KEY (pair, ledger, op, outcome, tail)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS episodes (
  pair INTEGER, ledger TEXT, digest BLOB, stratum TEXT, start INTEGER, clean INTEGER, critical INTEGER, tail INTEGER,
  PRIMARY KEY (pair, ledger, digest, tail)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS faults (
  pair INTEGER, signature TEXT, klass TEXT, path TEXT, expected TEXT, seen TEXT, op TEXT, outcome TEXT,
  critical INTEGER, run INTEGER, seq INTEGER, n INTEGER, fixture TEXT, tail INTEGER,
  PRIMARY KEY (pair, signature, tail)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latencies (
  pair INTEGER, who TEXT, op TEXT, phase TEXT, buckets BLOB, maximum INTEGER,
  PRIMARY KEY (pair, who, op, phase)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS minutes (
  ledger TEXT, venue TEXT, day TEXT, minute INTEGER, PRIMARY KEY (ledger, venue, day, minute)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS suspects (
  candidate TEXT, run INTEGER, seq INTEGER, deaths INTEGER, outcome TEXT, PRIMARY KEY (candidate, run, seq));
"""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A difference that starts an episode of its own."""

    outcome: str
    signature: str
    difference: Difference
    op: str
    seq: int
    critical: bool
    digest: bytes
    stratum: str
    start: int
    fixture: str = ""


class LaneSpan(msgspec.Struct):
    """What one candidate did since the last snapshot. Latencies are keyed by (who, op, phase)."""

    counts: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    episodes: list[Episode] = []
    faults: list[Fault] = []
    latencies: dict[tuple[str, str, str], Histogram] = {}


class Commit(msgspec.Struct, kw_only=True):
    """All that is learned up to call `seq` (exclusive) of a run. `pending` = open episodes."""

    run: SegmentHead
    seq: int
    place: Place
    pending: bytes
    lanes: dict[int, LaneSpan]
    minutes: set[tuple[str, int]]
    stats: dict[str, int]
    at: int


class Evidence:
    """Opens (and creates) an evidence file. Raises StoreCorrupt for another file or a newer version."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        try:
            if read_only:
                self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._db = sqlite3.connect(path, isolation_level=None, timeout=5)
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.executescript(_SCHEMA)
                self._db.execute("INSERT OR IGNORE INTO meta VALUES ('version', ?)", (VERSION,))
            seen = self.meta("version")
        except sqlite3.DatabaseError as problem:
            raise StoreCorrupt(
                f"evidence file {path.name}", expected="a SQLite file of evidence", seen=str(problem),
                do="start the worker, or move the file away",
            ) from problem  # fmt: skip
        if seen != VERSION:
            raise StoreCorrupt(f"evidence file {path.name}", expected=f"version {VERSION}", seen=seen)

    def close(self) -> None:
        self._db.close()

    # --- writing (the worker) ---

    def pair(self, component: str, candidate: Candidate, authority: str) -> int:
        """The id of a pair of builds; a build of the candidate never seen before gets the next ordinal."""
        with self._transaction():
            key = (component, candidate.name, candidate.build, authority)
            found = self._one(
                "SELECT id FROM pairs WHERE (component, candidate, build, authority) = (?,?,?,?)", key
            )
            if found is None:
                ordinal = self._one(
                    "SELECT ordinal FROM pairs WHERE (component, candidate, build) = (?,?,?)", key[:3]
                ) or 1 + self._one(
                    "SELECT count(DISTINCT build) FROM pairs WHERE (component, candidate) = (?,?)", key[:2]
                )
                found = self._db.execute(
                    "INSERT INTO pairs (component, candidate, build, authority, ordinal) VALUES (?,?,?,?,?)",
                    (*key, ordinal),
                ).lastrowid
            return int(found)

    def commit(self, commit: Commit, *, tail: bool = False) -> None:
        """Write one span (and forget the old tail). A `tail` moves neither the place nor the run."""
        with self._transaction():
            for table in ("counts", "episodes", "faults"):
                self._db.execute(f"DELETE FROM {table} WHERE tail = 1")  # noqa: S608 - three fixed names
            for pair, span in commit.lanes.items():
                self._write_lane(pair, span, commit.run, int(tail))
            self._set("last_at", commit.at)
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('first_at', ?)", (commit.at,))
            self._set("stats", msgspec.json.encode(commit.stats))
            if tail:
                return
            self._db.executemany(
                "INSERT OR IGNORE INTO minutes VALUES (?,?,?,?)",
                [(commit.run.ledger, commit.run.venue, day, minute) for day, minute in commit.minutes],
            )
            self._set("place", msgspec.json.encode(commit.place))
            self._set("pending", commit.pending)
            self._db.execute(
                "INSERT OR REPLACE INTO runs VALUES (?,?,?,?)",
                (commit.run.run, commit.run.ledger, commit.run.venue, commit.seq),
            )

    def set_meta(self, key: str, value: Any) -> None:
        """Keep one value, e.g. the worker's own state."""
        with self._transaction():
            self._set(key, value)

    def suspect(self, candidate: str, run: int, seq: int, outcome: str) -> None:
        """A worker died while this candidate ran this call."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO suspects VALUES (?,?,?,1,?) ON CONFLICT DO UPDATE SET deaths = deaths + 1, outcome = ?",
                (candidate, run, seq, outcome, outcome),
            )

    def _write_lane(self, pair: int, span: LaneSpan, run: SegmentHead, tail: int) -> None:
        self._db.executemany(
            "INSERT INTO counts VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
            [(pair, run.ledger, op, outcome, tail, n) for (op, outcome), n in span.counts.items()],
        )
        rows = [(pair, run.ledger, e.digest, e.stratum, e.start, 1, 0, tail) for e in span.episodes]
        rows += [
            (pair, run.ledger, f.digest, f.stratum, f.start, 0, int(f.critical), tail) for f in span.faults
        ]
        self._db.executemany(
            "INSERT INTO episodes VALUES (?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET "
            "clean = min(clean, excluded.clean), critical = max(critical, excluded.critical)",
            rows,
        )
        for f in span.faults:
            d = f.difference
            self._db.execute(
                "INSERT INTO faults VALUES (?,?,?,?,?,?,?,?,?,?,?,1,?,?) ON CONFLICT DO UPDATE SET n = n + 1",
                (pair, f.signature, d.klass, d.path, d.expected, d.seen, f.op, f.outcome, int(f.critical),
                 run.run, f.seq, f.fixture, tail),
            )  # fmt: skip
        if not tail:
            for (who, op, phase), histogram in span.latencies.items():
                merged = self.latency(pair, who, op, phase)
                merged.merge(histogram)
                packed = msgspec.msgpack.encode(merged.buckets())
                self._db.execute(
                    "INSERT OR REPLACE INTO latencies VALUES (?,?,?,?,?,?)",
                    (pair, who, op, phase, packed, merged.maximum),
                )

    # --- reading (the worker's start, and reports) ---

    def meta(self, key: str) -> Any:
        """One kept value, None when there is none."""
        return self._one("SELECT value FROM meta WHERE key = ?", (key,))

    def place(self) -> Place | None:
        """Where the last commit lies in the journal."""
        raw = self.meta("place")
        return None if raw is None else msgspec.json.decode(raw, type=Place)

    def committed(self, run: int) -> int:
        """Calls of a run below this number are in the evidence."""
        return int(self._one("SELECT seq FROM runs WHERE run = ?", (run,)) or 0)

    def suspects(self) -> dict[tuple[str, int, int], tuple[int, str]]:
        """`(candidate, run, seq)` to how many workers died there, and as what that counts."""
        rows = self._db.execute("SELECT candidate, run, seq, deaths, outcome FROM suspects")
        return {(c, run, seq): (deaths, outcome) for c, run, seq, deaths, outcome in rows}

    def pairs(self, component: str) -> list[dict[str, Any]]:
        """All pairs of builds, oldest first."""
        return self._rows("SELECT * FROM pairs WHERE component = ? ORDER BY id", (component,))

    def counts(self, pair: int) -> dict[str, dict[str, int]]:
        """Outcomes per operation, every outcome present."""
        found: dict[str, dict[str, int]] = {}
        for op, outcome, n in self._db.execute(
            "SELECT op, outcome, sum(n) FROM counts WHERE pair = ? GROUP BY op, outcome ORDER BY op", (pair,)
        ):
            found.setdefault(op, zeroed())[outcome] = n
        return found

    def outcomes(self, pair: int) -> dict[str, int]:
        """Outcomes over all operations, every outcome present."""
        rows = self._db.execute("SELECT outcome, sum(n) FROM counts WHERE pair = ? GROUP BY outcome", (pair,))
        return zeroed() | dict(rows.fetchall())

    def ledgers(self, pair: int) -> dict[str, dict[str, int]]:
        """Per ledger: `episodes`, `faults`, `critical`; `all` counts a digest of both ledgers once."""
        sql = (
            "SELECT count(*), coalesce(sum(1 - clean), 0), coalesce(sum(critical), 0) FROM "
            "(SELECT min(clean) clean, max(critical) critical FROM episodes WHERE pair = ? {} GROUP BY digest)"
        )
        names = ("episodes", "faults", "critical")
        result = {"all": dict(zip(names, self._db.execute(sql.format(""), (pair,)).fetchone(), strict=True))}
        for ledger in ("rehearsed", "live"):
            row = self._db.execute(sql.format("AND ledger = ?"), (pair, ledger)).fetchone()
            result[ledger] = dict(zip(names, row, strict=True))
        return result

    def strata(self, pair: int) -> list[dict[str, Any]]:
        """Per stratum: episodes (each digest once), faults and the ledgers' own counts."""
        return self._rows(
            "SELECT stratum, count(DISTINCT digest) episodes, count(DISTINCT CASE WHEN clean = 0 THEN digest END) "
            "faults, count(DISTINCT CASE WHEN ledger = 'rehearsed' THEN digest END) rehearsed, "
            "count(DISTINCT CASE WHEN ledger = 'live' THEN digest END) live "
            "FROM episodes WHERE pair = ? GROUP BY stratum ORDER BY stratum",
            (pair,),
        )

    def faults(self, pair: int) -> list[dict[str, Any]]:
        """Signatures, the most frequent first."""
        return self._rows(
            "SELECT signature, klass, path, expected, seen, op, outcome, critical, run, min(seq) seq, sum(n) n, "
            "max(fixture) fixture FROM faults WHERE pair = ? GROUP BY signature ORDER BY n DESC, signature",
            (pair,),
        )

    def latency(self, pair: int, who: str, op: str, phase: str) -> Histogram:
        """One merged histogram; empty when nothing was measured."""
        row = self._db.execute(
            "SELECT buckets, maximum FROM latencies WHERE (pair, who, op, phase) = (?,?,?,?)",
            (pair, who, op, phase),
        ).fetchone()
        if row is None:
            return Histogram()
        return Histogram.of(msgspec.msgpack.decode(row[0], type=dict[int, int]), row[1])

    def sessions(self, ledger: str) -> list[dict[str, Any]]:
        """Connected minutes of open venue time per trading day and venue."""
        return self._rows(
            "SELECT day, venue, count(*) minutes FROM minutes WHERE ledger = ? GROUP BY day, venue ORDER BY day",
            (ledger,),
        )

    def stats(self) -> dict[str, int]:
        """The journal's counters as of the last snapshot."""
        raw = self.meta("stats")
        return {} if raw is None else msgspec.json.decode(raw, type=dict[str, int])

    def _set(self, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def _one(self, sql: str, values: tuple[Any, ...]) -> Any:
        row = self._db.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def _rows(self, sql: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
        cursor = self._db.execute(sql, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
