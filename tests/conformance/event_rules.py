"""What every event must be, and its order (specification, sections 12 and 13.1)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.conformance import shapes
from tests.conformance.recording import Link, Number
from tests.conformance.rest_rules import Complaint

_USER = {
    "GatewayUserAccount": ("accounts", shapes.ACCOUNT),
    "GatewayUserOrder": ("orders", shapes.ORDER),
    "GatewayUserPosition": ("positions", shapes.POSITION),
    "GatewayUserTrade": ("trades", shapes.TRADE),
}
_MARKET = {
    "GatewayQuote": ("contractquotes", shapes.QUOTE),
    "GatewayTrade": ("contracttrades", shapes.PRINT),
    "GatewayDepth": ("contractmarketdepth", shapes.DEPTH),
}
_NEXT = {"6": "125", "8": "13", "1": "12357", "7": "3"}
_FULL_QUOTE = {"lastPrice", "bestBid", "bestAsk", "change", "changePercent", "open", "high", "low", "volume"}
_CENT = Decimal("0.01")


class Events:
    """Judges the events of one link in their order."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._topics: dict[tuple[str, Any], bool] = {}
        self._first: set[tuple[str, str]] = set()
        self._status: dict[str, str] = {}
        self._changed: dict[str, str] = {}
        self._balance: dict[str, Decimal] = {}
        self._spent: dict[str, list[Decimal]] = {}
        self._unanswered: set[tuple[str, Any]] = set()
        self._again: set[tuple[str, Any]] = set()
        self._unshown: dict[str, set[str]] = {}

    def complaints(self) -> Iterator[Complaint]:
        """Client records and server records in the order in which they crossed the wire."""
        calls: dict[str, dict[str, Any]] = {}
        shaken = {"client": False, "server": False}
        for frame in self._link.frames:
            if frame.opcode != "text":
                continue
            for record in frame.records():
                if not shaken[frame.by]:
                    shaken[frame.by] = True
                elif frame.by == "client" and record.get("type") == "1":
                    calls[record.get("invocationId", "")] = record
                    self._ask(record)
                elif record.get("type") == "3":
                    self._done(calls.get(record["invocationId"]))
                elif record.get("type") == "1" and frame.by == "server":
                    yield from self._event(record)

    def _ask(self, record: dict[str, Any]) -> None:
        name = record["target"].lower()
        if name.startswith("subscribe"):
            topic = (name.removeprefix("subscribe"), *record["arguments"])
            if not self._topics.get(topic):
                self._topics[topic] = True
                self._first.add(topic)
                if "invocationId" in record:
                    self._unanswered.add(topic)
            else:
                self._again.add(topic)

    def _done(self, record: dict[str, Any] | None) -> None:
        if record is None:
            return
        name = record["target"].lower()
        topic = (name.removeprefix("un").removeprefix("subscribe"), *record["arguments"])
        if not name.startswith("un"):
            self._unanswered.discard(topic)
            self._again.discard(topic)
        elif topic in self._again:
            self._again.discard(topic)
            self._first.add(topic)
            self._unanswered.add(topic)
        else:
            self._topics[topic] = False

    def _heard(self, topic: tuple[str, Any], where: str) -> Iterator[Complaint]:
        if not self._topics.get(topic):
            yield "subscription", f"{where}: nobody subscribed to {topic}"
        elif topic in self._unanswered:
            yield "event order", f"{where}: comes before the completion of its subscription"

    def _event(self, record: dict[str, Any]) -> Iterator[Complaint]:
        target, arguments = record.get("target"), record.get("arguments")
        where = f"{self._link.hub} link, {target}"
        if not isinstance(arguments, list):
            yield "event", f"{where}: arguments {arguments!r}"
            return
        yield from (("null in an event", text) for text in shapes.nulls_in(arguments, where))
        if target == "GatewayLogout" and self._link.hub == "user" and arguments == []:
            return
        known = _USER if self._link.hub == "user" else _MARKET
        if target not in known:
            yield "event", f"{where}: the hub has no such event"
            return
        topic, model = known[target]
        if self._link.hub == "user":
            yield from self._user(target, topic, model, arguments, where)
        else:
            yield from self._market(target, topic, model, arguments, where)

    def _market(
        self, target: str, topic: str, model: dict[str, str], arguments: list[Any], where: str
    ) -> Iterator[Complaint]:
        if len(arguments) != 2 or not isinstance(arguments[0], str) or isinstance(arguments[0], Number):
            yield "event", f"{where}: expected [contractId, data], got {str(arguments)[:120]}"
            return
        contract, data = arguments
        yield from self._heard((topic, contract), where)
        rows = [data] if target == "GatewayQuote" else data
        if not isinstance(rows, list) or not rows:
            yield "event", f"{where}: expected a list with rows, got {str(data)[:120]}"
            return
        for row in rows:
            problems = list(shapes.faults_of(row, model, where, hub=True))
            yield from (("model", problem) for problem in problems)
            if problems:
                return
            symbol = row.get("symbol", row.get("symbolId", shapes.symbol_of(contract)))
            named = row.get("contract", row.get("contractId", contract))
            if symbol != shapes.symbol_of(contract) or named != contract:
                yield "contract", f"{where}: {symbol}, {named} under {contract}"
        yield from self._content(target, (topic, contract), rows, where)

    def _content(
        self, target: str, topic: tuple[str, str], rows: list[Any], where: str
    ) -> Iterator[Complaint]:
        first = topic in self._first
        self._first.discard(topic)
        if target == "GatewayQuote":
            (quote,) = rows
            if first and not quote.keys() >= _FULL_QUOTE:
                yield "first quote", f"{where}: {sorted(_FULL_QUOTE - quote.keys())} are missing"
            if {"bestBid", "bestAsk"} <= quote.keys() and Decimal(quote["bestBid"]) >= Decimal(
                quote["bestAsk"]
            ):
                yield "quote", f"{where}: bid {quote['bestBid']}, ask {quote['bestAsk']}"
        elif target == "GatewayTrade":
            yield from (
                ("print", f"{where}: {row}")
                for row in rows
                if row["type"] not in ("0", "1") or int(row["volume"]) <= 0
            )
        elif first and (rows[0]["type"], rows[0]["price"], rows[0]["volume"]) != ("6", "0", "0"):
            yield "first depth", f"{where}: expected a reset, got {rows[0]}"
        elif not all(0 <= int(row["type"]) <= 11 for row in rows):
            yield "depth", f"{where}: {rows}"

    def _user(
        self, target: str, topic: str, model: dict[str, str], arguments: list[Any], where: str
    ) -> Iterator[Complaint]:
        if (
            len(arguments) != 1
            or not isinstance(arguments[0], dict)
            or list(arguments[0]) != ["action", "data"]
        ):
            yield "event", f"{where}: expected [{{action, data}}], got {str(arguments)[:120]}"
            return
        action, row = arguments[0]["action"], arguments[0]["data"]
        problems = list(shapes.faults_of(row, model, where, hub=True))
        yield from (("model", problem) for problem in problems)
        if problems:
            return
        key = (topic,) if topic == "accounts" else (topic, row["accountId"])
        yield from self._heard(key, where)
        flat = target == "GatewayUserPosition" and row["size"] == "0"
        expected = "0" if target == "GatewayUserTrade" else "2" if flat else "1"
        if action != expected or not isinstance(action, Number):
            yield "action", f"{where}: expected {expected}, got {action!r}"
        if flat and row["type"] != "0":
            yield "position", f"{where}: a flat position of type {row['type']}"
        if target == "GatewayUserOrder":
            yield from self._order(row, where)
        elif target == "GatewayUserPosition":
            self._unshown.get(row["accountId"], set()).discard(row["contractId"])
        elif target == "GatewayUserTrade":
            yield from self._trade(row, where)
        elif target == "GatewayUserAccount":
            yield from self._account(row, where)

    def _order(self, row: dict[str, Any], where: str) -> Iterator[Complaint]:
        identity, status = row["id"], row["status"]
        before = self._status.get(identity, "")
        if before and status not in _NEXT.get(before, ""):
            yield "order sequence", f"{where}: order {identity} went from {before} to {status}"
        yield from self._first_shown(row, where) if not before else ()
        moment = shapes.moment(row["updateTimestamp"])
        if moment < max(self._changed.get(identity, ""), shapes.moment(row["creationTimestamp"])):
            yield "time order", f"{where}: order {identity} was changed at {moment}, before its last change"
        self._changed[identity] = moment
        self._status[identity] = status
        if status == "2" and (row["fillVolume"] != row["size"] or "filledPrice" not in row):
            yield "fill", f"{where}: order {identity} is filled with {row['fillVolume']} of {row['size']}"
        if status != "2" and row["fillVolume"] == row["size"]:
            yield "fill", f"{where}: order {identity} of status {status} is wholly filled"
        if status == "1" and row["type"] == "1" and "limitPrice" not in row:
            yield "price", f"{where}: a working limit order {identity} without limitPrice"
        if status == "1" and row["type"] == "4" and "stopPrice" not in row:
            yield "price", f"{where}: a working stop order {identity} without stopPrice"

    def _first_shown(self, row: dict[str, Any], where: str) -> Iterator[Complaint]:
        """A bracket comes as stop loss, entry, take profit; its legs have no price yet."""
        if row["status"] != "8":
            return
        if {"limitPrice", "stopPrice"} & row.keys():
            yield "price", f"{where}: a suspended leg {row['id']} has a price"
        target = row["type"] == "1"
        if (row.get("parentOrderId") in self._status) != target:
            yield (
                "event order",
                f"{where}: the leg {row['id']} comes {'before' if target else 'after'} its entry",
            )

    def _trade(self, row: dict[str, Any], where: str) -> Iterator[Complaint]:
        if row["side"] not in ("0", "1") or int(row["size"]) <= 0 or row["voided"]:
            yield "trade", f"{where}: {row}"
        orders = any(topic[0] == "orders" and on for topic, on in self._topics.items())
        if orders and row["orderId"] not in self._status:
            yield "order sequence", f"{where}: the order {row['orderId']} was never shown"
        change = (
            Decimal(row.get("profitAndLoss", "0"))
            - Decimal(row["fees"])
            - Decimal(row.get("commissions", "0"))
        )
        if self._topics.get(("positions", row["accountId"])):
            self._unshown.setdefault(row["accountId"], set()).add(row["contractId"])
        self._spent.setdefault(row["accountId"], []).append(change)

    def _account(self, row: dict[str, Any], where: str) -> Iterator[Complaint]:
        identity, balance = row["id"], Decimal(row["balance"])
        if hidden := self._unshown.pop(identity, set()):
            yield "event order", f"{where}: comes before the positions of {sorted(hidden)}"
        due = sum(self._spent.pop(identity, []), Decimal(0))
        watched = self._topics.get(("trades", identity), False)
        if watched and identity in self._balance and abs(self._balance[identity] + due - balance) > _CENT:
            yield (
                "balance",
                f"{where}: {self._balance[identity]} and trades of {due} do not make {balance}",
            )
        self._balance[identity] = balance
