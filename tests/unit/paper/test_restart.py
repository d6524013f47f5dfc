"""What survives a stop: the ledger read back gives the same venue; damage is cut and told."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model.errors import BotError
from bot.paper import epoch as epochs
from bot.paper.config import PaperConfig
from bot.paper.market.synthetic import SyntheticMarket
from bot.paper.script.generate import EVERY, random_script
from bot.paper.state_log import FILE, StateLog
from tests.unit.paper.scripted import ACCOUNT, START, Bench, ScriptedMarket

BRACKET = {
    "stopLossBracket": {"ticks": -40, "type": 4},
    "takeProfitBracket": {"ticks": 80, "type": 1},
}


def again(bench: Bench) -> Bench:
    """The same venue after a stop and a start at the same instant, with its market where it was."""
    market = ScriptedMarket()
    market._top, market._last = bench.market._top, bench.market._last
    other = Bench(
        profile=bench.config.profile, market=market, past=list(bench.venue.ledger.lines), login=False
    )
    other.clock._elapsed = bench.clock._elapsed
    other.token = bench.token
    other.venue.advance(other.clock.now())
    return other


def picture(bench: Bench) -> dict[str, Any]:
    records = bench.venue.records()
    verdict = bench.venue.verdict()
    verdict.pop("hub_connections_max")
    return {
        "orders": records["orders"], "fills": records["fills"], "positions": records["positions"],
        "accounts": bench.venue.accounts(), "verdict": verdict, "tags": sorted(bench.venue.state.tags),
    }  # fmt: skip


def test_everything_answered_is_there_again() -> None:
    bench = Bench()
    bench.place(customTag="a", **BRACKET)
    bench.pass_(30)
    resting = bench.place(type=1, limitPrice=19900, customTag="b", **BRACKET)
    bench.place(size=0, customTag="c")
    bench.pass_(30)
    bench.quote(80_081)
    bench.pass_(30)
    bench.place(side=1, size=2)
    bench.pass_(30)
    bench.call("Order/modify", accountId=ACCOUNT, orderId=resting["orderId"], limitPrice=19890)
    other = again(bench)
    assert picture(other) == picture(bench)
    assert other.place(customTag="b")["errorMessage"] == "Custom tag already in use."
    new = other.place(customTag="d")
    assert new["orderId"] > resting["orderId"]


def test_a_token_works_after_a_restart_and_a_revoked_one_does_not() -> None:
    bench = Bench()
    revoked = bench.call("Auth/loginKey", userName="paper", apiKey="paper-key")["token"]
    bench.send("/api/Auth/logout", b"", token=revoked)
    other = again(bench)
    body = b'{"onlyActiveAccounts":true}'
    assert other.send("/api/Account/search", body).status == 200
    assert other.send("/api/Account/search", body, token=revoked).status == 401
    renewed = other.call("Auth/loginKey", userName="paper", apiKey="paper-key")["token"]
    assert renewed not in (bench.token, revoked)


@pytest.mark.parametrize("wait", [0, 5, 9, 20])
def test_what_was_under_way_goes_on(wait: float) -> None:
    bench = Bench()
    placed = bench.place(customTag="a", **BRACKET)
    bench.pass_(wait)
    other = again(bench)
    other.pass_(30)
    assert other.order(placed["orderId"])["status"] == 2
    assert [row["status"] for row in other.orders()] == [1, 1]
    assert other.position() is not None


def test_a_sibling_is_cancelled_after_a_restart_between_the_two() -> None:
    bench = Bench()
    bench.place(**BRACKET)
    bench.pass_(20)
    bench.quote(80_081)
    other = again(bench)
    other.pass_(1)
    assert other.orders() == []


def armed(bench: Bench) -> list[Any]:
    bench.venue.faults.forget_over()
    return [msgspec.to_builtins(fault) for fault in bench.venue.faults.armed]


def test_armed_faults_are_there_again_with_what_is_left_of_them() -> None:
    bench = Bench()
    bench.venue.inject({"fault": "http", "endpoint": "orders", "status": 503, "count": 3})
    bench.venue.inject({"fault": "hub.403", "hub": "user", "seconds": 30, "status": 429})
    bench.venue.inject({"fault": "bars.freeze", "contract_id": "MNQ", "for_s": 60})
    bench.venue.inject({"fault": "refuse", "endpoint": "place", "code": 3})
    bench.venue.inject({"fault": "lag", "seconds": 5, "for_s": 0.5})
    bench.venue.inject({"fault": "push", "contract_id": "MNQ", "by": 3})
    search = b'{"accountId":1001,"startTimestamp":"2025-10-01T00:00:00Z"}'
    assert bench.send("/api/Order/search", search).status == 503
    assert bench.place()["errorCode"] == 3
    bench.pass_(1_000)
    other = again(bench)
    assert [fault["fault"] for fault in armed(bench)] == ["http", "hub.403", "bars.freeze"]
    assert armed(other) == armed(bench)
    assert [other.send("/api/Order/search", search).status for _ in range(3)] == [503, 503, 200]
    assert other.place()["success"]
    assert other.venue.hub("user").negotiate(other.token, 1).status == 429
    fresh = other.venue.inject({"fault": "drop", "endpoint": "place"})
    assert fresh.id == 7
    third = again(other)
    assert armed(third) == armed(other)
    third.pass_(30_000)
    assert third.venue.hub("user").negotiate(third.token, 1).status == 200
    assert [fault["fault"] for fault in armed(third)] == ["bars.freeze", "drop"]


@pytest.mark.parametrize("by_verb", [True, False])
def test_faults_that_were_taken_back_stay_away(by_verb: bool) -> None:
    bench = Bench()
    bench.venue.inject({"fault": "refuse", "endpoint": "place", "code": 3})
    if by_verb:
        bench.venue.inject({"fault": "clear"})
    else:
        bench.venue.faults.clear()
    bench.venue.inject({"fault": "null", "endpoint": "orders"})
    other = again(bench)
    assert armed(other) == armed(bench)
    assert [fault["fault"] for fault in armed(other)] == ["null"]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_any_random_faults_survive_a_restart(seed: int) -> None:
    bench = Bench()
    bench.venue.play(random_script(seed, 1, per_minute=20, weights=EVERY))
    place = b'{"accountId":1001,"contractId":"CON.F.US.MNQ.Z25","type":2,"side":0,"size":1}'
    for _ in range(6):
        bench.pass_(9_000)
        bench.send("/api/Order/place", place)
        other = Bench(past=list(bench.venue.ledger.lines), login=False)
        other.venue.faults.now = bench.venue.state.now
        assert armed(other) == armed(bench)


def test_the_same_seed_and_calls_give_the_same_ledger() -> None:
    def run(step_ms: float) -> str:
        market = SyntheticMarket(3, START, ("MNQ", "MES"))
        bench = Bench(market=market, seed=3)
        random_ = random.Random(11)
        cid = next(iter(market.contracts))
        for _ in range(12):
            bench.call(
                "Order/place", accountId=ACCOUNT, contractId=cid, type=2, side=random_.randint(0, 1), size=1
            )
            for _ in range(int(3_000 / step_ms)):
                bench.pass_(step_ms)
        return bench.venue.ledger.digest()

    assert run(3_000) == run(100) == run(30)


def test_a_synthetic_market_goes_on_where_it_was(tmp_path: Path) -> None:
    config = PaperConfig(start_ns=START, seed=5)
    bench = Bench(market=SyntheticMarket(5, START, config.roots), seed=5)
    bench.pass_(20_000)
    contract = next(iter(bench.market.contracts))
    bench.venue.push(contract, bench.venue.state.touch[contract].bid + 60, 5)
    bench.pass_(20_000)
    bench.venue.change_account({"id": ACCOUNT, "balance": 1_000_000})
    other = Bench(
        market=SyntheticMarket(5, START, config.roots),
        seed=5,
        past=list(bench.venue.ledger.lines),
        login=False,
    )
    assert other.venue.prices() == bench.venue.prices()
    bench.pass_(30_000)
    other.clock._elapsed = bench.clock._elapsed
    other.venue.advance(other.clock.now())
    assert other.venue.prices() == bench.venue.prices()


def test_lines_come_back_as_written(tmp_path: Path) -> None:
    log = StateLog(tmp_path)
    for line in (b"[1]", b'[2,"x y"]'):
        log.append(line)
    log.close()
    log = StateLog(tmp_path)
    assert log.lines == [b"[1]", b'[2,"x y"]']
    assert log.notice == ""
    log.append(b"[3]")
    log.close()
    assert StateLog(tmp_path).lines[-1] == b"[3]"


@pytest.mark.parametrize("cut", range(1, 13))
def test_a_torn_tail_is_cut_and_told(tmp_path: Path, cut: int) -> None:
    log = StateLog(tmp_path)
    for number in range(3):
        log.append(b"[%d]" % number)
    log.close()
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-cut])
    log = StateLog(tmp_path)
    assert log.lines == [b"[0]", b"[1]"]
    assert "got a damaged end" in log.notice
    log.append(b"[9]")
    log.close()
    assert StateLog(tmp_path).lines == [b"[0]", b"[1]", b"[9]"]


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    log = StateLog(tmp_path)
    for number in range(3):
        log.append(b"[%d]" % number)
    log.close()
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    assert StateLog(tmp_path).lines == [b"[0]", b"[1]"]


def test_two_gateways_cannot_share_a_folder(tmp_path: Path) -> None:
    log = StateLog(tmp_path)
    with pytest.raises(BotError, match="no running gateway uses"):
        StateLog(tmp_path)
    log.close()
    StateLog(tmp_path).close()


def test_the_clock_goes_on_after_a_restart() -> None:
    import msgspec

    config = PaperConfig(start_ns=START, rate=10.0)
    first = epochs.first(config)
    earlier = msgspec.structs.replace(first, host_ns=first.host_ns - 10**10, mono_ns=first.mono_ns - 10**10)
    last_ts = START + 95 * 10**9
    past = [msgspec.json.encode([START, "epoch", earlier]), msgspec.json.encode([last_ts, "request", {}])]
    resumed = epochs.resumed(past, config)
    assert resumed == earlier
    assert epochs.clock_of(resumed).now() >= START + 100 * 10**9
    slower = epochs.resumed(past, PaperConfig(start_ns=START, rate=2.0))
    assert slower.rate == 2.0
    assert slower.venue_ns >= START + 100 * 10**9
    long_ago = msgspec.structs.replace(
        earlier, host_ns=first.host_ns - 10**14, mono_ns=first.mono_ns - 10**14
    )
    past[0] = msgspec.json.encode([START, "epoch", long_ago])
    assert epochs.resumed(past, config).venue_ns == last_ts + epochs.LONGEST_CATCH_UP
    rebooted = msgspec.structs.replace(earlier, mono_ns=first.mono_ns + 10**15)
    past[0] = msgspec.json.encode([START, "epoch", rebooted])
    after = epochs.resumed(past, config)
    assert last_ts <= after.venue_ns
    assert after.mono_ns != rebooted.mono_ns


def test_a_full_log_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.paper.state_log.LARGEST", 20)
    log = StateLog(tmp_path)
    log.append(b"[123456789012]")
    with pytest.raises(BotError, match="new state folder"):
        log.append(b"[2]")
    log.close()
    assert StateLog(tmp_path).lines == [b"[123456789012]"]


def test_an_account_of_the_control_side_survives() -> None:
    bench = Bench()
    bench.venue.change_account({"id": 77, "name": "EXPRESS-V2-1-77", "balance": 0, "dll": 500_000_000})
    bench.place(accountId=77)
    bench.pass_(5)
    other = again(bench)
    assert other.place(accountId=77, side=1)["success"]
    other.pass_(5)
    assert other.position(account=77) is None
    assert next(row for row in other.venue.accounts() if row["id"] == 77)["dll"] == 500_000_000
