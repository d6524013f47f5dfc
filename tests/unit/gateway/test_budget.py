"""The rate budget under virtual time."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import SECOND, VirtualClock
from bot.gateway.budget import MARGIN_S, RateBudget, Slot


def budget(clock: VirtualClock, general: int = 5, reserved: int = 2) -> RateBudget:
    return RateBudget(clock, general=(general, 60), history=(3, 30), reserved=reserved)


def spend(of: RateBudget, lane: str = "safety", bucket: str = "general") -> bool:
    slot = of.try_take(lane, bucket)
    if slot is not None:
        slot.done()
    return slot is not None


async def settle() -> None:
    """Let every task run until it waits for time."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_window_frees_only_after_its_length_and_margin() -> None:
    clock = VirtualClock(0)
    limit = budget(clock)
    assert [spend(limit) for _ in range(6)] == [True] * 5 + [False]
    await clock.advance(60)
    assert not spend(limit)
    await clock.advance(MARGIN_S)
    assert [spend(limit) for _ in range(6)] == [True] * 5 + [False]
    assert limit.counters == {"sent": 10, "denied": 3 - 1 + 1, "rate_limited": 0}


async def test_a_request_counts_from_its_start_to_a_window_after_its_answer() -> None:
    clock = VirtualClock(0)
    limit = budget(clock, general=1, reserved=0)
    slot = limit.try_take("safety")
    assert slot is not None
    await clock.advance(300)
    assert limit.remaining() == 0
    slot.done()
    slot.done()
    await clock.advance(59)
    assert limit.remaining() == 0
    await clock.advance(2)
    assert limit.remaining() == 1


async def test_f169_entries_never_touch_the_reserve_and_never_wait() -> None:
    clock = VirtualClock(0)
    limit = budget(clock)
    assert [spend(limit, "entry") for _ in range(4)] == [True] * 3 + [False]
    assert await limit.take("entry") is None
    assert [spend(limit, "safety") for _ in range(3)] == [True, True, False]


async def test_reads_wait_in_order_and_background_behind_them() -> None:
    clock = VirtualClock(0)
    limit = budget(clock)
    assert all(spend(limit, "read") for _ in range(3))
    served: list[str] = []

    async def wait(name: str, lane: str) -> None:
        slot = await limit.take(lane, timeout_s=600)
        assert slot is not None
        served.append(name)
        slot.done()

    waiting = [
        asyncio.create_task(wait(name, lane))
        for name, lane in (("b1", "background"), ("r1", "read"), ("b2", "background"), ("r2", "read"))
    ]
    await asyncio.sleep(0)
    assert not spend(limit, "read"), "nobody overtakes those who wait"
    assert limit.view()["general"]["waiting"] == 4
    assert spend(limit, "safety")
    for _ in range(3):
        await clock.advance(61)
    await asyncio.gather(*waiting)
    assert served == ["r1", "r2", "b1", "b2"]
    assert limit.view()["general"]["waiting"] == 0


async def test_a_read_gives_up_at_its_deadline() -> None:
    clock = VirtualClock(0)
    limit = budget(clock)
    assert all(spend(limit, "read") for _ in range(3))
    waiting = asyncio.create_task(limit.take("read", timeout_s=5))
    await settle()
    await clock.advance(4.9)
    await settle()
    assert not waiting.done()
    await clock.advance(0.2)
    assert await waiting is None


async def test_a_cancelled_waiter_takes_nothing_along() -> None:
    clock = VirtualClock(0)
    limit = budget(clock)
    assert all(spend(limit, "read") for _ in range(3))
    first = asyncio.create_task(limit.take("read", timeout_s=600))
    second = asyncio.create_task(limit.take("read", timeout_s=600))
    await asyncio.sleep(0)
    first.cancel()
    await clock.advance(61)
    assert isinstance(await second, Slot)
    assert limit.remaining() == 4


async def test_a_429_pauses_reads_of_its_bucket_for_longer_each_time() -> None:
    clock = VirtualClock(0)
    limit = budget(clock)
    assert [limit.penalise("general") for _ in range(5)] == [0.0, 5.0, 15.0, 30.0, 30.0]
    assert not spend(limit, "read")
    assert spend(limit, "read", "history")
    assert spend(limit, "entry")
    waiting = asyncio.create_task(limit.take("read", timeout_s=600))
    await settle()
    await clock.advance(29.9)
    await settle()
    assert not waiting.done()
    await clock.advance(0.2)
    assert await waiting is not None
    limit.relieve("general")
    assert limit.penalise("general") == 0.0
    assert limit.penalise("general", 7.0) == 7.0
    assert limit.counters["rate_limited"] == 7


async def test_f168_no_lock_is_held_while_somebody_waits() -> None:
    clock = VirtualClock(0)
    limit = budget(clock)
    assert all(spend(limit, "read") for _ in range(3))
    waiting = [asyncio.create_task(limit.take("read", timeout_s=600)) for _ in range(20)]
    await asyncio.sleep(0)
    assert spend(limit, "safety")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["safety", "entry", "read", "background"]), st.floats(0, 20), st.floats(0, 5)
        ),
        max_size=60,
    )
)
def test_f167_whatever_the_delays_the_venue_never_sees_more_than_the_limit(
    plan: list[tuple[str, float, float]],
) -> None:
    """Each request arrives somewhere between its start and its answer."""
    asyncio.run(_load(plan))


async def _load(plan: list[tuple[str, float, float]]) -> None:
    clock = VirtualClock(0)
    limit = RateBudget(clock, general=(6, 10), history=(3, 30), reserved=2)
    arrivals: list[int] = []

    async def request(lane: str, delay: float, late: float) -> None:
        slot = await limit.take(lane, timeout_s=500)
        if slot is not None:
            with slot:
                await clock.sleep(late)
                arrivals.append(clock.mono())
                await clock.sleep(delay / 10)

    tasks = []
    for lane, delay, late in plan:
        tasks.append(asyncio.create_task(request(lane, delay, late)))
        await clock.advance(delay / 20)
    while not all(task.done() for task in tasks):
        await clock.advance(5)
    await asyncio.gather(*tasks)
    arrivals.sort()
    for index, at in enumerate(arrivals):
        assert sum(at - 10 * SECOND < other <= at for other in arrivals[: index + 1]) <= 6


def test_an_unknown_bucket_is_an_error() -> None:
    with pytest.raises(KeyError):
        budget(VirtualClock(0)).try_take("read", "other")
