"""A million damaged frames through each end of the hubs: the gateway's session and the bot's decoding.

Each is a real frame with flipped bytes, cuts, splices or insertions, drawn from a seed. Nothing may be raised
but what the decoder says it raises, and a connection must stay open or end with a record that says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random

import pytest

from bot.gateway.frames import BadFrame, FrameReader
from bot.legacy.websocket import PythonStreamProcessor
from bot.model.times import parse_ts
from bot.paper import records
from bot.paper.hub_session import HubSession
from bot.paper.market.feed import DepthLevel, Print
from tests.unit.paper.scripted import ACCOUNT, MNQ, Bench

FRAMES = 1_000_000
SHARDS = 4
END = b"\x1e"
RECEIVED = parse_ts("2025-10-01T14:30:01Z")
PIECES = (b"\x1e", b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"-1", b"1e999", b"\\ud800", b"\xff", b"\x00", b"9" * 40,
          b'"type":', b'"arguments":', b'"data":', b"{}\x1e")  # fmt: skip
CLIENT = [
    json.dumps(record).encode() + END
    for record in (
        {"protocol": "json", "version": 1}, {"type": 6}, {"type": 7, "error": "bye"}, {"type": 5, "invocationId": "1"},
        {"type": 1, "target": "SubscribeAccounts", "arguments": [], "invocationId": "0"},
        {"type": 1, "target": "SubscribeOrders", "arguments": [ACCOUNT], "invocationId": "1"},
        {"arguments": [ACCOUNT], "target": "unsubscribepositions", "type": 1},
        {"type": 1, "target": "SubscribeTrades", "arguments": ["1001"], "invocationId": "2", "headers": {"a": "b"}},
        {"type": 4, "target": "SubscribeTrades", "arguments": [ACCOUNT], "invocationId": "3", "streamIds": []},
        {"type": 3, "invocationId": "7", "result": None}, {"type": 2, "invocationId": "7", "item": 1},
        {"type": 99, "note": "unknown"},
    )
]  # fmt: skip

Feed = Callable[[str, bytes, int], object]


def served() -> tuple[list[tuple[str, bytes]], PythonStreamProcessor]:
    """Records of a real session on both hubs, and a processor that knows its contracts."""
    bench = Bench()
    user = bench.listen("user", ("SubscribeAccounts", []), *((f"Subscribe{what}", [ACCOUNT]) for what in
                        ("Orders", "Positions", "Trades")))  # fmt: skip
    market = bench.listen("market", *((f"SubscribeContract{what}", [MNQ]) for what in
                          ("Quotes", "Trades", "MarketDepth")))  # fmt: skip
    bench.place(stopLossBracket={"ticks": -40, "type": 4}, takeProfitBracket={"ticks": 80, "type": 1})
    bench.pass_(30)
    for price in (80_001, 80_003):
        at = bench.clock.now() + 1_000_000
        bench.market.add(Print(MNQ, at, price, 2, 0), DepthLevel(MNQ, at, 1, price, 7))
        bench.quote(price)
    bench.pass_(20_000)
    for listener in (user, market):
        listener.session.close("Connection closed with an error.")
    processor = PythonStreamProcessor()
    processor.set_contracts(bench.market.contracts)
    found: list[tuple[str, bytes]] = []
    for hub, listener in (("user", user), ("market", market)):
        texts = b"".join(listener.raw).split(END)
        found += [(hub, text) for text in texts if text]
    assert {json.loads(text).get("target", "") for _, text in found} >= {
        "GatewayUserAccount", "GatewayUserOrder", "GatewayUserPosition", "GatewayUserTrade", "GatewayQuote",
        "GatewayTrade", "GatewayDepth",
    }  # fmt: skip
    return found, processor


def mutated(frames: list[bytes], random: Random, count: int) -> Iterator[tuple[int, bytes]]:
    """`count` damaged frames with the number of the frame that each began as."""
    bits, many = random.getrandbits, len(frames)
    for _ in range(count):
        dice = bits(62)
        chosen = dice % many
        frame = frames[chosen]
        size = len(frame)
        dice //= many
        at = dice % size
        how = (dice >> 20) & 7
        other = dice >> 24
        if how < 3:
            damaged = bytearray(frame)
            damaged[at] ^= 1 << (other & 7)
            if how == 0:
                damaged[(other >> 3) % size] = (other >> 16) & 0xFF
            yield chosen, bytes(damaged)
        elif how == 3:
            yield chosen, frame[:at]
        elif how == 4:
            yield chosen, frame[:at] + frame[at + 1 + other % 16 :]
        elif how == 5:
            donor = frames[other % many]
            yield chosen, frame[:at] + donor[other % len(donor) :]
        elif how == 6:
            yield chosen, frame[:at] + PIECES[other % len(PIECES)] + frame[at:]
        else:
            yield chosen, frame[at:] + frame[:at]


def framed(payload: bytes) -> bytes:
    """A server's text frame."""
    length = len(payload)
    if length < 126:
        return bytes((0x81, length)) + payload
    return b"\x81\x7e" + length.to_bytes(2, "big") + payload


class GatewayEnd:
    """The gateway's session; a new one whenever a frame ended the last."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.hub = self.bench.venue.hub("user")
        self.sent: list[bytes] = []
        self.ends = 0
        self.session = self._open()

    def take(self, frame: bytes) -> None:
        session = self.session
        before = session._buffer
        session.receive(frame)
        if session.ended:
            self.ends += 1
            said = self.sent[-1] if self.sent else b""
            assert said.startswith((b'{"type":7', b'{"error"')) or asked(before + frame), (before, frame)
            self.session = self._open()
        elif len(session._buffer) > 4096:
            session.drop()
            self.session = self._open()
        self.sent.clear()

    def _open(self) -> HubSession:
        session = self.hub.connect(self.bench.token, self.sent.append, lambda: None)
        session.receive(CLIENT[0])
        assert session.ready
        return session


def asked(text: bytes) -> bool:
    """Whether one of the records is the client's own close."""
    for record in text.split(END):
        try:
            if json.loads(record)["type"] == 7:
                return True
        except (ValueError, KeyError, TypeError):
            continue
    return False


class BotEnd:
    """The bot's reader of frames and its decoding of records."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.reader = FrameReader()
        self.bad = self.messages = 0

    def take(self, hub: str, frame: bytes) -> None:
        self.reader.feed(frame)
        try:
            while (message := self.reader.next()) is not None:
                self.messages += 1
                for record in message.payload.split(END):
                    if record:
                        self.feed(hub, record, RECEIVED)
        except BadFrame:
            self.bad += 1
            self.reader = FrameReader()
        if len(self.reader._buffer) > 4096:
            self.reader = FrameReader()


def drive(shard: int, count: int, feed: Feed | None = None) -> tuple[GatewayEnd, BotEnd]:
    """`count` damaged frames to the gateway, and as many to the bot: half as WebSocket frames, half as records."""
    from_server, processor = served()
    gateway, bot = GatewayEnd(), BotEnd(feed or processor.feed)
    random = Random(f"frames {shard}")
    for _, frame in mutated(CLIENT, random, count):
        gateway.take(frame)
    whole = [framed(text + END) for _, text in from_server]
    for number, frame in mutated(whole, random, count // 2):
        bot.take(from_server[number][0], frame)
    texts = [text for _, text in from_server]
    for number, record in mutated(texts, random, count - count // 2):
        bot.feed(from_server[number][0], record, RECEIVED)
    return gateway, bot


@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_damaged_frame_gets_through_either_end(shard: int) -> None:
    gateway, bot = drive(shard, FRAMES // SHARDS)
    assert gateway.ends > FRAMES // SHARDS // 4
    assert bot.bad > FRAMES // SHARDS // 40
    assert bot.messages > FRAMES // SHARDS // 4
    assert len(gateway.hub.sessions) == 1
    listeners = sum(len(found) for found in gateway.hub._topics.values())
    assert listeners <= 4
    gateway.bench.place()
    gateway.bench.pass_(20)
    assert gateway.bench.position() is not None
    listener = gateway.bench.listen("user", ("SubscribeAccounts", []))
    assert listener.events("GatewayUserAccount")


def test_a_decoder_that_lets_an_error_out_is_found() -> None:
    def careless(_hub: str, record: bytes, _received: int) -> object:
        return json.loads(record)["type"]

    with pytest.raises((ValueError, KeyError, TypeError)):
        drive(0, 10_000, careless)


def test_a_session_that_lets_an_error_out_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "decode", json.loads)
    with pytest.raises((ValueError, AttributeError, RecursionError)):
        drive(0, 10_000)


def test_a_session_that_ends_without_a_word_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HubSession, "close", lambda self, *_: self.cut())
    with pytest.raises(AssertionError):
        drive(0, 10_000)
