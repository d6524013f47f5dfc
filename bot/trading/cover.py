"""What covers a position: stops that work, stops that were accepted but not yet seen, children to come.

Pure questions about the picture; the watchdog acts on the answers.
"""

from __future__ import annotations

import msgspec

from bot.model.intents import PlaceOrder
from bot.model.orders import STOP_FAMILY, Order, OrderType, Position
from bot.model.quantities import Ticks, cost_ticks, divide_round
from bot.model.times import SECOND
from bot.trading.picture import Picture
from bot.trading.positions import At

QUOTE_AGE_NS = 5 * SECOND


class Cover(msgspec.Struct, frozen=True):
    """Lots: `working` at the venue, `confirmed` accepted or under way without a report yet."""

    working: int
    confirmed: int
    children_expected: bool

    @classmethod
    def of(cls, picture: Picture, at: At) -> Cover:
        """Any stop or trailing stop on the other side counts, also a foreign one, but no entry of ours."""
        net = picture.positions.net(*at)
        side = 1 if net > 0 else 0
        stops = _protective(picture, at, side)
        working = sum(left(order) for order in stops if order.status == 1)
        unseen = [order for order in stops if order.status == 6]
        unseen += [
            order
            for order in picture.floating(*at)
            if order.type in STOP_FAMILY and order.side == side and picture.orders.is_leg(order)
        ]
        _, entry = picture.entry_of(at)
        bracket = entry is None or (
            isinstance(entry.intent, PlaceOrder)
            and entry.intent.bracket is not None
            and entry.intent.legs == "native"
        )
        return cls(working, sum(left(order) for order in unseen), bracket)

    @staticmethod
    def orphans(picture: Picture, at: At) -> list[Order]:
        """Working legs of ours that protect nothing: no position, or one that they would enlarge.

        Legs of an entry that still works wait for it and are left alone.
        """
        net = picture.positions.net(*at)
        entries = {order.id for order in picture.orders.working(*at) if picture.orders.is_entry(order)}
        return [
            order
            for order in picture.orders.working(*at)
            if picture.orders.is_leg(order)
            and order.status != 7
            and (net == 0 or (order.status == 1 and (order.side == 0) == (net > 0)))
            and (order.parent_id is None or order.parent_id not in entries)
        ]


def targets(picture: Picture, at: At) -> list[Order]:
    """Working targets of ours: limit legs on the other side, the watchdog's own first."""
    side = 1 if picture.positions.net(*at) > 0 else 0
    found = [
        order
        for order in picture.orders.working(*at)
        if order.type == OrderType.LIMIT and order.side == side and order.status == 1
    ]
    return sorted((order for order in found if picture.orders.is_leg(order)), key=_expendable)


def missing_target(picture: Picture, at: At) -> tuple[str, Ticks] | None:
    """`(key, price)` of the target that a client-mode entry wants and has never had, None otherwise."""
    order, entry = picture.entry_of(at)
    intent = entry.intent if entry is not None else None
    if order is None or not isinstance(intent, PlaceOrder) or intent.legs != "client":
        return None
    key = f"{intent.key}|target"
    if intent.bracket is None or intent.bracket.target_ticks is None or key in picture.log.keys:
        return None
    fills = picture.fills.of_order(order.id)
    lots = sum(fill.size for fill in fills)
    if lots < order.size:
        return None
    average = divide_round(sum(fill.price * fill.size for fill in fills), lots)
    direction = 1 if intent.side == 0 else -1
    return key, Ticks(average + direction * intent.bracket.target_ticks)


def intended_stop(picture: Picture, at: At, position: Position) -> Ticks:
    """The stop price the entry was meant to have, else the root's default from the average price."""
    contract = picture.contracts[at[1]]
    order, entry = picture.entry_of(at)
    direction = 1 if position.net > 0 else -1
    average = divide_round(position.cost_ticks, max(1, position.size))
    intent = entry.intent if entry is not None else None
    if isinstance(intent, PlaceOrder) and intent.bracket is not None:
        fills = picture.fills.of_order(order.id) if order is not None else []
        lots = sum(fill.size for fill in fills)
        if lots:
            average = divide_round(sum(fill.price * fill.size for fill in fills), lots)
        elif order is not None and order.average:
            average = cost_ticks(contract.tick, order.average, 1)
        return Ticks(average - direction * intent.bracket.stop_ticks)
    return Ticks(average - direction * picture.settings.stop_ticks(contract.root))


def passed(picture: Picture, position: Position, stop: Ticks) -> bool:
    """True when a fresh price is at or beyond the stop already."""
    quote = picture.quotes.get(position.contract_id)
    if quote is None or picture.clock.now() - quote.received > QUOTE_AGE_NS:
        return False
    prices = [
        price for price in (quote.last, quote.bid if position.net > 0 else quote.ask) if price is not None
    ]
    if position.net > 0:
        return any(price <= stop for price in prices)
    return any(price >= stop for price in prices)


def surplus_of(picture: Picture, at: At) -> tuple[Order, int] | None:
    """The stop of ours to shrink next and its new size (0 = cancel it), None when nothing is too much.

    The watchdog's own stop goes before the venue's child, which has a target linked to it.
    """
    net = picture.positions.net(*at)
    side = 1 if net > 0 else 0
    stops = [order for order in _protective(picture, at, side) if order.status == 1]
    too_much = sum(left(order) for order in stops) - abs(net)
    own = [order for order in stops if picture.orders.strategy(order) is not None]
    own.sort(key=_expendable)
    if too_much <= 0 or not own:
        return None
    for order in own:
        if left(order) == too_much:
            return order, 0
    for order in own:
        if left(order) < too_much:
            return order, 0
    return own[0], own[0].size - too_much


def _protective(picture: Picture, at: At, side: int) -> list[Order]:
    return [order for order in picture.orders.stops(*at, side) if not picture.orders.is_entry(order)]


def left(order: Order) -> int:
    """Lots that are still to be filled."""
    return order.size - order.filled


def _expendable(order: Order) -> tuple[bool, int]:
    return order.parent_id is not None, -order.id
