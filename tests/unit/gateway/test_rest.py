"""Reads of odd answers: what is data, what is a refusal, what is a broken protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from bot.clock import SystemClock
from bot.gateway.budget import RateBudget
from bot.gateway.contracts import ContractRegistry
from bot.gateway.credentials import Credentials
from bot.gateway.exchange import HISTORY
from bot.gateway.rest import ACCOUNTS, CONTRACT, OPEN_ORDERS, ORDERS, POSITIONS, QUERY, TRADES, RestClient
from bot.gateway.session import LOGIN, VenueSession
from bot.gateway.transport import AiohttpTransport
from bot.model.errors import AuthError, BadTimeframe, ProtocolError, VenueRefused, VenueUnreachable
from bot.model.intents import PlannedRequest, WireResponse
from bot.model.secret import Secret
from bot.model.times import HOUR, MINUTE, format_ts, parse_ts
from tests.parity.test_websocket import ACCOUNT, FILL, MNQ, ORDER, POSITION
from tests.unit.gateway.scripted import ScriptedVenue, envelope

PLACE = PlannedRequest("ID", 1001, MNQ.id, "place", "/api/Order/place", b"{}")
START = parse_ts("2025-10-01T14:00:00Z")


@pytest.fixture
async def rest(venue: ScriptedVenue) -> AsyncIterator[RestClient]:
    clock = SystemClock()
    venue.now_s = clock.now() / 1e9
    transport = AiohttpTransport(venue.url)
    budget = RateBudget(clock)
    session = VenueSession(transport, Credentials("me", Secret("my-key")), clock, budget)
    registry = ContractRegistry(clock)
    registry.put([MNQ])
    yield RestClient(transport, session, budget, clock, registry, request_timeout_s=0.5, read_deadline_s=5.0)
    await session.close()
    await transport.close()


def bar(minute: int, **changes: Any) -> dict[str, Any]:
    return {
        "t": format_ts(START + minute * MINUTE, "+00:00"),
        "o": 20000,
        "h": 20001.5,
        "l": 19999,
        "c": 20000.25,
        "v": 7,
        **changes,
    }


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"null", b"[]", b"{}", b'{"positions":[]}', b'{"positions":[],"success":true}',
        b'{"positions":[],"success":"true","errorCode":0}', b'{"positions":[],"success":true,"errorCode":2}',
        b'{"positions":[],"success":false,"errorCode":0}', b'{"positions":null,"success":true,"errorCode":0}',
        b'{"positions":{},"success":true,"errorCode":0}', b'{"success":true,"errorCode":0}',
        b'{"positions":[null],"success":true,"errorCode":0}', b'{"positions":[5],"success":true,"errorCode":0}',
    ],
)  # fmt: skip
async def test_f104_an_answer_of_another_shape_is_never_empty(
    venue: ScriptedVenue, rest: RestClient, body: bytes
) -> None:
    venue.script[POSITIONS] = [(200, body)]
    with pytest.raises(ProtocolError):
        await rest.positions(1001)
    assert venue.count(POSITIONS) == 1, "a broken protocol is not asked again"


@pytest.mark.parametrize(
    ("path", "member", "row", "optional"),
    [
        (POSITIONS, "positions", POSITION, {"contractDisplayName"}),
        (ACCOUNTS, "accounts", ACCOUNT, {"simulated"}),
        (TRADES, "trades", FILL, {"profitAndLoss", "commissions"}),
        (
            ORDERS,
            "orders",
            ORDER,
            {
                "symbolId", "updateTimestamp", "stopPrice", "fillVolume", "filledPrice", "customTag",
                "parentOrderId", "trailDistance",
            },
        ),
    ],
)  # fmt: skip
async def test_f066_each_member_removed_in_turn_fails_the_read(
    venue: ScriptedVenue, rest: RestClient, path: str, member: str, row: dict[str, Any], optional: set[str]
) -> None:
    async def read() -> list[Any]:
        if path == POSITIONS:
            return list(await rest.positions(1001))
        if path == ACCOUNTS:
            return list(await rest.accounts())
        if path == TRADES:
            return list(await rest.fills(1001, START))
        return list(await rest.orders_since(1001, START))

    venue.script[path] = [envelope(**{member: [row]})]
    assert len(await read()) == 1
    for name in row:
        without = {key: value for key, value in row.items() if key != name}
        for broken in (without, {**row, name: None}):
            venue.script[path] = [envelope(**{member: [row, broken]})]
            if name in optional:
                assert len(await read()) == 2
            else:
                with pytest.raises(ProtocolError, match=f"{path} row 1"):
                    await read()


async def test_f164_numbers_are_read_from_their_text(venue: ScriptedVenue, rest: RestClient) -> None:
    text = (
        json.dumps(envelope(positions=[POSITION]))
        .replace("28446.375", "2.8446375E+04")
        .replace('"size": 2', '"size": 2.0')
    )
    venue.script[POSITIONS] = [(200, text.encode())]
    (position,) = await rest.positions(1001)
    assert (position.average, position.cost_ticks, position.size) == ("2.8446375E+04", 227_571, 2)


async def test_a_missing_contract_record_is_fetched_in_either_shape(
    venue: ScriptedVenue, rest: RestClient
) -> None:
    record = {
        "id": "CON.F.US.MES.Z25", "name": "MESZ5", "description": "Micro", "symbolId": "F.US.MES",
        "tickSize": 0.25, "tickValue": 1.25, "activeContract": False,
    }  # fmt: skip
    venue.script[POSITIONS] = [envelope(positions=[{**POSITION, "contractId": record["id"]}])]
    venue.script[CONTRACT] = [envelope(contracts=[{"id": "other"}, record])]
    assert (await rest.positions(1001))[0].contract_id == record["id"]
    assert (await rest.positions(1001))[0].cost_ticks == 227_571
    assert venue.count(CONTRACT) == 1
    venue.script[CONTRACT] = [envelope(contract=None)]
    with pytest.raises(ProtocolError):
        await rest.contract("CON.F.US.ES.Z25")


async def test_working_orders_are_paged_by_rows_and_filtered(venue: ScriptedVenue, rest: RestClient) -> None:
    rows = [{**ORDER, "id": number, "status": (1, 6, 7, 8, 2)[number % 5]} for number in range(1, 251)]

    async def page(request: web.Request) -> web.Response:
        body = await request.json()
        assert body["filter"] == {"accountId": 1001, "statuses": [1, 6, 7, 8]}
        begin = body["pageOffset"]
        return web.json_response(envelope(orders=rows[begin : begin + body["pageSize"]], totalCount=None))

    venue.script[QUERY] = [page]
    found = await rest.open_orders(1001)
    assert found.complete
    assert [order.id for order in found.orders] == [row["id"] for row in rows if row["status"] != 2]
    assert venue.count(QUERY) == 3


async def test_a_venue_without_the_query_is_asked_the_old_way(venue: ScriptedVenue, rest: RestClient) -> None:
    venue.script[QUERY] = [(404, b"")]
    venue.script[OPEN_ORDERS] = [envelope(orders=[{**ORDER, "status": 1}])]
    for _ in range(2):
        found = await rest.open_orders(1001)
        assert (len(found.orders), found.complete) == (1, False)
    assert venue.count(QUERY) == 1


async def test_a_broken_answer_of_the_query_is_a_failed_read_not_a_fallback(
    venue: ScriptedVenue, rest: RestClient
) -> None:
    venue.script[QUERY] = [(200, b"")]
    with pytest.raises(ProtocolError):
        await rest.open_orders(1001)
    assert venue.count(OPEN_ORDERS) == 0


async def test_f078_f088_bars_are_sorted_deduplicated_closed_and_counted(
    venue: ScriptedVenue, rest: RestClient
) -> None:
    rows = [bar(3), bar(1), bar(2, h=None), bar(0), bar(3, c=20001), bar(9)]
    venue.script[HISTORY] = [envelope(bars=rows)]
    bars = await rest.bars(MNQ.id, "1m", START, START + 9 * MINUTE, 100)
    assert [(found.start - START) // MINUTE for found in bars] == [0, 1, 3]
    assert bars[-1].close == 80004
    assert rest.dropped_bars == 1
    _, _, body = venue.seen[-1]
    assert json.loads(body) == {
        "contractId": MNQ.id, "live": False, "startTime": "2025-10-01T14:00:00Z",
        "endTime": "2025-10-01T14:09:00Z", "unit": 2, "unitNumber": 1, "limit": 100, "includePartialBar": False,
    }  # fmt: skip
    now = rest._clock.now()
    forming = now - now % HOUR
    venue.script[HISTORY] = [envelope(bars=[bar(0, t=format_ts(forming))])]
    assert await rest.bars(MNQ.id, "1h", forming - HOUR, forming + HOUR, 5) == []
    assert len(await rest.bars(MNQ.id, "1h", forming - HOUR, forming + HOUR, 5, partial=True)) == 1


@pytest.mark.parametrize("text", ["", "m", "1", "01m", "1M", "-1m", "1.5m", "1w"])
async def test_only_the_venues_own_units_are_asked_for(rest: RestClient, text: str) -> None:
    with pytest.raises(BadTimeframe):
        await rest.bars(MNQ.id, text, START, START + HOUR, 5)


@pytest.mark.parametrize("status", [403, 302, 418])
async def test_a_status_that_will_not_change_is_a_refusal(
    venue: ScriptedVenue, rest: RestClient, status: int
) -> None:
    venue.script[POSITIONS] = [(status, b"")]
    with pytest.raises(VenueRefused):
        await rest.positions(1001)
    assert venue.count(POSITIONS) == 1


async def test_a_read_that_stays_unanswered_is_unreachable(venue: ScriptedVenue, rest: RestClient) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(3)
        return web.Response()

    venue.script[POSITIONS] = [never]
    with pytest.raises(VenueUnreachable, match="timeout"):
        await rest.positions(1001)
    assert 2 <= venue.count(POSITIONS) <= 4


async def test_a_401_on_every_read_is_one_login_and_an_auth_error(
    venue: ScriptedVenue, rest: RestClient
) -> None:
    venue.script[POSITIONS] = [(401, b"")]
    for _ in range(5):
        with pytest.raises(AuthError):
            await rest.positions(1001)
    assert venue.count(LOGIN) == 1, "a token of the last seconds is not replaced"


async def test_429_on_reads_are_waited_out_and_counted(venue: ScriptedVenue, rest: RestClient) -> None:
    venue.script[POSITIONS] = [(429, b""), envelope(positions=[])]
    assert await rest.positions(1001) == []
    assert rest._exchange._budget.counters["rate_limited"] == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((200, b"{}"), WireResponse(200, b"{}")),
        ((500, b"x"), WireResponse(500, b"x")),
        ((429, b""), WireResponse(429, b"")),
    ],
)
async def test_mutations_are_transmitted_once_whatever_comes_back(
    venue: ScriptedVenue, rest: RestClient, answer: Any, expected: WireResponse
) -> None:
    venue.script[PLACE.path] = [answer]
    assert await rest.send(PLACE, "entry") == expected
    assert venue.count(PLACE.path) == 1


async def test_a_mutation_without_an_answer_is_not_sent_again(venue: ScriptedVenue, rest: RestClient) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(3)
        return web.Response()

    venue.script[PLACE.path] = [never]
    assert await rest.send(PLACE, "entry") == WireResponse(None, failure="timeout")
    assert venue.count(PLACE.path) == 1


async def test_a_caller_that_leaves_does_not_stop_the_transmission(
    venue: ScriptedVenue, rest: RestClient
) -> None:
    begun, done = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        begun.set()
        await asyncio.sleep(0.2)
        done.set()
        return web.json_response(envelope(orderId=1))

    venue.script[PLACE.path] = [slow]
    task = asyncio.create_task(rest.send(PLACE, "entry"))
    await asyncio.wait_for(begun.wait(), 2)
    task.cancel()
    await asyncio.wait_for(done.wait(), 2)
    assert venue.count(PLACE.path) == 1


async def test_a_session_refused_sends_nothing(venue: ScriptedVenue, rest: RestClient) -> None:
    venue.script[LOGIN] = [{"token": None, "success": False, "errorCode": 9, "errorMessage": None}]
    assert await rest.send(PLACE, "safety") == WireResponse(None, failure="connect")
    assert venue.count(PLACE.path) == 0
