"""The queries: accounts, contracts, orders, positions, trades (gateway.md 8.1-8.4, 8.9-8.14, 8.17)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from bot.paper import wire
from bot.paper.answers import Answer, refused
from bot.paper.fields import Members
from bot.paper.models import (
    Model,
    account_model,
    contract_model,
    order_model,
    position_model,
    trade_model,
    without_new_nulls,
)  # fmt: skip
from bot.paper.rows import OPEN, SUSPENDED, OrderRow
from bot.paper.state import State

NOT_FOUND = 1
PAGE = 100
SEARCHED = frozenset({1, 2, 3, 4, 5})

Query = Callable[[], Answer]


class Reads:
    """Each method binds the body at once (BadRequest) and answers when called."""

    def __init__(self, state: State) -> None:
        self._state = state

    def accounts(self, body: Members) -> Query:
        only_active = body.flag("onlyActiveAccounts")

        def answer() -> Answer:
            rows = self._state.accounts.values()
            listed = [row for row in rows if row.can_trade or row.locked or not only_active]
            if only_active:
                listed = [row for row in listed if not (row.breached or row.closed)]
            return Answer(payload={"accounts": [account_model(row) for row in listed]})

        return answer

    def contracts(self, body: Members) -> Query:
        text, live = body.text_or_none("searchText") or "", body.flag("live")

        def answer() -> Answer:
            rows = [] if live else self._state.catalogue.search(text, self._state.now)
            return Answer(payload={"contracts": [contract_model(row) for row in rows]})

        return answer

    def available(self, body: Members) -> Query:
        live = body.flag("live")

        def answer() -> Answer:
            rows = [] if live else self._state.catalogue.available(self._state.now)
            return Answer(payload={"contracts": [contract_model(row) for row in rows]})

        return answer

    def contract(self, body: Members) -> Query:
        contract_id = body.text("contractId")

        def answer() -> Answer:
            row = self._state.catalogue.find(contract_id, self._state.now)
            model = None if row is None else contract_model(row)
            payload: dict[str, Any] = {"contract": model}
            if self._state.options.contract_by_id_shape == "both":
                payload["contracts"] = [model] if model else self._failed_list()
            return Answer(payload=payload) if row else refused(NOT_FOUND, **payload)

        return answer

    def orders(self, body: Members) -> Query:
        account, start = body.i32("accountId"), body.time("startTimestamp")
        end = body.time_or_none("endTimestamp")
        updated = self._state.options.order_search_time == "updated"

        def wanted(row: OrderRow) -> bool:
            at = row.updated if updated else row.created
            return row.status in SEARCHED and at >= start and (end is None or at <= end)

        return lambda: self._orders(account, wanted)

    def open_orders(self, body: Members) -> Query:
        account = body.i32("accountId")
        return lambda: self._orders(account, lambda row: row.status == OPEN, self._state.live.values())

    def order(self, body: Members) -> Query:
        account, order = body.i32("accountId"), body.i64("orderId")

        def answer() -> Answer:
            row = self._state.orders.get(order)
            if row is None or row.account != account or row.hidden:
                return refused(NOT_FOUND, order=None)
            return Answer(payload={"order": self._order(row)}, order=row.id)

        return answer

    def query(self, body: Members) -> Query:
        where = body.inner("filter")
        account, statuses = where.i32("accountId"), where.whole_list("statuses")
        contract = where.text_or_none("contractId")
        after, before = where.time_or_none("createdAfter"), where.time_or_none("createdBefore")
        size, offset = body.i32_or_none("pageSize"), body.i32_or_none("pageOffset") or 0
        by_id, descending = body.i32_or_none("sortBy") == 1, body.i32_or_none("sortDirection") == 1
        counted = body.flag_or_none("includeTotalCount")
        by_contract = contract if self._state.options.query_contract_filter else None

        def wanted(row: OrderRow) -> bool:
            return (
                row.account == account
                and not row.hidden
                and (statuses is None or row.status in statuses)
                and (by_contract is None or row.contract == by_contract)
                and (after is None or row.created >= after)
                and (before is None or row.created <= before)
            )

        def answer() -> Answer:
            if account not in self._state.accounts:
                return refused(NOT_FOUND, orders=self._failed_list(), totalCount=None)
            only_live = statuses is not None and set(statuses) <= {OPEN, 6, 7, SUSPENDED}
            source = self._state.live if only_live else self._state.orders
            rows = [row for row in source.values() if wanted(row)]
            rows.sort(key=lambda row: (0 if by_id else row.created, row.id), reverse=descending)
            page = rows[max(offset, 0) :][: PAGE if size is None else max(0, min(size, PAGE))]
            total = len(rows) if counted else None
            return Answer(payload={"orders": [self._order(row) for row in page], "totalCount": total})

        return answer

    def positions(self, body: Members) -> Query:
        account = body.i32("accountId")

        def answer() -> Answer:
            if account not in self._state.accounts:
                return refused(NOT_FOUND, positions=self._failed_list())
            models = [
                self._shape(
                    position_model(row, self._state.contract(row.contract), wire.rest_time(row.created))
                )
                for row in self._state.positions.values()
                if row.account == account
            ]
            return Answer(payload={"positions": models})

        return answer

    def trades(self, body: Members) -> Query:
        account = body.i32("accountId")
        start, end = body.time_or_none("startTimestamp") or 0, body.time_or_none("endTimestamp")

        def answer() -> Answer:
            if account not in self._state.accounts:
                return refused(NOT_FOUND, trades=self._failed_list())
            models = []
            for row in reversed(self._state.trades):
                if row.created < start:
                    break
                if row.account == account and (end is None or row.created <= end):
                    stamp = wire.rest_time(row.created)
                    models.append(self._shape(trade_model(row, self._state.contract(row.contract), stamp)))
            return Answer(payload={"trades": models})

        return answer

    def _orders(
        self, account: int, wanted: Callable[[OrderRow], bool], source: Iterable[OrderRow] | None = None
    ) -> Answer:
        if account not in self._state.accounts:
            return refused(NOT_FOUND, orders=self._failed_list())
        rows = [
            row
            for row in (self._state.orders.values() if source is None else source)
            if row.account == account and not row.hidden and wanted(row)
        ]
        rows.sort(key=lambda row: row.id)
        return Answer(payload={"orders": [self._order(row) for row in rows]})

    def _order(self, row: OrderRow) -> Model:
        return self._shape(order_model(row, self._state.contract(row.contract), self._state.options))

    def _shape(self, model: Model) -> Model:
        return without_new_nulls(model) if self._state.options.rest_new_fields == "absent" else model

    def _failed_list(self) -> list[Any] | None:
        return [] if self._state.options.failure_lists == "empty" else None
