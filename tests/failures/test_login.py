"""Rows F95, F96 and F102 to F104: tokens over days, parallel refusals, old seeds, final refusals, broken answers."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot.legacy.order_execution import PythonOrderExecution
from bot.model.errors import ProtocolError
from bot.model.intents import Bracket, CancelOrder, ClosePosition, Intent, ModifyOrder, Outcome, PlaceOrder
from bot.model.secret import Secret
from bot.model.times import HOUR, SECOND
from bot.paper.endpoints import ENDPOINTS
from tests.failures.bench import ACCOUNT, MNQ, Bench
from tests.failures.test_reconnect import TOPICS
from tests.failures.test_stale_data import until
from tests.integration.gateway.conftest import Venue
from tests.parity.approval import approve
from tests.unit.gateway.scripted import jwt

LOGIN, VALIDATE, PLACE = ENDPOINTS["login"], ENDPOINTS["validate"], ENDPOINTS["place"]


def test_f095_thirty_hours_without_a_failed_call() -> None:
    """Reads every ten minutes and two hubs over more than a token's life; nobody is ever answered 401."""

    async def script(bench: Bench) -> None:
        rest = bench.rest()
        session = rest._exchange._session
        await session.login()
        hubs = [bench.hub("user", session), bench.hub("market", session)]
        hubs[0].connection.set_topics(TOPICS["user"])
        for hub in hubs:
            await hub.connection.start()
        owner = asyncio.ensure_future(session.keep_fresh())
        began = bench.clock.now()
        while bench.clock.now() - began < 30 * HOUR:
            assert await rest.positions(ACCOUNT) == []
            await bench.clock.sleep(600.0)
        owner.cancel()
        requests = bench.venue.records()["requests"]
        assert len(requests) > 180
        assert {row["status"] for row in requests} == {200}  # type: ignore[attr-defined]
        assert bench.calls(LOGIN) == 1
        assert bench.calls(VALIDATE) >= 1
        for hub in hubs:
            assert hub.connection.state == "up"
            assert hub.connection.generation == 1 + bench.calls(VALIDATE), "a renewed token renews the hub"
            await hub.connection.stop()

    Bench(roots=()).play(script)


def test_f096_fifty_parallel_401_that_arrive_over_seconds_are_one_login() -> None:
    async def script(bench: Bench) -> None:
        rest = bench.rest()
        session = rest._exchange._session
        await session.login()
        await bench.clock.sleep(60.0)
        for after, count in ((0.0, 13), (2.0, 13), (4.0, 13), (8.0, 11)):
            bench.fault("http", endpoint="positions", status=401, count=count, after_s=after)
        reads = [rest.positions(ACCOUNT) for _ in range(50)]
        assert await asyncio.gather(*reads) == [[]] * 50
        refused = [
            row for row in bench.venue.records()["requests"]
            if row["status"] == 401  # type: ignore[index]
        ]  # fmt: skip
        assert len(refused) == 50
        assert bench.calls(LOGIN) == 2
        assert session.refreshes + session.logins == 2
        assert bench.calls(ENDPOINTS["logout"]) == 0
        assert (await session.token()).revision == 2

    Bench().play(script)


@pytest.mark.parametrize("name", ["expired", "ends soon", "foreign", "garbage", "no token at all"])
def test_f102_a_stale_seed_starts_by_login(name: str) -> None:
    async def script(bench: Bench) -> None:
        now = bench.clock.now() / SECOND
        seeds = {
            "expired": jwt(now - 60), "ends soon": jwt(now + 29 * 60), "foreign": jwt(now + 80_000),
            "garbage": "not.a.token", "no token at all": "",
        }  # fmt: skip
        session = bench.session(seed=Secret(seeds[name]))
        token = await session.login()
        assert token.text != seeds[name]
        assert bench.calls(LOGIN) == 1
        assert bench.calls(VALIDATE) == (1 if name == "foreign" else bench.calls(VALIDATE))
        assert token.exp_ns - bench.clock.now() > HOUR

    Bench().play(script)


@pytest.mark.parametrize(
    ("code", "remedy", "command"),
    [
        (3, "check both", ["run"]), (7, "agreements", ["orders", "--json"]), (9, "subscription", ["run"]),
        (10, "disabled", ["positions", "--json"]),
    ],
)  # fmt: skip
async def test_f103_a_command_exits_with_4_and_names_the_remedy(
    make_venue: Callable[..., Any], tmp_path: Path, code: int, remedy: str, command: list[str]
) -> None:
    venue: Venue = await make_venue()
    venue.fault(fault="refuse", endpoint="login", code=code, count=1000)
    config = tmp_path / "bot.toml"
    config.write_text(
        f'[state]\nfolder = "{tmp_path}/state"\n[gateway]\nprofile = "paper"\nrest_url = "{venue.paper.url}"\n'
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *command, "--config", str(config),
        env={**os.environ, "PROJECT_X_USERNAME": "paper", "PROJECT_X_API_KEY": venue.api_key},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = (part.decode() for part in await asyncio.wait_for(process.communicate(), 60))
    assert process.returncode == 4, out + err
    assert remedy in out + err
    assert venue.api_key not in out + err
    logins = [row for row in venue.paper.venue.records()["requests"] if row["path"] == LOGIN]  # type: ignore[attr-defined]
    assert len(logins) == 1, "no retry"


READS: dict[str, Callable[[Any], Any]] = {
    "accounts": lambda rest: rest.accounts(),
    "available": lambda rest: rest.contracts(),
    "contract": lambda rest: rest.contract(MNQ),
    "bars": lambda rest: rest.bars(MNQ, "1m", rest._clock.now() - HOUR, rest._clock.now(), 10),
    "query": lambda rest: rest.open_orders(ACCOUNT),
    "orders": lambda rest: rest.orders_since(ACCOUNT, rest._clock.now() - HOUR),
    "positions": lambda rest: rest.positions(ACCOUNT),
    "trades": lambda rest: rest.fills(ACCOUNT, rest._clock.now() - HOUR),
}


@pytest.mark.parametrize("how", ["empty", "html"])
@pytest.mark.parametrize("endpoint", [*READS, "open_orders"])
def test_f104_a_read_behind_a_broken_answer_fails_and_is_not_asked_again(endpoint: str, how: str) -> None:
    async def script(bench: Bench) -> None:
        rest = bench.rest()
        await rest.contracts()
        path = ENDPOINTS[endpoint]
        if endpoint == "open_orders":
            bench.fault("http", endpoint="query", status=404)
        before = bench.calls(path)
        bench.fault("accept_then", endpoint=endpoint, how=how)
        with pytest.raises(ProtocolError):
            await READS["query" if endpoint == "open_orders" else endpoint](rest)
        assert bench.calls(path) == before + 1
        await READS["query" if endpoint == "open_orders" else endpoint](rest)

    Bench().play(script)


async def act(venue: Any, intent: Intent) -> Outcome:
    execution = PythonOrderExecution()
    request = execution.plan(approve(intent), venue.registry.all()[intent.contract_id])
    return execution.interpret(request, await venue.rest.send(request, "safety"))


def entry(key: str, **changes: Any) -> PlaceOrder:
    members: dict[str, Any] = {
        "key": key, "account_id": ACCOUNT, "contract_id": MNQ, "source": "manual", "kind": "MK", "side": 0,
        "type": 2, "size": 2, **changes,
    }  # fmt: skip
    return PlaceOrder(**members)


@pytest.mark.parametrize("how", ["empty", "html"])
@pytest.mark.parametrize("endpoint", ["place", "modify", "cancel", "close", "partial"])
def test_f104_a_mutation_behind_a_broken_answer_is_unknown_and_was_sent_once(endpoint: str, how: str) -> None:
    async def script(bench: Bench) -> None:
        rest = bench.rest()
        await rest.contracts()
        venue = SimpleNamespace(rest=rest, registry=rest.registry)
        assert (await act(venue, entry("held", bracket=Bracket(200, 400)))).kind == "confirmed"
        await bench.clock.sleep(2.0)
        stop = next(order for order in (await rest.open_orders(ACCOUNT)).orders if order.type == 4)
        common: dict[str, Any] = {
            "key": "broken",
            "account_id": ACCOUNT,
            "contract_id": MNQ,
            "source": "manual",
        }
        intents: dict[str, Intent] = {
            "place": entry("broken"),
            "modify": ModifyOrder(**common, order_id=stop.id, stop=stop.stop - 4),
            "cancel": CancelOrder(**common, order_id=stop.id),
            "close": ClosePosition(**common),
            "partial": ClosePosition(**common, size=1),
        }
        before = bench.calls(ENDPOINTS[endpoint])
        bench.fault("accept_then", endpoint=endpoint, how=how)
        outcome = await act(venue, intents[endpoint])
        assert outcome.kind == "unknown"
        assert bench.calls(ENDPOINTS[endpoint]) == before + 1
        await bench.clock.sleep(2.0)
        held = sum(position.size for position in await rest.positions(ACCOUNT))
        assert held == {"place": 4, "modify": 2, "cancel": 2, "close": 0, "partial": 1}[endpoint], (
            "it was executed"
        )

    Bench().play(script)


@pytest.mark.parametrize("how", ["empty", "html"])
@pytest.mark.parametrize("endpoint", ["login", "validate"])
def test_f104_a_broken_answer_of_the_session_is_no_token(endpoint: str, how: str) -> None:
    async def script(bench: Bench) -> None:
        session = bench.session()
        if endpoint == "login":
            bench.fault("accept_then", endpoint="login", how=how, count=2)
        token = await session.login()
        began = bench.clock.now()
        assert bench.calls(LOGIN) == (3 if endpoint == "login" else 1)
        if endpoint == "validate":
            bench.fault("accept_then", endpoint="validate", how=how, count=1)
            waiting = asyncio.ensure_future(session.revalidate())
            await until(bench, waiting.done, 120.0)
            assert waiting.result().revision >= token.revision
            assert bench.clock.now() - began < 120 * SECOND
        assert len((await session.token()).text.split(".")) == 3

    Bench().play(script)
