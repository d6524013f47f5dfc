"""Group B of the failures: no filled entry without its stop; the gateway's judge holds the watch."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot.model.quantities import Money
from bot.paper.config import PaperAccount
from bot.trading.cover import Cover
from bot.trading.desk import Desk
from bot.trading.polls import Poller
from bot.trading.protection import Watchdog
from bot.trading.settings import TradingSettings
from tests.simulation.loop import run
from tests.simulation.witness import Witness
from tests.simulation.world import ACCOUNT, MNQ, STRATEGY, Process, World, enter, from_outside

Script = Callable[[World, Desk], Awaitable[None]]
AT = (ACCOUNT, MNQ.id)


def play(locks: Path, script: Script, seed: int = 1, legs: str = "native") -> tuple[World, Desk]:
    world = World(seed)
    desks: list[Desk] = []

    async def main() -> None:
        process = Process(world, locks, Witness(), TradingSettings(bracket_mode=legs))  # type: ignore[arg-type]
        desk = await process.start()
        desks.append(desk)
        await world.clock.sleep(1.0)
        await script(world, desk)
        await process.stop()

    run(world.clock, main())
    return world, desks[0]


def working_stops(world: World) -> int:
    """Lots of working stops at the venue."""
    orders = world.venue.judge.orders.values()
    return sum(row.size - row.filled for row in orders if row.status == 1 and row.type in (4, 5))


def net(world: World) -> int:
    return sum(row.net for row in world.venue.judge.positions.values())


def lose_the_hub(kind: str, side: int) -> Script:
    """F23: events of the user hub are lost for a minute; the entry fills in it."""

    async def script(world: World, desk: Desk) -> None:
        world.fault(fault="hub.lose", hub="user", seconds=60)
        await world.clock.sleep(world.random.uniform(0.0, 3.0))
        desk.act(enter(world, "F23", kind=kind, side=side, stop_ticks=world.random.randint(20, 60)))
        if kind != "market":
            await world.clock.sleep(world.random.uniform(0.2, 25.0))
            world.push(10 * side if kind == "stop" else -10 * side, 0.2)
        await world.clock.sleep(70.0)

    return script


@pytest.mark.parametrize("legs", ["native", "client"])
@pytest.mark.parametrize("kind", ["market", "limit", "stop"])
def test_f023_a_fill_in_a_lost_hub_gets_its_stop(locks: Path, kind: str, legs: str) -> None:
    for seed in range(100):
        world, desk = play(locks, lose_the_hub(kind, 1 if seed % 2 else -1), seed, legs)
        verdict = world.verdict()
        assert verdict["fills"] >= 1, seed
        assert verdict["unprotected_longest_s"] <= 5.0, seed
        assert verdict["violations"] == [], seed
        assert desk.watchdog.longest_unprotected_ns <= 2_000_000_000, seed
        assert working_stops(world) == abs(net(world)), seed


def test_f023_twin_without_the_polls_the_judge_sees_a_naked_position(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Poller, "soon", lambda self, account_id, seconds: None)
    monkeypatch.setattr(Poller, "schedule", lambda self, account_id: None)
    world, _ = play(locks, lose_the_hub("market", 1), 3, "client")
    assert world.verdict()["unprotected_longest_s"] > 5.0
    assert world.verdict()["violations"]


CHILDREN = [("late", 0.4), ("late", 0.6), ("late", 3.0), ("missing", 0.0)]


def late_children(how: str, seconds: float, side: int) -> Script:
    async def script(world: World, desk: Desk) -> None:
        if how == "late":
            world.fault(fault="children.late", seconds=seconds, count=1)
        else:
            world.fault(fault="children.missing", count=1)
        desk.act(enter(world, "F33", side=side))
        await world.clock.sleep(2.5)
        assert working_stops(world) >= abs(net(world)) > 0
        await world.clock.sleep(20.0)

    return script


@pytest.mark.parametrize(("how", "seconds"), CHILDREN)
@pytest.mark.parametrize("hub", ["hub", "no hub"])
def test_f033_late_and_missing_children_are_replaced_and_surplus_removed(
    locks: Path, how: str, seconds: float, hub: str
) -> None:
    for seed in range(20):
        inner = late_children(how, seconds, 1 if seed % 2 else -1)

        async def script(world: World, desk: Desk, inner: Script = inner) -> None:
            if hub == "no hub":
                world.fault(fault="hub.lose", hub="user", seconds=60)
            await inner(world, desk)

        world, desk = play(locks, script, seed)
        verdict = world.verdict()
        assert verdict["unprotected_longest_s"] <= 2.0, seed
        assert verdict["duplicate_orders"] == 0, seed
        assert working_stops(world) == abs(net(world)) > 0, seed
        assert desk.shield(*AT) == "protected"


def test_f033_twin_without_the_watchdog_the_judge_sees_it(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watchdog, "look", lambda self, at: None)

    async def script(world: World, desk: Desk) -> None:
        world.fault(fault="children.missing", count=1)
        desk.act(enter(world, "F33"))
        await world.clock.sleep(20.0)

    world, _ = play(locks, script)
    assert world.verdict()["unprotected_longest_s"] > 5.0


def test_f033_twin_without_the_surplus_rule_too_many_stops_stay(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watchdog, "_surplus", lambda self, at, guard, now: None)
    world, _ = play(locks, late_children("late", 3.0, 1))
    assert working_stops(world) > abs(net(world))


def test_f024_a_fill_between_polls_of_open_orders_is_protected(locks: Path) -> None:
    async def script(world: World, desk: Desk) -> None:
        desk.act(enter(world, "F24", kind="limit", away=6))
        await world.clock.sleep(5.0)
        world.fault(fault="hub.lose", hub="user", seconds=30)
        world.push(-8)
        await world.clock.sleep(10.0)
        assert desk.picture.positions.net(*AT) > 0

    world, desk = play(locks, script, legs="client")
    assert world.verdict()["unprotected_longest_s"] <= 5.0
    assert desk.shield(*AT) == "protected"


def test_f025_a_cancelled_entry_or_a_failed_poll_places_no_leg(locks: Path) -> None:
    async def script(world: World, desk: Desk) -> None:
        action = enter(world, "F25", kind="limit", away=40)
        desk.act(action)
        await world.clock.sleep(3.0)
        world.fault(fault="hub.lose", hub="user", seconds=20)
        for endpoint in ("query", "orders", "open_orders"):
            world.fault(fault="http", endpoint=endpoint, status=500, count=30)
        order = desk.picture.orders.by_tag(ACCOUNT, desk.log.by_key(action.key).tag)  # type: ignore[union-attr]
        await from_outside(world, "/api/Order/cancel", {"accountId": ACCOUNT, "orderId": order.id})  # type: ignore[union-attr]
        await world.clock.sleep(30.0)

    world, _ = play(locks, script, legs="client")
    assert world.verdict()["placed_orders"] == 1
    assert working_stops(world) == 0


def test_f034_after_a_close_no_leg_is_left_to_reverse_the_position(locks: Path) -> None:
    async def script(world: World, desk: Desk) -> None:
        desk.act(enter(world, "F34"))
        await world.clock.sleep(3.0)
        world.fault(fault="liquidate", account_id=ACCOUNT, contract_id=MNQ.id)
        await world.clock.sleep(4.0)
        world.push(-60, 1.0)
        await world.clock.sleep(5.0)

    world, desk = play(locks, script)
    assert net(world) == 0
    assert world.verdict()["working_orders"] == 0
    assert desk.picture.orders.working(ACCOUNT) == []


def test_f049_a_position_closed_outside_is_noticed_without_the_hub(locks: Path) -> None:
    noticed: list[float] = []

    async def script(world: World, desk: Desk) -> None:
        desk.act(enter(world, "F49"))
        await world.clock.sleep(20.0)
        world.fault(fault="hub.lose", hub="user", seconds=60)
        world.fault(fault="liquidate", account_id=ACCOUNT, contract_id=MNQ.id)
        began = world.clock.mono()
        while desk.picture.positions.net(*AT):
            await world.clock.sleep(0.1)
        noticed.append((world.clock.mono() - began) / 1e9)
        await world.clock.sleep(15.0)

    world, _ = play(locks, script)
    assert noticed[0] <= 12.0
    assert net(world) == 0
    assert world.verdict()["working_orders"] == 0


def test_f032_suspended_children_of_a_resting_entry_are_no_reason_to_act(locks: Path) -> None:
    async def script(world: World, desk: Desk) -> None:
        desk.act(enter(world, "F32", kind="limit", away=60))
        await world.clock.sleep(40.0)
        suspended = [order for order in desk.picture.orders.working(ACCOUNT) if order.status == 8]
        assert len(suspended) == 2
        assert Cover.orphans(desk.picture, AT) == []

    world, _ = play(locks, script)
    assert world.verdict()["placed_orders"] == 1
    assert world.verdict()["working_orders"] == 3


def test_a_stop_that_nobody_takes_ends_in_a_close(locks: Path) -> None:
    async def script(world: World, desk: Desk) -> None:
        world.fault(fault="children.missing", count=1)
        desk.act(enter(world, "closed"))
        await world.clock.sleep(0.2)
        world.fault(fault="refuse", endpoint="place", code=2, text="no stops today", count=50)
        await world.clock.sleep(10.0)

    world, desk = play(locks, script)
    assert net(world) == 0
    assert world.verdict()["unprotected_longest_s"] <= 5.0
    assert {notice.code for notice in desk.notices} >= {"STOP_REFUSED", "UNPROTECTED_CLOSE"}


def test_f060_a_close_that_lies_halts_and_keeps_trying(locks: Path) -> None:
    async def script(world: World, desk: Desk) -> None:
        world.fault(fault="children.missing", count=1)
        desk.act(enter(world, "lies"))
        await world.clock.sleep(0.2)
        world.fault(fault="refuse", endpoint="place", code=2, text="no stops today", count=50)
        world.fault(fault="close.lie", endpoint="close", count=5)
        await world.clock.sleep(30.0)
        assert desk.halts.effective(ACCOUNT)[0] == "HALTED"

    world, desk = play(locks, script)
    assert net(world) == 0
    assert "CLOSE_NOT_VERIFIED" in {notice.code for notice in desk.notices}


def test_the_watchdog_works_while_halted(locks: Path) -> None:
    async def script(world: World, desk: Desk) -> None:
        world.fault(fault="children.missing", count=1)
        desk.act(enter(world, "halted"))
        await desk.set_state("HALTED", "test", "operator")
        await world.clock.sleep(5.0)

    world, desk = play(locks, script)
    assert working_stops(world) == abs(net(world)) > 0
    assert world.verdict()["unprotected_longest_s"] <= 2.0
    assert desk.picture.owner(AT) == STRATEGY


def test_same_seed_same_ledger(locks: Path) -> None:
    for seed in random.Random(5).sample(range(10_000), 6):
        first, _ = play(locks, lose_the_hub("stop", 1), seed, "client")
        second, _ = play(locks, lose_the_hub("stop", 1), seed, "client")
        other, _ = play(locks, lose_the_hub("stop", 1), seed + 1, "client")
        assert first.ledger() == second.ledger()
        assert first.ledger() != other.ledger()


@pytest.mark.parametrize("leg", ["stop", "target"])
@pytest.mark.parametrize("side", [1, -1])
def test_f035_legs_kept_by_the_bot_never_reverse_the_position(locks: Path, leg: str, side: int) -> None:
    async def script(world: World, desk: Desk) -> None:
        desk.act(enter(world, "F35", side=side, stop_ticks=20, target_ticks=30))
        await world.clock.sleep(2.0)
        legs = desk.picture.orders.working(ACCOUNT)
        assert sorted(order.type for order in legs) == [1, 4]
        world.push(side * 40 if leg == "target" else -side * 30, 1.0)
        await world.clock.sleep(3.0)
        assert net(world) == 0
        world.push(-side * 80 if leg == "target" else side * 80, 1.0)
        await world.clock.sleep(5.0)

    world, _ = play(locks, script, legs="client")
    assert net(world) == 0
    assert world.verdict()["working_orders"] == 0
    assert world.verdict()["trades"] == 1


def test_f038_f047_a_partial_close_shrinks_stop_and_target_without_a_market_order(locks: Path) -> None:
    async def script(world: World, desk: Desk) -> None:
        desk.act(enter(world, "F38"))
        await world.clock.sleep(2.0)
        size = net(world)
        body = {"accountId": ACCOUNT, "contractId": MNQ.id, "size": size - 1}
        answer = await from_outside(world, "/api/Position/partialCloseContract", body)
        assert answer["success"]
        await world.clock.sleep(6.0)
        assert net(world) == 1

    world, _ = play(locks, script)
    rows = [row for row in world.venue.judge.orders.values() if row.status == 1]
    assert sorted((row.type, row.size - row.filled) for row in rows) == [(1, 1), (4, 1)]
    assert world.verdict()["unprotected_longest_s"] <= 0.1
    assert sum(row.type == 2 for row in world.venue.judge.orders.values()) == 2


def test_f040_pending_entries_and_a_failed_read_cancel_nothing(locks: Path) -> None:
    async def script(world: World, desk: Desk) -> None:
        desk.act(enter(world, "F40", kind="limit", away=60))
        await world.clock.sleep(1.0)
        for endpoint in ("positions", "query", "orders", "open_orders"):
            world.fault(fault="http", endpoint=endpoint, status=500, count=40)
        await world.clock.sleep(30.0)

    world, _ = play(locks, script)
    assert world.verdict()["working_orders"] == 3


@pytest.mark.parametrize("protect", ["alert", "protect"])
def test_foreign_positions_are_told_and_only_protected_on_request(locks: Path, protect: str) -> None:
    world = World(1)

    async def main() -> None:
        process = Process(world, locks, Witness(), TradingSettings(foreign=protect))  # type: ignore[arg-type]
        desk = await process.start()
        await world.clock.sleep(1.0)
        body = {"accountId": ACCOUNT, "contractId": MNQ.id, "type": 2, "side": 0, "size": 2}
        assert (await from_outside(world, "/api/Order/place", body))["success"]
        await world.clock.sleep(5.0)
        assert desk.shield(*AT) == ("foreign" if protect == "alert" else "protected")
        assert working_stops(world) == (0 if protect == "alert" else 2)
        if protect == "alert":
            assert [notice.code for notice in desk.notices] == ["FOREIGN_POSITION"]
        await process.stop()

    run(world.clock, main())


@pytest.mark.parametrize("hub", ["hub", "no hub"])
def test_a_stop_whose_reply_never_comes_does_not_hold_up_the_deadline(locks: Path, hub: str) -> None:
    async def script(world: World, desk: Desk) -> None:
        if hub == "no hub":
            world.fault(fault="hub.lose", hub="user", seconds=60)
        world.fault(fault="children.missing", count=1)
        desk.act(enter(world, "drop"))
        await world.clock.sleep(0.2)
        world.fault(fault="drop", endpoint="place", count=1)
        await world.clock.sleep(40.0)

    for seed in range(20):
        world, desk = play(locks, script, seed)
        assert world.verdict()["unprotected_longest_s"] <= 5.0
        assert world.verdict()["duplicate_orders"] == 0
        assert working_stops(world) == abs(net(world))
        assert desk.log.unsettled() == []


def test_a_close_whose_reply_never_comes_is_verified_by_reading(locks: Path) -> None:
    async def script(world: World, desk: Desk) -> None:
        world.fault(fault="hub.lose", hub="user", seconds=60)
        world.fault(fault="children.missing", count=1)
        desk.act(enter(world, "drop close"))
        await world.clock.sleep(0.2)
        world.fault(fault="refuse", endpoint="place", code=2, text="no stops today", count=50)
        world.fault(fault="drop", endpoint="close", count=1)
        await world.clock.sleep(40.0)

    for seed in range(20):
        world, desk = play(locks, script, seed)
        assert net(world) == 0
        assert world.verdict()["duplicate_orders"] == 0
        assert world.verdict()["unprotected_longest_s"] <= 5.0
        assert desk.log.unsettled() == []


def test_f030_an_account_in_the_other_bracket_mode_is_remembered_and_kept_by_the_bot(locks: Path) -> None:
    account = PaperAccount(
        id=ACCOUNT, name="PRAC-V2-4711-1001", balance=Money(150_000_000_000), bracket_mode="position"
    )
    world, witness = World(1, accounts=(account,)), Witness()

    async def main() -> None:
        process = Process(world, locks, witness, TradingSettings())
        with process.lock_released():
            desk = await process.start()
            await world.clock.sleep(1.0)
            desk.act(enter(world, "F30.0"))
            await world.clock.sleep(2.0)
            assert witness.codes() == ["REFUSED"]
            assert net(world) == 0
            desk.act(enter(world, "F30.1"))
            await world.clock.sleep(3.0)
            assert working_stops(world) == net(world) > 0
            assert desk.shield(*AT) == "protected"
            await process.stop()

    run(world.clock, main())
    assert world.verdict()["unprotected_longest_s"] <= 2.0
    assert world.verdict()["trades"] == 0
