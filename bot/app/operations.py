"""What the API and one-shot commands ask of a running application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from bot import __version__
from bot.accelerated import registry
from bot.app.views import (
    account_view,
    depth_view,
    order_view,
    position_view,
    quote_view,
    stamp,
    trade_view,
)
from bot.gateway.hubs import DEAD_S, HubConnection
from bot.migration.stages import EFFECTS, Flag
from bot.model.errors import AccountError, BadField
from bot.model.quantities import exact_money
from bot.model.risk import TradingState
from bot.model.times import SECOND
from bot.servers.api import Operations
from bot.trading.desk import Desk
from bot.trading.ledger import LedgerFill, UnknownOpening, match, tick_values

if TYPE_CHECKING:
    from bot.app.application import Application


DEPTH_LEVELS = 5


class BotOperations(Operations):
    """Answers from the application's own picture; nothing here asks the venue except flatten."""

    def __init__(self, app: Application) -> None:
        self._app = app

    def health(self) -> dict[str, Any]:
        app = self._app
        reasons = self._reasons() if app.ready else ["starting"]
        state = app.desk.halts.effective(app.account.id)[0] if app.ready else "ACTIVE"
        status = (
            "starting"
            if not app.ready
            else "halted"
            if state == "HALTED"
            else "degraded"
            if reasons
            else "ok"
        )
        return {"status": status, "reasons": reasons, "uptime_s": self._uptime_s()}

    def status(self) -> dict[str, Any]:
        app = self._app
        now, picture = app.venue.clock.now(), app.desk.picture
        account = picture.accounts.get(app.account.id)
        state, reason = app.desk.halts.effective(app.account.id)
        figures = app.rules.figures
        return {
            "service": "topstepx-trading-bot", "version": __version__, "uptime_s": self._uptime_s(),
            "venue_time": stamp(now), "paper": app.venue.addresses.paper, "health": self.health(),
            "account": account_view(account.account, account.as_of) if account else None,
            "state": {"state": state, "reason": reason},
            "reconciliation": {"colour": account.colour, "reason": account.reason} if account else None,
            "rules": {
                "status": figures.status, "program": figures.program,
                "day_pnl": None if figures.day_pnl is None else exact_money(figures.day_pnl),
                "floor": None if figures.floor is None else exact_money(figures.floor),
            },
            "hubs": {
                name: {"state": hub.state, "generation": hub.generation, **hub.counters}
                for name, hub in app.hubs.items()
            },
            "budgets": app.venue.budget.view(), "loop_lag": app.lag.view(), "start_ms": dict(app.steps),
            "quotes": self._quotes(), "depth": self._depth(),
            "records": app.pipeline.records, "events": dict(app.pipeline.events),
            "bars": dict(app.pipeline.closed_bars), "frame": app.pipeline.frame_ns.summary(),
            "positions": self.positions(None)["items"], "orders": self.orders(None, everything=False)["items"],
            "fills": self._fills(), "trades": self._trades(), "unprotected_longest_s": app.desk.watchdog.longest_unprotected_ns / SECOND,
            "unknown_intents": len(app.desk.log.unsettled()),
            "strategies": app.engine.status(now),
            "notices": [msgspec.to_builtins(notice) for notice in list(app.desk.notices)[-20:]],
            "database": {**app.storage.outbox.status(), "schema": app.storage.schema, "pid": app.storage.pid},
            "implementations": {
                component: {"authority": app.migration.register.unit(component).authority,
                            "available": registry.available(component)}
                for component in EFFECTS
            },
            "shadow": app.migration.counters(),
        }  # fmt: skip

    def accounts(self) -> list[dict[str, Any]]:
        return [account_view(state.account, state.as_of) for state in self._app.desk.picture.accounts.all()]

    def positions(self, account_id: int | None) -> dict[str, Any]:
        app, now = self._app, self._app.venue.clock.now()
        id_ = self._account(account_id)
        rows = [position_view(app.desk, position, now) for position in app.desk.picture.positions.open(id_)]
        return {"items": rows, "as_of": stamp(now), "reconciled": self._reconciled(id_)}

    def orders(self, account_id: int | None, *, everything: bool) -> dict[str, Any]:
        app, id_ = self._app, self._account(account_id)
        book = app.desk.picture.orders
        found = (
            [order for order in book.all() if order.account_id == id_] if everything else book.working(id_)
        )
        rows = [order_view(order, app.desk.picture.contracts.get(order.contract_id)) for order in found]
        return {"items": rows, "complete": self._reconciled(id_), "as_of": stamp(app.venue.clock.now())}

    def flags(self) -> dict[str, Any]:
        flags = self._app.migration.flags
        return {
            "components": {name: msgspec.to_builtins(flags.current.flag(name)) for name in EFFECTS},
            "epoch": flags.current.epoch, "alarm": flags.alarm,
        }  # fmt: skip

    def set_flag(self, component: str, change: Mapping[str, Any]) -> dict[str, Any]:
        try:
            flag = msgspec.convert(dict(change.get("flag", {})), Flag)
        except (msgspec.ValidationError, TypeError, ValueError) as problem:
            raise BadField("flag", expected="{stage, candidates, slice}", seen=str(problem)) from problem
        row = self._app.migration.flags.set(
            component, flag, who=str(change.get("who", "api")), reason=str(change.get("reason", "")),
            override=change.get("override") is True, builds={"rust": str(registry.core_build().info.get("source_hash", "absent"))},
        )  # fmt: skip
        self._app.migration.register.poll()
        built: dict[str, Any] = msgspec.to_builtins(row)
        return built

    async def flatten(
        self, account_id: int | None, symbol: str | None, *, halt: bool, allow_live: bool = False
    ) -> dict[str, Any]:
        app, id_ = self._app, self._account(account_id)
        contract_id = app.venue.contracts.resolve(symbol).id if symbol else None
        if halt:
            await app.desk.set_state("HALTED", "flatten --halt", "operator", id_)
        result: dict[str, Any] = msgspec.to_builtins(
            await app.desk.flatten(id_, contract_id, allow_live=allow_live)
        )
        return result

    async def set_trading_state(self, state: str, reason: str, scope: str) -> dict[str, Any]:
        wanted: TradingState | None = next(
            (known for known in get_args(TradingState) if known == state), None
        )
        if wanted is None:
            raise BadField("state", expected="ACTIVE, REDUCING or HALTED", seen=state)
        if not reason:
            raise BadField("reason", expected="why, in a few words", seen="")
        app = self._app
        await app.desk.set_state(
            wanted, reason, "operator", None if scope == "global" else self._account(None)
        )
        now_state, now_reason = app.desk.halts.effective(app.account.id)
        return {"state": now_state, "reason": now_reason}

    def _account(self, account_id: int | None) -> int:
        own = self._app.account.id
        if account_id not in (None, own):
            raise AccountError(
                f"account {account_id}", expected=f"account {own}, which this bot trades", seen=account_id,
                do="stop this bot and start one for that account",
            )  # fmt: skip
        return own

    def _reconciled(self, account_id: int) -> bool:
        state = self._app.desk.picture.accounts.get(account_id)
        return state is not None and state.colour == "green"

    def _uptime_s(self) -> float:
        app = self._app
        return round((app.venue.clock.now() - app.started_at) / SECOND / app.venue.clock.rate, 1)

    def _reasons(self) -> list[str]:
        app = self._app
        reasons = [reason for name, hub in app.hubs.items() if (reason := hub_reason(name, hub))]
        if quotes := app.feed_watch.reason():
            reasons.append(quotes)
        reasons += app.freshness.old.values()
        if not self._reconciled(app.account.id):
            reasons.append("not reconciled")
        if (rules := app.rules.figures.status) != "OK":
            reasons.append(f"the account's rules say {rules}: no entries")
        if app.pipeline.failures:
            reasons.append(f"{app.pipeline.failures} hub records could not be handled; see the log")
        if not app.storage.outbox.available:
            reasons.append("the database does not answer; writes wait")
        if alarm := app.migration.register.alarm or app.migration.failure:
            reasons.append(alarm)
        return reasons

    def _quotes(self) -> list[dict[str, Any]]:
        app, now, picture = self._app, self._app.venue.clock.now(), self._app.desk.picture
        most = int(app.settings.orders.max_quote_age * 1000)
        return [
            quote_view(contract, picture.quotes.get(contract.id), now, max_age_ms=most, up=picture.feed_up)
            for contract in app.contracts
        ]

    def _depth(self) -> list[dict[str, Any]]:
        app, now = self._app, self._app.venue.clock.now()
        return [
            depth_view(
                contract, app.pipeline.depth.of(contract.id, DEPTH_LEVELS),
                app.desk.picture.quotes.get(contract.id), now,
            )
            for contract in app.contracts
        ]  # fmt: skip

    def _trades(self) -> list[dict[str, Any]]:
        desk = self._app.desk
        values = {id_: contract.tick_value for id_, contract in desk.picture.contracts.items()}
        fills = [
            LedgerFill.of(fill, order_strategy(desk, fill.order_id)) for fill in desk.picture.fills.all()
            if fill.account_id == self._app.account.id
        ]  # fmt: skip
        try:
            books = match(fills, tick_values(values))
        except UnknownOpening as problem:
            return [{"error": str(problem)}]
        return [trade_view(trade, desk.picture.contracts.get(trade.contract_id)) for trade in books.trades]

    def _fills(self) -> list[dict[str, Any]]:
        contracts = self._app.desk.picture.contracts
        return [
            {
                "id": str(fill.id), "order_id": str(fill.order_id), "symbol": contracts[fill.contract_id].root,
                "side": "buy" if fill.side == 0 else "sell", "quantity": fill.size,
                "price": contracts[fill.contract_id].tick.format(fill.price), "at": stamp(fill.ts),
                "pnl": None if fill.pnl is None else exact_money(fill.pnl),
                "costs": exact_money(fill.fees + fill.commissions),
            }
            for fill in self._app.desk.picture.fills.all()[-50:]
            if fill.contract_id in contracts
        ]  # fmt: skip


def hub_reason(name: str, hub: HubConnection) -> str | None:
    """What is wrong with a hub, by the age of its newest record; None when nothing is."""
    silence = hub.silence_ms()
    if silence is not None and silence > DEAD_S * 1000:
        return f"no record of the {name} hub for {silence // 1000} s"
    if hub.state != "up" or silence is None:
        return f"{name} hub is {hub.state if hub.state != 'up' else 'down'}"
    if failures := hub.counters["handler_errors"]:
        return f"{failures} batches of the {name} hub could not be handled; see the log"
    return None


def order_strategy(desk: Desk, order_id: int) -> str | None:
    """Whose order it was, None for a foreign one."""
    order = desk.picture.orders.get(order_id)
    return None if order is None else desk.picture.orders.strategy(order)
