"""The unsettled points of the venue: every option is a truth about it that nobody has settled.

The names are those of gateway.md 22.1; `bot.paper.describe` makes the table of docs/paper-gateway.md
from the fields and the texts below them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from bot.model.errors import BadField

Count = Annotated[int, msgspec.Meta(ge=1)]
Whole = Annotated[int, msgspec.Meta(ge=0)]
WallTime = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$")]
MicroDollars = Annotated[int, msgspec.Meta(ge=0)]


class PaperOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the gateway assumes where the venue is unclear; a client must work under every value."""

    rate_window: Literal["sliding", "fixed"] = "sliding"
    """Whether a rate window slides, or begins anew on its boundary."""

    rate_scope: Literal["user", "token", "ip"] = "user"
    """Whose requests share a budget; logins count by the user name that they send."""

    rate_general: tuple[Count, Count] = (200, 60)
    """Requests per seconds for everything but bars."""

    rate_bars: tuple[Count, Count] = (50, 30)
    """Requests per seconds for `History/retrieveBars`."""

    rate_retry_after: Whole | None = None
    """Seconds in the `Retry-After` header of a 429; none: no header."""

    rate_orders_per_s: Count | None = None
    """Calls of `Order/place` per second; none: no such limit."""

    token_life_s: Count = 86_400
    """Life of a token in seconds of venue time."""

    validate_expired: Literal["http401", "code3"] = "http401"
    """How `Auth/validate` answers an expired token."""

    validate_revokes_old: bool = False
    """Whether `Auth/validate` ends the token that it replaces."""

    logout_scope: Literal["token", "user"] = "token"
    """What `Auth/logout` ends: this token, or all of the user."""

    hub_on_token_expiry: Literal["keep", "drop"] = "keep"  # noqa: S105 - a policy
    """What happens to an open hub connection when its token expires."""

    hub_drop_at_close: bool = False
    """Whether hub connections end when the market closes for the day or the week."""

    failure_lists: Literal["null", "empty"] = "null"
    """Lists in a failed answer."""

    rest_new_fields: Literal["null", "absent"] = "null"
    """The newer members of REST rows when they have no value."""

    order_search_time: Literal["created", "updated"] = "created"
    """The time that `Order/search` filters by."""

    query_contract_filter: bool = False
    """Whether `Order/v2/query` honours `filter.contractId`."""

    contract_by_id_shape: Literal["one", "both"] = "one"
    """Members of `Contract/searchById`: `contract` alone, or also the old `contracts`."""

    bars_max: Count = 20_000
    """The most bars in one answer."""

    bars_silent_cap: bool = False
    """Whether a greater `limit` is cut silently rather than refused with code 4."""

    bars_leak_partial: bool = False
    """Whether the forming bar comes even when it was not asked for."""

    bars_expired_min_unit: Count = 3
    """The smallest bar unit that expired contracts serve; smaller ones are empty."""

    bars_hour_anchor: Literal["utc", "session"] = "utc"
    """Where bars of several hours are counted from."""

    bars_allow_tick_unit: bool = False
    """Whether bar unit 7 gives bars of `unitNumber` prints rather than code 2."""

    closed_code: Literal[2, 5] = 2
    """The code of an order while the market is closed; 5 comes without a text."""

    closed_text: str = "Trading is currently unavailable. The instrument is not in an active trading status."
    """The text of that refusal under code 2."""

    size_limit_code: Literal[2, 3] = 2
    """The code of an order over the greatest position."""

    size_limit_text: str = "Not enough margin."
    """The text of that refusal."""

    breached_code: Literal[4, 10] = 4
    """The code of an order for an account that breached a rule."""

    allow_stop_limit: bool = False
    """Whether order type 3 is taken: a stop that becomes a limit order when it triggers."""

    persist_rejected: Literal["all", "bracket_mode", "none"] = "all"
    """Which refusals of code 2 leave a rejected order behind."""

    reject_events: Literal["none", "engine", "all"] = "engine"
    """Which refusals are told on the user hub."""

    cancel_sibling_on_cancel: bool = False
    """Whether cancelling one bracket leg cancels the other."""

    cancel_children_on_flat: bool = False
    """Whether bracket legs end with the position."""

    modify_suspended: bool = False
    """Whether a suspended bracket leg can be changed rather than refused with code 3."""

    modify_wrong_price: Literal["ignore", "reject"] = "ignore"
    """A change of a price that the order's type does not have."""

    trail_sign: Literal["positive", "signed"] = "positive"
    """Sign of `trailDistance` of trailing orders of their own; bracket legs are always signed."""

    trail_events: bool = True
    """Whether each move of a trailing stop is told on the user hub."""

    limit_fill: Literal["opposite", "touch", "through"] = "opposite"
    """When a resting limit fills: the opposite quote reaches it, a print touches it, a print goes through."""

    join_repeg: bool = False
    """Whether JoinBid and JoinAsk orders follow the best bid or ask."""

    stop_slip_ticks: Whole = 1
    """Ticks by which a stop fills worse than the opposite touch."""

    partial_fills: bool = False
    """Whether orders fill by the depth of the book rather than whole."""

    cancel_at_cutoff: bool = True
    """Whether resting orders are cancelled at the daily cut."""

    order_terminal_action: Literal[1, 2] = 1
    """The `action` of an order event that ends the order."""

    emit_status7: bool = False
    """Whether a cancel shows status 7 before 3 on the user hub."""

    subscribe_result: Literal["zero", "void"] = "zero"
    """The result in the completion of a hub method: 0, or no member."""

    subscribe_unknown: Literal["silent", "error"] = "silent"
    """A subscription to an unknown contract or a foreign account."""

    subscribe_dup: Literal["once", "twice"] = "once"
    """How often an event comes after the same subscription twice."""

    market_snapshot: Literal["full", "none"] = "full"
    """Whether quotes begin complete, and depth with a reset and every level."""

    logout_args: tuple[str, ...] = ()
    """Texts that the event `GatewayLogout` carries as its arguments."""

    close_allow_reconnect: bool = True
    """Whether close records carry `allowReconnect`."""

    handshake_strict: bool = False
    """Whether the hubs close a connection of handshake version 0 after two seconds."""

    ping_auth: bool = False
    """Whether `Status/ping` wants a token."""

    ping_body: Literal["text", "json"] = "text"
    """The body of `Status/ping`: bare `pong`, or a JSON string."""

    mll_trail: Literal["end_of_day", "intraday"] = "end_of_day"
    """When the maximum loss floor rises."""

    flatten_at: WallTime = "15:10:00"
    """When everything must be flat, in Chicago wall time; from then on no order is taken until 17:00."""

    flatten_start: WallTime | None = None
    """When the venue begins to flatten and to refuse orders; none: at `flatten_at`."""

    holiday_flat_lead_min: Whole = 10
    """Minutes by which the flat time lies ahead of an early close, or of the close of grains and livestock."""

    consistency_pct: Count = 50
    """The share of the total profit, in percent, that the best day must stay below; reported only."""

    min_days: Count | None = None
    """The days with a fill that passing wants; none: no minimum. Reported only."""

    fees: dict[str, MicroDollars] = {}
    """Fees per round turn by root symbol, in micro-dollars, in place of the table's."""

    commissions: dict[str, MicroDollars] = {}
    """Commissions per side by root symbol, in micro-dollars, in place of the table's."""

    strict_fields: bool = False
    """Whether an unknown member of a request is a 400 rather than ignored."""


def changed(options: PaperOptions, values: Mapping[str, object]) -> PaperOptions:
    """The options with other values. Raises BadField for unknown names and bad values."""
    try:
        return msgspec.convert({**msgspec.to_builtins(options), **values}, PaperOptions)
    except msgspec.ValidationError as problem:
        raise BadField(
            "option", expected="options and values of gateway.md 22.1", seen=str(problem)
        ) from problem
