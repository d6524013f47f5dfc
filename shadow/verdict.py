"""One call of one candidate against the authority's record."""

from __future__ import annotations

from bot.migration.records import Call, Failure
from bot.model.market import Bar
from shadow.compare.market_data import compare_bars, compare_failures
from shadow.outcomes import Difference

Result = tuple[list[Bar], Failure | None, bool, int]


def verdict(call: Call, result: Result) -> tuple[str, Difference | None]:
    """The outcome of one call against the authority's record, with the first difference if there is one."""
    bars, failure, panicked, _ = result
    if panicked and failure is not None:
        return "PANIC", Difference("error", "panic", "an answer", f"{failure.type}: {failure.text}"[:200])
    if call.failure is not None or failure is not None:
        differences = compare_failures(call.failure, failure)
        return ("ERROR_DIFF", differences[0]) if differences else ("BOTH_ERROR_SAME", None)
    if bars == call.output:
        return "MATCH", None
    found = compare_bars(call.output, bars)
    if found.differences:
        return "MISMATCH", found.differences[0]
    return ("IGNORED" if found.ignored else "MATCH"), None
