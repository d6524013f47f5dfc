"""The judge finds what it must find, and nothing else. Tests believe it, so it is tested hard."""

from __future__ import annotations

import pytest

from bot.paper.config import PaperOptions
from bot.paper.judge import Judge
from bot.paper.rows import OrderRow, PositionRow, RequestRow, TradeRow
from tests.unit.paper.scripted import ACCOUNT, MNQ, Bench

MS, S = 1_000_000, 1_000_000_000


def order(id_: int, ts: int = 0, **change: object) -> OrderRow:
    fields: dict[str, object] = {
        "id": id_, "account": 1, "contract": "C", "created": ts, "updated": ts, "status": 6, "type": 2,
        "side": 0, "size": 1, **change,
    }  # fmt: skip
    return OrderRow(**fields)  # type: ignore[arg-type]


def position(net: int, id_: int = 1) -> PositionRow:
    return PositionRow(id=id_, account=1, contract="C", created=0, net=net, num=100, den=1)


def naked(verdict: dict[str, object]) -> list[str]:
    return [text for text in verdict["violations"] if text.startswith("unprotected")]  # type: ignore[attr-defined]


def test_two_orders_of_one_intent_are_a_duplicate() -> None:
    judge = Judge()
    judge.read(0, "order", order(1, tag="TB2-overnight-BR-ABC"))
    judge.read(5 * S, "order", order(2, 5 * S, tag="TB2-overnight-SE-ABC"))
    verdict = judge.verdict(6 * S)
    assert verdict["duplicate_orders"] == 1
    found = judge.duplicates[0]
    assert (found.first, found.second, found.ts) == (1, 2, 5 * S)
    assert any("duplicate" in text for text in judge.violations)


def test_orders_of_different_intents_accounts_or_parents_are_not() -> None:
    judge = Judge()
    judge.read(0, "order", order(1, tag="TB2-a-BR-ABC"))
    judge.read(0, "order", order(2, tag="TB2-a-BR-ABD"))
    judge.read(0, "order", order(3, tag="TB2-a-BR-ABC", account=2))
    judge.read(0, "order", order(4, tag="TB2-a-BR-ABC-SL", parent=1, origin="bracket"))
    judge.read(0, "order", order(1, tag="TB2-a-BR-ABC", status=2))
    assert judge.verdict(0)["duplicate_orders"] == 0


def test_a_refused_order_is_no_duplicate() -> None:
    judge = Judge()
    judge.read(0, "order", order(1, tag="TB2-a-BR-ABC", status=5))
    judge.read(0, "order", order(2, tag="TB2-a-SE-ABC"))
    verdict = judge.verdict(0)
    assert (verdict["duplicate_orders"], verdict["refused_orders"], verdict["orders"]) == (0, 1, 1)


@pytest.mark.parametrize(("gap", "change", "count"), [
    (2 * S - 1, {}, 1), (2 * S, {}, 0), (0, {"size": 2}, 0), (0, {"side": 1}, 0), (0, {"limit": 7}, 0),
    (0, {"origin": "cut"}, 0),
])  # fmt: skip
def test_the_same_untagged_order_within_two_seconds(gap: int, change: dict[str, object], count: int) -> None:
    judge = Judge()
    judge.read(0, "order", order(1))
    judge.read(gap, "order", order(2, gap, **change))
    assert judge.verdict(gap)["duplicate_orders"] == count


def test_a_close_in_place_of_one_that_was_cancelled_is_no_duplicate() -> None:
    judge = Judge()
    judge.read(0, "order", order(1, origin="close"))
    judge.read(S // 2, "order", order(1, origin="close", status=3))
    judge.read(S, "order", order(2, S, origin="close"))
    assert judge.verdict(S)["duplicate_orders"] == 0
    judge.read(S, "order", order(2, S, origin="close", status=3, filled=1))
    judge.read(S + S // 2, "order", order(3, S + S // 2, origin="close"))
    assert judge.verdict(2 * S)["duplicate_orders"] == 1


def test_three_sends_are_two_duplicates() -> None:
    judge = Judge()
    for number in range(3):
        judge.read(number * S, "order", order(number, number * S, origin="close"))
    assert judge.verdict(3 * S)["duplicate_orders"] == 2


def test_a_close_after_a_new_entry_closes_something_else() -> None:
    judge = Judge()
    judge.read(0, "order", order(1, origin="close"))
    judge.read(1, "order", order(2, 1, contract="D", tag="TB2-a-MK-A"))
    judge.read(2, "order", order(3, 2, origin="close"))
    assert judge.verdict(0)["duplicate_orders"] == 1
    judge.read(3, "order", order(4, 3, tag="TB2-a-MK-B"))
    judge.read(4, "order", order(5, 4, origin="close"))
    assert judge.verdict(0)["duplicate_orders"] == 1


def test_time_without_a_stop_is_measured_to_its_end() -> None:
    judge = Judge()
    judge.read(1 * S, "position", position(2))
    assert judge.verdict(3 * S)["unprotected_longest_s"] == 2.0
    judge.read(3 * S, "order", order(1, type=4, side=1, size=1, status=1))
    assert judge.verdict(4 * S)["unprotected_longest_s"] == 3.0
    judge.read(4 * S, "order", order(2, type=5, side=1, size=1, status=1))
    verdict = judge.verdict(60 * S)
    assert verdict["unprotected_longest_s"] == 3.0
    assert [(row.from_ns, row.to_ns, row.s) for row in judge.unprotected] == [(S, 4 * S, 3.0)]
    assert naked(verdict) == []


def test_only_working_stops_on_the_other_side_protect() -> None:
    for number, change in enumerate((
        {"type": 1, "side": 1, "status": 1}, {"type": 4, "side": 0, "status": 1},
        {"type": 4, "side": 1, "status": 8}, {"type": 4, "side": 1, "status": 6},
        {"type": 4, "side": 1, "status": 3}, {"type": 4, "side": 1, "status": 1, "contract": "D"},
        {"type": 4, "side": 1, "status": 1, "account": 2},
    )):  # fmt: skip
        judge = Judge()
        judge.read(0, "order", order(number, **change))
        judge.read(S, "position", position(1))
        assert judge.verdict(3 * S)["unprotected_longest_s"] == 2.0, change


def test_a_cancelled_or_shrunk_stop_and_a_grown_position_open_a_new_span() -> None:
    judge = Judge()
    judge.read(0, "order", order(1, type=4, side=1, size=2, status=1))
    judge.read(0, "position", position(2))
    judge.read(10 * S, "position", position(3))
    judge.read(11 * S, "position", position(2))
    judge.read(20 * S, "order", order(1, type=4, side=1, size=2, status=3))
    judge.read(26 * S, "position", position(0))
    assert [(row.from_ns // S, row.s) for row in judge.unprotected] == [(10, 1.0), (20, 6.0)]
    assert [text for text in judge.violations if text.startswith("unprotected")]
    assert judge.verdict(30 * S)["unprotected_longest_s"] == 6.0


def test_an_open_span_longer_than_five_seconds_is_a_violation() -> None:
    judge = Judge()
    judge.read(0, "position", position(-1))
    assert naked(judge.verdict(5 * S)) == []
    assert naked(judge.verdict(5 * S + 1)) == ["unprotected: C of account 1 for 5.000 s"]


def test_a_short_position_is_protected_by_a_buy_stop() -> None:
    judge = Judge()
    judge.read(0, "order", order(1, type=4, side=0, size=1, status=1))
    judge.read(S, "position", position(-1))
    assert judge.verdict(9 * S)["unprotected_longest_s"] == 0


def test_a_resting_entry_with_its_own_bracket_protects_nothing() -> None:
    judge = Judge()
    judge.read(0, "order", order(8, type=4, side=1, status=8, parent=7))
    judge.read(0, "order", order(7, type=4, side=0, status=1))
    judge.read(S, "position", position(-1))
    judge.read(3 * S, "order", order(9, type=4, side=0, status=1, parent=6))
    assert judge.verdict(9 * S)["unprotected_longest_s"] == 2
    judge.read(9 * S, "order", order(9, type=4, side=0, status=3, parent=6))
    assert judge.verdict(12 * S)["unprotected_longest_s"] == 3


def test_a_leg_that_opens_a_position_is_a_violation() -> None:
    judge = Judge()
    judge.read(0, "order", order(7, parent=1, origin="bracket", side=1, type=4))
    judge.read(1, "trade", TradeRow(id=1, account=1, contract="C", created=1, price=5, pnl=None, fees=1,
                                    commissions=1, side=1, size=1, order=7))  # fmt: skip
    assert judge.violations == ["bracket leg 7 opened a position in C"]


def test_requests_are_counted_by_what_became_of_them() -> None:
    judge = Judge()
    for status, fault in ((200, ""), (429, ""), (429, "http"), (404, ""), (404, "http")):
        judge.read(0, "request", RequestRow(id=1, ts=0, method="POST", path="/x", status=status, fault=fault))
    verdict = judge.verdict(0)
    assert (verdict["requests"], verdict["rate_limited"], verdict["unknown_paths"]) == (5, 1, 1)
    assert verdict["violations"] == ["unknown path POST /x"]


def test_net_result_and_round_turns() -> None:
    judge = Judge()
    for number, pnl in enumerate((None, 5_000_000, -1_000_000)):
        judge.read(0, "trade", TradeRow(id=number, account=1, contract="C", created=1, price=5, pnl=pnl, fees=370_000,
                                        commissions=250_000, side=1, size=1, order=7))  # fmt: skip
    judge.read(0, "position", position(1))
    judge.read(0, "position", position(0))
    verdict = judge.verdict(0)
    assert (verdict["net_pnl"], verdict["trades"], verdict["fills"]) == (4_000_000 - 3 * 620_000, 1, 3)


def test_the_venues_own_bracket_is_naked_for_ten_ms_only() -> None:
    bench = Bench()
    bench.place(stopLossBracket={"ticks": -40, "type": 4})
    bench.pass_(10_000)
    verdict = bench.venue.verdict()
    assert verdict["unprotected_longest_s"] == 0.01
    assert (verdict["orders"], verdict["placed_orders"], verdict["working_orders"]) == (2, 1, 1)
    assert verdict["violations"] == []


def test_a_stop_that_closes_the_position_leaves_no_span() -> None:
    bench = Bench(profile="fast")
    bench.place(stopLossBracket={"ticks": -40, "type": 4})
    bench.pass_(1)
    bench.trade(79_900)
    bench.pass_(100)
    verdict = bench.venue.verdict()
    assert (verdict["unprotected_longest_s"], verdict["trades"], verdict["open_positions"]) == (0, 1, 0)


def test_a_bot_that_sends_twice_is_caught_over_the_wire() -> None:
    bench = Bench(profile="fast")
    bench.place(customTag="TB2-x-MK-AAA")
    bench.place(customTag="TB2-x-MK-AAA")
    assert bench.venue.verdict()["duplicate_orders"] == 0
    assert bench.venue.verdict()["tags_reused"] == 1
    bench.place(customTag="TB2-x-BR-AAA")
    assert bench.venue.verdict()["duplicate_orders"] == 1
    bench.place(side=1)
    bench.place(side=1)
    assert bench.venue.verdict()["duplicate_orders"] == 2


def test_rate_hits_and_unknown_paths_over_the_wire() -> None:
    bench = Bench(PaperOptions(rate_general=(1, 60)))
    bench.send("/api/Account/search", b'{"onlyActiveAccounts":true}')
    bench.send("/api/Account/search", b'{"onlyActiveAccounts":true}')
    bench.send("/api/Order/flattenAll", b"{}")
    verdict = bench.venue.verdict()
    assert (verdict["rate_limited"], verdict["unknown_paths"], verdict["requests"]) == (2, 1, 4)


def test_hub_connections_are_counted_at_their_peak() -> None:
    bench = Bench()
    first, second = bench.listen("user"), bench.listen("user")
    first.session.drop()
    second.session.drop()
    bench.listen("market")
    assert bench.venue.verdict()["hub_connections_max"] == {"user": 2, "market": 1}
    assert bench.venue.judge.connections == {"user": 0, "market": 1}


def test_credentials_never_reach_the_ledger() -> None:
    bench = Bench()
    bench.place()
    text = bench.venue.ledger.text()
    assert bench.token.encode() not in text
    assert b"paper-key" not in text
    assert MNQ.encode() in text
    assert str(ACCOUNT).encode() in text
