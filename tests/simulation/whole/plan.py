"""What one simulated day is made of: everything that a run depends on, small enough to be kept in a file."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from bot.model.times import MILLISECOND, SECOND
from bot.paper.script.generate import random_script
from bot.paper.script.read import script_of
from bot.paper.script.steps import Script, Step, When

Scenario = Literal["quiet", "breakout", "reversal", "fast"]
ROOTS = ("MNQ", "MES")
FIXTURES = Path(__file__).parent.parent / "fixtures"

STARTS = (
    "2025-11-04T14:27:00Z", "2025-11-05T14:28:00Z", "2025-10-07T13:27:30Z", "2025-10-15T13:28:00Z",
    "2025-11-11T14:27:00Z",
)  # fmt: skip
"""Shortly before a cash open, so that the strategy has a range to break."""

MACHINE: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("kill", {}, 2),
    ("kill", {"point": "request leaves"}, 1),
    ("kill", {"point": "venue answered"}, 1),
    ("kill", {"point": "before a write"}, 1),
    ("kill", {"point": "inside a write"}, 1),
    ("kill", {"point": "after a write"}, 1),
    ("sleep", {"seconds": 4.0}, 1),
    ("sleep", {"seconds": 45.0}, 1),
    ("clock.jump", {"seconds": 7.0}, 1),
    ("clock.jump", {"seconds": -7.0}, 1),
    ("db.down", {"seconds": 20.0}, 2),
    ("db.slow", {"delay": 2.0, "seconds": 30.0}, 1),
    ("disk.full", {"seconds": 15.0}, 1),
)
"""What the machine suffers: verb, members, weight."""

EVENTS = ("order.working", "order.filled", "position.open", "position.flat")
STATES = ("REDUCING", "HALTED", "ACTIVE", "ACTIVE", "ACTIVE")


class Act(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the operator does `at` seconds after the start: `order` (root, side, size, stop and target in
    ticks), `flatten`, or `state`.
    """

    at: float
    do: Literal["order", "flatten", "state"]
    members: dict[str, Any] = {}


class Plan(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run. The same plan gives the same ledger, byte for byte."""

    seed: int
    minutes: float = 20.0
    start: str = STARTS[0]
    scenario: Scenario = "breakout"
    roots: tuple[str, ...] = ROOTS
    script: Script = Script()
    operator: tuple[Act, ...] = ()

    @property
    def size(self) -> int:
        """How many steps and acts there are."""
        return len(self.script.steps) + len(self.operator)

    def without(self, *numbers: int) -> Plan:
        """The plan without these, counted through the script's steps and then the operator's acts."""
        steps = len(self.script.steps)
        return msgspec.structs.replace(
            self, script=self.script.without(*(number for number in numbers if number < steps)),
            operator=tuple(act for n, act in enumerate(self.operator, steps) if n not in numbers),
        )  # fmt: skip

    def data(self) -> dict[str, Any]:
        """Plain data; `plan_of` gives an equal plan."""
        plain: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(self, script=Script()))
        return {**plain, "script": self.script.data()}


def plan_of(data: dict[str, Any]) -> Plan:
    """A plan of plain data. Raises ScriptError, msgspec.ValidationError."""
    rest = {name: value for name, value in data.items() if name != "script"}
    return msgspec.structs.replace(msgspec.convert(rest, Plan), script=script_of(data["script"]))


def random_plan(seed: int, minutes: float = 20.0) -> Plan:
    """Faults of venue and machine and an operator's acts, all from the seed."""
    rng = random.Random(f"plan {seed}")
    start = rng.choice(STARTS)
    scenario: Scenario = rng.choice(("breakout", "breakout", "breakout", "reversal", "fast"))
    roots = rng.choice((ROOTS[:1], ROOTS[1:], ROOTS))
    drawn = random_script(
        seed, minutes, per_minute=rng.choice((0.25, 0.5, 1.0)), contracts=roots, on_events=0.3
    )
    steps = (*drawn.steps, *(_suffered(rng, minutes) for _ in range(rng.randint(0, 3))))
    operator = sorted((_acted(rng, minutes, roots) for _ in range(rng.randint(3, 9))), key=lambda act: act.at)
    return Plan(
        seed,
        minutes,
        start,
        scenario,
        roots,
        Script(name=drawn.name, seed=seed, steps=steps),
        tuple(operator),
    )


def keep(plan: Plan, failures: tuple[str, ...], folder: Path = FIXTURES) -> Path:
    """Write a plan that failed, for pytest to run from now on."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"seed-{plan.seed}.yaml"
    document = {"failed": list(failures), "plan": plan.data()}
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110))
    return path


def read(path: Path) -> Plan:
    """A plan that was kept."""
    return plan_of(yaml.safe_load(path.read_text())["plan"])


def _suffered(rng: random.Random, minutes: float) -> Step:
    ((do, members, _),) = rng.choices(MACHINE, [weight for _, _, weight in MACHINE])
    at = rng.randrange(30 * SECOND, max(31 * SECOND, int(minutes * 60 * SECOND))) // MILLISECOND * MILLISECOND
    when, after = None, 0
    if rng.random() < 0.4:
        when = When(event=rng.choice(EVENTS), n=rng.randint(1, 3))
        at, after = 0, rng.choice((0, 0, rng.randrange(1, 3_000))) * MILLISECOND
    return Step(do=do, at=at, when=when, after=after, seed=rng.getrandbits(32), parameters=dict(members))


def _acted(rng: random.Random, minutes: float, roots: tuple[str, ...]) -> Act:
    at = round(rng.uniform(20.0, minutes * 60), 3)
    draw = rng.random()
    if draw < 0.15:
        return Act(at, "flatten")
    if draw < 0.45:
        return Act(at, "state", {"state": rng.choice(STATES)})
    return Act(at, "order", {
        "root": rng.choice(roots), "side": rng.choice((0, 1)), "size": rng.randint(1, 3),
        "stop": rng.randint(20, 60), "target": rng.randint(20, 80),
    })  # fmt: skip
