"""Statements and row codecs of `historical_bars`. Prices cross as ticks; the server keeps decimals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bot.calendar.timeframes import parse_timeframe
from bot.legacy.database.values import corrupt, micros_of, ns_of
from bot.model.errors import BadField
from bot.model.market import Bar
from bot.model.quantities import Ticks, TickSize, TsNs

BATCH = 10_000
SOURCES = frozenset({"trades", "quotes", "mixed"})
UPSERT = """
INSERT INTO historical_bars AS b
    (symbol, contract_id, timeframe, "timestamp", open, high, low, close, volume, ticks, complete, source, metadata)
SELECT $1, $2, $3, timestamptz 'epoch' + at * interval '1 microsecond',
    o * $4::numeric / $5, h * $4::numeric / $5, l * $4::numeric / $5, c * $4::numeric / $5, v, n, whole, src,
    CASE WHEN span = $6 THEN NULL ELSE jsonb_build_object('span_us', span) END
FROM unnest($7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
    $14::int[], $15::bool[], $16::text[]) AS t (at, span, o, h, l, c, v, n, whole, src)
ON CONFLICT (contract_id, timeframe, "timestamp") DO UPDATE SET
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    volume = excluded.volume, ticks = excluded.ticks, complete = excluded.complete, source = excluded.source,
    metadata = excluded.metadata
WHERE excluded.complete OR NOT b.complete
"""
SELECT = """
SELECT "timestamp" AS at, (open * $4 / $3)::bigint AS o, (high * $4 / $3)::bigint AS h,
    (low * $4 / $3)::bigint AS l, (close * $4 / $3)::bigint AS c, volume, ticks, complete, source,
    (metadata ->> 'span_us')::bigint AS span,
    mod(open * $4, $3) = 0 AND mod(high * $4, $3) = 0 AND mod(low * $4, $3) = 0 AND mod(close * $4, $3) = 0 AS on_grid
FROM historical_bars
WHERE contract_id = $1 AND timeframe = $2
    AND ($5::timestamptz IS NULL OR "timestamp" >= $5) AND ($6::timestamptz IS NULL OR "timestamp" < $6)
ORDER BY "timestamp" DESC LIMIT $7
"""


def nominal_micros(timeframe: str) -> int:
    """The usual length of a bar; other lengths (session cuts) are kept beside it. Raises BadTimeframe."""
    return parse_timeframe(timeframe).seconds * 1_000_000


def replaces(old: Bar, new: Bar) -> bool:
    """A later write wins, but never an incomplete bar over a complete one."""
    return new.complete or not old.complete


def closed(contract_id: str, timeframe: str, bars: Iterable[Bar]) -> list[Bar]:
    """The batch without repeats, ascending. Raises BadField for an open or a foreign bar."""
    kept: dict[int, Bar] = {}
    for bar in bars:
        if not bar.final or bar.contract_id != contract_id or bar.timeframe != timeframe:
            raise BadField(
                "bar", expected=f"a closed {timeframe} bar of {contract_id}",
                seen=f"{bar.timeframe} of {bar.contract_id}, final={bar.final}",
            )  # fmt: skip
        old = kept.get(bar.start)
        if old is None or replaces(old, bar):
            kept[bar.start] = bar
    return [kept[start] for start in sorted(kept)]


def upsert_arguments(
    symbol: str, contract_id: str, timeframe: str, tick: TickSize, bars: Sequence[Bar]
) -> tuple[Any, ...]:
    return (
        symbol, contract_id, timeframe, tick.num, tick.den, nominal_micros(timeframe),
        [micros_of(b.start) for b in bars], [micros_of(b.end) - micros_of(b.start) for b in bars],
        [b.open for b in bars], [b.high for b in bars], [b.low for b in bars], [b.close for b in bars],
        [b.volume for b in bars], [b.ticks for b in bars], [b.complete for b in bars], [b.source for b in bars],
    )  # fmt: skip


def select_arguments(
    contract_id: str, timeframe: str, tick: TickSize, start: int | None, end: int | None, limit: int | None
) -> tuple[Any, ...]:
    bounds = [None if bound is None else -(-bound // 1000) for bound in (start, end)]
    return contract_id, timeframe, tick.num, tick.den, *bounds, limit


def decode(contract_id: str, timeframe: str, rows: Sequence[Any]) -> list[Bar]:
    """Rows of SELECT (newest first) to bars, ascending. Raises StoreCorrupt."""
    nominal = nominal_micros(timeframe)
    bars = []
    for at, o, h, l, c, volume, ticks, complete, source, span, on_grid in reversed(rows):  # noqa: E741
        if (
            on_grid is not True
            or source not in SOURCES
            or None in (volume, ticks, complete)
            or not l <= o <= h
        ):
            raise corrupt(
                "historical_bars", "prices on the grid, a volume and a source", f"{contract_id} {at}"
            )
        start = ns_of(at)
        end = TsNs(start + (nominal if span is None else span) * 1000)
        bars.append(
            Bar(contract_id, timeframe, start, end, Ticks(o), Ticks(h), Ticks(l), Ticks(c), volume, ticks,
                True, complete, source)
        )  # fmt: skip
    return bars
