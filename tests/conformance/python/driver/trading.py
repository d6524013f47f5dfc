"""One day at a desk: every REST call of trading, whichever client makes it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

LIMIT, MARKET, STOP, TRAILING, JOIN_BID, JOIN_ASK = 1, 2, 4, 5, 6, 7
BUY, SELL = 0, 1
WAIT_S = 30.0
Rows = list[dict[str, Any]]


class Desk(Protocol):
    """A client behind one face. Orders are dicts of id, status, type, size, limit, stop and tag."""

    async def bars(self) -> list[float]:
        """The closes of the minute bars, as they came."""

    async def place(self, kind: int, side: int, size: int, tag: str, **prices: float) -> int:
        """The id of a new order; prices are limit, stop or trail."""

    async def protected(self, size: int, tag: str) -> int | None:
        """The id of a market buy with both brackets; None where the client has no brackets."""

    async def modify(self, order: int, **changes: float) -> None:
        """Changes of size, limit, stop or trail."""

    async def cancel(self, order: int) -> None:
        """Cancel an order."""

    async def orders(self) -> Rows:
        """The orders of the day."""

    async def open_orders(self) -> Rows:
        """The working ones."""

    async def positions(self) -> list[list[int]]:
        """Type and size of each."""

    async def reduce(self, size: int) -> None:
        """Close a part of the position."""

    async def close(self) -> None:
        """Close the position."""

    async def trades(self) -> list[list[Any]]:
        """Side, size and whether it has a result of each."""


async def trade(desk: Desk) -> dict[str, Any]:
    """Rest, change and cancel an order of each type; open, reduce and close a position."""
    last = (await desk.bars())[0]
    seen: dict[str, Any] = {
        "limit": await rest(desk, LIMIT, BUY, {"limit": last - 50}, {"limit": last - 60, "size": 2}),
        "stop": await rest(desk, STOP, SELL, {"stop": last - 50}, {"stop": last - 60}),
        "trailing": await rest(desk, TRAILING, SELL, {"trail": last - 30}, {"trail": last - 60}),
    }
    seen["joins"] = [await join(desk, JOIN_BID, BUY), await join(desk, JOIN_ASK, SELL)]
    seen["flat"] = await flatten(desk)
    protected = await desk.protected(3, "entry")
    order = protected or await desk.place(MARKET, BUY, 3, "entry")
    seen["opened"] = await settled(desk.positions, lambda held: held == [[1, 3]])
    working = await settled(desk.open_orders, lambda rows: len(rows) == (2 if protected else 0))
    seen["children"] = sorted([row["tag"], row["type"], row["size"]] for row in working)
    await desk.reduce(1)
    seen["reduced"] = await settled(desk.positions, lambda held: held == [[1, 2]])
    await desk.close()
    seen["closed"] = await settled(desk.positions, lambda held: held == [])
    for row in working:
        await desk.cancel(row["id"])
    seen["left"] = await settled(desk.open_orders, lambda rows: rows == [])
    seen["entry"] = next(row["status"] for row in await desk.orders() if row["id"] == order)
    seen["trades"] = (await desk.trades())[:3]
    return seen


async def rest(
    desk: Desk, kind: int, side: int, prices: dict[str, float], changes: dict[str, float]
) -> list[Any]:
    """How far the working order's price and size moved with its change, and its status after the cancel."""
    order = await desk.place(kind, side, 1, f"resting-{kind}", **prices)
    before = (await settled(desk.open_orders, lambda rows: [row["id"] for row in rows] == [order]))[0]
    await desk.modify(order, **changes)
    name = "limit" if kind == LIMIT else "stop"
    after = (await settled(desk.open_orders, lambda rows: [row[name] for row in rows] != [before[name]]))[0]
    await desk.cancel(order)
    gone = await settled(desk.orders, lambda rows: status(rows, order) == 3)
    return [after["type"], after["tag"], after[name] < before[name], after["size"], status(gone, order)]


async def join(desk: Desk, kind: int, side: int) -> list[Any]:
    """The type of an order at the touch, and whether it has a price; cancelled unless it fills before."""
    order = await desk.place(kind, side, 1, f"join-{kind}")
    rows = await settled(desk.orders, lambda rows: status(rows, order) in (1, 2))
    row = next(row for row in rows if row["id"] == order)
    try:
        await desk.cancel(order)
    except Exception:
        assert status(await desk.orders(), order) == 2
    return [row["type"], row["limit"] is not None]


async def flatten(desk: Desk) -> list[list[int]]:
    """Nothing is held afterwards; a join may have filled."""
    if await desk.positions():
        await desk.close()
    return await settled(desk.positions, lambda held: held == [])


async def settled(read: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool]) -> Any:
    """What a query answers once it is as it must become; the last answer when it does not."""
    deadline = time.monotonic() + WAIT_S
    while not holds(answer := await read()) and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    return answer


def status(rows: Rows, order: int) -> int | None:
    """The status of one order among others."""
    return next((row["status"] for row in rows if row["id"] == order), None)
