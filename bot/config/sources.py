"""Where settings come from: TOML files with their lines, `.env` files, and the places to look."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bot.model.errors import ConfigError

APPLICATION = "topstepx-trading-bot"
_TABLE = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\"'-]+(?:\s*\.\s*[A-Za-z0-9_\"'-]+)*)\s*=")
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$")


def files(given: list[Path] | None, folder: Path, env: Mapping[str, str]) -> list[Path]:
    """The TOML files to read: those that were given, else `bot.toml` here, else the user's."""
    if given:
        return given
    for candidate in (folder / "bot.toml", config_folder(env) / "bot.toml"):
        if candidate.is_file():
            return [candidate]
    return []


def read_toml(path: Path) -> dict[str, Any]:
    """The document. Raises ConfigError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "configuration file", expected="a file that exists", seen=str(path), do="correct --config"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        # The text of the file is not repeated: it may hold a secret.
        raise ConfigError(f"{path}: {problem}", do="correct the file") from None


def leaves(
    document: Mapping[str, Any], tables: frozenset[str], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Dotted paths and values; a table is entered only when it is one of `tables`."""
    for key, value in document.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and path in tables:
            yield from leaves(value, tables, f"{path}.")
        else:
            yield path, value


def line_of(text: str, path: str) -> int | None:
    """The line (from 1) on which a dotted path is set."""
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _TABLE.match(line):
            table = _plain(found[1])
            if table == path:
                return number
        elif found := _KEY.match(line):
            key = _plain(found[1])
            full = f"{table}.{key}" if table else key
            if full == path or path.startswith(f"{full}."):
                return number
    return None


def read_env_file(path: Path) -> dict[str, str]:
    """Variables of a `.env` file; `#` inside quotes, or without a space before it, belongs to the value.

    Raises ConfigError, which names the line and not its content.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path}: {type(problem).__name__}", do="make it readable text") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        assignment = _LINE.match(line)
        value = _unquoted(assignment[2]) if assignment else None
        if assignment is None or value is None:
            raise ConfigError(
                f"{path}:{number}", expected="NAME=value, quotes closed", seen="another line", do="correct it"
            )
        found[assignment[1]] = value
    return found


def config_folder(env: Mapping[str, str]) -> Path:
    """The user's configuration folder."""
    return _folder(env, "XDG_CONFIG_HOME", ".config")


def state_folder(env: Mapping[str, str]) -> Path:
    """The user's state folder."""
    return _folder(env, "XDG_STATE_HOME", ".local/state")


def _folder(env: Mapping[str, str], variable: str, default: str) -> Path:
    home = Path(env.get("HOME") or env.get("USERPROFILE") or "~").expanduser()
    if sys.platform == "win32":
        return Path(env.get("LOCALAPPDATA") or home / "AppData/Local") / APPLICATION
    if sys.platform == "darwin":
        return home / "Library/Application Support" / APPLICATION
    return Path(env.get(variable) or home / default) / APPLICATION


def _unquoted(text: str) -> str | None:
    text = text.strip()
    if text[:1] in {'"', "'"}:
        end = text.find(text[0], 1)
        rest = text[end + 1 :].strip()
        return text[1:end] if end > 0 and (not rest or rest.startswith("#")) else None
    return re.split(r"\s+#", text, maxsplit=1)[0].strip() if not text.startswith("#") else ""


def _plain(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))
