"""A market that does exactly what a test says, and a bench with a venue on a clock moved by hand."""

from __future__ import annotations

import json
from typing import Any

from bot.clock import VirtualClock
from bot.model.contract import Contract
from bot.model.instruments import contract_of
from bot.model.market import MinuteBar
from bot.model.times import MILLISECOND, SECOND, parse_ts
from bot.paper.config import PaperConfig, PaperOptions
from bot.paper.hub_session import HubSession
from bot.paper.market.feed import DepthLevel, MarketEvent, Print, QuoteTick
from bot.paper.reply import Reply
from bot.paper.venue import PaperVenue

START = parse_ts("2025-10-01T14:30:00Z")
MNQ, MES = "CON.F.US.MNQ.Z25", "CON.F.US.MES.Z25"
ACCOUNT = 1001


class ScriptedMarket:
    """Events are put in by the test; the first touch is 20000.00 / 20000.25 (MNQ), 5000.00 / 5000.25."""

    def __init__(self, start: int = START, roots: tuple[str, ...] = ("MNQ", "MES")) -> None:
        from bot.calendar.sessions import SessionCalendar

        day = SessionCalendar.shipped().risk_day(start)
        listed = [contract_of(root, day, start) for root in roots]
        self.contracts: dict[str, Contract] = {row.id: row for row in listed}
        self.bars: list[MinuteBar] = []
        self.pushes: list[tuple[Any, ...]] = []
        self._events: list[MarketEvent] = []
        first = {
            "MNQ": 80_000,
            "MES": 20_000,
            "MCL": 7_000,
            "ES": 20_000,
            "ZC": 1_700,
            "LE": 9_000,
            "CL": 7_050,
        }
        self._top = {
            row.id: QuoteTick(row.id, start, first[row.root], 5, first[row.root] + 1, 5) for row in listed
        }
        self._last: dict[str, int | None] = {row.id: first[row.root] for row in listed}

    def add(self, *events: MarketEvent) -> None:
        self._events.extend(events)
        self._events.sort(key=lambda event: event.ts)

    def advance(self, now: int) -> list[MarketEvent]:
        due = [event for event in self._events if event.ts <= now]
        self._events = self._events[len(due) :]
        for event in due:
            if isinstance(event, QuoteTick):
                self._top[event.contract_id] = event
            elif isinstance(event, Print):
                self._last[event.contract_id] = event.price
        return due

    def next_ts(self) -> int | None:
        return self._events[0].ts if self._events else None

    def history(self, contract_id: str, start: int, end: int) -> list[MinuteBar]:
        return [bar for bar in self.bars if start <= bar.start < end]

    def hours(self, contract_id: str, start: int, end: int) -> list[MinuteBar]:
        return []

    def push(self, contract_id: str, target: int, seconds: float) -> None:
        self.pushes.append((contract_id, target, seconds))

    def top(self, contract_id: str) -> QuoteTick:
        return self._top[contract_id]

    def last(self, contract_id: str) -> int | None:
        return self._last[contract_id]

    def depth(self, contract_id: str) -> list[DepthLevel]:
        top = self._top[contract_id]
        return [
            DepthLevel(contract_id, top.ts, 2, top.bid, top.bid_size),
            DepthLevel(contract_id, top.ts, 1, top.ask, top.ask_size),
        ]


class Bench:
    """A venue, a logged-in user and short words for what tests do."""

    def __init__(
        self, options: PaperOptions | None = None, start: int = START, profile: str = "realistic",
        roots: tuple[str, ...] = ("MNQ", "MES"), market: Any = None, past: list[bytes] | None = None,
        login: bool = True, **config: Any,
    ) -> None:  # fmt: skip
        self.clock = VirtualClock(start)
        self.market = market or ScriptedMarket(start, roots)
        self.config = PaperConfig(
            start_ns=start, options=options or PaperOptions(), profile=profile, **config
        )
        self.venue = PaperVenue(self.config, self.clock, self.market, past=past)
        self.token = ""
        if login:
            self.token = self.call("Auth/loginKey", userName="Paper", apiKey="paper-key")["token"]

    def send(self, path: str, body: bytes, method: str = "POST", token: str | None = None) -> Reply:
        headers = {"Content-Type": "application/json"}
        if token is None:
            token = self.token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self.venue.handle(method, path, headers, body)

    def call(self, path: str, **body: Any) -> dict[str, Any]:
        reply = self.send(f"/api/{path}", json.dumps(body).encode())
        assert reply.status == 200, (reply.status, reply.body)
        return json.loads(reply.body)

    def place(self, **body: Any) -> dict[str, Any]:
        return self.call(
            "Order/place",
            **{"accountId": ACCOUNT, "contractId": MNQ, "type": 2, "side": 0, "size": 1, **body},
        )

    def pass_(self, ms: float) -> None:
        """Let venue time pass."""
        self.clock._elapsed += int(ms * MILLISECOND)
        self.venue.advance(self.clock.now())

    def quote(self, bid: int, contract: str = MNQ, ms: float = 1) -> None:
        """A new touch of one tick's spread, and time for it to count."""
        at = self.clock.now() + int(ms * MILLISECOND)
        self.market.add(QuoteTick(contract, at, bid, 5, bid + 1, 5))
        self.pass_(ms)

    def trade(self, price: int, contract: str = MNQ, ms: float = 1, size: int = 1) -> None:
        """A touch around `price` and a print at it."""
        at = self.clock.now() + int(ms * MILLISECOND)
        self.market.add(QuoteTick(contract, at, price, 5, price + 1, 5), Print(contract, at, price, size, 1))
        self.pass_(ms)

    def orders(
        self, statuses: tuple[int, ...] = (1, 6, 7, 8), account: int = ACCOUNT
    ) -> list[dict[str, Any]]:
        return self.call("Order/v2/query", filter={"accountId": account, "statuses": list(statuses)})[
            "orders"
        ]

    def order(self, order_id: int, account: int = ACCOUNT) -> dict[str, Any]:
        return self.call("Order/searchById", accountId=account, orderId=order_id)["order"]

    def position(self, account: int = ACCOUNT, contract: str = MNQ) -> dict[str, Any] | None:
        rows = self.call("Position/searchOpen", accountId=account)["positions"]
        return next((row for row in rows if row["contractId"] == contract), None)

    def balance(self, account: int = ACCOUNT) -> float:
        rows = self.call("Account/search", onlyActiveAccounts=False)["accounts"]
        return next(row["balance"] for row in rows if row["id"] == account)

    def listen(self, hub: str, *subscriptions: tuple[str, list[Any]]) -> Listener:
        return Listener(self, hub, subscriptions)


class Listener:
    """A hub client without a socket: the events it got, and whether it was closed."""

    def __init__(self, bench: Bench, hub: str, subscriptions: tuple[tuple[str, list[Any]], ...] = ()) -> None:
        self.raw: list[bytes] = []
        self.closed = False
        self.session: HubSession = bench.venue.hub(hub).connect(bench.token, self.raw.append, self._close)
        self.say({"protocol": "json", "version": 1})
        for method, arguments in subscriptions:
            self.say({"type": 1, "target": method, "arguments": arguments})

    def say(self, record: dict[str, Any]) -> None:
        self.session.receive(json.dumps(record).encode() + b"\x1e")

    def records(self) -> list[dict[str, Any]]:
        text = b"".join(self.raw)
        assert not text or text.endswith(b"\x1e")
        return [json.loads(record) for record in text.split(b"\x1e")[:-1]]

    def events(self, target: str | None = None) -> list[dict[str, Any]]:
        return [r for r in self.records() if r.get("type") == 1 and target in (None, r["target"])]

    def data(self, target: str) -> list[dict[str, Any]]:
        """The `data` members of the user events of one target."""
        return [event["arguments"][0]["data"] for event in self.events(target)]

    def short(self) -> list[tuple[Any, ...]]:
        """Event kinds with the status of orders."""
        found = []
        for event in self.events():
            kind = event["target"].removeprefix("GatewayUser").lower()
            data = event["arguments"][0]["data"]
            found.append((kind, data["status"]) if kind == "order" else (kind,))
        return found

    def clear(self) -> None:
        self.raw.clear()

    def _close(self) -> None:
        self.closed = True


def seconds(count: float) -> int:
    """Seconds as ns."""
    return int(count * SECOND)
