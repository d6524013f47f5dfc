"""Reads, mutations, tokens and budget over real sockets; the paper gateway's ledger is the judge."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from bot.gateway.session import VenueSession
from bot.legacy.order_execution import PythonOrderExecution
from bot.model.codes import Code
from bot.model.errors import AuthError, ProtocolError, VenueRefused, VenueUnreachable
from bot.model.intents import Bracket, CancelOrder, ClosePosition, Intent, ModifyOrder, Outcome, PlaceOrder
from bot.model.secret import Secret
from bot.model.times import HOUR, MINUTE
from tests.integration.gateway.conftest import Venue
from tests.parity.approval import approve

ACCOUNT = 1001


def calls(venue: Venue, path: str) -> int:
    """How many requests for a path reached the gateway."""
    requests: Any = venue.paper.venue.records()["requests"]
    return sum(row["path"] == path for row in requests)


async def act(venue: Venue, intent: Intent, lane: str = "entry") -> Outcome:
    execution = PythonOrderExecution()
    request = execution.plan(approve(intent), venue.registry.all()[intent.contract_id])
    return execution.interpret(request, await venue.rest.send(request, lane))


def market_order(venue: Venue, key: str, **changes: Any) -> PlaceOrder:
    contract = venue.registry.resolve("MNQ")
    members: dict[str, Any] = {
        "key": key,
        "account_id": ACCOUNT,
        "contract_id": contract.id,
        "source": "manual",
        "kind": "MK",
        "side": 0,
        "type": 2,
        "size": 2,
        **changes,
    }
    return PlaceOrder(**members)


async def test_accounts_and_contracts_are_read_exactly(venue: Venue) -> None:
    accounts = await venue.rest.accounts()
    assert [(a.id, a.balance) for a in accounts] == [(1001, 150_000_000_000), (1002, 50_000_000_000)]
    assert len(venue.registry.all()) > 40
    assert venue.registry.mismatches() == {}
    assert venue.registry.resolve("6jz5").tick.decimals == 7
    with pytest.raises(VenueRefused, match="ContractNotFound"):
        await venue.rest.contract("CON.F.US.NOPE.Z25")


async def test_a_bracket_order_lives_from_place_to_close(venue: Venue) -> None:
    before = venue.clock.now()
    entry = market_order(venue, "a", bracket=Bracket(200, 400))
    placed = await act(venue, entry)
    assert placed.kind == "confirmed"
    await asyncio.sleep(0.2)
    (position,) = await venue.rest.positions(ACCOUNT)
    assert (position.side, position.size) == (1, 2)
    working = await venue.rest.open_orders(ACCOUNT)
    assert working.complete
    assert sorted(order.type for order in working.orders) == [1, 4]
    assert {order.parent_id for order in working.orders} == {placed.order_id}
    stop = next(order for order in working.orders if order.type == 4)
    moved = await act(
        venue,
        ModifyOrder(
            key="m", account_id=ACCOUNT, contract_id=entry.contract_id, source="manual", order_id=stop.id,
            stop=stop.stop - 4,
        ),
    )  # fmt: skip
    assert moved.kind == "confirmed"
    partly = ClosePosition(
        key="c1", account_id=ACCOUNT, contract_id=entry.contract_id, source="manual", size=1
    )
    assert (await act(venue, partly, "safety")).kind == "confirmed"
    whole = ClosePosition(key="c2", account_id=ACCOUNT, contract_id=entry.contract_id, source="manual")
    assert (await act(venue, whole, "safety")).kind == "confirmed"
    for order in (await venue.rest.open_orders(ACCOUNT)).orders:
        cancel = CancelOrder(
            key=f"x{order.id}", account_id=ACCOUNT, contract_id=order.contract_id, source="manual",
            order_id=order.id,
        )  # fmt: skip
        assert (await act(venue, cancel, "safety")).kind == "confirmed"
    assert await venue.rest.positions(ACCOUNT) == []
    assert (await venue.rest.open_orders(ACCOUNT)).orders == ()
    fills = await venue.rest.fills(ACCOUNT, before)
    assert [fill.ts for fill in fills] == sorted(fill.ts for fill in fills)
    assert sum((1 if fill.side == 0 else -1) * fill.size for fill in fills) == 0
    orders = await venue.rest.orders_since(ACCOUNT, before)
    assert next(order for order in orders if order.id == placed.order_id).tag == entry.tag


@pytest.mark.parametrize("how", [500, 502, 504, "reset", "empty", "html"])
async def test_f001_an_order_accepted_behind_a_broken_answer_is_unknown_and_sent_once(
    venue: Venue, how: object
) -> None:
    venue.fault(fault="accept_then", endpoint="place", how=how, count=1)
    intent = market_order(venue, f"broken-{how}")
    outcome = await act(venue, intent)
    assert outcome.kind == "unknown"
    assert calls(venue, "/api/Order/place") == 1
    orders = await venue.rest.orders_since(ACCOUNT, venue.clock.now() - HOUR)
    assert [order.tag for order in orders] == [intent.tag]


async def test_f010_a_tag_already_in_use_is_looked_up_and_not_a_failure(venue: Venue) -> None:
    intent = market_order(venue, "twice")
    assert (await act(venue, intent)).kind == "confirmed"
    again = await act(venue, intent)
    assert (again.kind, again.venue_code) == ("unknown", 2)


async def test_f021_a_401_refreshes_once_and_sends_once_more(venue: Venue) -> None:
    await asyncio.sleep(0.3)
    venue.fault(fault="http", endpoint="place", status=401, count=1)
    intent = market_order(venue, "after-401")
    assert (await act(venue, intent)).kind == "confirmed"
    assert venue.session.logins == 2
    assert [o.tag for o in await venue.rest.orders_since(ACCOUNT, venue.clock.now() - HOUR)] == [intent.tag]


async def test_f021_a_second_401_is_a_refusal_with_one_login(venue: Venue) -> None:
    await asyncio.sleep(0.3)
    venue.fault(fault="http", endpoint="place", status=401, count=2)
    assert (await act(venue, market_order(venue, "twice-401"))).kind == "refused"
    assert venue.session.logins == 2


async def test_f096_fifty_parallel_401_lead_to_one_login(venue: Venue) -> None:
    await asyncio.sleep(0.3)
    venue.fault(fault="token.expire")
    found = await asyncio.gather(*(venue.rest.positions(ACCOUNT) for _ in range(50)))
    assert found == [[]] * 50
    assert venue.session.logins == 2


async def test_f095_tokens_are_renewed_before_they_end(make_venue: Callable[..., Any]) -> None:
    venue: Venue = await make_venue(rate=60.0, token_life_s=120)
    await venue.session.login()
    owner = asyncio.create_task(venue.session.keep_fresh())
    for _ in range(12):
        await asyncio.sleep(0.4)
        await venue.rest.positions(ACCOUNT)
    owner.cancel()
    assert (await venue.session.token()).revision >= 3
    assert venue.session.logins == 1


async def test_f103_wrong_credentials_are_final(make_venue: Callable[..., Any]) -> None:
    venue: Venue = await make_venue(api_key="not-the-key")
    with pytest.raises(AuthError, match="check both"):
        await venue.session.login()
    with pytest.raises(AuthError):
        await venue.rest.accounts()
    assert venue.session.logins == 1


@pytest.mark.parametrize("text", ["garbage", "a.b.c", ""])
async def test_f102_a_stale_seed_token_falls_back_to_login(venue: Venue, text: str) -> None:
    session = VenueSession(venue.transport, venue.session._credentials, venue.clock, seed=Secret(text))
    token = await session.login()
    assert token.text != text
    assert session.logins == 1


async def test_f102_a_good_seed_token_needs_no_login(venue: Venue) -> None:
    seed = (await venue.session.token()).secret
    session = VenueSession(venue.transport, venue.session._credentials, venue.clock, seed=seed)
    await session.login()
    assert session.logins == 0


@pytest.mark.parametrize("how", ["empty", "html"])
async def test_f104_a_read_behind_a_broken_answer_fails(venue: Venue, how: str) -> None:
    venue.fault(fault="accept_then", endpoint="positions", how=how, count=1)
    with pytest.raises(ProtocolError):
        await venue.rest.positions(ACCOUNT)


async def test_a_null_list_is_a_failed_read(venue: Venue) -> None:
    venue.fault(fault="null", endpoint="positions", count=1)
    with pytest.raises(ProtocolError, match="list of positions"):
        await venue.rest.positions(ACCOUNT)


async def test_reads_retry_three_times_and_then_fail(venue: Venue) -> None:
    venue.fault(fault="http", endpoint="positions", status=503, count=3)
    assert await venue.rest.positions(ACCOUNT) == []
    venue.fault(fault="http", endpoint="positions", status=503, count=4)
    with pytest.raises(VenueUnreachable, match="503"):
        await venue.rest.positions(ACCOUNT)


async def test_open_orders_fall_back_without_the_query_and_say_so(venue: Venue) -> None:
    venue.fault(fault="http", endpoint="query", status=404, count=1)
    assert not (await venue.rest.open_orders(ACCOUNT)).complete
    assert not (await venue.rest.open_orders(ACCOUNT)).complete


async def test_an_unknown_account_is_a_refusal_not_an_empty_list(venue: Venue) -> None:
    with pytest.raises(VenueRefused, match="AccountNotFound"):
        await venue.rest.positions(999)


async def test_closed_bars_are_ascending_and_exact_in_number(venue: Venue) -> None:
    contract = venue.registry.resolve("MNQ")
    now = venue.clock.now()
    bars = await venue.rest.bars(contract.id, "1m", now - 6 * HOUR, now, 30)
    assert len(bars) == 30
    assert [bar.start for bar in bars] == sorted({bar.start for bar in bars})
    assert all(bar.start + MINUTE <= venue.clock.now() for bar in bars)


async def test_a_venue_that_cuts_bars_silently_is_paged(make_venue: Callable[..., Any]) -> None:
    venue: Venue = await make_venue(bars_silent_cap=True, bars_max=1000)
    await venue.session.login()
    contract = (await venue.rest.contracts())[0]
    contract = venue.registry.resolve("MNQ")
    now = venue.clock.now()
    bars = await venue.rest.bars(contract.id, "1m", now - 96 * HOUR, now, 2500)
    assert len(bars) == 2500
    assert [bar.start for bar in bars] == sorted({bar.start for bar in bars})


async def test_f167_full_load_at_strict_limits_meets_no_429(make_venue: Callable[..., Any]) -> None:
    venue: Venue = await make_venue(rate=60.0)
    await venue.session.login()
    contract = (await venue.rest.contracts())[0]
    end = venue.clock.now() + 200_000_000_000
    served: Counter[str] = Counter()

    async def load(name: str, read: Callable[[], Any]) -> None:
        while venue.clock.now() < end:
            await read()
            served[name] += 1

    now = venue.clock.now()
    await asyncio.gather(
        *(load("positions", lambda: venue.rest.positions(ACCOUNT)) for _ in range(6)),
        *(load("bars", lambda: venue.rest.bars(contract.id, "1m", now - HOUR, now, 10)) for _ in range(3)),
    )
    assert venue.budget.counters["rate_limited"] == 0
    assert served["positions"] > 200, "more than one window"
    assert served["bars"] > 60


async def test_f168_f169_a_drained_budget_stops_entries_and_lets_safety_pass(venue: Venue) -> None:
    held = []
    while (slot := venue.budget.try_take("entry")) is not None:
        held.append(slot)
    denied = await act(venue, market_order(venue, "drained"))
    assert (denied.kind, denied.code) == ("denied", Code.LOCALLY_RATE_LIMITED)
    assert calls(venue, "/api/Order/place") == 0
    began = venue.clock.host_mono()
    close = ClosePosition(
        key="s", account_id=ACCOUNT, contract_id=venue.registry.resolve("MNQ").id, source="guard"
    )
    assert (await act(venue, close, "safety")).kind == "refused"
    assert venue.clock.host_mono() - began < 200_000_000
