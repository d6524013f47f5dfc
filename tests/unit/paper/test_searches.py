"""What the reads give, and under which options: accounts, contracts, orders, positions, trades (gateway.md 8)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bot.model.times import parse_ts
from bot.paper.config import DOLLAR, PaperAccount
from bot.paper.options import PaperOptions
from tests.unit.paper.scripted import ACCOUNT, MES, MNQ, Bench

SINCE = "2025-10-01T00:00:00Z"
LISTS = (
    ("Order/search", "orders", {"startTimestamp": SINCE}), ("Order/searchOpen", "orders", {}),
    ("Position/searchOpen", "positions", {}), ("Trade/search", "trades", {"startTimestamp": SINCE}),
)  # fmt: skip
BRACKETS = {"stopLossBracket": {"ticks": -40, "type": 4}, "takeProfitBracket": {"ticks": 80, "type": 1}}
ORDER = ("id", "accountId", "contractId", "symbolId", "creationTimestamp", "updateTimestamp", "status", "type", "side",
         "size", "limitPrice", "stopPrice", "fillVolume", "filledPrice", "customTag")  # fmt: skip
NEW = {"parentOrderId", "linkedOrderId", "trailDistance", "trailPrice"}


def worked() -> Bench:
    """A venue after a filled entry with brackets, a resting order and a cancelled one."""
    return prepared(Bench())


def prepared(bench: Bench) -> Bench:
    bench.place(customTag="entry", **BRACKETS)
    bench.pass_(40)
    bench.place(contractId=MES, type=1, limitPrice=4990, customTag="resting")
    gone = bench.place(type=1, limitPrice=19900)["orderId"]
    bench.pass_(10)
    bench.call("Order/cancel", accountId=ACCOUNT, orderId=gone)
    return bench


@pytest.mark.parametrize(("option", "failed"), [("null", None), ("empty", [])])
def test_a_failed_list_is_null_or_empty(option: str, failed: Any) -> None:
    bench = Bench(PaperOptions(failure_lists=option, contract_by_id_shape="both"))
    for path, member, more in LISTS:
        answer = bench.call(path, accountId=4, **more)
        assert answer == {member: failed, "success": False, "errorCode": 1, "errorMessage": None}
    answer = bench.call("Order/v2/query", filter={"accountId": 4}, includeTotalCount=True)
    assert answer == {
        "orders": failed,
        "totalCount": None,
        "success": False,
        "errorCode": 1,
        "errorMessage": None,
    }
    answer = bench.call("Contract/searchById", contractId="CON.F.US.NONE.Z25")
    assert (answer["contract"], answer["contracts"], answer["errorCode"]) == (None, failed, 1)
    bars = {
        "startTime": SINCE,
        "endTime": SINCE,
        "unit": 2,
        "unitNumber": 1,
        "limit": 1,
        "includePartialBar": False,
    }
    answer = bench.call("History/retrieveBars", contractId="CON.F.US.NONE.Z25", live=False, **bars)
    assert (answer["bars"], answer["errorCode"]) == (failed, 1)
    assert bench.call("Order/searchById", accountId=4, orderId=1)["order"] is None


def test_a_closed_account_drops_out_of_the_active_ones_but_stays_visible() -> None:
    bench = Bench()
    bench.venue.change_account({"id": 1002, "can_trade": False})
    rows = bench.call("Account/search", onlyActiveAccounts=False)["accounts"]
    assert [(row["id"], row["canTrade"], row["isVisible"]) for row in rows] == [
        (1001, True, True),
        (1002, False, True),
    ]
    assert [row["id"] for row in bench.call("Account/search", onlyActiveAccounts=True)["accounts"]] == [1001]


def test_an_account_has_these_members_and_express_begins_at_zero() -> None:
    accounts = (
        PaperAccount(id=7, name="EXPRESS-V2-1-7", balance=0), PaperAccount(id=8, name="50KTC-V2-1-8", balance=49_989_335_000),
    )  # fmt: skip
    bench = Bench(accounts=accounts)
    assert accounts[0].start_balance == 0
    assert accounts[1].start_balance == 50_000 * DOLLAR
    reply = bench.send("/api/Account/search", b'{"onlyActiveAccounts":true}')
    assert b'"balance":49989.34,' in reply.body
    assert json.loads(reply.body)["accounts"][0] == {
        "id": 7, "name": "EXPRESS-V2-1-7", "balance": 0, "canTrade": True, "isVisible": True, "simulated": True,
    }  # fmt: skip


def test_searches_of_contracts_are_fuzzy_and_short() -> None:
    bench = Bench()

    def products(text: str | None) -> list[str]:
        rows = bench.call("Contract/search", searchText=text, live=False)["contracts"]
        assert all(row["activeContract"] for row in rows)
        return [row["id"].split(".")[3] for row in rows]

    assert products("ES") == products("es") == ["EP", "FVA", "JY6", "MES", "MX6", "TYA"]
    assert products("YM") == ["MYM", "YM"]
    assert len(products("")) == 20 == len(products(None))
    assert products("no such thing") == []
    assert bench.call("Contract/search", searchText="ES", live=True)["contracts"] == []
    assert bench.call("Contract/search", live=False)["success"]


@pytest.mark.parametrize(("shape", "members"), [("one", ["contract"]), ("both", ["contract", "contracts"])])
def test_a_contract_by_id(shape: str, members: list[str]) -> None:
    bench = Bench(PaperOptions(contract_by_id_shape=shape))
    answer = bench.call("Contract/searchById", contractId=MNQ)
    assert list(answer) == [*members, "success", "errorCode", "errorMessage"]
    assert answer["contract"] == {
        "id": MNQ, "name": "MNQZ5", "description": "Micro E-Mini NASDAQ-100: December 2025", "tickSize": 0.25,
        "tickValue": 0.5, "activeContract": True, "symbolId": "F.US.MNQ",
    }  # fmt: skip
    if shape == "both":
        assert answer["contracts"] == [answer["contract"]]


@pytest.mark.parametrize(
    "contract", ["CON.F.US.MNQ.U25", "CON.F.US.MNQ.H26", "CON.F.US.GCE.V25", "CON.F.US.CLE.F26"]
)
def test_other_months_resolve_as_not_active(contract: str) -> None:
    found = Bench().call("Contract/searchById", contractId=contract)["contract"]
    assert (found["id"], found["activeContract"]) == (contract, False)


@pytest.mark.parametrize(
    "contract",
    [
        "",
        "MNQ",
        "CON.F.US.MNQ",
        "CON.F.US.MNQ.F26",
        "CON.F.US.ES.Z25",
        "con.f.us.mnq.z25",
        "CON.F.US.MNQ.Z2025",
    ],
)
def test_what_is_no_contract_is_code_1(contract: str) -> None:
    answer = Bench().call("Contract/searchById", contractId=contract)
    assert (answer["success"], answer["errorCode"], answer["contract"]) == (False, 1, None)


def test_orders_of_a_time_come_by_id_without_those_that_wait() -> None:
    bench = worked()
    rows = bench.call("Order/search", accountId=ACCOUNT, startTimestamp=SINCE)["orders"]
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert sorted(row["status"] for row in rows) == [1, 1, 1, 2, 3]
    bench.place(**BRACKETS, type=1, limitPrice=19000)
    bench.pass_(5)
    rows = bench.call("Order/search", accountId=ACCOUNT, startTimestamp=SINCE)["orders"]
    assert 8 not in {row["status"] for row in rows}


def test_both_ends_of_a_search_are_inclusive() -> None:
    bench = Bench()
    bench.place()
    bench.pass_(5)
    at = "2025-10-01T14:30:00Z"
    for start, end, count in (
        (at, at, 1),
        (at, None, 1),
        ("2025-10-01T14:30:00.000001Z", None, 0),
        (SINCE, SINCE, 0),
    ):
        rows = bench.call("Order/search", accountId=ACCOUNT, startTimestamp=start, endTimestamp=end)["orders"]
        assert len(rows) == count
    assert (
        len(
            bench.call("Trade/search", accountId=ACCOUNT, startTimestamp="2025-10-01T14:30:00.003Z")["trades"]
        )
        == 1
    )
    assert (
        bench.call("Trade/search", accountId=ACCOUNT, startTimestamp="2025-10-01T14:30:00.004Z")["trades"]
        == []
    )


@pytest.mark.parametrize(("option", "found"), [("created", 0), ("updated", 1)])
def test_orders_are_searched_by_creation_or_by_update(option: str, found: int) -> None:
    bench = Bench(PaperOptions(order_search_time=option))
    order = bench.place(type=1, limitPrice=19900)["orderId"]
    bench.pass_(10_000)
    bench.call("Order/cancel", accountId=ACCOUNT, orderId=order)
    rows = bench.call("Order/search", accountId=ACCOUNT, startTimestamp="2025-10-01T14:30:05Z")["orders"]
    assert len(rows) == found


@pytest.mark.parametrize("option", ["null", "absent"])
def test_newer_members_without_a_value_are_null_or_absent(option: str) -> None:
    bench = prepared(Bench(PaperOptions(rest_new_fields=option)))
    rows = {
        row["customTag"]: row
        for row in bench.call("Order/search", accountId=ACCOUNT, startTimestamp=SINCE)["orders"]
    }
    entry, target = rows["entry"], rows["entry-TP"]
    assert set(entry) == {*ORDER, *(NEW if option == "null" else ())}
    assert (entry["limitPrice"], entry["stopPrice"], rows[None]["customTag"]) == (None, None, None)
    assert target["parentOrderId"] == entry["id"]
    assert target["linkedOrderId"] == rows["entry-SL"]["id"]
    assert (target["trailDistance"], target["trailPrice"]) == (80, 20)


def test_an_update_time_does_not_move_with_the_fill_but_with_a_cancel() -> None:
    bench = worked()
    rows = {
        row["customTag"]: row
        for row in bench.call("Order/search", accountId=ACCOUNT, startTimestamp=SINCE)["orders"]
    }
    assert rows["entry"]["status"] == 2
    assert rows["entry"]["updateTimestamp"] == rows["entry"]["creationTimestamp"]
    assert rows[None]["status"] == 3
    assert parse_ts(rows[None]["updateTimestamp"]) > parse_ts(rows[None]["creationTimestamp"])


def test_open_orders_are_those_of_status_1() -> None:
    bench = worked()
    bench.place(**BRACKETS, type=1, limitPrice=19000)
    bench.pass_(40)
    assert {row["status"] for row in bench.call("Order/searchOpen", accountId=ACCOUNT)["orders"]} == {1}
    assert {row["status"] for row in bench.orders()} == {1, 8}


def test_an_order_by_id_also_while_it_is_suspended_but_not_of_another_account() -> None:
    bench = worked()
    bench.place(**BRACKETS, type=1, limitPrice=19000)
    child = next(row for row in bench.orders((8,)))
    assert bench.order(child["id"]) == child
    answer = bench.call("Order/searchById", accountId=1002, orderId=child["id"])
    assert answer == {"order": None, "success": False, "errorCode": 1, "errorMessage": None}


def query(bench: Bench, where: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return bench.call("Order/v2/query", filter={"accountId": ACCOUNT, **(where or {})}, **more)


def test_a_query_pages_by_rows_and_counts_only_when_asked() -> None:
    bench = Bench(PaperOptions(rate_general=(1000, 60)))
    for number in range(105):
        bench.place(type=1, limitPrice=19000 + number, size=1)
        bench.pass_(1)
    first = query(bench)
    assert (len(first["orders"]), first["totalCount"]) == (100, None)
    assert query(bench, includeTotalCount=True)["totalCount"] == 105
    assert query(bench, includeTotalCount=False)["totalCount"] is None
    ids = [row["id"] for row in first["orders"]]
    assert ids == sorted(ids)
    assert [row["id"] for row in query(bench, pageOffset=3, pageSize=2)["orders"]] == ids[3:5]
    assert len(query(bench, pageOffset=100, pageSize=500)["orders"]) == 5
    assert len(query(bench, pageSize=500)["orders"]) == 100
    assert query(bench, pageOffset=1000)["orders"] == []
    newest = [row["id"] for row in query(bench, sortDirection=1, pageSize=3)["orders"]]
    assert newest == sorted(newest, reverse=True)
    assert newest[0] > ids[-1]
    assert [row["id"] for row in query(bench, sortBy=1, sortDirection=0, pageSize=3)["orders"]] == ids[:3]


def test_a_query_filters_by_status_and_time() -> None:
    bench = worked()
    assert {row["status"] for row in query(bench, {"statuses": [2, 3]})["orders"]} == {2, 3}
    assert query(bench, {"statuses": []})["orders"] == []
    at = "2025-10-01T14:30:00Z"
    assert len(query(bench, {"createdAfter": at, "createdBefore": at})["orders"]) == 3
    assert query(bench, {"createdAfter": "2025-10-01T15:00:00Z"})["orders"] == []


@pytest.mark.parametrize(("honoured", "found"), [(False, {MNQ, MES}), (True, {MES})])
def test_a_query_ignores_the_contract_unless_told(honoured: bool, found: set[str]) -> None:
    bench = prepared(Bench(PaperOptions(query_contract_filter=honoured)))
    assert {row["contractId"] for row in query(bench, {"contractId": MES})["orders"]} == found


def test_a_position_row_and_no_row_once_flat() -> None:
    bench = worked()
    row = bench.position()
    assert row is not None
    assert {**row, "id": 0} == {
        "id": 0, "accountId": ACCOUNT, "contractId": MNQ, "contractDisplayName": "MNQZ25",
        "creationTimestamp": "2025-10-01T14:30:00.008+00:00", "type": 1, "size": 1, "averagePrice": 20000.25,
    }  # fmt: skip
    assert 0 < row["id"] < 2**31
    bench.call("Position/closeContract", accountId=ACCOUNT, contractId=MNQ)
    bench.pass_(5)
    assert bench.call("Position/searchOpen", accountId=ACCOUNT)["positions"] == []


def test_trades_come_newest_first_with_a_null_result_at_the_opening() -> None:
    bench = worked()
    bench.call("Position/closeContract", accountId=ACCOUNT, contractId=MNQ)
    bench.pass_(5)
    rows = bench.call("Trade/search", accountId=ACCOUNT)["trades"]
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    assert [row["profitAndLoss"] for row in rows] == [-0.5, None]
    assert {**rows[1], "id": 0, "orderId": 0} == {
        "id": 0, "accountId": ACCOUNT, "contractId": MNQ, "creationTimestamp": "2025-10-01T14:30:00.008+00:00",
        "price": 20000.25, "profitAndLoss": None, "fees": 0.37, "commissions": 0.25, "side": 0, "size": 1,
        "voided": False, "orderId": 0,
    }  # fmt: skip
    late = bench.call(
        "Trade/search", accountId=ACCOUNT, startTimestamp=SINCE, endTimestamp="2025-10-01T14:30:00.010Z"
    )
    assert len(late["trades"]) == 1


def test_times_of_rest_have_an_offset_and_six_digits_at_most() -> None:
    bench = Bench(start=parse_ts("2025-10-01T14:30:00.1234567Z"))
    bench.place()
    bench.pass_(5)
    text = bench.send(
        "/api/Order/search", json.dumps({"accountId": ACCOUNT, "startTimestamp": SINCE}).encode()
    ).body
    stamps = re.findall(rb'Timestamp":"([^"]+)"', text)
    assert stamps == [b"2025-10-01T14:30:00.123456+00:00"] * 2
