"""YAML text to plain data with the place of each value. Times of day and dates stay text."""

from __future__ import annotations

import re
from typing import Any

import yaml

from bot.paper.script.errors import Mark, Path, ScriptError, Source

LARGEST = 1_000_000
"""Characters of a script."""

_WHOLE = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def load(text: str, name: str) -> tuple[Any, Source]:
    """The document of a YAML text. Raises ScriptError with line and column where it is no YAML."""
    if len(text) > LARGEST:
        raise ScriptError(
            name, expected=f"at most {LARGEST} characters", seen=len(text), do="split the script"
        )
    marks: dict[Path, Mark] = {}
    source = Source(name, marks)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as problem:
        where = problem.problem_mark or problem.context_mark
        place = name if where is None else f"{name}, line {where.line + 1}, column {where.column + 1}"
        raise ScriptError(
            place, expected="YAML", seen=problem.problem or "nothing", do="correct the text at this place"
        ) from problem
    except yaml.YAMLError as problem:
        raise ScriptError(
            name, expected="YAML text", seen=str(problem), do="remove the odd characters"
        ) from problem
    if node is None:
        return None, source
    return _value(node, (), source, marks, set()), source


def _value(node: yaml.Node, path: Path, source: Source, marks: dict[Path, Mark], above: set[int]) -> Any:
    marks.setdefault(path, Mark(node.start_mark.line + 1, node.start_mark.column + 1))
    if id(node) in above:
        raise ScriptError(source.place(path), expected="a finite document", seen="an alias of what it is in")
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    inside = above | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, n), source, marks, inside) for n, item in enumerate(node.value)]
    found: dict[str, Any] = {}
    for key, value in node.value:
        place = f"{source.name}, line {key.start_mark.line + 1}, column {key.start_mark.column + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise ScriptError(place, expected="a name", seen="a list or a mapping", do="write `name: value`")
        if key.value in found:
            raise ScriptError(place, expected="each name once", seen=key.value, do="remove one of them")
        here = (*path, key.value)
        marks[(*here, "")] = Mark(key.start_mark.line + 1, key.start_mark.column + 1)
        found[key.value] = _value(value, here, source, marks, inside)
    return found


def _scalar(node: yaml.ScalarNode) -> Any:
    kind, text = node.tag.rsplit(":", 1)[-1], node.value
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("true", "yes", "on")
    if kind == "int" and _WHOLE.fullmatch(text):
        return int(text)
    if kind in ("int", "float") and _NUMBER.fullmatch(text):
        return float(text)
    return text
