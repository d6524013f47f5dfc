"""Reconciliation, trading state, flatten and stop moves against the paper venue in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bot.model.actions import CancelEntry, CancelSymbol, FlattenSymbol, Instance, MoveStop
from bot.model.intents import ClosePosition
from bot.model.quantities import Ticks
from bot.trading.desk import Desk
from bot.trading.halt import StateRefused
from bot.trading.settings import TradingSettings
from tests.simulation.loop import run
from tests.simulation.witness import Witness
from tests.simulation.world import ACCOUNT, MNQ, STRATEGY, Process, World, enter, from_outside, manual

Script = Callable[[World, Desk, Witness], Awaitable[None]]
AT = (ACCOUNT, MNQ.id)
ME = Instance(ACCOUNT, STRATEGY)
READS = ("query", "orders", "open_orders", "positions", "trades", "accounts")


def play(locks: Path, script: Script, seed: int = 1) -> tuple[World, Desk]:
    world, witness = World(seed), Witness()
    desks: list[Desk] = []

    async def main() -> None:
        process = Process(world, locks, witness, TradingSettings())
        with process.lock_released():
            desks.append(await process.start())
            await world.clock.sleep(1.0)
            await script(world, desks[0], witness)
            await process.stop()

    run(world.clock, main())
    return world, desks[0]


def colour(desk: Desk) -> str:
    return desk.view().accounts[ACCOUNT].colour


def net(world: World) -> int:
    return sum(row.net for row in world.venue.judge.positions.values())


def fail_reads(world: World, count: int = 1000) -> None:
    for endpoint in READS:
        world.fault(fault="http", endpoint=endpoint, status=500, count=count)


def test_f051_a_failed_read_is_unknown_and_denies_entries(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        assert colour(desk) == "green"
        world.fault(fault="http", endpoint="positions", status=500, count=1000)
        result = await desk.reconcile(ACCOUNT)
        assert (result.colour, colour(desk)) == ("red", "red")
        assert witness.known[-1] is False
        desk.act(enter(world, "F51"))
        assert witness.codes() == ["NOT_RECONCILED"]
        world.venue.faults.clear()
        assert (await desk.reconcile(ACCOUNT)).colour == "green"
        assert witness.known[-1] is True
        desk.act(enter(world, "F51 again"))
        await world.clock.sleep(1.0)

    world, _ = play(locks, script)
    assert world.verdict()["placed_orders"] == 1


def test_f051_a_null_list_is_a_failed_read(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        desk.act(enter(world, "F51"))
        await world.clock.sleep(2.0)
        world.fault(fault="null", endpoint="positions", count=1000)
        assert (await desk.reconcile(ACCOUNT)).colour == "red"
        assert desk.picture.positions.net(*AT) == net(world) > 0

    play(locks, script)


def test_f056_five_failed_rounds_halt_with_a_reason(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        fail_reads(world)
        await desk.reconcile(ACCOUNT)
        assert desk.halts.effective(ACCOUNT)[0] == "ACTIVE"
        await world.clock.sleep(300.0)
        state, reason = desk.halts.effective(ACCOUNT)
        assert state == "HALTED"
        assert "reconciliations failed" in reason
        with pytest.raises(StateRefused, match="green"):
            await desk.set_state("ACTIVE", "again", "operator", ACCOUNT)
        world.venue.faults.clear()
        await desk.reconcile(ACCOUNT)
        assert desk.halts.effective(ACCOUNT)[0] == "HALTED"
        await desk.set_state("ACTIVE", "reads work again", "operator", ACCOUNT)
        assert desk.halts.effective(ACCOUNT)[0] == "ACTIVE"

    play(locks, script)


@pytest.mark.parametrize("how", ["close", "tcp", "stall"])
def test_f057_fills_while_the_hub_was_away_are_told_after_the_reconnect(locks: Path, how: str) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        for number in range(3):
            desk.act(enter(world, f"F57.{number}", kind="limit", away=5 + number))
            await world.clock.sleep(0.2)
        await world.clock.sleep(1.0)
        world.fault(fault="hub.drop", hub="user", how=how)
        world.push(-10, 0.1)
        await world.clock.sleep(45.0)
        assert desk.picture.positions.net(*AT) == net(world) > 0
        assert len({fill.id for _, fill in witness.fills}) == 3
        assert colour(desk) == "green"

    world, _ = play(locks, script)
    assert world.verdict()["violations"] == []


def test_f058_one_lost_frame_is_noticed_within_twelve_seconds(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        for event in ("trade", "position", "order"):
            world.fault(fault="hub.lose", hub="user", event=event, count=1)
            desk.act(enter(world, f"F58.{event}"))
            await world.clock.sleep(12.0)
            assert desk.picture.positions.net(*AT) == net(world) > 0, event
            assert len(witness.fills) == len({fill.order_id for _, fill in witness.fills})
            await desk.flatten(ACCOUNT)
            await world.clock.sleep(61.0)
            assert desk.picture.positions.net(*AT) == net(world) == 0
        assert len(witness.fills) == 3

    play(locks, script)


def test_f113_a_gap_denies_entries_until_a_round_is_green(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        desk.doubt("the machine slept")
        desk.act(enter(world, "too early"))
        assert witness.codes() == ["NOT_RECONCILED"]
        await world.clock.sleep(1.0)
        desk.act(enter(world, "after"))
        assert witness.codes() == ["NOT_RECONCILED"]

    world, _ = play(locks, script)
    assert world.verdict()["placed_orders"] == 1


def test_f063_flatten_without_a_position_cancels_what_rests(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        desk.act(enter(world, "F63", kind="limit", away=60))
        body = {
            "accountId": ACCOUNT,
            "contractId": MNQ.id,
            "type": 1,
            "side": 0,
            "size": 1,
            "limitPrice": 100.0,
        }
        assert (await from_outside(world, "/api/Order/place", body))["success"]
        await world.clock.sleep(2.0)
        result = await desk.flatten(ACCOUNT)
        assert result.verified
        assert len(result.cancelled) == 2
        assert result.remaining_orders == []

    world, _ = play(locks, script)
    assert world.verdict()["working_orders"] == 0


def test_f063_flatten_reports_not_verified_when_reads_fail_and_keeps_trying(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        desk.act(enter(world, "F63"))
        await world.clock.sleep(2.0)
        fail_reads(world)
        result = await desk.flatten(ACCOUNT)
        assert not result.verified
        assert result.attempts == 10
        assert result.errors
        desk.act(enter(world, "during"))
        world.venue.faults.clear()
        await world.clock.sleep(30.0)
        assert "FLATTEN_VERIFIED" in {notice.code for notice in desk.notices}

    world, _ = play(locks, script)
    assert net(world) == 0
    assert world.verdict()["working_orders"] == 0


def test_f064_an_entry_that_fills_during_the_flatten_ends_flat(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        desk.act(enter(world, "F64.0"))
        desk.act(enter(world, "F64.1", kind="limit", side=-1, away=4))
        await world.clock.sleep(1.0)
        world.push(6, 0.1)
        result = await desk.flatten(ACCOUNT)
        assert result.verified
        await world.clock.sleep(3.0)

    world, _ = play(locks, script)
    assert net(world) == 0
    assert world.verdict()["working_orders"] == 0


def test_entries_are_denied_while_a_flatten_of_their_scope_runs(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        desk.act(FlattenSymbol(instance=ME, contract_id=MNQ.id, reason="test"))
        await world.clock.sleep(0.01)
        desk.act(enter(world, "during"))
        assert witness.codes() == ["REDUCING"]
        await world.clock.sleep(3.0)
        desk.act(enter(world, "after"))
        assert witness.codes() == ["REDUCING"]

    play(locks, script)


def test_flatten_of_a_strategy_closes_its_position_and_legs(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        desk.act(enter(world, "one"))
        await world.clock.sleep(2.0)
        assert net(world) > 0
        desk.act(FlattenSymbol(instance=ME, contract_id=MNQ.id, reason="end of day"))
        await world.clock.sleep(3.0)
        assert witness.positions == {}

    world, _ = play(locks, script)
    assert net(world) == 0
    assert world.verdict()["working_orders"] == 0


def test_cancel_of_an_entry_waits_for_its_order_and_spares_protection(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        desk.act(enter(world, "kept"))
        await world.clock.sleep(2.0)
        first = enter(world, "resting", kind="limit", away=50, side=-1)
        desk.act(first)
        desk.act(CancelEntry(instance=ME, contract_id=MNQ.id, key=first.key))
        await world.clock.sleep(2.0)
        entry = desk.log.by_key(first.key)
        assert entry is None or entry.state in {"cancelled", "denied"}
        desk.act(CancelSymbol(instance=ME, contract_id=MNQ.id))
        await world.clock.sleep(2.0)
        assert desk.shield(*AT) == "protected"

    play(locks, script)


def test_f020_fifty_moves_of_a_stop_leave_one_stop_at_every_instant(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        desk.act(enter(world, "F20", target_ticks=400))
        await world.clock.sleep(2.0)
        stop = desk.picture.orders.stops(*AT, 1)[0].stop
        assert stop is not None
        size = net(world)
        for number in range(1, 51):
            world.push(1, 0.1)
            await world.clock.sleep(1.2)
            desk.act(MoveStop(instance=ME, contract_id=MNQ.id, stop=Ticks(stop + number)))
            desk.act(MoveStop(instance=ME, contract_id=MNQ.id, stop=Ticks(stop + number)))
            await world.clock.sleep(0.3)
            stops = [row for row in world.venue.judge.orders.values() if row.status == 1 and row.type == 4]
            assert [(row.stop, row.size) for row in stops] == [(stop + number, size)]
        assert witness.positions[STRATEGY, MNQ.id] == (size, stop + 50)

    world, _ = play(locks, script)
    assert world.verdict()["placed_orders"] == 1
    assert world.verdict()["unprotected_longest_s"] < 0.1


def test_f044_a_refused_move_is_not_done_and_alarms_after_five_failures(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        desk.act(enter(world, "F44"))
        await world.clock.sleep(2.0)
        before = desk.picture.orders.stops(*AT, 1)[0].stop
        assert before is not None
        world.fault(fault="refuse", endpoint="modify", code=3, text="no", count=100)
        for _ in range(12):
            desk.act(MoveStop(instance=ME, contract_id=MNQ.id, stop=Ticks(before + 5)))
            await world.clock.sleep(0.5)
        assert witness.positions[STRATEGY, MNQ.id][1] == before
        assert [notice.code for notice in desk.notices].count("STOP_NOT_MOVED") == 1
        tries = [entry for entry in desk.log.entries.values() if entry.intent.key.count("|move.")]
        assert 5 <= len(tries) <= 6

    play(locks, script)


def test_a_stop_is_never_loosened_nor_moved_through_the_market(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        desk.act(enter(world, "one"))
        await world.clock.sleep(2.0)
        stop = desk.picture.orders.stops(*AT, 1)[0].stop
        assert stop is not None
        ask = desk.mover.move
        assert ask(MoveStop(instance=ME, contract_id=MNQ.id, stop=Ticks(stop - 1))) == "not an improvement"
        through = MoveStop(instance=ME, contract_id=MNQ.id, stop=Ticks(world.price + 1))
        assert ask(through) == "on the wrong side of the market"
        other = MoveStop(instance=Instance(ACCOUNT, "other"), contract_id=MNQ.id, stop=Ticks(stop + 1))
        assert ask(other) == "not the instance's position"

    play(locks, script)


def test_f019_a_lost_cancel_of_an_order_that_fills_is_reported_filled(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        action = enter(world, "F19", kind="limit", away=5)
        desk.act(action)
        await world.clock.sleep(1.0)
        world.push(-7, 0.05)
        await world.clock.sleep(0.045)
        world.fault(fault="accept_then", endpoint="cancel", how="reset", count=1)
        desk.act(CancelEntry(instance=ME, contract_id=MNQ.id, key=action.key))
        await world.clock.sleep(10.0)
        entry = desk.log.by_key(action.key)
        assert entry is not None
        assert entry.state in {"filled", "cancelled"}
        assert (entry.state == "filled") == (net(world) != 0)
        assert desk.shield(*AT) in {"protected", "flat"}
        assert desk.log.unsettled() == []

    for seed in range(10):
        play(locks, script, seed)


def test_f179_a_full_disk_denies_entries_and_lets_exits_pass(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        desk.act(enter(world, "before"))
        await world.clock.sleep(2.0)
        world.medium.room = 0
        desk.act(enter(world, "full", side=1, kind="limit", away=60))
        desk.act(enter(world, "full again", side=1, kind="limit", away=60))
        close = ClosePosition(key="close it", account_id=ACCOUNT, contract_id=MNQ.id, source="manual")
        assert (await desk.submit(close)).kind == "confirmed"
        await world.clock.sleep(5.0)
        assert net(world) == 0
        assert len(witness.denied) == 2
        assert not desk.view().store_ok
        world.medium.room = None
        await world.clock.sleep(3.0)
        assert desk.view().store_ok
        desk.act(enter(world, "after", kind="limit", away=60))
        await world.clock.sleep(1.0)

    world, _ = play(locks, script)
    assert world.verdict()["placed_orders"] == 3
    assert world.verdict()["working_orders"] == 3


def test_f070_a_lagging_read_does_not_overwrite_a_newer_event(locks: Path) -> None:
    seen: list[int] = []

    async def script(world: World, desk: Desk, witness: Witness) -> None:
        stale = await desk.reader._rest.positions(ACCOUNT)
        desk.act(enter(world, "F70"))
        await world.clock.sleep(0.5)
        for _ in range(6):
            desk.intake.positions(ACCOUNT, stale, world.clock.mono())
            seen.append(desk.picture.positions.net(*AT))
            await world.clock.sleep(0.4)

    world, _ = play(locks, script)
    assert set(seen) == {net(world)}


def test_a_manual_close_is_settled_and_its_legs_swept(locks: Path) -> None:
    async def script(world: World, desk: Desk, witness: Witness) -> None:
        await desk.submit(manual(world, "open"))
        await world.clock.sleep(1.0)
        close = ClosePosition(key="c1", account_id=ACCOUNT, contract_id=MNQ.id, source="manual")
        outcomes = [await desk.submit(close), await desk.submit(close)]
        assert outcomes[0].kind == outcomes[1].kind == "confirmed"
        await world.clock.sleep(4.0)

    world, _ = play(locks, script)
    assert net(world) == 0
    assert world.verdict()["working_orders"] == 0
    assert world.verdict()["trades"] == 1
