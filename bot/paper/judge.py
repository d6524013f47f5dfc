"""The judge: what really happened at the venue, whatever the bot believes.

It reads the ledger's records only; after each of them the books must balance. A position is unprotected while its size exceeds the working stops
on its other side; an order with a bracket of its own is an entry and protects nothing. A duplicate is a
second accepted order for one intent.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from bot.model.times import SECOND
from bot.paper.books import Books, Breach
from bot.paper.rows import CANCELLED, LIVE, OPEN, REJECTED, STOPS, OrderRow, PositionRow, RequestRow, TradeRow

SAME_WITHIN_NS = 2 * SECOND
UNPROTECTED_LIMIT_NS = 5 * SECOND
ASKED_FOR = ("api", "close", "partial")
LAST_REQUESTS = 12
KEPT = 1_000
"""The newest findings of each kind that are listed; the counts go on."""


class Duplicate(msgspec.Struct, frozen=True):
    """Two accepted orders where one was meant."""

    why: str
    key: str
    first: int
    second: int
    ts: int


class Unprotected(msgspec.Struct, frozen=True):
    """A time in which a position was larger than its working stops; `to_ns` None = still so."""

    contract_id: str
    account_id: int
    from_ns: int
    to_ns: int | None
    s: float


class Judge:
    """Reads records by `read`; `verdict` answers at any time."""

    def __init__(self) -> None:
        self.orders: dict[int, OrderRow] = {}
        self.positions: dict[tuple[int, str], PositionRow] = {}
        self.duplicates: list[Duplicate] = []
        self.unprotected: list[Unprotected] = []
        self.violations: list[str] = []
        self.recent: deque[RequestRow] = deque(maxlen=LAST_REQUESTS)
        self.requests = self.rate_limited = self.unknown_paths = self.refused = 0
        self.duplicate_count = self.violation_count = self.fills = self.round_turns = self.net_pnl = 0
        self.accepted = self.placed = self.tags_reused = 0
        self.longest_ns = 0
        self.connections = {"user": 0, "market": 0}
        self.connections_max = {"user": 0, "market": 0}
        self.breaches: list[Breach] = []
        self._books = Books(self._breach)
        self._intents: dict[str, int] = {}
        self._untagged: dict[tuple[object, ...], OrderRow] = {}
        self._stops: dict[tuple[int, str], dict[int, tuple[int, int]]] = {}
        self._naked_since: dict[tuple[int, str], int] = {}
        self._entries: set[int] = set()

    def read(self, ts: int, kind: str, row: Any) -> None:
        """Take in one record of the ledger."""
        self._books.read(ts, kind, row)
        if kind == "order":
            self._order(ts, copy.copy(row))
        elif kind == "position":
            self._position(ts, copy.copy(row))
        elif kind == "trade":
            self._trade(row)
        elif kind == "request":
            self._request(row)
        elif kind == "violation":
            self._violate(str(row))

    @property
    def naked_since(self) -> Mapping[tuple[int, str], int]:
        """By account and contract, since when a position is larger than its working stops."""
        return self._naked_since

    def connected(self, hub: str, change: int) -> None:
        """A hub connection came (+1) or went (-1)."""
        self.connections[hub] += change
        self.connections_max[hub] = max(self.connections_max[hub], self.connections[hub])

    def verdict(self, now: int) -> dict[str, object]:
        """The figures as of venue time `now`; times in ns, money in micro-dollars."""
        self._books.settle()
        still = [self._span(key, since, None, now) for key, since in sorted(self._naked_since.items())]
        longest = max([self.longest_ns, *(now - since for since in self._naked_since.values())])
        open_late = [span for span in still if now - span.from_ns > UNPROTECTED_LIMIT_NS]
        return {
            "duplicate_orders": self.duplicate_count,
            "duplicates": self.duplicates,
            "unprotected_longest_s": longest / SECOND,
            "unprotected": [*self.unprotected, *still],
            "orders": self.accepted,
            "placed_orders": self.placed,
            "refused_orders": self.refused,
            "fills": self.fills,
            "trades": self.round_turns,
            "net_pnl": self.net_pnl,
            "requests": self.requests,
            "rate_limited": self.rate_limited,
            "unknown_paths": self.unknown_paths,
            "tags_reused": self.tags_reused,
            "violations": [*self.violations, *(_naked_text(span) for span in open_late)],
            "breaches": list(self.breaches),
            "open_positions": sum(1 for row in self.positions.values() if row.net),
            "working_orders": sum(1 for row in self.orders.values() if row.status in LIVE),
            "hub_connections_max": dict(self.connections_max),
        }

    def _order(self, ts: int, row: OrderRow) -> None:
        known = row.id in self.orders
        self.orders[row.id] = row
        if not known:
            if row.status == REJECTED:
                self.refused += 1
            else:
                self.accepted += 1
                self.placed += row.origin in ASKED_FOR
                self._look_for_twin(ts, row)
        if row.parent is not None:
            self._entries.add(row.parent)
        key = (row.account, row.contract)
        stops = self._stops.setdefault(key, {})
        if row.status == OPEN and row.type in STOPS and row.id not in self._entries:
            stops[row.id] = (row.sign, row.size - row.filled)
        else:
            stops.pop(row.id, None)
        self._weigh(ts, key)

    def _look_for_twin(self, ts: int, row: OrderRow) -> None:
        if row.parent is not None or row.origin not in ASKED_FOR:
            return
        if row.origin == "api":
            self._forget_closes(row)
        if row.tag is not None:
            intent = row.tag.rsplit("-", 1)[-1] if row.tag.startswith("TB2-") else row.tag
            first = self._intents.setdefault(f"{row.account}:{intent}", row.id)
            if first != row.id:
                self._duplicate(Duplicate("two orders of one intent", row.tag, first, row.id, ts))
            return
        shape = (row.account, row.contract, row.origin, row.type, row.side, row.size, row.limit, row.stop)
        before = self._untagged.get(shape)
        self._untagged[shape] = row
        if len(self._untagged) > KEPT:
            del self._untagged[next(iter(self._untagged))]
        again = before is not None and row.created - before.created < SAME_WITHIN_NS
        if before is not None and again and not self._came_to_nothing(before.id):
            name = f"{row.origin} {row.contract} {row.size}"
            self._duplicate(Duplicate("the same untagged order within 2 s", name, before.id, row.id, ts))

    def _came_to_nothing(self, id_: int) -> bool:
        """The order ended without a fill, so that another one in its place doubles nothing."""
        row = self.orders[id_]
        return row.status in (CANCELLED, REJECTED) and not row.filled

    def _forget_closes(self, entry: OrderRow) -> None:
        """A close that follows a new order of the contract closes something else."""
        for shape in [key for key in self._untagged if key[:2] == (entry.account, entry.contract)]:
            if shape[2] != "api":
                del self._untagged[shape]

    def _duplicate(self, found: Duplicate) -> None:
        self.duplicate_count += 1
        _keep(self.duplicates, found)
        self._violate(f"duplicate: {found.why}, {found.key}, orders {found.first} and {found.second}")

    def _position(self, ts: int, row: PositionRow) -> None:
        key = (row.account, row.contract)
        self.positions[key] = row
        if row.net == 0:
            self.round_turns += 1
        self._weigh(ts, key)

    def _weigh(self, ts: int, key: tuple[int, str]) -> None:
        held = self.positions.get(key)
        net = held.net if held is not None else 0
        covered = sum(left for sign, left in self._stops.get(key, {}).values() if sign * net < 0)
        since = self._naked_since.get(key)
        if abs(net) > covered:
            if since is None:
                self._naked_since[key] = ts
        elif since is not None:
            del self._naked_since[key]
            if ts > since:
                span = self._span(key, since, ts, ts)
                _keep(self.unprotected, span)
                self.longest_ns = max(self.longest_ns, ts - since)
                if ts - since > UNPROTECTED_LIMIT_NS:
                    self._violate(_naked_text(span))

    @staticmethod
    def _span(key: tuple[int, str], since: int, to: int | None, now: int) -> Unprotected:
        return Unprotected(key[1], key[0], since, to, (now - since) / SECOND)

    def _trade(self, row: TradeRow) -> None:
        if row.voided:
            self.net_pnl -= (row.pnl or 0) - row.fees - row.commissions
            return
        self.fills += 1
        self.net_pnl += (row.pnl or 0) - row.fees - row.commissions
        order = self.orders.get(row.order)
        if order is not None and order.parent is not None and row.pnl is None:
            self._violate(f"bracket leg {order.id} opened a position in {row.contract}")

    def _request(self, row: RequestRow) -> None:
        self.requests += 1
        self.recent.append(row)
        if row.status == 429 and not row.fault:
            self.rate_limited += 1
        elif row.status == 404 and not row.fault:
            self.unknown_paths += 1
            self._violate(f"unknown path {row.method} {row.path}")
        elif row.path == "/api/Order/place" and row.status == 200 and row.fault == "" and row.code == 2:
            self.tags_reused += row.order is None

    def _breach(self, found: Breach) -> None:
        _keep(self.breaches, found)
        self._violate(found.text)

    def _violate(self, text: str) -> None:
        self.violation_count += 1
        _keep(self.violations, text)


def _naked_text(span: Unprotected) -> str:
    return f"unprotected: {span.contract_id} of account {span.account_id} for {span.s:.3f} s"


def _keep(findings: list[Any], found: object) -> None:
    findings.append(found)
    if len(findings) > KEPT:
        del findings[0]
