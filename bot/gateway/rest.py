"""The venue's REST side behind `VenueRest` (gateway.md §8)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, Final

import msgspec
import structlog

from bot.clock import Clock
from bot.gateway.budget import RateBudget
from bot.gateway.contracts import ContractRegistry
from bot.gateway.envelope import payload, rows
from bot.gateway.exchange import HISTORY, Exchange, NotOffered
from bot.gateway.session import VenueSession
from bot.gateway.transport import Transport
from bot.model import venue_rows
from bot.model.contract import Contract
from bot.model.errors import BadField, BadNumber, BadTimeframe, ProtocolError, VenueRefused
from bot.model.intents import PlannedRequest, WireResponse
from bot.model.market import MinuteBar
from bot.model.orders import WORKING, Account, Fill, Order, Position
from bot.model.quantities import TsNs
from bot.model.times import HOUR, MINUTE, SECOND, format_ts
from bot.model.venue_rows import Grid
from bot.ports import Lane, OpenOrders

ACCOUNTS: Final = "/api/Account/search"
AVAILABLE: Final = "/api/Contract/available"
CONTRACT: Final = "/api/Contract/searchById"
ORDERS: Final = "/api/Order/search"
OPEN_ORDERS: Final = "/api/Order/searchOpen"
QUERY: Final = "/api/Order/v2/query"
POSITIONS: Final = "/api/Position/searchOpen"
TRADES: Final = "/api/Trade/search"

_PAGE: Final = 100
_PAGES: Final = 20
_MAX_BARS: Final = 20_000
_BAR_PAGES: Final = 20
_SUSPICIOUS: Final = 1000
_ROWS_PER_TURN: Final = 1000
_QUERY_PAUSE: Final = 10 * MINUTE
_UNITS: Final = {"s": (1, SECOND), "m": (2, MINUTE), "h": (3, HOUR), "d": (4, 24 * HOUR)}

log = structlog.get_logger(__name__)


class RestClient:
    """`VenueRest` over a transport. A read that cannot be understood as a whole is an error, not a part.

    Timeouts are host seconds: `request_timeout_s` for one transmission, `read_deadline_s` for a read with
    its waiting and retries.
    """

    def __init__(
        self,
        transport: Transport,
        session: VenueSession,
        budget: RateBudget,
        clock: Clock,
        contracts: ContractRegistry,
        *,
        request_timeout_s: float = 10.0,
        read_deadline_s: float = 30.0,
        random: Random | None = None,
    ) -> None:
        self._clock, self.registry = clock, contracts
        self._deadline = read_deadline_s
        self._exchange = Exchange(
            transport,
            session,
            budget,
            clock,
            request_timeout_s=request_timeout_s,
            random=random or Random(0),  # noqa: S311 - spreads retries, guards nothing
        )
        self._sending: set[asyncio.Task[WireResponse]] = set()
        self._query_after = 0
        self.off_grid = 0
        self.dropped_bars = 0

    @property
    def clock_skew_ns(self) -> int | None:
        """By how much this machine's wall clock is ahead of the venue's; None while unknown."""
        return self._exchange.skew.ns

    async def send(self, request: PlannedRequest, lane: Lane) -> WireResponse:
        """Transmit one mutation; a caller that stops waiting does not stop the transmission."""
        task = asyncio.create_task(self._exchange.transmit(request, lane), name=f"send-{request.intent_id}")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return await asyncio.shield(task)

    async def accounts(self, lane: Lane = "read") -> list[Account]:
        """The active accounts (`Account/search`)."""
        found = await self._list(ACCOUNTS, {"onlyActiveAccounts": True}, "accounts", lane)
        return _each(ACCOUNTS, found, venue_rows.account)

    async def contracts(self) -> list[Contract]:
        """The active contracts (`Contract/available`); the registry takes them."""
        found = await self._list(AVAILABLE, {"live": False}, "contracts", "read")
        now = self._clock.now()
        contracts = _each(AVAILABLE, found, lambda row: venue_rows.contract(row, now))
        self.registry.put(contracts)
        return contracts

    async def contract(self, contract_id: str) -> Contract:
        """One contract (`Contract/searchById`), expired ones included; the registry takes it."""
        answer = await self._read(CONTRACT, {"contractId": contract_id}, "read")
        row = answer.get("contract")
        if row is None and isinstance(answer.get("contracts"), list):
            row = next(
                (r for r in answer["contracts"] if isinstance(r, dict) and r.get("id") == contract_id), None
            )
        if row is None:
            raise ProtocolError(CONTRACT, expected=f"a record of {contract_id}", seen="none")
        found: Contract
        (found,) = _each(CONTRACT, [row], lambda one: venue_rows.contract(one, self._clock.now()))
        self.registry.put([found])
        return found

    async def open_orders(self, account_id: int, lane: Lane = "read") -> OpenOrders:
        """Working orders with suspended children, or without them and marked incomplete."""
        if self._clock.mono() >= self._query_after:
            try:
                return OpenOrders(await self._query(account_id, lane), complete=True)
            except NotOffered as problem:
                self._query_after = self._clock.mono() + _QUERY_PAUSE
                log.warning("orders.query_unusable", reason=str(problem), until_s=_QUERY_PAUSE // SECOND)
        found = await self._list(OPEN_ORDERS, {"accountId": account_id}, "orders", lane)
        return OpenOrders(_working(await self._orders(OPEN_ORDERS, found)), complete=False)

    async def orders_since(self, account_id: int, start: TsNs, lane: Lane = "read") -> list[Order]:
        """`Order/search` from `start`, ascending by id."""
        body = {"accountId": account_id, "startTimestamp": _time(start)}
        orders = await self._orders(ORDERS, await self._list(ORDERS, body, "orders", lane))
        return sorted(orders, key=lambda order: order.id)

    async def positions(self, account_id: int, lane: Lane = "read") -> list[Position]:
        """Open positions; a flat one is absent."""
        found = await self._list(POSITIONS, {"accountId": account_id}, "positions", lane)
        grid = await self._grids(POSITIONS, found)
        return _each(POSITIONS, found, lambda row: venue_rows.position(row, grid))

    async def fills(self, account_id: int, start: TsNs, lane: Lane = "read") -> list[Fill]:
        """`Trade/search` from `start`, oldest first, voided ones included."""
        body = {"accountId": account_id, "startTimestamp": _time(start)}
        found = await self._list(TRADES, body, "trades", lane)
        grid = await self._grids(TRADES, found)
        priced = _each(TRADES, found, lambda row: venue_rows.fill(row, grid))
        self.off_grid += sum(one.off_grid for one in priced)
        fills: list[Fill] = [one.value for one in priced]
        return sorted(fills, key=lambda fill: (fill.ts, fill.id))

    async def bars(
        self,
        contract_id: str,
        timeframe: str,
        start: TsNs,
        end: TsNs,
        limit: int,
        partial: bool = False,
    ) -> list[MinuteBar]:
        """The last `limit` bars of `[start, end)`, ascending; closed by time unless `partial`."""
        unit, length, number = _unit(timeframe)
        grid = Grid((self.registry.get(contract_id) or await self.contract(contract_id)).tick)
        found: dict[int, MinuteBar] = {}
        upto = int(end)
        for _ in range(_BAR_PAGES):
            wanted = min(limit - len(found), _MAX_BARS)
            body = {
                "contractId": contract_id, "live": False, "startTime": _time(start), "endTime": _time(upto),
                "unit": unit, "unitNumber": number, "limit": wanted, "includePartialBar": partial,
            }  # fmt: skip
            page = await self._bars(grid, await self._list(HISTORY, body, "bars", "read"))
            before = len(found)
            found.update((bar.start, bar) for bar in page)
            cut_short = len(page) < wanted and len(page) % _SUSPICIOUS == 0
            if not page or len(found) >= limit or len(found) == before or not cut_short:
                break
            upto = min(bar.start for bar in page)
        closed_by = self._clock.now()
        kept = [
            bar
            for begin, bar in sorted(found.items())
            if start <= begin < end and (partial or begin + length <= closed_by)
        ]
        return kept[-limit:] if limit else []

    async def _bars(self, grid: Grid, found: list[Any]) -> list[MinuteBar]:
        """Rows to bars, the event loop let in between."""
        bars: list[MinuteBar] = []
        for begin in range(0, len(found), _ROWS_PER_TURN):
            read = _each(
                HISTORY, found[begin : begin + _ROWS_PER_TURN], lambda row: venue_rows.bar(row, grid)
            )
            bars += [bar for bar in read if bar is not None]
            self.dropped_bars += sum(bar is None for bar in read)
            await asyncio.sleep(0)
        return bars

    async def _query(self, account_id: int, lane: Lane) -> tuple[Order, ...]:
        """All pages of the working orders; `pageOffset` counts rows (gateway.md §8.12)."""
        orders: dict[int, Order] = {}
        for page in range(_PAGES):
            body = {
                "filter": {"accountId": account_id, "statuses": sorted(WORKING)},
                "pageSize": _PAGE,
                "pageOffset": page * _PAGE,
                "sortBy": 0,
                "sortDirection": 0,
            }
            found = await self._list(QUERY, body, "orders", lane)
            orders.update((order.id, order) for order in await self._orders(QUERY, found))
            if len(found) < _PAGE:
                return _working(orders.values())
        raise VenueRefused(
            QUERY, expected=f"at most {_PAGES * _PAGE} working orders", seen="more", do="cancel some"
        )

    async def _orders(self, path: str, found: list[Any]) -> list[Order]:
        grid = await self._grids(path, found)
        priced = _each(path, found, lambda row: venue_rows.order(row, grid))
        self.off_grid += sum(one.off_grid for one in priced)
        return [one.value for one in priced]

    async def _grids(self, path: str, found: Iterable[Any]) -> Callable[[str], Grid]:
        """Tick grids of the contracts in these rows, fetching records that are missing."""
        ids = sorted({row["contractId"] for row in found if _names_contract(row)})
        grids: dict[str, Grid] = {}
        for contract_id in ids:
            record = self.registry.get(contract_id) or await self.contract(contract_id)
            grids[contract_id] = Grid(record.tick)

        def grid_of(contract_id: str) -> Grid:
            grid = grids.get(contract_id)
            if grid is None:
                raise BadField("contractId", expected="a contract id", seen=contract_id, do=path)
            return grid

        return grid_of

    async def _list(self, path: str, body: dict[str, Any], member: str, lane: Lane) -> list[Any]:
        return rows(path, await self._read(path, body, lane), member)

    async def _read(self, path: str, body: dict[str, Any], lane: Lane) -> dict[str, Any]:
        return payload(path, await self._exchange.read(path, msgspec.json.encode(body), lane, self._deadline))


def _each(path: str, found: Iterable[Any], read: Callable[[Any], Any]) -> list[Any]:
    """All rows read; one that cannot be read makes the whole answer unusable."""
    values = []
    for index, row in enumerate(found):
        try:
            values.append(read(row))
        except (BadField, BadNumber) as problem:
            raise ProtocolError(
                f"{path} row {index}", expected="the documented members", seen=str(problem)
            ) from problem
    return values


def _working(orders: Iterable[Order]) -> tuple[Order, ...]:
    return tuple(sorted((order for order in orders if order.working), key=lambda order: order.id))


def _names_contract(row: object) -> bool:
    return isinstance(row, dict) and isinstance(row.get("contractId"), str)


def _unit(timeframe: str) -> tuple[int, int, int]:
    """Wire unit, length in ns and unit number. Raises BadTimeframe."""
    unit = _UNITS.get(timeframe[-1:])
    number = timeframe[:-1]
    if unit is None or not (number.isascii() and number.isdigit()) or number.startswith("0"):
        raise BadTimeframe(
            "timeframe", expected="the venue's own unit such as 1s, 1m, 1h, 1d", seen=timeframe
        )
    return unit[0], unit[1] * int(number), int(number)


def _time(ts: int) -> str:
    return format_ts(ts, max_digits=7)
