"""What every HTTP answer must be (specification, sections 3, 5, 7, 8 and 14.5)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from tests.conformance import shapes
from tests.conformance.recording import Call, Message, parse

Complaint = tuple[str, str]
"""The name of the broken rule, and where and how it was broken."""

_LISTS = {
    "Account/search": ("accounts", shapes.ACCOUNT),
    "Contract/search": ("contracts", shapes.CONTRACT),
    "Contract/available": ("contracts", shapes.CONTRACT),
    "History/retrieveBars": ("bars", shapes.BAR),
    "Order/search": ("orders", shapes.ORDER),
    "Order/searchOpen": ("orders", shapes.ORDER),
    "Order/v2/query": ("orders", shapes.ORDER),
    "Position/searchOpen": ("positions", shapes.POSITION),
    "Trade/search": ("trades", shapes.TRADE),
}
_OBJECTS = {
    "Contract/searchById": ("contract", shapes.CONTRACT),
    "Order/searchById": ("order", shapes.ORDER),
}
_SCALARS = {
    "Auth/loginKey": ("token", "str"),
    "Auth/loginApp": ("token", "str"),
    "Auth/validate": ("newToken", "str"),
    "Order/place": ("orderId", "i64"),
}
_BARE = (
    "Auth/logout",
    "Order/modify",
    "Order/cancel",
    "Position/closeContract",
    "Position/partialCloseContract",
)
_ENVELOPE = ["success", "errorCode", "errorMessage"]
_LARGEST_CODE = {
    "Auth/loginKey": 10, "Auth/loginApp": 10, "Auth/validate": 4, "Auth/logout": 2, "History/retrieveBars": 4,
    "Order/place": 10, "Order/modify": 7, "Order/cancel": 6, "Position/closeContract": 8,
    "Position/partialCloseContract": 9, "Account/search": 0, "Contract/search": 0, "Contract/available": 0,
}  # fmt: skip
_STATUSES = {"Order/search": set("12345"), "Order/searchOpen": {"1"}, "Order/v2/query": set("12345678")}
_OPEN = ("Auth/loginKey", "Auth/loginApp", "Status/ping")
_BODILESS = ("Auth/validate", "Auth/logout", "Status/ping")
_PATHS = {*_LISTS, *_OBJECTS, *_SCALARS, *_BARE, "Status/ping"}
_FAILURES = (500, 502, 503, 504)


def complaints(call: Call) -> Iterator[Complaint]:
    """What is wrong with the answer to one call; calls without an answer are judged by their test."""
    if call.answer is None:
        return
    where = f"{call.method} {call.path} → {call.status}"
    yield from _origin(call, call.answer, where)
    if call.method == "OPTIONS":
        return
    if call.path.startswith("/hubs/"):
        if call.path.endswith("/negotiate") and call.status == 200:
            yield from _negotiation(call, call.answer, where)
        return
    endpoint = call.path.removeprefix("/api/")
    yield from _status(call, call.answer, endpoint, where)
    if call.status != 200 or endpoint not in _PATHS:
        return
    if endpoint == "Status/ping":
        if call.answer.body != "pong" or "text/plain" not in (call.answer.header("content-type") or ""):
            yield "ping", f"{where}: expected the bare text pong, got {call.answer.body!r}"
        return
    if "application/json" not in (call.answer.header("content-type") or ""):
        yield "content type", f"{where}: {call.answer.header('content-type')}"
    try:
        body = parse(call.answer.body)
    except ValueError as problem:
        yield "body", f"{where}: no JSON object ({problem})"
        return
    yield from _envelope(endpoint, body, where)


def _status(call: Call, answer: Message, endpoint: str, where: str) -> Iterator[Complaint]:
    method = "GET" if endpoint == "Status/ping" else "POST"
    if endpoint not in _PATHS and call.path != "/paper/clock":
        expected = {404}
    elif call.path == "/paper/clock":
        expected = {200}
    elif call.method != method:
        expected = {405}
        if answer.header("allow") is None:
            yield "allow", f"{where}: no Allow header"
    elif call.request.header("authorization") is None and endpoint not in _OPEN:
        expected = {401}
    elif endpoint not in _BODILESS and call.request.body.strip() and not _is_json(call.request):
        expected = {401, 415, 429, *_FAILURES}
    else:
        expected = {200, 400, 401, 429, *_FAILURES}
    if call.status not in expected:
        yield "status", f"{where}: expected {sorted(expected)}"
    if call.status in (401, 429) and answer.body:
        yield "empty refusal", f"{where}: expected no body, got {answer.body[:80]!r}"
    if call.status == 400:
        try:
            body = parse(answer.body)
        except ValueError:
            body = {}
        if not {"type", "title", "status"} <= body.keys() or body["status"] != "400" or "errorCode" in body:
            yield "problem", f"{where}: expected an RFC 7807 body, got {answer.body[:80]!r}"


def _is_json(request: Message) -> bool:
    """Whether the type of a request's body is one that the venue takes (3.1)."""
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    return kind in ("application/json", "text/json") or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def _envelope(endpoint: str, body: Any, where: str) -> Iterator[Complaint]:
    payload = {**_LISTS, **_OBJECTS, **_SCALARS}.get(endpoint)
    names = [payload[0]] if payload else []
    if endpoint == "Order/v2/query":
        names.append("totalCount")
    if not isinstance(body, dict) or list(body) != names + _ENVELOPE:
        got = list(body) if isinstance(body, dict) else body
        yield "envelope", f"{where}: expected the members {names + _ENVELOPE}, got {got}"
        return
    success, code, message = (body[name] for name in _ENVELOPE)
    if not isinstance(success, bool) or shapes.value_fault(code, "i32"):
        yield "envelope", f"{where}: success {success!r}, errorCode {code!r}"
        return
    if success != (code == "0") or (success and message is not None):
        yield "envelope", f"{where}: success {success}, errorCode {code}, errorMessage {message!r}"
    if int(code) > _LARGEST_CODE.get(endpoint, 1):
        yield "code", f"{where}: the endpoint has no code {code}"
    if message is not None and shapes.value_fault(message, "str"):
        yield "envelope", f"{where}: errorMessage {message!r}"
    if payload:
        yield from _payload(endpoint, body, success=success, where=where)


def _payload(endpoint: str, body: dict[str, Any], *, success: bool, where: str) -> Iterator[Complaint]:
    name, model = {**_LISTS, **_OBJECTS, **_SCALARS}[endpoint]
    value, place = body[name], f"{where} {name}"
    if not success:
        if value is not None and endpoint != "Order/place":
            yield "payload", f"{place}: expected null on a failure, got {value!r}"
        elif value is not None and (problem := shapes.value_fault(value, "i64")):
            yield "payload", f"{place}: {problem}"
        return
    total = body.get("totalCount")
    if total is not None and (problem := shapes.value_fault(total, "i32")):
        yield "payload", f"{where} totalCount: {problem}"
    if endpoint in _SCALARS:
        if problem := None if value is None and name == "newToken" else shapes.value_fault(value, model):
            yield "payload", f"{place}: {problem}"
        elif value in ("", "0"):
            yield "payload", f"{place}: {value!r} names nothing"
        return
    if endpoint in _LISTS and not isinstance(value, list):
        yield "payload", f"{place}: expected a list, got {value!r}"
        return
    rows = value if endpoint in _LISTS else [value]
    for number, row in enumerate(rows):
        problems = list(shapes.faults_of(row, model, f"{place}[{number}]"))
        yield from (("model", problem) for problem in problems)
        if problems:
            return
    yield from _rows(endpoint, rows, place)


def _rows(endpoint: str, rows: list[dict[str, Any]], place: str) -> Iterator[Complaint]:
    if endpoint == "History/retrieveBars":
        times = [row["t"] for row in rows]
        if times != sorted(times, reverse=True) or len(set(times)) != len(times):
            yield "row order", f"{place}: expected the newest bar first"
        for row in rows:
            open_, high, low, close = (Decimal(row[name]) for name in "ohlc")
            if not low <= min(open_, close) <= max(open_, close) <= high or int(row["v"]) <= 0:
                yield "bar", f"{place}: {row}"
    elif endpoint == "Trade/search":
        ids = [int(row["id"]) for row in rows]
        if ids != sorted(ids, reverse=True):
            yield "row order", f"{place}: expected the newest trade first"
    elif endpoint == "Contract/available" and (ids := [row["id"] for row in rows]) != sorted(ids):
        yield "row order", f"{place}: expected the ids sorted"
    elif endpoint == "Contract/search" and len(rows) > 20:
        yield "row count", f"{place}: expected at most 20, got {len(rows)}"
    for row in rows:
        if endpoint in _STATUSES and row["status"] not in _STATUSES[endpoint]:
            yield "order status", f"{place}: status {row['status']} of order {row['id']}"
        if "updateTimestamp" in row and shapes.moment(row["updateTimestamp"]) < shapes.moment(
            row["creationTimestamp"]
        ):
            yield "time order", f"{place}: order {row['id']} was changed before it was made"
        if "tickSize" in row and row["symbolId"] != shapes.symbol_of(row["id"]):
            yield "contract", f"{place}: {row['id']} has the symbol {row['symbolId']}"
        if "averagePrice" in row and (row["type"] not in ("1", "2") or int(row["size"]) <= 0):
            yield "position", f"{place}: type {row['type']}, size {row['size']}"


def _negotiation(call: Call, answer: Message, where: str) -> Iterator[Complaint]:
    asked = call.query.get("negotiateVersion", ["0"])[0]
    version = "1" if asked.isdecimal() and int(asked) >= 1 else "0"
    names = ["connectionId", *(["connectionToken"] if version == "1" else []), "negotiateVersion"]
    try:
        body = parse(answer.body)
    except ValueError as problem:
        yield "negotiation", f"{where}: no JSON ({problem})"
        return
    transports = [{"transport": "WebSockets", "transferFormats": ["Text"]}]
    if not isinstance(body, dict) or sorted(body) != sorted([*names, "availableTransports"]):
        yield "negotiation", f"{where}: version {version} has {names}, got {answer.body[:200]}"
    elif body["negotiateVersion"] != version or body["availableTransports"] != transports:
        yield "negotiation", f"{where}: {answer.body[:200]}"
    if "application/json" not in (answer.header("content-type") or ""):
        yield "content type", f"{where}: {answer.header('content-type')}"


def _origin(call: Call, answer: Message, where: str) -> Iterator[Complaint]:
    origin = call.request.header("origin")
    if origin is None or urlsplit(origin).hostname not in ("localhost", "127.0.0.1") or call.status == 101:
        return
    if (
        answer.header("access-control-allow-origin") != origin
        or answer.header("access-control-allow-credentials") != "true"
    ):
        yield "cross origin", f"{where}: {origin} is not named with credentials"
    if call.method == "OPTIONS":
        asked = (call.request.header("access-control-request-headers") or "").lower()
        named = (answer.header("access-control-allow-headers") or "").lower()
        missing = {name.strip() for name in asked.split(",") if name.strip()} - {
            name.strip() for name in named.split(",")
        }
        if missing or call.status not in (200, 204):
            yield "cross origin", f"{where}: the preflight does not name {sorted(missing)}"
