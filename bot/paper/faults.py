"""The faults that are armed: what each waits for, how often it still strikes, and until when.

Everything happens in venue time; a fault given in real time is converted by the clock's rate when it is
armed. Each stroke is told, so the ledger separates what was struck from what the venue does by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from bot.model.errors import BadField
from bot.model.times import SECOND
from bot.paper.endpoints import EVENTS
from bot.paper.verbs import MACHINE, VERBS, Verb

_TIMES = ("after_s", "seconds", "for_s", "step_s")


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault or move; docs/faults.md tells which members each takes and what they mean.

    `for_s` is how long it stays armed. `clock` real: its seconds are host time. `step` names the step of a
    script that it came from. `armed_at` and `until` are venue times in ns, `hits` the strokes so far.
    """

    fault: str
    endpoint: str = "any"
    how: int | str | None = None
    count: int | None = None
    after_s: float = 0.0
    seconds: float | None = None
    for_s: float | None = None
    step_s: float = 0.5
    clock: Literal["venue", "real"] = "venue"
    status: int | None = None
    code: int | None = None
    text: str | None = None
    retry_after: int | None = None
    with_id: bool = False
    with_error: bool = True
    allow_reconnect: bool | None = None
    type: int = 42
    hub: str = "any"
    event: str | None = None
    account_id: int | None = None
    contract_id: str | None = None
    order_id: int | None = None
    trade_id: int | None = None
    size: int | None = None
    price: float | str | None = None
    ticks: int | None = None
    by: int | None = None
    low: float | str | None = None
    high: float | str | None = None
    below: int | None = None
    above: int | None = None
    limit: str | None = None
    group: str | None = None
    day: str | None = None
    close: str | None = None
    set: dict[str, Any] | None = None
    step: str = ""
    id: int = 0
    armed_at: int = 0
    until: int | None = None
    hits: int = 0

    @property
    def wait(self) -> int:
        """`seconds` in ns."""
        return round((self.seconds or 0.0) * SECOND)

    @property
    def after(self) -> int:
        """`after_s` in ns."""
        return round(self.after_s * SECOND)

    def touches(self, account: int | None, contract: str | None) -> bool:
        """Whether its account and contract, where it names them, are these."""
        return self.account_id in (None, account) and self.contract_id in (None, contract)


class Strike(msgspec.Struct, frozen=True, omit_defaults=True):
    """One stroke, as the ledger keeps it: which fault, what it met (endpoint, event, hub, contract, order)."""

    id: int
    fault: str
    met: str = ""
    step: str = ""


class Faults:
    """`act` does what acts at once, `told` hears of every fault, `struck` of each stroke and of what it met.

    `disarmed` hears when all are taken back. `rate` is venue seconds per real second; `contract_of` makes a contract id of an id or a root.
    """

    def __init__(self) -> None:
        self.armed: list[Fault] = []
        self.now = 0
        self.rate = 1.0
        self.told: Callable[[Fault], None] = lambda _fault: None
        self.struck: Callable[[Fault, str], None] = lambda _fault, _met: None
        self.disarmed: Callable[[], None] = lambda: None
        self.act: Callable[[Fault], None] = lambda _fault: None
        self.contract_of: Callable[[str], str] = lambda name: name
        self._next = 1

    def add(self, shape: Mapping[str, object]) -> Fault:
        """Arm one fault from its JSON shape, or act at once. Raises BadField naming what is legal."""
        verb = checked(shape)
        try:
            fault = msgspec.convert(dict(shape), Fault)
        except msgspec.ValidationError as problem:
            raise BadField("fault", expected="the documented members", seen=str(problem)) from problem
        for member in verb.takes:
            if member.default is not None and member.name not in shape:
                setattr(fault, member.name, member.default)
        fault.event = EVENTS.get(fault.event, fault.event) if fault.event else None
        if fault.contract_id is not None:
            fault.contract_id = self.contract_of(fault.contract_id)
        if fault.clock == "real":
            _stretch(fault, self.rate)
        fault.armed_at = self.now
        fault.id, self._next = self._next, self._next + 1
        lasts = fault.for_s if fault.for_s is not None else fault.seconds if verb.lasting else None
        if verb.arms and lasts is not None:
            fault.until = self.now + round(lasts * SECOND)
        elif fault.count is None and verb.once:
            fault.count = 1
        self.told(fault)
        if verb.arms:
            self.forget_over()
            self.armed.append(fault)
        else:
            self.act(fault)
            self.struck(fault, fault.contract_id or (fault.hub if verb.group == "hub" else ""))
        return fault

    def clear(self) -> None:
        """Disarm everything."""
        self.armed.clear()
        self.disarmed()

    def restore(self, kind: str, row: Any) -> None:
        """Take in a ledger record of an earlier run, so that what was armed still is, with what is left of it."""
        if kind == "fault":
            fault = msgspec.convert(row, Fault)
            self._next = max(self._next, fault.id + 1)
            if VERBS[fault.fault].arms:
                self.forget_over()
                self.armed.append(fault)
        elif kind == "strike":
            known = next((fault for fault in self.armed if fault.id == row["id"]), None)
            if known is not None:
                self._count(known)
        elif kind == "disarmed":
            self.armed.clear()

    def strike(
        self, kind: str, endpoint: str = "any", account: int | None = None, contract: str | None = None
    ) -> Fault | None:
        """Use up one stroke of the first armed fault of `kind` for `endpoint`, None when there is none.

        A fault that names an account or a contract strikes only where these are told and equal.
        """
        if not self.armed:
            return None
        for fault in self.armed:
            if fault.fault == kind and (fault.endpoint in ("any", endpoint) or endpoint == "any"):
                if self._is_over(fault) or not fault.touches(account, contract):
                    continue
                return self._use(fault, endpoint)
        return None

    def strike_event(self, kind: str, hub: str, target: str, argument: object = None) -> Fault | None:
        """As `strike`, for one event of a hub; `argument` is what its subscription names."""
        if not self.armed:
            return None
        for fault in self.armed:
            if fault.fault == kind and fault.hub in ("any", hub) and fault.event in (None, target):
                account = argument if isinstance(argument, int) else None
                contract = argument if isinstance(argument, str) else None
                if self._is_over(fault) or not fault.touches(account, contract):
                    continue
                return self._use(fault, target or hub)
        return None

    def active(self, kind: str, contract: str | None = None) -> Fault | None:
        """The first armed fault of `kind` for a contract, without using it up; its first stroke is told."""
        for fault in self.armed:
            if fault.fault == kind and not self._is_over(fault) and fault.contract_id in (None, contract):
                fault.hits += 1
                if fault.hits == 1:
                    self.struck(fault, contract or "")
                return fault
        return None

    def _is_over(self, fault: Fault) -> bool:
        return fault.until is not None and self.now >= fault.until

    def forget_over(self) -> None:
        """Let go of faults whose span has ended; they strike no more, listed or not."""
        self.armed = [fault for fault in self.armed if not self._is_over(fault)]

    def _count(self, fault: Fault) -> None:
        fault.hits += 1
        if fault.count is not None:
            fault.count -= 1
            if fault.count <= 0:
                self.armed.remove(fault)

    def _use(self, fault: Fault, met: str) -> Fault:
        self._count(fault)
        self.struck(fault, met)
        return fault


def checked(shape: Mapping[str, object]) -> Verb:
    """The verb of a fault's shape, whose members are all legal. Raises BadField."""
    name = shape.get("fault")
    verb = VERBS.get(name) if isinstance(name, str) and name not in MACHINE else None
    if verb is None:
        known = ", ".join(each for each in VERBS if each not in MACHINE)
        raise BadField("fault", expected="one of " + known, seen=name)
    legal = {member.name: member for member in verb.takes}
    for key, value in shape.items():
        if key in ("fault", "step", "clock", "for_s"):
            continue
        member = legal.get(key)
        if member is None:
            names = ", ".join(legal) or "nothing more"
            raise BadField(
                f"{verb.name}.{key}", expected=f"one of {names}", seen=key, do="see docs/faults.md"
            )
        if not member.kind.fits(value):
            raise BadField(f"{verb.name}.{key}", expected=member.kind.expected, seen=value)
    for member in verb.takes:
        if member.required and member.name not in shape:
            raise BadField(f"{verb.name}.{member.name}", expected=member.kind.expected, seen=None)
    return verb


def _stretch(fault: Fault, rate: float) -> None:
    for name in _TIMES:
        value = getattr(fault, name)
        if value is not None:
            setattr(fault, name, value * rate)
