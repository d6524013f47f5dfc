"""Field-by-field comparison: exact unless a field's spec says otherwise, every difference with its class.

A spec is `exact`, `ticks(n)` (integers at most n apart), `ulp(n)` (doubles at most n representable steps
apart), `set` (a list in any order) or `ignore` with a rule. Rules are debts: they have an owner, a reason,
an expiry and a budget, and may not touch what decides about money.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from shadow.outcomes import Difference

NEVER_IGNORED: Final = frozenset({"side", "size", "price", "account", "account_id", "panic"})


class IgnoreRule(msgspec.Struct, frozen=True, kw_only=True):
    """A difference that is accepted for now. `until` is a date `YYYY-MM-DD`, `budget` a number of calls."""

    name: str
    field: str
    owner: str
    reason: str
    until: str
    budget: int

    def __post_init__(self) -> None:
        last = self.field.rsplit(".", 1)[-1]
        if last in NEVER_IGNORED or not (self.owner and self.reason and self.until and self.budget > 0):
            raise ValueError(
                f"ignore rule {self.name}: expected owner, reason, expiry, a budget and none of "
                f"{', '.join(sorted(NEVER_IGNORED))}, got field {self.field!r}"
            )


class Spec(msgspec.Struct, frozen=True):
    """How one field is compared; `n` is the tolerance of `ticks` and `ulp`."""

    kind: str = "exact"
    n: int = 0
    rule: IgnoreRule | None = None


EXACT: Final = Spec()


class Comparison(msgspec.Struct):
    """The differences that count, and the names of the rules under which others were ignored."""

    differences: list[Difference]
    ignored: list[str]


def compare(expected: Any, seen: Any, path: str, specs: Mapping[str, Spec]) -> Comparison:
    """Compare two values of plain Python types and msgspec Structs, depth first."""
    result = Comparison([], [])
    _walk(expected, seen, path, specs, result)
    return result


def _walk(expected: Any, seen: Any, path: str, specs: Mapping[str, Spec], result: Comparison) -> None:
    spec = specs.get(path.rsplit(".", 1)[-1], EXACT)
    if spec.rule is not None:
        if expected != seen:
            result.ignored.append(spec.rule.name)
        return
    if type(expected) is not type(seen):
        _add(result, "type", path, type(expected).__name__, type(seen).__name__)
    elif isinstance(expected, msgspec.Struct):
        for name in expected.__struct_fields__:
            _walk(getattr(expected, name), getattr(seen, name), f"{path}.{name}", specs, result)
    elif isinstance(expected, Mapping):
        _mappings(expected, seen, path, specs, result)
    elif isinstance(expected, list | tuple):
        _lists(expected, seen, path, spec, specs, result)
    elif not _equal(expected, seen, spec):
        _add(result, "value", path, expected, seen)


def _mappings(
    expected: Mapping[Any, Any],
    seen: Mapping[Any, Any],
    path: str,
    specs: Mapping[str, Spec],
    result: Comparison,
) -> None:
    for key in expected:
        if key in seen:
            _walk(expected[key], seen[key], f"{path}[{key}]", specs, result)
        else:
            _add(result, "missing", f"{path}[{key}]", expected[key], "nothing")
    for key in seen:
        if key not in expected:
            _add(result, "extra", f"{path}[{key}]", "nothing", seen[key])
    if list(expected) != list(seen) and set(expected) == set(seen):
        _add(result, "order", path, list(expected), list(seen))


def _lists(
    expected: Sequence[Any], seen: Sequence[Any], path: str, spec: Spec, specs: Mapping[str, Spec],
    result: Comparison,
) -> None:  # fmt: skip
    if len(expected) != len(seen):
        _add(result, "length", path, len(expected), len(seen))
        for index, value in enumerate(expected[len(seen) :], len(seen)):
            _add(result, "missing", f"{path}[{index}]", value, "nothing")
        for index, value in enumerate(seen[len(expected) :], len(expected)):
            _add(result, "extra", f"{path}[{index}]", "nothing", value)
    elif expected != seen and sorted(map(repr, expected)) == sorted(map(repr, seen)):
        if spec.kind != "set":
            _add(result, "order", path, expected, seen)
        return
    for index, (one, other) in enumerate(zip(expected, seen, strict=False)):
        _walk(one, other, f"{path}[{index}]", specs, result)


def _equal(expected: Any, seen: Any, spec: Spec) -> bool:
    if spec.kind == "ticks":
        return bool(abs(expected - seen) <= spec.n)
    if isinstance(expected, float):
        if spec.kind != "ulp":
            return struct.pack("<d", expected) == struct.pack("<d", seen)  # -0.0 and NaN are told apart
        return abs(_ordered(expected) - _ordered(seen)) <= spec.n
    return bool(expected == seen)


def _ordered(value: float) -> int:
    bits: int = struct.unpack("<q", struct.pack("<d", value))[0]
    return bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)


def _add(result: Comparison, klass: str, path: str, expected: object, seen: object) -> None:
    result.differences.append(Difference(klass, path, _short(expected), _short(seen)))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
