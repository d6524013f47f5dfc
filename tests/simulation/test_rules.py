"""The rule machine beside a trading desk: its day result is the venue's, whatever comes late or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.model.orders import Account
from bot.model.quantities import Money
from bot.trading.account_rules import AccountRules
from bot.trading.desk import Desk
from tests.simulation.loop import run
from tests.simulation.test_protection import net
from tests.simulation.world import ACCOUNT, CALENDAR, MNQ, Process, World, enter

DOLLAR = 1_000_000
Script = Callable[[World, Desk, "Rules"], Awaitable[None]]


class Rules:
    """The machine of the account as the application feeds it, with what it told."""

    def __init__(self, desk: Desk, account: Account, kept: dict[str, Any] | None = None) -> None:
        self.kept: list[dict[str, Any]] = []
        self.actions: list[str] = []
        self.days: list[int] = []
        self.machine = AccountRules(
            account, desk, CALENDAR, desk.clock, kept=kept, keep=lambda _, state: self.kept.append(state),
            breached=lambda _, actions: self.actions.extend(actions), told=lambda _, __: None,
        )  # fmt: skip
        self._clock = desk.clock

    async def run(self) -> None:
        while True:
            await self._clock.sleep(0.25)
            self.tick()

    def tick(self) -> None:
        self.machine.tick()
        day = self.machine.figures.day_pnl
        if day is not None:
            self.days.append(day // DOLLAR)

    @property
    def status(self) -> str:
        return self.machine.figures.status


def play(locks: Path, script: Script, seed: int = 1) -> tuple[World, Desk, Rules]:
    world = World(seed)
    made: list[Any] = []

    async def main() -> None:
        process = Process(world, locks, on_round=lambda result: _confirm(made, result.colour))
        with process.lock_released():
            desk = await process.start()
            account = next(one for one in await process.rest.accounts() if one.id == ACCOUNT)
            rules = Rules(desk, account)
            made.extend([desk, rules])
            rules.machine.start(account.balance, [])
            ticking = asyncio.ensure_future(rules.run())
            await world.clock.sleep(1.0)
            await script(world, desk, rules)
            ticking.cancel()
            await process.stop()

    run(world.clock, main())
    return world, made[0], made[1]


def _confirm(made: list[Any], colour: str) -> None:
    if made and colour != "red":
        made[1].machine.confirm()


def venue_balance(world: World) -> int:
    return int(next(row["balance"] for row in world.venue.accounts() if row["id"] == ACCOUNT))


@pytest.mark.parametrize("out", [-60, 100])
@pytest.mark.parametrize("late", ["position", "trade", "order", "account", None])
@pytest.mark.parametrize("seconds", [1.2, 8.0])
def test_a_closed_result_counts_once_in_any_order_of_reports(
    locks: Path, out: int, late: str | None, seconds: float
) -> None:
    async def script(world: World, desk: Desk, rules: Rules) -> None:
        desk.act(enter(world, "R", stop_ticks=40, target_ticks=80))
        await world.clock.sleep(15.0)
        held = abs(net(world))
        assert held
        if late is not None:
            world.fault(fault="hub.late", event=late, seconds=seconds, count=3)
        world.push(out, 0.2)
        await world.clock.sleep(30.0)
        assert net(world) == 0

    world, _, rules = play(locks, script, 3)
    final = (venue_balance(world) - 150_000 * DOLLAR) // DOLLAR
    assert rules.machine.figures.balance == venue_balance(world)
    assert rules.days[-1] == final
    # Ten lots: a tick is worth five dollars. An exit heard of late is marked on meanwhile, but counts once.
    assert min(rules.days) >= min(0, final, 5 * out) - 60
    assert max(rules.days) <= max(0, final, 5 * out) + 60
    assert rules.actions == []


def test_fills_of_an_earlier_day_do_not_count_again_after_a_restart(locks: Path) -> None:
    async def script(world: World, desk: Desk, rules: Rules) -> None:
        desk.act(enter(world, "R", stop_ticks=40, target_ticks=80))
        await world.clock.sleep(15.0)
        world.push(-60, 0.2)
        await world.clock.sleep(20.0)
        account = desk.picture.accounts.all()[0].account
        again = Rules(desk, account, rules.kept[-1])
        again.machine.start(account.balance, [])
        for _ in range(4):
            again.tick()
        assert again.machine.figures.balance == venue_balance(world)
        assert again.machine.figures.day_pnl == 0
        assert set(again.days) == {0}

    play(locks, script)


@pytest.mark.parametrize("what", ["hub", "reads", "price"])
def test_what_was_lost_is_unknown_and_known_again_after_a_reconciliation(locks: Path, what: str) -> None:
    seen: set[str] = set()

    async def script(world: World, desk: Desk, rules: Rules) -> None:
        desk.act(enter(world, "R", stop_ticks=40, target_ticks=80))
        await world.clock.sleep(15.0)
        assert rules.status == "OK"
        if what == "hub":
            world.fault(fault="hub.403", seconds=10, hub="user")
            world.fault(fault="hub.drop", hub="user", how="close")
        elif what == "reads":
            world.fault(fault="http", endpoint="positions", status=500, count=8)
        else:
            world.fault(fault="quote.stop", seconds=90)
        for _ in range(200):
            await world.clock.sleep(0.5)
            seen.add(rules.status)
        assert rules.status == "OK"

    play(locks, script)
    assert seen == {"OK", "UNKNOWN"}


def test_a_position_whose_fill_was_lost_is_marked_all_the_same(locks: Path) -> None:
    async def script(world: World, desk: Desk, rules: Rules) -> None:
        world.fault(fault="hub.lose", event="trade", seconds=5)
        world.fault(fault="http", endpoint="trades", status=500, count=4)
        desk.act(enter(world, "R", stop_ticks=40, target_ticks=80))
        await world.clock.sleep(40.0)
        world.push(20, 0.2)
        await world.clock.sleep(3.0)
        position = desk.picture.positions.get(ACCOUNT, MNQ.id)
        assert position is not None
        figures = rules.machine.figures
        assert figures.equity is not None
        assert figures.balance is not None
        assert figures.equity - figures.balance == 19 * position.size * MNQ.tick_value
        assert figures.balance == venue_balance(world)

    play(locks, script)


def test_a_breach_whose_flatten_did_not_end_is_flattened_after_the_restart(locks: Path) -> None:
    async def script(world: World, desk: Desk, rules: Rules) -> None:
        desk.act(enter(world, "R", stop_ticks=40, target_ticks=80))
        await world.clock.sleep(15.0)
        account = desk.picture.accounts.all()[0].account
        locked = {**rules.kept[-1], "dll_locked": True}
        again = Rules(desk, account, locked)
        again.machine.start(account.balance, desk.picture.fills.all())
        assert again.actions == ["BLOCK_ENTRIES", "CANCEL_ALL", "FLATTEN"]
        await desk.flatten(ACCOUNT, reason="a loss limit was reached")
        flat = Rules(desk, account, locked)
        flat.machine.start(account.balance, desk.picture.fills.all())
        assert flat.actions == []
        assert flat.status == "DLL_LOCKED"

    play(locks, script)


def test_a_position_in_an_unlisted_contract_has_no_known_result(locks: Path) -> None:
    async def script(world: World, desk: Desk, rules: Rules) -> None:
        desk.act(enter(world, "R", stop_ticks=40, target_ticks=80))
        await world.clock.sleep(15.0)
        contracts: dict[str, Any] = desk.picture.contracts  # type: ignore[assignment]
        kept = contracts.pop(MNQ.id)
        await world.clock.sleep(3.0)
        assert rules.status == "UNKNOWN"
        assert "FOREIGN_POSITION" in {notice.code for notice in desk.notices}
        assert "TASK_FAILED" not in {notice.code for notice in desk.notices}
        contracts[MNQ.id] = kept
        await world.clock.sleep(20.0)
        assert rules.status == "OK"

    play(locks, script)


def test_money_is_the_venues_to_the_micro_dollar(locks: Path) -> None:
    async def script(world: World, desk: Desk, rules: Rules) -> None:
        for number in range(6):
            desk.act(enter(world, f"R{number}", side=1 if number % 2 else -1, stop_ticks=20, target_ticks=30))
            await world.clock.sleep(70.0)
            world.push(50 if number % 3 else -50, 0.3)
            await world.clock.sleep(20.0)

    world, desk, rules = play(locks, script, 5)
    assert world.verdict()["trades"] >= 4
    assert rules.machine.figures.balance == Money(venue_balance(world))
    assert desk.picture.positions.open() == []
