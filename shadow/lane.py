"""One implementation inside the worker: fed call by call, never believed, never able to stop the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from bot.migration.records import Call, Failure
from bot.model.market import Bar
from bot.ports import BarBuilder
from shadow.candidates import Candidate

State = Literal["waiting", "following", "diverged"]


def invoke(builder: BarBuilder, call: Call) -> list[Bar]:
    """Replay one recorded call. Raises what the builder raises."""
    method: Callable[..., list[Bar] | None] = getattr(builder, call.op)
    return method(*arguments(call)) or []


def arguments(call: Call) -> tuple[Any, ...]:
    """The arguments as the bot gave them; columns become int64 buffers again."""
    if call.op == "on_columns":
        return (call.args[0], *(memoryview(column).cast("q") for column in call.args[1:]))
    return call.args


class Lane:
    """A builder and how much its state can be trusted.

    `waiting` = no snapshot yet, `following` = equal to the authority so far, `diverged` = it differed and
    waits for the authority's next snapshot.
    """

    def __init__(self, candidate: Candidate, mono: Callable[[], int]) -> None:
        self.candidate = candidate
        self.name = candidate.name
        self.state: State = "waiting"
        self._mono = mono
        self._builder: BarBuilder | None = None

    def restore(self, settings: Mapping[str, Any], state: bytes) -> Failure | None:
        """Become the authority's snapshot; the failure if that is not possible."""
        try:
            builder = self.candidate.make(settings)
            builder.restore(state)
        except BaseException as problem:
            if not recoverable(problem):
                raise
            self.state, self._builder = "diverged", None
            return Failure.of(problem)
        self.state, self._builder = "following", builder
        return None

    def run(self, call: Call) -> tuple[list[Bar], Failure | None, bool, int]:
        """`(bars, failure, panicked, ns)` of one call, conversion included."""
        if self._builder is None:
            raise RuntimeError(f"{self.name}: run before restore")
        method: Callable[..., list[Bar] | None] = getattr(self._builder, call.op)
        given = arguments(call)
        started = self._mono()
        try:
            bars = method(*given) or []
        except BaseException as problem:
            ns = self._mono() - started
            if not recoverable(problem):
                raise
            return [], Failure.of(problem), is_panic(problem), ns
        return bars, None, False, self._mono() - started

    def snapshot(self) -> bytes:
        """Its state; a failure to give one is an empty state, which equals no other."""
        try:
            return self._builder.snapshot() if self._builder is not None else b""
        except BaseException as problem:
            if not recoverable(problem):
                raise
            return b""


def is_panic(problem: BaseException) -> bool:
    """Whether native code panicked (PyO3 raises its panics outside Exception)."""
    return "panic" in type(problem).__name__.lower() or getattr(problem, "code", "") == "PANIC"


def recoverable(problem: BaseException) -> bool:
    """Whether the worker goes on: everything but being told to stop."""
    return isinstance(problem, Exception) or is_panic(problem)
