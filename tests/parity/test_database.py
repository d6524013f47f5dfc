"""One suite for every `Store`: PostgreSQL through the Python component, and the one in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.legacy.database import PythonStore
from bot.model.contract import Contract
from bot.model.errors import BadField, StoreConflict, StoreUnavailable, UnknownSymbol
from bot.model.instruments import contract_for
from bot.model.market import Bar
from bot.model.orders import Fill, Order
from bot.model.quantities import Money, Ticks, TickSize, TsNs
from bot.model.times import MINUTE
from bot.ports import Store
from bot.postgres import open_pool
from tests.simulation.memory_store import MemoryStore

MNQ = "CON.F.US.MNQ.Z25"
T0 = 1_762_180_200_000_000_000
ACCOUNT = 1001


@pytest.fixture(params=["python", "memory"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    if request.param == "memory":
        memory = MemoryStore(T0)
        await memory.open()
        await memory.migrate()
        yield memory
        return
    pool = await open_pool(request.getfixturevalue("database_dsn"), minimum=1)
    python = PythonStore(pool)
    await python.open()
    await python.migrate()
    yield python
    await python.close()
    await pool.close()


def accepted(store: Store) -> Store:
    """Both satisfy the port; checked by mypy."""
    return store


def bar(at: int, close: int = 80_000, **change: Any) -> Bar:
    start = T0 + at * MINUTE
    made = Bar(
        MNQ, "1m", TsNs(start), TsNs(start + MINUTE), Ticks(close), Ticks(close + 4), Ticks(close - 4),
        Ticks(close), 12, 7, True, True, "trades",
    )  # fmt: skip
    return msgspec.structs.replace(made, **change)


def order(id_: int, status: int = 1, updated: int = 0, **change: Any) -> Order:
    made = Order(
        id=id_, account_id=ACCOUNT, contract_id=MNQ, status=status, type=4, side=0, size=2, created=TsNs(T0 + 123),
        updated=TsNs(T0 + 456 + updated), stop=Ticks(80_001), tag="TB2-overnight_range-SE-ABCDEFGHIJKLMNOPQRST",
    )  # fmt: skip
    return msgspec.structs.replace(made, **change)


def fill(id_: int, at: int = 0, **change: Any) -> Fill:
    made = Fill(
        id=id_, account_id=ACCOUNT, contract_id=MNQ, order_id=id_ + 100, side=1, size=1, price=Ticks(80_041),
        ts=TsNs(T0 + at), fees=Money(610_000), commissions=Money(0),
    )  # fmt: skip
    return msgspec.structs.replace(made, **change)


def intent(id_: str = "A" * 20, state: str = "sent", **change: Any) -> dict[str, Any]:
    return {
        "intent_id": id_, "tag": f"TB2-manual-MK-{id_}", "account_id": str(ACCOUNT), "contract_id": MNQ, "kind": "MK",
        "side": 0, "type": 2, "quantity": 1, "plan": {"stop_ticks": 40}, "source": "manual", "strategy": "manual",
        "idempotency_key": f"key-{id_}", "state": state, "epoch": 3, "created_at": T0, **change,
    }  # fmt: skip


async def test_schema_is_complete_and_migrating_twice_changes_nothing(store: Any) -> None:
    assert await store.migrate() == await store.schema_version() == 2
    assert await accepted(store).ping() >= 0.0


async def test_bars_come_back_as_they_were(store: Any) -> None:
    written = [
        bar(0), bar(1, close=0, volume=0, ticks=0), bar(2, close=-3700, complete=False, source="mixed"),
        bar(3, end=TsNs(T0 + 3 * MINUTE + MINUTE // 2)),
    ]  # fmt: skip
    assert await store.upsert_bars(MNQ, "1m", written) == 4
    assert await store.get_bars(MNQ, "1m") == written


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(None, None, [0, 1, 2, 3]), (1, None, [1, 2, 3]), (None, 2, [0, 1]), (1, 3, [1, 2])],
)
async def test_both_bounds_are_honoured_in_each_combination(
    store: Any, start: int | None, end: int | None, expected: list[int]
) -> None:
    await store.upsert_bars(MNQ, "1m", [bar(i) for i in range(4)])
    bounds = [None if bound is None else TsNs(T0 + bound * MINUTE) for bound in (start, end)]
    assert await store.get_bars(MNQ, "1m", *bounds) == [bar(i) for i in expected]
    assert await store.get_bars(MNQ, "1m", *bounds, limit=1) == [bar(expected[-1])]
    assert await store.get_bars(MNQ, "1m", *bounds, limit=0) == []


async def test_a_bound_between_two_microseconds_is_not_rounded_onto_a_bar(store: Any) -> None:
    await store.upsert_bars(MNQ, "1m", [bar(0), bar(1)])
    assert await store.get_bars(MNQ, "1m", start=TsNs(T0 + 1)) == [bar(1)]
    assert await store.get_bars(MNQ, "1m", end=TsNs(T0 + 1)) == [bar(0)]


async def test_bars_written_again_replace_but_never_complete_by_incomplete(store: Any) -> None:
    await store.upsert_bars(MNQ, "1m", [bar(0), bar(1, complete=False)])
    assert await store.upsert_bars(MNQ, "1m", [bar(0, 90_000, complete=False), bar(1, 90_000)]) == 1
    assert await store.get_bars(MNQ, "1m") == [bar(0), bar(1, 90_000)]


async def test_an_open_bar_is_refused_and_its_batch_with_it(store: Any) -> None:
    with pytest.raises(BadField, match="a closed 1m bar"):
        await store.upsert_bars(MNQ, "1m", [bar(0), bar(1, final=False)])
    assert await store.get_bars(MNQ, "1m") == []


async def test_bars_of_an_unknown_contract_are_refused(store: Any) -> None:
    with pytest.raises(UnknownSymbol, match=r"CON\.F\.US\.XYZ\.Z25"):
        await store.upsert_bars("CON.F.US.XYZ.Z25", "1m", [bar(0, contract_id="CON.F.US.XYZ.Z25")])


async def test_the_venues_tick_is_used_for_a_product_that_the_table_does_not_know(store: Any) -> None:
    record = contract("XYZ", TickSize(1, 64))
    await store.upsert_contracts([record])
    odd = bar(0, 6_721, contract_id=record.id)
    await store.upsert_bars(record.id, "1m", [odd])
    assert await store.get_bars(record.id, "1m") == [odd]


def contract(product: str, tick: TickSize, **change: Any) -> Contract:
    made = Contract(
        id=f"CON.F.US.{product}.Z25", name=f"{product}Z5", description="a product", symbol_id=f"F.US.{product}",
        root=product, tick=tick, tick_value=15_625_000, active=True, weight=10, group="globex", seen_at=T0,
    )  # fmt: skip
    return msgspec.structs.replace(made, **change)


async def test_contracts_come_back_and_the_newest_record_wins(store: Any) -> None:
    known = contract_for("MNQ", 2025, 12, T0)
    other = contract("XYZ", TickSize(1, 2_000_000), tick_value=7)
    await store.upsert_contracts([other, known])
    assert await store.list_contracts() == sorted([known, other], key=lambda row: row.id)
    newer = msgspec.structs.replace(other, active=False, seen_at=T0 + MINUTE)
    await store.upsert_contracts([newer])
    await store.upsert_contracts([other])
    assert await store.list_contracts("XYZ") == [newer]
    assert await store.list_contracts("ES") == []


async def test_trading_state_is_compared_before_it_is_set(store: Any) -> None:
    assert await store.get_trading_state("global") is None
    assert await store.set_trading_state("global", "HALTED", "test", "me", 0) == 1
    for stale in (0, 7):
        with pytest.raises(StoreConflict, match=f"version {stale}"):
            await store.set_trading_state("global", "ACTIVE", "", "other", stale)
    assert await store.set_trading_state("global", "ACTIVE", "checked", "me", 1) == 2
    found = await store.get_trading_state("global")
    assert found.pop("changed_at") >= T0
    assert found == {"state": "ACTIVE", "reason": "checked", "actor": "me", "version": 2}
    first, second = (await store.list_audit())[::-1]
    assert (first["before"], first["after"]) == (None, {"state": "HALTED", "reason": "test", "version": 1})
    assert second["before"] == {"state": "HALTED", "version": 1}


@pytest.mark.parametrize(("scope", "state"), [("global", "PAUSED"), ("everything", "HALTED")])
async def test_a_state_or_scope_that_does_not_exist_is_refused(store: Any, scope: str, state: str) -> None:
    with pytest.raises(BadField):
        await store.set_trading_state(scope, state, "", "me", 0)


async def test_account_state_keeps_zero_and_null_apart_and_leaves_other_keys(store: Any) -> None:
    assert await store.get_account_state(ACCOUNT) is None
    await store.save_account_state(
        ACCOUNT,
        {"balance": 0, "daily_pnl": -1, "mll_floor": None, "trading_day": date(2025, 11, 3), "note": [1]},
    )
    await store.save_account_state(ACCOUNT, {"account_name": "50KTC", "total_trades_today": 0})
    found = await store.get_account_state(ACCOUNT)
    assert found["balance"] == 0
    assert found["daily_pnl"] == -1
    assert found["mll_floor"] is None
    assert found["total_trades_today"] == 0
    assert found["winning_trades_today"] is None
    assert found["trading_day"] == date(2025, 11, 3)
    assert (found["account_name"], found["note"]) == ("50KTC", [1])


async def test_rule_state_comes_back_as_it_was(store: Any) -> None:
    assert await store.get_rule_state(ACCOUNT) is None
    state = {
        "start": 50_000_000_000, "lock": None, "balance": 49_000_000_001, "unrealised": 0, "day_base": None,
        "high": 50_000_000_000, "risk_day": "2025-11-03", "known": False, "dll_locked": True, "mll_breached": False,
        "day_end_profit": -5,
    }  # fmt: skip
    await store.save_rule_state(ACCOUNT, {**state, "balance": 1})
    await store.save_rule_state(ACCOUNT, state)
    assert await store.get_rule_state(ACCOUNT) == state


async def test_an_intent_moves_forward_only_and_replay_changes_nothing(store: Any) -> None:
    steps = [
        intent(state="new"), intent(state="sent", sent_at=T0 + 1_000), intent(state="unknown"),
        intent(state="open", order_id=55), intent(state="filled", outcome="confirmed", resolved_at=T0 + 2_000),
        intent(state="cancelled"),
    ]  # fmt: skip
    for row in steps * 3:
        await store.put_intent(row)
    found = await store.get_intent("A" * 20)
    assert (found["state"], found["order_id"], found["outcome"]) == ("filled", 55, "confirmed")
    assert (found["account_id"], found["created_at"], found["sent_at"]) == (ACCOUNT, T0, T0 + 1_000)
    assert found["plan"] == {"stop_ticks": 40}
    assert found["limit_ticks"] is None
    assert await store.get_intent("B" * 20) is None


@pytest.mark.parametrize("column", ["tag", "idempotency_key"])
async def test_a_key_or_tag_is_used_once_per_account(store: Any, column: str) -> None:
    await store.put_intent(intent())
    with pytest.raises(StoreConflict):
        await store.put_intent(intent("B" * 20, **{column: intent()[column]}))
    await store.put_intent(intent("C" * 20, account_id=2002, **{column: intent()[column]}))
    assert await store.get_intent("B" * 20) is None


@pytest.mark.parametrize(
    "change", [{"state": "lost"}, {"intent_id": ""}, {"colour": 1}, {"account_id": "x1"}]
)
async def test_an_intent_row_that_makes_no_sense_is_refused(store: Any, change: dict[str, Any]) -> None:
    with pytest.raises(BadField):
        await store.put_intent({**intent(), **change})


async def test_orders_come_back_exactly_and_the_newest_report_wins(store: Any) -> None:
    full = order(9_007_199_254_740_993, average="20010.333333333333333", limit=Ticks(0), filled=0, trail_ticks=7,
                 parent_id=4, linked_id=5)  # fmt: skip
    await store.upsert_orders([full, order(2)])
    assert await store.get_orders(ACCOUNT) == [order(2), full]
    await store.upsert_orders([order(2, 1, updated=5, size=3), order(2, 1, updated=1, size=9)])
    assert (await store.get_orders(ACCOUNT))[0].size == 3
    await store.upsert_orders([order(2, 2, updated=6, tag=None)])
    await store.upsert_orders([order(2, 1, updated=7)])
    done = (await store.get_orders(ACCOUNT))[0]
    assert (done.status, done.tag) == (2, order(2).tag)
    assert await store.get_orders(ACCOUNT, working_only=True) == [full]
    assert await store.get_orders(2002) == []


async def test_a_status_the_venue_invents_is_kept(store: Any) -> None:
    await store.upsert_orders([order(1, 42)])
    assert await store.get_orders(ACCOUNT) == [order(1, 42)]
    assert await store.get_orders(ACCOUNT, working_only=True) == []


async def test_fills_are_stored_once_and_new_ones_named(store: Any) -> None:
    first = [fill(2, 5_000), fill(1), fill(2, 5_000)]
    assert await store.upsert_fills(first) == [1, 2]
    assert await store.upsert_fills([*first, fill(3, 9_000)]) == [3]
    assert await store.get_fills(ACCOUNT, TsNs(T0), TsNs(T0 + 9_000)) == [fill(1), fill(2, 5_000)]
    assert await store.get_fills(2002, TsNs(0), TsNs(T0 * 2)) == []


async def test_a_fill_keeps_zero_and_null_results_apart_and_stays_voided(store: Any) -> None:
    await store.upsert_fills([fill(1), fill(2, pnl=Money(0), price=Ticks(-1)), fill(3, voided=True)])
    await store.upsert_fills([fill(1, pnl=Money(-20_500_000)), fill(3)])
    found = await store.get_fills(ACCOUNT, TsNs(T0), TsNs(T0 + 1))
    assert [row.pnl for row in found] == [-20_500_000, 0, None]
    assert found[1].price == -1
    assert [row.voided for row in found] == [False, False, True]


async def test_times_of_fills_are_floored_to_microseconds(store: Any) -> None:
    await store.upsert_fills([fill(1, 1_999)])
    assert [row.ts for row in await store.get_fills(ACCOUNT, TsNs(T0), TsNs(T0 + 9_000))] == [T0 + 1_000]


async def test_a_batch_with_one_bad_row_leaves_nothing(store: Any) -> None:
    with pytest.raises(UnknownSymbol):
        await store.upsert_fills([fill(1), fill(2, contract_id="CON.F.US.XYZ.Z25")])
    assert await store.get_fills(ACCOUNT, TsNs(0), TsNs(T0 * 2)) == []


async def test_protection_rows_are_replaced(store: Any) -> None:
    row = {
        "account_id": ACCOUNT, "contract_id": MNQ, "state": "protected", "stop_order_id": 7,
        "target_order_ids": [8, 9], "breakeven": {"at": 60}, "trailing": None, "unprotected_ms": 0,
    }  # fmt: skip
    await store.put_protection({**row, "state": "waiting", "trailing": {"ticks": 1}})
    await store.put_protection(row)
    assert await store.get_protection(ACCOUNT) == [row]
    with pytest.raises(BadField):
        await store.put_protection({"account_id": ACCOUNT})


async def test_log_rows_with_their_own_time_are_written_once(store: Any) -> None:
    at = TsNs(T0)
    for _ in range(3):
        await store.add_audit("me", "cli", "flatten", ACCOUNT, "ok", at=at)
        await store.add_audit("me", "cli", "flatten", None, "ok", at=at)
        await store.add_reconciliation(ACCOUNT, "amber", [{"order": 1}], ["adopt"], at=at)
    assert [row["account_id"] for row in await store.list_audit()] == [None, ACCOUNT]
    assert await store.list_reconciliations(ACCOUNT) == [
        {"colour": "amber", "differences": [{"order": 1}], "actions": ["adopt"]}
    ]
    await store.add_audit("me", "cli", "flatten", ACCOUNT, "ok")
    await store.add_audit("me", "cli", "flatten", ACCOUNT, "ok")
    assert len(await store.list_audit()) == 4


async def test_a_closed_store_is_unavailable_not_empty(store: Any) -> None:
    await store.upsert_bars(MNQ, "1m", [bar(0)])
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.get_bars(MNQ, "1m")
    await store.open()
    assert await store.get_bars(MNQ, "1m") == [bar(0)]


_ORDERS = st.lists(
    st.builds(
        order, st.integers(1, 3), st.sampled_from([1, 2, 3, 6, 8]), st.integers(0, 3),
        average=st.sampled_from([None, "20000.25"]), created=st.integers(T0, T0 + 2).map(TsNs), tag=st.sampled_from([None, "x", "TB2-a-SL-Q"]),
    ),
    max_size=12,
)  # fmt: skip


@given(reports=_ORDERS, cut=st.integers(0, 12))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_split_of_reports_into_batches_ends_in_the_same_orders(
    store: Any, reports: list[Order], cut: int
) -> None:
    async with fresh(store) as one:
        await one.upsert_orders(reports[:cut])
        await one.upsert_orders(reports[cut:])
        found = await one.get_orders(ACCOUNT)
    expected = MemoryStore()
    for report in reports:
        await expected.upsert_orders([report])
    assert found == await expected.get_orders(ACCOUNT)


class fresh:  # noqa: N801
    """The same kind of store without orders."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def __aenter__(self) -> Any:
        if isinstance(self._store, MemoryStore):
            return MemoryStore()
        async with self._store._connection() as connection:
            await connection.execute("TRUNCATE orders")
        return self._store

    async def __aexit__(self, *_: object) -> None:
        return None
