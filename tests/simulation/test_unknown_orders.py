"""Group A of the failures: an order is sent once, whatever the answer; the gateway's judge counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bot.model.intents import ApprovedIntent, Outcome, PlaceOrder
from bot.trading.desk import Desk
from bot.trading.dispatch import Dispatcher
from bot.trading.picture import Picture
from bot.trading.resolver import Resolver
from tests.simulation.loop import run
from tests.simulation.witness import Witness
from tests.simulation.world import ACCOUNT, MNQ, Process, World, enter, manual

Script = Callable[[World, Desk, Witness], Awaitable[None]]


def play(locks: Path, script: Script, seed: int = 1) -> tuple[World, Witness]:
    """Run a script against a fresh world; the world is left for the judge."""
    world, witness = World(seed), Witness()

    async def main() -> None:
        process = Process(world, locks, witness)
        desk = await process.start()
        await world.clock.sleep(1.0)
        await script(world, desk, witness)
        await process.stop()

    run(world.clock, main())
    return world, witness


def settled_in(desk: Desk, key: str) -> float:
    """Seconds from the send to the moment at which the outcome was known."""
    entry = desk.log.by_key(key)
    assert entry is not None
    assert not entry.open
    return (desk.clock.now() - (entry.sent_at or 0)) / 1e9


@pytest.mark.parametrize("how", [500, 502, 504, "reset", "empty", "html"])
@pytest.mark.parametrize("hub", ["hub", "no hub"])
def test_f001_an_error_after_acceptance_is_adopted_and_never_repeated(
    locks: Path, how: Any, hub: str
) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        if hub == "no hub":
            world.fault(fault="hub.lose", hub="user", seconds=60)
        for number in range(4):
            world.fault(fault="accept_then", endpoint="place", how=how, count=1)
            action = enter(world, f"F1.{number}", kind="limit", away=40 + number)
            desk.act(action)
            while (entry := desk.log.by_key(action.key)) is None or entry.open:
                await world.clock.sleep(0.05)
            assert settled_in(desk, action.key) < 2.0
            assert entry.state in {"open", "pending"}
            await world.clock.sleep(2.0)

    world, witness = play(locks, script)
    verdict = world.verdict()
    assert verdict["duplicate_orders"] == 0
    assert verdict["tags_reused"] == 0
    assert verdict["placed_orders"] == 4
    assert witness.denied == []


def test_f001_twin_a_blind_second_send_is_seen_by_the_judge(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow = Dispatcher._settle

    def resend(self: Dispatcher, entry: Any, outcome: Outcome) -> None:
        follow(self, entry, outcome)
        if outcome.kind == "unknown" and isinstance(entry.intent, PlaceOrder):
            again = msgspec.structs.replace(entry.intent, key=entry.intent.key + "|again")
            answer = self._gate.approve(again, self._picture.view(), self._clock.now())
            assert isinstance(answer, ApprovedIntent)
            self.send(answer, "entry")

    monkeypatch.setattr(Dispatcher, "_settle", resend)
    monkeypatch.setattr(Picture, "unresolved", lambda self, account_id: frozenset())

    async def script(world: World, desk: Desk, witness: Witness) -> None:
        world.fault(fault="accept_then", endpoint="place", how=502, count=1)
        desk.act(enter(world, "F1", kind="limit", away=40))
        await world.clock.sleep(3.0)

    world, _ = play(locks, script)
    assert world.verdict()["placed_orders"] == 2


async def _repeat_the_signal(world: World, desk: Desk, witness: Witness) -> None:
    """The order is executed and never answered; neither hub nor reads show it for twenty seconds."""
    world.fault(fault="drop", endpoint="place", count=1)
    world.fault(fault="hub.lose", hub="user", seconds=20)
    for endpoint in ("query", "orders", "open_orders", "positions"):
        world.fault(fault="http", endpoint=endpoint, status=500, count=60)
    desk.act(enter(world, "F2.0", kind="limit", away=40))
    for number in range(1, 40):
        await world.clock.sleep(0.5)
        desk.act(enter(world, f"F2.{number}", kind="limit", away=40))
    world.venue.faults.clear()
    await world.clock.sleep(60.0)


def test_f002_a_repeated_signal_meets_unresolved_intent(locks: Path) -> None:
    world, witness = play(locks, _repeat_the_signal)
    assert set(witness.codes()) <= {"UNRESOLVED_INTENT", "NOT_RECONCILED"}
    assert "UNRESOLVED_INTENT" in witness.codes()
    assert world.verdict()["placed_orders"] == 1
    assert world.verdict()["duplicate_orders"] == 0


def test_f002_twin_without_the_freeze_the_judge_sees_more_orders(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Picture, "unresolved", lambda self, account_id: frozenset())
    monkeypatch.setattr(Dispatcher, "unanswered", lambda self, intent: False)
    world, _ = play(locks, _repeat_the_signal)
    assert world.verdict()["placed_orders"] > 1


def test_f003_an_event_settles_the_intent_long_before_its_reply(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        world.fault(fault="delay", endpoint="place", after_s=8, count=1)
        action = enter(world, "F3", kind="limit", away=40)
        desk.act(action)
        await world.clock.sleep(0.1)
        entry = desk.log.by_key(action.key)
        assert entry is not None
        assert entry.state in {"open", "pending"}
        await world.clock.sleep(20.0)

    world, _ = play(locks, script)
    assert world.verdict()["placed_orders"] == 1
    assert world.verdict()["duplicate_orders"] == 0


def test_f004_unknown_stays_unknown_until_reads_work_again(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        world.fault(fault="drop", endpoint="place", count=1)
        world.fault(fault="hub.lose", hub="user", seconds=50)
        for endpoint in ("query", "orders", "open_orders", "positions", "trades", "accounts"):
            world.fault(fault="http", endpoint=endpoint, status=500, count=1000)
        action = enter(world, "F4", kind="limit", away=40)
        desk.act(action)
        for _ in range(55):
            await world.clock.sleep(1.0)
            entry = desk.log.by_key(action.key)
            assert entry is not None
            assert entry.open
        world.venue.faults.clear()
        await world.clock.sleep(20.0)
        assert not entry.open
        assert entry.state == "open"

    world, witness = play(locks, script)
    assert world.verdict()["placed_orders"] == 1
    assert "NOT_ACCEPTED" not in witness.codes()


def test_f006_f009_a_refusal_is_final(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        world.fault(fault="refuse", endpoint="place", code=2, text="no", count=1)
        action = enter(world, "F6")
        desk.act(action)
        await world.clock.sleep(5.0)
        desk.act(action)
        await world.clock.sleep(5.0)
        assert desk.picture.positions.open() == []

    world, witness = play(locks, script)
    assert world.verdict()["placed_orders"] == 0
    assert witness.codes() == ["REFUSED", "DUPLICATE_INTENT"]


def test_f015_parallel_equal_requests_share_one_order_and_one_result(locks: Path) -> None:
    import asyncio

    async def script(world: World, desk: Desk, witness: Witness) -> None:
        same = manual(world, "F15")
        outcomes = await asyncio.gather(*(desk.submit(same) for _ in range(20)))
        assert len({outcome.order_id for outcome in outcomes}) == 1
        assert {outcome.kind for outcome in outcomes} == {"confirmed"}
        await world.clock.sleep(1.0)
        again = await desk.submit(same)
        assert again.order_id == outcomes[0].order_id

    world, _ = play(locks, script)
    assert world.verdict()["placed_orders"] == 1


def test_f021_a_401_on_a_mutation_is_sent_once_more_with_the_same_tag(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        await world.clock.sleep(10.0)
        world.fault(fault="http", endpoint="place", status=401, count=1)
        desk.act(enter(world, "F21", kind="limit", away=40))
        await world.clock.sleep(3.0)

    world, witness = play(locks, script)
    assert world.verdict()["placed_orders"] == 1
    assert witness.denied == []


def test_a_caller_that_gives_up_cancels_nothing(locks: Path) -> None:
    import asyncio

    async def script(world: World, desk: Desk, witness: Witness) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(desk.submit(manual(world, "gives up")), 0.005)
        await world.clock.sleep(2.0)
        assert desk.picture.positions.net(ACCOUNT, MNQ.id) == 1

    world, _ = play(locks, script)
    assert world.verdict()["placed_orders"] == 1


def test_an_order_that_never_arrived_is_not_accepted_after_the_settle_time(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    look = Resolver._look

    async def counted(self: Resolver, entry: Any) -> bool:
        looks.append(self._clock.mono() / 1e9)
        return await look(self, entry)

    monkeypatch.setattr(Resolver, "_look", counted)

    async def script(world: World, desk: Desk, witness: Witness) -> None:
        world.fault(fault="http", endpoint="place", status=503, count=1)
        action = enter(world, "lost", kind="limit", away=40)
        desk.act(action)
        await world.clock.sleep(25.0)
        entry = desk.log.by_key(action.key)
        assert entry is not None
        assert entry.state == "unknown"
        await world.clock.sleep(30.0)
        assert entry.state == "not_accepted"
        desk.act(enter(world, "next", kind="limit", away=40))
        await world.clock.sleep(1.0)

    world, witness = play(locks, script)
    assert world.verdict()["placed_orders"] == 1
    assert witness.codes() == ["NOT_ACCEPTED"]
    assert [round(b - a, 1) for a, b in pairwise(looks)][:5] == [
        pytest.approx(pause, abs=0.3) for pause in (0.5, 1.0, 2.0, 4.0, 8.0)
    ]
