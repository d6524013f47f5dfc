"""A hub connection against a raw socket server that controls every byte."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from bot.clock import SystemClock
from bot.gateway.credentials import Credentials
from bot.gateway.hubs import HubConnection
from bot.gateway.session import VenueSession
from bot.gateway.transport import AiohttpTransport
from bot.model.errors import ConfigError
from bot.model.secret import Secret
from tests.unit.gateway.scripted import ScriptedVenue
from tests.unit.gateway.test_frames import frame

QUOTE = b'{"type":1,"target":"GatewayQuote","arguments":["C",{"bestBid":1}]}\x1e'


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self.reader, self.writer, self.head = reader, writer, head

    async def receive(self) -> bytes:
        """The payload of the client's next frame, unmasked; any opcode."""
        first, second = await self.reader.readexactly(2)
        self.opcode = first & 0x0F
        length = second & 0x7F
        assert second & 0x80, "a client masks"
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2), "big")
        mask = await self.reader.readexactly(4)
        data = await self.reader.readexactly(length)
        return bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))

    async def send(self, payload: bytes, opcode: int = 1) -> None:
        self.writer.write(frame(payload, opcode))
        await self.writer.drain()


Script = Callable[[Peer], Awaitable[None]]


class RawHub:
    """Upgrades every connection and hands it to the script."""

    def __init__(self) -> None:
        self.script: Script = steady
        self.heads: list[str] = []
        self.peers: list[Peer] = []
        self.status = "101 Switching Protocols"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hubs/market"

    async def stop(self) -> None:
        self._server.close()
        for peer in self.peers:
            peer.writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        key = next(line for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key: ")).split(": ")[
            1
        ]
        proof = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        writer.write(
            f"HTTP/1.1 {self.status}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {base64.b64encode(proof).decode()}\r\n\r\n".encode()
        )
        peer = Peer(reader, writer, head)
        self.peers.append(peer)
        try:
            await self.script(peer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


async def greet(peer: Peer, first: bytes = b"") -> None:
    """The handshake, with records in the same frame as its answer."""
    assert await peer.receive() == b'{"protocol":"json","version":1}\x1e'
    await peer.send(b"{}\x1e" + first)


async def confirm(peer: Peer) -> dict[str, Any]:
    """Confirm the next invocation."""
    call: dict[str, Any] = json.loads((await peer.receive()).rstrip(b"\x1e"))
    await peer.send(json.dumps({"type": 3, "invocationId": call["invocationId"]}).encode() + b"\x1e")
    return call


async def steady(peer: Peer) -> None:
    await greet(peer)
    while True:
        await confirm(peer)


class Bench:
    def __init__(self, hub: RawHub, connection: HubConnection) -> None:
        self.hub, self.connection = hub, connection
        self.records: list[bytes] = []
        self.states: list[tuple[str, str]] = []

    async def until(self, met: Callable[[], bool]) -> None:
        for _ in range(500):
            if met():
                return
            await asyncio.sleep(0.01)
        pytest.fail(f"not met; states {self.states}, records {self.records}")


@pytest.fixture
async def bench(venue: ScriptedVenue) -> AsyncIterator[Bench]:
    clock = SystemClock()
    venue.now_s = clock.now() / 1e9
    transport = AiohttpTransport(venue.url)
    session = VenueSession(transport, Credentials("me", Secret("my-key")), clock)
    hub = RawHub()
    await hub.start()
    made: Bench
    connection = HubConnection(
        "market",
        hub.url,
        session,
        clock,
        lambda _hub, _generation, batch: made.records.extend(record for record, _, _ in batch),
        lambda _hub, state, _generation, reason: made.states.append((state, reason)),
        first_delay_s=0.02,
        last_delay_s=0.1,
        ping_s=0.5,
        dead_s=3.0,
    )
    made = Bench(hub, connection)
    yield made
    await connection.stop()
    await hub.stop()
    await session.close()
    await transport.close()


async def test_f101_data_in_the_frame_of_the_handshake_answer_is_not_lost(bench: Bench) -> None:
    async def script(peer: Peer) -> None:
        await greet(peer, b'{"type":6}\x1e' + QUOTE + QUOTE)
        await asyncio.sleep(5)

    bench.hub.script = script
    await bench.connection.start()
    await bench.until(lambda: bench.records == [QUOTE[:-1]] * 2)
    assert bench.states == [("up", "subscribed")]


async def test_f101_records_cut_anywhere_arrive_whole(bench: Bench) -> None:
    async def script(peer: Peer) -> None:
        await peer.receive()
        stream = frame(b"{}\x1e" + QUOTE) + frame(QUOTE[:20], 1, False) + frame(QUOTE[20:], 0)
        for byte in stream:
            peer.writer.write(bytes([byte]))
            await peer.writer.drain()
        await peer.send(QUOTE[:30])
        await peer.send(QUOTE[30:] + QUOTE)
        await asyncio.sleep(5)

    bench.hub.script = script
    await bench.connection.start()
    await bench.until(lambda: bench.records == [QUOTE[:-1]] * 4)


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_f101_handshake_data_pings_and_close_survive_any_splitting(bench: Bench, size: int) -> None:
    """The handshake's answer and the first event in one frame, both kinds of ping, an event, a close record."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        stream = (
            frame(b"{}\x1e" + QUOTE + b'{"type":6}\x1e') + frame(b"beat", 9) + frame(b'{"type":6}\x1e' + QUOTE)
            + frame(b'{"type":7,"error":"enough"}\x1e')
        )  # fmt: skip
        for begin in range(0, len(stream), size):
            peer.writer.write(stream[begin : begin + size])
            await peer.writer.drain()
            await asyncio.sleep(0)
        await asyncio.sleep(5)

    bench.hub.script = script
    await bench.connection.start()
    await bench.until(lambda: ("down", "closed by the venue: enough") in bench.states)
    data = [record for record in bench.records if not record.startswith(b'{"type":7')]
    assert data[:2] == [QUOTE[:-1]] * 2
    assert bench.states[:2] == [("up", "subscribed"), ("down", "closed by the venue: enough")]
    await bench.until(lambda: bench.connection.generation >= 2)


async def test_websocket_pings_are_answered_and_are_no_data(bench: Bench) -> None:
    pongs: list[bytes] = []

    async def script(peer: Peer) -> None:
        await greet(peer)
        await peer.send(b"payload", 9)
        await peer.send(QUOTE)
        while not pongs:
            data = await peer.receive()
            if peer.opcode == 10:
                pongs.append(data)
        await asyncio.sleep(5)

    bench.hub.script = script
    await bench.connection.start()
    await bench.until(lambda: pongs == [b"payload"] and bench.records == [QUOTE[:-1]])


@pytest.mark.parametrize("answer", [b'{"error":"no"}\x1e', b"[]\x1e", b"nonsense\x1e", b'{"type":7}\x1e'])
async def test_a_refused_handshake_is_tried_again(bench: Bench, answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.receive()
        if len(bench.hub.peers) < 3:
            await peer.send(answer)
            await asyncio.sleep(5)
        await peer.send(b"{}\x1e")
        await asyncio.sleep(5)

    bench.hub.script = script
    await bench.connection.start()
    await bench.until(lambda: bench.connection.state == "up")
    assert bench.connection.generation == 3


@pytest.mark.parametrize("status", ["403 Forbidden", "503 Down", "200 OK", "nonsense"])
async def test_a_refused_upgrade_is_tried_again(bench: Bench, status: str) -> None:
    bench.hub.status = status
    await bench.connection.start()
    await bench.until(lambda: len(bench.hub.heads) >= 3)
    bench.hub.status = "101 Switching Protocols"
    await bench.until(lambda: bench.connection.state == "up")


async def test_the_token_is_in_the_address_and_fresh_every_time(bench: Bench) -> None:
    async def script(peer: Peer) -> None:
        await greet(peer)
        await asyncio.sleep(5)

    bench.hub.script = script
    await bench.connection.start()
    await bench.until(lambda: bench.connection.state == "up")
    await bench.connection._session.login()
    await bench.until(lambda: len(bench.hub.heads) == 2)
    tokens = [head.split("access_token=")[1].split(" ")[0] for head in bench.hub.heads]
    assert len(set(tokens)) == 2
    assert all(token.count(".") == 2 for token in tokens)
    assert not any("Authorization" in head for head in bench.hub.heads)


async def test_invocations_carry_no_headers_and_are_replayed(bench: Bench) -> None:
    calls: list[dict[str, Any]] = []

    async def script(peer: Peer) -> None:
        await greet(peer)
        calls.append(await confirm(peer))
        if len(calls) == 1:
            await asyncio.sleep(0.2)
            await peer.send(b'{"type":7,"error":"enough"}\x1e')
        await asyncio.sleep(5)

    bench.hub.script = script
    topic = ("SubscribeContractQuotes", ["C"])
    bench.connection.set_topics([topic, topic])
    await bench.connection.start()
    await bench.until(lambda: len(calls) == 2 and bench.connection.state == "up")
    wanted = {"type": 1, "invocationId": "1", "target": topic[0], "arguments": ["C"]}
    assert calls == [wanted, wanted]
    assert bench.states[:2] == [("up", "subscribed"), ("down", "closed by the venue: enough")]


async def test_a_refused_market_topic_is_named_and_the_rest_goes_on(bench: Bench) -> None:
    async def script(peer: Peer) -> None:
        await greet(peer)
        call = json.loads((await peer.receive()).rstrip(b"\x1e"))
        await peer.send(
            json.dumps({"type": 3, "invocationId": call["invocationId"], "error": "no"}).encode() + b"\x1e"
        )
        await asyncio.sleep(5)

    bench.hub.script = script
    bench.connection.set_topics([("SubscribeContractQuotes", ["C"])])
    await bench.connection.start()
    await bench.until(lambda: bench.connection.state == "up")
    assert bench.connection.refused == {"SubscribeContractQuotes['C']": "no"}


async def test_idle_connections_are_pinged_and_a_call_of_the_venue_is_answered(bench: Bench) -> None:
    heard: list[bytes] = []

    async def script(peer: Peer) -> None:
        await greet(peer)
        await peer.send(b'{"type":1,"invocationId":"77","target":"GatewayQuote","arguments":["C",{}]}\x1e')
        while True:
            heard.append(await peer.receive())
            await peer.send(b'{"type":6}\x1e')

    bench.hub.script = script
    await bench.connection.start()
    await bench.until(lambda: b'{"type":6}\x1e' in heard)
    assert b'{"type":3,"invocationId":"77","error":"no such method"}\x1e' in heard
    await asyncio.sleep(3.5)
    assert bench.connection.generation == 1


async def test_a_failing_handler_is_counted_and_the_hub_lives(bench: Bench) -> None:
    async def script(peer: Peer) -> None:
        await greet(peer, QUOTE)
        while True:
            await asyncio.sleep(0.05)
            await peer.send(QUOTE)

    def fail(*_: object) -> None:
        raise ValueError("in the handler")

    bench.hub.script = script
    bench.connection._on_records = fail
    await bench.connection.start()
    await bench.until(lambda: bench.connection.counters["handler_errors"] >= 3)
    assert bench.connection.state == "up"
    assert bench.connection.generation == 1


async def test_a_hub_that_never_answers_can_be_stopped_at_once(bench: Bench) -> None:
    async def script(_: Peer) -> None:
        await asyncio.sleep(30)

    bench.hub.script = script
    await bench.connection.start()
    await bench.until(lambda: len(bench.hub.peers) == 1)
    async with asyncio.timeout(3):
        await bench.connection.stop()


def test_a_token_goes_to_a_safe_address_only() -> None:
    with pytest.raises(ConfigError):
        HubConnection("user", "ws://rtc.example.com/hubs/user", None, SystemClock(), None, None)
