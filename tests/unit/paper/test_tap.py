"""The tap reads HTTP/1.1 and WebSocket frames from bytes in whatever pieces they come."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from bot.paper.tap import Exchange
from bot.paper.transcript import Transcript

UPGRADE = b"GET /hubs/user?id=a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
POST = b"POST /api/a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"


class Wire:
    """An exchange whose lines are read back."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "wire.jsonl"
        clock = itertools.count(1)
        self.exchange = Exchange(Transcript(self._path, lambda: next(clock)))

    def lines(self, *members: str) -> list[tuple[Any, ...]]:
        """The members of every line but the first, which says that the connection is open."""
        rows = [json.loads(line) for line in self._path.read_text().splitlines()]
        assert rows[0]["kind"] == "open"
        return [tuple(row[name] for name in members if name in row) for row in rows[1:]]


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    return Wire(tmp_path)


def frame(first: int, payload: bytes, mask: bytes = b"") -> bytes:
    """A WebSocket frame; `first` is its first byte."""
    size = len(payload)
    if size < 126:
        length = bytes([size])
    elif size < 65_536:
        length = bytes([126]) + size.to_bytes(2)
    else:
        length = bytes([127]) + size.to_bytes(8)
    if mask:
        length = bytes([length[0] | 0x80]) + length[1:]
        payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes([first]) + length + mask + payload


def test_bytes_one_at_a_time_give_the_same_lines(wire: Wire) -> None:
    for byte in POST:
        wire.exchange.heard(bytes([byte]))
    for byte in OK:
        wire.exchange.said(bytes([byte]))
    assert wire.lines("kind", "path", "status", "body") == [
        ("request", "/api/a", "{}"),
        ("answer", 200, "[]"),
    ]


def test_requests_in_one_piece_are_answered_in_their_order(wire: Wire) -> None:
    wire.exchange.heard(POST + POST.replace(b"/api/a", b"/api/b"))
    wire.exchange.said(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"HTTP/1.1 204 No Content\r\n\r\n" + OK)
    assert wire.lines("path", "status") == [("/api/a",), ("/api/b",), (200,), (204,), (200,)]


def test_chunks_are_joined(wire: Wire) -> None:
    chunks = b"Transfer-Encoding: chunked\r\n\r\n2;x=1\r\n{}\r\n1\r\n \r\n0\r\nTrailer: 1\r\n\r\n"
    wire.exchange.heard(b"POST / HTTP/1.1\r\n" + chunks + POST)
    wire.exchange.said(b"HTTP/1.1 200 OK\r\n" + chunks + OK)
    assert wire.lines("body") == [("{} ",), ("{}",), ("{} ",), ("[]",)]


def test_an_answer_to_head_has_no_body(wire: Wire) -> None:
    wire.exchange.heard(POST.replace(b"POST", b"HEAD") + POST)
    wire.exchange.said(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + OK)
    assert wire.lines("kind", "body")[2:] == [("answer", ""), ("answer", "[]")]


def test_frames_follow_a_granted_upgrade_even_when_sent_before_it(wire: Wire) -> None:
    wire.exchange.heard(UPGRADE + frame(0x81, b"early", b"mask"))
    wire.exchange.said(SWITCH + frame(0x81, b"{}\x1e"))
    wire.exchange.heard(frame(0x89, b"beat", b"mask") + frame(0x88, b"\x03\xe8bye", b"mask"))
    wire.exchange.end("client", abrupt=False)
    assert wire.lines("by", "opcode", "data", "masked")[2:] == [
        ("server", "text", "{}\x1e", False),
        ("client", "text", "early", True),
        ("client", "ping", "beat", True),
        ("client", "close", "1000 bye", True),
        ("client",),
    ]


def test_requests_go_on_after_a_refused_upgrade(wire: Wire) -> None:
    wire.exchange.heard(UPGRADE + POST)
    wire.exchange.said(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n" + OK)
    assert wire.lines("path", "status") == [("/hubs/user?id=a",), (401,), (200,), ("/api/a",)]


@pytest.mark.parametrize("size", [125, 126, 65_535, 65_536])
def test_frames_of_every_size_and_in_fragments_are_whole(wire: Wire, size: int) -> None:
    text = b"x" * size
    wire.exchange.heard(UPGRADE)
    wire.exchange.said(
        SWITCH + frame(0x81, text) + frame(0x01, text) + frame(0x89, b"") + frame(0x80, b"end")
    )
    assert wire.lines("opcode", "data", "fragments")[2:] == [
        ("text", text.decode(), 1),
        ("ping", "", 1),
        ("text", text.decode() + "end", 2),
    ]


@pytest.mark.parametrize(
    "bad",
    [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", SWITCH + frame(0xC1, b""), SWITCH + frame(0x83, b"")],
    ids=["no status", "no length", "reserved bits", "unknown opcode"],
)
def test_bytes_that_make_no_sense_are_told_once_and_the_other_side_goes_on(wire: Wire, bad: bytes) -> None:
    wire.exchange.heard(POST)
    wire.exchange.said(bad)
    wire.exchange.said(OK)
    wire.exchange.heard(POST)
    kinds = [kind for (kind, *_) in wire.lines("kind")]
    assert kinds.count("unreadable") == 1
    assert kinds.count("request") == 2
