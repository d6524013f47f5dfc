"""Tapes play what was recorded, can be re-timed and pushed, and are refused as a whole when wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from bot.model.errors import ConfigError, UnknownSymbol
from bot.model.market import MinuteBar
from bot.model.times import MINUTE, SECOND, parse_ts
from bot.paper.market.feed import ASK_LEVEL, BID_LEVEL, DepthLevel, Print, QuoteTick
from bot.paper.market.tape import TapeMarket
from bot.paper.market.tape_reader import open_tape
from bot.paper.market.tape_rows import TapeError
from tests.unit.paper_market.round_trip import minute_bars

EVENTS = Path(__file__).parent / "mes_events.csv"
BARS = Path(__file__).parent / "mes_1m.csv"
FIRST = parse_ts("2025-11-05T14:30:00Z")
MES = "CON.F.US.MES.Z25"


def play(path: Path, root: str | None = None, start_ns: int | None = None, lead_ns: int = 0) -> TapeMarket:
    return TapeMarket([open_tape(path, root)], start_ns, lead_ns)


def test_a_tape_plays_each_row_at_its_time() -> None:
    tape = play(EVENTS, "MES")
    assert list(tape.contracts) == [MES]
    assert tape.next_ts() == FIRST
    events = tape.advance(FIRST + 3 * SECOND)
    assert [each for each in events if not isinstance(each, DepthLevel)] == [
        QuoteTick(MES, FIRST, 27200, 12, 27201, 9),
        Print(MES, FIRST + SECOND, 27201, 2, 0),
        QuoteTick(MES, FIRST + SECOND, 27201, 5, 27202, 14),
        Print(MES, FIRST + 2 * SECOND, 27201, 1, 1),
        Print(MES, FIRST + 3 * SECOND, 27202, 4, 0),
    ]
    assert tape.last(MES) == 27202
    assert [(each.kind, each.price, each.volume) for each in tape.depth(MES)] == [
        (BID_LEVEL, 27201, 5),
        (ASK_LEVEL, 27202, 14),
    ]


def test_the_depth_of_a_tape_is_its_touch() -> None:
    tape = play(EVENTS, "MES")
    book: dict[tuple[int, int], int] = {(each.kind, each.price): each.volume for each in tape.depth(MES)}
    for each in tape.advance(FIRST + 10 * MINUTE):
        if isinstance(each, DepthLevel):
            book[each.kind, each.price] = each.volume
        elif isinstance(each, QuoteTick):
            assert {key: volume for key, volume in book.items() if volume} == {
                (BID_LEVEL, each.bid): each.bid_size,
                (ASK_LEVEL, each.ask): each.ask_size,
            }


def test_a_tape_in_pieces_is_the_tape_as_a_whole() -> None:
    whole, pieces = play(EVENTS, "MES").advance(FIRST + 10 * MINUTE), []
    tape = play(EVENTS, "MES")
    for step in range(2000):
        pieces += tape.advance(FIRST + step * 777_777_777)
    assert pieces == whole
    assert tape.next_ts() is None


def test_a_tape_is_retimed_and_its_lead_becomes_history() -> None:
    start = parse_ts("2026-03-02T14:30:00Z")
    tape = play(EVENTS, "MES", start_ns=start, lead_ns=2 * MINUTE)
    (contract,) = tape.contracts
    assert contract == "CON.F.US.MES.H26"
    history = tape.history(contract, start - 10 * MINUTE, start)
    assert [bar.start for bar in history] == [start - 2 * MINUTE, start - MINUTE]
    assert history[0] == MinuteBar(start - 2 * MINUTE, 27201, 27203, 27201, 27203, 10)
    assert tape.last(contract) == history[-1].close
    assert tape.advance(start + 10 * MINUTE)[0].ts >= start


def test_bars_are_walked_so_that_they_come_out_again() -> None:
    tape = play(BARS, "MES", lead_ns=MINUTE)
    first = tape.start_ns
    events = tape.advance(first + 10 * MINUTE)
    recorded = play(BARS, "MES", lead_ns=4 * MINUTE).history(MES, 0, 2**62)[1:]
    assert minute_bars([each for each in events if isinstance(each, Print)])[:3] == recorded
    touch = tape.top(MES)
    assert touch.bid < touch.ask
    for each in events:
        if isinstance(each, QuoteTick):
            touch = each
        elif isinstance(each, Print):
            assert each.price == (touch.ask if each.aggressor == 0 else touch.bid)


def test_a_push_shifts_the_recording_to_its_target() -> None:
    tape = play(EVENTS, "MES")
    tape.advance(FIRST + 70 * SECOND)
    tape.push(MES, 27300, 60.0)
    prices = [each.price for each in tape.advance(FIRST + 10 * MINUTE) if isinstance(each, Print)]
    assert 27300 in prices
    assert 27200 <= prices[0] < 27300
    assert all(abs(price - 27300) <= 20 for price in prices[prices.index(27300) :])


@pytest.mark.parametrize(
    ("line", "row", "complaint"),
    [
        (4, "1762353002000000000,trade,6800.25,1,A,,,", "9 columns"),
        (4, "soon,trade,6800.25,1,A,,,,", "ts_event_ns as a whole number"),
        (4, "1762353000500000000,trade,6800.25,1,A,,,,", "ts_event_ns of at least"),
        (4, "1762353002000000000,swap,6800.25,1,A,,,,", "kind trade or quote"),
        (4, "1762353002000000000,trade,6800.30,1,A,,,,", "price on the grid of 1/4"),
        (4, "1762353002000000000,trade,nan,1,A,,,,", "a decimal price"),
        (4, "1762353002000000000,trade,6800.25,0,A,,,,", "size as a whole number of at least 1"),
        (4, "1762353002000000000,trade,6800.25,1,X,,,,", "aggressor B, A or N"),
        (4, "1762353002000000000,quote,,,,6800.50,1,6800.50,1", "bid below ask"),
        (1, "time,price", "ts_event_ns,kind,price"),
    ],
)
def test_a_corrupt_row_is_named(tmp_path: Path, line: int, row: str, complaint: str) -> None:
    rows = EVENTS.read_text().splitlines()
    rows[line - 1] = row
    path = tmp_path / "tape.csv.gz"
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    with pytest.raises(TapeError) as refused:
        play(path, "MES")
    assert f"{path}, line {line}" in str(refused.value)
    assert complaint in refused.value.expected
    assert str(refused.value.seen) in str(refused.value)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("2025-11-05 14:32:30,6800,6801,6799,6800,5", "a whole minute"),
        ("2025-11-05 14:30:00,6800,6801,6799,6800,5", "a whole minute later"),
        ("yesterday,6800,6801,6799,6800,5", "timestamp_utc"),
        ("2025-11-05 14:32:00,6800,6799,6799,6800,5", "low <= open"),
        ("2025-11-05 14:32:00,6800,6801,6799,6800,-5", "volume as a whole number"),
    ],
)
def test_a_corrupt_bar_is_named(tmp_path: Path, row: str, complaint: str) -> None:
    rows = BARS.read_text().splitlines()
    rows[3] = row
    path = tmp_path / "bars.csv"
    path.write_text("\n".join(rows))
    with pytest.raises(TapeError, match="line 4") as refused:
        play(path, "MES")
    assert complaint in refused.value.expected


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(EVENTS.read_bytes())[:200])
    empty = tmp_path / "empty.csv"
    empty.write_text(EVENTS.read_text().splitlines()[0])
    for path in (tmp_path / "absent.csv", cut, empty):
        with pytest.raises(TapeError, match=path.name):
            play(path, "MES")


def test_a_lead_longer_than_the_tape_is_refused() -> None:
    with pytest.raises(ConfigError, match="shorten the lead"):
        play(EVENTS, "MES", lead_ns=3600 * SECOND)


def test_another_contract_than_the_tapes_is_refused() -> None:
    with pytest.raises(UnknownSymbol):
        play(EVENTS, "MES").last("CON.F.US.MNQ.Z25")


def test_recorded_trades_and_quotes_play_whole(market_files: Path) -> None:
    tape = play(market_files / "es_2024-07-01_2358_trades_quotes.csv.gz", "ES")
    (contract,) = tape.contracts
    assert contract == "CON.F.US.EP.U24"
    events = tape.advance(tape.start_ns + 10 * MINUTE)
    assert len([each for each in events if isinstance(each, Print)]) == 120
    assert len([each for each in events if isinstance(each, QuoteTick)]) == 2168
    assert all(each.bid < each.ask for each in events if isinstance(each, QuoteTick))


def test_recorded_bars_come_out_again(market_files: Path) -> None:
    path = market_files / "6e_2024-01-01_2024-01-15_1m.csv.gz"
    tape = play(path, "6E")
    (contract,) = tape.contracts
    prints = [each for each in tape.advance(tape.start_ns + 1440 * MINUTE) if isinstance(each, Print)]
    recorded = play(path, "6E", lead_ns=1440 * MINUTE).history(contract, 0, 2**62)
    thick = {bar.start for bar in recorded if bar.volume >= 4}
    assert len(thick) > 1000
    made = minute_bars(prints)
    assert [bar for bar in made if bar.start in thick] == [bar for bar in recorded if bar.start in thick]
