"""Market records of one contract as JSON text, written straight from numbers: most of what the venue says.

The bytes are those that an encoder would make of the same members in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from bot.model.contract import Contract
from bot.paper import wire
from bot.paper.market.feed import DepthLevel, Print

_PRICES: Final = 65_536
"""Prices whose text is kept; at one more all are forgotten."""


class ContractText:
    """Records end with the separator; values of a quote's members come as JSON text."""

    def __init__(self, contract: Contract) -> None:
        name = contract.id
        self._tick = contract.tick
        self._prices: dict[int, str] = {}
        self._quote = _head("GatewayQuote", name) + f'{{"symbol":"{contract.symbol_id}"'
        self._quote_end = f'"contract":"{name}"}}]}}\x1e'
        self._trades = _head("GatewayTrade", name) + "["
        self._trade = f'{{"symbolId":"{contract.symbol_id}","price":'
        self._trade_end = f',"contractId":"{name}"}}'
        self._depth = _head("GatewayDepth", name) + "["

    def price(self, ticks: int) -> str:
        """A price of the grid."""
        text = self._prices.get(ticks)
        if text is None:
            if len(self._prices) >= _PRICES:
                self._prices.clear()
            text = self._prices[ticks] = wire.price_text(ticks, self._tick)
        return text

    def quote(self, members: Mapping[str, str], updated: str, stamp: str) -> bytes:
        """A `GatewayQuote` of these members and times."""
        told = "".join([f',"{name}":{value}' for name, value in members.items()])
        return (
            f'{self._quote}{told},"lastUpdated":"{updated}","timestamp":"{stamp}",{self._quote_end}'.encode()
        )

    def trades(self, batch: Iterable[Print], stamp: str) -> bytes:
        """A `GatewayTrade` of prints of one time."""
        begin, end, price = self._trade, self._trade_end, self.price
        rows = ",".join(
            [
                f'{begin}{price(each.price)},"timestamp":"{stamp}","type":{each.aggressor},"volume":{each.size}{end}'
                for each in batch
            ]
        )
        return f"{self._trades}{rows}]]}}\x1e".encode()

    def depth(self, levels: Iterable[DepthLevel], stamp: str) -> bytes:
        """A `GatewayDepth` of entries with one time."""
        rows = ",".join(
            [self.level(each.kind, self.price(each.price), each.volume, stamp) for each in levels]
        )
        return f"{self._depth}{rows}]]}}\x1e".encode()

    def book(self, reset: str, levels: Iterable[DepthLevel], stamp: str) -> bytes:
        """A `GatewayDepth` that begins a book anew: the `reset` entry and every level."""
        rows = [self.level(each.kind, self.price(each.price), each.volume, stamp) for each in levels]
        return f"{self._depth}{','.join([reset, *rows])}]]}}\x1e".encode()

    @staticmethod
    def level(kind: int, price: str, volume: int, stamp: str) -> str:
        """One depth entry."""
        return f'{{"timestamp":"{stamp}","type":{kind},"price":{price},"volume":{volume},"currentVolume":0}}'


def _head(target: str, contract_id: str) -> str:
    return f'{{"type":1,"target":"{target}","arguments":["{contract_id}",'
