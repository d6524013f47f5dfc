"""The queue in front of the database: refused writes, a full queue, lost answers."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from bot.clock import SystemClock
from bot.legacy.database import Outbox
from bot.model.errors import BadField, StoreUnavailable
from tests.integration.database.rows import Alarms, fill, order
from tests.simulation.memory_store import MemoryStore


async def test_a_write_that_can_never_succeed_does_not_hold_up_the_others() -> None:
    alarms = Alarms()
    outbox = Outbox(MemoryStore(), SystemClock(), alarms)
    outbox.keep("upsert_fills", [fill(1)])
    outbox.keep("upsert_fills", [msgspec.structs.replace(fill(2), contract_id="CON.F.US.XYZ.Z25")])
    outbox.keep("upsert_fills", [fill(3)])
    outbox.keep("put_intent", {"intent_id": "x"})
    outbox.keep("save_account_state", (1, {"balance": 5}))
    task = asyncio.create_task(outbox.run())
    assert await outbox.flush(5)
    task.cancel()
    assert (outbox.written, outbox.rejected_count) == (3, 2)
    assert alarms.codes == ["STORE_WRITE_REJECTED"] * 2
    assert "XYZ" in outbox.rejected[0][1]


async def test_a_full_queue_refuses_counts_and_says_so_once() -> None:
    alarms = Alarms()
    memory = MemoryStore()
    memory.down = True
    outbox = Outbox(memory, SystemClock(), alarms, bound=10)
    task = asyncio.create_task(outbox.run())
    for number in range(25):
        outbox.keep("upsert_orders", [order(number)])
    await asyncio.sleep(0.05)
    assert (outbox.depth, outbox.refused, outbox.store_ok) == (10, 15, False)
    assert sorted(alarms.codes) == ["STORE_LOST", "STORE_QUEUE_FULL"]
    memory.down = False
    assert await outbox.flush(5)
    task.cancel()
    assert len(await memory.get_orders(1)) == 10
    assert outbox.status() == {
        "available": True, "ok": True, "waiting": 0, "oldest_ms": 0, "written": 10, "superseded": 0, "refused": 15, "rejected": 0,
    }  # fmt: skip
    with pytest.raises(BadField):
        outbox.keep("get_orders", 1)


async def test_states_that_replace_each_other_are_written_once_and_in_place() -> None:
    memory = MemoryStore()
    memory.down = True
    outbox = Outbox(memory, SystemClock(), Alarms())
    for number in range(500):
        outbox.keep("save_rule_state", (number % 2, {"balance": number}))
        outbox.keep("put_protection", {"account_id": 1, "contract_id": "A", "unprotected_ms": number})
    outbox.keep("put_protection", {"account_id": 1, "contract_id": "B", "unprotected_ms": 7})
    memory.down = False
    task = asyncio.create_task(outbox.run())
    assert await outbox.flush(5)
    assert (outbox.written, outbox.superseded) == (4, 997)
    outbox.keep("save_rule_state", (1, {"balance": -1}))
    assert await outbox.flush(5)
    task.cancel()
    assert [await memory.get_rule_state(account) for account in (0, 1)] == [{"balance": 498}, {"balance": -1}]
    assert [row["unprotected_ms"] for row in await memory.get_protection(1)] == [499, 7]


class Replay(MemoryStore):
    """Writes and then loses the answer, twice for every write."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, int] = {}

    async def add_audit(self, *args: Any, **options: Any) -> None:
        await super().add_audit(*args, **options)
        self.calls[args[2]] = self.calls.get(args[2], 0) + 1
        if self.calls[args[2]] < 3:
            raise StoreUnavailable("database", expected="an answer", seen="a lost connection")


async def test_a_write_whose_answer_was_lost_is_written_once() -> None:
    store = Replay()
    outbox = Outbox(store, SystemClock(), Alarms())
    for number in range(3):
        outbox.keep("add_audit", ("me", "test", f"step_{number}", None, "ok"))
    task = asyncio.create_task(outbox.run())
    assert await outbox.flush(10)
    task.cancel()
    assert set(store.calls.values()) == {3}
    assert [row["action"] for row in await store.list_audit()] == ["step_2", "step_1", "step_0"]
