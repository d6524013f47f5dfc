"""DBN tapes: each schema becomes the market it recorded, and a wrong file is refused before it is played."""

from __future__ import annotations

from pathlib import Path

import databento_dbn as dbn
import pytest

from bot.model.errors import ConfigError
from bot.model.market import MinuteBar
from bot.model.times import MINUTE, SECOND
from bot.paper.market.feed import ASK_LEVEL, BID_LEVEL, RESET, DepthLevel, MarketEvent, Print, QuoteTick
from bot.paper.market.tape import TapeMarket
from bot.paper.market.tape_reader import named, open_tape
from bot.paper.market.tape_rows import TapeError
from tests.unit.paper_market.dbn_files import ES, MNQ, SPREAD, START, encoded, order, px, touch, trade, write

EP, NQ = "CON.F.US.EP.Z25", "CON.F.US.MNQ.Z25"


def played(path: Path, root: str | None = None) -> tuple[TapeMarket, list[MarketEvent]]:
    market = TapeMarket([open_tape(path, root)])
    return market, market.advance(START + 3600 * SECOND)


@pytest.mark.parametrize("name", ["day.dbn", "day.dbn.zst"])
def test_trades_alone_carry_the_touch_with_them(tmp_path: Path, name: str) -> None:
    rows = [
        trade(ES, 1000, 6800.25, 2),
        trade(SPREAD, 1500, 50.05, 1),
        trade(MNQ, 2000, 25000.5, 3, dbn.Side.ASK),
        trade(ES, 3000, 6799.75, 4, dbn.Side.ASK),
    ]
    market, events = played(write(tmp_path / name, dbn.Schema.TRADES, rows))
    assert sorted(market.contracts) == [EP, NQ]
    assert [each for each in events if isinstance(each, Print)] == [
        Print(EP, START + 1000, 27201, 2, 0),
        Print(NQ, START + 2000, 100002, 3, 1),
        Print(EP, START + 3000, 27199, 4, 1),
    ]
    top = market.top(EP)
    assert (top.bid, top.ask) == (27199, 27200)
    at = {event: i for i, event in enumerate(events)}
    assert at[QuoteTick(EP, START + 3000, 27199, 10, 27200, 10)] < at[Print(EP, START + 3000, 27199, 4, 1)]


def test_one_root_of_a_tape_can_be_played_alone(tmp_path: Path) -> None:
    rows = [trade(ES, 1000, 6800.25, 2), trade(MNQ, 2000, 25000.5, 3)]
    path = write(tmp_path / "day.dbn", dbn.Schema.TRADES, rows)
    root, given = named(f"MNQ={path}")
    assert list(played(given, root)[0].contracts) == [NQ]


def test_tapes_of_several_roots_play_in_one_order(tmp_path: Path) -> None:
    first = write(tmp_path / "es.dbn", dbn.Schema.TRADES, [trade(ES, at, 6800, 1) for at in (1000, 3000)])
    second = write(tmp_path / "nq.dbn", dbn.Schema.TRADES, [trade(MNQ, at, 25000, 1) for at in (2000, 4000)])
    market = TapeMarket([open_tape(first), open_tape(second)], start_ns=START + SECOND)
    prints = [each for each in market.advance(START + 2 * SECOND) if isinstance(each, Print)]
    assert [(each.contract_id, each.ts - START - SECOND) for each in prints] == [
        (EP, 0), (NQ, 1000), (EP, 2000), (NQ, 3000),
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="each contract on one tape"):
        TapeMarket([open_tape(first), open_tape(first)])
    late = write(tmp_path / "late.dbn", dbn.Schema.TRADES, [trade(MNQ, 10 * SECOND, 25000, 1)])
    with pytest.raises(ConfigError, match="tapes of one time"):
        TapeMarket([open_tape(first), open_tape(late)])


def test_the_touch_of_mbp_1_follows_its_trades(tmp_path: Path) -> None:
    rows = [
        touch(ES, 1000, (6800, 5), (6800.25, 7)),
        touch(ES, 2000, (6800, 5), (6800.25, 6), traded=(6800.25, 1)),
        touch(ES, 3000, (6800.25, 9), (6800.25, 6)),
    ]
    market, events = played(write(tmp_path / "day.dbn", dbn.Schema.MBP_1, rows))
    assert [each for each in events if not isinstance(each, DepthLevel)] == [
        QuoteTick(EP, START + 1000, 27200, 5, 27201, 7),
        Print(EP, START + 2000, 27201, 1, 0),
        QuoteTick(EP, START + 2000, 27200, 5, 27201, 6),
    ]
    assert [(each.kind, each.price, each.volume) for each in market.depth(EP)] == [
        (BID_LEVEL, 27200, 5),
        (ASK_LEVEL, 27201, 6),
    ]


def test_the_touch_of_tbbo_precedes_its_trade(tmp_path: Path) -> None:
    rows = [touch(ES, 1000, (6800, 5), (6800.25, 7), traded=(6800.25, 2))]
    _, events = played(write(tmp_path / "day.dbn", dbn.Schema.TBBO, rows))
    assert [type(each) for each in events if not isinstance(each, DepthLevel)] == [QuoteTick, Print]


def test_orders_add_up_to_levels_and_touch(tmp_path: Path) -> None:
    bid, ask, act = dbn.Side.BID, dbn.Side.ASK, dbn.Action
    rows = [
        order(0, act.CLEAR, 0, dbn.Side.NONE, 0, 0, last=False),
        order(0, act.ADD, 1, bid, 6800, 5, last=False),
        order(0, act.ADD, 2, bid, 6799.75, 8, last=False),
        order(0, act.ADD, 3, ask, 6800.25, 4, last=False),
        order(0, act.ADD, 4, ask, 6800.5, 9),
        order(1000, act.ADD, 5, bid, 6800, 2),
        order(2000, act.TRADE, 0, bid, 6800.25, 4, last=False),
        order(2000, act.FILL, 3, ask, 6800.25, 4, last=False),
        order(2000, act.CANCEL, 3, ask, 6800.25, 4),
        order(3000, act.MODIFY, 5, bid, 6800.25, 3),
        order(4000, act.CANCEL, 1, bid, 6800, 2),
        order(5000, act.CANCEL, 99, bid, 6800, 2),
    ]
    market, events = played(write(tmp_path / "day.dbn", dbn.Schema.MBO, rows))
    assert [each for each in events if not isinstance(each, DepthLevel)] == [
        QuoteTick(EP, START, 27200, 5, 27201, 4),
        QuoteTick(EP, START + 1000, 27200, 7, 27201, 4),
        Print(EP, START + 2000, 27201, 4, 0),
        QuoteTick(EP, START + 2000, 27200, 7, 27202, 9),
        QuoteTick(EP, START + 3000, 27201, 3, 27202, 9),
    ]
    assert [(each.kind, each.price, each.volume) for each in market.depth(EP)] == [
        (BID_LEVEL, 27201, 3),
        (BID_LEVEL, 27200, 3),
        (BID_LEVEL, 27199, 8),
        (ASK_LEVEL, 27202, 9),
    ]
    told: dict[tuple[int, int], int] = {}
    for each in events:
        if isinstance(each, DepthLevel):
            told = {} if each.kind == RESET else {**told, (each.kind, each.price): each.volume}
    assert {key: volume for key, volume in told.items() if volume} == {
        (each.kind, each.price): each.volume for each in market.depth(EP)
    }


def test_a_book_from_before_the_start_is_there_at_the_start(tmp_path: Path) -> None:
    bid, ask = dbn.Side.BID, dbn.Side.ASK
    rows = [
        order(0, dbn.Action.ADD, 1, bid, 6800, 5),
        order(0, dbn.Action.ADD, 2, bid, 6799.75, 8),
        order(0, dbn.Action.ADD, 3, ask, 6800.25, 4),
        order(2 * MINUTE, dbn.Action.CANCEL, 2, bid, 6799.75, 8),
    ]
    path = write(tmp_path / "day.dbn", dbn.Schema.MBO, rows)
    market = TapeMarket([open_tape(path)], lead_ns=MINUTE)
    assert [(each.price, each.volume) for each in market.depth(EP)] == [(27200, 5), (27199, 8), (27201, 4)]
    assert (market.top(EP).bid, market.top(EP).ask_size) == (27200, 4)


def test_minute_bars_are_walked(tmp_path: Path) -> None:
    def bar(minute: int, *prices: float) -> object:
        return dbn.OHLCVMsg(
            rtype=dbn.RType.OHLCV_1M, publisher_id=1, instrument_id=ES, ts_event=START + minute * MINUTE,
            open=px(prices[0]), high=px(prices[1]), low=px(prices[2]), close=px(prices[3]), volume=40,
        )  # fmt: skip

    rows = [
        bar(0, 6800, 6801, 6799, 6800.5),
        bar(1, 6800.5, 6802, 6800.25, 6801),
        bar(2, 6801, 6801, 6800, 6800),
    ]
    path = write(tmp_path / "bars.dbn", dbn.Schema.OHLCV_1M, rows)
    market = TapeMarket([open_tape(path)], lead_ns=2 * MINUTE)
    assert market.history(EP, 0, 2**62) == [
        MinuteBar(START, 27200, 27204, 27196, 27202, 40),
        MinuteBar(START + MINUTE, 27202, 27208, 27201, 27204, 40),
    ]
    prints = [each for each in market.advance(START + 3 * MINUTE) if isinstance(each, Print)]
    assert sum(each.size for each in prints) == 40


def test_a_front_month_stays_the_front_month_when_it_is_retimed(tmp_path: Path) -> None:
    names = {"ESZ5": ES, "ESH6": MNQ}
    rows = [trade(ES, 1000, 6800, 1), trade(MNQ, 2000, 6850, 1)]
    path = write(tmp_path / "day.dbn", dbn.Schema.TRADES, rows, names)
    market = TapeMarket([open_tape(path)], start_ns=START + 120 * 86_400 * SECOND)
    assert {key: row.active for key, row in market.contracts.items()} == {
        "CON.F.US.EP.H26": True,
        "CON.F.US.EP.M26": False,
    }


def test_exact_prices_of_the_finest_grids(tmp_path: Path) -> None:
    names = {"6JZ5": ES, "ZTZ5": MNQ}
    rows = [trade(ES, 1000, 0.0066955, 1), trade(MNQ, 2000, 104.00390625, 1)]
    market, _ = played(write(tmp_path / "day.dbn", dbn.Schema.TRADES, rows, names))
    assert market.last("CON.F.US.JY6.Z25") == 13391
    assert market.last("CON.F.US.TUA.Z25") == 104 * 256 + 1


def test_wrong_records_are_named(tmp_path: Path) -> None:
    good = trade(ES, 1000, 6800.25, 2)
    cases = {
        "record 2: .*6800.1": [good, trade(ES, 2000, 6800.1, 1)],
        "record 2: .*a time of at least": [good, trade(ES, 500, 6800.25, 1)],
        "record 2: .*none for instrument 77": [good, trade(77, 2000, 6800.25, 1)],
        "contracts of products that the venue lists, got 'ESZ5-ESH6'": [trade(SPREAD, 1500, 50.05, 1)],
    }
    for words, rows in cases.items():
        path = write(tmp_path / "bad.dbn", dbn.Schema.TRADES, rows)
        with pytest.raises(TapeError, match=words):
            TapeMarket([open_tape(path)])


def test_files_that_were_cut_are_refused(tmp_path: Path) -> None:
    rows = [trade(ES, 1000 + i, 6800.25, 1) for i in range(2000)]
    whole = encoded(dbn.Schema.TRADES, rows)
    plain = tmp_path / "plain.dbn"
    plain.write_bytes(whole[:-7])
    with pytest.raises(TapeError, match=r"after record 1999.*41 bytes of a record"):
        TapeMarket([open_tape(plain)])
    packed = write(tmp_path / "packed.dbn.zst", dbn.Schema.TRADES, rows)
    data = packed.read_bytes()
    assert len(played(packed)[1]) >= 2000
    for left in (len(data) - 1, len(data) - 40, 20):
        packed.write_bytes(data[:left])
        with pytest.raises(TapeError, match=r"packed\.dbn\.zst"):
            TapeMarket([open_tape(packed)])


def test_a_schema_without_prices_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "status.dbn", dbn.Schema.STATUS, [])
    with pytest.raises(TapeError, match="download one of these schemas"):
        TapeMarket([open_tape(path)])


def test_a_csv_of_several_contracts_plays_them_all(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text(
        "ts_event_ns,kind,price,size,aggressor,bid,bid_size,ask,ask_size,symbol\n"
        f"{START},quote,,,,6800,1,6800.25,2,ESZ5\n"
        f"{START},quote,,,,25000,1,25000.25,2,MNQZ5\n"
        f"{START + 5},trade,25000.25,1,B,,,,,MNQZ5\n"
    )
    market, events = played(path)
    assert sorted(market.contracts) == [EP, NQ]
    assert [each.contract_id for each in events if isinstance(each, Print)] == [NQ]
    bars = tmp_path / "bars.csv"
    bars.write_text(
        "timestamp_utc,open,high,low,close,volume,symbol\n"
        "2025-11-05 14:30:00,6800,6801,6799,6800,50,ESZ5\n"
        "2025-11-05 14:30:00,25000,25001,24999,25000,50,MNQZ5\n"
    )
    events = played(bars)[1]
    assert [each.ts for each in events] == sorted(each.ts for each in events)
    assert {each.contract_id for each in events} == {EP, NQ}
    bars.write_text("timestamp_utc,open,high,low,close,volume\n2025-11-05 14:30:00,6800,6801,6799,6800,50\n")
    with pytest.raises(TapeError, match="ROOT=file"):
        TapeMarket([open_tape(bars)])
