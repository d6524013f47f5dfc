"""Hub connections over real sockets: reconnects, subscriptions, generations, threads, secrets."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog

from bot.legacy.websocket import PythonStreamProcessor
from bot.model.events import Closed, QuoteChanged, Traded, Undecodable
from bot.model.intents import PlaceOrder
from bot.model.orders import OrderStatus
from tests.integration.gateway.conftest import MARKET_TOPICS, Listener, Venue, until
from tests.integration.gateway.test_rest import ACCOUNT, act, market_order

USER_TOPICS: list[tuple[str, list[Any]]] = [
    ("SubscribeAccounts", []),
    ("SubscribeOrders", [ACCOUNT]),
    ("SubscribePositions", [ACCOUNT]),
    ("SubscribeTrades", [ACCOUNT]),
]


def contract_id(venue: Venue) -> str:
    return venue.registry.resolve("MNQ").id


async def market(venue: Venue, **options: Any) -> Listener:
    listener = venue.hub("market", **options)
    listener.connection.set_topics([(method, [contract_id(venue)]) for method in MARKET_TOPICS])
    await listener.connection.start()
    await listener.up()
    return listener


async def user(venue: Venue, **options: Any) -> Listener:
    listener = venue.hub("user", **options)
    listener.connection.set_topics(USER_TOPICS)
    await listener.connection.start()
    await listener.up()
    return listener


async def test_market_data_arrives_and_can_be_read(venue: Venue) -> None:
    listener = await market(venue)
    await until(lambda: listener.count("GatewayTrade") > 3)
    processor = PythonStreamProcessor()
    processor.set_contracts(venue.registry.all())
    events = [
        event
        for (_, record), (received, _) in zip(listener.records, listener.stamps, strict=True)
        for event in processor.feed("market", record, received)
    ]
    assert not [event for event in events if isinstance(event, Undecodable)]
    assert [event for event in events if isinstance(event, QuoteChanged)]
    assert [event for event in events if isinstance(event, Traded)]
    quote = processor.quote(contract_id(venue))
    assert quote is not None
    assert quote.bid < quote.ask
    assert listener.stamps == sorted(listener.stamps)


async def test_user_events_tell_the_life_of_an_order(venue: Venue) -> None:
    listener = await user(venue)
    placed = await act(venue, market_order(venue, "told"))
    await until(lambda: listener.count("GatewayUserPosition") > 0)
    processor = PythonStreamProcessor()
    processor.set_contracts(venue.registry.all())
    events = [event for _, record in listener.records for event in processor.feed("user", record, 1)]
    orders = [event.order for event in events if hasattr(event, "order")]
    assert {order.id for order in orders} == {placed.order_id}
    assert orders[-1].status == OrderStatus.FILLED
    assert processor.undecodable == 0


@pytest.mark.parametrize("how", ["close", "tcp"])
async def test_f072_a_dropped_hub_comes_back_with_all_topics(venue: Venue, how: str) -> None:
    listener = await market(venue)
    for generation in (2, 3):
        venue.fault(fault="hub.drop", hub="market", how=how)
        await listener.up(generation)
        await until(lambda: listener.count("GatewayQuote", listener.connection.generation) > 0)
        await until(lambda: listener.count("GatewayDepth", listener.connection.generation) > 0)
    assert [state for state, _, _ in listener.states] == ["up", "down", "up", "down", "up"]


async def test_f099_a_silent_stall_is_found_and_ended(venue: Venue) -> None:
    listener = await market(venue, ping_s=0.4, dead_s=1.5)
    venue.fault(fault="hub.drop", hub="market", how="stall")
    await until(lambda: listener.connection.state == "down")
    assert "no record for 1.5 s" in listener.states[-1][2]
    await listener.up(2)


@pytest.mark.slow
async def test_an_idle_user_hub_is_kept_by_pings(venue: Venue) -> None:
    listener = await user(venue)
    await asyncio.sleep(16.5)
    assert listener.connection.state == "up"
    assert listener.connection.generation == 1
    silence = listener.connection.silence_ms()
    assert silence is not None
    assert silence < 16_000


async def test_f097_a_logout_event_proves_the_token_and_reconnects(venue: Venue) -> None:
    listener = await user(venue)
    refreshes = venue.session.refreshes
    venue.fault(fault="hub.logout", hub="user")
    await until(lambda: listener.count("GatewayLogout") == 1)
    await listener.up(2)
    assert venue.session.refreshes + venue.session.logins > refreshes + 1
    processor = PythonStreamProcessor()
    (record,) = [record for _, record in listener.records if b"GatewayLogout" in record]
    assert processor.feed("user", record, 1) == [Closed("user", "logged out by the venue")]


async def test_f093_a_token_that_ended_is_replaced_before_the_reconnect(venue: Venue) -> None:
    listener = await market(venue)
    await asyncio.sleep(0.3)
    venue.fault(fault="token.expire")
    venue.fault(fault="hub.drop", hub="market", how="tcp")
    await listener.up(2)
    assert venue.session.logins == 2


async def test_a_renewed_token_renews_the_connection(venue: Venue) -> None:
    listener = await market(venue)
    await venue.session.login()
    await listener.up(2)
    assert ("down", 1, "the token was renewed") in listener.states


async def test_f091_refused_upgrades_are_met_with_growing_pauses(venue: Venue) -> None:
    venue.fault(fault="hub.403", hub="market", count=6)
    listener = venue.hub("market", first_delay_s=0.05, last_delay_s=10.0)
    listener.connection.set_topics([])
    began = venue.clock.host_mono()
    await listener.connection.start()
    await listener.up()
    assert listener.connection.generation == 7
    assert venue.clock.host_mono() - began > 0.05 * (1 + 2 + 4 + 8 + 16 + 32) * 1e9
    assert [state for state, _, _ in listener.states] == ["up"]


async def test_topics_change_on_an_open_connection(venue: Venue) -> None:
    listener = await market(venue)
    other = venue.registry.resolve("MES").id
    listener.connection.set_topics([("SubscribeContractQuotes", [other])])
    await until(lambda: listener.count(f'GatewayQuote","arguments":["{other}') > 0)
    await asyncio.sleep(0.1)
    before = listener.count(contract_id(venue))
    await until(lambda: listener.count(other) > 5)
    assert listener.count(contract_id(venue)) == before


async def test_a_refused_user_topic_is_never_up(make_venue: Callable[..., Any]) -> None:
    venue: Venue = await make_venue(subscribe_unknown="error")
    await venue.session.login()
    listener = venue.hub("user")
    listener.connection.set_topics([("SubscribeOrders", [999])])
    await listener.connection.start()
    await until(lambda: listener.connection.generation >= 3)
    assert "up" not in [state for state, _, _ in listener.states]
    assert list(listener.connection.refused) == ["SubscribeOrders[999]"]


async def test_f100_nothing_of_an_old_generation_gets_through(venue: Venue) -> None:
    listener = await market(venue)
    for generation in range(2, 8):
        await asyncio.sleep(0.05)
        listener.connection.restart("test")
        await listener.up(generation)
    seen = [generation for generation, _ in listener.records]
    assert seen == sorted(seen)
    assert max(seen) >= 7


async def test_f094_an_overflow_is_told_and_heals(venue: Venue) -> None:
    listener = venue.hub("market", bound=12)
    listener.connection.set_topics([(method, [contract_id(venue)]) for method in MARKET_TOPICS])
    await listener.connection.start()
    await listener.up()
    threading.Event().wait(1.5)
    await until(lambda: any(state == "overflow" for state, _, _ in listener.states))
    await listener.up(2)
    assert listener.connection.counters["overflows"] >= 1


@pytest.mark.slow
async def test_f092_five_hundred_drops_leave_threads_sockets_and_memory_constant(venue: Venue) -> None:
    listener = await market(venue, first_delay_s=0.0, last_delay_s=0.0)
    process = psutil.Process()

    def load() -> tuple[int, int, int]:
        listener.records.clear()
        listener.stamps.clear()
        gc.collect()
        sockets = [each for each in process.net_connections() if each.status != "TIME_WAIT"]
        return threading.active_count(), len(os.listdir("/proc/self/fd")), len(sockets)

    for _ in range(20):
        listener.connection.restart("test")
        await listener.up(listener.connection.generation + 1)
    threads, files, sockets = load()
    memory = process.memory_info().rss
    for drop in range(480):
        generation = listener.connection.generation
        if drop % 2:
            venue.fault(fault="hub.drop", hub="market", how="tcp")
        else:
            listener.connection.restart("test")
        await listener.up(generation + 1)
    now_threads, now_files, now_sockets = load()
    assert now_threads <= threads
    assert now_files <= files + 3
    assert now_sockets <= sockets + 3
    assert process.memory_info().rss - memory < 16 * 2**20
    assert listener.connection.generation >= 500


async def test_the_gateway_gone_and_back(venue: Venue) -> None:
    listener = await market(venue)
    port = int(venue.paper.url.rsplit(":", 1)[1])
    await venue.paper.stop()
    await until(lambda: listener.connection.state == "down")
    await asyncio.sleep(0.3)
    tries = listener.connection.counters["connects"]
    assert 1 <= tries < 20
    again = type(venue.paper)(venue.paper.config.__class__(**_settings(venue, port)), venue.clock)
    venue.paper = again
    await again.start()
    await listener.up(2, 15.0)
    await until(lambda: listener.count("GatewayQuote", listener.connection.generation) > 0)


async def test_starting_twice_is_an_error_and_stopping_leaves_nothing(venue: Venue) -> None:
    threads = threading.active_count()
    listener = await market(venue)
    with pytest.raises(RuntimeError, match="started already"):
        await listener.connection.start()
    await listener.connection.stop()
    await until(lambda: threading.active_count() == threads)
    assert venue.session.listeners == []


async def test_no_log_ever_shows_the_token_or_the_key(venue: Venue, tmp_path: Path) -> None:
    path = tmp_path / "all.log"
    handler = logging.FileHandler(path)
    root = logging.getLogger()
    root.addHandler(handler)
    level, root.level = root.level, logging.DEBUG
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(path.open("a")))
    try:
        listener = await user(venue)
        venue.fault(fault="hub.drop", hub="user", how="tcp")
        await listener.up(2)
        venue.fault(fault="hub.403", hub="user", count=1)
        listener.connection.restart("test")
        await listener.up(4)
        await act(venue, market_order(venue, "logged"))
    finally:
        root.removeHandler(handler)
        root.level = level
        structlog.configure(**before)
    token = await venue.session.token()
    text = path.read_text() + repr(token) + repr(venue.session) + repr(listener.connection)
    assert "hub.state" in text
    for secret in (token.text, token.text.split(".")[2], venue.api_key):
        assert secret not in text
    assert isinstance(market_order(venue, "x"), PlaceOrder)


def _settings(venue: Venue, port: int) -> dict[str, Any]:
    config = venue.paper.config
    return {**{name: getattr(config, name) for name in config.__struct_fields__}, "port": port}
