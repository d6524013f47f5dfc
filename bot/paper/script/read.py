"""From a file, a text or plain data to a typed script. The shape is checked here, the world in `check`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from bot.paper import members, verbs
from bot.paper.script.errors import Path, ScriptError, Source, wrong
from bot.paper.script.marked import load
from bot.paper.script.steps import EVENTS, FILTERS, Script, Step, When
from bot.paper.script.times import INSTANT, SPAN, instant, span

MOST_STEPS = 10_000
HEAD = ("name", "seed", "steps")
OWN = ("do", "at", "when", "after", "every", "times", "until", "for", "chance", "seed", "clock", "note")
LEGS = ("entry", "stop", "target")


def read(path: str | FilePath) -> tuple[Script, Source]:
    """The script of a YAML file. Raises ScriptError naming line and column."""
    path = FilePath(path)
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as problem:
        raise ScriptError(
            str(path), expected="a readable YAML file in UTF-8", seen=str(problem), do="check the path"
        ) from problem
    return parse(text, path.name)


def parse(text: str, name: str = "script") -> tuple[Script, Source]:
    """The script of a YAML text. Raises ScriptError."""
    data, source = load(text, name)
    return script_of(data, source), source


def script_of(data: object, source: Source | None = None) -> Script:
    """The script of plain data: `{name, seed, steps}` or the list of steps alone. Raises ScriptError."""
    source = source or Source()
    if isinstance(data, list):
        data = {"steps": data}
    if not isinstance(data, Mapping):
        raise wrong(source, (), expected="name, seed and steps, or a list of steps", seen=data)
    _known(source, (), data, HEAD)
    name, seed, steps = data.get("name", ""), data.get("seed", 0), data.get("steps")
    if not isinstance(name, str):
        raise wrong(source, ("name",), expected="a text", seen=name)
    if type(seed) is not int:
        raise wrong(source, ("seed",), expected="a whole number", seen=seed)
    if not isinstance(steps, list) or len(steps) > MOST_STEPS:
        raise wrong(source, ("steps",), expected=f"a list of at most {MOST_STEPS} steps", seen=_short(steps))
    parsed = tuple(_step(source, ("steps", number), row) for number, row in enumerate(steps))
    return Script(name=name, seed=seed, steps=parsed)


def _step(source: Source, path: Path, row: object) -> Step:
    if not isinstance(row, Mapping) or not all(isinstance(key, str) for key in row):
        raise wrong(
            source, path, expected="a step such as {at: 30s, do: hub.drop, hub: user}", seen=_short(row)
        )
    do = row.get("do")
    verb = verbs.VERBS.get(do) if isinstance(do, str) else None
    if verb is None:
        hint = _near(do, verbs.VERBS)
        raise wrong(
            source, (*path, "do") if "do" in row else path, expected="a verb of docs/faults.md", seen=do,
            do=hint or "choose one of " + ", ".join(verbs.VERBS),
        )  # fmt: skip
    _known(source, path, row, (*OWN, *(member.name for member in verb.takes)))
    parameters: dict[str, Any] = {}
    for member in verb.takes:
        if member.name in row:
            value = row[member.name]
            if not member.kind.fits(value):
                raise wrong(source, (*path, member.name), expected=member.kind.expected, seen=_short(value))
            parameters[member.name] = value
        elif member.required:
            raise wrong(
                source, path, expected=f"`{member.name}`, which {verb.name} needs ({member.kind.expected})",
                seen="nothing", do=f"add `{member.name}`: {member.means}",
            )  # fmt: skip
    at = _instant(source, path, row, "at", 0)
    lasts = _span(source, path, row, "for")
    if lasts is not None and not verb.arms:
        raise wrong(
            source, (*path, "for"), expected=f"no `for`, since {verb.name} acts at once", seen=row["for"],
            do="use `every` and `times` to repeat it",
        )  # fmt: skip
    every = _span(source, path, row, "every")
    if every is not None and every < 1_000_000:
        raise wrong(source, (*path, "every"), expected="at least 1ms", seen=row["every"])
    times = _whole(source, path, row, "times", least=1)
    when = _when(source, (*path, "when"), row["when"]) if "when" in row else None
    until = _instant(source, path, row, "until", None)
    if every is None and when is None and (times is not None or until is not None):
        name = "times" if times is not None else "until"
        raise wrong(
            source, (*path, name), expected=f"`every` or `when` beside `{name}`", seen=row[name],
            do="for strokes of a fault use `count`, for how long it stays armed use `for`",
        )  # fmt: skip
    chance = row.get("chance", 1.0)
    if isinstance(chance, bool) or not isinstance(chance, int | float) or not 0 <= chance <= 1:
        raise wrong(source, (*path, "chance"), expected="a probability from 0 to 1", seen=chance)
    clock = row.get("clock", "venue")
    if clock not in ("venue", "real"):
        raise wrong(source, (*path, "clock"), expected="venue or real", seen=clock)
    note = row.get("note", "")
    if not isinstance(note, str):
        raise wrong(source, (*path, "note"), expected="a text", seen=note)
    return Step(
        do=verb.name, at=at or 0, when=when, after=_span(source, path, row, "after") or 0, every=every,
        times=times, until=until, lasts=lasts, chance=float(chance), seed=_whole(source, path, row, "seed"),
        clock=clock, note=note, parameters=parameters,
    )  # fmt: skip


def _when(source: Source, path: Path, value: object) -> When:
    row: Mapping[str, Any] = {"event": value} if isinstance(value, str) else value  # type: ignore[assignment]
    if not isinstance(row, Mapping):
        raise wrong(source, path, expected="an event such as order.filled", seen=_short(value))
    event = row.get("event")
    if event not in EVENTS:
        raise wrong(
            source, (*path, "event") if "event" in row and row is value else path,
            expected="one of " + ", ".join(EVENTS), seen=event, do=_near(event, EVENTS),
        )  # fmt: skip
    filters = FILTERS[event.partition(".")[0]]
    _known(source, path, row, ("event", "n", *filters))
    checks: dict[str, members.Kind] = {
        "contract_id": members.CONTRACT, "account_id": members.ACCOUNT, "endpoint": members.ENDPOINT,
        "hub": members.HUB, "leg": members.Choice(LEGS),
    }  # fmt: skip
    for name in filters:
        if name in row and not checks[name].fits(row[name]):
            raise wrong(source, (*path, name), expected=checks[name].expected, seen=_short(row[name]))
    n = _whole(source, path, row, "n", least=1)
    return When(event=event, n=n or 1, **{name: row[name] for name in filters if name in row})


def _known(source: Source, path: Path, row: Mapping[Any, Any], names: tuple[str, ...]) -> None:
    for key in row:
        if key not in names:
            where = (*path, key, "") if (*path, key, "") in source.marks else path
            raise ScriptError(
                f"{source.place(where)}: {key}", expected="one of " + ", ".join(names), seen=key,
                do=_near(key, names) or "remove it",
            )  # fmt: skip


def _instant(source: Source, path: Path, row: Mapping[str, Any], name: str, default: Any) -> Any:
    if name not in row:
        return default
    found = instant(row[name])
    if found is None:
        raise wrong(source, (*path, name), expected=INSTANT, seen=_short(row[name]))
    return found


def _span(source: Source, path: Path, row: Mapping[str, Any], name: str) -> int | None:
    if name not in row:
        return None
    found = span(row[name])
    if found is None:
        raise wrong(source, (*path, name), expected=SPAN, seen=_short(row[name]))
    return found


def _whole(
    source: Source, path: Path, row: Mapping[str, Any], name: str, least: int | None = None
) -> int | None:
    if name not in row:
        return None
    value = row[name]
    if type(value) is not int or (least is not None and value < least):
        bound = "a whole number" if least is None else f"a whole number from {least} on"
        raise wrong(source, (*path, name), expected=bound, seen=_short(value))
    return value


def _near(name: object, names: Any) -> str:
    close = difflib.get_close_matches(str(name), list(names), n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else ""


def _short(value: object) -> object:
    text = repr(value)
    return value if len(text) <= 60 else text[:57] + "..."
