"""Wire errors to sow into a good transcript, each with the rule that must find it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

Rows = list[dict[str, Any]]
SECOND = 1_000_000_000

TEXT: list[tuple[str, str, str, str]] = [
    ("model", "/api/Account/search", r'"id":1001', '"id":"1001"'),
    ("model", "/api/Account/search", r'"balance":150000', '"balance":150000.0'),
    ("model", "/api/Account/search", r'"canTrade":true', '"canTrade":1'),
    ("model", "/api/Account/search", r',"simulated":true', ""),
    ("model", "/api/Contract/available", r'"tickValue":', '"tick":'),
    ("model", "/api/Contract/available", r"5E-07", "0.0000005"),
    ("contract", "/api/Contract/available", r'"symbolId":"F.US.', '"symbolId":"F.EU.'),
    ("row order", "/api/Contract/available", r'"id":"CON\.F\.US\.', '"id":"CON.Z.US.'),
    ("model", "/api/Order/search", r'"customTag":null', '"customTag":1'),
    ("model", "/api/Order/search", r',"linkedOrderId":null', ""),
    ("model", "/api/Order/search", r'(creationTimestamp":"[^"]*)\+00:00', r"\1Z"),
    ("order status", "/api/Order/search", r'"status":2', '"status":6'),
    ("model", "/api/History/retrieveBars", r'"v":(\d+)', r'"v":\1.5'),
    ("bar", "/api/History/retrieveBars", r'"h":[\d.]+', '"h":1'),
    ("row order", "/api/History/retrieveBars", r'"t":"2025-10-01T(\d\d)', r'"t":"2025-09-01T\1'),
    ("row order", "/api/Trade/search", r'\[\{"id":\d+', '[{"id":1'),
    ("envelope", "/api/Order/place", r'"success":true', '"success":"true"'),
    ("envelope", "/api/Order/place", r'"errorCode":0', '"errorCode":2'),
    ("envelope", "/api/Order/place", r'"errorMessage":null', '"errorMessage":""'),
    ("envelope", "/api/Order/place", r'\{("orderId":\d+),("success":true)', r"{\2,\1"),
    ("payload", "/api/Order/place", r'"orderId":\d+', '"orderId":0'),
    ("payload", "/api/Position/searchOpen", r'"positions":\[.*\]', '"positions":null'),
    ("body", "/api/Position/searchOpen", r"^.*$", ""),
    ("code", "/api/Order/cancel", r'"success":false,"errorCode":2', '"success":false,"errorCode":9'),
    ("ping", "/api/Status/ping", r"pong", '"pong"'),
    ("negotiation", "/hubs/user/negotiate", r'"negotiateVersion":1', '"negotiateVersion":0'),
    ("negotiation", "/hubs/user/negotiate", r'\["Text"\]', '["Binary","Text"]'),
    ("handshake", "server", r"^\{\}\x1e", '{"minorVersion":1}\x1e'),
    ("framing", "server", r"\x1e$", ""),
    ("record", "server", r'"type":1', '"type":2'),
    ("record", "server", r'\{"type":1,', '{"type":1,"invocationId":"5",'),
    ("record", "server", r'\{"type":1,', '{"type":1,"type":1,'),
    ("completion", "server", r'"invocationId":"1"', '"invocationId":"77"'),
    ("completion", "server", r'"result":0', '"result":null'),
    ("completion", "server", r"Method does not exist", "Unknown method"),
    ("null in an event", "server", r'("target":"GatewayUserOrder".*?"fillVolume":0)', r'\1,"filledPrice":null'),
    ("model", "server", r'("target":"GatewayUserTrade".*?)"orderId"', r'\1"order"'),
    ("model", "server", r'("target":"GatewayQuote".*?)"symbol":"[^"]*",', r"\1"),
    ("model", "server", r'("target":"GatewayQuote".*?"lastUpdated":"[^"]*)\+00:00', r"\1"),
    ("model", "server", r'("target":"GatewayDepth".*?)"price":([\d.]+)', r'\1"price":"\2"'),
    ("event", "server", r'"GatewayQuote"', '"gatewayquote"'),
    ("event", "server", r'\[\{"action":1,"data":(\{[^}]*\})\}\]', r"[\1]"),
    ("event", "server", r'("target":"GatewayTrade","arguments":\["[^"]*",)\[(.*?)\]', r"\1\2"),
    ("action", "server", r'("target":"GatewayUserTrade","arguments":\[\{"action":)0', r"\g<1>1"),
    ("action", "server", r'("target":"GatewayUserPosition","arguments":\[\{"action":)2', r"\g<1>1"),
    ("contract", "server", r'("target":"GatewayQuote".*?"symbol":")[^"]*', r"\1F.US.XXX"),
    ("first quote", "server", r'("target":"GatewayQuote".*?)"lastPrice":[\d.]+,', r"\1"),
    ("first depth", "server", r'("target":"GatewayDepth".*?"type":)6', r"\g<1>1"),
    ("order sequence", "server", r'("target":"GatewayUserOrder".*?"status":)2', r"\g<1>8"),
    ("fill", "server", r'("target":"GatewayUserOrder".*?"status":2.*?"fillVolume":)1', r"\g<1>0"),
    ("event order", "server", r'("target":"GatewayUserOrder".*?"status":8,"type":)4', r"\g<1>1"),
    ("price", "server", r'("target":"GatewayUserOrder".*?"status":8,.*?)"fillVolume":0', r'\1"stopPrice":1,"fillVolume":0'),
    ("time order", "server", r'("target":"GatewayUserOrder".*?"updateTimestamp":"20)25', r"\g<1>24"),
    ("time order", "/api/Order/search", r'("updateTimestamp":"20)25', r"\g<1>24"),
    ("balance", "server", r'("target":"GatewayUserTrade".*?"fees":)[\d.]+', r"\g<1>7"),
    ("subscription", "client", r'"SubscribeTrades","arguments":\[1001\]', '"SubscribeTrades","arguments":[1002]'),
    ("position", "server", r'("target":"GatewayUserPosition","arguments":\[\{"action":2.*?"type":)0', r"\g<1>1"),
    ("position", "/api/Position/searchOpen", r'"type":1', '"type":0'),
    ("trade", "server", r'"voided":false', '"voided":true'),
    ("quote", "server", r'("target":"GatewayQuote".*?"bestBid":)[\d.]+(,"bestAsk")', r"\g<1>99999\2"),
    ("print", "server", r'("target":"GatewayTrade".*?"type":)[01]', r"\g<1>2"),
    ("depth", "server", r'("target":"GatewayDepth".*?"type":6.*?"type":)\d+', r"\g<1>12"),
    ("row count", "/api/Contract/search", r'"contracts":\[(\{.*?\})', '"contracts":[' + ",".join([r"\1"] * 21)),
    ("close", "server", r'("type":7.*?"allowReconnect":)true', r'\1"yes"'),
]  # fmt: skip


def sown(rows: Rows, place: str, old: str, new: str) -> Rows:
    """A copy with `old` replaced once, in the first text at `place` that has it: an endpoint, or a side."""
    copy = json.loads(json.dumps(rows))
    for row, member in texts(copy, place):
        if re.search(old, row[member], re.DOTALL):
            row[member] = re.sub(old, new, row[member], count=1, flags=re.DOTALL)
            return copy
    raise LookupError(f"{place}: nothing like {old}")


def texts(rows: Rows, place: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The rows of a place with the member that holds their text."""
    asked: dict[int, str] = {}
    for row in rows:
        if row["kind"] == "request":
            asked[row["connection"]] = row["path"].split("?")[0]
        elif row["kind"] == "answer" and asked.get(row["connection"]) == place:
            yield row, "body"
        elif row["kind"] == "frame" and row["by"] == place and row["opcode"] == "text":
            yield row, "data"


def answer(rows: Rows, path: str) -> dict[str, Any]:
    """The first answer of a path."""
    return next(row for row, member in texts(rows, path) if member == "body")


def frames(rows: Rows, by: str, opcode: str) -> Rows:
    """The frames of one side and kind."""
    return [row for row in rows if row["kind"] == "frame" and (row["by"], row["opcode"]) == (by, opcode)]


def without_header(path: str, name: str) -> Callable[[Rows], None]:
    """Takes a header from the first answer of a path."""

    def change(rows: Rows) -> None:
        headers = answer(rows, path)["headers"]
        headers[:] = [pair for pair in headers if pair[0].lower() != name]

    return change


def with_header(path: str, name: str, value: str) -> Callable[[Rows], None]:
    """Adds a header to the first answer of a path."""
    return lambda rows: answer(rows, path)["headers"].append([name, value])


def with_status(path: str, status: int) -> Callable[[Rows], None]:
    """Another status of the first answer of a path."""
    return lambda rows: answer(rows, path).update(status=status)


def without_pong(rows: Rows) -> None:
    """The client's ping stays unanswered."""
    rows.remove(frames(rows, "server", "pong")[0])
    silent(rows)


def with_server_ping(rows: Rows) -> None:
    """The server sends what it must not."""
    pong = frames(rows, "server", "pong")[0]
    rows.insert(rows.index(pong), {**pong, "opcode": "ping"})


def masked(rows: Rows) -> None:
    """A server's frame with a mask."""
    frames(rows, "server", "text")[0]["masked"] = True


def silent(rows: Rows) -> None:
    """Twenty-five seconds pass before the end of a connection."""
    for row in rows:
        if row["kind"] == "end":
            row["at"] += 25 * SECOND


def much_later(rows: Rows) -> None:
    """A minute passes before the end of a connection."""
    for row in rows:
        if row["kind"] == "end":
            row["at"] += 60 * SECOND


def unreadable(rows: Rows) -> None:
    """Bytes that the tap could not read."""
    rows.append(
        {"at": rows[-1]["at"], "connection": 1, "kind": "unreadable", "by": "server", "why": "no status"}
    )


def lost_completion(rows: Rows) -> None:
    """An invocation that is never completed."""
    rows.remove(next(row for row in frames(rows, "server", "text") if row["data"].startswith('{"type":3')))
    silent(rows)


def early_handshake(rows: Rows) -> None:
    """The server's first record comes before the client's."""
    mine, theirs = frames(rows, "client", "text")[0], frames(rows, "server", "text")[0]
    theirs["at"] = mine["at"] - 1


def after_close(rows: Rows) -> None:
    """A ping after the close record."""
    last = next(row for row in frames(rows, "server", "text") if '"type":7' in row["data"])
    last["data"] += '{"type":6}\x1e'


def unissued(rows: Rows) -> None:
    """An upgrade with an id that nobody negotiated."""
    row = next(row for row in rows if row["kind"] == "request" and "?id=" in row["path"])
    row["path"] = row["path"].replace("?id=", "?id=x")


def position_after_account(rows: Rows) -> None:
    """The position's event is lost, so the account comes before it."""
    for row in frames(rows, "server", "text"):
        row["data"] = re.sub(r'\{"type":1,"target":"GatewayUserPosition".*?\x1e', "", row["data"])


STRUCTURE: list[tuple[str, Callable[[Rows], None]]] = [
    ("content type", without_header("/api/Account/search", "content-type")),
    ("cross origin", without_header("/api/Contract/search", "access-control-allow-credentials")),
    ("upgrade", with_header("/hubs/market", "Sec-WebSocket-Extensions", "permessage-deflate")),
    ("upgrade", without_header("/hubs/market", "sec-websocket-accept")),
    ("status", with_status("/api/Order/searchById", 204)),
    ("status", with_status("/api/Order/searchById", 415)),
    ("status", with_status("/api/Order/searchOpen", 200)),
    ("status", with_status("/api/Order/searchOpen", 400)),
    ("allow", without_header("/api/Order/modify", "allow")),
    ("problem", lambda rows: answer(rows, "/api/Order/v2/query").update(body="{}")),
    ("empty refusal", lambda rows: answer(rows, "/api/Auth/validate").update(body="no")),
    ("server ping", with_server_ping),
    ("pong", without_pong),
    ("mask", masked),
    ("event order", position_after_account),
    ("keep-alive", silent),
    ("silent client", much_later),
    ("bytes", unreadable),
    ("transcript", list.clear),
    ("completion", lost_completion),
    ("handshake", early_handshake),
    ("close", after_close),
    ("connection id", unissued),
]
