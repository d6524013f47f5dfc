"""DBN files made by the format's own package, for tapes to be read from."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import databento_dbn as dbn

START = 1_762_353_000_000_000_000
"""2025-11-05 14:30:00 UTC."""

ES, MNQ, SPREAD = 42, 43, 44
NAMES = {"ESZ5": ES, "MNQZ5": MNQ, "ESZ5-ESH6": SPREAD}


@dataclass
class _Interval:
    start_date: date
    end_date: date
    symbol: str


@dataclass
class _Mapping:
    raw_symbol: str
    intervals: list[_Interval]


def px(price: float) -> int:
    """A price in the format's fixed point."""
    return round(price * 10**9)


def write(path: Path, schema: Any, records: Sequence[Any], names: dict[str, int] | None = None) -> Path:
    """One file of `schema`, compressed when its name ends in zst."""
    data = encoded(schema, records, names)
    if path.suffix == ".zst":
        out = io.BytesIO()
        packing = dbn.Transcoder(out, dbn.Encoding.DBN, dbn.Compression.ZSTD)
        packing.write(data)
        packing.flush()
        del packing
        data = out.getvalue()
    path.write_bytes(data)
    return path


def encoded(schema: Any, records: Sequence[Any], names: dict[str, int] | None = None) -> bytes:
    """The bytes of an uncompressed file."""
    mappings = [
        _Mapping(name, [_Interval(date(2025, 11, 1), date(2025, 12, 1), str(number))])
        for name, number in (NAMES if names is None else names).items()
    ]
    head = dbn.Metadata(
        dataset="GLBX.MDP3", start=START, end=START + 10**12, stype_in=dbn.SType.RAW_SYMBOL,
        stype_out=dbn.SType.INSTRUMENT_ID, schema=schema, mappings=mappings,
        symbols=[each.raw_symbol for each in mappings],
    )  # fmt: skip
    return bytes(head) + b"".join(bytes(each) for each in records)


def trade(instrument: int, at: int, price: float, size: int, side: Any = dbn.Side.BID) -> Any:
    return dbn.TradeMsg(
        publisher_id=1, instrument_id=instrument, ts_event=START + at - 100, price=px(price), size=size,
        action=dbn.Action.TRADE, side=side, depth=0, ts_recv=START + at,
    )  # fmt: skip


def touch(
    instrument: int,
    at: int,
    bid: tuple[float, int],
    ask: tuple[float, int],
    traded: tuple[float, int] | None = None,
) -> Any:
    """An MBP-1 record: a change of the touch, or a trade with the touch that goes with it."""
    return dbn.MBP1Msg(
        publisher_id=1, instrument_id=instrument, ts_event=START + at - 100,
        price=px(traded[0] if traded else bid[0]), size=traded[1] if traded else bid[1],
        action=dbn.Action.TRADE if traded else dbn.Action.MODIFY, side=dbn.Side.BID, depth=0, ts_recv=START + at,
        levels=dbn.BidAskPair(bid_px=px(bid[0]), ask_px=px(ask[0]), bid_sz=bid[1], ask_sz=ask[1]),
    )  # fmt: skip


def order(
    at: int,
    action: Any,
    number: int,
    side: Any,
    price: float,
    size: int,
    *,
    last: bool = True,
    instrument: int = ES,
) -> Any:
    return dbn.MBOMsg(
        publisher_id=1, instrument_id=instrument, ts_event=START + at - 100, order_id=number, price=px(price),
        size=size, action=action, side=side, ts_recv=START + at, flags=dbn.F_LAST if last else 0,
    )  # fmt: skip
