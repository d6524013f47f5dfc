"""A script as data: what happens when, how often and with what odds. Spans are in ns of venue time."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import yaml

from bot.paper.script.times import Instant, text_of

EVENTS = (
    "order.placed", "order.working", "order.part_filled", "order.filled", "order.cancelled", "order.rejected",
    "position.open", "position.changed", "position.flat", "account.locked",
    "request", "hub.connected", "hub.closed",
)  # fmt: skip
"""What `when` can wait for."""

FILTERS = {
    "order": ("contract_id", "account_id", "leg"),
    "position": ("contract_id", "account_id"),
    "account": ("account_id",),
    "request": ("endpoint", "account_id"),
    "hub": ("hub",),
}
"""What narrows an event, by the part of its name before the point."""


class When(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The `n`-th time that an event happens, counted from the step's `at` on. A request strikes before it
    is served: a fault that arms on the third `place` meets that very request. `leg` of an order is entry,
    stop or target.
    """

    event: str
    n: int = 1
    contract_id: str | None = None
    account_id: int | None = None
    endpoint: str | None = None
    hub: str | None = None
    leg: str | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing to do: `do` is a verb of docs/faults.md, `parameters` are the verb's.

    It happens `at` (from the start), or when the event of `when` comes, `after` that; with `every` again
    and again, at most `times` and before `until`. Without `every`, `times` counts events of `when` that
    act. `lasts` (in a file: `for`) is how long a fault stays armed. `chance` is drawn for each occurrence
    from the seed. Under clock `real` the step's spans and delays are host time.
    """

    do: str
    at: Instant = 0
    when: When | None = None
    after: int = 0
    every: int | None = None
    times: int | None = None
    until: Instant | None = None
    lasts: int | None = None
    chance: float = 1.0
    seed: int | None = None
    clock: Literal["venue", "real"] = "venue"
    note: str = ""
    parameters: dict[str, Any] = {}

    def data(self) -> dict[str, Any]:
        """The step as a file writes it; reading that gives an equal step."""
        plain: dict[str, Any] = {"do": self.do}
        if self.at != 0:
            plain["at"] = text_of(self.at)
        if self.when is not None:
            plain["when"] = msgspec.to_builtins(self.when)
        if self.after:
            plain["after"] = text_of(self.after)
        for name, value in (("every", self.every), ("until", self.until), ("for", self.lasts)):
            if value is not None:
                plain[name] = text_of(value)
        for name in ("times", "chance", "seed", "clock", "note"):
            value = getattr(self, name)
            if value != _DEFAULTS[name]:
                plain[name] = value
        return plain | self.parameters


_DEFAULTS: dict[str, Any] = {"times": None, "chance": 1.0, "seed": None, "clock": "venue", "note": ""}


class Script(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Steps that do not depend on each other; each can be left out without changing the others' odds."""

    name: str = ""
    seed: int = 0
    steps: tuple[Step, ...] = ()

    def without(self, *numbers: int) -> Script:
        """The same script without the steps of these numbers, counted from 0."""
        kept = tuple(step for number, step in enumerate(self.steps) if number not in numbers)
        return msgspec.structs.replace(self, steps=kept)

    def data(self) -> dict[str, Any]:
        """The script as plain data."""
        head = {"name": self.name} if self.name else {}
        return head | {"seed": self.seed, "steps": [step.data() for step in self.steps]}

    def text(self) -> str:
        """The script as YAML; `read` gives an equal one."""
        return yaml.safe_dump(self.data(), sort_keys=False, allow_unicode=True, width=110)
