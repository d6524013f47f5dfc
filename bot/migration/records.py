"""What a journal frame holds: the head of a segment, a block of calls, or a snapshot of a component.

Blocks hoist what their calls share: call `i` of a block has sequence number `seq + i`. The hot inputs of
market_data are columns over all trades of the block; other components write each call by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from bot.model.market import Bar, BarSource, Trade

FIELDS: Final = 4
TRADE, TRADES, QUOTE, TIMER, MODE, UP, DOWN, SUBSCRIBE, COLUMNS = range(9)
OPS: Final = (
    "on_trade", "on_trades", "on_quote", "on_timer", "set_mode", "feed_up", "feed_down", "subscribe", "on_columns",
)  # fmt: skip
BarRow = tuple[str, str, int, int, int, int, int, int, int, int, bool, bool, BarSource]


class SegmentHead(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="head"):
    """First record of a segment. `run` identifies one start of the bot; `ledger` is rehearsed or live."""

    run: int
    ledger: str
    venue: str
    started: int
    format: int = 1


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """An exception as an output: the name of its type, its stable code and its text."""

    type: str
    code: str
    text: str

    @classmethod
    def of(cls, problem: BaseException) -> Failure:
        return cls(type(problem).__name__, str(getattr(problem, "code", "")), str(problem)[:500])


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="snapshot"):
    """The authority's state after every call before `seq`; `settings` are its constructor's values.

    `stats` are the journal's own counters and the measured cost of recording.
    """

    component: str
    seq: int
    epoch: int
    stage: str
    build: str
    authority: str
    reason: str
    state: bytes
    settings: dict[str, Any]
    stats: dict[str, int] = {}


class BarBlock(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="bars"):
    """Calls of a bar builder. `ops` is one byte per call, `counts` the trades per trade call."""

    component: str
    seq: int
    epoch: int
    stage: str
    build: str
    ops: bytes
    ns: list[int]
    counts: list[int]
    ids: list[str]
    contract: list[int]
    price: list[int | None]
    size: list[int | None]
    ts: list[int | None]
    received: list[int]
    aggressor: list[int | None]
    args: list[list[Any]]
    outputs: dict[int, list[BarRow]]
    failures: dict[int, Failure]


class CallBlock(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="calls"):
    """Calls of any other component: `(op, unit, input, output, ns)` each."""

    component: str
    seq: int
    epoch: int
    stage: str
    build: str
    calls: list[tuple[str, str, Any, Any, int]]


Record = SegmentHead | Snapshot | BarBlock | CallBlock


class Call(msgspec.Struct, frozen=True):
    """One call of a bar builder as it happened: its input, and the bars or the failure it gave."""

    seq: int
    op: str
    args: tuple[Any, ...]
    output: list[Bar]
    failure: Failure | None
    ns: int

    @property
    def trades(self) -> Sequence[Trade]:
        """The trades of a trade call, else nothing."""
        if self.op == "on_trades":
            trades: Sequence[Trade] = self.args[0]
            return trades
        return self.args if self.op == "on_trade" else ()


def bar_block(common: Mapping[str, Any], seq: int, entries: Sequence[Any]) -> BarBlock:
    """Columns of calls, given as four entries each: op, input, output, ns. The input of a trade call is a tuple
    of trades, that of another one a tuple of arguments; the output is a tuple of bars or a `Failure`.
    """
    ops, inputs, results = bytes(entries[::FIELDS]), entries[1::FIELDS], entries[2::FIELDS]
    ids: dict[str, int] = {}
    number = ids.setdefault
    prints = [given for op, given in zip(ops, inputs, strict=True) if op <= TRADES]
    trades = [trade for given in prints for trade in given]
    contract = [number(trade.contract_id, len(ids)) for trade in trades]
    outputs: dict[int, list[BarRow]] = {}
    failures: dict[int, Failure] = {}
    for index, result in enumerate(results):
        if result:
            if type(result) is Failure:
                failures[index] = result
            else:
                outputs[index] = [msgspec.structs.astuple(bar) for bar in result]
    return BarBlock(
        **common,
        seq=seq,
        ops=ops,
        ns=list(entries[3::FIELDS]),
        counts=[len(given) for given in prints],
        ids=list(ids),
        contract=contract,
        price=[trade.price for trade in trades],
        size=[trade.size for trade in trades],
        ts=[trade.ts for trade in trades],
        received=[trade.received for trade in trades],
        aggressor=[trade.aggressor for trade in trades],
        args=[given for op, given in zip(ops, inputs, strict=True) if op > TRADES],
        outputs=outputs,
        failures=failures,
    )


def bar_calls(block: BarBlock) -> list[Call]:
    """The calls of a block, in order. Raises ValueError when its columns do not fit together."""
    trades = [
        Trade(block.ids[c], p, s, t, r, a)
        for c, p, s, t, r, a in zip(
            block.contract, block.price, block.size, block.ts, block.received, block.aggressor, strict=True
        )
    ]
    counts, others = iter(block.counts), iter(block.args)
    calls: list[Call] = []
    at = 0
    for index, (op, ns) in enumerate(zip(block.ops, block.ns, strict=True)):
        args: tuple[Any, ...]
        if op <= TRADES:
            count = next(counts)
            taken = trades[at : at + count]
            at += count
            args = (taken[0],) if op == TRADE else (tuple(taken),)
        else:
            args = tuple(next(others))
        output = [Bar(*row) for row in block.outputs.get(index, ())]  # type: ignore[arg-type]
        calls.append(Call(block.seq + index, OPS[op], args, output, block.failures.get(index), ns))
    return calls
