"""A script against the venue that is to run it: contracts, accounts, prices, times, handlers. All or nothing."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import msgspec

from bot.calendar.sessions import SessionCalendar
from bot.model.contract import Contract
from bot.model.errors import BotError
from bot.model.quantities import parse_decimal
from bot.paper import holidays
from bot.paper.accounts import AccountChange
from bot.paper.options import PaperOptions, changed
from bot.paper.script.errors import Path, Source, wrong
from bot.paper.script.plan import Plan, Planned
from bot.paper.script.steps import Script, Step
from bot.paper.script.times import Wall
from bot.paper.verbs import MACHINE

MARKET_EVENTS = frozenset({"quote", "print", "depth", "GatewayQuote", "GatewayTrade", "GatewayDepth"})
_TARGETS = {"push": ("price", "ticks", "by"), "gap": ("price", "ticks", "by")}


class World(NamedTuple):
    """What a script is checked against. `start` and `now` are venue ns; a step before `now` cannot happen.

    `machine` names the machine verbs for which the harness has a handler.
    """

    start: int
    now: int
    rate: float
    contracts: Mapping[str, Contract]
    accounts: Collection[int]
    calendar: SessionCalendar
    machine: Collection[str] = ()


def resolve(script: Script, world: World, source: Source | None = None) -> Plan:
    """The plan of a script. Raises ScriptError for the first step that this venue cannot run."""
    check = _Check(world, source or Source())
    opened = [step.parameters["account_id"] for step in script.steps if step.do == "account"]
    check.accounts = {*world.accounts, *opened}
    equals: Counter[bytes] = Counter()
    planned = []
    for number, step in enumerate(script.steps):
        content = msgspec.json.encode(step.data(), order="sorted")
        key = hashlib.sha256(content).hexdigest()[:16]
        odds = f"{script.seed} {step.seed} {key} {equals[content]}"
        equals[content] += 1
        planned.append(check.step(number, step, odds))
    return Plan(script, world.start, tuple(planned))


class _Check:
    def __init__(self, world: World, source: Source) -> None:
        self.world, self.source = world, source
        self.accounts: Collection[int] = ()

    def step(self, number: int, step: Step, odds: str) -> Planned:
        path: Path = ("steps", number)
        if step.do in MACHINE and step.do not in self.world.machine:
            has = ", ".join(sorted(self.world.machine)) or "no machine verb"
            raise wrong(
                self.source, (*path, "do"), expected=f"a verb that this harness can do ({has})", seen=step.do,
                do="run the script by a harness with a handler for it, or leave the step out",
            )  # fmt: skip
        rate = self.world.rate if step.clock == "real" else 1.0
        start = self._instant(step.at, rate)
        if start < self.world.now:
            raise wrong(
                self.source, (*path, "at"), expected="a time from the start of the script on",
                seen=step.data().get("at", "0s"), do="name a later time, or the day as well",
            )  # fmt: skip
        until = None if step.until is None else self._instant(step.until, rate)
        if until is not None and until <= start:
            raise wrong(
                self.source, (*path, "until"), expected="a time after `at`", seen=step.data()["until"],
                do="let it end later or begin earlier",
            )  # fmt: skip
        shape: dict[str, Any] = {"fault": step.do, **step.parameters}
        if step.do not in MACHINE:
            if step.clock == "real":
                shape["clock"] = "real"
            if step.lasts is not None:
                shape["for_s"] = step.lasts / 1_000_000_000
        self._names(path, step.parameters)
        self._verb(path, step)
        every = None if step.every is None else round(step.every * rate)
        if step.when is not None:
            self._names((*path, "when"), msgspec.structs.asdict(step.when))
        return Planned(number, step, start, round(step.after * rate), every, until, step.when, shape, odds)

    def _instant(self, at: int | Wall, rate: float) -> int:
        return at.instant(self.world.start) if isinstance(at, Wall) else self.world.start + round(at * rate)

    def _names(self, path: Path, given: Mapping[str, Any]) -> None:
        name, account = given.get("contract_id"), given.get("account_id")
        if name is not None:
            found = self._contract(name)
            if found is None:
                known = ", ".join(self.world.contracts)
                raise wrong(
                    self.source, (*path, "contract_id"), expected="the id or the root of one of " + known, seen=name,
                    do="add its root to the paper settings, or name another contract",
                )  # fmt: skip
        if account is not None and account not in self.accounts:
            known = ", ".join(str(each) for each in self.accounts)
            raise wrong(self.source, (*path, "account_id"), expected="one of " + known, seen=account)

    def _contract(self, name: str) -> Contract | None:
        return next((c for c in self.world.contracts.values() if name in (c.id, c.root)), None)

    def _verb(self, path: Path, step: Step) -> None:
        given = step.parameters
        targets = _TARGETS.get(step.do)
        if targets is not None and sum(name in given for name in targets) != 1:
            raise wrong(
                self.source, path, expected="exactly one of " + ", ".join(targets),
                seen=", ".join(name for name in targets if name in given) or "none", do="name where the price goes",
            )  # fmt: skip
        if step.do == "delay" and not ("seconds" in given or "after_s" in given):
            raise wrong(self.source, path, expected="`seconds`, which delay needs", seen="nothing")
        self._prices(path, given)
        event, hub = given.get("event"), given.get("hub", "any")
        if event is not None and hub != "any":
            home = "market" if event in MARKET_EVENTS else "user"
            if home != hub:
                raise wrong(
                    self.source, (*path, "event"), expected=f"an event of the {hub} hub", seen=event,
                    do=f"name hub {home}, or leave the hub out",
                )  # fmt: skip
        if step.do == "option":
            self._try((*path, "set"), given["set"], lambda: changed(PaperOptions(), given["set"]))
        elif step.do == "account":
            whole = {**given["set"], "id": given["account_id"]}
            self._try((*path, "set"), given["set"], lambda: msgspec.convert(whole, AccountChange))
            self._try(
                (*path, "set"),
                given["set"],
                lambda: _bracket_mode(given["set"].get("bracket_mode", "auto_oco")),
            )
        elif step.do == "holiday":
            day, close = given.get("day"), given.get("close")
            self._try(path, f"{day} {close}", lambda: self._holiday(day, close))

    def _prices(self, path: Path, given: Mapping[str, Any]) -> None:
        contract = self._contract(given.get("contract_id", ""))
        for name in ("price", "low", "high"):
            if name in given and contract is not None:
                on_tick = contract.tick.ratio_ticks(*parse_decimal(str(given[name])))[1]
                if not on_tick:
                    raise wrong(
                        self.source,
                        (*path, name),
                        expected=f"a price on the tick of {contract.id}",
                        seen=given[name],
                    )
        for one, other in (("low", "below"), ("high", "above")):
            if one in given and other in given:
                raise wrong(self.source, path, expected=f"one of {one} and {other}", seen="both")
        if "low" in given and "high" in given and float(given["low"]) >= float(given["high"]):
            raise wrong(
                self.source, path, expected="low below high", seen=f"{given['low']} to {given['high']}"
            )

    def _holiday(self, day: str | None, close: str | None) -> object:
        named, at = holidays.read(day, close)
        return holidays.shortened(
            self.world.calendar, named or self.world.calendar.trade_date(self.world.start), at
        )

    def _try(self, path: Path, seen: object, attempt: Callable[[], object]) -> None:
        try:
            attempt()
        except (BotError, msgspec.ValidationError) as problem:
            expected = problem.expected if isinstance(problem, BotError) else "the documented members"
            raise wrong(self.source, path, expected=expected, seen=seen, do=str(problem)) from problem


def _bracket_mode(value: object) -> None:
    if value not in ("auto_oco", "position"):
        raise BotError("bracket_mode", expected="auto_oco or position", seen=value)
