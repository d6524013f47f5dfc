"""`bot record` over real sockets: what it keeps, what it cannot send, and that its recordings play."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bot.cli.document import Printer
from bot.cli.record import Plan, record
from bot.clock import PaperClock
from bot.config.settings import Settings, load
from bot.gateway.recorder import NotARead, ReadOnlyTransport
from bot.model.times import SECOND, parse_ts
from bot.paper.config import PaperConfig
from bot.paper.server import PaperGateway
from bot.recording.entries import Entry
from bot.recording.reader import RecordingReader
from tests.integration.paper.conftest import START

RATE = 20.0
SYMBOLS = ("MNQ", "MES")
PLACE = "/api/Order/place"


def settings_for(gateway: PaperGateway, folder: Path) -> Settings:
    env = {
        "BOT_GATEWAY__PROFILE": "paper", "BOT_GATEWAY__REST_URL": gateway.url, "BOT_AUTH__USERNAME": "paper",
        "BOT_AUTH__API_KEY": "paper-key",
    }  # fmt: skip
    return load(None, env, folder=folder)


async def recorded(
    gateway: PaperGateway, folder: Path, capsys: Any, seconds: float = 2.0, **bounds: int
) -> tuple[int, dict[str, Any]]:
    """Exit code and summary of a recording of so many seconds."""
    plan = Plan(folder=folder, symbols=SYMBOLS, seconds=seconds, **{"file_bytes": 1 << 20, "total_bytes": 1 << 30, **bounds})  # fmt: skip
    code = await record(settings_for(gateway, folder.parent), Printer("record", as_json=True), plan)
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])["data"]


class Heard:
    """What a client makes of market frames: prints, changes of the touch, the book."""

    def __init__(self, entries: list[Entry]) -> None:
        self.prints: dict[str, list[tuple[Any, ...]]] = {}
        self.touches: dict[str, list[tuple[Any, ...]]] = {}
        self.books: dict[str, dict[tuple[int, float], int]] = {}
        for entry in entries:
            if entry.kind == "frame" and entry.hub == "market":
                self._take(msgspec.json.decode(entry.data))

    def _take(self, message: dict[str, Any]) -> None:
        contract, data = (message.get("arguments") or [None, None])[:2]
        target = message.get("target")
        if target == "GatewayTrade":
            rows = self.prints.setdefault(contract, [])
            rows += [(each["timestamp"], each["price"], each["volume"], each["type"]) for each in data]
        elif target == "GatewayQuote":
            rows = self.touches.setdefault(contract, [("", None, None)])
            touch = (data.get("bestBid", rows[-1][1]), data.get("bestAsk", rows[-1][2]))
            if touch != rows[-1][1:]:
                rows.append((data["timestamp"], *touch))
        elif target == "GatewayDepth":
            book = self.books.setdefault(contract, {})
            for each in data:
                if each["type"] == 6:
                    book.clear()
                book[each["type"], each["price"]] = each["volume"]


def entries_of(folder: Path) -> list[Entry]:
    return list(RecordingReader(folder).entries())


async def test_a_recorded_session_plays_as_it_was_heard(tmp_path: Path, capsys: Any) -> None:
    first = PaperGateway(PaperConfig(start_ns=START, rate=RATE, roots=SYMBOLS, profile="fast"))
    await first.start()
    try:
        code, summary = await recorded(first, tmp_path / "one", capsys)
        requests = first.venue.records()["requests"]
    finally:
        await first.stop()
    assert code == 0
    heard = entries_of(tmp_path / "one")
    assert summary["frames"]["market"] > 300
    assert summary["frames"]["user"] >= 8
    assert summary["gaps"] == []
    assert heard[0].kind == "begin"
    assert heard[-1].kind == "end"
    assert [each.mono_ns for each in heard if each.hub == "market"] == sorted(
        each.mono_ns for each in heard if each.hub == "market"
    )
    assert {row["path"] for row in requests} <= {
        "/api/Auth/loginKey", "/api/Account/search", "/api/Contract/available",
    }  # fmt: skip
    _without_credentials(tmp_path / "one", heard)

    begin = parse_ts(_first_stamp(heard))
    clock = PaperClock(begin - 30 * SECOND, RATE)
    config = PaperConfig(
        start_ns=begin, rate=RATE, roots=SYMBOLS, profile="fast", tapes=(str(tmp_path / "one"),)
    )
    second = PaperGateway(config, clock)
    await second.start()
    try:
        _, summary = await recorded(second, tmp_path / "two", capsys, seconds=5.0)
    finally:
        await second.stop()
    once, again = Heard(heard), Heard(entries_of(tmp_path / "two"))
    assert set(once.prints) == {"CON.F.US.MNQ.Z25", "CON.F.US.MES.Z25"}
    for contract in once.prints:
        assert len(once.prints[contract]) > 50
        assert again.prints[contract] == once.prints[contract]
        assert len(once.touches[contract]) > 20
        assert again.touches[contract][2:] == once.touches[contract][2:]
        assert again.touches[contract][1][1:] == once.touches[contract][1][1:]
        assert _levels(again.books[contract]) == _levels(once.books[contract])
    assert second.notice == ""

    last = max((tmp_path / "one").iterdir())
    last.write_bytes(last.read_bytes()[:-3])
    torn = PaperGateway(config)
    await torn.start()
    await torn.stop()
    assert f"tape {last}: its end was torn, " in torn.notice


async def test_a_lost_connection_is_a_gap_in_the_recording(tmp_path: Path, capsys: Any) -> None:
    gateway = PaperGateway(PaperConfig(start_ns=START, rate=1.0, roots=SYMBOLS, profile="fast"))
    await gateway.start()
    try:
        drop = {"fault": "hub.drop", "hub": "market", "how": "tcp"}
        asyncio.get_running_loop().call_later(1.0, gateway.venue.inject, drop)
        code, summary = await recorded(gateway, tmp_path, capsys, seconds=4.0)
    finally:
        await gateway.stop()
    assert code == 0
    assert [gap["hub"] for gap in summary["gaps"]] == ["market"]
    states = [
        (each.generation, each.data.split()[0])
        for each in entries_of(tmp_path)
        if each.kind == "state" and each.hub == "market"
    ]
    assert states[:3] == [(1, b"up"), (1, b"down"), (2, b"up")]


async def test_a_recording_ends_at_its_bound(tmp_path: Path, capsys: Any) -> None:
    gateway = PaperGateway(PaperConfig(start_ns=START, rate=60.0, roots=SYMBOLS, profile="fast"))
    await gateway.start()
    try:
        code, summary = await recorded(gateway, tmp_path, capsys, seconds=60.0, total_bytes=30_000)
    finally:
        await gateway.stop()
    assert code == 11
    assert summary["ended"] == "full"
    assert summary["seconds"] < 60
    assert summary["stored_bytes"] <= 30_000


async def test_a_recording_connection_sends_no_order() -> None:
    gateway = PaperGateway(PaperConfig(start_ns=START, rate=RATE, profile="fast"))
    await gateway.start()
    transport = ReadOnlyTransport(gateway.url)
    try:
        for path in (
            PLACE,
            "/api/Order/cancel",
            "/api/Order/modify",
            "/api/Position/closeContract",
            f"{PLACE}/",
        ):
            with pytest.raises(NotARead):
                await transport.request("POST", path, {}, b"{}", 5.0)
        assert (await transport.request("GET", "/paper/clock", {}, b"", 5.0)).status == 200
        assert gateway.venue.records()["requests"] == []
    finally:
        await transport.close()
        await gateway.stop()


def _without_credentials(folder: Path, entries: list[Entry]) -> None:
    for text in (b"paper-key", b"eyJ", b"access_token", b"Bearer"):
        assert not any(text in each.data for each in entries)
        assert not any(text in file.read_bytes() for file in folder.iterdir())
    assert {file.stat().st_mode & 0o077 for file in folder.iterdir()} == {0}


def _first_stamp(entries: list[Entry]) -> str:
    for each in entries:
        if each.kind == "frame" and b"GatewayQuote" in each.data:
            stamp: str = msgspec.json.decode(each.data)["arguments"][1]["timestamp"]
            return stamp
    pytest.fail("no quote was recorded")


def _levels(book: dict[tuple[int, float], int]) -> dict[tuple[int, float], int]:
    return {key: volume for key, volume in book.items() if volume and key[0] in (1, 2)}
