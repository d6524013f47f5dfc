"""The real bot killed with `kill -9` around a breakout, and gateway faults while it trades; the judge decides.

One session is killed between orders and fill, right after the fill and after breakeven, and restarted each time
over the same state folder. The other one meets lost answers, lost events and missing children while it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.app.breakout import MES, MNQ, Session, until

pytestmark = pytest.mark.slow


@pytest.fixture
def session(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Session]:
    found = Session(tmp_path, *request.param)
    try:
        yield found
    finally:
        found.end()


def judged_clean(session: Session) -> None:
    """Nothing sent twice, nothing left naked, nothing left open; bot, strategy and ledger agree."""
    until(session.settled, 40, "green and nothing unknown")
    verdict, status = session.gateway.judge(), session.status()
    assert (verdict["duplicate_orders"], verdict["tags_reused"], verdict["violations"]) == (0, 0, [])
    assert verdict["unprotected_longest_s"] <= 5.0
    assert status["unknown_intents"] == 0
    for contract in (MNQ, MES):
        net, plan = session.held(contract), session.strategy(contract)
        told = {p["contract_id"]: p for p in status["positions"]}.get(contract)
        assert (told["quantity"] if told else 0) == abs(net), contract
        assert sum(p["side"] * p["size"] for p in plan["positions"]) == net, contract
        assert plan["phase"] == ("LIVE" if net else plan["phase"]), contract
    working = {str(row["id"]) for row in session.ledger()["orders"] if row["status"] in (1, 6, 8)}
    assert {order["id"] for order in status["orders"]} == working
    assert status["rules"]["status"] == "OK"
    codes = {notice["code"] for notice in status["notices"] if notice["level"] == "error"}
    assert codes == set()


def children_of(pid: int) -> set[psutil.Process]:
    return set(psutil.Process(pid).children(recursive=True))


@pytest.mark.parametrize("session", [(10, 3)], indirect=True)
def test_killed_around_a_breakout_it_goes_on_where_it_was(session: Session) -> None:
    session.start()
    until(lambda: len(session.entries(MNQ, 1)) == 2, 30, "both entries")
    session.kill()
    session.start()
    until(session.settled, what="green after the first kill")
    plan = session.strategy(MNQ)
    assert (plan["phase"], plan["orders"]) == ("ARMED", {"long": "working", "short": "working"})
    session.break_out(MNQ)
    until(lambda: session.held(MNQ) > 0, what="the fill")
    session.kill()
    session.start()
    until(session.settled, what="green after the second kill")
    until(lambda: session.entries(MNQ, 1) == [], what="the other side's cancel")
    plan = session.strategy(MNQ)
    assert (plan["phase"], plan["positions"][0]["size"]) == ("LIVE", session.held(MNQ))
    bought = session.bought_at(MNQ)
    assert 0 < session.stop_of(MNQ) <= bought
    session.push(MNQ, bought + 44)
    until(lambda: session.stop_of(MNQ) >= bought, what="breakeven")
    session.kill()
    session.start()
    until(session.settled, what="green after the third kill")
    (moved,) = session.stops(MNQ)
    assert moved == bought
    assert session.strategy(MNQ)["positions"][0]["stop"] == moved
    judged_clean(session)
    session.push(MNQ, moved - 4)
    until(lambda: session.held(MNQ) == 0, what="the way out")
    until(lambda: session.strategy(MNQ)["positions"] == [], what="the strategy to hear of it")
    judged_clean(session)
    assert session.stops(MNQ) == []
    plan = session.strategy(MNQ)
    assert (plan["phase"], plan["orders"]) == ("DONE", {"long": "filled", "short": "cancelled"})
    assert len(session.entries(MNQ, 1, 2, 3)) == 2


@pytest.mark.parametrize("session", [(10, 4)], indirect=True)
def test_lost_answers_lost_events_and_missing_children_while_it_trades(session: Session) -> None:
    session.start()
    session.fault(fault="accept_then", endpoint="place", how=500, count=1)
    session.fault(fault="drop", endpoint="place", count=1)
    until(lambda: len(session.entries(MNQ, 1)) == 2 and len(session.entries(MES, 1)) == 2, 40, "four entries")
    until(session.settled, 40, "the lost answers")
    session.fault(fault="children.missing", count=1)
    session.fault(fault="hub.lose", hub="user", seconds=60)
    session.break_out(MNQ)
    until(lambda: session.held(MNQ) > 0, what="a fill that no event tells")
    until(lambda: len(session.stops(MNQ)) == 1, 5, "a stop for it")
    session.kill()
    session.start()
    until(session.settled, 40, "green after a kill in the silence")
    until(lambda: session.entries(MNQ, 1) == [], what="the other side's cancel")
    session.fault(fault="accept_then", endpoint="modify", how=502, count=1)
    session.break_out(MES)
    until(lambda: session.held(MES) > 0, what="the second fill")
    bought = session.bought_at(MES)
    session.push(MES, bought + 24)
    until(lambda: session.stop_of(MES) >= bought, 40, "breakeven")
    until(lambda: session.strategy(MES)["positions"][0]["breakeven"] == "done", 10, "breakeven's proof")
    judged_clean(session)
    pid = session.found.pid
    left = children_of(pid)
    assert session.bot.stop() == 0
    assert not [child for child in left if child.is_running()]
    assert session.gateway.judge()["violations"] == []
