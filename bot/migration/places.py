"""Where the migration keeps its files in a state folder; the bot, its commands and its reports look here."""

from __future__ import annotations

from pathlib import Path


def flags_path(state: Path) -> Path:
    return state / "flags.json"


def journal_folder(state: Path) -> Path:
    return state / "journal"


def evidence_path(state: Path) -> Path:
    return state / "evidence.sqlite"
