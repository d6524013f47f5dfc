"""Values on their way into and out of columns, exactly; times are floored to whole microseconds."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from bot.model.errors import BadField, StoreCorrupt
from bot.model.quantities import Money, Ticks, TickSize, TsNs


def micros_of(ns: int) -> int:
    return ns // 1000


def ns_of(micros: int) -> TsNs:
    return TsNs(micros * 1000)


def floored(ns: int) -> TsNs:
    """The time as it comes back from the database."""
    return TsNs(ns // 1000 * 1000)


def dollars_of(micros: int | None) -> Decimal | None:
    """Micro-dollars to numeric(18,6)."""
    return None if micros is None else Decimal(micros).scaleb(-6)


def money_of(column: str, value: Decimal | None) -> Money | None:
    """numeric(18,6) to micro-dollars. Raises StoreCorrupt for a fraction of one."""
    if value is None:
        return None
    micros = value.scaleb(6)
    if not micros.is_finite() or micros != int(micros):
        raise corrupt(column, "whole micro-dollars", value)
    return Money(int(micros))


def price_of(tick: TickSize, ticks: int) -> Decimal:
    """Ticks to numeric(18,9)."""
    return Decimal(tick.format(ticks))


def ticks_of(column: str, tick: TickSize, value: Decimal) -> Ticks:
    """numeric(18,9) to ticks. Raises StoreCorrupt off the grid."""
    if value.is_finite():
        ticks, on_grid = tick.parse(f"{value:f}")
        if on_grid:
            return ticks
    raise corrupt(column, f"a price on the grid of {tick.num}/{tick.den}", value)


def day_of(column: str, value: Any) -> date | None:
    """A date, or its ISO text, for a date column. Raises BadField."""
    if value is None or type(value) is date:
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadField(column, expected="a date such as 2025-11-03", seen=value) from None


def account_of(value: int | str) -> str:
    """An account id for its column; both spellings are accepted."""
    text = str(value)
    if not (text.isascii() and text.isdigit()):
        raise BadField("account_id", expected="an account id such as 1001", seen=value)
    return text


def required(table: str, row: Any, *columns: str) -> None:
    """Raises StoreCorrupt when one of the columns is null."""
    for column in columns:
        if row[column] is None:
            raise corrupt(f"{table}.{column}", "a value", None)


def corrupt(where: str, expected: str, seen: object) -> StoreCorrupt:
    return StoreCorrupt(
        f"database column {where}", expected=expected, seen=str(seen),
        do="correct or delete the row; it is not used as it is",
    )  # fmt: skip
