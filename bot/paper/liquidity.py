"""What an order could take from the market now: the other side of the touch, within the price band."""

from __future__ import annotations

from bot.paper.rows import BUY, MARKET, OrderRow
from bot.paper.state import State


class Liquidity:
    """Answers for orders of one venue; prices in ticks."""

    def __init__(self, state: State) -> None:
        self._state = state

    def price(self, row: OrderRow) -> int:
        """The touch that the order meets: the ask for a buy, the bid for a sell."""
        quote = self._state.touch[row.contract]
        return quote.ask if row.side == BUY else quote.bid

    def shown(self, row: OrderRow) -> int | None:
        """The lots at that touch under `partial_fills`, else no bound."""
        if not self._state.options.partial_fills:
            return None
        quote = self._state.touch[row.contract]
        return max(1, quote.ask_size if row.side == BUY else quote.bid_size)

    def is_aggressive(self, row: OrderRow) -> bool:
        """Whether an order would take liquidity at once."""
        if row.type == MARKET:
            return True
        return row.is_limit and row.limit is not None and (self.price(row) - row.limit) * row.sign <= 0

    def can_take(self, row: OrderRow) -> bool:
        """Whether that touch is there and lies within the contract's band."""
        return self.offered(row.contract, row.sign)

    def offered(self, contract_id: str, lots: int) -> bool:
        """As `can_take`, for signed lots of a contract."""
        quote = self._state.touch.get(contract_id)
        if quote is None:
            return False
        return self._state.interruptions.inside(contract_id, quote.ask if lots > 0 else quote.bid)
