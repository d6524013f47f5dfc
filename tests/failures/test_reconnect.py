"""Rows F91, F93, F94 and F97 to F100: hubs that refuse, drop, log out, fall silent or speak from the past."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Literal

import pytest

from bot.app.application import Application
from bot.app.operations import BotOperations
from bot.model.times import SECOND
from tests.failures.bench import ACCOUNT, MNQ, Bench, MemoryLink
from tests.failures.test_stale_data import enter, leave, play, until
from tests.integration.gateway.conftest import MARKET_TOPICS, Listener, Venue
from tests.integration.gateway.conftest import until as until_real

HubName = Literal["user", "market"]
USER_TOPICS: list[tuple[str, list[Any]]] = [
    ("SubscribeAccounts", []), ("SubscribeOrders", [ACCOUNT]), ("SubscribePositions", [ACCOUNT]),
    ("SubscribeTrades", [ACCOUNT]),
]  # fmt: skip
TOPICS: dict[str, list[tuple[str, list[Any]]]] = {
    "user": USER_TOPICS, "market": [(method, [MNQ]) for method in MARKET_TOPICS],
}  # fmt: skip


def with_hub(name: HubName, script: Callable[[Bench, Listener], Awaitable[None]]) -> None:
    async def main(bench: Bench) -> None:
        session = bench.session()
        await session.login()
        listener = bench.hub(name, session)
        listener.connection.set_topics(TOPICS[name])
        try:
            await script(bench, listener)
        finally:
            await listener.connection.stop()
            await session.close()

    Bench().play(main)


@pytest.mark.parametrize("status", [403, 429, 503])
@pytest.mark.parametrize("name", ["user", "market"])
def test_f091_fifty_refused_upgrades_are_twelve_tries_in_five_minutes(
    name: HubName, status: int, lines: list[MutableMapping[str, Any]]
) -> None:
    async def script(bench: Bench, listener: Listener) -> None:
        bench.fault("hub.403", hub=name, count=50, status=status)
        began = bench.clock.now()
        await listener.connection.start()
        await bench.clock.sleep(300.0)
        tries = [link.tried_at - began for link in bench.links]
        assert 6 <= len(tries) <= 12
        pauses = [b - a for a, b in itertools.pairwise(tries)]
        for number, pause in enumerate(pauses):
            least = min(2**number, 60) * SECOND
            assert least <= pause <= least * 1.25 + SECOND
        assert [line for line in lines if line["event"] == "hub.state"] == []
        bench.venue.faults.clear()
        await until(bench, lambda: listener.connection.state == "up", 80.0)
        await bench.clock.sleep(15.0)
        bench.fault("hub.drop", hub=name, how="tcp")
        await until(bench, lambda: len(listener.states) == 3, 10.0)
        told = [line["state"] for line in lines if line["event"] == "hub.state"]
        assert told == ["up", "down", "up"], "one line per change"

    with_hub(name, script)


@pytest.mark.parametrize("name", ["user", "market"])
def test_f093_each_connect_carries_the_token_of_now(name: HubName) -> None:
    async def script(bench: Bench, listener: Listener) -> None:
        await listener.connection.start()
        for generation in (2, 3):
            await until(bench, lambda: listener.connection.state == "up", 10.0)
            await bench.clock.sleep(60.0)
            bench.fault("token.expire")
            bench.fault("hub.drop", hub=name, how="tcp")
            await until(bench, lambda g=generation: len(listener.states) == 2 * g - 1, 20.0)
        accepted = [link.token for link in bench.links if link._session is not None]
        assert len(set(accepted)) == len(accepted) == 3

    with_hub(name, script)


async def test_f094_a_late_connection_activates_all_topics_and_calls_back_on_one_thread(venue: Venue) -> None:
    mnq, mes = (venue.registry.resolve(root).id for root in ("MNQ", "MES"))
    venue.fault(fault="hub.403", hub="market", count=3)
    listener = venue.hub("market", first_delay_s=0.2)
    threads, real = set[int](), listener.connection._on_records

    def on_records(*arguments: Any) -> None:
        threads.add(threading.get_ident())
        real(*arguments)

    listener.connection._on_records = on_records
    listener.connection.set_topics([(MARKET_TOPICS[0], [mnq])])
    await listener.connection.start()
    await asyncio.sleep(0.1)
    listener.connection.set_topics([(method, [id_]) for method in MARKET_TOPICS for id_ in (mnq, mes)])
    await listener.up(4)
    for target in ("GatewayQuote", "GatewayTrade", "GatewayDepth"):
        for id_ in (mnq, mes):
            await until_real(lambda t=target, i=id_: listener.count(f'{t}","arguments":["{i}"') > 0)
    assert threads == {threading.get_ident()}
    assert listener.connection.refused == {}


def test_f097_a_logout_every_thirty_seconds_loses_no_fill(tmp_path: Path) -> None:
    async def script(bench: Bench, app: Application) -> None:
        for number in range(20):
            bench.fault("hub.logout", hub="user")
            if number % 2:
                bench.venue.advance(bench.clock.now())
            answer = await (leave if number % 2 else enter)(app, f"order {number}")
            if answer.kind == "denied":
                await bench.clock.sleep(5.0)
                answer = await (leave if number % 2 else enter)(app, f"order {number} again")
            assert answer.kind == "confirmed", answer
            await bench.clock.sleep(30.0)
            held = app.desk.picture.positions.net(ACCOUNT, MNQ)
            assert held == (0 if number % 2 else 1)
        verdict = bench.venue.verdict()
        assert verdict["fills"] == len(app.desk.picture.fills.all()) == 20
        assert verdict["violations"] == []
        assert app.hubs["user"].generation > 20
        assert BotOperations(app).health()["status"] == "ok"
        logins = bench.calls("/api/Auth/loginKey") + bench.calls("/api/Auth/validate")
        assert logins <= 2 * 21

    play(tmp_path, script)


@pytest.mark.parametrize("how", ["close", "tcp", "stall"])
def test_f098_health_is_degraded_within_35_seconds_of_the_loss_of_both_hubs(tmp_path: Path, how: str) -> None:
    async def script(bench: Bench, app: Application) -> None:
        operations = BotOperations(app)
        assert operations.health()["status"] == "ok"
        bench.fault("hub.drop", hub="any", how=how)
        assert await until(bench, lambda: operations.health()["status"] == "degraded", 35.0) <= 35.0
        reasons = " ".join(operations.health()["reasons"])
        assert "user hub" in reasons or "market hub" in reasons
        await until(bench, lambda: operations.health()["status"] == "ok", 60.0)

    play(tmp_path, script)


def test_f098_a_hub_that_says_up_is_judged_by_its_age(tmp_path: Path) -> None:
    """The connection's own watch is taken out: health does not lean on it."""

    async def script(bench: Bench, app: Application) -> None:
        operations = BotOperations(app)
        for hub in app.hubs.values():
            hub._dead_ns = 10**18
        bench.fault("hub.drop", hub="any", how="stall")
        assert await until(bench, lambda: operations.health()["status"] == "degraded", 35.0) <= 35.0
        await bench.clock.sleep(5.0)
        assert {hub.state for hub in app.hubs.values()} == {"up"}
        reasons = " ".join(operations.health()["reasons"])
        assert "no record of the user hub" in reasons
        assert "no record of the market hub" in reasons

    play(tmp_path, script)


@pytest.mark.parametrize("name", ["user", "market"])
def test_f099_a_silent_stall_is_a_dead_connection_after_thirty_seconds(name: HubName) -> None:
    async def script(bench: Bench, listener: Listener) -> None:
        await listener.connection.start()
        await until(bench, lambda: listener.connection.state == "up", 5.0)
        await bench.clock.sleep(100.0)
        assert listener.connection.generation == 1, "pings keep a quiet hub"
        bench.fault("hub.drop", hub=name, how="stall")
        silent = await until(bench, lambda: listener.connection.state == "down", 60.0)
        assert 14.0 <= silent <= 32.0, "thirty seconds after the newest record"
        assert listener.states[-1][2] == "no record for 30 s"
        await until(bench, lambda: listener.connection.state == "up", 5.0)

    with_hub(name, script)


def test_f099_a_market_hub_that_only_pings_is_made_anew_in_open_hours(tmp_path: Path) -> None:
    async def script(bench: Bench, app: Application) -> None:
        hub, operations = app.hubs["market"], BotOperations(app)
        bench.fault("hub.drop", hub="market", how="pings")
        await until(bench, lambda: operations.health()["status"] == "degraded", 35.0)
        assert "no quote" in " ".join(operations.health()["reasons"])
        await until(bench, lambda: hub.generation == 2 and hub.state == "up", 90.0)
        await until(bench, lambda: operations.health()["status"] == "ok", 5.0)
        await bench.clock.sleep(200.0)
        assert hub.generation == 2

    play(tmp_path, script)


def test_f099_a_market_without_quotes_is_renewed_less_and_less_often_and_never_when_closed(
    tmp_path: Path,
) -> None:
    async def script(bench: Bench, app: Application) -> None:
        hub, before = app.hubs["market"], app.hubs["market"].generation
        bench.fault("quote.stop")
        await bench.clock.sleep(1800.0)
        assert 2 <= hub.generation - before <= 5

    play(tmp_path, script)

    async def closed(bench: Bench, app: Application) -> None:
        await bench.clock.sleep(300.0)
        assert app.hubs["market"].generation == 1
        assert app.feed_watch.age_ns() is None
        assert BotOperations(app).health()["status"] == "ok"

    play(tmp_path / "closed", closed, Bench(start=1_762_614_000 * SECOND))


def test_f100_frames_of_an_old_connection_change_nothing(tmp_path: Path) -> None:
    async def script(bench: Bench, app: Application) -> None:
        old = next(link for link in bench.links if link.hub == "user")
        assert (await enter(app, "held")).kind == "confirmed"
        await bench.clock.sleep(2.0)
        bench.fault("hub.late", hub="user", seconds=3.0)
        assert (await leave(app, "out")).kind == "confirmed"
        bench.fault("hub.drop", hub="user", how="tcp")
        await until(bench, lambda: app.hubs["user"].generation == 2 and app.hubs["user"].state == "up", 10.0)
        await bench.clock.sleep(10.0)
        assert app.desk.picture.positions.net(ACCOUNT, MNQ) == 0
        seen = app.pipeline.records
        positions = (
            b'{"type":1,"target":"GatewayUserPosition","arguments":[{"action":1,"data":{"id":77,"accountId":1001,'
            b'"contractId":"CON.F.US.MNQ.Z25","creationTimestamp":"2025-11-04T14:00:05+00:00","type":1,"size":9,'
            b'"averagePrice":23100}}]}'
        )
        assert isinstance(old, MemoryLink)
        assert old.over
        old.take([positions])
        await bench.clock.sleep(0.01)
        assert app.desk.picture.positions.net(ACCOUNT, MNQ) == 0
        new = next(link for link in reversed(bench.links) if link.hub == "user")
        new.take([positions])
        await bench.clock.sleep(0.01)
        assert app.desk.picture.positions.net(ACCOUNT, MNQ) == 9, (
            "the same frame on the new connection counts"
        )
        assert app.pipeline.records > seen

    play(tmp_path, script)
