"""The vectors of the wire reference against the gateway, the calendar and the client's record reader."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bot.calendar.sessions import SessionCalendar
from bot.calendar.windows import CT, wall_to_ns
from bot.gateway.signalr import RecordProtocol
from bot.model.instruments import INSTRUMENTS, contract_for
from bot.model.market import MinuteBar
from bot.model.quantities import parse_money
from bot.model.times import MINUTE, format_ts, parse_ts
from bot.paper.config import PaperAccount, PaperOptions
from tests.unit.paper.scripted import ACCOUNT, START, Bench

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "paper_gateway.json").read_text()
)
ROOTS = ("MNQ", "MES", "ES", "MCL", "CL")


def ticks(root: str, price: str) -> int:
    found, on_grid = INSTRUMENTS[root].tick.parse(price)
    assert on_grid
    return found


class Desk:
    """A bench whose orders fill at named prices of one root."""

    def __init__(self, root: str, options: PaperOptions | None = None) -> None:
        self.bench, self.root = Bench(options, roots=ROOTS), root
        self.contract = next(id_ for id_, row in self.bench.market.contracts.items() if row.root == root)

    def fill(self, side: int, price: str, size: int = 1, **more: Any) -> int:
        """A market order that fills at `price`; returns its id."""
        level = ticks(self.root, price)
        self.bench.trade(level - (1 if side == 0 else 0), self.contract)
        placed = self.bench.place(contractId=self.contract, side=side, size=size, **more)
        self.bench.pass_(30)
        assert self.bench.order(placed["orderId"])["filledPrice"] == float(price)
        return int(placed["orderId"])

    def position(self) -> dict[str, Any]:
        held = self.bench.position(contract=self.contract)
        assert held is not None
        return held


@pytest.mark.parametrize("vector", VECTORS["profit_with_costs"])
def test_vector_1_profit_with_costs(vector: dict[str, Any]) -> None:
    desk = Desk(vector["root"], PaperOptions(fees={vector["root"]: parse_money(vector["fee_round_turn"])}))
    desk.fill(0, vector["entry"], vector["size"])
    before = desk.bench.venue.state.accounts[ACCOUNT].balance
    desk.bench.trade(ticks(vector["root"], vector["exit"]), desk.contract)
    close = {"accountId": ACCOUNT, "contractId": desk.contract, "size": vector["close"]}
    assert desk.bench.call("Position/partialCloseContract", **close)["success"]
    desk.bench.pass_(5)
    trade = desk.bench.call("Trade/search", accountId=ACCOUNT)["trades"][0]
    wanted = [float(vector[name]) for name in ("profit", "fees", "commissions")]
    assert [trade[name] for name in ("profitAndLoss", "fees", "commissions")] == wanted
    assert ticks(vector["root"], vector["exit"]) - ticks(vector["root"], vector["entry"]) == vector["ticks"]
    assert desk.bench.venue.state.accounts[ACCOUNT].balance - before == parse_money(vector["balance_change"])
    assert (desk.position()["size"], desk.position()["averagePrice"]) == (
        vector["left"],
        float(vector["average"]),
    )


@pytest.mark.parametrize("vector", VECTORS["profit_per_contract"])
def test_vector_2_profit_per_contract(vector: dict[str, Any]) -> None:
    root = vector["root"]
    tick, entry = INSTRUMENTS[root].tick, {"MNQ": "20000.00", "MES": "5000.00", "MCL": "70.00"}[root]
    desk = Desk(root)
    desk.fill(0, entry)
    desk.fill(1, tick.format(ticks(root, entry) + ticks(root, vector["points"])))
    trade = desk.bench.call("Trade/search", accountId=ACCOUNT)["trades"][0]
    assert trade["profitAndLoss"] == float(vector["profit"])


@pytest.mark.parametrize("vector", VECTORS["brackets"])
def test_vector_3_brackets(vector: dict[str, Any]) -> None:
    desk = Desk(vector["root"])
    entry = desk.fill(
        0 if vector["side"] == "buy" else 1, vector["entry"],
        stopLossBracket={"ticks": vector["stop_ticks"], "type": 4},
        takeProfitBracket={"ticks": vector["target_ticks"], "type": 1},
    )  # fmt: skip
    assert desk.bench.order(entry + 1)["stopPrice"] == float(vector["stop"])
    assert desk.bench.order(entry + 2)["limitPrice"] == float(vector["target"])


@pytest.mark.parametrize("vector", VECTORS["averages"])
def test_vector_4_averages(vector: dict[str, Any]) -> None:
    desk = Desk(vector["root"])
    for size, price in vector["fills"]:
        desk.fill(0, price, size)
    assert desk.position()["averagePrice"] == float(vector["average"])


@pytest.mark.parametrize("vector", VECTORS["trailing"])
def test_vector_5_trailing(vector: dict[str, Any]) -> None:
    desk = Desk(vector["root"])
    desk.bench.trade(ticks(vector["root"], vector["last"]), desk.contract)
    body = json.loads(f'{{"trailPrice":{vector["level"]}}}', parse_float=float)
    answer = desk.bench.place(contractId=desk.contract, type=5, side=1, **body)
    assert answer["errorMessage"] == vector["error"]
    if vector["error"] is None:
        row = desk.bench.order(answer["orderId"])
        assert (row["trailDistance"], row["trailPrice"]) == (vector["ticks"], float(vector["distance"]))
    elif vector["ticks"] is not None:
        distance = ticks(vector["root"], vector["last"]) - ticks(vector["root"], vector["level"])
        assert distance == vector["ticks"]


@pytest.mark.parametrize("vector", VECTORS["floors"])
def test_vector_6_floors(vector: dict[str, Any]) -> None:
    account = PaperAccount(id=ACCOUNT, name=vector["account"], balance=parse_money(vector["start"]))
    assert account.max_loss == parse_money(vector["max_loss"])
    bench, seen = Bench(accounts=(account,), start=parse_ts("2025-09-29T14:30:00Z")), []
    for balance in vector["day_ends"]:
        bench.venue.change_account({"id": ACCOUNT, "balance": parse_money(balance)})
        bench.pass_(86_400_000)
        seen.append(bench.venue.accounts()[0]["floor"])
    assert seen == [parse_money(floor) for floor in vector["floors"]]


def test_vector_7_expiries() -> None:
    vector, letters = VECTORS["expiries"], "FGHJKMNQUVXZ"
    rows = [
        contract_for(vector["root"], 2000 + int(code[1:]), letters.index(code[0]) + 1, 0)
        for code in vector["codes"]
    ]
    rows.sort(key=lambda row: row.month_key)
    assert [row.id.rsplit(".", 1)[1] for row in rows] == vector["order"]
    assert sorted(vector["codes"]) == vector["codes"] != vector["order"]


@pytest.mark.parametrize("vector", VECTORS["trade_dates"])
def test_vector_8_trade_dates(vector: dict[str, Any]) -> None:
    calendar, wall = SessionCalendar.shipped(), datetime.fromisoformat(vector["chicago"])
    at = wall_to_ns(wall.date(), wall.time(), CT)
    assert calendar.is_open(at) is vector["open"]
    if vector["trade_date"] is not None:
        assert str(calendar.trade_date(at)) == vector["trade_date"]
    assert Bench(start=at).place()["success"] is vector["open"]


def test_vector_9_records_in_one_frame() -> None:
    vector, taken = VECTORS["records"], []
    protocol = RecordProtocol(taken.extend)
    first, *rest = protocol.split(vector["frame"].encode())
    answer, _ = protocol.decode_handshake(first)
    protocol.parse_messages(rest)
    assert (not answer.error) is vector["accepted"]
    assert [json.loads(record)["type"] for record in taken] == vector["types"]


def test_vector_10_the_newest_bars_of_a_limit() -> None:
    vector, bench = VECTORS["bars"], Bench()
    bench.market.bars = [
        MinuteBar(START - (vector["available"] - n) * MINUTE, 80_000, 80_001, 79_999, 80_000, 1)  # type: ignore[arg-type]
        for n in range(vector["available"])
    ]
    bars = bench.call(
        "History/retrieveBars", contractId=next(iter(bench.market.contracts)), live=False, limit=vector["limit"],
        startTime="2025-10-01T00:00:00Z", endTime="2025-10-02T00:00:00Z", unit=vector["unit"],
        unitNumber=vector["unit_number"], includePartialBar=False,
    )["bars"]  # fmt: skip
    wanted = [format_ts(START - n * MINUTE, "+00:00") for n in range(1, vector["returned"] + 1)]
    assert [bar["t"] for bar in bars] == wanted
