"""Random scripts: readable, runnable, the same for the same seed, and the venue's books balance under all of them."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.errors import BadField
from bot.paper.market.synthetic import SyntheticMarket
from bot.paper.script.generate import EVERY, WEIGHTS, random_script
from bot.paper.script.read import parse
from bot.paper.script.steps import Script
from bot.paper.verbs import VERBS
from tests.unit.paper.scripted import ACCOUNT, MNQ, START, Bench

MINUTES = 3


def session(script: Script, seed: int) -> Bench:
    """A client that trades to and fro without looking, under the script."""
    bench = Bench(market=SyntheticMarket(seed, START, ("MNQ",)), roots=("MNQ",))
    bench.venue.play(script)
    rng = random.Random(seed)
    bench.listen("user", ("SubscribeOrders", [ACCOUNT]), ("SubscribePositions", [ACCOUNT]))
    orders: list[int] = []
    for _ in range(MINUTES * 12):
        bench.pass_(rng.choice((100, 2_500, 9_900)))
        side, what = rng.randint(0, 1), rng.random()
        held = {"accountId": ACCOUNT, "contractId": MNQ}
        if what < 0.12:
            below = (bench.venue.state.touch[MNQ].bid - rng.randint(20, 200)) / 4
            path, body = "Order/place", {**held, "type": 1, "side": 0, "size": 2, "limitPrice": below}
        elif what < 0.6:
            stop, target = (-30, 30) if side == 0 else (30, -30)
            body = {
                **held, "type": 2, "side": side, "size": rng.randint(1, 3),
                "stopLossBracket": {"ticks": stop, "type": 4}, "takeProfitBracket": {"ticks": target, "type": 1},
            }  # fmt: skip
            path = "Order/place"
        elif what < 0.8:
            path, body = "Position/closeContract", held
        else:
            path, body = "Order/cancel", {"accountId": ACCOUNT, "orderId": rng.choice(orders or [1])}
        reply = bench.send(f"/api/{path}", json.dumps(body).encode())
        if path == "Order/place" and reply.body.startswith(b'{"orderId":'):
            orders.append(json.loads(reply.body)["orderId"] or 1)
    bench.pass_(60_000)
    return bench


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), per_minute=st.sampled_from([1.0, 4.0, 12.0]))
def test_the_books_balance_under_any_random_script(seed: int, per_minute: float) -> None:
    balanced(random_script(seed, MINUTES, per_minute=per_minute), seed)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), only_rare=st.booleans())
def test_the_books_balance_with_every_verb_switched_on(seed: int, only_rare: bool) -> None:
    weights = {name: 1.0 for name in EVERY if name not in WEIGHTS or not only_rare}
    balanced(random_script(seed, MINUTES, per_minute=6, weights=weights), seed)


def balanced(script: Script, seed: int) -> None:
    """Run a session under the script and hold fills, positions, orders and balance to one another."""
    assert parse(script.text())[0] == script
    bench = session(script, seed % 1_000)
    verdict, state = bench.venue.verdict(), bench.venue.state
    assert verdict["breaches"] == []
    net = sum(trade.size if trade.side == 0 else -trade.size for trade in state.trades)
    assert net == sum(row.net for row in state.positions.values())
    start = next(account.balance for account in bench.config.accounts if account.id == ACCOUNT)
    assert state.accounts[ACCOUNT].balance == start + verdict["net_pnl"]  # type: ignore[operator]
    for row in state.orders.values():
        assert sum(trade.size for trade in state.trades if trade.order == row.id) == row.filled <= row.size


@pytest.mark.parametrize("seed", range(6))
def test_the_same_seed_gives_the_same_ledger(seed: int) -> None:
    script = random_script(seed, MINUTES, per_minute=8)
    assert random_script(seed, MINUTES, per_minute=8) == script
    first, second = session(script, seed), session(script, seed)
    assert first.venue.ledger.digest() == second.venue.ledger.digest()
    other = session(random_script(seed + 100, MINUTES, per_minute=8), seed)
    assert other.venue.ledger.digest() != first.venue.ledger.digest()


def test_every_step_can_be_left_out_alone() -> None:
    script = random_script(11, MINUTES, per_minute=4)
    for number in range(len(script.steps)):
        part = script.without(number)
        assert parse(part.text())[0] == part
        session(part, 11)


def test_weights_density_and_span_are_obeyed() -> None:
    script = random_script(3, 10, per_minute=3, weights={"hub.drop": 1, "push": 0}, quiet_s=60, on_events=0)
    assert [step.do for step in script.steps] == ["hub.drop"] * 30
    assert all(isinstance(step.at, int) and step.at < 9 * 60 * 10**9 for step in script.steps)
    assert len(random_script(3, 10, on_events=1.0).steps) == 20
    assert all(step.when is not None for step in random_script(3, 10, on_events=1.0).steps)


def test_every_verb_with_a_weight_is_drawn_and_every_venue_verb_can_have_one() -> None:
    drawn = {step.do for seed in range(40) for step in random_script(seed, 30, per_minute=4).steps}
    assert drawn == set(WEIGHTS)
    assert set(EVERY) == {name for name, verb in VERBS.items() if verb.group != "machine"}
    whole = {
        step.do for seed in range(40) for step in random_script(seed, 30, per_minute=8, weights=EVERY).steps
    }
    assert whole == set(EVERY)


@pytest.mark.parametrize("name", sorted(set(EVERY) - set(WEIGHTS)))
def test_a_verb_alone_acts_and_balances(name: str) -> None:
    script = random_script(5, MINUTES, per_minute=4, weights={name: 1.0}, on_events=0)
    bench = session(script, 5)
    found = bench.venue.verdict()
    assert found["breaches"] == []
    assert found["struck"].get(name, 0) > 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "bad", [{"weights": {"no.such": 1}}, {"weights": {}}, {"contracts": ()}, {"accounts": ()}, {"minutes": 0}]
)
def test_what_cannot_be_drawn_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(BadField):
        random_script(**{"seed": 1, "minutes": 1, **bad})  # type: ignore[arg-type]
