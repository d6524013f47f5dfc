"""Independent episodes of market_data: one closed 1m bar of one contract with everything derived from it.

The digest of what went into the bar identifies it: contract, minute, and each print (price, size, event
time) in order. Arrival times and timers are left out, so the same tape played twice counts once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import time
from hashlib import blake2b
from typing import Final

import msgspec

from bot.calendar.windows import in_window
from bot.migration.records import Call
from bot.model.contract import split_contract_id
from bot.model.errors import BotError
from bot.model.market import Bar, Trade
from bot.model.times import MINUTE

_PRINT: Final = struct.Struct("<Bqqq")
_NONE: Final = -(2**63)
PHASES: Final = {"cash": (time(9, 30), time(16)), "late": (time(16), time(18))}
SOURCES: Final = ("trades", "quotes", "mixed")


class Episode(msgspec.Struct, frozen=True):
    """One closed minute. `stratum` is `root/phase/source/whole|partial`."""

    digest: bytes
    contract_id: str
    start: int
    stratum: str
    seq: int


class EpisodeTracker:
    """Collects inputs by contract and minute until the authority's 1m bar closes them."""

    def __init__(self) -> None:
        self._inputs: dict[tuple[str, int], bytearray] = {}

    def feed(self, call: Call) -> None:
        """Take the inputs of one call."""
        for trade in trades_of(call):
            ts = trade.received if trade.ts is None else trade.ts
            self._add(trade.contract_id, ts, 0, trade.price, trade.size)
        if call.op == "on_quote":
            contract_id, last, ts, received = call.args
            self._add(contract_id, received if ts is None else ts, 1, last, 0)

    def closed(self, call: Call) -> list[Episode]:
        """The episodes that the authority's output of this call completes."""
        return [
            Episode(self._close(bar), bar.contract_id, bar.start, stratum(bar), call.seq)
            for bar in call.output
            if bar.timeframe == "1m"
        ]

    def digest(self, signature: str) -> bytes:
        """A digest for a difference: its signature and the inputs of the minutes that are open now."""
        digest = blake2b(signature.encode(), digest_size=16)
        for key in sorted(self._inputs):
            digest.update(repr(key).encode() + self._inputs[key])
        return digest.digest()

    def save(self) -> bytes:
        """The open minutes, so that a restarted worker makes the same digests."""
        return msgspec.msgpack.encode([(*key, bytes(value)) for key, value in self._inputs.items()])

    def load(self, saved: bytes) -> None:
        """Become what `save` gave."""
        rows = msgspec.msgpack.decode(saved, type=list[tuple[str, int, bytes]]) if saved else []
        self._inputs = {(contract, minute): bytearray(data) for contract, minute, data in rows}

    def _add(self, contract_id: str, ts: int, kind: int, price: int | None, size: int | None) -> None:
        key = (contract_id, ts // MINUTE)
        packed = _PRINT.pack(
            kind, _NONE if price is None else price, _NONE if size is None else size, ts % MINUTE
        )
        self._inputs.setdefault(key, bytearray()).extend(packed)

    def _close(self, bar: Bar) -> bytes:
        minute = bar.start // MINUTE
        data = self._inputs.pop((bar.contract_id, minute), bytearray())
        for key in [k for k in self._inputs if k[0] == bar.contract_id and k[1] < minute]:
            del self._inputs[key]
        return blake2b(f"{bar.contract_id}/{minute}".encode() + data, digest_size=16).digest()


def trades_of(call: Call) -> Iterable[Trade]:
    """The trades of any trade call, columns included."""
    if call.op != "on_columns" or call.failure is not None:
        return call.trades
    columns = [memoryview(column).cast("q") for column in call.args[1:]]
    return [Trade(call.args[0], *row) for row in zip(*columns, strict=True)]


def phase(t: int) -> str:
    """`overnight`, `cash` or `late`, by exchange time in New York."""
    for name, (start, end) in PHASES.items():
        if in_window(t, start, end):
            return name
    return "overnight"


def stratum(bar: Bar) -> str:
    """Product, session phase, source and completeness of one bar."""
    try:
        product = split_contract_id(bar.contract_id)[0]
    except BotError:
        product = "other"
    return f"{product}/{phase(bar.start)}/{bar.source}/{'whole' if bar.complete else 'partial'}"


def unseen(seen: Iterable[str]) -> list[str]:
    """Strata that the products seen so far could have and never had."""
    have = set(seen)
    products = sorted({text.split("/")[0] for text in have})
    possible = [
        f"{product}/{at}/{source}/{whole}"
        for product in products
        for at in ("overnight", *PHASES)
        for source in SOURCES
        for whole in ("whole", "partial")
    ]
    return [text for text in possible if text not in have]
