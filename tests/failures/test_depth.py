"""Row F86: the book comes from the real topic, a reset empties it, and no size is invented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.app.application import Application
from bot.app.operations import BotOperations
from bot.model.times import SECOND
from tests.failures.bench import MNQ, Bench
from tests.failures.test_stale_data import play, until


def shown(app: Application) -> dict[str, Any]:
    (row,) = BotOperations(app).status()["depth"]
    return dict(row)


def venues(bench: Bench, app: Application) -> dict[str, list[dict[str, Any]]]:
    """The book as the venue has it, cut to what is shown."""
    tick = app.contracts[0].tick
    levels = [level for level in bench.venue._market.depth(MNQ) if level.volume]
    sides = {"bids": (2, -1), "asks": (1, 1)}
    return {
        name: [
            {"price": tick.format(level.price), "size": level.volume}
            for level in sorted(
                (one for one in levels if one.kind == kind), key=lambda one, s=sign: s * one.price
            )
        ][:5]
        for name, (kind, sign) in sides.items()
    }


@pytest.mark.parametrize("reset", [False, True])
def test_f086_the_book_is_the_venues_also_after_a_reset(tmp_path: Path, reset: bool) -> None:
    async def script(bench: Bench, app: Application) -> None:
        asked = [topic for topic, _ in app.hubs["market"]._topics]
        assert "SubscribeContractMarketDepth" in asked
        assert app.hubs["market"].refused == {}
        await bench.clock.sleep(30.0)
        if reset:
            bench.fault("depth.reset")
        equal = 0
        for _ in range(40):
            await bench.clock.sleep(0.25)
            row = shown(app)
            assert row["source"] == "depth"
            assert len(row["bids"]) == len(row["asks"]) == 5
            assert row["age_ms"] < 5_000
            equal += {name: row[name] for name in ("bids", "asks")} == venues(bench, app)
        assert equal >= 30, "all but updates that are on the wire"

    play(tmp_path, script)


def test_f086_a_reset_alone_empties_the_book(tmp_path: Path) -> None:
    async def script(bench: Bench, app: Application) -> None:
        link = next(link for link in bench.links if link.hub == "market")
        bench.fault("hub.lose", hub="market", event="depth")
        reset = (
            b'{"type":1,"target":"GatewayDepth","arguments":["CON.F.US.MNQ.Z25",[{"timestamp":'
            b'"2025-11-04T14:00:02+00:00","type":6,"price":0,"volume":0,"currentVolume":0}]]}'
        )
        link.take([reset])
        await bench.clock.sleep(0.5)
        row = shown(app)
        assert row["source"] == "quote"
        assert [level["size"] for level in (*row["bids"], *row["asks"])] == [None, None]

    play(tmp_path, script)


def test_f086_without_depth_the_quote_is_one_level_of_unknown_size(tmp_path: Path) -> None:
    async def main(bench: Bench) -> None:
        bench.fault("hub.lose", hub="market", event="depth")
        app = bench.application(tmp_path)
        began = bench.clock.now()
        await app.start()
        await until(bench, lambda: shown(app)["source"] == "quote", 2.0)
        assert bench.clock.now() - began < 5 * SECOND
        row = shown(app)
        quote = BotOperations(app).status()["quotes"][0]
        assert row["bids"] == [{"price": quote["bid"], "size": None}]
        assert row["asks"] == [{"price": quote["ask"], "size": None}]
        bench.venue.faults.clear()
        bench.fault("depth.reset")
        await until(bench, lambda: shown(app)["source"] == "depth", 2.0)
        bench.fault("hub.drop", hub="market", how="tcp")
        await until(bench, lambda: shown(app)["source"] == "quote", 1.0)
        await app.stop()

    Bench(market_snapshot="none").play(main)
