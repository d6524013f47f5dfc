"""The newest known state of every order, whatever the order of the news.

News are ordered by a total key, so any order and any repetition of the same events ends in the same state:
terminal above all else, then the later update, the larger fill, the further status, and last the bytes of the
layout without the constant members (tag, parent, sibling), which are taken from whichever news has them.

The canonical layout (all little-endian): magic "OEX1" · u32 count · orders by ascending id, each
    9 × i64 id, account, status, type, side, size, created, updated, filled
    u8  bits of the optional integers (limit 1, stop 2, trail 4, parent 8, sibling 16)
    5 × i64 limit, stop, trail, parent, sibling (0 where absent)
    3 × (u32 length, UTF-8): contract id, average price, tag; length 0xFFFFFFFF = absent
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

from bot.model.errors import StoreCorrupt
from bot.model.orders import Order
from bot.model.quantities import Ticks, TsNs

BOUND: Final = 10_000

_MAGIC: Final = b"OEX1"
_HEAD: Final = struct.Struct("<4sI")
_FIXED: Final = struct.Struct("<9qB5q")
_LENGTH: Final = struct.Struct("<I")
_ABSENT: Final = 0xFFFFFFFF
_PROGRESS: Final = {6: 1, 8: 2, 1: 3, 7: 4}


class OrderStates:
    """At most 10,000 orders; beyond, the terminal ones of lowest id go, a quarter of the bound at once."""

    def __init__(self) -> None:
        self._orders: dict[int, Order] = {}

    def __len__(self) -> int:
        return len(self._orders)

    def get(self, order_id: int) -> Order | None:
        return self._orders.get(order_id)

    def take(self, news: Order) -> Order | None:
        """The order's state after the news if it moved, else None."""
        old = self._orders.get(news.id)
        if old is None:
            if len(self._orders) >= BOUND:
                self._forget()
            self._orders[news.id] = news
            return news
        if news == old:
            return None
        newest, other = (news, old) if _newer(news, old) else (old, news)
        if (
            (newest.tag is None and other.tag is not None)
            or (newest.parent_id is None and other.parent_id is not None)
            or (newest.linked_id is None and other.linked_id is not None)
        ):
            newest = msgspec.structs.replace(
                newest,
                tag=other.tag if newest.tag is None else newest.tag,
                parent_id=other.parent_id if newest.parent_id is None else newest.parent_id,
                linked_id=other.linked_id if newest.linked_id is None else newest.linked_id,
            )
        if newest == old:
            return None
        self._orders[news.id] = newest
        return newest

    def pack(self) -> bytes:
        parts = [_HEAD.pack(_MAGIC, len(self._orders))]
        parts += [_pack(order) for _, order in sorted(self._orders.items())]
        return b"".join(parts)

    @classmethod
    def unpack(cls, state: bytes) -> OrderStates:
        """Raises StoreCorrupt."""
        states = cls()
        try:
            magic, count = _HEAD.unpack_from(state)
            if magic != _MAGIC:
                raise StoreCorrupt("order state", expected="magic OEX1", seen=magic)
            offset = _HEAD.size
            for _ in range(count):
                order, offset = _read(state, offset)
                states._orders[order.id] = order
        except (struct.error, UnicodeDecodeError) as problem:
            raise StoreCorrupt(
                "order state", expected="the layout OEX1", seen=f"{len(state)} bytes"
            ) from problem
        if offset != len(state):
            raise StoreCorrupt("order state", expected=f"{offset} bytes", seen=len(state))
        return states

    def _forget(self) -> None:
        terminal = sorted(order_id for order_id, order in self._orders.items() if order.terminal)
        for order_id in (terminal or sorted(self._orders))[: BOUND // 4]:
            del self._orders[order_id]


def _newer(news: Order, old: Order) -> bool:
    ranks = [
        (order.terminal, order.updated, order.filled, _PROGRESS.get(order.status, 0)) for order in (news, old)
    ]
    return ranks[0] > ranks[1] or (ranks[0] == ranks[1] and _varying(news) > _varying(old))


def _varying(order: Order) -> bytes:
    return _pack(msgspec.structs.replace(order, tag=None, parent_id=None, linked_id=None))


def _pack(order: Order) -> bytes:
    optional = (order.limit, order.stop, order.trail_ticks, order.parent_id, order.linked_id)
    parts = [
        _FIXED.pack(
            order.id, order.account_id, order.status, order.type, order.side,
            order.size, order.created, order.updated, order.filled,
            sum(1 << bit for bit, value in enumerate(optional) if value is not None),
            *(value or 0 for value in optional),
        )
    ]  # fmt: skip
    for text in (order.contract_id, order.average, order.tag):
        data = b"" if text is None else text.encode()
        parts += [_LENGTH.pack(_ABSENT if text is None else len(data)), data]
    return b"".join(parts)


def _read(state: bytes, offset: int) -> tuple[Order, int]:
    fields = _FIXED.unpack_from(state, offset)
    offset += _FIXED.size
    texts: list[str | None] = []
    for _ in range(3):
        (length,) = _LENGTH.unpack_from(state, offset)
        offset += _LENGTH.size
        texts.append(None if length == _ABSENT else state[offset : offset + length].decode())
        offset += 0 if length == _ABSENT else length
    bits, numbers = fields[9], fields[10:]
    limit, stop, trail, parent, linked = (
        value if bits >> bit & 1 else None for bit, value in enumerate(numbers)
    )
    if texts[0] is None:
        raise StoreCorrupt("order state", expected="a contract id", seen="none")
    return (
        Order(
            id=fields[0], account_id=fields[1], contract_id=texts[0], status=fields[2], type=fields[3],
            side=fields[4], size=fields[5], created=TsNs(fields[6]), updated=TsNs(fields[7]),
            limit=None if limit is None else Ticks(limit), stop=None if stop is None else Ticks(stop),
            trail_ticks=trail, filled=fields[8], average=texts[1], tag=texts[2],
            parent_id=parent, linked_id=linked,
        ),
        offset,
    )  # fmt: skip
