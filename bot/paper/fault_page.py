"""docs/faults.md, made from the table of verbs and the members of a step."""

from __future__ import annotations

import sys
from pathlib import Path

from bot.paper.endpoints import ENDPOINTS
from bot.paper.endpoints import EVENTS as TARGETS
from bot.paper.members import ACCOUNT, CONTRACT, ENDPOINT, EVENT, Kind
from bot.paper.script.steps import EVENTS, FILTERS
from bot.paper.verbs import VERBS, Group, Verb

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"

_HEAD = """# Faults and scripts of the paper gateway

Made from the code by `python -m bot.paper.fault_page`; a test compares it.

Every fault works over sockets and in process. It is armed by `POST /paper/faults` with
`{"fault": name, …}` (in process `venue.inject`), or by a step of a script. Unknown names, members and values
are refused, and say what is legal. Each stroke is a `strike` record of the ledger, a struck request carries the
fault's name, and the judge's verdict counts `struck`, `struck_requests` and `missed_steps`: what was struck is
never taken for what the venue does by itself. `GET /paper/faults` lists what is armed, `DELETE` disarms it.

Members that every fault takes: `clock` (`venue`, or `real`: its seconds are host time) and, where it waits for
something to strike, `for_s` (how long it stays armed). Times are venue seconds, prices decimal, contracts an id
or a root (the active contract of it).

## Scripts

`bot paper --script FILE` runs a script from the gateway's first start on; `--check-script FILE` (or `--dry-run`
beside `--script`) prints the plan and starts nothing. `POST /paper/script` runs one from now on (YAML or JSON;
`?dry_run=1` only shows the plan), `GET` shows what runs, `DELETE` stops all. In process:
`venue.play(script_of(data))`. A script is checked wholly before anything of it runs; an error names file, line,
column, what was expected, what was seen and what to do.

```yaml
name: whipsaw with a lost answer
seed: 7
steps:
  - {at: 09:31 ET, do: push, contract_id: MNQ, by: 40, seconds: 2}
  - {when: {event: request, endpoint: place, n: 3}, do: accept_then, endpoint: place, how: 502}
  - {when: {event: order.filled, leg: entry}, after: 200ms, do: hub.drop, hub: user, how: tcp}
  - {at: 1m, every: 30s, times: 4, chance: 0.5, do: hub.logout, hub: user}
  - {at: 2m, for: 10s, do: lag, endpoint: positions, seconds: 3}
  - {at: 12:00 CT, do: holiday, close: "12:30"}
```

| member of a step | meaning |
|---|---|
| `do` | the verb; its own members stand beside it |
| `at` | from when on: a span from the start (`30s`, `1.5m`), or a wall time (`09:31 ET`, `2025-11-05 15:10 CT`); by default the start |
| `when` | an event instead of a time: its name, or `{event, n, …}` for the n-th one; counted from `at` on |
| `after` | so much later than `at` or the event |
| `every`, `times`, `until` | again and again, at most so many times, before this instant; without `every`, `times` is how many events in a row act |
| `for` | how long the fault stays armed |
| `chance`, `seed` | the odds of each occurrence, drawn from the script's and the step's seed: the same seeds give the same schedule, and leaving a step out changes no other's odds |
| `clock` | `real`: the step's spans and delays are host time |
| `note` | its name in the ledger |

A request is met before it is served, so a fault can strike the very request that it waits for. Everything else
happens between the venue's own acts, at an instant of venue time that does not depend on how often the venue is
asked. Examples lie in `bot/paper/scripts`. After a restart of the gateway steps whose time has passed are not repeated and events are counted anew.

"""


_MACHINE = """These are not the venue's. A script carries them for the harness that runs it
(`venue.play(…, machine=handlers)`); without a handler for each of them a script is refused before it begins.

"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD, _events(), _names()]
    for group, title, intro in _GROUPS:
        verbs = [verb for verb in VERBS.values() if verb.group == group]
        parts.append(f"## {title}\n\n{intro}" + "\n".join(map(_verb, verbs)) + "\n")
    return "".join(parts).rstrip() + "\n"


_GROUPS: tuple[tuple[Group, str, str], ...] = (
    ("rest", "Requests", ""),
    ("hub", "Hubs", ""),
    ("orders", "Orders and brackets", ""),
    ("market", "Market", ""),
    ("account", "Accounts", ""),
    ("session", "Session", ""),
    ("machine", "The bot's machine", _MACHINE),
)


def _events() -> str:
    rows = [
        f"| `{event}` | {', '.join(f'`{name}`' for name in FILTERS[event.partition('.')[0]])} |"
        for event in EVENTS
    ]
    return "| event | narrowed by |\n|---|---|\n" + "\n".join(rows) + "\n\n"


def _names() -> str:
    endpoints = "\n".join(f"| `{name}` | `{path}` |" for name, path in ENDPOINTS.items())
    events = "\n".join(f"| `{name}` | {target} |" for name, target in TARGETS.items())
    return (
        f"## Endpoints and events\n\n| endpoint | path |\n|---|---|\n{endpoints}\n\n"
        f"| event | target on the hub |\n|---|---|\n{events}\n\n"
    )


def _verb(verb: Verb) -> str:
    """One verb: what it does, how long it holds, its members."""
    if not verb.arms:
        holds = "" if verb.group == "machine" else " Acts at once."
    elif verb.once:
        holds = " Strikes once, or `count` times, or as long as it is armed."
    else:
        holds = " Strikes until it is removed, or `count` times, or as long as it is armed."
        if not any(member.name == "count" for member in verb.takes):
            holds = " Holds until it is removed, or as long as it is armed."
    lines = [f"### `{verb.name}`", "", verb.does + holds, ""]
    if verb.takes:
        lines += ["| member | value | default | meaning |", "|---|---|---|---|"]
        for member in verb.takes:
            default = "needed" if member.required else "" if member.default is None else f"{member.default}"
            lines.append(f"| `{member.name}` | {_values(member.kind)} | {default} | {member.means} |")
        lines.append("")
    return "\n".join(lines)


def _values(kind: Kind) -> str:
    known: dict[int, str] = {
        id(ENDPOINT): "an endpoint, or any", id(CONTRACT): "a contract", id(ACCOUNT): "an account",
        id(EVENT): "an event",
    }  # fmt: skip
    return known.get(id(kind), kind.expected)


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE}\n")
