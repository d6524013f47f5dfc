"""How many contracts: exposure, the contract limit and the size of an entry (strategies.md §8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from bot.model.quantities import Money
from bot.risk.profile import size_row

MILLION = 1_000_000


class ContractExposure(msgspec.Struct, frozen=True):
    """One contract: net position, working entry buys and sells in lots, weight in tenths of a mini."""

    net: int
    buys: int
    sells: int
    weight: int


class SizeInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What 8.3 needs; money in micro-dollars, None = that limit does not exist."""

    risk_base: Money
    risk_ppm: int
    stop_ticks: int
    tick_value: int
    position_size: int
    max_order_size: int
    weight: int
    limit_tenths: int
    exposure_tenths: int
    dll: Money | None
    day_pnl: Money
    mll_room: Money | None
    force_min_one: bool = False


class Sizing(msgspec.Struct, frozen=True):
    """Contracts to enter with; 0 comes with its reason."""

    size: int
    reason: Literal["SIZE_ZERO", "MAX_CONTRACTS"] | None
    budget: Money
    per_contract: Money


class Consistency(msgspec.Struct, frozen=True):
    """Share of the best day in the total, in basis points (§7.7)."""

    total: Money
    best: Money
    share_bp: int | None
    state: Literal["not_applicable", "not_met", "warn", "ok"]


def exposure_tenths(contracts: Iterable[ContractExposure]) -> int:
    """Exposure of an account in tenths of a mini; products are added, not netted."""
    return sum(
        max(abs(each.net + each.buys), abs(each.net - each.sells), abs(each.net)) * each.weight
        for each in contracts
    )


def max_minis(program: str, size: str, day_end_profit: int) -> int:
    """The contract limit in minis; an express account grows with its end-of-day profit."""
    row = size_row(size)
    if program != "xfa":
        return row.minis
    minis = row.base
    for bound, counts, reached in row.steps:
        if day_end_profit > bound or (counts and day_end_profit == bound):
            minis = reached
    return minis


def headroom(dll: int | None, day_pnl: int, mll_room: int | None, per: int) -> int | None:
    """Contracts whose stop-out stays inside the limits, None when no limit exists. `per` > 0."""
    rooms = []
    if dll is not None:
        rooms.append((dll + day_pnl - 1) // per)
    if mll_room is not None:
        rooms.append((mll_room - 1) // per)
    return min(rooms) if rooms else None


def order_size(inputs: SizeInputs) -> Sizing:
    """The size of an entry by §8.3; there is no floor of 1."""
    per = Money(inputs.stop_ticks * inputs.tick_value)
    budget = Money(max(0, inputs.risk_base) * inputs.risk_ppm // MILLION)
    if per <= 0:
        return Sizing(0, "SIZE_ZERO", budget, per)
    affordable = budget // per
    if inputs.force_min_one:
        affordable = max(affordable, 1)
    size = min(affordable, inputs.position_size, inputs.max_order_size)
    room = headroom(inputs.dll, inputs.day_pnl, inputs.mll_room, per)
    if room is not None:
        size = min(size, room)
    if size <= 0:
        return Sizing(0, "SIZE_ZERO", budget, per)
    size = min(size, (inputs.limit_tenths - inputs.exposure_tenths) // inputs.weight)
    if size <= 0:
        return Sizing(0, "MAX_CONTRACTS", budget, per)
    return Sizing(size, None, budget, per)


def consistency(day_nets: Sequence[int], required_bp: int = 5000, warn_bp: int = 4500) -> Consistency:
    """How the best day compares with the total of all days; it is information and closes nothing."""
    total = Money(sum(day_nets))
    best = Money(max(day_nets, default=0))
    if total <= 0 or best <= 0:
        return Consistency(total, best, None, "not_applicable")
    share = best * 10_000 // total
    if best * 10_000 >= total * required_bp:
        return Consistency(total, best, share, "not_met")
    return Consistency(total, best, share, "warn" if best * 10_000 >= total * warn_bp else "ok")
