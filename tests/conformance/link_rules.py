"""What every hub connection must be (specification, sections 10, 11 and 14): upgrade, framing, records, life."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

from tests.conformance.recording import END, SECOND, Call, Link, Number, Recording, parse
from tests.conformance.rest_rules import Complaint

PING_EVERY_S, CLIENT_SILENCE_S, TOLERANCE_S = 15.0, 30.0, 5.0
METHODS = {
    "user": {"Accounts": None, "Orders": Number, "Positions": Number, "Trades": Number},
    "market": {"ContractQuotes": str, "ContractTrades": str, "ContractMarketDepth": str},
}
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_RECORD = {
    "1": ({"type", "target", "arguments"}, set[str]()),
    "3": ({"type", "invocationId"}, {"result", "error"}),
    "6": ({"type"}, set[str]()),
    "7": ({"type"}, {"error", "allowReconnect"}),
}


def upgrades(recording: Recording) -> Iterator[Complaint]:
    """The answers to upgrades: 101 as it must be, 404 for an unknown id, 409 for one in use."""
    issued: set[str] = set()
    used: set[str] = set()
    ended = {link.call.query.get("id", [""])[0]: link.ended for link in recording.links}
    for call in recording.calls:
        if not call.path.startswith("/hubs/") or call.answer is None:
            continue
        if call.path.endswith("/negotiate"):
            if call.status == 200 and call.method == "POST":
                body = parse(call.answer.body)
                issued.add(body.get("connectionToken", body.get("connectionId", "")))
            continue
        where = f"GET {call.path} → {call.status}"
        (identity,) = call.query.get("id", [""])[:1]
        if call.status == 101:
            if identity and (identity not in issued or identity in used):
                yield "connection id", f"{where}: {identity} was accepted, though never issued or in use"
            used.add(identity)
            yield from _switch(call, where)
        elif (
            call.status == 404
            and identity in issued
            and (ended.get(identity) or call.request.at) >= call.request.at
        ):
            yield "connection id", f"{where}: {identity} was issued, and no connection of it has ended"


def _switch(call: Call, where: str) -> Iterator[Complaint]:
    assert call.answer is not None
    key = call.request.header("sec-websocket-key") or ""
    proof = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()
    if call.answer.header("sec-websocket-accept") != proof:
        yield "upgrade", f"{where}: the key is not accepted"
    for name in ("sec-websocket-extensions", "sec-websocket-protocol"):
        if call.answer.header(name) is not None:
            yield "upgrade", f"{where}: {name} {call.answer.header(name)}"


def framing(link: Link) -> Iterator[Complaint]:
    """Frames: text that ends in 0x1E, no mask, no pings of the server, a pong for each of the client's."""
    owed: list[str] = []
    for frame in link.frames:
        where = f"{link.hub} link, {frame.by}, {frame.opcode}"
        if frame.by == "client":
            if frame.opcode == "ping":
                owed.append(frame.data)
            continue
        if frame.masked:
            yield "mask", f"{where}: a server's frame is masked"
        if frame.opcode == "ping":
            yield "server ping", where
        elif frame.opcode == "pong":
            if not owed or owed.pop(0) != frame.data:
                yield "pong", f"{where}: {frame.data!r} answers no ping"
        elif frame.opcode == "text" and not frame.data.endswith(END):
            yield "framing", f"{where}: no 0x1E at the end of {frame.data[-60:]!r}"
        elif frame.opcode == "binary":
            yield "framing", f"{where}: the JSON protocol is text"
    lasting = [frame for frame in link.frames if frame.opcode == "ping" and frame.by == "client"]
    if owed and (link.ended or 0) - lasting[-1].at > TOLERANCE_S * SECOND:
        yield "pong", f"{link.hub} link: {len(owed)} pings without their pong"


def records(link: Link) -> Iterator[Complaint]:
    """Handshake first, then known records of exact shape, each invocation completed once, nothing after 7."""
    rows = list(link.records("server"))
    where = f"{link.hub} link"
    if rows and (rows[0][1] != {} or not link.handshake):
        if list(rows[0][1]) != ["error"]:
            yield "handshake", f"{where}: expected {{}} after the client's record, got {rows[0][1]}"
        elif len(rows) > 1:
            yield "handshake", f"{where}: records after a refused handshake"
        return
    if rows and rows[0][0] < next(at for at, _ in link.records("client")):
        yield "handshake", f"{where}: the answer came before the question"
    closed = False
    for _, record in rows[1:]:
        kind = record.get("type")
        if closed:
            yield "close", f"{where}: {record} after the close record"
        if not isinstance(kind, Number) or kind not in _RECORD:
            yield "record", f"{where}: {record}"
            continue
        needed, free = _RECORD[kind]
        if not needed <= record.keys() <= needed | free:
            yield "record", f"{where}: type {kind} with {sorted(record)}"
        if kind == "7":
            closed = True
            if not isinstance(record.get("error", ""), str) or record.get("allowReconnect", True) not in (
                True,
                False,
            ):
                yield "close", f"{where}: {record}"
    yield from _completions(link, where)


def _completions(link: Link, where: str) -> Iterator[Complaint]:
    asked = {
        record["invocationId"]: (at, record)
        for at, record in link.typed("client", 1)
        if "invocationId" in record
    }
    done: set[str] = set()
    for at, record in link.typed("server", 3):
        identity = record.get("invocationId")
        if identity not in asked or identity in done or asked[identity][0] > at:
            yield "completion", f"{where}: {record} answers no open invocation"
            continue
        done.add(identity)
        yield from _outcome(link.hub, asked[identity][1], record, where)
    end = link.ended or link.frames[-1].at
    for identity in asked.keys() - done:
        if end - asked[identity][0] > TOLERANCE_S * SECOND:
            yield "completion", f"{where}: invocation {identity} of {asked[identity][1]['target']} is open"


def _outcome(hub: str, call: dict[str, Any], record: dict[str, Any], where: str) -> Iterator[Complaint]:
    name = call["target"]
    lower = name.lower()
    verb = next((verb for verb in ("unsubscribe", "subscribe") if lower.startswith(verb)), "")
    kinds = {kind.lower(): wanted for kind, wanted in METHODS[hub].items()}
    known = bool(verb) and lower.removeprefix(verb) in kinds
    wanted = kinds.get(lower.removeprefix(verb))
    arguments = call["arguments"]
    fits = known and (arguments == [] if wanted is None else [type(each) for each in arguments] == [wanted])
    text = f"Failed to invoke '{name}' due to an error on the server."
    expected = text if known else f"{text} HubException: Method does not exist."
    if fits and ("error" in record or record.get("result") != "0"):
        yield "completion", f"{where}: {name} gave {record}"
    elif not fits and record.get("error") != expected:
        yield "completion", f"{where}: {name}{arguments} expected the error {expected!r}, got {record}"
    if "error" in record and "result" in record:
        yield "completion", f"{where}: {record} has a result and an error"


def life(link: Link) -> Iterator[Complaint]:
    """A record at least every 15 s, and the end of a client that is silent for 30 s."""
    said = [frame.at for frame in link.frames if frame.by == "server" and frame.opcode == "text"]
    heard = [frame.at for frame in link.frames if frame.by == "client" and frame.opcode == "text"]
    if not said or link.ended is None:
        return
    for name, stamps, bound in (
        ("keep-alive", said, PING_EVERY_S),
        ("silent client", heard, CLIENT_SILENCE_S),
    ):
        ends = [*stamps[1:], link.ended]
        longest = max(end - begin for begin, end in zip(stamps, ends, strict=True)) / SECOND
        if longest > bound + TOLERANCE_S:
            yield name, f"{link.hub} link: {longest:.1f} s without a record"
