"""Rows and ears that the tests of the database share."""

from __future__ import annotations

from bot.model.orders import Fill, Order
from bot.model.quantities import Money, Ticks, TsNs

MNQ = "CON.F.US.MNQ.Z25"
T0 = 1_762_180_200_000_000_000


def order(id_: int, status: int = 1, updated: int = 0) -> Order:
    return Order(id_, 1, MNQ, status, 2, 0, 1, TsNs(T0), TsNs(T0 + updated))


def fill(id_: int) -> Fill:
    return Fill(id_, 1, MNQ, id_, 0, 1, Ticks(80_000), TsNs(T0 + id_ * 1000), Money(610_000), Money(0))


class Alarms:
    """What the operator was told."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def __call__(self, code: str, detail: str) -> None:
        assert detail
        self.codes.append(code)
