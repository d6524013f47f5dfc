"""The venue at a glance, for people who look on: one plain document of what is so now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from bot.model.quantities import TickSize, divide_round
from bot.model.times import SECOND, format_ts
from bot.paper import wire
from bot.paper.rows import OrderRow

if TYPE_CHECKING:
    from bot.paper.venue import PaperVenue


def overview(venue: PaperVenue) -> dict[str, Any]:
    """Time, prices, accounts, positions, working orders, faults, the judge's figures and the last requests.

    Prices are decimal text, money is in micro-dollars.
    """
    state, verdict = venue.state, venue.verdict()
    document = {
        "venue_time": format_ts(state.now),
        "prices": [_price(venue, contract_id) for contract_id in state.touch],
        "accounts": venue.accounts(),
        "positions": _positions(venue),
        "orders": [_order(venue, row) for row in state.live.values()],
        "faults": venue.faults.armed,
        "judge": verdict,
        "requests": list(venue.judge.recent),
    }
    plain: dict[str, Any] = msgspec.to_builtins(document)
    return plain


def _price(venue: PaperVenue, contract_id: str) -> dict[str, Any]:
    state, touch = venue.state, venue.state.touch[contract_id]
    tick, band = state.contract(contract_id).tick, state.interruptions.bands.get(contract_id)
    stop = state.interruptions.stops.get(contract_id)
    return {
        "contract_id": contract_id,
        "bid": tick.format(touch.bid),
        "ask": tick.format(touch.ask),
        "last": _text(state.last.get(contract_id), tick),
        "open": state.tradable(state.contract(contract_id), state.now),
        "stopped": None if stop is None else stop.kind,
        "band": None if band is None else [_text(band.low, tick), _text(band.high, tick)],
    }


def _positions(venue: PaperVenue) -> list[dict[str, Any]]:
    state, naked = venue.state, venue.judge.naked_since
    rows = []
    for key, row in state.positions.items():
        contract = state.contract(row.contract)
        since, mark = naked.get(key), state.last.get(row.contract)
        open_ = None
        if mark is not None:
            open_ = divide_round((mark * row.den - row.num) * row.net * contract.tick_value, row.den)
        rows.append({
            "account": row.account, "contract_id": row.contract, "side": "long" if row.net > 0 else "short",
            "size": abs(row.net), "average": bytes(wire.average(row.num, row.den, contract.tick)).decode(),
            "open_result": open_, "protected": since is None,
            "unprotected_s": 0.0 if since is None else (state.now - since) / SECOND,
        })  # fmt: skip
    return rows


def _order(venue: PaperVenue, row: OrderRow) -> dict[str, Any]:
    tick = venue.state.contract(row.contract).tick
    return {
        "id": row.id, "account": row.account, "contract_id": row.contract, "status": row.status, "type": row.type,
        "side": "buy" if row.sign > 0 else "sell", "size": row.size, "filled": row.filled,
        "limit": _text(row.limit, tick), "stop": _text(row.stop, tick), "parent": row.parent, "tag": row.tag,
    }  # fmt: skip


def _text(price: int | None, tick: TickSize) -> str | None:
    return None if price is None else tick.format(price)
