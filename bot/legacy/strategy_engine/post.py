"""One strategy object at work: its errors are its own, and its state can be carried elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from bot.legacy.strategy_engine.layout import Reader, Writer
from bot.legacy.strategy_engine.strategy import Strategy
from bot.model.actions import Action, Instance, Note
from bot.model.contract import Contract
from bot.model.quantities import TickSize

LifeState = Literal["IDLE", "STARTING", "ACTIVE", "STOPPING", "ERROR"]
STATES: tuple[LifeState, ...] = ("IDLE", "STARTING", "ACTIVE", "STOPPING", "ERROR")
MAX_ERRORS = 3
"""Errors in a row of one handler after which an instance is stopped (§15.3)."""


class Post:
    """A strategy object in one contract, with the errors in a row of each of its handlers."""

    def __init__(self, contract: Contract, strategy: Strategy) -> None:
        self.contract, self.strategy = contract, strategy
        self.evaluated: int = -(1 << 63)
        """Start of the newest bar evaluated."""
        self.errors: dict[str, int] = {}
        self.last_error = ""
        self.last_note: Note | None = None

    def call(self, handler: str, work: Callable[[Strategy], Sequence[Action]]) -> Sequence[Action]:
        """Run one handler; an error gives no action and is counted."""
        try:
            actions = work(self.strategy)
        except Exception as problem:  # a defect of one strategy must not reach its neighbours
            self.errors[handler] = self.errors.get(handler, 0) + 1
            self.last_error = f"{handler}: {type(problem).__name__}: {problem}"
            return ()
        if handler in self.errors:
            del self.errors[handler]
        for action in actions:
            if isinstance(action, Note):
                self.last_note = action
        return actions

    @property
    def failed(self) -> bool:
        """Whether some handler failed too often in a row."""
        return any(number >= MAX_ERRORS for number in self.errors.values())

    def write(self, writer: Writer) -> None:
        writer.i64(self.evaluated)
        writer.count(len(self.errors))
        for handler in sorted(self.errors):
            writer.text(handler)
            writer.i64(self.errors[handler])
        writer.text(self.last_error)
        writer.flag(self.last_note is not None)
        if self.last_note is not None:
            writer.text(self.last_note.code)
            writer.text(self.last_note.detail)
        self.strategy.write(writer)

    def read(self, reader: Reader, instance: Instance) -> None:
        self.evaluated = reader.i64()
        self.errors = {reader.text(): reader.i64() for _ in range(reader.count())}
        self.last_error = reader.text()
        if reader.flag():
            code, detail = reader.text(), reader.text()
            self.last_note = Note(instance=instance, contract_id=self.contract.id, code=code, detail=detail)
        self.strategy.read(reader)


class Hosted(msgspec.Struct):
    """One instance: its state, when it started and stopped (ns, 0 = never), its plain parameters, its posts by
    contract id, and the windows (contract id, timeframe) whose history it still waits for."""

    instance: Instance
    state: LifeState
    started: int
    stopped: int
    parameters: dict[str, object]
    posts: dict[str, Post]
    missing: set[tuple[str, str]]


def write_contract(writer: Writer, contract: Contract) -> None:
    """A contract record in the canonical layout."""
    for text in (
        contract.id, contract.name, contract.description, contract.symbol_id, contract.root, contract.group
    ):  # fmt: skip
        writer.text(text)
    writer.i64s(
        contract.tick.num, contract.tick.den, contract.tick_value, contract.weight, contract.seen_at,
        int(contract.active),
    )  # fmt: skip


def read_contract(reader: Reader) -> Contract:
    """What `write_contract` wrote."""
    id_, name, description, symbol_id, root, group = (reader.text() for _ in range(6))
    num, den, tick_value, weight, seen_at, active = reader.i64s(6)
    return Contract(
        id_, name, description, symbol_id, root, TickSize(num, den), tick_value, active == 1, weight, group,
        seen_at,
    )  # fmt: skip
