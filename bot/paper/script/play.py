"""A plan at work: timers of the venue for set times, the ledger's records for events.

What a step does happens between the venue's own acts, never inside one, at an instant of venue time that
does not depend on how often the venue is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bot.model.errors import BotError
from bot.paper.rows import (
    CANCELLED,
    FILLED,
    OPEN,
    PENDING,
    REJECTED,
    STOPS,
    AccountRow,
    OrderRow,
    PositionRow,
)
from bot.paper.script.plan import Plan, Planned
from bot.paper.script.steps import When
from bot.paper.verbs import MACHINE

if TYPE_CHECKING:
    from bot.paper.venue import PaperVenue

Handler = Callable[[str, Mapping[str, Any]], None]
"""What a harness does for a machine verb: `handler(verb, parameters)`."""

MOVES = frozenset({"push", "gap", "fast"})
_ENDED = {FILLED: "order.filled", CANCELLED: "order.cancelled", REJECTED: "order.rejected"}


class Play:
    """Runs a plan on its venue from `begin` on until `stop`. Steps that were due before `begin` are left out."""

    def __init__(self, venue: PaperVenue, plan: Plan, machine: Mapping[str, Handler]) -> None:
        self._venue, self.plan, self._machine = venue, plan, machine
        self.done: Counter[int] = Counter()
        self._met: Counter[int] = Counter()
        self._waiting = [planned for planned in plan.steps if planned.when is not None]
        self._orders: dict[int, tuple[int, int]] = {}
        self._held: dict[tuple[int, str], int] = {}
        self._locked: set[int] = set()
        self._stopped = False

    def begin(self) -> None:
        """Set the timers of all steps with a set time."""
        venue = self._venue
        venue.stepwise = any(planned.step.do in MOVES for planned in self._waiting)
        for row in venue.state.orders.values():
            self._orders[row.id] = (row.status, row.filled)
        for key, held in venue.state.positions.items():
            self._held[key] = held.net
        venue.ledger.readers.append(self._read)
        for planned in self.plan.steps:
            if planned.when is None:
                self._set(planned, planned.start + planned.after, 0)

    def stop(self) -> None:
        """Do nothing more; what is armed stays armed."""
        self._stopped = True
        self._venue.stepwise = False
        if self._read in self._venue.ledger.readers:
            self._venue.ledger.readers.remove(self._read)

    def requested(self, endpoint: str, account: int | None) -> None:
        """A request has come in and is about to be served."""
        for planned in self._waiting:
            when = planned.when
            if (
                when is not None
                and when.event == "request"
                and when.endpoint in (None, "any", endpoint)
                and when.account_id in (None, account)
            ):
                self._count(planned, when)

    def hub(self, name: str, what: str) -> None:
        """A connection of a hub came (`connected`) or went (`closed`)."""
        for planned in self._waiting:
            when = planned.when
            if when is not None and when.event == f"hub.{what}" and when.hub in (None, "any", name):
                self._count(planned, when)

    def status(self) -> list[dict[str, object]]:
        """Each step with how often it was done and its event was met."""
        return [
            {**planned.step.data(), "done": self.done[planned.number], "met": self._met[planned.number]}
            for planned in self.plan.steps
        ]

    def _set(self, planned: Planned, due: int, occurrence: int) -> None:
        """Set the timer of one occurrence; an `every` goes on from it."""
        now = self._venue.state.now
        every = planned.every
        if due < now and every is not None:
            missed = -(-(now - due) // every)
            due, occurrence = due + missed * every, occurrence + missed
        times = planned.step.times if every is not None else None
        over = planned.until is not None and due >= planned.until
        if due < now or over or (times is not None and occurrence >= times):
            return

        def act(ts: int) -> None:
            if self._stopped:
                return
            self._do(planned, occurrence, ts)
            if every is not None:
                self._set(planned, due + every, occurrence + 1)

        self._venue.state.timers.at(due, act)

    def _do(self, planned: Planned, occurrence: int, ts: int) -> None:
        if not planned.drawn(occurrence):
            return
        venue = self._venue
        self.done[planned.number] += 1
        try:
            if planned.step.do in MACHINE:
                venue.ledger.write(ts, "machine", [planned.label, planned.step.do, planned.step.parameters])
                self._machine[planned.step.do](planned.step.do, planned.step.parameters)
            else:
                venue.faults.add({**planned.shape, "step": planned.label})
        except BotError as nothing_to_act_on:
            venue.ledger.write(ts, "missed", [planned.label, planned.step.do, str(nothing_to_act_on)])

    def _read(self, _ts: int, kind: str, row: Any) -> None:
        if kind == "order":
            self._order(row)
        elif kind == "position":
            self._position(row)
        elif kind == "account" and isinstance(row, AccountRow):
            locked = not row.can_trade
            if locked and row.id not in self._locked:
                self._happened("account.locked", row.id, None)
            (self._locked.add if locked else self._locked.discard)(row.id)

    def _order(self, row: OrderRow) -> None:
        status, filled = self._orders.get(row.id, (0, 0))
        self._orders[row.id] = (row.status, row.filled)
        leg = "entry" if row.parent is None else "stop" if row.type in STOPS else "target"
        if status == 0 and row.status == PENDING:
            self._happened("order.placed", row.account, row.contract, leg)
        if row.status == OPEN and row.filled > filled:
            self._happened("order.part_filled", row.account, row.contract, leg)
        elif row.status == OPEN and status != OPEN:
            self._happened("order.working", row.account, row.contract, leg)
        if row.status != status and row.status in _ENDED:
            self._happened(_ENDED[row.status], row.account, row.contract, leg)

    def _position(self, row: PositionRow) -> None:
        key = (row.account, row.contract)
        before = self._held.get(key, 0)
        self._held[key] = row.net
        what = "flat" if not row.net else "open" if not before else "changed"
        self._happened(f"position.{what}", row.account, row.contract)

    def _happened(self, event: str, account: int, contract: str | None, leg: str = "") -> None:
        for planned in self._waiting:
            when = planned.when
            if (
                when is not None
                and when.event == event
                and when.account_id in (None, account)
                and (when.contract_id is None or self._is(when.contract_id, contract))
                and when.leg in (None, leg)
            ):
                self._count(planned, when)

    def _is(self, name: str, contract: str | None) -> bool:
        """Whether a script's name, an id or a root, means this contract."""
        return contract is not None and name in (contract, self._venue.state.contract(contract).root)

    def _count(self, planned: Planned, when: When) -> None:
        now = self._venue.state.now
        if self._stopped or now < planned.start or (planned.until is not None and now >= planned.until):
            return
        self._met[planned.number] += 1
        beyond = self._met[planned.number] - when.n
        most = 1 if planned.every is not None else planned.step.times or 1
        if 0 <= beyond < most:
            self._set(planned, now + planned.after, 0 if planned.every is not None else beyond)
