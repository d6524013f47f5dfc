"""Reads of the venue that go straight into the picture.

Each read raises when it fails; nothing is concluded from a failure. The instant at which a read was asked goes
with its rows, so that it cannot overwrite what was heard since.
"""

from __future__ import annotations

from bot.clock import Clock
from bot.model.quantities import TsNs
from bot.model.times import SECOND
from bot.ports import Lane, VenueRest
from bot.trading.intake import Intake
from bot.trading.picture import Picture

OVERLAP_NS = 60 * SECOND
"""Fills and orders are asked again from this long before the newest one known."""


class Reader:
    """One per process."""

    def __init__(self, rest: VenueRest, picture: Picture, intake: Intake, clock: Clock) -> None:
        self._rest = rest
        self._picture = picture
        self._intake = intake
        self._clock = clock
        self._fills_from: dict[int, TsNs] = {}

    async def accounts(self, lane: Lane = "read") -> None:
        asked = self._clock.now()
        for account in await self._rest.accounts(lane):
            self._intake.account(account, asked)

    async def positions(self, account_id: int, lane: Lane = "read") -> None:
        asked = self._clock.mono()
        rows = await self._rest.positions(account_id, lane)
        self._intake.positions(account_id, rows, asked)

    async def orders(self, account_id: int, lane: Lane = "read") -> bool:
        """Working orders, and what became of those that are not among them; True when complete."""
        asked = self._clock.mono()
        found = await self._rest.open_orders(account_id, lane)
        for order in found.orders:
            self._intake.order(order)
        present = {order.id for order in found.orders}
        absent = [
            order
            for order in self._picture.orders.working(account_id)
            if order.id not in present
            and self._picture.orders.heard(order.id) < asked
            and (found.complete or order.status == 1)
        ]
        starts = [order.created - SECOND for order in absent]
        starts += [order.created - 5 * SECOND for order in self._picture.floating(account_id)]
        if starts:
            await self.orders_since(account_id, TsNs(min(starts)), lane)
        return found.complete

    async def orders_since(self, account_id: int, start: TsNs, lane: Lane = "read") -> None:
        for order in await self._rest.orders_since(account_id, start, lane):
            self._intake.order(order)

    async def fills(self, account_id: int, lane: Lane = "read") -> None:
        """Fills since the newest known one, with some overlap; the look-back of the settings at first."""
        start = self._fills_from.get(account_id, self.first(account_id))
        asked = self._clock.now()
        rows = await self._rest.fills(account_id, start, lane)
        for fill in rows:
            self._intake.fill(fill)
        self._fills_from[account_id] = TsNs(max(start, asked - OVERLAP_NS))

    def first(self, account_id: int) -> TsNs:
        """From when on a start looks: the look-back, or before the oldest intent that is not settled."""
        start = self._clock.now() - round(self._picture.settings.look_back_s * SECOND)
        unsettled = [entry.at for entry in self._picture.log.unsettled(account_id)]
        return TsNs(min([start, *(at - OVERLAP_NS for at in unsettled)]))
