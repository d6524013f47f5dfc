"""Options of the gateway as people write them: `name=value` texts and TOML values, read with typed errors."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from bot.model.errors import ConfigError
from bot.model.instruments import INSTRUMENTS
from bot.paper.options import PaperOptions

KINDS: Final[Mapping[str, Any]] = {
    field.name: get_type_hints(PaperOptions, include_extras=True)[field.name]
    for field in msgspec.structs.fields(PaperOptions)
}
_NONE: Final = "none"
_BOOLS: Final = {"true": True, "false": False}


def read_options(values: Mapping[str, Any]) -> PaperOptions:
    """Options from texts or TOML values by name, the rest by default. Raises ConfigError for the first bad one."""
    found = {}
    for name, raw in values.items():
        if name not in KINDS:
            near = get_close_matches(name, KINDS, n=3) or sorted(KINDS)
            raise ConfigError(
                f"paper option {name}",
                expected=f"one of {', '.join(near)}",
                seen=name,
                do="see the table of docs/paper-gateway.md",
            )
        found[name] = read_option(name, raw)
    return PaperOptions(**found)


def read_option(name: str, raw: Any) -> Any:
    """The value of one known option. Raises ConfigError."""
    kind = KINDS[name]
    try:
        value = msgspec.convert(_plain(kind, raw) if isinstance(raw, str) else raw, kind)
        if isinstance(value, dict) and not value.keys() <= INSTRUMENTS.keys():
            raise ValueError("a root that no instrument has")
    except (ValueError, msgspec.ValidationError) as problem:
        raise ConfigError(
            f"paper option {name}",
            expected=legal(kind),
            seen=raw,
            do=f"correct it, or leave it out for {shown(getattr(PaperOptions(), name)) or 'none'}",
        ) from problem
    return value


def split_option(text: str) -> tuple[str, str]:
    """`name=value` as its two halves. Raises ConfigError."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise ConfigError(
            "--option", expected="name=value, e.g. rate_window=fixed", seen=text, do="write the sign ="
        )
    return name.strip(), value.strip()


def legal(kind: Any) -> str:
    """What a value of this kind may be, in words."""
    if any(isinstance(part, msgspec.Meta) and part.pattern for part in get_args(kind)):
        return "a wall time such as 15:10:00"
    kind = _bare(kind)
    base, arguments = get_origin(kind), get_args(kind)
    if base in (Union, UnionType):
        return " or ".join(_NONE if part is NoneType else legal(part) for part in arguments)
    if base is Annotated:
        return f"a whole number of at least {_least(kind)}"
    if base is Literal:
        return " or ".join(str(value) for value in arguments)
    if base is tuple:
        return "texts between commas" if arguments[-1] is Ellipsis else "count/seconds such as 200/60"
    if base is dict:
        return "pairs such as MNQ:740000,ES:2800000"
    return {bool: "true or false", int: "a whole number", str: "text"}[kind]


def shown(value: Any) -> str:
    """A value as it is written."""
    if value is None:
        return _NONE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "/".join(map(str, value)) if value and isinstance(value[0], int) else ",".join(value)
    if isinstance(value, dict):
        return ",".join(f"{name}:{number}" for name, number in value.items())
    return str(value)


def _plain(kind: Any, text: str) -> Any:
    """The value that a text stands for. Raises ValueError."""
    kind = _bare(kind)
    base, arguments = get_origin(kind), get_args(kind)
    if base in (Union, UnionType):
        if text.lower() == _NONE:
            return None
        return _plain(next(part for part in arguments if part is not NoneType), text)
    if base is Literal:
        return next((value for value in arguments if str(value) == text), text)
    if base is tuple:
        parts = [part.strip() for part in text.split("," if arguments[-1] is Ellipsis else "/")]
        return (
            [part for part in parts if part] if arguments[-1] is Ellipsis else [int(part) for part in parts]
        )
    if base is dict:
        pairs = [pair.rpartition(":") for pair in text.split(",") if pair.strip()]
        return {root.strip().upper(): int(number) for root, _, number in pairs}
    if kind is bool:
        return _BOOLS.get(text.lower(), text)
    return text if kind is str else int(text)


def _bare(kind: Any) -> Any:
    """Without an annotation that adds nothing to be said."""
    return kind if get_origin(kind) is not Annotated or _least(kind) is not None else get_args(kind)[0]


def _least(kind: Any) -> int | None:
    bounds = (part.ge for part in get_args(kind)[1:] if isinstance(part, msgspec.Meta))
    return next((int(bound) for bound in bounds if bound is not None), None)
