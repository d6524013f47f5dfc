"""All settings of a run: read, checked as a whole, each with its origin (bot.md §3)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, get_type_hints
from urllib.parse import quote, urlsplit

import msgspec

from bot.config import checks, environment, sections, sources
from bot.config.environment import Setting
from bot.config.nearness import hint
from bot.config.strategy_keys import READERS
from bot.config.strategy_keys import SECTION as STRATEGY
from bot.config.values import BadValue, read
from bot.model.errors import ConfigError
from bot.model.secret import Secret


class Settings(sections.Section, frozen=True, kw_only=True):
    """The effective values. `origins` says for each dotted path where it comes from."""

    auth: sections.Auth = sections.Auth()
    gateway: sections.Gateway = sections.Gateway()
    accounts: sections.Accounts = sections.Accounts()
    trading: sections.Trading = sections.Trading()
    orders: sections.Orders = sections.Orders()
    protection: sections.Protection = sections.Protection()
    flatten: sections.Flatten = sections.Flatten()
    risk: sections.Risk = sections.Risk()
    session: sections.Session = sections.Session()
    strategies: sections.Strategies = sections.Strategies()
    database: sections.Database = sections.Database()
    server: sections.Server = sections.Server()
    shutdown: sections.Shutdown = sections.Shutdown()
    state: sections.State = sections.State()
    log: sections.Log = sections.Log()
    paper: sections.Paper = sections.Paper()
    config: sections.Config = sections.Config()
    origins: Mapping[str, str] = {}
    warnings: tuple[str, ...] = ()

    @property
    def state_folder(self) -> Path:
        assert self.state.folder is not None
        return self.state.folder

    def database_dsn(self) -> Secret | None:
        """The DSN of an external server, None for the embedded one."""
        if self.database.mode == "embedded":
            return None
        if self.database.url is not None:
            return self.database.url
        password = f":{quote(self.database.password.reveal(), safe='')}" if self.database.password else ""
        user = quote(self.database.user, safe="")
        return Secret(
            f"postgresql://{user}{password}@{self.database.host}:{self.database.port}/{self.database.db}"
        )

    def secrets(self) -> list[str]:
        """The texts that no log may hold, among them the password inside a DSN."""
        texts = [value.reveal() for value in values_of(self).values() if isinstance(value, Secret)]
        dsn = self.database_dsn()
        if dsn is not None:
            texts.append(dsn.reveal())
            if password := urlsplit(dsn.reveal()).password:
                texts.append(password)
        return texts


def load(
    files: Sequence[Path] | None = None,
    env: Mapping[str, str] | None = None,
    cli: Mapping[str, Any] | None = None,
    *,
    folder: Path | None = None,
) -> Settings:
    """Read all sources, later ones win: defaults, TOML, environment (`.env` below it), command line.

    `cli` maps dotted paths to values; `folder` is the working directory. Raises ConfigError with every
    problem, one a line.
    """
    folder = folder or Path.cwd()
    env = os.environ if env is None else env
    errors: list[str] = []
    layers = [_from_toml(path, errors) for path in sources.files(list(files or ()), folder, env)]
    dotenv = sources.read_env_file(folder / ".env")
    variables = {**dotenv, **env}
    names = {name: ".env" for name in dotenv if name not in env}
    reading = environment.read(variables, names, [*KINDS, *(f"{path}_file" for path in SECRETS)])
    layers.append(reading.settings)
    layers.append(_from_cli(cli or {}, errors))
    values, origins = _merged(layers, errors)
    warnings = list(reading.notes)
    if values.get("config.strict_env", True):
        errors += reading.unknown
    else:
        warnings += reading.unknown
    errors += reading.errors
    _fill(values, origins, env)
    settings = _built(values, origins, warnings)
    errors += checks.problems(settings, values_of(settings))
    if errors:
        raise ConfigError("configuration:\n  " + "\n  ".join(dict.fromkeys(errors)))
    return settings


def _kinds() -> tuple[dict[str, Any], frozenset[str]]:
    kinds: dict[str, Any] = {}
    tables: set[str] = set()

    def walk(section: type[msgspec.Struct], prefix: str) -> None:
        for name, kind in get_type_hints(section).items():
            path = f"{prefix}{name}"
            if isinstance(kind, type) and issubclass(kind, sections.Section):
                tables.add(path)
                walk(kind, f"{path}.")
            elif path not in {"origins", "warnings"}:
                kinds[path] = kind

    walk(Settings, "")
    del kinds[STRATEGY]
    tables.add(STRATEGY)
    kinds.update(dict.fromkeys((f"{STRATEGY}.{key}" for key in READERS), None))
    return kinds, frozenset(tables)


KINDS, TABLES = _kinds()
SECRETS: Final = frozenset(path for path, kind in KINDS.items() if kind in (Secret, Secret | None))


def _from_toml(path: Path, errors: list[str]) -> list[Setting]:
    document = sources.read_toml(path)
    text = path.read_text(encoding="utf-8")
    found = []
    for name, raw in sources.leaves(document, TABLES):
        line = sources.line_of(text, name)
        origin = f"{path}:{line}" if line else str(path)
        target = name.removesuffix("_file")
        if name in SECRETS and not (name == "database.url" and _no_password(raw)):
            errors.append(f"{origin}: {name} is a secret: use {environment.native(name)} or {name}_file")
        elif name in KINDS or (name.endswith("_file") and target in SECRETS):
            found.append(Setting(name, raw, origin))
        else:
            errors.append(f"{origin}: no such key {name}; {_suggestion(name)}".rstrip("; "))
    return found


def _from_cli(given: Mapping[str, Any], errors: list[str]) -> list[Setting]:
    found = []
    for name, raw in given.items():
        if name in SECRETS:
            errors.append(f"command line: {name} is a secret, visible to other users there; use {name}_file")
        elif name in KINDS or (name.endswith("_file") and name.removesuffix("_file") in SECRETS):
            found.append(Setting(name, raw, "command line"))
        else:
            errors.append(f"command line: no such key {name}; {_suggestion(name)}".rstrip("; "))
    return found


def _suggestion(name: str) -> str:
    table = name.rpartition(".")[0]
    siblings = [path for path in (*KINDS, *TABLES) if path.rpartition(".")[0] == table]
    return hint(name, siblings) or hint(name, [*KINDS, *TABLES])


def _merged(layers: list[list[Setting]], errors: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        here: dict[str, tuple[Any, str]] = {}
        for setting in sorted(layer, key=lambda setting: setting.weak):
            path = setting.path if setting.path in KINDS else setting.path.removesuffix("_file")
            try:
                raw = setting.raw if path == setting.path else _secret_file(setting.raw)
                value = (
                    READERS[path.rsplit(".", 1)[1]](raw) if KINDS[path] is None else read(KINDS[path], raw)
                )
            except BadValue as expected:
                seen = "" if path in SECRETS else f", got {setting.raw!r}"
                errors.append(f"{setting.origin}: {path}: expected {expected}{seen}")
                continue
            if path not in here:
                here[path] = value, setting.origin
            elif not setting.weak and here[path][0] != value:
                errors.append(f"{path}: {here[path][1]} and {setting.origin} say different things; unset one")
        for path, (value, origin) in here.items():
            values[path], origins[path] = value, origin
    return values, origins


def _secret_file(raw: Any) -> str:
    path = Path(str(raw)).expanduser()
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise BadValue(f"a readable file ({type(problem).__name__})") from None
    if os.name == "posix" and mode & 0o077:
        raise BadValue(f"a file that only its owner can read; run: chmod 600 {path}")
    if not text:
        raise BadValue("a file that is not empty")
    return text


def _fill(values: dict[str, Any], origins: dict[str, str], env: Mapping[str, str]) -> None:
    if values.get("gateway.profile", "topstepx") == "topstepx":
        for key, url in (
            ("rest_url", sections.REST_URL), ("user_hub_url", sections.USER_HUB_URL),
            ("market_hub_url", sections.MARKET_HUB_URL),
        ):  # fmt: skip
            values.setdefault(f"gateway.{key}", url)
    if "database.mode" not in values and ("database.url" in values or "database.host" in values):
        values["database.mode"] = "external"
        origins["database.mode"] = origins.get("database.url") or origins["database.host"]
    values.setdefault("state.folder", sources.state_folder(env))


def _built(values: Mapping[str, Any], origins: dict[str, str], warnings: list[str]) -> Settings:
    def build(section: type[msgspec.Struct], prefix: str) -> Any:
        arguments: dict[str, Any] = {}
        for name, kind in get_type_hints(section).items():
            path = f"{prefix}{name}"
            if isinstance(kind, type) and issubclass(kind, sections.Section):
                arguments[name] = build(kind, f"{path}.")
            elif path == STRATEGY:
                arguments[name] = {
                    key: values[f"{path}.{key}"] for key in READERS if f"{path}.{key}" in values
                }
            elif path in values:
                arguments[name] = values[path]
        return section(**arguments)

    built: Settings = build(Settings, "")
    return msgspec.structs.replace(built, origins=MappingProxyType(origins), warnings=tuple(warnings))


def _no_password(raw: Any) -> bool:
    try:
        return isinstance(raw, str) and urlsplit(raw).password is None and "password" not in raw
    except ValueError:
        return False


def values_of(section: msgspec.Struct, prefix: str = "") -> dict[str, Any]:
    """Every value by its dotted path; strategy keys only where they were set."""
    found: dict[str, Any] = {}
    for name in section.__struct_fields__:
        value, path = getattr(section, name), f"{prefix}{name}"
        if isinstance(value, sections.Section):
            found.update(values_of(value, f"{path}."))
        elif path == STRATEGY:
            found.update({f"{path}.{key}": item for key, item in value.items()})
        elif path not in {"origins", "warnings"}:
            found[path] = value
    return found
