"""The venue without a socket: requests, hub records and time come in, answers and records go out.

`advance` brings market events and the venue's own timers in one order of venue time, so the outcome
does not depend on how often it is called.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import date, time
from typing import Any

import msgspec

from bot.calendar.sessions import GROUPS, SessionCalendar
from bot.clock import Clock
from bot.model.contract import Contract
from bot.model.errors import BadField
from bot.paper import accounts, acts, holidays, market_feed, spoiling, user_feed
from bot.paper.bars import Bars
from bot.paper.catalogue import Catalogue
from bot.paper.config import PaperConfig
from bot.paper.faults import Fault, Strike
from bot.paper.hub import HubCore, HubName
from bot.paper.interruptions import How
from bot.paper.judge import Judge
from bot.paper.ledger import Ledger
from bot.paper.market.feed import Market, MarketEvent, Print, QuoteTick
from bot.paper.market.rolling import RollingMarket
from bot.paper.market_feed import MarketFeed
from bot.paper.matching import Matching
from bot.paper.options import changed
from bot.paper.reply import Reply
from bot.paper.rest import Rest
from bot.paper.roll import Roll
from bot.paper.rows import PENDING, AccountRow, OrderRow, PositionRow, RequestRow, TradeRow
from bot.paper.script.errors import Source
from bot.paper.script.play import Handler, Play
from bot.paper.script.stage import Stage
from bot.paper.script.steps import Script
from bot.paper.sessions import Sessions
from bot.paper.state import State
from bot.paper.stops import TradingStops
from bot.paper.strikes import Strikes
from bot.paper.tokens import Tokens
from bot.paper.user_feed import UserFeed

_SHAPES = {
    "account": AccountRow,
    "order": OrderRow,
    "position": PositionRow,
    "trade": TradeRow,
    "request": RequestRow,
}


class PaperVenue:
    """One venue. With `past`, the lines of an earlier run's ledger, it goes on where that one ended."""

    def __init__(
        self,
        config: PaperConfig,
        clock: Clock,
        market: Market,
        *,
        calendar: SessionCalendar | None = None,
        past: list[bytes] | None = None,
    ) -> None:
        self.config, self._clock = config, clock
        market = self._market = RollingMarket(market)
        calendar = calendar or SessionCalendar.shipped()
        self.ledger, self.judge, self.strikes = Ledger(), Judge(), Strikes()
        self.stage = Stage(self, clock)
        self.state = State(config, calendar, Catalogue(market, calendar), self.ledger)
        self.faults = self.state.faults
        self.tokens = Tokens(config.seed, config.options.token_life_s, self.ledger)
        self._matching = Matching(self.state)
        self._bars = Bars(self.state, market)
        self._rest = Rest(self.state, self._matching, self.tokens, self._bars)
        self._hubs: dict[str, HubCore] = {
            "user": HubCore("user", self.state, self.tokens, clock, self.judge, user_feed.METHODS),
            "market": HubCore("market", self.state, self.tokens, clock, self.judge, market_feed.METHODS),
        }
        for hub in self._hubs.values():
            hub.noticed = lambda what, name=hub.name: self.stage.connected(name, what)  # type: ignore[misc]
        self._user_feed = UserFeed(self.state, self._hubs["user"])
        self._market_feed = MarketFeed(self.state, self._hubs["market"], market, self._bars)
        self._roll = Roll(self.state, market, self._bars, self._matching, self._look)
        self._stops = TradingStops(self.state, market, self._matching, self.reset_depth)
        self._sessions = Sessions(self.state, self._matching, self._end_connections)
        self._events: deque[MarketEvent] = deque()
        self._advancing = self._shortened = False
        self.stepwise = False
        self.ledger.readers += [self.judge.read, self.strikes.read]
        self.faults.told = lambda fault: self.ledger.write(self.state.now, "fault", fault)
        self.faults.struck = self._struck
        self.faults.disarmed = lambda: self.ledger.write(self.state.now, "disarmed", None)
        self.faults.act = acts.Acts(self).do
        self.faults.rate, self.faults.contract_of = clock.rate, self.contract_named
        for contract_id in market.contracts:
            self._look(contract_id)
        if past:
            self._resume(past)
        else:
            self._open_accounts()
        self.state.emit = self._user_feed.emit
        self._sessions.schedule()
        self._roll.schedule()

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answer one REST request at the clock's venue time."""
        now = self._clock.now()
        self.advance(now)
        if self.stage.plays:
            self.stage.requested(self._rest.endpoint_of(path), spoiling.whose(body)[0])
            self.advance(now)
        reply = self._rest.serve(method, path, headers, body, self.state.now)
        self.advance(now)
        return reply

    def hub(self, name: HubName) -> HubCore:
        """The user or the market hub."""
        return self._hubs[name]

    def advance(self, now: int) -> None:
        """Let everything happen that is due by venue time `now`, then the hubs' keep-alive.

        What happens in it may call it again; that changes nothing.
        """
        if self._advancing:
            return
        self._advancing = True
        try:
            self._advance(now)
        finally:
            self._advancing = False

    def _advance(self, now: int) -> None:
        timers, events, market = self.state.timers, self._events, self._market
        while True:
            due = timers.due()
            if not events:
                until = now if due is None or due > now else due
                if self.stepwise:
                    until = min(until, market.next_ts() or until)
                events.extend(market.advance(until))
            if events and (due is None or events[0].ts <= due):
                self._meet(events.popleft())
            elif due is not None and due <= now:
                self._move(due)
                timers.pop()[1](due)
            elif not events:
                break
        self._market_feed.flush()
        self._move(now)
        host = self._clock.host_mono()
        for hub in self._hubs.values():
            if hub.sessions:
                hub.tick(host, self.state.now)

    def next_due(self) -> int | None:
        """The venue time at which `advance` has something to do: market, timers, keep-alive."""
        due = [t for t in (self.state.timers.due(), self._market.next_ts()) if t is not None]
        host = self._clock.host_mono()
        for hub in self._hubs.values():
            alive = hub.due()
            if alive is not None:
                due.append(self.state.now + int(max(0, alive - host) * self._clock.rate))
        return min(due, default=None)

    def inject(self, shape: Mapping[str, object]) -> Fault:
        """Arm a fault at the clock's time, or do at once what acts at once. Raises BadField."""
        now = self._clock.now()
        self.advance(now)
        fault = self.faults.add(shape)
        self.advance(now)
        return fault

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """All that have prices, by id."""
        return self._market.contracts

    def play(
        self, script: Script, source: Source | None = None, *, start: int | None = None,
        machine: Mapping[str, Handler] | None = None,
    ) -> Play:  # fmt: skip
        """Check a script wholly, then run it; its spans count from `start` (venue ns), by default from now.

        `machine` has a handler for each machine verb that can be done. Raises ScriptError; then nothing of
        it runs.
        """
        self.advance(self._clock.now())
        play = self.stage.play(script, source, start, machine or {})
        self.advance(self._clock.now())
        return play

    def push(self, contract_id: str, target: int, seconds: float) -> None:
        """Let the price walk to `target` ticks within venue seconds. Raises UnknownSymbol."""
        self.advance(self._clock.now())
        self._market.push(contract_id, target, seconds)  # type: ignore[arg-type]
        self.ledger.write(self.state.now, "push", [contract_id, target, seconds])

    def roll(self, root: str) -> tuple[str, str]:
        """Let the next month of a root become its active contract now, whatever the date; both ids.

        The old contract trades on until it expires, for those who hold it. Raises UnknownSymbol.
        """
        self.advance(self._clock.now())
        return self._roll.roll(root, self.state.now)

    def halt(self, contract_id: str, seconds: float | None = None) -> None:
        """Take a contract out of trading, for venue seconds or until `resume`. Raises UnknownSymbol."""
        self.advance(self._clock.now())
        self._stops.stop(contract_id, "halt", seconds, "refuse")

    def pause(self, contract_id: str, seconds: float | None = None, how: How = "refuse") -> None:
        """A Velocity Logic pause: no fills, and aggressive orders are refused or cancelled (`how`).

        Raises UnknownSymbol.
        """
        self.advance(self._clock.now())
        self._stops.stop(contract_id, "pause", seconds, how)

    def resume(self, contract_id: str) -> None:
        """End a halt or a pause; without one nothing happens. Raises UnknownSymbol."""
        self.advance(self._clock.now())
        self._stops.resume(contract_id)

    def band(self, contract_id: str, low: int | None, high: int | None) -> None:
        """Let a contract trade between two prices in ticks only; None = no bound. Raises BadField, UnknownSymbol."""
        self.advance(self._clock.now())
        self._stops.band(contract_id, low, high)

    def cut(self, group: str | None = None) -> None:
        """The 15:10 cut now, for one trading-hours group or all: orders cancelled, positions flattened,
        no order taken until 17:00 CT. Raises BadField."""
        if group is not None and group not in GROUPS:
            raise BadField("trading-hours group", expected=" or ".join(GROUPS), seen=group)
        now = self._clock.now()
        self.advance(now)
        for each in GROUPS if group is None else (group,):
            self._sessions.cut_now(each, self.state.now)
        self.advance(now)

    def fill(self, order: OrderRow, price: int, lots: int | None) -> None:
        """Fill a working order at `price` ticks, whole or `lots` of it."""
        self._matching.fill(order, price, self.state.now, lots)

    def void(self, trade_id: int) -> None:
        """Give back the money of a half-turn: its row is voided, the balance moves, the position stays.

        Raises BadField.
        """
        self.advance(self._clock.now())
        trade = next((row for row in self.state.trades if row.id == trade_id and not row.voided), None)
        if trade is None:
            raise BadField("trade", expected="a half-turn that is not voided yet", seen=trade_id)
        trade.voided = True
        self.state.ledger.write(self.state.now, "trade", trade)
        self.state.emit("trade", trade.account, 1, trade)
        account = self.state.accounts[trade.account]
        account.balance -= (trade.pnl or 0) - trade.fees - trade.commissions
        self.state.save_account(account, self.state.now)

    def sell_out(self, held: PositionRow) -> None:
        """Close a position by a market order of the venue's own."""
        self._matching.market(held.account, held.contract, -held.net, "limit", self.state.now)

    def lock_account(self, account: AccountRow, *, for_good: bool) -> None:
        """What a loss limit does, now."""
        self._matching.limits.lock(account, self.state.now, for_good=for_good)

    def reset_depth(self) -> None:
        """Begin the books of all subscribers anew."""
        self._market_feed.reset_depth()

    def set_options(self, values: Mapping[str, object]) -> None:
        """Let options take other values from now on. Raises BadField."""
        self.advance(self._clock.now())
        self._take_options(values)
        self._sessions.schedule()
        self.ledger.write(self.state.now, "option", dict(values))

    def shorten(self, day: date, close: time | None) -> None:
        """Let a day close early (CT), or not open at all (None). Raises BadField."""
        self.advance(self._clock.now())
        self._shorten(day, close)
        self._sessions.schedule()
        self.ledger.write(self.state.now, "holiday", [day, close])

    def contract_named(self, name: str) -> str:
        """The id of the contract that a text names by its id or its root. Raises BadField."""
        listed = self._market.contracts
        for contract in listed.values():
            active = contract.month_key == self.state.catalogue.active(contract.root, self.state.now)
            if name == contract.id or (name == contract.root and active):
                return contract.id
        for contract in listed.values():
            if name == contract.root:
                return contract.id
        if self.state.catalogue.find(name, self.state.now) is not None:
            return name
        known = ", ".join(self._market.contracts)
        raise BadField("contract_id", expected="the id or the root of one of " + known, seen=name)

    def verdict(self) -> dict[str, object]:
        """The judge's figures as of now."""
        self.advance(self._clock.now())
        verdict: dict[str, object] = msgspec.to_builtins(self.judge.verdict(self.state.now))
        return verdict | self.strikes.figures()

    def records(self) -> dict[str, object]:
        """The rows as they are now: requests from the kept lines, orders, fills, positions."""
        requests = [msgspec.json.decode(line)[2] for line in self.ledger.lines if b',"request",' in line[:32]]
        rows = {
            "requests": requests,
            "orders": list(self.state.orders.values()),
            "fills": self.state.trades,
            "positions": list(self.state.positions.values()),
            "digest": self.ledger.digest(),
        }
        plain: dict[str, object] = msgspec.to_builtins(rows)
        return plain

    def prices(self) -> list[dict[str, object]]:
        """The touch and the last print of every contract, in ticks."""
        return [
            {**msgspec.structs.asdict(touch), "last": self.state.last.get(contract_id)}
            for contract_id, touch in self.state.touch.items()
        ]

    def accounts(self) -> list[dict[str, object]]:
        """All accounts with the figures of their limits."""
        return accounts.listing(self.state, self._matching.limits)

    def change_account(self, shape: Mapping[str, object]) -> None:
        """Set members of an account or open a new one. Raises BadField."""
        self.advance(self._clock.now())
        accounts.change(self.state, shape, self.state.now)

    def _move(self, now: int) -> None:
        if now > self.state.now:
            self.state.now = self.faults.now = now

    def _meet(self, raw: MarketEvent) -> None:
        self._move(raw.ts)
        event = self.state.interruptions.confine(raw)
        if event is None or (self._shortened and not self._is_open(event)):
            return
        if isinstance(event, QuoteTick):
            self._matching.on_quote(event)
        elif isinstance(event, Print):
            self._bars.on_print(event)
            self._matching.on_print(event)
        self._market_feed.take(event)

    def _take_options(self, values: Mapping[str, object]) -> None:
        self.state.options = changed(self.state.options, values)
        self._rest.take_options(self.state.options)

    def _shorten(self, day: date, close: time | None) -> None:
        self.state.calendar = holidays.shortened(self.state.calendar, day, close)
        self._shortened = True

    def _is_open(self, event: MarketEvent) -> bool:
        return self.state.calendar.is_open(event.ts, self._market.contracts[event.contract_id].group)

    def _end_connections(self) -> None:
        for hub in self._hubs.values():
            hub.end_all()

    def _struck(self, fault: Fault, met: str) -> None:
        self.ledger.write(self.state.now, "strike", Strike(fault.id, fault.fault, met, fault.step))

    def _look(self, contract_id: str) -> None:
        self.state.touch[contract_id] = self._market.top(contract_id)
        last = self._market.last(contract_id)
        if last is not None:
            self.state.last[contract_id] = last

    def _open_accounts(self) -> None:
        day = self.state.calendar.risk_day(self.state.now).toordinal()
        for setting in self.config.accounts:
            self.state.save_account(accounts.opened(setting, day), self.state.now)

    def _resume(self, past: list[bytes]) -> None:
        """Read a ledger back: state, judge and market up to its last record, then what was under way."""
        for line in past:
            ts, kind, row = msgspec.json.decode(line)
            self.ledger.keep(line)
            self._replay_market(ts)
            self._restore(ts, kind, row)
        for setting in self.config.accounts:
            if setting.id not in self.state.accounts:
                day = self.state.calendar.risk_day(self.state.now).toordinal()
                self.state.save_account(accounts.opened(setting, day), self.state.now)
        for order in tuple(self.state.live.values()):
            if order.status == PENDING:
                self.state.timers.at(self.state.now, lambda due, id_=order.id: self._matching.work(id_, due))  # type: ignore[misc]
        self._matching.brackets.resume()
        self._stops.set_ends()

    def _replay_market(self, ts: int) -> None:
        """Bring bars, touches and last prices up to `ts`; its orders have met these events before."""
        for raw in self._market.advance(ts):
            event = self.state.interruptions.confine(raw)
            if isinstance(event, QuoteTick):
                self.state.touch[event.contract_id] = event
            elif isinstance(event, Print):
                self._bars.on_print(event)
                self.state.last[event.contract_id] = event.price
        self._move(ts)

    def _restore(self, ts: int, kind: str, row: Any) -> None:
        self.state.restore(kind, row)
        if kind == "token":
            self.tokens.restore(*row)
        elif kind == "push":
            self._market.push(*row)
        elif kind == "option":
            self._take_options(row)
        elif kind == "holiday":
            day, close = row
            self._shorten(date.fromisoformat(day), None if close is None else time.fromisoformat(close))
        elif kind in ("resume", "band"):
            self._stops.take_touch(row if kind == "resume" else row["contract"])
        elif kind in ("listed", "roll"):
            self._roll.restore(kind, row, ts)
        elif kind == "request":
            self._rest.restore(row["id"])
        elif kind in ("fault", "strike", "disarmed"):
            self.faults.restore(kind, row)
        shaped = _SHAPES.get(kind)
        read = row if shaped is None else msgspec.convert(row, shaped)
        self.judge.read(ts, kind, read)
        self.strikes.read(ts, kind, read)
