"""Scripts at work: when steps happen, what they meet, and that nothing depends on how often the venue is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from bot.model.errors import BadField
from bot.model.times import MILLISECOND, SECOND, parse_ts
from bot.paper.market.synthetic import SyntheticMarket
from bot.paper.script.errors import ScriptError
from bot.paper.script.play import Play
from bot.paper.script.read import script_of
from tests.unit.paper.scripted import ACCOUNT, MNQ, START, Bench

STOP = {"ticks": -40, "type": 4}


def played(steps: list[dict[str, Any]], bench: Bench | None = None, seed: int = 1) -> tuple[Bench, Play]:
    bench = bench or Bench(profile="fast")
    return bench, bench.venue.play(script_of({"seed": seed, "steps": steps}))


def lines(bench: Bench, kind: str) -> list[tuple[float, Any]]:
    """Records of one kind with their milliseconds from the start."""
    rows = [msgspec.json.decode(line) for line in bench.venue.ledger.lines]
    return [((ts - START) / MILLISECOND, row) for ts, found, row in rows if found == kind]


def times(bench: Bench, kind: str = "fault") -> list[float]:
    return [at for at, _ in lines(bench, kind)]


def place(bench: Bench, **members: Any) -> int:
    body = {"accountId": ACCOUNT, "contractId": MNQ, "type": 2, "side": 0, "size": 1, **members}
    return bench.send("/api/Order/place", json.dumps(body).encode()).status


def test_a_step_happens_at_its_time_and_carries_its_name() -> None:
    bench, _ = played(
        [{"at": "1500ms", "do": "hub.logout", "note": "first"}, {"at": "10:30:02 ET", "do": "hub.logout"}]
    )
    bench.pass_(60_000)
    assert [(at, row["step"]) for at, row in lines(bench, "strike")] == [(1500, "first"), (2000, "step 2")]


def test_every_times_until_and_after() -> None:
    bench, play = played([
        {"at": "1s", "every": "2s", "times": 3, "do": "hub.logout"},
        {"at": "10s", "every": "1s", "until": "13s", "do": "hub.unknown"},
        {"at": "20s", "after": "500ms", "do": "depth.reset"},
    ])  # fmt: skip
    bench.pass_(60_000)
    assert times(bench) == [1_000, 3_000, 5_000, 10_000, 11_000, 12_000, 20_500]
    assert [row["done"] for row in play.status()] == [3, 3, 1]


def test_real_time_is_stretched_by_the_clocks_rate() -> None:
    bench = Bench(profile="fast")
    bench.clock.rate = 10.0  # type: ignore[misc]
    bench.venue.faults.rate = 10.0
    played(
        [{"at": "1s", "clock": "real", "do": "delay", "endpoint": "place", "seconds": 2, "for": "3s"}], bench
    )
    bench.pass_(9_999)
    assert bench.venue.faults.armed == []
    bench.pass_(1)
    fault = bench.venue.faults.armed[0]
    assert (fault.seconds, fault.until) == (20.0, START + 40 * SECOND)


def test_a_fault_stays_armed_for_its_span() -> None:
    bench, _ = played(
        [{"at": "1s", "for": "2s", "do": "http", "endpoint": "place", "status": 503, "count": 99}]
    )
    found = []
    for _ in range(4):
        found.append(place(bench))
        bench.pass_(1_000)
    assert found == [200, 503, 503, 200]


def test_the_third_request_is_struck_itself() -> None:
    bench, _ = played([
        {"when": {"event": "request", "endpoint": "place", "n": 3}, "do": "accept_then", "endpoint": "place", "how": 502}
    ])  # fmt: skip
    bench.call("Account/search", onlyActiveAccounts=True)
    assert [place(bench) for _ in range(4)] == [200, 200, 502, 200]


def test_times_counts_events_that_act() -> None:
    bench, _ = played(
        [{"when": {"event": "request", "endpoint": "place", "n": 2}, "times": 2, "do": "hub.logout"}]
    )
    for _ in range(5):
        place(bench)
        bench.pass_(1_000)
    assert times(bench) == [1_000, 2_000]


def test_events_of_orders_positions_accounts_and_hubs() -> None:
    events = (
        "order.placed", "order.working", "order.filled", "order.cancelled", "order.rejected", "position.open",
        "position.changed", "position.flat", "account.locked", "hub.connected", "hub.closed",
    )  # fmt: skip
    bench, play = played([{"when": event, "do": "depth.reset"} for event in events])
    resting = bench.place(type=1, limitPrice=19900)["orderId"]
    bench.pass_(1)
    bench.call("Order/cancel", accountId=ACCOUNT, orderId=resting)
    bench.venue.inject({"fault": "reject", "count": 1})
    for side, size in ((0, 1), (0, 1), (0, 1), (1, 2)):
        bench.place(side=side, size=size)
        bench.pass_(1)
    bench.listen("user")
    bench.venue.inject({"fault": "hub.drop"})
    bench.venue.inject({"fault": "liquidate", "account_id": ACCOUNT, "limit": "dll"})
    bench.pass_(1)
    assert {event: row["done"] for event, row in zip(events, play.status(), strict=True)} == dict.fromkeys(
        events, 1
    )


def test_an_event_is_narrowed_by_contract_account_and_leg() -> None:
    bench, play = played([
        {"when": {"event": "order.working", "leg": "stop"}, "do": "depth.reset"},
        {"when": {"event": "order.working", "leg": "target"}, "do": "depth.reset"},
        {"when": {"event": "position.open", "contract_id": "MES"}, "do": "depth.reset"},
        {"when": {"event": "position.open", "contract_id": MNQ, "account_id": ACCOUNT}, "do": "depth.reset"},
        {"when": {"event": "position.open", "account_id": 1002}, "do": "depth.reset"},
    ])  # fmt: skip
    bench.place(stopLossBracket=STOP)
    bench.pass_(1)
    assert [row["done"] for row in play.status()] == [1, 0, 0, 1, 0]


def test_part_fills_are_an_event() -> None:
    bench, play = played([{"when": "order.part_filled", "do": "fill"}])
    order = bench.place(type=1, limitPrice=19900, size=3)["orderId"]
    bench.pass_(1)
    bench.venue.inject({"fault": "fill", "order_id": order, "size": 1})
    bench.pass_(1)
    assert (bench.order(order)["status"], play.status()[0]["done"]) == (2, 1)


def test_an_event_can_start_a_repetition() -> None:
    bench, _ = played(
        [{"when": "order.filled", "after": "1s", "every": "2s", "times": 3, "do": "hub.logout"}]
    )
    place(bench)
    bench.pass_(500)
    place(bench)
    bench.pass_(60_000)
    assert times(bench) == [1_000, 3_000, 5_000]


def test_events_before_at_do_not_count() -> None:
    bench, _ = played([{"at": "5s", "when": "order.filled", "do": "hub.logout"}])
    place(bench)
    bench.pass_(5_000)
    place(bench)
    bench.pass_(1)
    assert times(bench) == [5_000]


def test_the_seed_decides_the_odds() -> None:
    step = {"every": "1s", "times": 200, "chance": 0.3, "do": "hub.logout"}

    def drawn(steps: list[dict[str, Any]], seed: int = 1) -> list[float]:
        bench, _ = played(steps, seed=seed)
        bench.pass_(300_000)
        return times(bench)

    first = drawn([step])
    assert 40 <= len(first) <= 80
    assert drawn([step]) == first
    assert drawn([step], seed=2) != first
    assert drawn([{**step, "seed": 5}]) != first
    both = drawn([step, step])
    assert set(first) < set(both)


def test_a_step_with_nothing_to_act_on_is_noted_and_the_rest_goes_on() -> None:
    bench, _ = played([{"at": "1s", "do": "fill"}, {"at": "2s", "do": "hub.logout"}])
    bench.pass_(3_000)
    (_, missed), = lines(bench, "missed")  # fmt: skip
    assert missed[:2] == ["step 1", "fill"]
    assert bench.venue.verdict()["missed_steps"] == 1
    assert bench.venue.verdict()["struck"] == {"hub.logout": 1}


def test_machine_steps_go_to_the_harness() -> None:
    done: list[tuple[str, Mapping[str, Any]]] = []
    bench = Bench()
    steps = [{"at": "1s", "do": "kill", "point": "sent"}, {"at": "2s", "do": "clock.jump", "seconds": -3600}]
    with pytest.raises(ScriptError, match="a verb that this harness can do"):
        bench.venue.play(script_of(steps), machine={"kill": lambda verb, given: done.append((verb, given))})
    handlers = dict.fromkeys(("kill", "clock.jump"), lambda verb, given: done.append((verb, given)))
    bench.venue.play(script_of(steps), machine=handlers)
    bench.pass_(1_500)
    assert done == [("kill", {"point": "sent"})]
    bench.pass_(1_000)
    assert done[1] == ("clock.jump", {"seconds": -3600})
    assert [row[:2] for _, row in lines(bench, "machine")] == [["step 1", "kill"], ["step 2", "clock.jump"]]


def test_a_script_can_be_stopped() -> None:
    bench, _ = played([{"every": "1s", "do": "hub.logout"}])
    bench.pass_(2_500)
    bench.venue.stage.end()
    bench.pass_(5_000)
    assert times(bench) == [0, 1_000, 2_000]
    assert bench.venue.stage.plays == []


def test_a_failing_handler_is_not_swallowed() -> None:
    def broken(_verb: str, _given: Mapping[str, Any]) -> None:
        raise RuntimeError("boom")

    bench = Bench()
    bench.venue.play(script_of([{"at": "1s", "do": "kill"}]), machine={"kill": broken})
    with pytest.raises(RuntimeError, match="boom"):
        bench.pass_(2_000)


MOVES = [
    {"when": {"event": "order.filled", "leg": "entry"}, "after": "250ms", "times": 9, "do": "push", "contract_id": "MNQ",
     "by": -60, "seconds": 1},
    {"when": "position.flat", "times": 9, "do": "fast", "contract_id": "MNQ", "ticks": 25, "seconds": 3},
    {"at": "7s", "every": "11s", "do": "gap", "contract_id": "MNQ", "by": 45},
    {"at": "3s", "for": "40s", "do": "slip", "ticks": 2},
    {"at": "5s", "every": "9s", "chance": 0.6, "do": "liquidate"},
]  # fmt: skip


@pytest.mark.parametrize("stepping", [1_000, 250, 37])
def test_the_ledger_does_not_depend_on_how_often_time_is_looked_at(stepping: int) -> None:
    def session(step: int) -> list[bytes]:
        market = SyntheticMarket(5, START, ("MNQ",), scenario="quiet")
        bench, _ = played(MOVES, Bench(market=market, roots=("MNQ",)), seed=3)
        at = 0
        for due in range(4_000, 60_000, 4_000):
            while at < due:
                taken = min(step, due - at)
                at += taken
                bench.pass_(taken)
            place(
                bench,
                side=due // 4_000 % 2,
                stopLossBracket={"ticks": -30 if due // 4_000 % 2 == 0 else 30, "type": 4},
            )
        bench.pass_(500)
        return list(bench.venue.ledger.lines)

    assert session(stepping) == session(4_000)


def test_wall_times_that_are_over_are_refused_in_a_running_session() -> None:
    bench = Bench(start=parse_ts("2025-10-01T15:00:00Z"))
    bench.pass_(1_000)
    with pytest.raises(ScriptError, match="a time from the start of the script on"):
        bench.venue.play(script_of([{"at": "2025-10-01 10:00 CT", "do": "hub.logout"}]))


def test_one_language_for_faults_and_steps() -> None:
    bench = Bench()
    with pytest.raises(BadField, match=r"slip.ticks: expected a whole number from 1 to 10000"):
        bench.venue.inject({"fault": "slip", "ticks": 0})
    with pytest.raises(ScriptError, match=r"step 1: ticks: expected a whole number from 1 to 10000"):
        script_of([{"do": "slip", "ticks": 0}])


def test_after_a_restart_what_is_over_is_not_repeated() -> None:
    steps = [
        {"at": "1s", "do": "hub.logout"},
        {"at": "2s", "every": "2s", "times": 5, "do": "hub.unknown"},
        {"at": "30s", "do": "depth.reset"},
    ]
    bench, _ = played(steps)
    bench.pass_(5_000)
    again = Bench(profile="fast", past=list(bench.venue.ledger.lines), login=False, market=bench.market)
    again.clock._elapsed = bench.clock._elapsed
    again.venue.play(script_of(steps), start=START)
    again.pass_(60_000)
    assert times(again) == [1_000, 2_000, 4_000, 6_000, 8_000, 10_000, 30_000]
    assert again.venue.verdict()["struck"] == {"depth.reset": 1, "hub.logout": 1, "hub.unknown": 5}
