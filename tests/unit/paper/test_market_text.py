"""Records of the market hub are what an encoder makes of them, and as many as the density says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.instruments import INSTRUMENTS, contract_for
from bot.paper import records, wire
from bot.paper.market.feed import DepthLevel, Print
from bot.paper.market.synthetic import SyntheticMarket
from bot.paper.market_text import ContractText
from tests.unit.paper.scripted import MNQ, START, Bench

ROOTS = st.sampled_from(sorted(INSTRUMENTS))
TICKS = st.integers(-5, 200_000)
SIZES = st.integers(0, 5_000)
TIMES = st.integers(START, START + 10**12)


@given(
    root=ROOTS, rows=st.lists(st.tuples(TICKS, SIZES, st.integers(0, 1)), min_size=1, max_size=4), ts=TIMES
)
def test_trades_are_written_as_an_encoder_writes_them(root: str, rows: list[Any], ts: int) -> None:
    contract = contract_for(root, 2025, 12, 0)
    batch = [Print(contract.id, ts, *row) for row in rows]
    stamp = wire.hub_time(ts)
    plain = [
        {
            "symbolId": contract.symbol_id, "price": wire.price(each.price, contract.tick), "timestamp": stamp,
            "type": each.aggressor, "volume": each.size, "contractId": contract.id,
        }
        for each in batch
    ]  # fmt: skip
    assert ContractText(contract).trades(batch, stamp) == records.event("GatewayTrade", [contract.id, plain])


@given(
    root=ROOTS, rows=st.lists(st.tuples(st.integers(1, 11), TICKS, SIZES), min_size=1, max_size=4), ts=TIMES
)
def test_depth_is_written_as_an_encoder_writes_it(root: str, rows: list[Any], ts: int) -> None:
    contract = contract_for(root, 2025, 12, 0)
    levels = [DepthLevel(contract.id, ts, *row) for row in rows]
    stamp = wire.hub_time(ts)
    plain = [
        {
            "timestamp": stamp, "type": each.kind, "price": wire.price(each.price, contract.tick),
            "volume": each.volume, "currentVolume": 0,
        }
        for each in levels
    ]  # fmt: skip
    assert ContractText(contract).depth(levels, stamp) == records.event("GatewayDepth", [contract.id, plain])


@given(root=ROOTS, bid=TICKS, volume=SIZES, ts=TIMES)
def test_quotes_are_written_as_an_encoder_writes_them(root: str, bid: int, volume: int, ts: int) -> None:
    contract = contract_for(root, 2025, 12, 0)
    text, stamp = ContractText(contract), wire.hub_time(ts)
    plain = {
        "symbol": contract.symbol_id, "volume": volume, "bestBid": wire.price(bid, contract.tick),
        "lastUpdated": stamp, "timestamp": stamp, "contract": contract.id,
    }  # fmt: skip
    written = text.quote({"volume": str(volume), "bestBid": text.price(bid)}, stamp, stamp)
    assert written == records.event("GatewayQuote", [contract.id, plain])


@pytest.mark.parametrize(("density", "rates"), [("light", (8, 4, 10)), ("full", (42, 20, 62))])
def test_a_client_gets_as_many_events_as_the_density_says(density: str, rates: tuple[int, int, int]) -> None:
    seconds = 120
    bench = Bench(market=SyntheticMarket(4, START, ("MNQ",), density))
    heard = bench.listen(
        "market", *((f"SubscribeContract{each}", [MNQ]) for each in ("Quotes", "Trades", "MarketDepth"))
    )
    heard.raw.clear()
    for _ in range(seconds):
        heard.session.heard = bench.clock.host_mono()
        bench.pass_(1_000)
    counts: Counter[str] = Counter()
    for record in b"".join(heard.raw).split(b"\x1e")[:-1]:
        message = msgspec.json.decode(record)
        data = message["arguments"][1] if message.get("type") == 1 else []
        counts[message.get("target", "")] += len(data) if isinstance(data, list) else 1
    found = [counts[f"Gateway{each}"] / seconds for each in ("Quote", "Trade", "Depth")]
    assert found == pytest.approx(rates, rel=0.15)
