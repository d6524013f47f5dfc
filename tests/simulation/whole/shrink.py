"""A failing plan made small: fewer steps and acts, a shorter day, while it still fails in the same way."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tests.simulation.whole.plan import Plan
from tests.simulation.whole.pool import attempt
from tests.simulation.whole.run import Result

ATTEMPTS = 60
SHORTEST_MINUTES = 2.0


def kind_of_failure(failure: str) -> str:
    """`unprotected`, `duplicates`, `lost intents`: what stays the same while a plan shrinks."""
    return failure.partition(":")[0]


class Shrinker:
    """`shrink` tries at most `attempts` smaller plans; `told` hears of each that still fails."""

    def __init__(
        self, run: Callable[[Plan], Result] = attempt, attempts: int = ATTEMPTS,
        told: Callable[[Plan], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._run, self._left, self._told = run, attempts, told
        self._kinds: frozenset[str] = frozenset()
        self.failures: tuple[str, ...] = ()

    def shrink(self, plan: Plan, failures: tuple[str, ...]) -> Plan:
        """The smallest plan found; its failures are in `failures`."""
        self.failures = failures
        self._kinds = frozenset(map(kind_of_failure, failures))
        plan = self._halved(plan)
        plan = self._shorter(plan)
        return self._one_by_one(plan)

    def _fails(self, plan: Plan) -> bool:
        if self._left <= 0:
            return False
        self._left -= 1
        result = self._run(plan)
        if self._kinds.isdisjoint(map(kind_of_failure, result.failures)):
            return False
        self.failures = result.failures
        self._told(plan)
        return True

    def _halved(self, plan: Plan) -> Plan:
        """Leave out large parts first."""
        part = plan.size // 2
        while part >= 2:
            begin = 0
            while begin < plan.size:
                smaller = plan.without(*range(begin, min(begin + part, plan.size)))
                if self._fails(smaller):
                    plan = smaller
                else:
                    begin += part
            part //= 2
        return plan

    def _shorter(self, plan: Plan) -> Plan:
        """End the day as early as the failure allows."""
        low, high = SHORTEST_MINUTES, plan.minutes
        while high - low > 1.0:
            minutes = round((low + high) / 2, 1)
            shorter = msgspec.structs.replace(plan, minutes=minutes)
            if self._fails(shorter):
                plan, high = shorter, minutes
            else:
                low = minutes
        return plan

    def _one_by_one(self, plan: Plan) -> Plan:
        number = plan.size - 1
        while number >= 0:
            smaller = plan.without(number)
            if self._fails(smaller):
                plan = smaller
            number -= 1
        return plan
