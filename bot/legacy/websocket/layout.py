"""The canonical state of a stream processor, one layout for every language (all little-endian).

4s   magic "WSP1"
u64  records and items that could not be read        u64  prices off the grid
u32  contracts, in byte order of their ids; each:
     u16 length, id in UTF-8 · i64 tick numerator · i64 tick denominator
     u8  1 when a quote follows, else 0
     quote: u8 bits of the present fields (bid 1, ask 2, last 4, open 8, high 16, low 32, volume 64)
            7 × i64 bid, ask, last, open, high, low, volume (0 where absent)
            5 × i64 bid time, ask time, last time, newest time, newest arrival (ns)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from bot.model.errors import StoreCorrupt
from bot.model.market import Quote
from bot.model.quantities import Ticks, TickSize, TsNs

_HEAD = struct.Struct("<4sQQI")
_LENGTH = struct.Struct("<H")
_TICK = struct.Struct("<qqB")
_QUOTE = struct.Struct("<B12q")
_MAGIC = b"WSP1"

State = list[tuple[str, TickSize, Quote | None]]


def pack(undecodable: int, off_grid: int, contracts: Iterable[tuple[str, TickSize, Quote | None]]) -> bytes:
    """The snapshot of a state; contracts may come in any order."""
    rows = sorted(contracts, key=lambda row: row[0].encode())
    parts = [_HEAD.pack(_MAGIC, undecodable, off_grid, len(rows))]
    for contract_id, tick, quote in rows:
        name = contract_id.encode()
        parts += [_LENGTH.pack(len(name)), name, _TICK.pack(tick.num, tick.den, quote is not None)]
        if quote is not None:
            values = (quote.bid, quote.ask, quote.last, quote.open, quote.high, quote.low, quote.volume)
            bits = sum(1 << bit for bit, value in enumerate(values) if value is not None)
            parts.append(
                _QUOTE.pack(
                    bits,
                    *(value or 0 for value in values),
                    quote.bid_ts, quote.ask_ts, quote.last_ts, quote.ts, quote.received,
                )
            )  # fmt: skip
    return b"".join(parts)


def unpack(state: bytes) -> tuple[int, int, State]:
    """The opposite of `pack`. Raises StoreCorrupt."""
    try:
        magic, undecodable, off_grid, count = _HEAD.unpack_from(state)
        if magic != _MAGIC:
            raise StoreCorrupt("stream state", expected="magic WSP1", seen=magic)
        offset, rows = _HEAD.size, State()
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(state, offset)
            offset += _LENGTH.size
            contract_id = state[offset : offset + length].decode()
            offset += length
            num, den, quoted = _TICK.unpack_from(state, offset)
            offset += _TICK.size
            quote = None
            if quoted:
                quote = _quote(contract_id, _QUOTE.unpack_from(state, offset))
                offset += _QUOTE.size
            rows.append((contract_id, TickSize(num, den), quote))
    except (struct.error, UnicodeDecodeError) as problem:
        raise StoreCorrupt(
            "stream state", expected="the layout WSP1", seen=f"{len(state)} bytes"
        ) from problem
    if offset != len(state):
        raise StoreCorrupt("stream state", expected=f"{offset} bytes", seen=len(state))
    return undecodable, off_grid, rows


def _quote(contract_id: str, fields: tuple[int, ...]) -> Quote:
    bits, *numbers = fields
    bid, ask, last, open_, high, low = (Ticks(numbers[bit]) if bits >> bit & 1 else None for bit in range(6))
    return Quote(
        contract_id, bid, ask, last, open_, high, low, numbers[6] if bits & 64 else None,
        *(TsNs(number) for number in numbers[7:]),
    )  # fmt: skip
