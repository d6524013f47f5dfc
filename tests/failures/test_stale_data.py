"""Rows F72 to F75, F78 and F89: prices and bars that are late, frozen, forming or missing, in the whole bot."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from bot.app.application import Application
from bot.app.operations import BotOperations
from bot.freshness import Freshness, OldHistory
from bot.history import HistoryLoader
from bot.legacy.market_data import PythonBarConverter
from bot.model.actions import Instance
from bot.model.codes import Code
from bot.model.events import QuoteChanged
from bot.model.intents import Bracket, ClosePosition, Outcome, PlaceOrder
from bot.model.market import Bar
from bot.model.quantities import TsNs
from bot.model.times import HOUR, MINUTE, SECOND, parse_ts
from tests.failures.bench import ACCOUNT, CALENDAR, MNQ, Bench

OVERNIGHT = {"strategies.overnight_range.enabled": True}
Script = Callable[[Bench, Application], Awaitable[None]]
Lines = list[MutableMapping[str, Any]]


def play(folder: Path, script: Script, bench: Bench | None = None, **settings: Any) -> None:
    async def main(bench: Bench) -> None:
        app = bench.application(folder, **settings)
        await app.start()
        try:
            await bench.clock.sleep(2.0)
            await script(bench, app)
        finally:
            await app.stop()
        verdict = bench.venue.verdict()
        assert verdict["violations"] == []
        assert verdict["unprotected_longest_s"] <= 5.0
        await bench.clock.sleep(1.0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert [task.get_name() for task in left] == []

    (bench or Bench()).play(main)


async def enter(app: Application, key: str) -> Outcome:
    return await app.desk.submit(
        PlaceOrder(
            key=key, account_id=ACCOUNT, contract_id=MNQ, source="manual", kind="BR", side=0, type=2, size=1,
            bracket=Bracket(200, 400), created=app.venue.clock.now(),
        )
    )  # fmt: skip


async def leave(app: Application, key: str) -> Outcome:
    return await app.desk.submit(ClosePosition(key=key, account_id=ACCOUNT, contract_id=MNQ, source="manual"))


async def until(bench: Bench, met: Callable[[], object], seconds: float) -> float:
    """Seconds of venue time until it is so."""
    began = bench.clock.now()
    while not met():
        assert bench.clock.now() - began < seconds * SECOND, "waited in vain"
        await bench.clock.sleep(0.05)
    return (bench.clock.now() - began) / SECOND


def quote(app: Application) -> dict[str, Any]:
    (row,) = BotOperations(app).status()["quotes"]
    return dict(row)


@pytest.mark.parametrize("how", ["close", "tcp", "stall"])
def test_f072_entries_are_denied_while_the_market_hub_is_lost_and_quotes_resume(
    tmp_path: Path, how: str
) -> None:
    async def script(bench: Bench, app: Application) -> None:
        assert (await enter(app, "before")).kind == "confirmed"
        hub = app.hubs["market"]
        bench.fault("hub.drop", hub="market", how=how)
        await until(bench, lambda: hub.state != "up", 35.0)
        denied = await enter(app, "in the gap")
        assert (denied.kind, denied.code) == ("denied", Code.DATA_STALE)
        assert "market hub" in denied.message
        assert quote(app)["stale"]
        assert (await leave(app, "out in the gap")).kind == "confirmed"
        await until(bench, lambda: hub.state == "up" and not quote(app)["stale"], 10.0)
        resumed = app.desk.picture.quotes[MNQ].received
        await until(bench, lambda: app.desk.picture.quotes[MNQ].received > resumed, 5.0)
        assert (await enter(app, "after")).kind == "confirmed"

    play(tmp_path, script)


def test_f073_a_handler_that_raises_is_counted_and_told_and_the_others_go_on(
    tmp_path: Path, lines: Lines
) -> None:
    async def script(bench: Bench, app: Application) -> None:
        pipeline, heard = app.pipeline, list[Bar]()

        def broken(bar: Bar) -> None:
            if bar.timeframe == "5s":
                raise RuntimeError("a listener's defect")

        pipeline.bar_listeners.insert(0, broken)
        pipeline.bar_listeners.append(heard.append)
        await bench.clock.sleep(61.0)
        assert pipeline.failures >= 10
        assert {bar.timeframe for bar in heard} >= {"5s", "1m"}
        told = [line for line in lines if line["event"] == "pipeline.failed"]
        assert {line["log_level"] for line in told} == {"error"}
        assert len(told) == pipeline.failures
        health = BotOperations(app).health()
        assert health["status"] == "degraded"
        assert f"{pipeline.failures} hub records could not be handled" in " ".join(health["reasons"])

    play(tmp_path, script)


def test_f073_a_defect_in_one_record_marks_the_open_bars_and_stops_neither_clock_nor_orders(
    tmp_path: Path,
) -> None:
    async def script(bench: Bench, app: Application) -> None:
        processor, real, left = app.pipeline._processor, app.pipeline._processor.feed, [3]

        def feed(hub: Any, record: bytes, received: TsNs) -> Any:
            if b"GatewayTrade" in record and left[0]:
                left[0] -= 1
                raise KeyError("a defect")
            return real(hub, record, received)

        await until(bench, lambda: bench.clock.now() % MINUTE > 20 * SECOND, 61.0)
        minutes = list[Bar]()
        app.pipeline.bar_listeners.append(lambda bar: minutes.append(bar) if bar.timeframe == "1m" else None)
        processor.feed = feed  # type: ignore[method-assign]
        assert (await enter(app, "meanwhile")).kind == "confirmed"
        await bench.clock.sleep(121.0)
        assert app.pipeline.failures == 3
        assert [bar.complete for bar in minutes] == [False, True]

    play(tmp_path, script)


def test_f074_old_prices_open_nothing_and_show_their_age(tmp_path: Path) -> None:
    async def script(bench: Bench, app: Application) -> None:
        assert (await enter(app, "held")).kind == "confirmed"
        bench.fault("quote.stop")
        await bench.clock.sleep(4.0)
        assert (await enter(app, "still fresh")).kind == "confirmed"
        await bench.clock.sleep(1.5)
        denied = await enter(app, "too old")
        assert (denied.kind, denied.code) == ("denied", Code.DATA_STALE)
        seen = quote(app)
        assert seen["stale"]
        assert 5_000 < seen["age_ms"] < 7_000
        (position,) = BotOperations(app).positions(None)["items"]
        assert 5_000 < position["mark_age_ms"] < 7_000
        assert (await leave(app, "out")).kind == "confirmed"
        bench.venue.faults.clear()
        await until(bench, lambda: not quote(app)["stale"], 5.0)
        assert (await enter(app, "fresh again")).kind == "confirmed"

    play(tmp_path, script)


def test_f074_breakeven_waits_for_fresh_prices(tmp_path: Path) -> None:
    """The strategies' only prices are prints: none older than five seconds reaches them, bars get them all."""

    async def script(bench: Bench, app: Application) -> None:
        prices, real = list[int](), app.engine.on_price

        def on_price(contract_id: str, last: Any, now: TsNs) -> Any:
            prices.append(now)
            return real(contract_id, last, now)

        app.engine.on_price = on_price  # type: ignore[method-assign]
        await bench.clock.sleep(5.0)
        assert prices
        trades = app.pipeline.events["trades"]
        bench.fault("hub.late", hub="market", event="print", seconds=8.0)
        await bench.clock.sleep(9.0)
        prices.clear()
        await bench.clock.sleep(20.0)
        assert app.pipeline.events["trades"] > trades + 20
        assert prices == []
        bench.venue.faults.clear()
        await until(bench, lambda: prices, 12.0)

    play(tmp_path, script)


def test_f075_frozen_history_is_flagged_and_the_strategy_skips_until_it_moves(
    tmp_path: Path, lines: Lines
) -> None:
    bench = Bench(parse_ts("2025-11-04T13:30:00Z"))
    instance = Instance(ACCOUNT, "overnight_range")

    async def main(bench: Bench) -> None:
        bench.fault("bars.freeze")
        await bench.clock.sleep(75 * 60)
        app = bench.application(tmp_path, **OVERNIGHT)
        await app.start()
        assert {frame for _, frame in app.freshness.old} >= {"1m"}
        assert app.engine.state(instance) == "STARTING"
        await bench.clock.sleep(130.0)
        assert app.engine.state(instance) == "STARTING"
        health = BotOperations(app).health()
        assert health["status"] == "degraded"
        assert any("newest 1m bar" in reason for reason in health["reasons"])
        bench.venue.faults.clear()
        await until(bench, lambda: app.engine.state(instance) == "ACTIVE", 60.0)
        assert app.freshness.old == {}
        assert BotOperations(app).health()["status"] == "ok"
        flagged = [line["timeframe"] for line in lines if line["event"] == "history.old"]
        assert "1m" in flagged
        assert sorted(flagged) == sorted(set(flagged)), "one line per change"
        await app.stop()

    bench.play(main)


def test_f075_a_hole_that_history_does_not_fill_denies_a_strategys_entries(tmp_path: Path) -> None:
    """Live bars go on meanwhile; they are joined with the history once it moves."""

    async def script(bench: Bench, app: Application) -> None:
        await until(bench, lambda: app.engine.state(Instance(ACCOUNT, "overnight_range")) == "ACTIVE", 60.0)
        bench.fault("bars.freeze")
        bench.fault("hub.403", hub="market", seconds=800.0)
        bench.fault("hub.drop", hub="market", how="tcp")
        await bench.clock.sleep(801.0)
        await until(bench, lambda: app.hubs["market"].state == "up", 80.0)
        await until(bench, lambda: app.desk.picture.old_history, 40.0)
        window = app.engine._market.window(MNQ, "1m")
        newest = window.complete()[-1].start
        await bench.clock.sleep(125.0)
        assert window.complete()[-1].start > newest
        assert MNQ in app.desk.view().old_history
        bench.venue.faults.clear()
        await until(bench, lambda: not app.desk.picture.old_history, 60.0)
        starts = [bar.start for bar in window.complete()][-25:]
        assert [b - a for a, b in itertools.pairwise(starts)] == [MINUTE] * 24

    play(tmp_path, script, **OVERNIGHT)


def test_f078_a_forming_bar_is_never_stored_and_never_evaluated(tmp_path: Path) -> None:
    async def main(bench: Bench) -> None:
        app = bench.application(tmp_path, **OVERNIGHT)
        handed, real = list[tuple[str, int]](), HistoryLoader.series

        async def series(
            loader: HistoryLoader, contract: str, frame: str, *span: Any, count: int | None = None
        ) -> list[Bar]:
            bars = await real(loader, contract, frame, *span, count=count)
            handed.extend((frame, bar.end - bench.clock.now()) for bar in bars)
            return bars

        HistoryLoader.series = series  # type: ignore[method-assign]
        try:
            await app.start()
            raw = await app.venue.rest.bars(
                MNQ, "1m", TsNs(bench.clock.now() - HOUR), bench.clock.now(), 30, partial=True
            )
            assert raw[-1].start + MINUTE > bench.clock.now(), "the venue does leak"
            await bench.clock.sleep(200.0)
            stored = await app.storage.store.get_bars(MNQ, "1m")
            assert stored
            assert all(bar.end <= bench.clock.now() and bar.final for bar in stored)
        finally:
            HistoryLoader.series = real  # type: ignore[method-assign]
            await app.stop()
        assert {"1m", "1d"} <= {frame for frame, _ in handed}
        assert all(ahead <= 0 for _, ahead in handed)

    Bench(parse_ts("2025-11-04T14:00:20Z"), bars_leak_partial=True).play(main)


def loader(bench: Bench, rest: Any, freshness: Any) -> HistoryLoader:
    return HistoryLoader(
        rest, PythonBarConverter(CALENDAR), CALENDAR, bench.clock, lambda *_: None, freshness
    )


@pytest.mark.parametrize(
    ("start", "contract", "cause"),
    [
        ("2025-11-04T15:00:00Z", "CON.F.US.EP.Z25", "data tier"),
        ("2025-11-04T15:00:00Z", "CON.F.US.MNQ.U25", "not the active contract of MNQ"),
        ("2025-11-08T15:00:00Z", "CON.F.US.EP.Z25", None),
        ("2025-11-04T15:00:00Z", MNQ, None),
    ],
)
def test_f089_no_bars_in_open_hours_are_a_warning_with_its_cause(
    start: str, contract: str, cause: str | None, lines: Lines
) -> None:
    """The venue answers an empty list with success, as for a wrong data tier; on a Saturday that is no news."""

    async def main(bench: Bench) -> None:
        rest = bench.rest()
        await rest.contracts()
        record = await rest.contract(contract)
        freshness = Freshness(CALENDAR, lambda _: record, bench.clock)
        history = loader(bench, rest, freshness)
        for _ in range(3):
            if cause is None:
                assert bool(await history.newest(contract, "1m", 10)) is (contract == MNQ)
            else:
                with pytest.raises(OldHistory, match=cause):
                    await history.newest(contract, "1m", 10)
        warned = [line for line in lines if line["log_level"] == "warning"]
        assert len(warned) == (0 if cause is None else 1)
        assert all(cause in line["reason"] for line in warned)

    Bench(parse_ts(start)).play(main)


def test_f089_a_quiet_minute_is_no_warning(lines: Lines) -> None:
    """Ten minutes and its own length may pass without a bar."""

    async def main(bench: Bench) -> None:
        rest = bench.rest()
        await rest.contracts()
        freshness = Freshness(CALENDAR, lambda _: None, bench.clock)
        history = loader(bench, rest, freshness)
        bench.fault("bars.freeze")
        for _ in range(10):
            await bench.clock.sleep(60.0)
            assert await history.newest(MNQ, "1m", 10)
        assert [line for line in lines if line["log_level"] == "warning"] == []
        await bench.clock.sleep(120.0)
        with pytest.raises(OldHistory, match="newest 1m bar"):
            await history.newest(MNQ, "1m", 10)
        assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["history.old"]

    Bench().play(main)


def test_f083_sparse_and_zero_quotes_leave_what_they_do_not_carry(tmp_path: Path) -> None:
    async def script(bench: Bench, app: Application) -> None:
        seen = list[QuoteChanged]()
        real = app.desk.on_event

        def on_event(event: Any) -> None:
            if isinstance(event, QuoteChanged):
                seen.append(event)
            real(event)

        app.desk.on_event = on_event  # type: ignore[method-assign]
        before = app.desk.picture.quotes[MNQ]
        bench.fault("quote.sparse", seconds=10.0)
        await bench.clock.sleep(11.0)
        bench.fault("quote.zero", seconds=4.0)
        await bench.clock.sleep(3.9)
        assert len(seen) > 20
        for event in seen:
            quote = event.quote
            for value in (quote.bid, quote.ask, quote.last, quote.open, quote.high, quote.low):
                assert value is not None
                assert abs(value - before.bid) < 2000
            assert quote.volume
        held = app.desk.picture.quotes[MNQ]
        assert bench.clock.now() - max(held.bid_ts, held.ask_ts, held.last_ts) > 3 * SECOND, (
            "0 freshens nothing"
        )

    play(tmp_path, script)
