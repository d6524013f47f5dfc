"""Schema migrations: numbered SQL files, forward only, each with the checksum of its text (bot.md §20.3)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from bot.model.errors import StoreCorrupt

_NAME = re.compile(r"(\d{3})_([a-z0-9_]+)\.sql", re.ASCII)
LOCK_KEY = 0x7462_6F74
LOCK = f"SELECT pg_advisory_xact_lock({LOCK_KEY})"
CREATE = (
    "CREATE TABLE IF NOT EXISTS schema_migrations ("
    "version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz DEFAULT now())"
)
EXISTS = "SELECT to_regclass('schema_migrations') IS NOT NULL"
APPLIED = "SELECT version, checksum FROM schema_migrations ORDER BY version"
RECORD = "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)"


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


@lru_cache(maxsize=1)
def shipped() -> tuple[Migration, ...]:
    """The migrations of this version of the bot, in order and without gaps."""
    found: list[Migration] = []
    for path in sorted((Path(__file__).parent / "migrations").glob("*.sql")):
        name = _NAME.fullmatch(path.name)
        if name is None or int(name[1]) != len(found) + 1:
            raise StoreCorrupt("migration file", expected=f"{len(found) + 1:03d}_<name>.sql", seen=path.name)
        found.append(Migration(int(name[1]), name[2], path.read_text()))
    return tuple(found)


def pending(migrations: tuple[Migration, ...], applied: Mapping[int, str]) -> list[Migration]:
    """What is still to be run. Raises StoreCorrupt when the database is newer or another one."""
    newest = migrations[-1].version if migrations else 0
    for version, checksum in applied.items():
        if version > newest:
            raise StoreCorrupt(
                "database schema", expected=f"version {newest} or older", seen=version,
                do="use the bot version that made it; nothing was changed",
            )  # fmt: skip
        if migrations[version - 1].checksum != checksum:
            raise StoreCorrupt(
                f"migration {version}", expected="the text it had when it was applied", seen=checksum[:12],
                do="restore the shipped file; the schema is not what this version expects",
            )  # fmt: skip
    return [migration for migration in migrations if migration.version not in applied]
