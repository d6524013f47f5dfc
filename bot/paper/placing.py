"""`Order/place`: the checks in the venue's order, then the new order and its children (gateway.md 8.6)."""

from __future__ import annotations

import msgspec

from bot.model.contract import Contract
from bot.paper.answers import Answer, refused
from bot.paper.fields import Members
from bot.paper.matching import Matching
from bot.paper.rows import (
    BUY,
    JOIN_ASK,
    JOIN_BID,
    LIMIT,
    MARKET,
    PENDING,
    STOP,
    STOP_LIMIT,
    STOPS,
    TRAILING,
    OrderRow,
)  # fmt: skip
from bot.paper.state import State

ACCOUNT_NOT_FOUND, REJECT, OUTSIDE_HOURS, CONTRACT_NOT_FOUND, NOT_ACTIVE, BARRED = 1, 2, 5, 8, 9, 10
NEAREST, FARTHEST = 4, 1_000
TYPE_NAMES = (
    "Unknown", "Limit", "Market", "StopLimit", "Stop", "TrailingStop", "JoinBid", "JoinAsk",
)  # fmt: skip
POSITION_BRACKETS = "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets."


class Leg(msgspec.Struct, frozen=True):
    """A bracket as asked for: signed ticks from the entry."""

    ticks: int
    type: int


class Ask(msgspec.Struct, kw_only=True):
    """A place request that binds; prices are `(mantissa, exponent)`."""

    account: int
    contract: str
    type: int
    side: int
    size: int
    limit: tuple[int, int] | None
    stop: tuple[int, int] | None
    trail: tuple[int, int] | None
    tag: str | None
    stop_loss: Leg | None
    take_profit: Leg | None


class Refusal(msgspec.Struct, frozen=True):
    """Why the order is not taken; `engine` failures are those that the order stream shows (13.1)."""

    text: str | None
    engine: bool = False
    code: int = REJECT


def read_ask(body: Members) -> Ask:
    """Bind a place request. Raises BadRequest."""
    ask = Ask(
        account=body.i32("accountId"),
        contract=body.text("contractId"),
        type=body.i32("type"),
        side=body.i32("side"),
        size=body.i32("size"),
        limit=body.decimal("limitPrice"),
        stop=body.decimal("stopPrice"),
        trail=body.decimal("trailPrice"),
        tag=body.text_or_none("customTag"),
        stop_loss=_leg(body.inner_or_none("stopLossBracket")),
        take_profit=_leg(body.inner_or_none("takeProfitBracket")),
    )
    body.i64_or_none("linkedOrderId")
    return ask


def _leg(body: Members | None) -> Leg | None:
    return None if body is None else Leg(body.i32("ticks"), body.i32("type"))


class Placing:
    """Takes orders of the API into one venue."""

    def __init__(self, state: State, matching: Matching) -> None:
        self._state, self._matching = state, matching

    def place(self, ask: Ask, ts: int) -> Answer:
        """Check and take an order; refusals keep a rejected row as the options say."""
        state = self._state
        account = state.accounts.get(ask.account)
        if account is None:
            return refused(ACCOUNT_NOT_FOUND, orderId=None)
        if account.live_routing:
            return refused(BARRED, orderId=None)
        if not account.can_trade:
            return refused(state.options.breached_code, orderId=None)
        contract = state.catalogue.find(ask.contract, ts)
        if contract is None:
            return refused(CONTRACT_NOT_FOUND, orderId=None)
        if not contract.active and not self._leads_out(ask, contract, ts):
            return refused(NOT_ACTIVE, orderId=None)
        tag = ask.tag or None
        if tag is not None and (ask.account, tag) in state.tags:
            return refused(REJECT, "Custom tag already in use.", orderId=None)
        row = OrderRow(
            id=0, account=ask.account, contract=ask.contract, created=ts, updated=ts, status=PENDING,
            type=ask.type, side=ask.side, size=ask.size, tag=tag,
        )  # fmt: skip
        refusal = self._shape(ask, row, contract) or self._engine(ask, row, contract, ts)
        if refusal is not None:
            return self._refuse(row, refusal, ts)
        row.id = state.take_order_ids(1)
        legs = []
        if ask.stop_loss is not None or ask.take_profit is not None:
            stop = None if ask.stop_loss is None else (ask.stop_loss.ticks, ask.stop_loss.type)
            target = None if ask.take_profit is None else ask.take_profit.ticks
            legs = self._matching.brackets.make(row, stop, target)
        first, rest = legs[:1], legs[1:]
        for order in (*first, row, *rest):
            state.save_order(order, ts)
        self._matching.accept(row, ts, bracketed=bool(legs))
        return Answer(payload={"orderId": row.id}, order=row.id)

    def _leads_out(self, ask: Ask, contract: Contract, ts: int) -> bool:
        """Whether the order can do no more than close what is held in a contract that still trades."""
        held = self._state.positions.get((ask.account, contract.id))
        if held is None or self._state.catalogue.expired(contract, ts):
            return False
        return ask.size <= abs(held.net) and (held.net > 0) == (ask.side != BUY)

    def _shape(self, ask: Ask, row: OrderRow, contract: Contract) -> Refusal | None:
        """Type, size, prices present and on tick, bracket mode, ticks and types."""
        if ask.type not in self._types() or ask.side not in (0, 1):
            return Refusal("Invalid order type")
        if ask.size <= 0:
            return Refusal("Invalid order size")
        if ask.type in (LIMIT, STOP_LIMIT):
            if ask.limit is None:
                return Refusal("Invalid limit price")
            row.limit, on_tick = contract.tick.ratio_ticks(*ask.limit)
            if not on_tick:
                return Refusal("Invalid limit price. Price is not aligned to tick size.")
        if ask.type in (STOP, STOP_LIMIT):
            if ask.stop is None:
                return Refusal("Invalid stop price")
            row.stop, on_tick = contract.tick.ratio_ticks(*ask.stop)
            if not on_tick:
                return Refusal("Invalid stop price. Price is not aligned to tick size.")
        if ask.type == TRAILING:
            if ask.trail is None:
                return Refusal("Trail Distance not set.")
            if not contract.tick.ratio_ticks(*ask.trail)[1]:
                return Refusal("Invalid trail price. Price is not aligned to tick size.")
        if ask.stop_loss is None and ask.take_profit is None:
            return None
        if self._state.accounts[ask.account].bracket_mode == "position":
            return Refusal(POSITION_BRACKETS)
        text = _stop_loss_fault(ask) or _take_profit_fault(ask)
        return None if text is None else Refusal(text)

    def _types(self) -> tuple[int, ...]:
        types = (LIMIT, MARKET, STOP, TRAILING, JOIN_BID, JOIN_ASK)
        return (*types, STOP_LIMIT) if self._state.options.allow_stop_limit else types

    def _engine(self, ask: Ask, row: OrderRow, contract: Contract, ts: int) -> Refusal | None:
        """Trading status, quote, side of the market, trailing distance, size limit."""
        state = self._state
        if not state.tradable(contract, ts):
            if state.options.closed_code == OUTSIDE_HOURS:
                return Refusal(None, engine=True, code=OUTSIDE_HOURS)
            return Refusal(state.options.closed_text, engine=True)
        touch = state.touch.get(contract.id)
        if touch is None:
            return Refusal("Invalid symbol", engine=True)
        last = state.last.get(contract.id)
        if ask.type in (STOP, STOP_LIMIT) and row.stop is not None and stop_is_wrong(row, row.stop, state):
            return Refusal("Invalid stop price", engine=True)
        if ask.type == TRAILING and ask.trail is not None:
            if last is None:
                return Refusal("Cannot trail without a last price", engine=True)
            row.trail = abs(last - contract.tick.ratio_ticks(*ask.trail)[0])
            if row.trail > FARTHEST:
                return Refusal(f"Trail Distance exceeds maximum ({FARTHEST})", engine=True)
            row.stop = last + row.sign * row.trail
        if ask.type in (JOIN_BID, JOIN_ASK):
            row.limit = touch.bid if ask.type == JOIN_BID else touch.ask
        refusal = self._interrupted(row, ts)
        if refusal is not None:
            return refusal
        if self._matching.limits.too_large(row, contract):
            return Refusal(state.options.size_limit_text, engine=True, code=state.options.size_limit_code)
        return None

    def _interrupted(self, row: OrderRow, ts: int) -> Refusal | None:
        """What a pause or a price band holds against an order; its price is set."""
        interruptions, text = self._state.interruptions, self._state.options.closed_text
        pause = interruptions.pause(row.contract, ts)
        if pause is not None and pause.how == "refuse" and self._matching.liquidity.is_aggressive(row):
            return Refusal(text, engine=True)
        if row.type == MARKET and not self._matching.liquidity.can_take(row):
            return Refusal(text, engine=True)
        if row.limit is not None and not interruptions.inside(row.contract, row.limit):
            return Refusal("Invalid limit price", engine=True)
        return None

    def _refuse(self, row: OrderRow, refusal: Refusal, ts: int) -> Answer:
        state = self._state
        keep = state.options.persist_rejected
        kept = keep == "all" or (keep == "bracket_mode" and refusal.text == POSITION_BRACKETS)
        if refusal.code != REJECT or not (kept or row.tag is not None):
            return refused(refusal.code, refusal.text, orderId=None)
        row.hidden = not kept
        self._matching.reject(row, ts, engine=refusal.engine)
        if not kept:
            return refused(refusal.code, refusal.text, orderId=None)
        answer = refused(refusal.code, refusal.text, orderId=row.id)
        answer.order = row.id
        return answer


def stop_is_wrong(row: OrderRow, stop: int, state: State) -> bool:
    """A buy stop must lie above the last trade, a sell stop below; without one the touch decides."""
    mark = state.last.get(row.contract)
    if mark is None:
        touch = state.touch[row.contract]
        mark = touch.ask if row.side == BUY else touch.bid
    return (stop - mark) * row.sign <= 0


def _stop_loss_fault(ask: Ask) -> str | None:
    leg = ask.stop_loss
    if leg is None:
        return None
    if leg.type not in STOPS:
        return f"Invalid stop loss type ({_type_name(leg.type)})"
    start = f"Invalid stop loss ticks ({leg.ticks})."
    if ask.side == BUY and leg.ticks >= 0:
        return f"{start} Ticks should be less than zero when longing."
    if ask.side != BUY and leg.ticks <= 0:
        return f"{start} Ticks should be greater than zero when going short."
    if abs(leg.ticks) < NEAREST:
        return f"{start} Price should be at least {NEAREST} ticks away."
    return start if abs(leg.ticks) > FARTHEST else None


def _take_profit_fault(ask: Ask) -> str | None:
    leg = ask.take_profit
    if leg is None:
        return None
    if leg.type != LIMIT:
        return f"Invalid take profit type ({_type_name(leg.type)})"
    start = f"Invalid take profit ticks ({leg.ticks})."
    if ask.side == BUY and leg.ticks <= 0:
        return f"{start} Ticks should be greater than zero when longing."
    if ask.side != BUY and leg.ticks >= 0:
        return f"{start} Ticks should be less than zero when going short."
    if abs(leg.ticks) < NEAREST:
        return f"{start} Price should be at least {NEAREST} ticks away."
    return start if abs(leg.ticks) > FARTHEST else None


def _type_name(type_: int) -> str:
    return TYPE_NAMES[type_] if 0 <= type_ < len(TYPE_NAMES) else str(type_)
