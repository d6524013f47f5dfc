"""The contract roll: the next month is listed before the roll date and becomes active on it, the old one
trades on until it expires (gateway.md 15.17, 17)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bot.model.times import HOUR
from bot.paper.bars import Bars
from bot.paper.market.expiry import roll_ns
from bot.paper.market.rolling import Expiry, RollingMarket
from bot.paper.matching import Matching
from bot.paper.rows import LIVE
from bot.paper.state import State

LEAD: Final = 10 * 24 * HOUR
"""How long before its roll the next contract has prices."""


class Roll:
    """Sets the timers of listings and expiries; `look` is told each contract that has prices from now on."""

    def __init__(
        self, state: State, market: RollingMarket, bars: Bars, matching: Matching, look: Callable[[str], None]
    ) -> None:
        self._state, self._market, self._bars, self._matching = state, market, bars, matching
        self._look = look

    def schedule(self) -> None:
        """Set all timers from the venue's present time."""
        for root in dict.fromkeys(row.root for row in self._market.contracts.values()):
            listed = self._market.expiries(root)
            for expiry in listed:
                self._set_expiry(expiry)
            self._set_listing(listed[-1])

    def roll(self, root: str, ts: int) -> tuple[str, str]:
        """Make the month after the active one the active one now; returns both ids. Raises UnknownSymbol."""
        catalogue = self._state.catalogue
        before = catalogue.active(root, ts)
        listed = self._market.expiries(root)
        while not listed or listed[-1].contract.month_key <= before:
            listed.append(self._list(root, ts))
        after = next(each.contract for each in listed if each.contract.month_key > before)
        catalogue.roll(root, after.month_key)
        self._state.ledger.write(ts, "roll", [root, *after.month_key])
        old = next((each.contract.id for each in listed if each.contract.month_key == before), "")
        return old, after.id

    def restore(self, kind: str, row: list[object], ts: int) -> None:
        """Take in a record of an earlier run: what was listed, and rolls before their date."""
        if kind == "listed":
            self._adopt(str(row[0]), ts)
        elif kind == "roll":
            root, year, month = row
            self._state.catalogue.roll(str(root), (int(str(year)), int(str(month))))

    def _set_listing(self, last: Expiry) -> None:
        root, contract = last.contract.root, last.contract
        due = max(self._state.now, roll_ns(contract, self._state.calendar) - LEAD)

        def list_(ts: int) -> None:
            if self._market.expiries(root)[-1].contract.id == contract.id:
                self._list(root, ts)

        self._state.timers.at(due, list_)

    def _set_expiry(self, expiry: Expiry) -> None:
        if expiry.ends > self._state.now:
            self._state.timers.at(expiry.ends, lambda ts: self._expire(expiry.contract.id, ts))

    def _list(self, root: str, ts: int) -> Expiry:
        expiry = self._adopt(root, ts)
        self._state.ledger.write(ts, "listed", [root, expiry.contract.id])
        self._set_expiry(expiry)
        self._set_listing(expiry)
        return expiry

    def _adopt(self, root: str, ts: int) -> Expiry:
        expiry = self._market.list_next(root, ts)
        self._bars.adopt(expiry.base, expiry.contract.id, expiry.offset)
        self._look(expiry.contract.id)
        return expiry

    def _expire(self, contract_id: str, ts: int) -> None:
        """Cancel what rests in it and settle what is held at the last touch."""
        state = self._state
        for row in tuple(state.live.values()):
            if row.contract == contract_id and row.status in LIVE:
                self._matching.cancel(row, ts)
        for (account, contract), position in tuple(state.positions.items()):
            if contract == contract_id:
                self._matching.market(account, contract, -position.net, "cut", ts)
