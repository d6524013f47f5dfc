"""A seeded journal, made by the real recorder over the real Python builder."""

from __future__ import annotations

from pathlib import Path
from random import Random

from bot.calendar.sessions import SessionCalendar
from bot.clock import SystemClock
from bot.legacy.market_data import PythonBarBuilder
from bot.migration.journal import JournalWriter
from bot.migration.recorded import RecordedBarBuilder
from bot.migration.register import Unit
from bot.migration.segments import Limits
from bot.model.market import DEFAULT_TIMEFRAMES, Trade
from bot.model.quantities import Ticks, TsNs
from bot.model.times import MINUTE, SECOND

START = 1_764_000_000 * SECOND  # 2025-11-24 16:00 UTC, a Monday, cash session
CONTRACTS = {"CON.F.US.MES.Z25": 24_000, "CON.F.US.MNQ.Z25": 88_000}
SETTINGS = {"timeframes": list(DEFAULT_TIMEFRAMES), "close_grace_ms": 500, "max_future_ms": 5000}
SHADOW = Unit("market_data", "shadow", "python", ("rust",), 1)


def record(
    folder: Path,
    minutes: int = 10,
    seed: int = 1,
    *,
    ledger: str = "live",
    stop: bool = True,
    seconds_in: int = 0,
    silent: range = range(0),
    queue_blocks: int = 256,
) -> JournalWriter:
    """Record `minutes` of two contracts' trades with timers four times a second; returns the journal.

    In the `silent` minutes nothing is written: with a queue of a few `queue_blocks` calls are dropped.
    """
    limits = Limits(queue_blocks=queue_blocks)
    journal = JournalWriter(folder, SystemClock(), ledger=ledger, venue="paper", limits=limits)
    journal.start(threaded=False)
    builder = PythonBarBuilder(DEFAULT_TIMEFRAMES, SessionCalendar.shipped())
    recorded = RecordedBarBuilder(builder, journal, SETTINGS, tax_ns=400)
    recorded.record(SHADOW)
    random, prices = Random(seed), dict(CONTRACTS)
    now = START + seconds_in * SECOND
    for contract_id in CONTRACTS:
        recorded.feed_up(contract_id, TsNs(now))
    for _ in range(minutes * 240):
        now += SECOND // 4
        for contract_id in CONTRACTS:
            if random.random() < 0.6:
                prices[contract_id] += random.choice((-1, 0, 1))
                recorded.on_trades(
                    tuple(
                        Trade(
                            contract_id, Ticks(prices[contract_id]), random.randint(1, 5),
                            TsNs(now - random.randint(0, 200_000_000)), TsNs(now), random.randint(0, 1),
                        )
                        for _ in range(random.randint(1, 3))
                    )
                )  # fmt: skip
        recorded.on_timer(TsNs(now))
        if now % MINUTE == 0 and (now - START) // MINUTE not in silent:
            journal.pump()
    journal.pump()
    if stop:
        recorded.stop()
        journal.stop()
    return journal
