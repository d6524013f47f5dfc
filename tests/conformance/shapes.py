"""The models of the wire (specification, sections 3.2, 8 and 12) as member tables, and their grammar.

A type word: `i32`, `i64`, `dec`, `str`, `bool`, `dt`; a trailing `?` = nullable in REST, absent in events.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.conformance.recording import Number

ACCOUNT = {
    "id": "i32", "name": "str", "balance": "dec", "canTrade": "bool", "isVisible": "bool", "simulated": "bool",
}  # fmt: skip
CONTRACT = {
    "id": "str", "name": "str", "description": "str", "tickSize": "dec", "tickValue": "dec",
    "activeContract": "bool", "symbolId": "str",
}  # fmt: skip
BAR = {"t": "dt", "o": "dec", "h": "dec", "l": "dec", "c": "dec", "v": "i64"}
ORDER = {
    "id": "i64", "accountId": "i32", "contractId": "str", "symbolId": "str", "creationTimestamp": "dt",
    "updateTimestamp": "dt", "status": "i32", "type": "i32", "side": "i32", "size": "i32", "limitPrice": "dec?",
    "stopPrice": "dec?", "fillVolume": "i32", "filledPrice": "dec?", "customTag": "str?", "trailDistance": "i32?",
    "trailPrice": "dec?", "parentOrderId": "i64?", "linkedOrderId": "i64?",
}  # fmt: skip
POSITION = {
    "id": "i32", "accountId": "i32", "contractId": "str", "contractDisplayName": "str?", "creationTimestamp": "dt",
    "type": "i32", "size": "i32", "averagePrice": "dec",
}  # fmt: skip
TRADE = {
    "id": "i64", "accountId": "i32", "contractId": "str", "creationTimestamp": "dt", "price": "dec",
    "profitAndLoss": "dec?", "fees": "dec", "commissions": "dec?", "side": "i32", "size": "i32", "voided": "bool",
    "orderId": "i64",
}  # fmt: skip
QUOTE = {
    "symbol": "str", "lastUpdated": "dt", "symbolName": "str?", "lastPrice": "dec?", "bestBid": "dec?",
    "bestAsk": "dec?", "change": "dec?", "changePercent": "dec?", "open": "dec?", "high": "dec?", "low": "dec?",
    "volume": "i64?", "timestamp": "dt?", "contract": "str?",
}  # fmt: skip
PRINT = {
    "symbolId": "str", "price": "dec", "timestamp": "dt", "type": "i32", "volume": "i64", "contractId": "str?",
}  # fmt: skip
DEPTH = {"timestamp": "dt", "type": "i32", "price": "dec", "volume": "i64", "currentVolume": "i64"}

_INTEGER = re.compile(r"0|-?[1-9]\d*")
_PLAIN = re.compile(r"(0|-?[1-9]\d*|-?(0|[1-9]\d*)\.\d*[1-9])")
_SMALL = re.compile(r"-?[1-9](\.\d*[1-9])?[eE]-\d+")
_TIME = r"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{{0,{}}}[1-9])?\+00:00"
_REST_TIME, _HUB_TIME = re.compile(_TIME.format(5)), re.compile(_TIME.format(6))
_BOUND = {"i32": 2**31, "i64": 2**63}
SMALLEST_PLAIN = Decimal("0.0001")


def faults_of(row: Any, model: dict[str, str], where: str, *, hub: bool = False) -> Iterator[str]:
    """What is wrong with one object of a model; in a hub event nulls are left out, in REST written."""
    if not isinstance(row, dict):
        yield f"{where}: expected an object, got {row!r}"
        return
    for name in row.keys() - model.keys():
        yield f"{where}.{name}: the model has no such member"
    for name, word in model.items():
        kind, optional = word.removesuffix("?"), word.endswith("?")
        if name not in row:
            if not (hub and optional):
                yield f"{where}.{name}: is missing"
        elif row[name] is None:
            if hub or not optional:
                yield f"{where}.{name}: is null"
        elif problem := value_fault(row[name], kind, hub=hub):
            yield f"{where}.{name}: {problem}"


def value_fault(value: Any, kind: str, *, hub: bool = False) -> str | None:
    """Why a value is not of its kind, None when it is."""
    if kind == "bool":
        return None if isinstance(value, bool) else f"expected true or false, got {value!r}"
    if kind in ("str", "dt"):
        if isinstance(value, Number) or not isinstance(value, str):
            return f"expected text, got {value!r}"
        if kind == "dt" and not (_HUB_TIME if hub else _REST_TIME).fullmatch(value):
            return f"expected a trimmed ISO-8601 time with +00:00, got {value}"
        return None
    if not isinstance(value, Number):
        return f"expected a number, got {value!r}"
    if kind == "dec":
        return _decimal_fault(value)
    if not _INTEGER.fullmatch(value):
        return f"expected a whole number, got {value}"
    if not -_BOUND[kind] <= int(value) < _BOUND[kind]:
        return f"expected {kind}, got {value}"
    return None


def _decimal_fault(text: str) -> str | None:
    small = 0 < abs(Decimal(text)) < SMALLEST_PLAIN
    if not (_SMALL if small else _PLAIN).fullmatch(text):
        form = "an exponent" if small else "the shortest form"
        return f"expected {form}, got {text}"
    return None


def moment(text: str) -> str:
    """A time of the wire in a form that sorts."""
    seconds, _, fraction = text.removesuffix("+00:00").partition(".")
    return f"{seconds}.{fraction:0<7}"


def nulls_in(value: Any, where: str) -> Iterator[str]:
    """Every null inside an event."""
    if value is None:
        yield f"{where}: is null"
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from nulls_in(inner, f"{where}.{name}")


def symbol_of(contract_id: str) -> str:
    """`F.US.MNQ` of `CON.F.US.MNQ.Z25`."""
    return contract_id.removeprefix("CON.").rsplit(".", 1)[0]
