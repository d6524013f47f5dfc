"""The breakout scenario traded through the venue: stop entries, brackets, breakeven, exit, as a bot would."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.clock import VirtualClock
from bot.model.quantities import TickSize
from bot.model.times import MILLISECOND, MINUTE, SECOND
from bot.paper.config import PaperConfig
from bot.paper.market.feed import Print
from bot.paper.market.synthetic import SyntheticMarket
from bot.paper.venue import PaperVenue
from tests.unit.paper_market.conftest import DAY, eastern
from tests.unit.paper_market.round_trip import levels

START, OPEN = eastern(9, 28), eastern(9, 30)
ACCOUNT, MNQ, TRIGGER = 1001, "CON.F.US.MNQ.Z25", 60
QUARTER = TickSize(1, 4)
STEP = 500 * MILLISECOND


class Desk:
    """A user of the venue who knows nothing but its REST answers."""

    def __init__(self, seed: int) -> None:
        self.clock = VirtualClock(START)
        market = SyntheticMarket(seed, START, ("MNQ",))
        self.venue = PaperVenue(PaperConfig(start_ns=START, seed=seed, roots=("MNQ",)), self.clock, market)
        self.token = ""
        self.token = self.post("Auth/loginKey", userName="paper", apiKey="paper-key")["token"]

    def post(self, path: str, **body: object) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        reply = self.venue.handle("POST", f"/api/{path}", headers, json.dumps(body).encode())
        assert reply.status == 200, reply
        answer = json.loads(reply.body)
        assert answer["success"], answer
        return answer

    def wait(self, until: int) -> None:
        self.clock.move_to(until - START)
        self.venue.advance(until)

    def working(self) -> dict[str, dict[str, Any]]:
        rows = self.post("Order/searchOpen", accountId=ACCOUNT)["orders"]
        return {row["customTag"]: row for row in rows}

    def position(self) -> dict[str, Any] | None:
        rows = self.post("Position/searchOpen", accountId=ACCOUNT)["positions"]
        return rows[0] if rows else None

    def last(self) -> int:
        return next(row["last"] for row in self.venue.prices() if row["contract_id"] == MNQ)


@pytest.mark.parametrize("seed", [1, 4, 6, 8])
def test_the_venue_fills_protects_and_closes_the_breakout(seed: int) -> None:
    # The same seed gives the same market, so the levels may be read off a second one.
    twin = SyntheticMarket(seed, START, ("MNQ",))
    prints = [each for each in twin.advance(OPEN + MINUTE) if isinstance(each, Print)]
    at = levels(twin, MNQ, DAY, START, prints)
    desk = Desk(seed)
    now = OPEN + 4 * SECOND
    desk.wait(now)
    for name, s in (("long", 1), ("short", -1)):
        desk.post(
            "Order/place", accountId=ACCOUNT, contractId=MNQ, type=4, side=0 if s > 0 else 1, size=1,
            stopPrice=float(QUARTER.format(at.entries[s])), customTag=name,
            stopLossBracket={"ticks": at.stops[s] - at.entries[s], "type": 4},
            takeProfitBracket={"ticks": at.targets[s] - at.entries[s], "type": 1},
        )  # fmt: skip
    desk.wait(now := now + STEP)
    assert set(desk.working()) == {"long", "short"}

    held, side, moved, fill = None, 0, False, 0
    while now < OPEN + 12 * MINUTE:
        now += STEP
        desk.wait(now)
        held = desk.position()
        if held and not side:
            side = 1 if held["type"] == 1 else -1
            fill = QUARTER.parse(str(held["averagePrice"]))[0]
            name, other = ("long", "short") if side > 0 else ("short", "long")
            working = desk.working()
            assert {f"{name}-SL", f"{name}-TP", other} == set(working)
            desk.post("Order/cancel", accountId=ACCOUNT, orderId=working[other]["id"])
            assert abs(fill - at.entries[side]) <= 8
        elif held and not moved and side * (desk.last() - fill) >= TRIGGER:
            stop = desk.working()[f"{name}-SL"]
            desk.post("Order/modify", accountId=ACCOUNT, orderId=stop["id"], stopPrice=held["averagePrice"])
            moved = True
        elif side and not held:
            break
    assert side and moved and not held
    assert desk.working() == {}
    verdict = desk.venue.verdict()
    assert (verdict["trades"], verdict["open_positions"], verdict["duplicate_orders"]) == (1, 0, 0)
    assert verdict["unprotected_longest_s"] < 0.1
    assert verdict["violations"] == []
    slipped = -4 * 500_000 - 740_000
    assert verdict["net_pnl"] >= slipped
